//! Edges: every route while one of the services behind it is away: what does not need it is answered as ever, what needs it says
//! who is away, and nothing breaks.

use domain::{
    lifecycle::{Node, ProvisionState},
    records::TenantServer,
    rim::Service,
};
use fakes::cloud::Party;
use serde_json::Value;

use super::{world::World, *};
use crate::access::belief::LOOK_BELIEF_US;

const GLANCE: Party = Party::OpenStack(Service::Glance);
const NOVA: Party = Party::OpenStack(Service::Nova);
const IRONIC: Party = Party::OpenStack(Service::Ironic);
const KEYSTONE: Party = Party::OpenStack(Service::Keystone);
const CONTRAIL: Party = Party::Contrail;

/// A request of a route: the route, its query and body, the status when everybody is here, and who is needed beside Keystone.
type Case = (Verb, &'static str, &'static str, &'static str, u16, &'static [Party]);

const FILE: &str = r#"nodes: [{name: n2, driver_info: {ipmi_address: 192.0.2.5, ipmi_username: u, ipmi_password: p},
    ports: [{name: eth0, mac_address: "52:54:00:00:00:99", switch_name: leaf1, port_name: xe-0/0/9, pxe_enabled: true}]}]"#;
const ADOPT: &str = r#"nodes: [{name: n2, driver_info: {ipmi_address: 192.0.2.5, ipmi_username: u, ipmi_password: p},
    ports: [{name: eth0, mac_address: "52:54:00:00:00:99", switch_name: leaf1, port_name: xe-0/0/9, pxe_enabled: true}],
    instance: {name: old, project: demo, image: image-demo, flavor: f1, make_ports: true,
        networks: [{network: net-demo, address: 192.0.2.50}]}}]"#;

