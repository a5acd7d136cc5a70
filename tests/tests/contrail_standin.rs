//! Edges: interfaces and port groups in the VNC API: the contract that the stand-in and the real server keep. Texts and codes
//! are those of the server; `CONTRAIL_API` names one to ask instead of the stand-in.

mod contrail_common;

use contrail_common::{Api, bindings, bound, contract, interface, pairs, project, tagged, unbound};
use serde_json::{Value, json};

/// What is said when another interface's untagged claim on a group is in the way.
fn untagged_claim(api: &Api, holder: &str, group: &str) -> String {
    let holder = format!("Virtual machine interface:({holder}) already exists");
    if api.enterprise {
        return format!("{holder} with virtual network:(");
    }
    format!("{holder} for virtual port group:({group})")
}

#[tokio::test]
async fn port_groups_come_and_go_with_interfaces_and_reuse_the_smallest_number() {
    contract(async |api| {
        let first = api.attach("a", "prov", "xe-0/0/0").await;
        let second = api.attach("b", "prov", "xe-0/0/1").await;
        let (own, other) = (api.group_of(&first).await.0, api.group_of(&second).await.0);
        assert!(own.starts_with("vpg-internal-") && other.starts_with("vpg-internal-") && own != other);
        let read = api.read("virtual-machine-interface", &first).await;
        assert_eq!(read["virtual_port_group_refs"][0]["attr"], json!({"native_vlan_tag": "4094"}));
        assert_eq!(read["virtual_port_group_back_refs"][0]["attr"], Value::Null);
        assert_eq!(
            read["routing_instance_refs"][0]["to"],
            json!(["default-domain", project(), "prov", "prov"])
        );
        let mac = read["virtual_machine_interface_mac_addresses"]["mac_address"][0].as_str().unwrap();
        assert!(mac.starts_with("02:"), "a MAC address from the uuid: {mac}");
        let (status, text) =
            api.call("DELETE", &format!("/virtual-machine-interface/{first}"), Value::Null).await;
        assert_eq!((status, text.as_str()), (200, ""));
        api.bad(
            "DELETE",
            &format!("/virtual-machine-interface/{first}"),
            Value::Null,
            (404, &format!("ID {first} does not exist")),
        )
        .await;
        assert!(!api.groups().await.contains(&own));
        let third = api.attach("c", "clean", "xe-0/0/0").await;
        assert_eq!(api.group_of(&third).await.0, own, "the smallest number is free again");
    })
    .await;
}

#[tokio::test]
async fn a_switch_port_holds_one_untagged_interface() {
    contract(async |api| {
        let first = api.attach("a", "prov", "xe-0/0/0").await;
        let (group, id) = api.group_of(&first).await;
        let second = interface("b", "clean", &[("qfx1", "xe-0/0/0")], &[]);
        let belongs = format!("'qfx1', 'xe-0/0/0'] already belong to the vpg {group}");
        api.bad("POST", "/virtual-machine-interfaces", second, (400, &belongs)).await;
        let named = interface("b", "clean", &[("qfx1", "xe-0/0/0")], &[("vpg", &group)]);
        let claimed = untagged_claim(api, &first, &id);
        api.bad("POST", "/virtual-machine-interfaces", named, (400, &claimed)).await;
        let nowhere = interface("b", "clean", &[("qfx1", "xe-0/0/1")], &[("vpg", "nowhere")]);
        api.bad("POST", "/virtual-machine-interfaces", nowhere, (404, "Vpg object nowhere is not found"))
            .await;
        let none_left =
            json!({"type": "virtual-machine-interface", "fq_name": ["default-domain", project(), "b"]});
        api.bad("POST", "/fqname-to-id", none_left, (404, "', 'b'] not found")).await;
    })
    .await;
}

