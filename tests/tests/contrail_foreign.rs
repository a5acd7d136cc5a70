//! Edges: what is not this server's on its switch port or in its port group, against the stand-in of the VNC API: refused with its name,
//! and not one request changes anything; a server that is to be isolated is isolated all the same.

use contrail::{Config as Site, Contrail};
use domain::rim::{
    Fabric, FabricError, NewTenantPort, ObservedNetwork, ServerPort, Sibling, SwitchPort, TenantNetworks,
    WantedNetwork,
};
use protocol::{id::ServerId, network::BootNetwork};
use serde_json::{Value, json};
use tests::contrail::{Config, Standin, kind::Kind, request::Request};
use uuid::Uuid;

const PROJECT: &str = "0123456789abcdef0123456789abcdef";
const PROVISIONING: WantedNetwork = WantedNetwork::Boot(BootNetwork::Provisioning);
const CLEANING: WantedNetwork = WantedNetwork::Boot(BootNetwork::Cleaning);
const NIC: Uuid = Uuid::from_u128(77);
const TENANT: WantedNetwork = WantedNetwork::Tenant(NIC);
const INTERFACE: &str = "virtual-machine-interface";
const GROUP: &str = "virtual-port-group";
const OURS: &str = "52:54:00:00:00:01";

struct World {
    standin: Standin,
    contrail: Contrail,
}

impl World {
    /// A site with three switch ports, and a tenant's port that is nowhere.
    async fn start(enterprise: bool) -> Self {
        let ports = [("qfx1", "xe-0/0/0"), ("qfx1", "xe-0/0/1"), ("qfx1", "xe-0/0/2")];
        let config = Config { enterprise, ..Config::api_only(&ports) };
        let standin = Standin::start(config).await.unwrap();
        let contrail = Contrail::new(Site::with_default_names(standin.url()), None).unwrap();
        contrail.ensure_site().await.unwrap();
        let web = contrail.ensure_network(PROJECT, "acme", "web", "192.0.2.0/24").await.unwrap();
        contrail.ensure_tenant_port(&NewTenantPort::plain(NIC, web.id, "srv1")).await.unwrap();
        Self { standin, contrail }
    }

    fn perform(&self, request: &Request) -> Option<Value> {
        self.standin.shared.perform(request).unwrap_or_else(|refusal| panic!("{request:?}: {refusal:?}"))
    }

    fn create(&self, kind: &str, body: Value) -> Uuid {
        let kind = Kind::of(kind).unwrap();
        let made = self.perform(&Request::Create(kind, json!({ kind.name: body }))).unwrap();
        serde_json::from_value(made[kind.name]["uuid"].clone()).unwrap()
    }

    fn add_ref(&self, (kind, id): (&str, Uuid), (to, to_id): (&str, Uuid)) {
        let body = json!({"type": kind, "uuid": id, "ref-type": to, "ref-uuid": to_id, "operation": "ADD",
            "attr": Value::Null});
        self.perform(&Request::RefUpdate(body));
    }

    /// A port group as a person makes one.
    fn group(&self, name: &str, members: &[&str]) -> Uuid {
        let full = ["default-global-system-config", "default-fabric", name];
        let group = self.create(GROUP, json!({"fq_name": full, "parent_type": "fabric"}));
        members.iter().for_each(|member| self.join(group, member));
        group
    }

    fn join(&self, group: Uuid, member: &str) {
        let kind = "physical-interface";
        let id = self.standin.shared.store().of_kind(kind).find(|it| it.name() == member).unwrap().id;
        self.add_ref((GROUP, group), (kind, id));
    }

    /// An interface of the project umbrella on `xe-0/0/0`, as its administrator made it.
    async fn stranger(&self, mac: &str) -> Uuid {
        let other = "fedcba9876543210fedcba9876543210";
        self.contrail.ensure_network(other, "umbrella", "db", "198.51.100.0/24").await.unwrap();
        let links = json!([{"switch_info": "qfx1", "port_id": "xe-0/0/0", "fabric": "default-fabric"}]);
        let profile = json!({ "local_link_information": links }).to_string();
        self.create(
            INTERFACE,
            json!({"fq_name": ["default-domain", "umbrella", "stranger"], "parent_type": "project",
                "virtual_network_refs": [{"to": ["default-domain", "umbrella", "db"]}],
                "virtual_machine_interface_mac_addresses": {"mac_address": [mac]},
                "virtual_machine_interface_bindings": {"key_value_pair": [
                    {"key": "vnic_type", "value": "baremetal"}, {"key": "profile", "value": profile},
                    {"key": "tor_port_vlan_id", "value": "555"}]}}),
        )
    }

