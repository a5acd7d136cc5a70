//! What Contrail is told of our servers, over loopback: their state by Sandesh, and they themselves as objects of the VNC API.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use contrail::{
    Config as Site, Contrail, registration,
    sandesh::client::{self, SandeshConfig},
};

use domain::{
    events::EventKind,
    lifecycle::{Node, ProvisionState},
    records::{NewPort, NewServer, Server},
    rim::{AgentConnection, Presence, SwitchPort},
};
use protocol::{
    id::RackId,
    secret::Secret,
    spec::{BmcEndpoint, BmcProtocol},
};
use serde_json::{Value, json};
use store::{Inventory, clock::SystemClock, secret::Sealer};
use tests::{
    contrail::{
        Config, Fault, Standin,
        collector::{Collector, Known, Mood},
        kind::Kind,
        request::Request,
    },
    lab::step::wait_for,
};
use tokio_util::sync::CancellationToken;

const PASSWORD: &str = "never-to-be-seen";
const WAIT: Duration = Duration::from_secs(40);

struct Here;

impl Presence for Here {
    fn connection(&self, _: &RackId) -> AgentConnection {
        AgentConnection::Connected
    }
}

async fn inventory(dir: &std::path::Path) -> Inventory {
    let sealer = Sealer::open_or_create(&dir.join("key")).unwrap();
    Inventory::open(&dir.join("db"), sealer, Arc::new(SystemClock)).await.unwrap()
}

async fn enroll(inventory: &Inventory, number: u8) -> Server {
    let new = NewServer {
        name: format!("n{number}"),
        rack: "rack1".parse().unwrap(),
        bmc: BmcEndpoint {
            protocol: BmcProtocol::Ipmi { cipher_suite: None },
            address: format!("203.0.113.{number}"),
            port: 623,
            username: "operator".into(),
            password: Secret::new(PASSWORD),
            settings: Default::default(),
        },
        ports: vec![NewPort {
            name: "eth0".into(),
            mac: format!("52:54:00:00:00:{number:02x}").parse().unwrap(),
            link: SwitchPort {
                switch: "qfx1".into(),
                port: format!("xe-0/0/{number}"),
                switch_id: None,
                fabric: None,
            },
            pxe_enabled: true,
        }],
        boot_mode: Default::default(),
        resource_class: "gold".into(),
        properties: BTreeMap::from([("cpu_arch".to_owned(), "x86_64".to_owned())]),
    };
    let server = inventory.put_server(&new).await.unwrap();
    inventory.record(server.id, EventKind::Enrolled, "enrolled").await;
    server
}

async fn set_state(inventory: &Inventory, server: &Server, state: ProvisionState) {
    inventory.set_node(server.id, Some(&Node::in_state(server.id, state))).await.unwrap();
    inventory.record(server.id, EventKind::State, "changed").await;
}

/// Waits until the collector knows what it should.
async fn wait_known(collector: &Collector, what: &str, good: impl Fn(&Known) -> bool) -> Known {
    wait_for(what, WAIT, async |seen| {
        let known = collector.known();
        *seen = format!("{known:#?}");
        Ok(good(&known).then_some(known))
    })
    .await
    .unwrap()
}

fn state_of<'a>(known: &'a Known, server: &Server) -> &'a str {
    let state = known.servers.get(&server.id.to_string()).and_then(|state| state.get("provision_state"));
    state.and_then(Value::as_str).unwrap_or("")
}

