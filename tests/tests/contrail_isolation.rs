//! Edges: a tenant's port on its way off its network and back, against the stand-in of the VNC API: in fabrics of both styles, with a tag
//! and without, on a plain switch port and on a bond that a person made. Nothing of it is lost, nothing is left behind, and nobody
//! else is touched.

use contrail::{Config as Site, Contrail, site::boot_interface_id};
use domain::rim::{
    Fabric, FabricError, NewTenantPort, ObservedNetwork, ServerPort, Sibling, SwitchPort, TenantNetworks,
    WantedNetwork,
};
use protocol::{id::ServerId, network::BootNetwork};
use serde_json::{Value, json};
use tests::contrail::{Config, Fault, Standin, kind::Kind, request::Request};
use uuid::Uuid;

const PROJECT: &str = "0123456789abcdef0123456789abcdef";
const PROVISIONING: WantedNetwork = WantedNetwork::Boot(BootNetwork::Provisioning);
const CLEANING: WantedNetwork = WantedNetwork::Boot(BootNetwork::Cleaning);
const NIC: Uuid = Uuid::from_u128(77);
const TENANT: WantedNetwork = WantedNetwork::Tenant(NIC);
const INTERFACE: &str = "virtual-machine-interface";
const GROUP: &str = "virtual-port-group";

/// What is tried.
#[derive(Clone, Copy, Debug)]
struct Case {
    enterprise: bool,
    vlan: Option<u16>,
    /// Whether a person has made a bond of the switch port and its neighbour.
    bond: bool,
}

const fn case(enterprise: bool, vlan: Option<u16>, bond: bool) -> Case {
    Case { enterprise, vlan, bond }
}

const EVERY_CASE: [Case; 8] = [
    case(true, None, false),
    case(true, None, true),
    case(true, Some(100), false),
    case(true, Some(100), true),
    case(false, None, false),
    case(false, None, true),
    case(false, Some(100), false),
    case(false, Some(100), true),
];

struct World {
    standin: Standin,
    contrail: Contrail,
    bond: bool,
    /// The tenant's security group.
    filter: Uuid,
}

impl World {
    /// A site with a tenant's port that has all that a port may have.
    async fn start(case: Case) -> Self {
        let ports = [("qfx1", "xe-0/0/0"), ("qfx1", "xe-0/0/1"), ("qfx1", "xe-0/0/2")];
        let config = Config { enterprise: case.enterprise, ..Config::api_only(&ports) };
        let standin = Standin::start(config).await.unwrap();
        let contrail = Contrail::new(Site::with_default_names(standin.url()), None).unwrap();
        contrail.ensure_site().await.unwrap();
        let web = contrail.ensure_network(PROJECT, "acme", "web", "192.0.2.0/24").await.unwrap();
        let mut world = Self { standin, contrail, bond: case.bond, filter: Uuid::nil() };
        world.filter = world.create(
            "security-group",
            json!({"fq_name": ["default-domain", "acme", "web"], "parent_type": "project",
                "security_group_entries": {"policy_rule": []}}),
        );
        if case.bond {
            let name = ["default-global-system-config", "default-fabric", "bond1"];
            let group = world.create(GROUP, json!({"fq_name": name, "parent_type": "fabric"}));
            for port in ["xe-0/0/0", "xe-0/0/1"] {
                let port = world.named("physical-interface", port);
                world.change_ref("ADD", (GROUP, group), ("physical-interface", port));
            }
        }
        let wanted = NewTenantPort {
            security_groups: vec![world.filter],
            vlan: case.vlan,
            ..NewTenantPort::plain(NIC, web.id, "srv1")
        };
        world.contrail.ensure_tenant_port(&wanted).await.unwrap();
        world.give_floating_address().await;
        world.must_move(TENANT).await;
        let theirs = json!({ "key_value_pair": [{ "key": "theirs", "value": "stays" }] });
        let mut rights = world.shown()["perms2"].clone();
        rights["global_access"] = json!(4);
        world.change(json!({ "annotations": theirs, "perms2": rights, "display_name": "their name" }));
        world.must_move(CLEANING).await;
        world.must_move(TENANT).await;
        world
    }

