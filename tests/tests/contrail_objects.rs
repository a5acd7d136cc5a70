//! Edges: names, addresses, lists and deletions in the VNC API: the contract that the stand-in and the real server keep.
//! `CONTRAIL_API` names a server to ask instead of the stand-in.

mod contrail_common;

use contrail_common::{contract, pairs, project};
use serde_json::{Value, json};

#[tokio::test]
async fn addresses_come_from_the_top_and_deletions_have_an_order() {
    contract(async |api| {
        let subnet = json!({"subnet": {"ip_prefix": "192.0.2.0", "ip_prefix_len": 24},
            "allocation_pools": [{"start": "192.0.2.19", "end": "192.0.2.20"}]});
        let network_id = api.network("web", subnet).await;
        let network = api.read("virtual-network", &network_id).await;
        let subnet = &network["network_ipam_refs"][0]["attr"]["ipam_subnets"][0];
        assert_eq!(subnet["default_gateway"], "192.0.2.254", "the last host");
        assert_eq!(subnet["dns_server_address"], "192.0.2.253", "the one before it");
        let port = json!({"virtual-machine-interface": {"fq_name": ["default-domain", project(), "p"],
            "parent_type": "project", "virtual_network_refs": [{"to": ["default-domain", project(), "web"]}],
            "virtual_machine_interface_bindings": pairs(&[("vnic_type", "baremetal")])}});
        let made = api.good("POST", "/virtual-machine-interfaces", port).await;
        let port_id = made["virtual-machine-interface"]["uuid"].as_str().unwrap().to_owned();
        let read = api.read("virtual-machine-interface", &port_id).await;
        assert_eq!(
            read["virtual_machine_interface_mac_addresses"]["mac_address"],
            json!(["00:00:00:00:00:00"])
        );
        assert!(read.get("virtual_port_group_refs").is_none());
        let ask = |name: &str, address: Option<&str>| {
            let mut body = json!({"instance-ip": {"fq_name": [format!("{}-{name}", project())],
                "virtual_network_refs": [{"to": ["default-domain", project(), "web"]}],
                "virtual_machine_interface_refs": [{"to": ["default-domain", project(), "p"]}]}});
            if let Some(address) = address {
                body["instance-ip"]["instance_ip_address"] = json!(address);
            }
            body
        };
        let give = async |name: &str, address: Option<&str>| {
            let made = api.good("POST", "/instance-ips", ask(name, address)).await;
            let id = made["instance-ip"]["uuid"].as_str().unwrap().to_owned();
            let read = api.read("instance-ip", &id).await;
            assert!(read["subnet_uuid"].is_string());
            assert!(read.get("instance_ip_family").is_none(), "a family that nobody asked for is not said");
            (id, read["instance_ip_address"].as_str().unwrap().to_owned())
        };
        let (first, address) = give("one", None).await;
        assert_eq!(address, "192.0.2.20");
        let (second, address) = give("two", None).await;
        assert_eq!(address, "192.0.2.19");
        let name = format!("['default-domain', '{}', 'web']", project());
        let exhausted = format!("Virtual-Network({name}) has exhausted subnet([])");
        let exhausted = (400, exhausted.as_str());
        api.bad("POST", "/instance-ips", ask("three", None), exhausted).await;
        api.bad("POST", "/instance-ips", ask("three", Some("198.51.100.9")), exhausted).await;
        let used = (409, "IP address already in use");
        api.bad("POST", "/instance-ips", ask("three", Some("192.0.2.20")), used).await;
        for reserved in ["192.0.2.0", "192.0.2.255"] {
            api.bad("POST", "/instance-ips", ask("three", Some(reserved)), used).await;
        }
        // Where no pool says otherwise, service address and gateway are kept too. The gateway is for routers.
        api.network("plain", json!({"subnet": {"ip_prefix": "192.0.2.0", "ip_prefix_len": 24}})).await;
        let plain = |address: &str| {
            let mut body = ask("plain", Some(address));
            body["instance-ip"]["virtual_network_refs"] =
                json!([{"to": ["default-domain", project(), "plain"]}]);
            body
        };
        api.bad("POST", "/instance-ips", plain("192.0.2.253"), used).await;
        api.bad("POST", "/instance-ips", plain("192.0.2.254"), (500, "KeyError: 'uuid'")).await;
        let mut by_id = ask("three", None);
        by_id["instance-ip"]["virtual_network_refs"] = json!([{"uuid": network_id}]);
        api.bad("POST", "/instance-ips", by_id, (500, "KeyError: 'to'")).await;
        let (outside, address) = give("three", Some("192.0.2.77")).await;
        assert_eq!(address, "192.0.2.77", "outside the pool, inside the subnet");
        let change = json!({"instance-ip": {"instance_ip_address": "192.0.2.78"}});
        api.bad("PUT", &format!("/instance-ip/{outside}"), change, (400, "")).await;
        let referred = (409, "Delete when resource still referred: ['http://");
        api.bad("DELETE", &format!("/virtual-machine-interface/{port_id}"), Value::Null, referred).await;
        api.bad("DELETE", &format!("/virtual-network/{network_id}"), Value::Null, referred).await;
        let project = api.id("project", &["default-domain", project()]).await;
        let children = (409, "Delete when children still present: ['http://");
        api.bad("DELETE", &format!("/project/{project}"), Value::Null, children).await;
        for id in [first, second, outside] {
            api.good("DELETE", &format!("/instance-ip/{id}"), Value::Null).await;
        }
        assert_eq!(give("four", None).await.1, "192.0.2.20", "freed at once");
    })
    .await;
}