#[tokio::test]
async fn wrong_links_are_refused_as_seen() {
    contract(async |api| {
        let before = api.groups().await;
        let check = async |links: Value, expected: (u16, &str)| {
            let mut body = interface("a", "prov", &[], &[]);
            let profile = json!({ "local_link_information": links }).to_string();
            body["virtual-machine-interface"]["virtual_machine_interface_bindings"]["key_value_pair"][3]["value"] =
                json!(profile);
            api.bad("POST", "/virtual-machine-interfaces", body, expected).await;
        };
        check(
            json!([{"switch_info": "qfx1", "port_id": "xe-9/9/9"}]),
            (
                404,
                "Unable to attach Physical interface to Virtual Port Group (vpg-internal-missing). \
                 No such Physical Interface object (xe-9/9/9) exists",
            ),
        )
        .await;
        check(
            json!([{"switch_info": "qfx1", "port_id": "xe-0/0/0", "fabric": "nowhere"}]),
            (500, "type fabric does not exist"),
        )
        .await;
        check(json!([{"switch_info": "qfx1"}]), (500, "KeyError: 'port_id'")).await;
        check(
            json!([{"switch_info": "qfx1", "port_id": "xe-0/0/0", "fabric": "rack1"},
                   {"switch_info": "qfx1", "port_id": "xe-0/0/1", "fabric": "default-fabric"}]),
            (400, "Physical interfaces in the same vpg should belong to the same fabric"),
        )
        .await;
        let mut number = interface("a", "prov", &[], &[]);
        number["virtual-machine-interface"]["virtual_machine_interface_bindings"]["key_value_pair"][2]["value"] =
            json!(4094);
        api.bad("POST", "/virtual-machine-interfaces", number, (400, "Bad property in create")).await;
        for tag in [4095, -1] {
            let mut body = interface("a", "prov", &[("qfx1", "xe-0/0/0")], &[]);
            body["virtual-machine-interface"]["virtual_machine_interface_properties"] =
                json!({"sub_interface_vlan_tag": tag});
            let text = format!("Invalid sub-interface VLAN tag ID: {tag}");
            api.bad("POST", "/virtual-machine-interfaces", body, (400, &text)).await;
        }
        assert_eq!(api.groups().await, before, "refused requests leave nothing behind");
        // A port of which no fabric is said is taken to be in the default one.
        let mut body = interface("a", "prov", &[], &[]);
        let links = json!([{"switch_info": "qfx1", "port_id": "xe-0/0/0", "fabric": "rack1"},
            {"switch_info": "qfx1", "port_id": "xe-0/0/1"}]);
        let profile = json!({ "local_link_information": links }).to_string();
        body["virtual-machine-interface"]["virtual_machine_interface_bindings"]["key_value_pair"][3]["value"] =
            json!(profile);
        let id = api.good("POST", "/virtual-machine-interfaces", body).await;
        let id = id["virtual-machine-interface"]["uuid"].as_str().unwrap();
        let read = api.read("virtual-machine-interface", id).await;
        assert_eq!(read["virtual_port_group_refs"][0]["to"][1], "default-fabric");
        let colon = interface("b", "prov", &[("qfx2", "xe-0/0/2:0")], &[]);
        let text = "No such Physical Interface object (xe-0/0/2:0) exists";
        api.bad("POST", "/virtual-machine-interfaces", colon, (404, text)).await;
        let translated = interface("b", "prov", &[("qfx2", "xe-0/0/2_0")], &[]);
        api.good("POST", "/virtual-machine-interfaces", translated).await;
    })
    .await;
}