    async fn give_floating_address(&self) {
        self.contrail.ensure_network(PROJECT, "acme", "public", "203.0.113.0/24").await.unwrap();
        let mut name = ["default-domain", "acme", "public", "pool"].map(str::to_owned).to_vec();
        self.create("floating-ip-pool", json!({"fq_name": name, "parent_type": "virtual-network"}));
        name.push("floating".to_owned());
        let id = self.create(
            "floating-ip",
            json!({"fq_name": name, "parent_type": "floating-ip-pool", "floating_ip_address": "203.0.113.9",
                "project_refs": [{"to": ["default-domain", "acme"]}]}),
        );
        self.change_ref("ADD", ("floating-ip", id), (INTERFACE, NIC));
    }

    fn perform(&self, request: &Request) -> Option<Value> {
        self.standin.shared.perform(request).unwrap_or_else(|refusal| panic!("{request:?}: {refusal:?}"))
    }

    fn create(&self, kind: &str, body: Value) -> Uuid {
        let kind = Kind::of(kind).unwrap();
        let made = self.perform(&Request::Create(kind, json!({ kind.name: body }))).unwrap();
        serde_json::from_value(made[kind.name]["uuid"].clone()).unwrap()
    }

    fn change(&self, changes: Value) {
        let kind = Kind::of(INTERFACE).unwrap();
        self.perform(&Request::Update(kind, NIC, json!({ kind.name: changes })));
    }

    fn change_ref(&self, operation: &str, (kind, id): (&str, Uuid), (to, to_id): (&str, Uuid)) {
        let body = json!({"type": kind, "uuid": id, "ref-type": to, "ref-uuid": to_id, "operation": operation,
            "attr": Value::Null});
        self.perform(&Request::RefUpdate(body));
    }

    fn named(&self, kind: &str, name: &str) -> Uuid {
        let store = self.standin.shared.store();
        store.of_kind(kind).find(|it| it.name() == name).unwrap_or_else(|| panic!("no {kind} {name}")).id
    }

    /// The tenant's interface, as the API shows it.
    fn shown(&self) -> Value {
        let kind = Kind::of(INTERFACE).unwrap();
        self.perform(&Request::Read(kind, NIC, Default::default())).unwrap()[INTERFACE].take()
    }

    /// All of the tenant's interface that is not a binding, and not the server's own book-keeping.
    fn kept(&self) -> Value {
        let mut shown = self.shown();
        let fields = shown.as_object_mut().unwrap();
        for own in [
            "id_perms",
            "virtual_machine_interface_bindings",
            "virtual_port_group_refs",
            "virtual_port_group_back_refs",
        ] {
            fields.remove(own);
        }
        let notes = fields["annotations"]["key_value_pair"].as_array_mut().unwrap();
        notes.retain(|pair| !pair["key"].as_str().unwrap().starts_with("bms-manager."));
        shown
    }

    fn groups(&self) -> usize {
        self.standin.shared.store().of_kind(GROUP).count()
    }

    /// Names of the security groups and of the switch ports of the one port group.
    fn group(&self) -> (Vec<String>, Vec<String>) {
        let store = self.standin.shared.store();
        let group = store.of_kind(GROUP).next().unwrap();
        let names = |kind: &str| {
            let mut names: Vec<_> =
                group.refs_to(kind).map(|to| store.get(to.id).unwrap().name().to_owned()).collect();
            names.sort_unstable();
            names
        };
        (names("security-group"), names("physical-interface"))
    }