#[tokio::test]
async fn a_collector_knows_every_servers_latest_state_whatever_happens_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let inventory = inventory(dir.path()).await;
    let servers = [enroll(&inventory, 1).await, enroll(&inventory, 2).await, enroll(&inventory, 3).await];
    let collector = Collector::start(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let stop = CancellationToken::new();
    let config = SandeshConfig { collectors: vec![collector.address.to_string()], name: "lab".into() };
    let telling =
        tokio::spawn(client::run(config, inventory.clone(), Arc::new(Here), Arc::default(), stop.clone()));

    let known = wait_known(&collector, "all three", |known| known.servers.len() == 3).await;
    assert_eq!(known.generators.iter().collect::<Vec<_>>(), ["lab:Analytics:bms-coordinator:0"]);
    let one = &known.servers[&servers[0].id.to_string()];
    assert_eq!(one["host_name"], "n1");
    assert_eq!(one["driver_info"], json!({"ipmi_address": "203.0.113.1", "ipmi_username": "operator"}));
    assert_eq!(one["port_info"][0]["local_link_connection"]["port_id"], "xe-0/0/1");

    set_state(&inventory, &servers[0], ProvisionState::Inspecting).await;
    let known =
        wait_known(&collector, "a change", |known| state_of(known, &servers[0]) == "inspecting").await;
    let last = known.messages.last().unwrap();
    assert_eq!(last.fields, ["maintenance", "provision_state"], "only what changed: {last:?}");
    assert_eq!((last.hints, last.sequence), (1, 4));

    collector.set_mood(Mood::CutAfter { messages: 1 });
    set_state(&inventory, &servers[1], ProvisionState::Available).await;
    set_state(&inventory, &servers[2], ProvisionState::Available).await;
    let all_again = |known: &Known| {
        known.connections == 2 && known.servers.len() == 3 && state_of(known, &servers[2]) == "available"
    };
    let known = wait_known(&collector, "all of it again on a new connection", all_again).await;
    let resent: Vec<_> = known.messages.iter().filter(|told| told.connection == 2).collect();
    assert!(resent.iter().any(|told| told.hints == 5), "nothing was told again: {resent:?}");
    assert_eq!(state_of(&known, &servers[0]), "inspecting");

    collector.set_mood(Mood::Away);
    set_state(&inventory, &servers[0], ProvisionState::Available).await;
    inventory.delete_server(servers[1].id).await.unwrap();
    inventory.record(servers[1].id, EventKind::Forgotten, "forgotten").await;
    let late = enroll(&inventory, 4).await;
    wait_known(&collector, "the collector to be away", |known| known.generators.is_empty()).await;
    collector.set_mood(Mood::Slow { delay_ms: 300 });
    let caught_up = |known: &Known| {
        let gone = !known.servers.contains_key(&servers[1].id.to_string());
        let new = known.servers.contains_key(&late.id.to_string());
        gone && new && state_of(known, &servers[0]) == "available" && known.servers.len() == 3
    };
    wait_known(&collector, "what happened meanwhile", caught_up).await;

    inventory.delete_server(late.id).await.unwrap();
    inventory.record(late.id, EventKind::Forgotten, "forgotten").await;
    wait_known(&collector, "that one is gone", |known| known.gone.contains(&late.id.to_string())).await;

    assert_eq!(collector.known().faults, Vec::<String>::new());
    assert!(!collector.received(PASSWORD), "a BMC password was sent");
    assert!(collector.received("operator"), "the search finds nothing at all");
    stop.cancel();
    telling.await.unwrap();
}

struct Registry {
    standin: Standin,
    contrail: Contrail,
}

impl Registry {
    async fn start() -> Self {
        let ports = [("qfx1", "xe-0/0/1"), ("qfx1", "xe-0/0/2"), ("qfx1", "xe-0/0/9")];
        let standin = Standin::start(Config::api_only(&ports)).await.unwrap();
        let contrail = Contrail::new(Site::with_default_names(standin.url()), None).unwrap();
        Self { standin, contrail }
    }