#[tokio::test]
async fn general_conventions_hold() {
    contract(async |api| {
        let network = |name: &str| {
            let name = json!(["default-domain", project(), name]);
            json!({"virtual-network": {"fq_name": name, "parent_type": "project"}})
        };
        let exists = format!("['default-domain', '{}', 'prov'] already exists with uuid: ", project());
        let exists = (409, exists.as_str());
        api.bad("POST", "/virtual-networks", network("prov"), exists).await;
        let lost =
            json!({"virtual-network": {"fq_name": ["default-domain", "nope", "x"], "parent_type": "project"}});
        api.bad("POST", "/virtual-networks", lost, (404, "Name['default-domain', 'nope'] not found")).await;
        api.bad("POST", "/virtual-networks", json!({"network": {}}), (500, "")).await;
        api.bad("GET", "/bms-servers", Value::Null, (404, "")).await;
        let node = |kind: &str, info: Value| {
            let name = json!(["default-global-system-config", project()]);
            json!({"node": {"fq_name": name, "node_type": kind, "bms_info": info,
                "unheard_of": 1}})
        };
        let wrong = "Bad property in create: Error validating property node_type: value must be one of [";
        api.bad("POST", "/nodes", node("horse", json!({})), (400, wrong)).await;
        let nested = json!({"driver_info": {"ipmi_colour": "red"}});
        api.bad("POST", "/nodes", node("baremetal", nested), (400, "Bad property in create")).await;
        let made = api.good("POST", "/nodes", node("baremetal", json!({"driver": "redfish"}))).await;
        let id = made["node"]["uuid"].as_str().unwrap().to_owned();
        assert!(api.read("node", &id).await.get("unheard_of").is_none(), "unknown top-level fields are ignored");
        let (status, text) = api.call("PUT", &format!("/node/{id}"), json!({"node": {}})).await;
        assert_eq!((status, text.as_str()), (200, ""));
        api.good("PUT", &format!("/node/{id}"), json!({"node": {"bms_info": null}})).await;
        assert!(api.read("node", &id).await.get("bms_info").is_none(), "null clears");
        let twice = json!({"node": {"fq_name": ["default-global-system-config", "another"], "uuid": id}});
        api.bad("POST", "/nodes", twice, (409, &format!("{id} already exists with fq_name: ["))).await;
        let nameless = (400, "Bad Request, no fq_name in POST body");
        api.bad("POST", "/nodes", json!({"node": {"node_type": "baremetal"}}), nameless).await;
        api.bad("POST", "/nodes", json!({"node": {}}), (500, "Internal Server Error")).await;
        let style = |enterprise: bool| json!({"fabric": {"fabric_enterprise_style": enterprise}});
        let fabric = api.id("fabric", &["default-global-system-config", "default-fabric"]).await;
        let text = "Cannot change from sp-style to enterprise-style or vice-versa";
        api.bad("PUT", &format!("/fabric/{fabric}"), style(!api.enterprise), (403, text)).await;
        api.good("PUT", &format!("/fabric/{fabric}"), style(api.enterprise)).await;
        api.bad("POST", "/ref-update", json!({"type": "node"}), (500, "Internal Server Error")).await;

        let list = async |query: &str| api.good("GET", &format!("/virtual-networks?{query}"), Value::Null).await;
        let project_id = api.id("project", &["default-domain", project()]).await;
        let own = format!("parent_id={project_id}");
        assert_eq!(list(&format!("{own}&count=true")).await, json!({"virtual-networks": {"count": 2}}));
        let rows = async |query: &str| list(query).await["virtual-networks"].as_array().unwrap().len();
        assert_eq!(rows(&own).await, 2);
        assert_eq!(rows("parent_id=00000000-0000-0000-0000-000000000000").await, 0);
        assert_eq!(rows(&format!("fq_names=default-domain:{}:prov", project())).await, 1);
        assert_eq!(rows(&format!("{own}&filters=display_name==%22x%22")).await, 0);
        assert_eq!(rows(&format!("{own}&filters=display_name==%22prov%22")).await, 1, "shown when not said");
        assert_eq!(rows(&format!("{own}&filters=unheard_of==%22x%22")).await, 2, "unknown filters are ignored");
        let one = format!("fq_names=default-domain:{}:prov&fields=routing_instances", project());
        let detail = list(&format!("detail=true&{one}")).await;
        let shown = &detail["virtual-networks"][0]["virtual-network"];
        assert_eq!(shown["routing_instances"][0]["to"], json!(["default-domain", project(), "prov", "prov"]));

        let quota = json!({"project": {"quota": {"virtual_network": 2}}});
        api.good("PUT", &format!("/project/{project_id}"), quota).await;
        let (status, page) = api.call("POST", "/virtual-networks", network("third")).await;
        assert_eq!(status, 412);
        assert!(page.contains("<pre>quota limit (2) exceeded for resource virtual_network"), "{page}");
        assert!(page.len() > 300, "a whole page of HTML: {page}");
    })
    .await;
}