    async fn must_move(&self, to: WantedNetwork) {
        let seen =
            self.contrail.move_port(&port(), &to).await.unwrap_or_else(|error| panic!("{to:?}: {error}"));
        assert!(seen.is(&to), "{seen:?} is not {to:?}");
        assert_eq!(self.contrail.observe_port(&port()).await.unwrap(), seen);
        let expected = usize::from(self.bond || to != WantedNetwork::Nothing);
        assert_eq!(self.groups(), expected, "no group is left behind by a move to {to:?}");
        if expected == 0 {
            return;
        }
        let filters = match to {
            WantedNetwork::Boot(_) => vec!["bms-boot".to_owned()],
            WantedNetwork::Tenant(_) => vec!["web".to_owned()],
            WantedNetwork::Nothing => vec![],
        };
        let members: &[&str] = if self.bond { &["xe-0/0/0", "xe-0/0/1"] } else { &["xe-0/0/0"] };
        assert_eq!(
            self.group(),
            (filters, members.iter().map(|name| (*name).to_owned()).collect()),
            "{to:?}"
        );
    }

    /// Somebody's interface on the switch port, bound by hand.
    fn put_neighbour(&self, vlan: u16) -> Uuid {
        let links: Vec<Value> = self
            .group()
            .1
            .iter()
            .map(|port| json!({"switch_info": "qfx1", "port_id": port, "fabric": "default-fabric"}))
            .collect();
        let group = self.standin.shared.store().of_kind(GROUP).next().unwrap().name().to_owned();
        let profile = json!({ "local_link_information": links }).to_string();
        let pairs = json!([{"key": "vnic_type", "value": "baremetal"}, {"key": "profile", "value": profile},
            {"key": "vpg", "value": group}]);
        let network = ["default-domain", "acme", "public"];
        self.create(
            INTERFACE,
            json!({"fq_name": ["default-domain", "acme", "stranger"], "parent_type": "project",
                "virtual_network_refs": [{"to": network}],
                "virtual_machine_interface_mac_addresses": {"mac_address": ["02:00:00:00:00:99"]},
                "virtual_machine_interface_properties": {"sub_interface_vlan_tag": vlan},
                "virtual_machine_interface_bindings": {"key_value_pair": pairs}}),
        )
    }
}

/// The server has both ports of the bond in the inventory; this one carries it.
fn port() -> ServerPort {
    let link =
        |port: &str| SwitchPort { switch: "qfx1".into(), port: port.into(), switch_id: None, fabric: None };
    let mac = "52:54:00:00:00:01".parse().unwrap();
    let sibling = Sibling { name: "eth1".into(), link: link("xe-0/0/1"), leads: false };
    ServerPort {
        siblings: vec![sibling],
        tenant: vec![NIC],
        ..ServerPort::alone(ServerId(Uuid::from_u128(42)), "eth0", mac, link("xe-0/0/0"))
    }
}

#[tokio::test]
async fn a_tenants_port_comes_back_as_it_was_and_leaves_nothing_behind() {
    for case in EVERY_CASE {
        let world = World::start(case).await;
        let before = world.kept();
        for to in
            [CLEANING, TENANT, PROVISIONING, CLEANING, WantedNetwork::Nothing, TENANT, WantedNetwork::Nothing]
        {
            world.must_move(to).await;
            assert_eq!(world.kept(), before, "{case:?} to {to:?}");
        }
        // Another interface on the same tag, and the tag's network with another one: nothing claims them any more.
        world.must_move(TENANT).await;
        world.contrail.delete_tenant_port(NIC).await.unwrap();
        let (networks, other) = (world.contrail.list_networks(None).await.unwrap(), Uuid::from_u128(78));
        let by_name = |name: &str| networks.iter().find(|network| network.name == name).unwrap().id;
        for (network, vlan) in [("public", case.vlan), ("web", case.vlan.map(|vlan| vlan + 1))] {
            let wanted = NewTenantPort { vlan, ..NewTenantPort::plain(other, by_name(network), "srv2") };
            world.contrail.ensure_tenant_port(&wanted).await.unwrap();
            let on = WantedNetwork::Tenant(other);
            let seen = world.contrail.move_port(&port(), &on).await;
            assert!(seen.as_ref().is_ok_and(|seen| seen.is(&on)), "{case:?} {network}: {seen:?}");
            world.contrail.delete_tenant_port(other).await.unwrap();
        }
        world.must_move(CLEANING).await;
        world.contrail.release_port(&port()).await.unwrap();
        assert_eq!(world.groups(), usize::from(case.bond));
        if case.bond {
            assert_eq!(world.group(), (vec![], ["xe-0/0/0", "xe-0/0/1"].map(str::to_owned).to_vec()));
        }
        world.standin.stop().await;
    }
}

