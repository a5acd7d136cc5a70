//! Edges: the coordinator's port mover against the stand-in of the VNC API, over loopback; nothing is moved but objects.

use std::collections::BTreeSet;

use contrail::{Config as Site, Contrail, site::boot_interface_id};
use domain::rim::{
    Fabric, FabricError, NewTenantPort, ObservedNetwork, ServerPort, SwitchPort, TenantNetworks,
    WantedNetwork,
};
use protocol::{id::ServerId, network::BootNetwork};
use serde_json::{Value, json};
use tests::contrail::{Config, Fault, Standin, kind::Kind, request::Request, switch};
use uuid::Uuid;

const PROVISIONING: WantedNetwork = WantedNetwork::Boot(BootNetwork::Provisioning);
const CLEANING: WantedNetwork = WantedNetwork::Boot(BootNetwork::Cleaning);
const PROJECT: &str = "0123456789abcdef0123456789abcdef";

struct World {
    standin: Standin,
    contrail: Contrail,
}

impl World {
    async fn start() -> Self {
        let ports = [("qfx1", "xe-0/0/0"), ("qfx1", "xe-0/0/1"), ("qfx1", "xe-0/0/2:0")];
        let standin = Standin::start(Config::api_only(&ports)).await.unwrap();
        let contrail = Contrail::new(Site::with_default_names(standin.url()), None).unwrap();
        contrail.ensure_site().await.unwrap();
        Self { standin, contrail }
    }

    async fn tenant_port(&self) -> Uuid {
        let network = self.contrail.ensure_network(PROJECT, "acme", "web", "192.0.2.0/24").await.unwrap();
        let id = Uuid::new_v4();
        self.contrail.ensure_tenant_port(&NewTenantPort::plain(id, network.id, "srv1")).await.unwrap();
        id
    }

    /// Last part of the name of the network on which the switch would put the port.
    fn on_switch(&self, link: &SwitchPort) -> Option<String> {
        let wanted = switch::wanted(&self.standin.shared.store());
        let name = switch::PortName { switch: link.switch.clone(), port: link.port.replace(':', "_") };
        wanted[&name].untagged.as_ref().and_then(|unit| unit.network.fq_name.last().cloned())
    }

    fn groups(&self) -> usize {
        self.standin.shared.store().of_kind("virtual-port-group").count()
    }

    fn interfaces(&self) -> BTreeSet<Uuid> {
        self.standin.shared.store().of_kind("virtual-machine-interface").map(|it| it.id).collect()
    }

    async fn must_move(&self, port: &ServerPort, to: WantedNetwork) {
        let seen = self.contrail.move_port(port, &to).await.unwrap();
        assert!(seen.is(&to), "{seen:?} is not {to:?}");
        let expected = match to {
            WantedNetwork::Boot(role) => Some(role.as_str()),
            WantedNetwork::Tenant(_) => Some("web"),
            WantedNetwork::Nothing => None,
        };
        assert_eq!(self.on_switch(&port.link).as_deref(), expected);
        assert_eq!(self.contrail.observe_port(port).await.unwrap(), seen);
    }
}

fn port(name: &str) -> ServerPort {
    ServerPort::alone(
        ServerId(Uuid::from_u128(42)),
        "eth0",
        "52:54:00:00:00:01".parse().unwrap(),
        SwitchPort { switch: "qfx1".into(), port: name.into(), switch_id: None, fabric: None },
    )
}

#[tokio::test]
async fn a_port_goes_everywhere_and_the_tenant_keeps_interface_and_address() {
    let world = World::start().await;
    let tenant = world.tenant_port().await;
    let port = port("xe-0/0/2:0");
    assert_eq!(world.contrail.observe_port(&port).await.unwrap(), ObservedNetwork::Nothing);
    let address = |world: &World| {
        let store = world.standin.shared.store();
        let all: Vec<_> = store.of_kind("instance-ip").map(|it| (it.id, it.properties.clone())).collect();
        all
    };
    let before = address(&world);
    assert_eq!(before[0].1["instance_ip_address"], "192.0.2.254", "from the top");
    for _ in 0..2 {
        let on_tenant = WantedNetwork::Tenant(tenant);
        for to in [
            PROVISIONING,
            CLEANING,
            on_tenant,
            WantedNetwork::Nothing,
            CLEANING,
            on_tenant,
            CLEANING,
            on_tenant,
        ] {
            world.must_move(&port, to).await;
            let groups = usize::from(to != WantedNetwork::Nothing);
            assert_eq!(world.groups(), groups, "no group is left behind");
            assert_eq!(address(&world), before);
        }
    }
    let bound = world.standin.shared.store().get(tenant).unwrap().properties.clone();
    assert_eq!(
        bound["virtual_machine_interface_mac_addresses"],
        json!({"mac_address": ["52:54:00:00:00:01"]})
    );
    world.standin.shared.take_calls();
    world.must_move(&port, WantedNetwork::Tenant(tenant)).await;
    let calls = world.standin.shared.take_calls();
    assert!(calls.iter().all(|call| call.starts_with("GET") || call == "POST /fqname-to-id"), "{calls:?}");
    world.must_move(&port, CLEANING).await;
    world.contrail.release_port(&port).await.unwrap();
    assert_eq!(world.contrail.observe_port(&port).await.unwrap(), ObservedNetwork::Nothing);
    assert_eq!(world.interfaces(), [tenant].into());
    world.standin.stop().await;
}