#[tokio::test]
async fn a_tag_is_taken_from_the_request_that_binds() {
    contract(async |api| {
        let tagged = |name: &str, network: &str, link: &str, tag: u64| {
            tagged(name, network, &[("qfx1", link)], tag, &[])
        };
        let attr = async |name: &str| {
            let id = api.own("virtual-machine-interface", name).await;
            let read = api.read("virtual-machine-interface", &id).await;
            (id, read["virtual_port_group_refs"][0]["attr"].clone())
        };
        api.good("POST", "/virtual-machine-interfaces", tagged("a", "prov", "xe-0/0/0", 200)).await;
        assert_eq!(attr("a").await.1, json!({"vlan_tag": 200}));

        // The native VLAN comes before a tag.
        let mut both = tagged("b", "prov", "xe-0/0/1", 200);
        let bindings = &mut both["virtual-machine-interface"]["virtual_machine_interface_bindings"];
        bindings["key_value_pair"]
            .as_array_mut()
            .unwrap()
            .push(json!({"key": "tor_port_vlan_id", "value": "4094"}));
        api.good("POST", "/virtual-machine-interfaces", both).await;
        let (id, found) = attr("b").await;
        assert_eq!(found, json!({"native_vlan_tag": "4094"}));
        api.good("DELETE", &format!("/virtual-machine-interface/{id}"), Value::Null).await;

        // Made without a link and bound later, as our port mover does: a tag that is not said again is not heeded.
        for (name, again, expected) in [("c", true, 200), ("d", false, 0)] {
            let whole = tagged(name, "prov", "xe-0/0/1", 200)["virtual-machine-interface"].clone();
            let mut unbound = whole.clone();
            unbound["virtual_machine_interface_bindings"] =
                json!({"key_value_pair": [{"key": "vnic_type", "value": "baremetal"}]});
            api.good("POST", "/virtual-machine-interfaces", json!({ "virtual-machine-interface": unbound }))
                .await;
            let (id, none) = attr(name).await;
            assert_eq!(none, Value::Null);
            let mut bind = json!({
            "virtual_machine_interface_bindings": whole["virtual_machine_interface_bindings"] });
            if again {
                bind["virtual_machine_interface_properties"] =
                    whole["virtual_machine_interface_properties"].clone();
            }
            let path = format!("/virtual-machine-interface/{id}");
            api.good("PUT", &path, json!({ "virtual-machine-interface": bind })).await;
            assert_eq!(attr(name).await.1, json!({ "vlan_tag": expected }), "{name}");
            api.good("DELETE", &path, Value::Null).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_bond_has_one_group_and_numbered_references() {
    contract(async |api| {
        let links = [("qfx1", "xe-0/0/0"), ("qfx1", "xe-0/0/1")];
        api.good("POST", "/virtual-machine-interfaces", interface("a", "prov", &links, &[])).await;
        let group = api.group_of(&api.own("virtual-machine-interface", "a").await).await.1;
        let read = api.read("virtual-port-group", &group).await;
        let refs = read["physical_interface_refs"].as_array().unwrap();
        assert_eq!(refs.len(), 2);
        let number = refs[0]["attr"]["ae_num"].as_u64();
        assert!(
            number.is_some() && refs.iter().all(|it| it["attr"]["ae_num"].as_u64() == number),
            "{refs:?}"
        );
        assert_eq!(read["virtual_port_group_user_created"], json!(false));
    })
    .await;
}

#[tokio::test]
async fn a_bare_change_of_the_network_leaves_the_routing_instance() {
    contract(async |api| {
        api.attach("a", "prov", "xe-0/0/0").await;
        let id = api.own("virtual-machine-interface", "a").await;
        let change = json!({"virtual-machine-interface": {
        "virtual_network_refs": [{"to": ["default-domain", project(), "clean"]}]}});
        api.good("PUT", &format!("/virtual-machine-interface/{id}"), change).await;
        let read = api.read("virtual-machine-interface", &id).await;
        assert_eq!(read["virtual_network_refs"][0]["to"][2], "clean");
        assert_eq!(read["routing_instance_refs"][0]["to"][3], "prov");
    })
    .await;
}

#[tokio::test]
async fn unbinding_leaves_a_group_in_the_way_until_both_references_are_gone() {
    contract(async |api| {
        api.attach("a", "prov", "xe-0/0/0").await;
        let id = api.own("virtual-machine-interface", "a").await;
        let made = api.group_of(&id).await.1;
        let path = format!("/virtual-machine-interface/{id}");
        let full = json!({"virtual-machine-interface": {
        "virtual_machine_interface_bindings": bindings(&[("qfx1", "xe-0/0/0")], &[])}});
        api.good("PUT", &path, full.clone()).await;
        let group = api.group_of(&id).await.1;
        assert_eq!(group, made, "the same binding again changes nothing");
        api.good("PUT", &path, unbound()).await;
        let read = api.read("virtual-port-group", &group).await;
        assert!(read.get("physical_interface_refs").is_none(), "absent fields are left out: {read}");
        assert_eq!(read["virtual_machine_interface_refs"][0]["uuid"], json!(id));
        let text = untagged_claim(api, &id, &group);
        api.bad("PUT", &path, full.clone(), (400, &text)).await;
        let delete = format!("/virtual-port-group/{group}");
        api.bad("DELETE", &delete, Value::Null, (409, "still referred")).await;
        api.drop_ref("virtual-port-group", &group, "virtual-machine-interface", &id).await;
        api.bad("DELETE", &delete, Value::Null, (409, "still referred")).await;
        api.drop_ref("virtual-machine-interface", &id, "virtual-port-group", &group).await;
        api.good("DELETE", &delete, Value::Null).await;
        api.attach("b", "clean", "xe-0/0/0").await;
        let normal = bound(pairs(&[("vnic_type", "normal")]));
        let other = api.own("virtual-machine-interface", "b").await;
        api.bad(
            "PUT",
            &format!("/virtual-machine-interface/{other}"),
            normal,
            (500, "AttributeError: 'str' object has no attribute 'get'"),
        )
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_group_made_by_a_person_outlives_its_interfaces() {
    contract(async |api| {
        let group = |name: &str| {
            json!({"virtual-port-group": {"parent_type": "fabric",
            "fq_name": ["default-global-system-config", "default-fabric", name]}})
        };
        api.bad(
            "POST",
            "/virtual-port-groups",
            group("vpg-internal-7"),
            (400, "can only be created internally"),
        )
        .await;
        let port = api.id("physical-interface", &["default-global-system-config", "qfx1", "xe-0/0/0"]).await;
        let mut with_port = group("lag1");
        with_port["virtual-port-group"]["physical_interface_refs"] = json!([{"uuid": port}]);
        api.bad("POST", "/virtual-port-groups", with_port.clone(), (400, "Bad reference in create")).await;
        with_port["virtual-port-group"]["physical_interface_refs"] =
            json!([{"to": ["default-global-system-config", "qfx1", "xe-0/0/0"], "attr": null}]);
        api.bad(
            "POST",
            "/virtual-port-groups",
            with_port,
            (400, "API Infra do not support allocating AE-ID"),
        )
        .await;
        let made = api.good("POST", "/virtual-port-groups", group("lag1")).await;
        let body = json!({"type": "virtual-port-group", "uuid": made["virtual-port-group"]["uuid"],
        "ref-type": "physical-interface", "ref-uuid": port, "operation": "ADD", "attr": null});
        api.good("POST", "/ref-update", body).await;
        let named = interface("a", "prov", &[("qfx1", "xe-0/0/0")], &[("vpg", "lag1")]);
        let made = api.good("POST", "/virtual-machine-interfaces", named).await;
        let id = made["virtual-machine-interface"]["uuid"].as_str().unwrap();
        api.good("DELETE", &format!("/virtual-machine-interface/{id}"), Value::Null).await;
        assert!(api.groups().await.contains(&"lag1".to_owned()));
    })
    .await;
}

/// Bindings, and with what status and words an interface with them is made or not.
type Unlinked<'a> = (&'a [(&'a str, &'a str)], u16, &'a str);

#[tokio::test]
async fn an_interface_without_a_switch_port_says_nothing_of_one() {
    contract(async |api| {
        let none = "Unable to retrieve fabric name. No physical interfaces and no vpg refs";
        let baremetal = ("vnic_type", "baremetal");
        let cases: [Unlinked; 8] = [
            (&[baremetal], 200, ""),
            (&[], 200, ""),
            (&[baremetal, ("profile", "")], 200, ""),
            (&[("vnic_type", "normal"), ("profile", "{}")], 200, ""),
            (&[baremetal, ("profile", "{}")], 400, none),
            (&[baremetal, ("profile", "{\"local_link_information\": []}")], 400, none),
            (&[baremetal, ("vpg", "lag1")], 400, none),
            (&[baremetal, ("profile", "no json")], 500, "JSONDecodeError"),
        ];
        for (bindings, status, text) in cases {
            let mut made = interface("a", "prov", &[], &[]);
            made["virtual-machine-interface"]["virtual_machine_interface_bindings"] = pairs(bindings);
            let (got, said) = api.call("POST", "/virtual-machine-interfaces", made).await;
            assert!(
                got == status && (status == 200 || said.contains(text)),
                "POST {bindings:?}: {got} {said}"
            );
            if status == 200 {
                let id = api.own("virtual-machine-interface", "a").await;
                let path = format!("/virtual-machine-interface/{id}");
                let put = |all: &[(&str, &str)]| bound(pairs(all));
                // Later it is refused even with no profile, but for what says nothing of bare metal.
                api.bad("PUT", &path, put(&[baremetal, ("profile", "{}")]), (400, none)).await;
                api.bad("PUT", &path, put(&[baremetal]), (400, none)).await;
                api.good("PUT", &path, put(&[("host_id", "null")])).await;
                api.good("DELETE", &path, Value::Null).await;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_binding_gives_a_group_exactly_its_links() {
    contract(async |api| {
        let group = api.lag("lag1", &["xe-0/0/0", "xe-0/0/1"]).await;
        assert_eq!(api.members(&group).await, ["xe-0/0/0", "xe-0/0/1"]);
        let both = [("qfx1", "xe-0/0/0"), ("qfx1", "xe-0/0/1")];
        let made = api
            .good("POST", "/virtual-machine-interfaces", interface("a", "prov", &both, &[("vpg", "lag1")]))
            .await;
        let path = format!(
            "/virtual-machine-interface/{}",
            made["virtual-machine-interface"]["uuid"].as_str().unwrap()
        );
        assert_eq!(api.members(&group).await, ["xe-0/0/0", "xe-0/0/1"], "all its links were named");
        // Unbinding leaves a person's group its ports.
        api.good("PUT", &path, unbound()).await;
        assert_eq!(api.members(&group).await, ["xe-0/0/0", "xe-0/0/1"]);
        // Whoever comes next is kept out by the first one's claim, and so is that one itself, until it is deleted.
        let next = interface("b", "clean", &both, &[("vpg", "lag1")]);
        let claimed = untagged_claim(api, &path[path.len() - 36..], &group);
        api.bad("POST", "/virtual-machine-interfaces", next, (400, &claimed)).await;
        api.bad("PUT", &path, bound(bindings(&both, &[])), (400, &claimed)).await;
        api.good("DELETE", &path, Value::Null).await;
        // The group takes what is left of its bond.
        let one = interface("b", "clean", &both[..1], &[("vpg", "lag1")]);
        api.good("POST", "/virtual-machine-interfaces", one).await;
        assert_eq!(api.members(&group).await, ["xe-0/0/0"], "the other member is thrown out");
    })
    .await;
}

#[tokio::test]
async fn a_lost_half_of_two_references_is_made_again_by_the_next_binding() {
    contract(async |api| {
        api.attach("a", "prov", "xe-0/0/0").await;
        let id = api.own("virtual-machine-interface", "a").await;
        let path = format!("/virtual-machine-interface/{id}");
        let group = api.group_of(&id).await.1;
        api.drop_ref("virtual-machine-interface", &id, "virtual-port-group", &group).await;
        assert!(api.read("virtual-machine-interface", &id).await.get("virtual_port_group_refs").is_none());
        api.good("PUT", &path, unbound()).await;
        let made = api.read("virtual-machine-interface", &id).await;
        assert_eq!(made["virtual_port_group_refs"][0]["uuid"], json!(group), "any binding adds it");
        let delete = format!("/virtual-port-group/{group}");
        api.drop_ref("virtual-port-group", &group, "virtual-machine-interface", &id).await;
        api.bad("DELETE", &delete, Value::Null, (409, "Delete when resource still referred")).await;
        let shown = api.read("virtual-port-group", &group).await;
        assert_eq!(
            shown["virtual_machine_interface_back_refs"][0]["uuid"],
            json!(id),
            "the group shows who holds it"
        );
        let none = "Unable to retrieve fabric name";
        api.bad("PUT", &path, unbound(), (400, none)).await;
        api.drop_ref("virtual-machine-interface", &id, "virtual-port-group", &group).await;
        api.good("DELETE", &delete, Value::Null).await;
    })
    .await;
}

#[tokio::test]
async fn only_the_deletion_of_a_bound_interface_releases_its_vlan() {
    contract(async |api| {
        let links = [("qfx1", "xe-0/0/0")];
        let other = [("qfx1", "xe-0/0/1")];
        let path = async |name: &str| {
            format!("/virtual-machine-interface/{}", api.own("virtual-machine-interface", name).await)
        };
        let post = async |body: Value| api.call("POST", "/virtual-machine-interfaces", body).await;
        let is = |(status, text): (u16, String), refused: bool| {
            let expected = if refused && api.enterprise { 400 } else { 200 };
            assert_eq!(status, expected, "{text}");
            assert!(status == 200 || text.contains("with other vlan("), "{text}");
        };
        // One network has one VLAN in an enterprise-style fabric, and one VLAN one network.
        is(post(tagged("a", "prov", &links, 611, &[])).await, false);
        is(post(tagged("b", "clean", &other, 611, &[])).await, true);
        is(post(tagged("c", "prov", &[("qfx1", "xe-0/0/2")], 612, &[])).await, true);
        for name in if api.enterprise { &[][..] } else { &["b", "c"] } {
            api.good("DELETE", &path(name).await, Value::Null).await;
        }
        // Deleted while bound: free.
        api.good("DELETE", &path("a").await, Value::Null).await;
        is(post(tagged("b", "clean", &other, 611, &[])).await, false);
        api.good("DELETE", &path("b").await, Value::Null).await;
        // Taken off its port and then deleted: claimed, until the same network is bound with the same tag once more.
        is(post(tagged("a", "prov", &links, 611, &[])).await, false);
        let id = api.own("virtual-machine-interface", "a").await;
        let group = api.group_of(&id).await.1;
        api.good("PUT", &path("a").await, unbound()).await;
        api.drop_ref("virtual-port-group", &group, "virtual-machine-interface", &id).await;
        api.drop_ref("virtual-machine-interface", &id, "virtual-port-group", &group).await;
        api.good("DELETE", &format!("/virtual-port-group/{group}"), Value::Null).await;
        api.good("DELETE", &path("a").await, Value::Null).await;
        is(post(tagged("b", "clean", &other, 611, &[])).await, true);
        is(post(tagged("c", "prov", &[("qfx1", "xe-0/0/2")], 612, &[])).await, true);
        for name in if api.enterprise { &[][..] } else { &["b", "c"] } {
            api.good("DELETE", &path(name).await, Value::Null).await;
        }
        is(post(tagged("a", "prov", &links, 611, &[])).await, false);
        api.good("DELETE", &path("a").await, Value::Null).await;
        is(post(tagged("b", "clean", &other, 611, &[])).await, false);
    })
    .await;
}

#[tokio::test]
async fn an_interface_is_made_again_under_its_uuid_with_its_address() {
    contract(async |api| {
        let subnet = json!({"subnet": {"ip_prefix": "192.0.2.0", "ip_prefix_len": 24}});
        api.network("web", subnet).await;
        let id = api.attach("a", "web", "xe-0/0/0").await;
        let path = format!("/virtual-machine-interface/{id}");
        let address = json!({"fq_name": [format!("{}-ip", project())],
            "virtual_network_refs": [{"to": ["default-domain", project(), "web"]}],
            "virtual_machine_interface_refs": [{"to": ["default-domain", project(), "a"]}]});
        let address = api.make("instance-ip", address).await;
        let before = api.read("virtual-machine-interface", &id).await;
        let given = api.read("instance-ip", &address).await["instance_ip_address"].clone();
        api.bad("DELETE", &path, Value::Null, (409, "Delete when resource still referred: ['http")).await;
        api.drop_ref("instance-ip", &address, "virtual-machine-interface", &id).await;
        api.good("DELETE", &path, Value::Null).await;
        let cleaning = api.attach("cleaning", "clean", "xe-0/0/0").await;
        api.good("DELETE", &format!("/virtual-machine-interface/{cleaning}"), Value::Null).await;
        let mut again = interface("a", "web", &[("qfx1", "xe-0/0/0")], &[]);
        for field in ["uuid", "virtual_machine_interface_mac_addresses", "perms2"] {
            again["virtual-machine-interface"][field] = before[field].clone();
        }
        api.good("POST", "/virtual-machine-interfaces", again).await;
        api.reference("ADD", "instance-ip", &address, "virtual-machine-interface", &id).await;
        let after = api.read("virtual-machine-interface", &id).await;
        let mac = "virtual_machine_interface_mac_addresses";
        assert_eq!((&after["uuid"], &after[mac]), (&before["uuid"], &before[mac]));
        assert_eq!(after["instance_ip_back_refs"][0]["uuid"], json!(address));
        assert_eq!(api.read("instance-ip", &address).await["instance_ip_address"], given);
    })
    .await;
}