/// Cuts off every request of a move, before and after the server has done it, and goes on to some network.
#[tokio::test]
async fn a_port_that_is_made_again_may_be_cut_off_anywhere() {
    let mut cuts = 0;
    for case in [case(true, Some(100), false), case(false, None, true)] {
        let world = World::start(case).await;
        let before = world.kept();
        for (from, to, then) in [
            (TENANT, CLEANING, CLEANING),
            (TENANT, CLEANING, TENANT),
            (TENANT, WantedNetwork::Nothing, WantedNetwork::Nothing),
            (CLEANING, TENANT, PROVISIONING),
        ] {
            for done in [false, true] {
                for requests in 0.. {
                    world.must_move(from).await;
                    world.standin.shared.set_fault(Fault::CutAfter { requests, done });
                    let result = world.contrail.move_port(&port(), &to).await;
                    let reached = world.standin.shared.fault() == Fault::None;
                    world.standin.shared.set_fault(Fault::None);
                    if !reached {
                        assert!(result.unwrap().is(&to));
                        break;
                    }
                    cuts += 1;
                    world.must_move(then).await;
                    let left = world.standin.shared.store().of_kind("network-policy").count();
                    let at =
                        format!("{case:?}: {from:?} to {to:?}, then {then:?}, call {requests}, done {done}");
                    assert_eq!((world.kept(), left), (before.clone(), 0), "{at}");
                }
            }
        }
        world.standin.stop().await;
    }
    assert!(cuts > 200, "{cuts} cuts");
}

#[tokio::test]
async fn what_somebody_left_off_is_seen_and_proves_nothing() {
    let world = World::start(case(true, Some(100), false)).await;
    let mut seen_gone = 0;
    for requests in 0.. {
        world.must_move(TENANT).await;
        world.standin.shared.set_fault(Fault::CutAfter { requests, done: true });
        let _ = world.contrail.move_port(&port(), &WantedNetwork::Nothing).await;
        let reached = world.standin.shared.fault() == Fault::None;
        world.standin.shared.set_fault(Fault::None);
        if !reached {
            break;
        }
        let seen = world.contrail.observe_port(&port()).await.unwrap();
        if world.standin.shared.store().get(NIC).is_none() {
            seen_gone += 1;
            assert!(
                matches!(&seen, ObservedNetwork::Other { description } if description.contains("made again")),
                "call {requests}: {seen:?}"
            );
        }
    }
    assert!(seen_gone > 0);
    // Whoever wants the port elsewhere, or gone, finds it too.
    world.must_move(TENANT).await;
    world.contrail.delete_tenant_port(NIC).await.unwrap();
    assert_eq!(world.standin.shared.store().of_kind("network-policy").count(), 0);
    world.standin.stop().await;
}