#[tokio::test]
async fn detach_comes_before_attach() {
    let world = World::start().await;
    let port = port("xe-0/0/0");
    world.must_move(&port, PROVISIONING).await;
    world.standin.shared.take_calls();
    world.must_move(&port, CLEANING).await;
    let calls = world.standin.shared.take_calls();
    let ours = boot_interface_id(port.server, "eth0", BootNetwork::Provisioning);
    let at = |call: &str| {
        calls.iter().position(|one| one == call).unwrap_or_else(|| panic!("no {call} in {calls:?}"))
    };
    let attach = at("POST /virtual-machine-interfaces");
    assert!(at(&format!("DELETE /virtual-machine-interface/{ours}")) < attach, "{calls:?}");
    assert!(calls[attach + 1..].iter().any(|call| call.starts_with("GET /virtual-port-group/")), "{calls:?}");
    world.standin.stop().await;
}

/// Fails the n-th call of every move, for every n, both before and after the server has done it, and repeats the move.
#[tokio::test]
async fn a_move_may_be_cut_off_anywhere_and_repeated() {
    let world = World::start().await;
    let tenant = world.tenant_port().await;
    let port = port("xe-0/0/0");
    let tour = [
        (PROVISIONING, CLEANING),
        (CLEANING, WantedNetwork::Tenant(tenant)),
        (WantedNetwork::Tenant(tenant), CLEANING),
        (WantedNetwork::Tenant(tenant), PROVISIONING),
        (WantedNetwork::Tenant(tenant), WantedNetwork::Nothing),
        (WantedNetwork::Nothing, CLEANING),
    ];
    let mut cuts = 0;
    for (from, to) in tour {
        for done in [false, true] {
            for requests in 0.. {
                world.must_move(&port, from).await;
                world.standin.shared.set_fault(Fault::CutAfter { requests, done });
                let result = world.contrail.move_port(&port, &to).await;
                let reached = world.standin.shared.fault() == Fault::None;
                world.standin.shared.set_fault(Fault::None);
                if !reached {
                    assert!(result.unwrap().is(&to));
                    break;
                }
                cuts += 1;
                assert!(result.is_err(), "{from:?} to {to:?}, call {requests}: {result:?}");
                world.must_move(&port, to).await;
                let expected = if matches!(to, WantedNetwork::Boot(_)) { 2 } else { 1 };
                assert_eq!(
                    world.interfaces().len(),
                    expected,
                    "{from:?} to {to:?}, call {requests}, done {done}"
                );
                // A group that an interrupted unbinding emptied goes at the latest with the next binding.
                world.must_move(&port, WantedNetwork::Tenant(tenant)).await;
                assert_eq!(world.groups(), 1, "{from:?} to {to:?}, call {requests}, done {done}");
            }
        }
    }
    assert!(cuts > 60, "{cuts} cuts");
    world.standin.stop().await;
}