    fn is_bound(&self, interface: Uuid) -> bool {
        self.standin.shared.store().get(interface).is_some_and(|it| it.refs_to(GROUP).next().is_some())
    }

    async fn must_move(&self, port: &ServerPort, to: WantedNetwork) {
        let seen = self.contrail.move_port(port, &to).await.unwrap_or_else(|error| panic!("{to:?}: {error}"));
        assert!(seen.is(&to), "{seen:?} is not {to:?}");
        assert_eq!(self.contrail.observe_port(port).await.unwrap(), seen);
    }

    /// Requests since the last look that change something.
    fn changes(&self) -> Vec<String> {
        let is_change = |call: &String| !call.starts_with("GET ") && call != "POST /fqname-to-id";
        self.standin.shared.take_calls().into_iter().filter(is_change).collect()
    }

    /// The move is refused with these words, and nothing at all is changed.
    async fn refused(&self, port: &ServerPort, to: WantedNetwork, words: &[&str]) {
        self.standin.shared.take_calls();
        let error = self.contrail.move_port(port, &to).await.unwrap_err();
        assert_eq!(self.changes(), Vec::<String>::new(), "{to:?}: {error}");
        is_said(&error, words);
    }

    /// It is on something that proves nothing, with these words.
    async fn proves_nothing(&self, port: &ServerPort, words: &[&str]) {
        let seen = self.contrail.observe_port(port).await.unwrap();
        for network in [PROVISIONING, CLEANING, TENANT, WantedNetwork::Nothing] {
            assert!(!seen.is(&network), "{seen:?} passes for {network:?}");
        }
        let ObservedNetwork::Other { description } = seen else { panic!("{seen:?}") };
        for word in words {
            assert!(description.contains(word), "{word} is not in: {description}");
        }
    }
}

fn is_said(error: &FabricError, words: &[&str]) {
    assert!(!error.is_worth_repeating(), "{error}");
    for word in words {
        assert!(error.to_string().contains(word), "{word} is not in: {error}");
    }
}

fn link(port: &str) -> SwitchPort {
    SwitchPort { switch: "qfx1".into(), port: port.into(), switch_id: None, fabric: None }
}

/// The server's first port; of the server's tenant is what a test puts on record.
fn port() -> ServerPort {
    ServerPort::alone(ServerId(Uuid::from_u128(42)), "eth0", OURS.parse().unwrap(), link("xe-0/0/0"))
}

fn bonded() -> ServerPort {
    let sibling = Sibling { name: "eth1".into(), link: link("xe-0/0/1"), leads: false };
    ServerPort { siblings: vec![sibling], ..port() }
}

const SHARED: [&str; 4] = ["qfx1:xe-0/0/0", "lag1", "qfx1:xe-0/0/1", "remove it from"];

#[tokio::test]
async fn nothing_is_bound_into_a_group_with_a_switch_port_of_somebody_else() {
    for enterprise in [true, false] {
        let world = World::start(enterprise).await;
        world.group("lag1", &["xe-0/0/0", "xe-0/0/1"]);
        for to in [PROVISIONING, CLEANING, TENANT] {
            world.refused(&port(), to, &SHARED).await;
        }
        is_said(&world.contrail.check_port(&port()).await.unwrap_err(), &SHARED);
        // The same two ports in the inventory as this server's are its bond.
        world.contrail.check_port(&bonded()).await.unwrap();
        for to in [PROVISIONING, CLEANING, TENANT, CLEANING, WantedNetwork::Nothing, TENANT] {
            world.must_move(&bonded(), to).await;
        }
        world.standin.stop().await;
    }
}

#[tokio::test]
async fn a_group_that_somebody_elses_switch_port_joins_proves_nothing_any_more() {
    for enterprise in [true, false] {
        for on in [PROVISIONING, CLEANING, TENANT] {
            let world = World::start(enterprise).await;
            let group = world.group("lag1", &["xe-0/0/0"]);
            world.must_move(&port(), on).await;
            world.join(group, "xe-0/0/1");
            world.proves_nothing(&port(), &SHARED[1..]).await;
            world.refused(&port(), on, &SHARED).await;
            world.refused(&port(), TENANT, &SHARED).await;
            // Whatever joined: its tenant's interface goes off as soon as it is to go, and nothing else comes.
            for to in [CLEANING, WantedNetwork::Nothing] {
                let moved = world.contrail.move_port(&port(), &to).await;
                match (to, moved) {
                    (WantedNetwork::Nothing, Ok(seen)) => assert!(seen.is(&to), "{seen:?}"),
                    (_, Err(error)) => is_said(&error, &SHARED),
                    (_, Ok(seen)) => panic!("{seen:?}"),
                }
                assert!(!world.is_bound(NIC), "{on:?} to {to:?}");
            }
            world.standin.stop().await;
        }
    }
}

