//! Nodes and ports in Contrail through every change of a server, and in clouds with many of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use contrail::{Config as Site, Contrail, vnc};
use domain::{
    records::{NewPort, NewServer, Port, Server},
    rim::{Interfaces, SwitchPort},
};
use protocol::{
    secret::Secret,
    spec::{BmcEndpoint, BmcProtocol},
};
use serde_json::{Value, json};
use store::{Inventory, clock::SystemClock, secret::Sealer};
use tests::contrail::{
    Config, Fault, Standin,
    kind::Kind,
    request::Request,
    scripted::{Asked, Reply, Scripted},
};
use uuid::Uuid;

const ROOT: &str = "default-global-system-config";

fn link(number: u8) -> SwitchPort {
    SwitchPort { switch: "qfx1".into(), port: format!("xe-0/0/{number}"), switch_id: None, fabric: None }
}

/// A server with interfaces `eth1` and `eth2`, and the place where it is stored.
async fn server(name: &str) -> Server {
    let dir = tempfile::tempdir().unwrap();
    let sealer = Sealer::open_or_create(&dir.path().join("key")).unwrap();
    let inventory = Inventory::open(&dir.path().join("db"), sealer, Arc::new(SystemClock)).await.unwrap();
    let port = |number: u8| NewPort {
        name: format!("eth{number}"),
        mac: format!("52:54:00:00:00:{number:02x}").parse().unwrap(),
        link: link(number),
        pxe_enabled: number == 1,
    };
    let new = NewServer {
        name: name.to_owned(),
        rack: "rack1".parse().unwrap(),
        bmc: BmcEndpoint {
            protocol: BmcProtocol::Ipmi { cipher_suite: None },
            address: "203.0.113.1".into(),
            port: 623,
            username: "operator".into(),
            password: Secret::new("x"),
            settings: Default::default(),
        },
        ports: vec![port(1), port(2)],
        boot_mode: Default::default(),
        resource_class: "gold".into(),
        properties: BTreeMap::new(),
    };
    inventory.put_server(&new).await.unwrap()
}

struct Registry {
    standin: Standin,
    contrail: Contrail,
}

impl Registry {
    async fn start() -> Self {
        let ports = [("qfx1", "xe-0/0/1"), ("qfx1", "xe-0/0/2"), ("qfx1", "xe-0/0/3")];
        let standin = Standin::start(Config::api_only(&ports)).await.unwrap();
        let contrail = Contrail::new(Site::with_default_names(standin.url()), None).unwrap();
        Self { standin, contrail }
    }

    fn names(&self, kind: &str) -> BTreeSet<String> {
        self.standin.shared.store().of_kind(kind).map(|one| one.fq_name[1..].join(":")).collect()
    }

    /// MAC by name of port.
    fn macs(&self) -> BTreeMap<String, String> {
        let store = self.standin.shared.store();
        let mac = |value: &Value| value["address"].as_str().unwrap_or_default().to_owned();
        store
            .of_kind("port")
            .map(|one| (one.name().to_owned(), mac(&one.properties["bms_port_info"])))
            .collect()
    }

    /// Ports that switch ports refer to.
    fn linked(&self) -> usize {
        let store = self.standin.shared.store();
        store.of_kind("physical-interface").flat_map(|it| &it.refs).filter(|to| to.kind == "port").count()
    }

    fn make(&self, kind: &str, body: Value) {
        let kind = Kind::of(kind).unwrap();
        self.standin.shared.perform(&Request::Create(kind, json!({ kind.name: body }))).map(|_| ()).unwrap();
    }

    async fn settle(&self, servers: &[Server]) {
        let failures = self.contrail.register(servers).await.unwrap();
        assert!(failures.is_empty(), "{failures:?}");
        self.standin.shared.take_calls();
        self.contrail.register(servers).await.unwrap();
        let calls = self.standin.shared.take_calls();
        assert!(calls.iter().all(|call| call.starts_with("GET")), "not settled: {calls:?}");
    }
}