#[tokio::test]
async fn a_nodes_port_is_held_by_its_switch_port() {
    contract(async |api| {
        let node = json!({"node": {"fq_name": ["default-global-system-config", project()]}});
        let node = api.good("POST", "/nodes", node).await["node"]["uuid"].as_str().unwrap().to_owned();
        let port = |link: Value| {
            json!({"port": {"fq_name": ["default-global-system-config", project(), "eth0"],
            "bms_port_info": {"local_link_connection": link}}})
        };
        let link = |port: &str| json!({"switch_info": "qfx2", "port_id": port});
        let made = api.good("POST", "/ports", port(link("xe-0/0/2:0"))).await;
        let id = made["port"]["uuid"].as_str().unwrap().to_owned();
        let path = format!("/port/{id}");
        let held = (409, "Delete when resource still referred: ['http");
        api.bad("DELETE", &path, Value::Null, held).await;
        let info = |link: Value| json!({"port": {"bms_port_info": {"local_link_connection": link}}});
        api.good("PUT", &path, json!({"port": {"bms_port_info": {"address": "02:00:00:00:00:01"}}})).await;
        api.bad("DELETE", &path, Value::Null, held).await;
        // Naming another switch port, known or not, lets go of the first.
        api.good("PUT", &path, info(link("xe-9/9/9"))).await;
        api.good("DELETE", &path, Value::Null).await;
        // And so does whoever deletes the reference.
        let made = api.good("POST", "/ports", port(link("xe-0/0/2:0"))).await;
        let id = made["port"]["uuid"].as_str().unwrap().to_owned();
        let holder =
            api.id("physical-interface", &["default-global-system-config", "qfx2", "xe-0/0/2_0"]).await;
        api.drop_ref("physical-interface", &holder, "port", &id).await;
        api.good("DELETE", &format!("/port/{id}"), Value::Null).await;
        api.good("DELETE", &format!("/node/{node}"), Value::Null).await;
    })
    .await;
}