    /// All objects of a kind: name and everything in it.
    fn objects(&self, kind: &str) -> BTreeMap<String, Value> {
        let store = self.standin.shared.store();
        let all = store.of_kind(kind);
        all.map(|one| (one.fq_name[1..].join(":"), json!({"uuid": one.id, "is": one.properties}))).collect()
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

#[tokio::test]
async fn servers_are_nodes_and_ports_without_a_password() {
    let dir = tempfile::tempdir().unwrap();
    let inventory = inventory(dir.path()).await;
    let registry = Registry::start().await;
    let mut servers = vec![enroll(&inventory, 1).await, enroll(&inventory, 2).await];
    registry.settle(&servers).await;

    let (nodes, ports) = (registry.objects("node"), registry.objects("port"));
    assert_eq!(nodes.keys().collect::<Vec<_>>(), ["n1", "n2"]);
    assert_eq!(ports.keys().collect::<Vec<_>>(), ["n1:eth0", "n2:eth0"]);
    assert_eq!(nodes["n1"]["uuid"], json!(servers[0].id.0));
    assert_eq!(nodes["n1"]["is"]["node_type"], "baremetal");
    assert_eq!(nodes["n1"]["is"]["bms_info"]["driver_info"]["ipmi_address"], "203.0.113.1");
    let port = &ports["n1:eth0"]["is"]["bms_port_info"];
    assert_eq!(port["address"], "52:54:00:00:00:01");
    assert_eq!(port["local_link_connection"], json!({"switch_info": "qfx1", "port_id": "xe-0/0/1"}));
    let everything = serde_json::to_string(&registry.standin.shared.store()).unwrap();
    assert!(!everything.contains(PASSWORD), "a BMC password is in Contrail");
    let store = registry.standin.shared.store();
    let name = ["default-global-system-config", "qfx1", "xe-0/0/1"].map(str::to_owned);
    let interface = store.by_name("physical-interface", &name).unwrap();
    assert!(interface.refs.iter().any(|it| it.kind == "port"), "the switch port does not refer to the port");

    // Changed by us, changed by somebody else, renamed, and gone.
    servers[0].ports[0].link.port = "xe-0/0/9".into();
    registry.settle(&servers).await;
    let link = &registry.objects("port")["n1:eth0"]["is"]["bms_port_info"]["local_link_connection"];
    assert_eq!(link["port_id"], "xe-0/0/9");
    servers[0].name = "renamed".into();
    registry.settle(&servers).await;
    assert_eq!(registry.objects("port").keys().collect::<Vec<_>>(), ["n2:eth0", "renamed:eth0"]);
    servers.remove(0);
    registry.settle(&servers).await;
    assert_eq!(registry.objects("node").keys().collect::<Vec<_>>(), ["n2"]);
    registry.settle(&[]).await;
    assert!(registry.objects("node").is_empty() && registry.objects("port").is_empty());
    registry.standin.stop().await;
}

#[tokio::test]
async fn what_others_made_is_taken_over_cleaned_of_its_password_and_left_behind() {
    let dir = tempfile::tempdir().unwrap();
    let inventory = inventory(dir.path()).await;
    let registry = Registry::start().await;
    let parent = "default-global-system-config";
    registry.make(
        "node",
        json!({"fq_name": [parent, "n1"], "parent_type": "global-system-config", "node_type": "baremetal",
               "bms_info": {"driver_info": {"ipmi_address": "203.0.113.1", "ipmi_password": PASSWORD}}}),
    );
    registry.make(
        "port",
        json!({"fq_name": [parent, "n1", "p-000001"], "parent_type": "node",
               "bms_port_info": {"address": "52:54:00:00:00:01"}}),
    );
    registry.make("node", json!({"fq_name": [parent, "other"], "parent_type": "global-system-config"}));
    let server = enroll(&inventory, 1).await;
    registry.settle(std::slice::from_ref(&server)).await;
    assert_eq!(registry.objects("node").keys().collect::<Vec<_>>(), ["n1", "other"]);
    assert_eq!(
        registry.objects("port").keys().collect::<Vec<_>>(),
        ["n1:p-000001"],
        "matched by its address"
    );
    let everything = serde_json::to_string(&registry.standin.shared.store()).unwrap();
    assert!(!everything.contains(PASSWORD), "the password that was there is still there");
    registry.settle(&[]).await;
    assert_eq!(registry.objects("node").keys().collect::<Vec<_>>(), ["n1", "other"]);
    registry.standin.stop().await;
}

#[tokio::test]
async fn a_refusal_is_a_reason_on_its_server_and_an_outage_is_made_up_for() {
    let dir = tempfile::tempdir().unwrap();
    let inventory = inventory(dir.path()).await;
    let registry = Registry::start().await;
    // Something else has the uuid that the node would get.
    let server = enroll(&inventory, 1).await;
    registry.make("virtual-machine", json!({"fq_name": ["in-the-way"], "uuid": server.id.0}));
    registry.standin.shared.set_fault(Fault::Unavailable);
    let stop = CancellationToken::new();
    let contrail = Contrail::new(Site::with_default_names(registry.standin.url()), None).unwrap();
    let running = tokio::spawn(registration::run(Arc::new(contrail), inventory.clone(), stop.clone()));
    let reason = async |expected: Option<&str>| {
        wait_for(format!("the reason {expected:?}"), WAIT, async |seen| {
            let reason = inventory.server(server.id).await?.and_then(|server| server.reason);
            *seen = format!("{reason:?}");
            let good = match (expected, &reason) {
                (Some(expected), Some(reason)) => reason.contains(expected),
                (None, None) => true,
                _ => false,
            };
            Ok(good.then_some(()))
        })
        .await
        .unwrap();
    };
    wait_for("the outage to be told", WAIT, async |seen| {
        let events = inventory.events(&Default::default()).await?;
        *seen = format!("{events:?}");
        Ok(events.iter().any(|event| event.text.contains("did not answer")).then_some(()))
    })
    .await
    .unwrap();
    registry.standin.shared.set_fault(Fault::None);
    reason(Some("not registered in Contrail: ")).await;
    let kind = Kind::of("virtual-machine").unwrap();
    registry.standin.shared.perform(&Request::Delete(kind, server.id.0)).map(|_| ()).unwrap();
    reason(None).await;
    assert_eq!(registry.objects("node").keys().collect::<Vec<_>>(), ["n1"]);
    stop.cancel();
    running.await.unwrap();
    registry.standin.stop().await;
}
