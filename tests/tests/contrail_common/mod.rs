//! Edges: the contract of the VNC API, asked of the stand-in or of the server that `CONTRAIL_API` names.
//!
//! A test of the contract works in a project of its own and takes away what it made, also after it failed. On a server it
//! needs switches `qfx1` (ports `xe-0/0/0` to `xe-0/0/3`) and `qfx2` (`xe-0/0/2_0`) in no group, a fabric `rack1`, and nobody
//! else at work on it; tests take turns there.
#![allow(dead_code, reason = "each file of tests uses what it needs")]

use std::{
    fs::File,
    panic::AssertUnwindSafe,
    sync::{LazyLock, Mutex},
};

use futures::FutureExt;
use serde_json::{Value, json};
use tests::contrail::{Config, Standin};

/// Name of the project that the tests of this process work in.
pub fn project() -> &'static str {
    static NAME: LazyLock<String> = LazyLock::new(|| {
        let random = uuid::Uuid::new_v4().simple().to_string();
        format!("contract-{}", &random[..12])
    });
    &NAME
}

/// The API under test.
pub struct Api {
    /// Its URL.
    pub url: String,
    /// Whether its default fabric is of the enterprise style.
    pub enterprise: bool,
    http: reqwest::Client,
    standin: Option<Standin>,
    made: Mutex<Vec<(String, String)>>,
    groups_before: Vec<String>,
    /// Held while a server that others use too is ours.
    _turn: Option<File>,
}

/// Runs a test on the server that is named, or else on stand-ins of both fabric styles.
pub async fn contract(test: impl AsyncFn(&Api)) {
    let named = std::env::var("CONTRAIL_API").ok();
    let styles: &[bool] = if named.is_some() { &[true] } else { &[true, false] };
    for enterprise in styles {
        let api = match &named {
            Some(url) => Api::of_server(url).await,
            None => {
                let mut config = Config::api_only(&[
                    ("qfx1", "xe-0/0/0"),
                    ("qfx1", "xe-0/0/1"),
                    ("qfx1", "xe-0/0/2"),
                    ("qfx1", "xe-0/0/3"),
                    ("qfx2", "xe-0/0/2:0"),
                ]);
                config.fabrics = vec!["rack1".into()];
                config.enterprise = *enterprise;
                Api::of_standin(config).await
            }
        };
        let outcome = AssertUnwindSafe(test(&api)).catch_unwind().await;
        let left = api.clean_up().await;
        if let Err(panic) = outcome {
            std::panic::resume_unwind(panic);
        }
        assert_eq!(left, Vec::<String>::new(), "left behind");
    }
}

impl Api {
    /// A stand-in of its own, for tests of the stand-in alone.
    pub async fn of_standin(config: Config) -> Self {
        let standin = Standin::start(config).await.unwrap();
        Self::start(standin.url(), Some(standin), None).await
    }

    async fn of_server(url: &str) -> Self {
        let turn = File::create(std::env::temp_dir().join("bms-manager-contract.lock")).unwrap();
        turn.lock().unwrap();
        Self::start(url.trim_end_matches('/').to_owned(), None, Some(turn)).await
    }