#[tokio::test]
async fn a_group_and_an_interface_that_forgot_each_other_are_mended_by_repetition() {
    for case in EVERY_CASE {
        let world = World::start(case).await;
        let before = world.kept();
        for on in [CLEANING, TENANT] {
            for to in [CLEANING, PROVISIONING, TENANT] {
                for group_forgets in [true, false] {
                    world.must_move(on).await;
                    let group = (GROUP, world.standin.shared.store().of_kind(GROUP).next().unwrap().id);
                    let id = if on == TENANT {
                        NIC
                    } else {
                        boot_interface_id(port().server, "eth0", BootNetwork::Cleaning)
                    };
                    let (from, other) =
                        if group_forgets { (group, (INTERFACE, id)) } else { ((INTERFACE, id), group) };
                    world.change_ref("DELETE", from, other);
                    let seen = world.contrail.observe_port(&port()).await.unwrap();
                    assert!(matches!(seen, ObservedNetwork::Other { .. }), "{case:?} {on:?}: {seen:?}");
                    world.must_move(to).await;
                    assert_eq!(world.kept(), before, "{case:?}: {on:?} to {to:?}, {group_forgets}");
                }
            }
        }
        world.standin.stop().await;
    }
}

#[tokio::test]
async fn an_isolated_port_without_its_filter_is_no_proof_and_is_mended() {
    let world = World::start(case(true, None, false)).await;
    for to in [CLEANING, PROVISIONING] {
        world.must_move(to).await;
        let group = world.standin.shared.store().of_kind(GROUP).next().unwrap().id;
        let ours = world.named("security-group", "bms-boot");
        for (operation, filter) in [("DELETE", ours), ("ADD", world.filter)] {
            world.change_ref(operation, (GROUP, group), ("security-group", filter));
            let seen = world.contrail.observe_port(&port()).await.unwrap();
            assert!(
                matches!(&seen, ObservedNetwork::Other { description } if description.contains("bms-boot")),
                "{operation}: {seen:?}"
            );
            world.standin.shared.take_calls();
            world.must_move(to).await;
            let calls = world.standin.shared.take_calls();
            assert!(!calls.iter().any(|call| call.starts_with("DELETE")), "nothing is detached: {calls:?}");
        }
    }
    world.standin.stop().await;
}

#[tokio::test]
async fn somebody_elses_interface_is_named_and_left_alone() {
    for case in EVERY_CASE {
        let world = World::start(case).await;
        let before = world.kept();
        world.must_move(TENANT).await;
        let stranger = world.put_neighbour(200);
        let bound = |id: Uuid| {
            let store = world.standin.shared.store();
            store.get(id).is_some_and(|it| it.refs_to(GROUP).next().is_some())
        };
        let is_refused = |result: Result<ObservedNetwork, FabricError>| {
            let error = result.unwrap_err();
            assert!(matches!(error, FabricError::Neighbours { .. }), "{error}");
            for part in ["qfx1:xe-0/0/0", "stranger", "default-domain:acme", "public"] {
                assert!(error.to_string().contains(part), "{part} is not in: {error}");
            }
        };
        let seen = world.contrail.observe_port(&port()).await.unwrap();
        assert!(matches!(seen, ObservedNetwork::Other { .. }), "{seen:?}");
        is_refused(world.contrail.move_port(&port(), &TENANT).await);
        assert!(bound(NIC) && bound(stranger), "{case:?}: a tenant's port comes nowhere, and goes nowhere");
        is_refused(world.contrail.move_port(&port(), &CLEANING).await);
        assert!(!bound(NIC) && bound(stranger), "{case:?}: what is this server's goes, and nothing else");
        assert_eq!(world.kept(), before);
        for to in [PROVISIONING, TENANT] {
            is_refused(world.contrail.move_port(&port(), &to).await);
        }
        let seen = world.contrail.move_port(&port(), &WantedNetwork::Nothing).await.unwrap();
        assert!(
            matches!(&seen, ObservedNetwork::Other { description } if description.contains("stranger")),
            "{seen:?}"
        );
        assert!(bound(stranger));
        world.perform(&Request::Delete(Kind::of(INTERFACE).unwrap(), stranger));
        for to in [CLEANING, TENANT] {
            world.must_move(to).await;
        }
        world.standin.stop().await;
    }
}