fn texts(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

type Change = fn(&mut Vec<Port>);

/// Everything that becomes of a server's interfaces, by the names of its ports in Contrail afterwards.
const CHANGES: [(Change, &[(&str, &str)]); 5] = [
    (|ports| ports[1].name = "lan2".into(), &[("eth1", "52:54:00:00:00:01"), ("lan2", "52:54:00:00:00:02")]),
    (|ports| drop(ports.remove(1)), &[("eth1", "52:54:00:00:00:01")]),
    (
        |ports| {
            let first = ports[0].name.clone();
            ports[0].name = ports[1].name.clone();
            ports[1].name = first;
        },
        &[("eth1", "52:54:00:00:00:02"), ("eth2", "52:54:00:00:00:01")],
    ),
    (
        // The second card moves to a new place, and another one is put into its old.
        |ports| {
            let mut new = ports[1].clone();
            new.mac = "52:54:00:00:00:03".parse().unwrap();
            new.link = link(3);
            ports[1].name = "eth3".into();
            ports.push(new);
        },
        &[("eth1", "52:54:00:00:00:01"), ("eth2", "52:54:00:00:00:03"), ("eth3", "52:54:00:00:00:02")],
    ),
    (
        |ports| ports[0].name = "eth1:1".into(),
        &[("eth1_1", "52:54:00:00:00:01"), ("eth2", "52:54:00:00:00:02")],
    ),
];

#[tokio::test]
async fn a_changed_interface_is_a_changed_port() {
    for (change, expected) in CHANGES {
        let registry = Registry::start().await;
        let mut one = server("n1").await;
        registry.settle(std::slice::from_ref(&one)).await;
        assert_eq!(registry.linked(), 2);
        change(&mut one.ports);
        registry.settle(std::slice::from_ref(&one)).await;
        let expected: BTreeMap<_, _> =
            expected.iter().map(|(name, mac)| ((*name).to_owned(), (*mac).to_owned())).collect();
        assert_eq!(registry.macs(), expected);
        assert_eq!(registry.linked(), expected.len());
        registry.standin.shared.take_calls();
        assert!(registry.contrail.register(&[]).await.unwrap().is_empty());
        let calls = registry.standin.shared.take_calls();
        let count = |start: &str| calls.iter().filter(|call| call.starts_with(start)).count();
        // With a switch port that refers to it a port is not deleted.
        assert_eq!((count("POST /ref-update"), count("DELETE /port/")), (expected.len(), expected.len()));
        assert_eq!((registry.names("node"), registry.names("port")), Default::default());
        registry.standin.stop().await;
    }
}

/// Renamed with an interface less, then forgotten, cut off at each call of each.
#[tokio::test]
async fn a_pass_may_be_cut_off_anywhere_and_repeated() {
    let before = server("n1").await;
    let mut after = before.clone();
    after.name = "n:2".into();
    after.ports.remove(1);
    for done in [false, true] {
        for requests in 0.. {
            let registry = Registry::start().await;
            registry.settle(std::slice::from_ref(&before)).await;
            let mut reached = false;
            for (servers, nodes) in [(vec![after.clone()], texts(&["n_2"])), (vec![], texts(&[]))] {
                registry.standin.shared.set_fault(Fault::CutAfter { requests, done });
                let _ = registry.contrail.register(&servers).await;
                reached |= registry.standin.shared.fault() == Fault::None;
                registry.standin.shared.set_fault(Fault::None);
                registry.settle(&servers).await;
                assert_eq!(registry.names("node"), nodes, "call {requests}, done {done}");
                assert_eq!(registry.names("port").len(), nodes.len());
            }
            registry.standin.stop().await;
            if !reached {
                assert!(requests > 10, "{requests}");
                break;
            }
        }
    }
}

/// What others put under a node of ours keeps it there, without our notes.
#[tokio::test]
async fn a_node_with_a_port_of_others_is_left_to_them() {
    let registry = Registry::start().await;
    let one = server("n1").await;
    registry.settle(std::slice::from_ref(&one)).await;
    registry.make("port", json!({ "fq_name": [ROOT, "n1", "theirs"], "parent_type": "node" }));
    registry.settle(std::slice::from_ref(&one)).await;
    registry.settle(&[]).await;
    assert_eq!((registry.names("node"), registry.names("port")), (texts(&["n1"]), texts(&["n1:theirs"])));
    registry.standin.stop().await;
}

const ROWS: usize = 30_000;

/// A cloud with 30,000 objects of every kind, each as long as they are in the field: more than one answer may have.
async fn large_cloud() -> Scripted {
    Scripted::start(|asked: &Asked| {
        let kind = asked.path.trim_start_matches('/').trim_end_matches('s');
        let given = |name: &str| {
            let mut pairs = asked.query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
        };
        let from = given("page_marker").and_then(|marker| marker.rsplit("%3A").next()?.parse().ok()).unwrap_or(0);
        let limit = given("page_limit").and_then(|text| text.parse().ok()).unwrap_or(ROWS);
        let row = |number: usize| {
            json!({ kind: { "uuid": Uuid::from_u128(number as u128), "fq_name": [ROOT, format!("n{number}")],
                "instance_ip_address": "192.0.2.7", "display_name": "x".repeat(1300),
                "virtual_machine_interface_refs": [{ "to": ["a"], "uuid": Uuid::from_u128(number as u128) }] } })
        };
        let to = (from + limit).min(ROWS);
        let rows: Vec<_> = (from..to).map(row).collect();
        let marker = (to < ROWS).then(|| format!("{ROOT}:n{to}:{to}"));
        Reply::json(json!({ format!("{kind}s"): rows, "marker": marker }))
    })
    .await
}

#[tokio::test]
async fn a_large_cloud_is_read_page_by_page() {
    let cloud = large_cloud().await;
    const { assert!(ROWS * 1300 > vnc::ANSWER_MAX, "it would fit into one answer") };
    let contrail = Contrail::new(Site::with_default_names(cloud.url()), None).unwrap();
    assert!(contrail.register(&[]).await.unwrap().is_empty());
    let pages = cloud.calls().iter().filter(|call| *call == "GET /nodes").count();
    assert_eq!(pages, 60);
    let found = contrail.all_interfaces().await.unwrap();
    assert_eq!(found.len(), ROWS);
    assert!(found.iter().all(|one| one.addresses.len() == 1));
}
