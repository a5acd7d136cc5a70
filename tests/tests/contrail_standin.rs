//! Edges: the stand-in for the VNC API behaves as the real server was seen to behave. Texts and codes are quoted from
//! the notes on that server.

use serde_json::{Value, json};
use tests::contrail::{Config, Standin};

struct Api {
    http: reqwest::Client,
    standin: Standin,
}

impl Api {
    async fn start() -> Self {
        let mut config =
            Config::api_only(&[("qfx1", "xe-0/0/0"), ("qfx1", "xe-0/0/1"), ("qfx2", "xe-0/0/2:0")]);
        config.fabrics = vec!["rack1".into()];
        Self::start_with(config).await
    }

    async fn start_with(config: Config) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let api = Self { http: reqwest::Client::new(), standin: Standin::start(config).await.unwrap() };
        api.good("POST", "/projects", json!({"project": {"fq_name": ["default-domain", "bms"]}})).await;
        for name in ["prov", "clean"] {
            let body = json!({"virtual-network": {"fq_name": ["default-domain", "bms", name],
                "parent_type": "project"}});
            api.good("POST", "/virtual-networks", body).await;
        }
        api
    }

    async fn call(&self, method: &str, path: &str, body: Value) -> (u16, String) {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.http.request(method, format!("{}{path}", self.standin.url()));
        if !body.is_null() {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    async fn good(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, text) = self.call(method, path, body.clone()).await;
        assert_eq!(status, 200, "{method} {path} {body}: {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    async fn bad(&self, method: &str, path: &str, body: Value, expected: (u16, &str)) {
        let (status, text) = self.call(method, path, body.clone()).await;
        assert!(
            status == expected.0 && text.contains(expected.1),
            "{method} {path} {body}: expected {expected:?}, got {status} {text}"
        );
    }

    async fn id(&self, kind: &str, name: &[&str]) -> String {
        let found = self.good("POST", "/fqname-to-id", json!({"type": kind, "fq_name": name})).await;
        found["uuid"].as_str().unwrap().to_owned()
    }

    async fn attach(&self, name: &str, network: &str, port: &str) -> (u16, String) {
        self.call("POST", "/virtual-machine-interfaces", interface(name, network, &[("qfx1", port)], &[]))
            .await
    }

    async fn groups(&self) -> Vec<String> {
        let list = self.good("GET", "/virtual-port-groups", Value::Null).await;
        let rows = list["virtual-port-groups"].as_array().unwrap().iter();
        let mut names: Vec<_> = rows.map(|row| row["fq_name"][2].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    }

    async fn drop_ref(&self, kind: &str, id: &str, other: &str, other_id: &str) {
        let body = json!({"type": kind, "uuid": id, "ref-type": other, "ref-uuid": other_id,
            "ref-fq-name": null, "operation": "DELETE", "attr": null});
        self.good("POST", "/ref-update", body).await;
    }

    /// A group of switch ports as a person makes one.
    async fn lag(&self, name: &str, ports: &[&str]) -> String {
        let body = json!({"virtual-port-group": {"parent_type": "fabric",
            "fq_name": ["default-global-system-config", "default-fabric", name]}});
        let made = self.good("POST", "/virtual-port-groups", body).await;
        let id = made["virtual-port-group"]["uuid"].as_str().unwrap().to_owned();
        for port in ports {
            let port = self.id("physical-interface", &["default-global-system-config", "qfx1", port]).await;
            let body = json!({"type": "virtual-port-group", "uuid": id, "ref-type": "physical-interface",
                "ref-uuid": port, "operation": "ADD", "attr": null});
            self.good("POST", "/ref-update", body).await;
        }
        id
    }

    /// Names of a group's switch ports.
    async fn members(&self, group: &str) -> Vec<String> {
        let read = self.read("virtual-port-group", group).await;
        let refs = read["physical_interface_refs"].as_array().cloned().unwrap_or_default();
        let mut names: Vec<_> = refs.iter().map(|it| it["to"][2].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    }

    async fn read(&self, kind: &str, id: &str) -> Value {
        self.good("GET", &format!("/{kind}/{id}"), Value::Null).await[kind].take()
    }
}

fn bindings(links: &[(&str, &str)], more: &[(&str, &str)]) -> Value {
    let links: Vec<Value> =
        links.iter().map(|(switch, port)| json!({"switch_info": switch, "port_id": port})).collect();
    let profile = json!({ "local_link_information": links }).to_string();
    let mut pairs = vec![
        json!({"key": "vnic_type", "value": "baremetal"}),
        json!({"key": "vif_type", "value": "vrouter"}),
        json!({"key": "tor_port_vlan_id", "value": "4094"}),
        json!({"key": "profile", "value": profile}),
    ];
    pairs.extend(more.iter().map(|(key, value)| json!({"key": key, "value": value})));
    json!({ "key_value_pair": pairs })
}

fn interface(name: &str, network: &str, links: &[(&str, &str)], more: &[(&str, &str)]) -> Value {
    json!({"virtual-machine-interface": {
        "fq_name": ["default-domain", "bms", name], "parent_type": "project",
        "virtual_network_refs": [{"to": ["default-domain", "bms", network]}],
        "virtual_machine_interface_bindings": bindings(links, more),
    }})
}

#[tokio::test]
async fn port_groups_come_and_go_with_interfaces_and_reuse_the_smallest_number() {
    let api = Api::start().await;
    let (status, text) = api.attach("a", "prov", "xe-0/0/0").await;
    assert_eq!(status, 200, "success is 200, not 201: {text}");
    api.attach("b", "prov", "xe-0/0/1").await;
    assert_eq!(api.groups().await, ["vpg-internal-0", "vpg-internal-1"]);
    let first = api.id("virtual-machine-interface", &["default-domain", "bms", "a"]).await;
    let read = api.read("virtual-machine-interface", &first).await;
    assert_eq!(read["virtual_port_group_refs"][0]["attr"], json!({"native_vlan_tag": "4094"}));
    assert_eq!(read["virtual_port_group_back_refs"][0]["attr"], Value::Null);
    assert_eq!(read["routing_instance_refs"][0]["to"], json!(["default-domain", "bms", "prov", "prov"]));
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
    assert_eq!(api.groups().await, ["vpg-internal-1"]);
    api.attach("c", "clean", "xe-0/0/0").await;
    assert_eq!(api.groups().await, ["vpg-internal-0", "vpg-internal-1"]);
    api.standin.stop().await;
}

#[tokio::test]
async fn a_switch_port_holds_one_untagged_interface() {
    let api = Api::start().await;
    api.attach("a", "prov", "xe-0/0/0").await;
    let second = interface("b", "clean", &[("qfx1", "xe-0/0/0")], &[]);
    api.bad("POST", "/virtual-machine-interfaces", second, (400, "already belong to the vpg vpg-internal-0"))
        .await;
    let named = interface("b", "clean", &[("qfx1", "xe-0/0/0")], &[("vpg", "vpg-internal-0")]);
    api.bad("POST", "/virtual-machine-interfaces", named, (400, "already exists with virtual network:("))
        .await;
    let none_left = json!({"type": "virtual-machine-interface", "fq_name": ["default-domain", "bms", "b"]});
    api.bad("POST", "/fqname-to-id", none_left, (404, "Name ['default-domain', 'bms', 'b'] not found")).await;
    api.standin.stop().await;
}

#[tokio::test]
async fn wrong_links_are_refused_as_seen() {
    let api = Api::start().await;
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
    let mut tagged = interface("a", "prov", &[("qfx1", "xe-0/0/0")], &[]);
    tagged["virtual-machine-interface"]["virtual_machine_interface_properties"] =
        json!({"sub_interface_vlan_tag": 4095});
    let text = "Invalid sub-interface VLAN tag ID: 4095";
    api.bad("POST", "/virtual-machine-interfaces", tagged, (400, text)).await;
    assert!(api.groups().await.is_empty(), "refused requests leave nothing behind");
    let colon = interface("b", "prov", &[("qfx2", "xe-0/0/2:0")], &[]);
    let text = "No such Physical Interface object (xe-0/0/2:0) exists";
    api.bad("POST", "/virtual-machine-interfaces", colon, (404, text)).await;
    let translated = interface("b", "prov", &[("qfx2", "xe-0/0/2_0")], &[]);
    api.good("POST", "/virtual-machine-interfaces", translated).await;
    api.standin.stop().await;
}

#[tokio::test]
async fn a_tag_is_taken_from_the_request_that_binds() {
    let api = Api::start().await;
    let tagged = |name: &str, network: &str, link: &str, tag: u64| {
        let mut body = interface(name, network, &[("qfx1", link)], &[]);
        let own = &mut body["virtual-machine-interface"];
        own["virtual_machine_interface_bindings"]["key_value_pair"].as_array_mut().unwrap().remove(2);
        own["virtual_machine_interface_properties"] = json!({ "sub_interface_vlan_tag": tag });
        body
    };
    let attr = async |name: &str| {
        let id = api.id("virtual-machine-interface", &["default-domain", "bms", name]).await;
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
    api.standin.stop().await;
}

#[tokio::test]
async fn a_bond_has_one_group_and_numbered_references() {
    let api = Api::start().await;
    let links = [("qfx1", "xe-0/0/0"), ("qfx1", "xe-0/0/1")];
    api.good("POST", "/virtual-machine-interfaces", interface("a", "prov", &links, &[])).await;
    let group =
        api.id("virtual-port-group", &["default-global-system-config", "default-fabric", "vpg-internal-0"]);
    let read = api.read("virtual-port-group", &group.await).await;
    let refs = read["physical_interface_refs"].as_array().unwrap();
    assert_eq!(refs.len(), 2);
    assert!(refs.iter().all(|it| it["attr"] == json!({"ae_num": 0})));
    assert_eq!(read["virtual_port_group_user_created"], json!(false));
    api.standin.stop().await;
}

#[tokio::test]
async fn a_bare_change_of_the_network_leaves_the_routing_instance() {
    let api = Api::start().await;
    api.attach("a", "prov", "xe-0/0/0").await;
    let id = api.id("virtual-machine-interface", &["default-domain", "bms", "a"]).await;
    let change = json!({"virtual-machine-interface": {
        "virtual_network_refs": [{"to": ["default-domain", "bms", "clean"]}]}});
    api.good("PUT", &format!("/virtual-machine-interface/{id}"), change).await;
    let read = api.read("virtual-machine-interface", &id).await;
    assert_eq!(read["virtual_network_refs"][0]["to"][2], "clean");
    assert_eq!(read["routing_instance_refs"][0]["to"][3], "prov");
    api.standin.stop().await;
}

#[tokio::test]
async fn unbinding_leaves_a_group_in_the_way_until_both_references_are_gone() {
    let api = Api::start().await;
    api.attach("a", "prov", "xe-0/0/0").await;
    let id = api.id("virtual-machine-interface", &["default-domain", "bms", "a"]).await;
    let path = format!("/virtual-machine-interface/{id}");
    let full = json!({"virtual-machine-interface": {
        "virtual_machine_interface_bindings": bindings(&[("qfx1", "xe-0/0/0")], &[])}});
    api.good("PUT", &path, full.clone()).await;
    assert_eq!(api.groups().await, ["vpg-internal-0"], "the same binding again duplicates nothing");
    let unbound = json!({"virtual-machine-interface": {"virtual_machine_interface_bindings": {"key_value_pair": [
        {"key": "vnic_type", "value": "baremetal"}, {"key": "profile", "value": "{}"}]}}});
    api.good("PUT", &path, unbound).await;
    let group = api
        .id("virtual-port-group", &["default-global-system-config", "default-fabric", "vpg-internal-0"])
        .await;
    let read = api.read("virtual-port-group", &group).await;
    assert!(read.get("physical_interface_refs").is_none(), "absent fields are left out: {read}");
    assert_eq!(read["virtual_machine_interface_refs"][0]["uuid"], json!(id));
    let text = format!("Virtual machine interface:({id}) already exists with virtual network:(");
    api.bad("PUT", &path, full.clone(), (400, &text)).await;
    let delete = format!("/virtual-port-group/{group}");
    api.bad("DELETE", &delete, Value::Null, (409, "still referred")).await;
    api.drop_ref("virtual-port-group", &group, "virtual-machine-interface", &id).await;
    api.bad("DELETE", &delete, Value::Null, (409, "still referred")).await;
    api.drop_ref("virtual-machine-interface", &id, "virtual-port-group", &group).await;
    api.good("DELETE", &delete, Value::Null).await;
    api.attach("b", "clean", "xe-0/0/0").await;
    let normal = json!({"virtual-machine-interface": {"virtual_machine_interface_bindings": {"key_value_pair": [
        {"key": "vnic_type", "value": "normal"}]}}});
    let other = api.id("virtual-machine-interface", &["default-domain", "bms", "b"]).await;
    api.bad(
        "PUT",
        &format!("/virtual-machine-interface/{other}"),
        normal,
        (500, "AttributeError: 'str' object has no attribute 'get'"),
    )
    .await;
    api.standin.stop().await;
}

#[tokio::test]
async fn a_group_made_by_a_person_outlives_its_interfaces() {
    let api = Api::start().await;
    let group = |name: &str| {
        json!({"virtual-port-group": {"parent_type": "fabric",
            "fq_name": ["default-global-system-config", "default-fabric", name]}})
    };
    api.bad("POST", "/virtual-port-groups", group("vpg-internal-7"), (400, "can only be created internally"))
        .await;
    let port = api.id("physical-interface", &["default-global-system-config", "qfx1", "xe-0/0/0"]).await;
    let mut with_port = group("lag1");
    with_port["virtual-port-group"]["physical_interface_refs"] = json!([{"uuid": port}]);
    api.bad("POST", "/virtual-port-groups", with_port.clone(), (400, "Bad reference in create")).await;
    with_port["virtual-port-group"]["physical_interface_refs"] =
        json!([{"to": ["default-global-system-config", "qfx1", "xe-0/0/0"], "attr": null}]);
    api.bad("POST", "/virtual-port-groups", with_port, (400, "API Infra do not support allocating AE-ID"))
        .await;
    let made = api.good("POST", "/virtual-port-groups", group("lag1")).await;
    let body = json!({"type": "virtual-port-group", "uuid": made["virtual-port-group"]["uuid"],
        "ref-type": "physical-interface", "ref-uuid": port, "operation": "ADD", "attr": null});
    api.good("POST", "/ref-update", body).await;
    let named = interface("a", "prov", &[("qfx1", "xe-0/0/0")], &[("vpg", "lag1")]);
    let made = api.good("POST", "/virtual-machine-interfaces", named).await;
    let id = made["virtual-machine-interface"]["uuid"].as_str().unwrap();
    api.good("DELETE", &format!("/virtual-machine-interface/{id}"), Value::Null).await;
    assert_eq!(api.groups().await, ["lag1"]);
    api.standin.stop().await;
}

fn pairs(all: &[(&str, &str)]) -> Value {
    let pairs: Vec<Value> = all.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
    json!({"virtual_machine_interface_bindings": {"key_value_pair": pairs}})
}

#[tokio::test]
async fn an_interface_without_a_switch_port_says_nothing_of_one() {
    let api = Api::start().await;
    let none = "Unable to retrieve fabric name. No physical interfaces and no vpg refs";
    let baremetal = ("vnic_type", "baremetal");
    let cases: [(&[(&str, &str)], u16, &str); 8] = [
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
        made["virtual-machine-interface"]["virtual_machine_interface_bindings"] =
            pairs(bindings)["virtual_machine_interface_bindings"].take();
        let (got, said) = api.call("POST", "/virtual-machine-interfaces", made).await;
        assert!(got == status && (status == 200 || said.contains(text)), "POST {bindings:?}: {got} {said}");
        if status == 200 {
            let id = api.id("virtual-machine-interface", &["default-domain", "bms", "a"]).await;
            let path = format!("/virtual-machine-interface/{id}");
            let put = |all: &[(&str, &str)]| json!({ "virtual-machine-interface": pairs(all) });
            // Later it is refused even with no profile, but for what says nothing of bare metal.
            api.bad("PUT", &path, put(&[baremetal, ("profile", "{}")]), (400, none)).await;
            api.bad("PUT", &path, put(&[baremetal]), (400, none)).await;
            api.good("PUT", &path, put(&[("host_id", "null")])).await;
            api.good("DELETE", &path, Value::Null).await;
        }
    }
    api.standin.stop().await;
}

#[tokio::test]
async fn a_binding_gives_a_group_exactly_its_links() {
    let api = Api::start().await;
    let group = api.lag("lag1", &["xe-0/0/0", "xe-0/0/1"]).await;
    assert_eq!(api.members(&group).await, ["xe-0/0/0", "xe-0/0/1"]);
    let both = [("qfx1", "xe-0/0/0"), ("qfx1", "xe-0/0/1")];
    let made = api
        .good("POST", "/virtual-machine-interfaces", interface("a", "prov", &both, &[("vpg", "lag1")]))
        .await;
    let path =
        format!("/virtual-machine-interface/{}", made["virtual-machine-interface"]["uuid"].as_str().unwrap());
    assert_eq!(api.members(&group).await, ["xe-0/0/0", "xe-0/0/1"], "all its links were named");
    // Unbinding leaves a person's group its ports.
    let unbound =
        json!({ "virtual-machine-interface": pairs(&[("vnic_type", "baremetal"), ("profile", "{}")]) });
    api.good("PUT", &path, unbound).await;
    assert_eq!(api.members(&group).await, ["xe-0/0/0", "xe-0/0/1"]);
    // Whoever comes next is kept out by the first one's claim, and so is that one itself, until it is deleted.
    let next = interface("b", "clean", &both, &[("vpg", "lag1")]);
    let claimed = (400, "already exists with virtual network:(");
    api.bad("POST", "/virtual-machine-interfaces", next, claimed).await;
    let again = json!({"virtual-machine-interface": {
        "virtual_machine_interface_bindings": bindings(&both, &[])}});
    api.bad("PUT", &path, again, claimed).await;
    api.good("DELETE", &path, Value::Null).await;
    // The group takes what is left of its bond.
    let one = interface("b", "clean", &both[..1], &[("vpg", "lag1")]);
    api.good("POST", "/virtual-machine-interfaces", one).await;
    assert_eq!(api.members(&group).await, ["xe-0/0/0"], "the other member is thrown out");
    api.standin.stop().await;
}

#[tokio::test]
async fn a_nodes_port_is_held_by_its_switch_port() {
    let api = Api::start().await;
    let node = json!({"node": {"fq_name": ["default-global-system-config", "srv1"]}});
    let node = api.good("POST", "/nodes", node).await["node"]["uuid"].as_str().unwrap().to_owned();
    let port = |link: Value| {
        json!({"port": {"fq_name": ["default-global-system-config", "srv1", "eth0"],
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
    let holder = api.id("physical-interface", &["default-global-system-config", "qfx2", "xe-0/0/2_0"]).await;
    api.drop_ref("physical-interface", &holder, "port", &id).await;
    api.good("DELETE", &format!("/port/{id}"), Value::Null).await;
    api.good("DELETE", &format!("/node/{node}"), Value::Null).await;
    api.standin.stop().await;
}

#[tokio::test]
async fn a_colon_is_in_no_name() {
    let api = Api::start().await;
    for (kind, name, parent) in [
        (
            "physical-interface",
            &["default-global-system-config", "qfx1", "xe-0/0/3:0"][..],
            "physical-router",
        ),
        ("node", &["default-global-system-config", "rack1:srv1"], "global-system-config"),
        ("virtual-network", &["default-domain", "bms", "a:b"], "project"),
        ("virtual-machine-interface", &["default-domain", "bms", "a:b"], "project"),
        ("security-group", &["default-domain", "bms", "a:b"], "project"),
    ] {
        let body = json!({ kind: {"fq_name": name, "parent_type": parent}});
        let text = "Bad Request, name has one of invalid chars {':'}";
        api.bad("POST", &format!("/{kind}s"), body, (400, text)).await;
    }
    api.standin.stop().await;
}

#[tokio::test]
async fn a_lost_half_of_two_references_is_made_again_by_the_next_binding() {
    let api = Api::start().await;
    api.attach("a", "prov", "xe-0/0/0").await;
    let id = api.id("virtual-machine-interface", &["default-domain", "bms", "a"]).await;
    let path = format!("/virtual-machine-interface/{id}");
    let group = api
        .id("virtual-port-group", &["default-global-system-config", "default-fabric", "vpg-internal-0"])
        .await;
    let unbound =
        json!({ "virtual-machine-interface": pairs(&[("vnic_type", "baremetal"), ("profile", "{}")]) });
    api.drop_ref("virtual-machine-interface", &id, "virtual-port-group", &group).await;
    assert!(api.read("virtual-machine-interface", &id).await.get("virtual_port_group_refs").is_none());
    api.good("PUT", &path, unbound.clone()).await;
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
    api.bad("PUT", &path, unbound, (400, none)).await;
    api.drop_ref("virtual-machine-interface", &id, "virtual-port-group", &group).await;
    api.good("DELETE", &delete, Value::Null).await;
    api.standin.stop().await;
}

#[tokio::test]
async fn addresses_come_from_the_top_and_deletions_have_an_order() {
    let api = Api::start().await;
    let network = json!({"virtual-network": {"fq_name": ["default-domain", "bms", "web"], "parent_type": "project",
        "network_ipam_refs": [{"to": ["default-domain", "default-project", "default-network-ipam"],
            "attr": {"ipam_subnets": [{"subnet": {"ip_prefix": "192.0.2.0", "ip_prefix_len": 24},
                "allocation_pools": [{"start": "192.0.2.19", "end": "192.0.2.20"}]}]}}]}});
    let made = api.good("POST", "/virtual-networks", network).await;
    let network_id = made["virtual-network"]["uuid"].as_str().unwrap().to_owned();
    let port = json!({"virtual-machine-interface": {"fq_name": ["default-domain", "bms", "p"],
        "parent_type": "project", "virtual_network_refs": [{"to": ["default-domain", "bms", "web"]}],
        "virtual_machine_interface_bindings": {"key_value_pair": [{"key": "vnic_type", "value": "baremetal"}]}}});
    let made = api.good("POST", "/virtual-machine-interfaces", port).await;
    let port_id = made["virtual-machine-interface"]["uuid"].as_str().unwrap().to_owned();
    let read = api.read("virtual-machine-interface", &port_id).await;
    assert_eq!(read["virtual_machine_interface_mac_addresses"]["mac_address"], json!(["00:00:00:00:00:00"]));
    assert!(read.get("virtual_port_group_refs").is_none());
    let ask = |name: &str, address: Option<&str>| {
        let mut body = json!({"instance-ip": {"fq_name": [name],
            "virtual_network_refs": [{"to": ["default-domain", "bms", "web"]}],
            "virtual_machine_interface_refs": [{"to": ["default-domain", "bms", "p"]}]}});
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
        (id, read["instance_ip_address"].as_str().unwrap().to_owned())
    };
    let (first, address) = give("one", None).await;
    assert_eq!(address, "192.0.2.20");
    let (second, address) = give("two", None).await;
    assert_eq!(address, "192.0.2.19");
    let exhausted = (400, "Virtual-Network(['default-domain', 'bms', 'web']) has exhausted subnet([])");
    api.bad("POST", "/instance-ips", ask("three", None), exhausted).await;
    api.bad("POST", "/instance-ips", ask("three", Some("198.51.100.9")), exhausted).await;
    let used = (409, "IP address already in use");
    api.bad("POST", "/instance-ips", ask("three", Some("192.0.2.20")), used).await;
    let (outside, address) = give("three", Some("192.0.2.77")).await;
    assert_eq!(address, "192.0.2.77", "outside the pool, inside the subnet");
    let change = json!({"instance-ip": {"instance_ip_address": "192.0.2.78"}});
    api.bad("PUT", &format!("/instance-ip/{outside}"), change, (400, "")).await;
    let referred = (409, "Delete when resource still referred: ['http://");
    api.bad("DELETE", &format!("/virtual-machine-interface/{port_id}"), Value::Null, referred).await;
    api.bad("DELETE", &format!("/virtual-network/{network_id}"), Value::Null, referred).await;
    let project = api.id("project", &["default-domain", "bms"]).await;
    let children = (409, "Delete when children still present: ['http://");
    api.bad("DELETE", &format!("/project/{project}"), Value::Null, children).await;
    for id in [first, second, outside] {
        api.good("DELETE", &format!("/instance-ip/{id}"), Value::Null).await;
    }
    assert_eq!(give("four", None).await.1, "192.0.2.20", "freed at once");
    api.standin.stop().await;
}

#[tokio::test]
async fn general_conventions_hold() {
    let api = Api::start().await;
    let network = |name: &str| json!({"virtual-network": {"fq_name": ["default-domain", "bms", name], "parent_type": "project"}});
    let exists = (409, "['default-domain', 'bms', 'prov'] already exists with uuid: ");
    api.bad("POST", "/virtual-networks", network("prov"), exists).await;
    let lost =
        json!({"virtual-network": {"fq_name": ["default-domain", "nope", "x"], "parent_type": "project"}});
    api.bad("POST", "/virtual-networks", lost, (404, "Name['default-domain', 'nope'] not found")).await;
    api.bad("POST", "/virtual-networks", json!({"network": {}}), (500, "")).await;
    api.bad("GET", "/bms-servers", Value::Null, (404, "")).await;
    let node = |kind: &str, info: Value| {
        json!({"node": {"fq_name": ["default-global-system-config", "srv1"], "node_type": kind, "bms_info": info,
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
    let style = |enterprise: bool| json!({"fabric": {"fabric_enterprise_style": enterprise}});
    let fabric = api.id("fabric", &["default-global-system-config", "default-fabric"]).await;
    let text = "Cannot change from sp-style to enterprise-style or vice-versa";
    api.bad("PUT", &format!("/fabric/{fabric}"), style(false), (403, text)).await;
    api.good("PUT", &format!("/fabric/{fabric}"), style(true)).await;
    api.bad("POST", "/ref-update", json!({"type": "node"}), (500, "Internal Server Error")).await;

    let list = async |query: &str| api.good("GET", &format!("/virtual-networks?{query}"), Value::Null).await;
    assert_eq!(list("count=true").await, json!({"virtual-networks": {"count": 2}}));
    let project = api.id("project", &["default-domain", "bms"]).await;
    let rows = async |query: &str| list(query).await["virtual-networks"].as_array().unwrap().len();
    assert_eq!(rows(&format!("parent_id={project}")).await, 2);
    assert_eq!(rows("parent_id=00000000-0000-0000-0000-000000000000").await, 0);
    assert_eq!(rows("fq_names=default-domain:bms:prov").await, 1);
    assert_eq!(rows("filters=display_name==%22x%22").await, 0);
    assert_eq!(rows("filters=unheard_of==%22x%22").await, 2, "unknown filters are ignored");
    let detail = list("detail=true&fq_names=default-domain:bms:prov&fields=routing_instances").await;
    let shown = &detail["virtual-networks"][0]["virtual-network"];
    assert_eq!(shown["routing_instances"][0]["to"], json!(["default-domain", "bms", "prov", "prov"]));

    let quota = json!({"project": {"quota": {"virtual_network": 2}}});
    api.good("PUT", &format!("/project/{project}"), quota).await;
    let over = (412, "<pre>quota limit (2) exceeded for resource virtual_network</pre>");
    api.bad("POST", "/virtual-networks", network("third"), over).await;
    api.standin.stop().await;
}

#[tokio::test]
async fn objects_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config::api_only(&[("qfx1", "xe-0/0/0")]);
    config.snapshot = Some(dir.path().join("objects.json"));
    let api = Api::start_with(config.clone()).await;
    api.attach("a", "prov", "xe-0/0/0").await;
    let before = api.standin.shared.store();
    api.standin.stop().await;
    let again = Standin::start(config).await.unwrap();
    assert_eq!(again.shared.store(), before);
    again.stop().await;
}

#[tokio::test]
async fn faults_are_switched_at_the_admin_address() {
    let api = Api::start().await;
    let set = async |fault: Value| {
        let url = format!("http://{}/fault", api.standin.admin);
        assert_eq!(api.http.put(url).json(&fault).send().await.unwrap().status(), 200);
    };
    set(json!({"mode": "unavailable"})).await;
    api.bad("GET", "/projects", Value::Null, (503, "")).await;
    set(json!({"mode": "refuse"})).await;
    let fresh = reqwest::Client::new();
    assert!(fresh.get(format!("{}/projects", api.standin.url())).send().await.is_err());
    set(json!({"mode": "slow", "delay_ms": 80})).await;
    let started = std::time::Instant::now();
    api.good("GET", "/projects", Value::Null).await;
    assert!(started.elapsed().as_millis() >= 80);
    set(json!({"mode": "none"})).await;
    api.good("GET", "/projects", Value::Null).await;
    api.standin.stop().await;
}