#[tokio::test]
async fn tenant_ports_and_networks_may_be_cut_off_anywhere_too() {
    for done in [false, true] {
        for requests in 0.. {
            let world = World::start().await;
            let id = Uuid::from_u128(77);
            let go = async || {
                let network = world.contrail.ensure_network(PROJECT, "acme", "web", "192.0.2.0/24").await?;
                let port =
                    world.contrail.ensure_tenant_port(&NewTenantPort::plain(id, network.id, "srv1")).await?;
                world.contrail.move_port(&port_of(), &WantedNetwork::Tenant(id)).await?;
                world.contrail.delete_tenant_port(id).await?;
                world.contrail.delete_network(network.id).await?;
                Ok::<_, FabricError>(port)
            };
            world.standin.shared.set_fault(Fault::CutAfter { requests, done });
            let first = go().await;
            let reached = world.standin.shared.fault() == Fault::None;
            world.standin.shared.set_fault(Fault::None);
            assert_eq!(
                go().await.unwrap().address.to_string(),
                "192.0.2.254",
                "call {requests}, done {done}"
            );
            let store = world.standin.shared.store();
            for kind in ["instance-ip", "virtual-machine-interface", "virtual-port-group"] {
                assert_eq!(store.of_kind(kind).count(), 0, "{kind} left, call {requests}, done {done}");
            }
            assert!(world.contrail.list_networks(None).await.unwrap().is_empty());
            world.standin.stop().await;
            if !reached {
                first.unwrap();
                assert!(requests > 10);
                break;
            }
        }
    }
}

fn port_of() -> ServerPort {
    port("xe-0/0/0")
}

#[tokio::test]
async fn a_deserted_group_is_no_obstacle() {
    let world = World::start().await;
    let port = port("xe-0/0/0");
    world.must_move(&port, PROVISIONING).await;
    let shared = &world.standin.shared;
    let group = shared.store().of_kind("virtual-port-group").next().unwrap().id;
    let id = boot_interface_id(port.server, "eth0", BootNetwork::Provisioning);
    let (group, ours) = (("virtual-port-group", group), ("virtual-machine-interface", id));
    for ((kind, id), (other, other_id)) in [(group, ours), (ours, group)] {
        let body = json!({"type": kind, "uuid": id, "ref-type": other, "ref-uuid": other_id,
            "operation": "DELETE"});
        shared.perform(&Request::RefUpdate(body)).unwrap();
    }
    assert_eq!(world.contrail.observe_port(&port).await.unwrap(), ObservedNetwork::Nothing);
    world.must_move(&port, PROVISIONING).await;
    assert_eq!(world.groups(), 1);
    world.standin.stop().await;
}

#[tokio::test]
async fn an_unknown_switch_port_is_named() {
    let world = World::start().await;
    for result in [
        world.contrail.move_port(&port("xe-9/9/9"), &PROVISIONING).await,
        world.contrail.observe_port(&port("xe-9/9/9")).await,
    ] {
        let error = result.unwrap_err();
        assert!(
            matches!(&error, FabricError::UnknownPort { switch, port, .. } if switch == "qfx1" && port == "xe-9/9/9")
        );
        assert!(error.to_string().contains("qfx1") && error.to_string().contains("xe-9/9/9"), "{error}");
    }
    assert!(world.interfaces().is_empty());
    world.standin.stop().await;
}

#[tokio::test]
async fn an_absent_api_is_unavailable_and_nothing_is_lost() {
    let world = World::start().await;
    let port = port("xe-0/0/0");
    world.must_move(&port, PROVISIONING).await;
    for fault in [Fault::Unavailable, Fault::Refuse] {
        world.standin.shared.set_fault(fault);
        let error = world.contrail.move_port(&port, &CLEANING).await.unwrap_err();
        assert!(matches!(error, FabricError::Unavailable { .. }), "{error}");
        world.standin.shared.set_fault(Fault::None);
    }
    world.standin.shared.set_fault(Fault::Slow { delay_ms: 30 });
    world.must_move(&port, CLEANING).await;
    world.standin.stop().await;
    let error = world.contrail.observe_port(&port).await.unwrap_err();
    assert!(matches!(error, FabricError::Unavailable { .. }), "{error}");
}

#[tokio::test]
async fn a_bare_change_of_the_network_is_seen_through() {
    let world = World::start().await;
    let port = port("xe-0/0/0");
    world.must_move(&port, CLEANING).await;
    let kind = Kind::of("virtual-machine-interface").unwrap();
    let id = boot_interface_id(port.server, "eth0", BootNetwork::Cleaning);
    let to = &world.contrail.config().provisioning;
    let body = json!({kind.name: {"virtual_network_refs": [{"to": to}]}});
    world.standin.shared.perform(&Request::Update(kind, id, body)).unwrap();
    assert_eq!(world.on_switch(&port.link).as_deref(), Some("cleaning"), "the switch did not move it");
    let seen = world.contrail.observe_port(&port).await.unwrap();
    assert!(
        matches!(&seen, ObservedNetwork::Other { description } if description.contains("routing instance")),
        "{seen:?}"
    );
    world.must_move(&port, PROVISIONING).await;
    world.standin.stop().await;
}

