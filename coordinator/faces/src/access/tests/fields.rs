//! Edges: what is refused of a request's body, query and headers, over the wire: each refusal names its fields, so that no client reads
//! them out of a sentence.

use api_types::Problem;

use super::{world::World, *};

/// A request that is refused: its method, address and body, the status, and the fields that the refusal names.
type Case = (Method, &'static str, &'static str, u16, &'static [&'static str]);

const TWO_PORTS: &str = r#"nodes: [{name: n2, driver_info: {ipmi_address: 192.0.2.5, ipmi_username: u, ipmi_password: p},
    ports: [{name: eth0, mac_address: "52:54:00:00:00:99", switch_name: leaf1, port_name: xe-0/0/9, pxe_enabled: true},
            {name: eth1, mac_address: "52:54:00:00:00:99", switch_name: leaf1, port_name: xe-0/0/9, pxe_enabled: true}]}]"#;
const TABLE: &str = "name,ipmi_address,ipmi_username,ipmi_password,interface,mac_address,switch_name,port_name,pxe_enabled\n\
    n2,192.0.2.5,u,p,eth0,nothing,leaf1,xe-0/0/9,true\n";

/// Every kind of refusal of what was said. Rack `rack1` has no agent; `demo` has one server, image, network and group.
fn cases() -> Vec<Case> {
    let (get, post) = (Method::GET, Method::POST);
    let server = |body| (post.clone(), "/v1/servers", body, 400, &[][..]);
    let with = |case: Case, status, fields: &'static [&'static str]| (case.0, case.1, case.2, status, fields);
    vec![
        // Tenants' servers.
        with(server("{}"), 422, &["name", "flavor", "image"]),
        with(
            server(r#"{"name":"-","flavor":"f1","image":"image-demo","network":"net-demo"}"#),
            400,
            &["name"],
        ),
        with(
            server(r#"{"name":"web-demo","flavor":"f1","image":"image-demo","network":"net-demo"}"#),
            409,
            &["name"],
        ),
        with(
            server(r#"{"name":"a","flavor":"x","image":"image-demo","network":"net-demo"}"#),
            404,
            &["flavor"],
        ),
        with(server(r#"{"name":"a","flavor":"f1","image":"x","network":"net-demo"}"#), 404, &["image"]),
        with(server(r#"{"name":"a","flavor":"f1","image":"image-demo"}"#), 400, &["networks"]),
        with(server(r#"{"name":"a","flavor":"f1","image":"image-demo","network":"x"}"#), 404, &["network"]),
        with(
            server(
                r#"{"name":"a","flavor":"f1","image":"image-demo","network":"x","networks":[{"network":"x"}]}"#,
            ),
            400,
            &["network", "networks"],
        ),
        with(
            server(
                r#"{"name":"a","flavor":"f1","image":"image-demo","networks":[{"network":"net-demo"},{"network":"x"}]}"#,
            ),
            404,
            &["networks[1].network"],
        ),
        with(
            server(
                r#"{"name":"a","flavor":"f1","image":"image-demo","networks":[{"network":"net-demo","vlan":4095}]}"#,
            ),
            400,
            &["networks[0].vlan"],
        ),
        with(
            server(
                r#"{"name":"a","flavor":"f1","image":"image-demo","networks":[{"network":"net-demo","address":"x"}]}"#,
            ),
            400,
            &["networks[0].address"],
        ),
        with(
            server(
                r#"{"name":"a","flavor":"f1","image":"image-demo","network":"net-demo","security_groups":["group-demo","x"]}"#,
            ),
            404,
            &["security_groups[1]"],
        ),
        (
            post.clone(),
            "/v1/servers/web-demo/actions",
            r#"{"action":"rescue","password":"x"}"#,
            400,
            &["password"],
        ),
        (post.clone(), "/v1/servers/web-demo/actions", r#"{"action":"start","hard":true}"#, 400, &["hard"]),
        (post.clone(), "/v1/servers/web-demo/actions", r#"{"action":"start","image":"x"}"#, 400, &["image"]),
        (
            post.clone(),
            "/v1/servers/web-demo/actions",
            r#"{"action":"rebuild","image":"x"}"#,
            404,
            &["image"],
        ),
        (post.clone(), "/v1/servers/web-demo/actions", r#"{"action":"fly"}"#, 422, &["action"]),
        // Networks, images, flavors.
        (post.clone(), "/v1/networks", r#"{"name":"a b","subnet":"192.0.2.0/24"}"#, 400, &["name"]),
        (post.clone(), "/v1/networks", r#"{"name":"a","subnet":"192.0.2.0"}"#, 400, &["subnet"]),
        (post.clone(), "/v1/images", "", 400, &["name"]),
        (post.clone(), "/v1/images?name=a&boot_mode=x", "", 400, &["boot_mode"]),
        (post.clone(), "/v1/images?name=a&min_disk_gb=0", "", 400, &["min_disk_gb"]),
        (post.clone(), "/v1/images?name=a&sha512=0", "", 400, &["sha512"]),
        (post.clone(), "/v1/images?name=a", "", 400, &["Content-Length"]),
        (
            post.clone(),
            "/v1/flavors",
            r#"{"name":"a","resource_class":"x","cpus":0,"memory_mib":0,"disk_gb":1}"#,
            400,
            &["cpus", "memory_mib"],
        ),
        (
            post.clone(),
            "/v1/flavors",
            r#"{"name":"a","resource_class":"x","cpus":1,"memory_mib":1,"disk_gb":1,"projects":["demo","nobody's"]}"#,
            400,
            &["projects[1]"],
        ),
        // Nodes.
        (get.clone(), "/v1/nodes?power=blue", "", 400, &["power"]),
        (get.clone(), "/v1/nodes?sort=colour", "", 400, &["sort"]),
        (get.clone(), "/v1/nodes?state=asleep", "", 400, &["state"]),
        (get.clone(), "/v1/nodes?limit=0", "", 400, &["limit"]),
        (get.clone(), "/v1/nodes?limit=many", "", 400, &["limit"]),
        (get.clone(), "/v1/nodes?marker=x", "", 400, &["marker"]),
        (get.clone(), "/v1/nodes?flavor=x", "", 404, &["flavor"]),
        (get.clone(), "/v1/nodes?deployed=maybe", "", 400, &["deployed"]),
        (get.clone(), "/v1/nodes?rack=a&rack=b", "", 400, &["rack"]),
        (get.clone(), "/v1/nodes/export?format=pdf", "", 400, &["format"]),
        (get.clone(), "/v1/nodes/export?rack=a%20b", "", 400, &["rack"]),
        (post.clone(), "/v1/nodes/n1/actions", r#"{"action":"clean","steps":["burn"]}"#, 400, &["steps"]),
        (post.clone(), "/v1/nodes/n1/actions", r#"{"action":"abort","steps":["burn"]}"#, 400, &["steps"]),
        (post.clone(), "/v1/nodes/n1/actions", r#"{"action":"maintenance_on"}"#, 400, &["reason"]),
        (post.clone(), "/v1/nodes/n1/disks/1/exception", r#"{"reason":" "}"#, 400, &["reason"]),
        (post.clone(), "/v1/nodes/import", "nodes: []", 400, &["rack"]),
        (post.clone(), "/v1/nodes/import?rack=a%20b", "nodes: []", 400, &["rack"]),
        (
            post.clone(),
            "/v1/nodes/import?rack=rack1",
            TWO_PORTS,
            422,
            &["nodes[0].ports[1].mac_address", "nodes[0].ports[1].port_name"],
        ),
        (
            post.clone(),
            "/v1/nodes/import?rack=rack1&format=csv",
            TABLE,
            422,
            &["nodes[0].ports[0].mac_address"],
        ),
        (post.clone(), "/v1/nodes/import?rack=rack1", "- x", 422, &[""]),
        (post.clone(), "/v1/bmc-factory-passwords?format=xml", "", 400, &["format"]),
        (
            post.clone(),
            "/v1/bmc-factory-passwords",
            "serial,mac,username,password\n,x,root,calvin\n7X0AB12,,root,\n",
            422,
            &["mac", "password"],
        ),
        (post.clone(), "/v1/nodes/adopt?rack=a%20b", "nodes: []", 400, &["rack"]),
        // Pools, and the rules of discovery.
        (post.clone(), "/v1/pools", "{}", 422, &["name", "resource_class", "match"]),
        (
            post.clone(),
            "/v1/pools",
            r#"{"name":"a","resource_class":"x","match":["cpus>=1","cpu>1"]}"#,
            400,
            &["match[1]"],
        ),
        (post.clone(), "/v1/pools", r#"{"name":"a","resource_class":"x","match":[]}"#, 400, &["match"]),
        (
            post.clone(),
            "/v1/pools",
            r#"{"name":"a","resource_class":"x y","match":["cpus>=1"]}"#,
            400,
            &["resource_class"],
        ),
        (
            post.clone(),
            "/v1/pools",
            r#"{"name":"a","resource_class":"x","match":["cpus>=1"],"before":"b"}"#,
            400,
            &["before"],
        ),
        (
            post.clone(),
            "/v1/pool-moves",
            r#"{"dry_run":true,"pool":{"name":"a","resource_class":"x","match":["cpu>1"]}}"#,
            400,
            &["pool.match[0]"],
        ),
        (
            post.clone(),
            "/v1/pool-moves",
            r#"{"pool":{"name":"a","resource_class":"x","match":["cpus>1"]}}"#,
            400,
            &["pool"],
        ),
        (
            post.clone(),
            "/v1/discovery-rules",
            r#"{"name":"a","rack":"rack1","switch_ports":["leaf1"],"bmc_username":"u","bmc_password":"p"}"#,
            400,
            &["ranges", "bmc_username"],
        ),
        (
            post.clone(),
            "/v1/discovery-rules",
            r#"{"name":"a","switch_ports":["leaf1"],"bmc_username":"u"}"#,
            400,
            &["bmc_username", "bmc_password"],
        ),
        (
            post.clone(),
            "/v1/discovery-rules",
            r#"{"name":"a","rack":"rack1","switch_ports":["*"]}"#,
            400,
            &["switch_ports"],
        ),
        // Scans, windows, agents, events, changes.
        (
            post.clone(),
            "/v1/discovery-scans",
            r#"{"rack":"rack1","ranges":["192.0.2.1","x"]}"#,
            400,
            &["ranges[1]"],
        ),
        (
            post.clone(),
            "/v1/discovery-scans",
            r#"{"rack":"rack1","ranges":["192.0.2.1"],"redfish":["x"]}"#,
            400,
            &["redfish[0]"],
        ),
        (
            post.clone(),
            "/v1/discovery-scans",
            r#"{"rack":"rack1","ranges":["192.0.2.1"],"credentials":[{"username":"u","password":""}]}"#,
            400,
            &["credentials[0].password"],
        ),
        (post.clone(), "/v1/discovery-windows", r#"{"rack":"rack1","seconds":0}"#, 400, &["seconds"]),
        (post.clone(), "/v1/agents/rack1/revoke", r#"{"fingerprint":"x"}"#, 400, &["fingerprint"]),
        (get.clone(), "/v1/events?node=x", "", 404, &["node"]),
        (get.clone(), "/v1/events?server=x", "", 404, &["server"]),
        (get.clone(), "/v1/events?after=yesterday", "", 400, &["after"]),
        (get.clone(), "/v1/audit?since=yesterday", "", 400, &["since"]),
        (get, "/v1/audit?marker=x", "", 400, &["marker"]),
    ]
}

async fn refused(world: &World, (method, address, body, ..): &Case) -> (u16, Problem) {
    let is_tenants = address.starts_with("/v1/servers") || address.starts_with("/v1/networks");
    let who = if is_tenants { "member" } else { "administrator" };
    let kind = if body.starts_with('{') { "application/json" } else { "application/yaml" };
    let request = Request::builder()
        .method(method.clone())
        .uri(*address)
        .header("x-auth-token", format!("token-{who}"))
        .header("content-type", kind);
    let (status, _, said) = world.send(request.body(Body::from(*body)).unwrap()).await;
    let problem = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{address} {body}: {status} {said}"));
    (status.as_u16(), problem)
}

#[tokio::test]
async fn every_refusal_of_what_was_said_names_its_fields() {
    let world = World::start().await;
    let mut wrong = Vec::new();
    for case in cases() {
        let (status, problem) = refused(&world, &case).await;
        let fields: Vec<_> = problem.fields.iter().map(|one| one.field.as_str()).collect();
        if (status, fields.as_slice()) != (case.3, case.4)
            || problem.fields.iter().any(|one| one.message.is_empty())
        {
            wrong.push(format!("{} {} {}: {status} {problem:?}", case.0, case.1, case.2));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