    async fn start(url: String, standin: Option<Standin>, turn: Option<File>) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::new();
        let (made, groups_before) = (Mutex::default(), Vec::new());
        let mut api = Self { url, enterprise: true, http, standin, made, groups_before, _turn: turn };
        let fabric = api.id("fabric", &["default-global-system-config", "default-fabric"]).await;
        api.enterprise = api.read("fabric", &fabric).await["fabric_enterprise_style"] == true;
        api.groups_before = api.groups().await;
        api.good("POST", "/projects", json!({"project": {"fq_name": ["default-domain", project()]}})).await;
        for name in ["prov", "clean"] {
            api.network(name, Value::Null).await;
        }
        api
    }

    /// The stand-in, in tests that need its inside.
    pub fn standin(&self) -> &Standin {
        self.standin.as_ref().unwrap()
    }

    /// Stops a stand-in without a look at what is left in it.
    pub async fn stop(mut self) {
        self.standin.take().unwrap().stop().await;
    }

    /// Asks. What was made is remembered.
    pub async fn call(&self, method: &str, path: &str, body: Value) -> (u16, String) {
        let verb = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.http.request(verb, format!("{}{path}", self.url));
        if !body.is_null() {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let (status, text) = (response.status().as_u16(), response.text().await.unwrap());
        if (method, status) == ("POST", 200)
            && let Ok(made) = serde_json::from_str::<Value>(&text)
            && let Some((kind, id)) = made.as_object().and_then(|made| {
                let (kind, object) = made.iter().next()?;
                Some((kind.clone(), object.get("uuid")?.as_str()?.to_owned()))
            })
        {
            self.made.lock().unwrap().push((kind, id));
        }
        (status, text)
    }

    /// Asks for what must succeed.
    pub async fn good(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, text) = self.call(method, path, body.clone()).await;
        assert_eq!(status, 200, "{method} {path} {body}: {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// Asks for what must be refused.
    pub async fn bad(&self, method: &str, path: &str, body: Value, expected: (u16, &str)) {
        let (status, text) = self.call(method, path, body.clone()).await;
        assert!(
            status == expected.0 && text.contains(expected.1),
            "{method} {path} {body}: expected {expected:?}, got {status} {text}"
        );
    }

    /// Makes an object and says its uuid.
    pub async fn make(&self, kind: &str, body: Value) -> String {
        let made = self.good("POST", &format!("/{kind}s"), json!({ kind: body })).await;
        made[kind]["uuid"].as_str().unwrap().to_owned()
    }

    /// The uuid of an object.
    pub async fn id(&self, kind: &str, name: &[&str]) -> String {
        let found = self.good("POST", "/fqname-to-id", json!({"type": kind, "fq_name": name})).await;
        found["uuid"].as_str().unwrap().to_owned()
    }

    /// The uuid of an object in our project.
    pub async fn own(&self, kind: &str, name: &str) -> String {
        self.id(kind, &["default-domain", project(), name]).await
    }

    /// An object.
    pub async fn read(&self, kind: &str, id: &str) -> Value {
        self.good("GET", &format!("/{kind}/{id}"), Value::Null).await[kind].take()
    }

    /// Makes a network in our project, with this entry of a subnet unless it is null.
    pub async fn network(&self, name: &str, subnet: Value) -> String {
        let mut body = json!({"fq_name": ["default-domain", project(), name], "parent_type": "project"});
        if !subnet.is_null() {
            body["network_ipam_refs"] = json!([{
                "to": ["default-domain", "default-project", "default-network-ipam"],
                "attr": {"ipam_subnets": [subnet]}}]);
        }
        self.make("virtual-network", body).await
    }

    /// Attaches a new interface to a port of `qfx1`.
    pub async fn attach(&self, name: &str, network: &str, port: &str) -> String {
        let made = interface(name, network, &[("qfx1", port)], &[]);
        let made = self.good("POST", "/virtual-machine-interfaces", made).await;
        made["virtual-machine-interface"]["uuid"].as_str().unwrap().to_owned()
    }

    /// Names of all port groups.
    pub async fn groups(&self) -> Vec<String> {
        let list = self.good("GET", "/virtual-port-groups", Value::Null).await;
        let rows = list["virtual-port-groups"].as_array().unwrap().iter();
        let mut names: Vec<_> = rows.map(|row| row["fq_name"][2].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    }

    /// The group that an interface is in: name and uuid.
    pub async fn group_of(&self, interface: &str) -> (String, String) {
        let read = self.read("virtual-machine-interface", interface).await;
        let group = &read["virtual_port_group_refs"][0];
        (group["to"][2].as_str().unwrap().to_owned(), group["uuid"].as_str().unwrap().to_owned())
    }

    /// A group of ports of `qfx1` as a person makes one.
    pub async fn lag(&self, name: &str, ports: &[&str]) -> String {
        let name = ["default-global-system-config", "default-fabric", name];
        let id = self.make("virtual-port-group", json!({"parent_type": "fabric", "fq_name": name})).await;
        for port in ports {
            let port = self.id("physical-interface", &["default-global-system-config", "qfx1", port]).await;
            self.reference("ADD", "virtual-port-group", &id, "physical-interface", &port).await;
        }
        id
    }

    /// Names of a group's switch ports.
    pub async fn members(&self, group: &str) -> Vec<String> {
        let read = self.read("virtual-port-group", group).await;
        let refs = read["physical_interface_refs"].as_array().cloned().unwrap_or_default();
        let mut names: Vec<_> = refs.iter().map(|it| it["to"][2].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    }

    /// Adds or deletes a reference.
    pub async fn reference(&self, operation: &str, kind: &str, id: &str, other: &str, other_id: &str) {
        let body = json!({"type": kind, "uuid": id, "ref-type": other, "ref-uuid": other_id,
            "ref-fq-name": null, "operation": operation, "attr": null});
        self.good("POST", "/ref-update", body).await;
    }

    /// Deletes a reference.
    pub async fn drop_ref(&self, kind: &str, id: &str, other: &str, other_id: &str) {
        self.reference("DELETE", kind, id, other, other_id).await;
    }

    /// Deletes what was made, the last first, and says what could not be deleted.
    async fn clean_up(mut self) -> Vec<String> {
        let made = std::mem::take(&mut *self.made.lock().unwrap());
        let mut left = Vec::new();
        for (kind, id) in made.iter().rev() {
            if kind == "port" {
                self.free_port(id).await;
            }
            if kind == "virtual-machine-interface" {
                self.free_interface(id).await;
            }
            if kind == "virtual-network" {
                self.empty_groups().await;
            }
            let (status, text) = self.call("DELETE", &format!("/{kind}/{id}"), Value::Null).await;
            if status != 200 && status != 404 {
                left.push(format!("{kind} {id}: {status} {text}"));
            }
        }
        if let Some(standin) = self.standin.take() {
            standin.stop().await;
        }
        left
    }

    async fn free_port(&self, id: &str) {
        let (_, text) = self.call("GET", &format!("/port/{id}"), Value::Null).await;
        let read: Value = serde_json::from_str(&text).unwrap_or_default();
        for holder in read["port"]["physical_interface_back_refs"].as_array().into_iter().flatten() {
            let holder = holder["uuid"].as_str().unwrap();
            self.drop_ref("physical-interface", holder, "port", id).await;
        }
    }

    /// Addresses that a failed test left on an interface.
    async fn free_interface(&self, id: &str) {
        let (_, text) = self.call("GET", &format!("/virtual-machine-interface/{id}"), Value::Null).await;
        let read: Value = serde_json::from_str(&text).unwrap_or_default();
        let interface = &read["virtual-machine-interface"];
        for address in interface["instance_ip_back_refs"].as_array().into_iter().flatten() {
            let path = format!("/instance-ip/{}", address["uuid"].as_str().unwrap());
            self.call("DELETE", &path, Value::Null).await;
        }
    }

    /// Groups that the server made for us and that nobody uses any more.
    async fn empty_groups(&self) {
        let list = self.good("GET", "/virtual-port-groups", Value::Null).await;
        for row in list["virtual-port-groups"].as_array().unwrap() {
            let name = row["fq_name"][2].as_str().unwrap();
            if name.starts_with("vpg-internal-") && !self.groups_before.iter().any(|before| before == name) {
                let path = format!("/virtual-port-group/{}", row["uuid"].as_str().unwrap());
                self.call("DELETE", &path, Value::Null).await;
            }
        }
    }
}

/// Bindings of a bare-metal interface, untagged with native VLAN 4094, on these links, and more.
pub fn bindings(links: &[(&str, &str)], more: &[(&str, &str)]) -> Value {
    let links: Vec<Value> =
        links.iter().map(|(switch, port)| json!({"switch_info": switch, "port_id": port})).collect();
    let profile = json!({ "local_link_information": links }).to_string();
    let mut all = vec![
        ("vnic_type", "baremetal"),
        ("vif_type", "vrouter"),
        ("tor_port_vlan_id", "4094"),
        ("profile", profile.as_str()),
    ];
    all.extend(more);
    pairs(&all)
}

/// Bindings.
pub fn pairs(all: &[(&str, &str)]) -> Value {
    let pairs: Vec<Value> = all.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
    json!({ "key_value_pair": pairs })
}

/// A body that changes an interface's bindings.
pub fn bound(bindings: Value) -> Value {
    json!({"virtual-machine-interface": {"virtual_machine_interface_bindings": bindings}})
}

/// A body that takes an interface off its ports.
pub fn unbound() -> Value {
    bound(pairs(&[("vnic_type", "baremetal"), ("profile", "{}")]))
}

/// A body that makes an untagged interface.
pub fn interface(name: &str, network: &str, links: &[(&str, &str)], more: &[(&str, &str)]) -> Value {
    json!({"virtual-machine-interface": {
        "fq_name": ["default-domain", project(), name], "parent_type": "project",
        "virtual_network_refs": [{"to": ["default-domain", project(), network]}],
        "virtual_machine_interface_bindings": bindings(links, more),
    }})
}

/// A body that makes an interface with a tag.
pub fn tagged(name: &str, network: &str, links: &[(&str, &str)], tag: u64, more: &[(&str, &str)]) -> Value {
    let mut body = interface(name, network, links, more);
    let own = &mut body["virtual-machine-interface"];
    own["virtual_machine_interface_bindings"]["key_value_pair"].as_array_mut().unwrap().remove(2);
    own["virtual_machine_interface_properties"] = json!({ "sub_interface_vlan_tag": tag });
    body
}