/// One for every route that asks who it is. Rack `rack1` has no agent, and nothing was found there.
const CASES: &[Case] = &[
    (Verb::Get, "/v1/servers", "", "", 200, &[]),
    (Verb::Post, "/v1/servers", "", SERVER, 202, &[GLANCE, NOVA, CONTRAIL]),
    (Verb::Get, "/v1/servers/{server}", "", "", 200, &[]),
    // What is wanted is stored, and whoever is away is asked later.
    (Verb::Delete, "/v1/servers/{server}", "", "", 202, &[]),
    (Verb::Post, "/v1/servers/{server}/actions", "", r#"{"action":"stop"}"#, 202, &[IRONIC]),
    // It is asked for as a WebSocket, or not at all.
    (Verb::Get, "/v1/servers/{server}/console", "", "", 400, &[]),
    // The record is at the rack.
    (Verb::Get, "/v1/servers/{server}/console/log", "", "", 503, &[]),
    (Verb::Get, "/v1/images", "", "", 200, &[GLANCE]),
    (Verb::Post, "/v1/images", "?name=x", IMAGE, 201, &[GLANCE]),
    (Verb::Get, "/v1/images/{image}", "", "", 200, &[GLANCE]),
    (Verb::Delete, "/v1/images/{image}", "", "", 204, &[GLANCE]),
    // A rack without an agent says so in its place.
    (Verb::Get, "/v1/image-caches", "", "", 200, &[]),
    (Verb::Post, "/v1/image-caches", "", WARM, 202, &[GLANCE]),
    (Verb::Delete, "/v1/image-caches/{rack}/{cached}", "", "", 503, &[]),
    (Verb::Get, "/v1/networks", "", "", 200, &[CONTRAIL]),
    (Verb::Post, "/v1/networks", "", r#"{"name":"green","subnet":"192.0.2.0/24"}"#, 201, &[CONTRAIL]),
    (Verb::Get, "/v1/networks/{network}", "", "", 200, &[CONTRAIL]),
    (Verb::Delete, "/v1/networks/{network}", "", "", 204, &[CONTRAIL]),
    (Verb::Get, "/v1/security-groups", "", "", 200, &[CONTRAIL]),
    (Verb::Get, "/v1/flavors", "", "", 200, &[NOVA]),
    (Verb::Get, "/v1/flavors/{flavor}", "", "", 200, &[NOVA]),
    (Verb::Get, "/v1/events", "", "", 200, &[]),
    (Verb::Get, "/v1/events/stream", "", "", 200, &[]),
    (Verb::Post, "/v1/flavors", "", FLAVOR, 201, &[NOVA]),
    (Verb::Delete, "/v1/flavors/{flavor}", "", "", 204, &[NOVA]),
    (Verb::Post, "/v1/networks/setup", "", "", 200, &[CONTRAIL]),
    (Verb::Get, "/v1/nodes", "", "", 200, &[]),
    (Verb::Get, "/v1/nodes/export", "", "", 200, &[]),
    (Verb::Get, "/v1/nodes/{node}", "", "", 200, &[]),
    (Verb::Get, "/v1/nodes/{node}/console", "", "", 400, &[]),
    (Verb::Get, "/v1/nodes/{node}/console/log", "", "", 503, &[]),
    (Verb::Get, "/v1/nodes/{node}/proofs", "", "", 200, &[]),
    (Verb::Get, "/v1/nodes/{node}/boots", "", "", 200, &[]),
    (Verb::Get, "/v1/nodes/{node}/bmc", "", "", 200, &[]),
    (Verb::Get, "/v1/nodes/{node}/bmc/certificate", "", "", 200, &[]),
    (Verb::Get, "/v1/bmcs", "", "", 200, &[]),
    (Verb::Get, "/v1/bmc-factory-passwords", "", "", 200, &[]),
    (Verb::Post, "/v1/bmc-factory-passwords", "", FACTORY, 200, &[]),
    (Verb::Delete, "/v1/bmc-factory-passwords/{id}", "", "", 404, &[]),
    (Verb::Get, "/v1/nodes/{node}/disks", "", "", 200, &[]),
    (Verb::Get, "/v1/erase-certificates", "?serial=x", "", 200, &[]),
    (Verb::Get, "/v1/erase-certificates/{id}", "", "", 404, &[]),
    (Verb::Get, "/v1/nodes/{node}/firmware", "", "", 200, &[]),
    (Verb::Get, "/v1/firmware", "?drift=true", "", 200, &[]),
    (Verb::Get, "/v1/nodes/{node}/firmware-updates", "", "", 200, &[]),
    // The machine is one by IPMI.
    (Verb::Post, "/v1/nodes/{node}/firmware-updates", "", UPDATE, 409, &[]),
    (Verb::Delete, "/v1/nodes/{node}/firmware-updates/{update}", "", "", 404, &[]),
    (Verb::Get, "/v1/firmware-files", "", "", 200, &[]),
    (Verb::Post, "/v1/firmware-files", "?name=x", FIRMWARE, 201, &[]),
    (Verb::Delete, "/v1/firmware-files/{file}", "", "", 404, &[]),
    (Verb::Get, "/v1/nodes/{node}/sensors", "", "", 200, &[]),
    (Verb::Get, "/v1/nodes/{node}/sensors/{sensor}/history", "", "", 200, &[]),
    (Verb::Get, "/v1/nodes/{node}/sel", "", "", 200, &[]),
    (Verb::Post, "/v1/nodes/import", "?rack=rack1&dry_run=true", FILE, 200, &[]),
    (Verb::Post, "/v1/nodes/adopt", "?rack=rack1&dry_run=true", ADOPT, 202, &[GLANCE, NOVA, CONTRAIL]),
    (Verb::Delete, "/v1/nodes/{node}", "", "", 204, &[]),
    (Verb::Post, "/v1/nodes/{node}/actions", "", MAINTENANCE, 202, &[IRONIC]),
    (Verb::Post, "/v1/nodes/{node}/bmc/password-rotation", "", "{}", 409, &[]),
    (Verb::Delete, "/v1/nodes/{node}/bmc/password-rotation", "", "", 204, &[]),
    (Verb::Post, "/v1/nodes/{node}/bmc/password-reading", "", r#"{"reason":"x"}"#, 200, &[]),
    (Verb::Post, "/v1/nodes/{node}/sel/acknowledge", "", "{}", 200, &[]),
    (Verb::Post, "/v1/nodes/{node}/bmc/changes-acceptance", "", "", 409, &[]),
    (Verb::Post, "/v1/nodes/{node}/disks/{number}/exception", "", r#"{"reason":"x"}"#, 404, &[]),
    (Verb::Delete, "/v1/nodes/{node}/disks/{number}/exception", "", "", 404, &[]),
    (Verb::Get, "/v1/audit", "", "", 200, &[]),
    (Verb::Get, "/v1/agents", "", "", 200, &[]),
    (Verb::Get, "/v1/agents/{rack}", "", "", 404, &[]),
    (Verb::Post, "/v1/agents/{rack}/revoke", "", "{}", 404, &[]),
    (Verb::Get, "/v1/adoptions", "", "", 200, &[]),
    (Verb::Get, "/v1/adoptions/{node}", "", "", 404, &[]),
    // Who does not answer is named in the answer.
    (Verb::Get, "/v1/survey", "", "", 200, &[]),
    (Verb::Post, "/v1/survey", "?rack=rack1", FILE, 200, &[]),
    (Verb::Get, "/v1/pools", "", "", 200, &[]),
    (Verb::Post, "/v1/pools", "", "{}", 422, &[]),
    (Verb::Get, "/v1/pools/{pool}", "", "", 404, &[]),
    (Verb::Delete, "/v1/pools/{pool}", "", "", 404, &[]),
    (Verb::Post, "/v1/pool-moves", "", "{}", 200, &[]),
    (Verb::Get, "/v1/discoveries", "", "", 200, &[]),
    (Verb::Get, "/v1/discoveries/{id}", "", "", 404, &[]),
    (Verb::Delete, "/v1/discoveries/{id}", "", "", 404, &[]),
    (Verb::Post, "/v1/discoveries/{id}/accept", "", r#"{"name":"n2"}"#, 404, &[]),
    (Verb::Post, "/v1/discoveries/{id}/ignore", "", "{}", 404, &[]),
    (Verb::Get, "/v1/discovery-rules", "", "", 200, &[]),
    (Verb::Post, "/v1/discovery-rules", "", "{}", 422, &[]),
    (Verb::Delete, "/v1/discovery-rules/{rule}", "", "", 404, &[]),
    (Verb::Get, "/v1/discovery-scans", "", "", 200, &[]),
    (Verb::Post, "/v1/discovery-scans", "", SCAN, 503, &[]),
    (Verb::Get, "/v1/discovery-scans/{id}", "", "", 404, &[]),
    (Verb::Get, "/v1/discovery-windows", "", "", 200, &[]),
    (Verb::Post, "/v1/discovery-windows", "", r#"{"rack":"rack1","seconds":60}"#, 503, &[]),
    (Verb::Delete, "/v1/discovery-windows/{rack}", "", "", 503, &[]),
];

const SERVER: &str = r#"{"name":"db","flavor":"f1","image":"image-demo","network":"net-demo"}"#;
const FLAVOR: &str = r#"{"name":"silver","resource_class":"silver","cpus":1,"memory_mib":1024,"disk_gb":4}"#;
const MAINTENANCE: &str = r#"{"action":"maintenance_on","reason":"x"}"#;
const SCAN: &str = r#"{"rack":"rack1","ranges":["192.0.2.1"],"credentials":[]}"#;
const FACTORY: &str = "serial,username,password\n7X0AB12,root,calvin\n";
const WARM: &str = r#"{"image":"image-demo"}"#;
/// Stands for the bytes of [`disk`].
const IMAGE: &str = "a whole disk";
const FIRMWARE: &str = "new firmware";
const UPDATE: &str = r#"{"component":"BMC","version":"2.0","url":"https://images.example/a"}"#;

/// The smallest file that is a whole disk: a boot record with one partition (UEFI specification 2.10, section 5.2.1).
fn disk() -> Vec<u8> {
    let mut bytes = vec![0; 1 << 20];
    // One partition: its kind, its first sector and its length.
    (bytes[450], bytes[454]) = (0x83, 1);
    bytes[458..460].copy_from_slice(&1000_u16.to_le_bytes());
    bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
    bytes
}

/// Who asks in these tests: a tenant for what a tenant has, else an administrator; and both kinds of administrator for everything.
const ASKING: [&str; 3] = ["member", "administrator", "system-admin"];

/// The tenant's server of `demo` is deployed on the one machine.
async fn deployed() -> World {
    let world = World::start().await;
    let machine = world.inventory.servers(None).await.unwrap().pop().unwrap().id;
    let record = world.inventory.tenant_server(id_of("demo")).await.unwrap().unwrap();
    let mut node = Node::in_state(machine, ProvisionState::Active);
    node.instance_id = record.instance;
    world.inventory.put_tenant_server(&TenantServer { node: Some(machine), ..record }).await.unwrap();
    world.inventory.set_node(machine, Some(&node)).await.unwrap();
    world.cloud.held().nodes.insert(machine, node);
    world
}

async fn ask(world: &World, case: &Case, who: &str) -> (u16, String) {
    let (verb, path, query, body, ..) = *case;
    let bytes = if body == IMAGE { disk() } else { body.as_bytes().to_vec() };
    let kind = if body.starts_with("nodes:") { "application/yaml" } else { "application/json" };
    let request = Request::builder()
        .method(verb.as_str())
        .uri(format!("{}{query}", address(path, "demo")))
        .header("x-auth-token", format!("token-{who}"))
        .header("content-type", kind)
        .header("content-length", bytes.len());
    // What Keystone said before is not believed any more.
    world.clock.advance_us(LOOK_BELIEF_US);
    let (status, _, said) = world.send(request.body(Body::from(bytes)).unwrap()).await;
    (status.as_u16(), said)
}

/// What is wrong with the answer of a route while somebody is away; none: nothing.
fn fault(case: &Case, who: &str, away: Party, base: u16, (status, said): &(u16, String)) -> Option<String> {
    let (.., needs) = case;
    let is_ones_own = who == "member" || !ASKED_BY_TENANTS.iter().any(|least| least_of(case) == *least);
    let expected = if away == KEYSTONE || (is_ones_own && needs.contains(&away)) { 503 } else { base };
    // An administrator's request may need less, or end earlier, than a tenant's of the same kind.
    let good = *status == expected || (!is_ones_own && *status == 503 && needs.contains(&away));
    if !good {
        return Some(format!("{status} instead of {expected}: {said}"));
    }
    if *status != 503 || base == 503 {
        return None;
    }
    let problem: Value = serde_json::from_str(said).unwrap_or_default();
    let detail = problem["detail"].as_str().unwrap_or_default();
    let is_told = match away {
        Party::OpenStack(Service::Ironic) | Party::Contrail if who == "member" => {
            detail.contains("try again in a moment") && !detail.contains("198.51.100")
        }
        Party::OpenStack(service) => {
            detail.contains(&format!("{service} did not answer")) && detail.contains("try again")
        }
        Party::Contrail => detail.contains("Contrail API at http://198.51.100.9:8082 did not answer"),
    };
    (!is_told).then(|| format!("nobody can act on {said}"))
}

/// Routes at which a tenant's own things are meant.
const ASKED_BY_TENANTS: [Least; 2] = [Least::ReadOwn, Least::WriteOwn];

fn least_of(case: &Case) -> Least {
    let row = ROUTES.iter().find(|row| (row.0, row.1) == (case.0, case.1));
    row.map_or(Least::Anybody, |row| row.2)
}

#[test]
fn every_route_is_tried_with_its_services_away() {
    let tried: Vec<_> = CASES.iter().map(|case| (case.0, case.1)).collect();
    let asked: Vec<_> =
        ROUTES.iter().filter(|row| row.2 != Least::Anybody).map(|row| (row.0, row.1)).collect();
    assert_eq!(tried, asked, "a route has no case in access/tests/away.rs, or another place in its table");
}

#[tokio::test]
async fn a_service_that_is_away_is_named_and_breaks_nothing_else() {
    let mut faults = Vec::new();
    for case in CASES {
        let least = least_of(case);
        let may =
            |who: &&&str| PEOPLE.iter().any(|person| person.name == **who && person.may.contains(&least));
        let changes = case.0 != Verb::Get;
        let mut shared = deployed().await;
        for who in ASKING.iter().filter(may) {
            let (base, said) = ask(&shared, case, who).await;
            // A refusal has changed nothing.
            let mut is_changed = changes && base < 300;
            let is_main = *who == if ASKED_BY_TENANTS.contains(&least) { "member" } else { "system-admin" };
            if is_main && base != case.4 {
                faults.push(format!(
                    "{who} {} {}: {base} instead of {}: {said}",
                    case.0.as_str(),
                    case.1,
                    case.4
                ));
            }
            for away in Party::ALL {
                if is_changed {
                    shared = deployed().await;
                }
                shared.cloud.set_away(&[away]);
                let answer = ask(&shared, case, who).await;
                shared.cloud.set_away(&[]);
                is_changed = changes && answer.0 < 300;
                if let Some(fault) = fault(case, who, away, base, &answer) {
                    faults.push(format!("{who} {} {} without {away:?}: {fault}", case.0.as_str(), case.1));
                }
            }
            if is_changed {
                shared = deployed().await;
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