#[tokio::test]
async fn an_interface_in_a_second_group_is_no_proof_and_gets_no_power() {
    for enterprise in [true, false] {
        let world = World::start(enterprise).await;
        world.must_move(&port(), TENANT).await;
        let second = world.group("lag2", &["xe-0/0/2"]);
        for (from, to) in [((INTERFACE, NIC), (GROUP, second)), ((GROUP, second), (INTERFACE, NIC))] {
            world.add_ref(from, to);
        }
        world.proves_nothing(&port(), &[&NIC.to_string(), "lag2", "leave it in only one"]).await;
        world.refused(&port(), TENANT, &["qfx1:xe-0/0/0", &NIC.to_string(), "lag2"]).await;
        // A server that is off leaves its tenant's network all the same.
        world.must_move(&port(), CLEANING).await;
        assert!(!world.is_bound(NIC));
        world.must_move(&port(), TENANT).await;
        world.standin.stop().await;
    }
}

#[tokio::test]
async fn another_projects_interface_is_named_and_stays_whatever_its_address() {
    for enterprise in [true, false] {
        // With the server's own address it is a server in use, which nobody has adopted.
        for mac in ["02:00:00:00:00:99", OURS] {
            let world = World::start(enterprise).await;
            let stranger = world.stranger(mac).await;
            let words = [
                "qfx1:xe-0/0/0",
                "stranger",
                "default-domain:umbrella",
                "umbrella:db",
                "switch port",
                "node adopt",
            ];
            for to in [PROVISIONING, CLEANING, TENANT] {
                world.refused(&port(), to, &words).await;
            }
            world.standin.shared.take_calls();
            is_said(&world.contrail.check_port(&port()).await.unwrap_err(), &words);
            let seen = world.contrail.move_port(&port(), &WantedNetwork::Nothing).await.unwrap();
            assert!(!seen.is(&WantedNetwork::Nothing), "{seen:?}");
            assert_eq!(world.changes(), Vec::<String>::new());
            assert!(world.is_bound(stranger));
            // On record as its tenant's, it is moved as any other.
            let adopted = ServerPort { tenant: vec![stranger], ..port() };
            world.contrail.check_port(&adopted).await.unwrap();
            world.must_move(&adopted, CLEANING).await;
            assert!(!world.is_bound(stranger) && world.standin.shared.store().get(stranger).is_some());
            world.standin.stop().await;
        }
    }
}

#[tokio::test]
async fn the_members_of_a_bond_follow_the_port_that_carries_it() {
    for enterprise in [true, false] {
        let world = World::start(enterprise).await;
        world.group("lag1", &["xe-0/0/0", "xe-0/0/1"]);
        let leader = Sibling { name: "eth0".into(), link: link("xe-0/0/0"), leads: true };
        let mac = "52:54:00:00:00:02".parse().unwrap();
        let member = ServerPort {
            siblings: vec![leader],
            ..ServerPort::alone(ServerId(Uuid::from_u128(42)), "eth1", mac, link("xe-0/0/1"))
        };
        let follows = ObservedNetwork::Bond { with: "eth0".into() };
        for to in [PROVISIONING, TENANT, CLEANING] {
            world.must_move(&bonded(), to).await;
            world.standin.shared.take_calls();
            for own in [PROVISIONING, CLEANING, WantedNetwork::Nothing] {
                assert_eq!(world.contrail.move_port(&member, &own).await.unwrap(), follows);
            }
            assert_eq!(world.contrail.observe_port(&member).await.unwrap(), follows);
            assert_eq!(world.changes(), Vec::<String>::new());
            let seen = world.contrail.observe_port(&bonded()).await.unwrap();
            assert!(seen.is(&to), "{seen:?}");
        }
        // A network of its own it cannot have.
        world
            .refused(&member, WantedNetwork::Tenant(Uuid::from_u128(78)), &["xe-0/0/1", "bond with eth0"])
            .await;
        // What was made while the other one carried it is made anew.
        let once = ServerPort { siblings: Vec::new(), ..member };
        let carried = ServerPort {
            siblings: vec![Sibling { name: "eth0".into(), link: link("xe-0/0/0"), leads: false }],
            ..once
        };
        world.contrail.release_port(&bonded()).await.unwrap();
        world.must_move(&carried, CLEANING).await;
        world.must_move(&bonded(), CLEANING).await;
        world.standin.stop().await;
    }
}