#[tokio::test]
async fn a_server_that_was_plugged_in_elsewhere_is_followed() {
    let world = World::start().await;
    let tenant = world.tenant_port().await;
    for to in [CLEANING, WantedNetwork::Tenant(tenant), PROVISIONING] {
        world.must_move(&port("xe-0/0/0"), to).await;
        world.must_move(&port("xe-0/0/1"), to).await;
        assert_eq!(world.on_switch(&port("xe-0/0/0").link), None);
        world.must_move(&port("xe-0/0/0"), to).await;
        assert_eq!(world.on_switch(&port("xe-0/0/1").link), None);
    }
    world.standin.stop().await;
}

#[tokio::test]
async fn a_port_group_made_by_a_person_is_used_and_kept() {
    let world = World::start().await;
    let tenant = world.tenant_port().await;
    let port = port("xe-0/0/0");
    let shared = &world.standin.shared;
    let group = Kind::of("virtual-port-group").unwrap();
    let name = ["default-global-system-config", "default-fabric", "lag1"];
    let body = json!({group.name: {"fq_name": name, "parent_type": "fabric"}});
    let made = shared.perform(&Request::Create(group, body)).unwrap().unwrap();
    let switch_port =
        shared.store().of_kind("physical-interface").find(|it| it.name() == "xe-0/0/0").unwrap().id;
    let add = json!({"type": group.name, "uuid": made[group.name]["uuid"], "ref-type": "physical-interface",
        "ref-uuid": switch_port, "operation": "ADD", "attr": Value::Null});
    shared.perform(&Request::RefUpdate(add)).unwrap();
    for to in [PROVISIONING, CLEANING, WantedNetwork::Tenant(tenant), CLEANING, WantedNetwork::Tenant(tenant)]
    {
        world.must_move(&port, to).await;
        assert_eq!(world.groups(), 1);
    }
    world.standin.stop().await;
}

#[tokio::test]
async fn tenants_networks_are_listed_by_project_and_ours_are_not() {
    let world = World::start().await;
    let contrail = &world.contrail;
    let web = contrail.ensure_network(PROJECT, "acme", "web", "192.0.2.0/24").await.unwrap();
    assert_eq!((web.gateway.as_str(), web.subnet.as_str()), ("192.0.2.1", "192.0.2.0/24"));
    assert_eq!(web.project_id, PROJECT);
    assert_eq!(contrail.ensure_network(PROJECT, "acme", "web", "192.0.2.0/24").await.unwrap(), web);
    let error = contrail.ensure_network(PROJECT, "acme", "web", "198.51.100.0/24").await.unwrap_err();
    assert!(error.to_string().contains("192.0.2.0/24"), "{error}");
    let other = "fedcba9876543210fedcba9876543210";
    contrail.ensure_network(other, "umbrella", "web", "192.0.2.0/24").await.unwrap();
    assert_eq!(contrail.list_networks(None).await.unwrap().len(), 2);
    assert_eq!(contrail.list_networks(Some(PROJECT)).await.unwrap(), std::slice::from_ref(&web));
    assert!(contrail.list_networks(Some(&"0".repeat(32))).await.unwrap().is_empty());
    let port =
        contrail.ensure_tenant_port(&NewTenantPort::plain(Uuid::from_u128(5), web.id, "srv1")).await.unwrap();
    assert_eq!(
        contrail.ensure_tenant_port(&NewTenantPort::plain(port.id, web.id, "srv1")).await.unwrap(),
        port
    );
    let error = contrail.delete_network(web.id).await.unwrap_err();
    assert!(matches!(&error, FabricError::InUse { by, .. } if by == "srv1"), "{error}");
    let missing = contrail
        .ensure_tenant_port(&NewTenantPort::plain(Uuid::from_u128(6), Uuid::nil(), "srv1"))
        .await
        .unwrap_err();
    assert!(matches!(missing, FabricError::NotFound { .. }), "{missing}");
    let missing =
        contrail.move_port(&port_of(), &WantedNetwork::Tenant(Uuid::from_u128(6))).await.unwrap_err();
    assert!(matches!(missing, FabricError::NotFound { .. }), "{missing}");
    contrail.delete_tenant_port(port.id).await.unwrap();
    contrail.delete_tenant_port(port.id).await.unwrap();
    contrail.delete_network(web.id).await.unwrap();
    contrail.delete_network(web.id).await.unwrap();
    world.standin.stop().await;
}