#[tokio::test]
async fn a_colon_is_in_no_name() {
    contract(async |api| {
        for (kind, name, parent) in [
            (
                "physical-interface",
                &["default-global-system-config", "qfx1", "xe-0/0/3:0"][..],
                "physical-router",
            ),
            ("node", &["default-global-system-config", "rack1:srv1"], "global-system-config"),
            ("virtual-network", &["default-domain", project(), "a:b"], "project"),
            ("virtual-machine-interface", &["default-domain", project(), "a:b"], "project"),
            ("security-group", &["default-domain", project(), "a:b"], "project"),
        ] {
            let body = json!({ kind: {"fq_name": name, "parent_type": parent}});
            let text = "Bad Request, name has one of invalid chars {':'}";
            api.bad("POST", &format!("/{kind}s"), body, (400, text)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn what_does_not_exist_is_said_in_many_ways() {
    contract(async |api| {
        let none = "00000000-0000-0000-0000-000000000001";
        let node = api.make("node", json!({"fq_name": ["default-global-system-config", project()]})).await;
        let bad_type = "Resource type 'zz' not found";
        let cases = [
            ("GET", format!("/node/{none}"), Value::Null, 404, format!("Unknown id: {none}")),
            (
                "GET",
                format!("/virtual-network/{node}"),
                Value::Null,
                404,
                "No virtual-network object found".into(),
            ),
            (
                "PUT",
                format!("/node/{none}"),
                json!({"node": {"hostname": "x"}}),
                404,
                format!("Unknown id: {none}"),
            ),
            ("DELETE", format!("/node/{none}"), Value::Null, 404, format!("ID {none} does not exist")),
            ("DELETE", "/nodes".into(), Value::Null, 405, String::new()),
            ("GET", "/bms-servers".into(), Value::Null, 404, String::new()),
            ("POST", "/id-to-fqname".into(), json!({"uuid": none}), 404, format!("UUID {none} not found")),
            ("POST", "/fqname-to-id".into(), json!({"type": "zz", "fq_name": ["a"]}), 404, bad_type.into()),
            ("POST", "/ref-update".into(), json!({}), 404, "Resource type 'None' not found".into()),
            ("POST", "/ref-update".into(), json!({"type": "node"}), 500, "Internal Server Error".into()),
            ("POST", "/nodes".into(), json!({"nodes": {}}), 500, "Internal Server Error".into()),
        ];
        for (method, path, body, status, text) in cases {
            api.bad(method, &path, body, (status, &text)).await;
        }
        let node = [("type", "node"), ("uuid", node.as_str()), ("ref-type", "node-profile")];
        let refer = |more: &[(&str, &str)]| {
            let all = node.iter().chain(more).map(|(key, value)| ((*key).to_owned(), json!(value)));
            Value::Object(all.collect())
        };
        let (operation, id) = (("operation", "ADD"), ("ref-uuid", none));
        api.bad(
            "POST",
            "/ref-update",
            refer(&[id]),
            (400, "Bad Request: type/uuid/ref-type/operation is null"),
        )
        .await;
        let both = (400, "Bad Request: ref-uuid or ref-fq-name must be specified");
        api.bad("POST", "/ref-update", refer(&[operation]), both).await;
        let verb = (400, "Bad Request: operation should be add or delete: ");
        api.bad("POST", "/ref-update", refer(&[("operation", "SET"), id]), verb).await;
    })
    .await;
}

#[tokio::test]
async fn long_lists_come_in_pages() {
    contract(async |api| {
        for number in 0..5 {
            let name = format!("sg{number}");
            let name = json!(["default-domain", project(), name]);
            api.make("security-group", json!({"fq_name": name, "parent_type": "project"})).await;
        }
        let project_id = api.id("project", &["default-domain", project()]).await;
        for query in ["", "&detail=true", &format!("&parent_id={project_id}")] {
            let (mut marker, mut names, mut pages) = (String::new(), Vec::new(), 0);
            loop {
                let asked: String = marker.replace(':', "%3A").replace(' ', "%20");
                let path = format!("/security-groups?page_limit=2&page_marker={asked}{query}");
                let page = api.good("GET", &path, Value::Null).await;
                let rows = page["security-groups"].as_array().unwrap();
                assert!(rows.len() <= 2, "{page}");
                let rows =
                    rows.iter().map(|row| if row["uuid"].is_string() { row } else { &row["security-group"] });
                names.extend(rows.map(|row| row["fq_name"].clone()).filter(|name| name[1] == project()));
                pages += 1;
                assert!(pages < 100, "no end");
                match page["marker"].as_str() {
                    Some(next) => marker = next.to_owned(),
                    None => break,
                }
            }
            names.sort_by_key(Value::to_string);
            names.dedup();
            assert_eq!(names.len(), 5, "{query}: {names:?}");
            assert!(pages >= 3, "{query}: {pages} pages");
        }
        let all = api.good("GET", "/security-groups?page_limit=1", Value::Null).await;
        assert!(all["security-groups"].as_array().unwrap().len() >= 5 && all.get("marker").is_none());
        for (query, text) in [
            ("page_limit=0&page_marker=", "Invalid page_limit 0: page_limit has to be greater than zero"),
            (
                "page_limit=x&page_marker=",
                "Invalid page_limit x: invalid literal for int() with base 10: 'x'",
            ),
            ("page_limit=1&page_marker=x", "Invalid page_marker x: "),
        ] {
            api.bad("GET", &format!("/security-groups?{query}"), Value::Null, (400, text)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn both_families_of_addresses_are_given() {
    contract(async |api| {
        let both = json!([{"subnet": {"ip_prefix": "198.51.100.0", "ip_prefix_len": 29}},
            {"subnet": {"ip_prefix": "2001:db8:0:7::", "ip_prefix_len": 64}}]);
        let body = json!({"fq_name": ["default-domain", project(), "dual"], "parent_type": "project",
            "network_ipam_refs": [{"to": ["default-domain", "default-project", "default-network-ipam"],
                "attr": {"ipam_subnets": both}}]});
        let network = api.make("virtual-network", body).await;
        let read = api.read("virtual-network", &network).await;
        let subnets = &read["network_ipam_refs"][0]["attr"]["ipam_subnets"];
        assert_eq!(
            (&subnets[0]["default_gateway"], &subnets[0]["dns_server_address"]),
            (&json!("198.51.100.6"), &json!("198.51.100.5"))
        );
        let give = async |name: &str, family: &str| {
            let mut body = json!({"fq_name": [format!("{}-{name}", project())],
                "virtual_network_refs": [{"to": ["default-domain", project(), "dual"]}]});
            if !family.is_empty() {
                body["instance_ip_family"] = json!(family);
            }
            let id = api.make("instance-ip", body).await;
            api.read("instance-ip", &id).await["instance_ip_address"].as_str().unwrap().to_owned()
        };
        assert_eq!(give("any", "").await, "198.51.100.4");
        assert_eq!(give("four", "v4").await, "198.51.100.3");
        let six = give("six", "v6").await;
        assert!(six.starts_with("2001:db8:0:7:"), "{six}");
    })
    .await;
}

#[tokio::test]
async fn the_first_page_names_what_can_be_done_and_lists_hold_more_than_ours() {
    contract(async |api| {
        let home = api.good("GET", "/", Value::Null).await;
        let links = home["links"].as_array().unwrap();
        for name in ["virtual-network", "node", "name-to-id", "id-to-name", "ref-update"] {
            assert!(
                links.iter().any(|it| it["link"]["name"] == name && it["link"]["href"].is_string()),
                "{name}"
            );
        }
        let rows = async |plural: &str| {
            let list = api.good("GET", &format!("/{plural}?detail=true"), Value::Null).await;
            list[plural].as_array().unwrap().len()
        };
        assert!(rows("virtual-networks").await > 2 && rows("security-groups").await > 0);
    })
    .await;
}
