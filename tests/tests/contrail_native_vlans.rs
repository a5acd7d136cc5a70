//! A VLAN id of its own for each network that servers are on untagged, on the stand-in of the VNC API.

use std::{collections::BTreeSet, sync::Arc};

use contrail::{Config as Site, Contrail, VlanRange};
use domain::rim::{
    Fabric, FabricError, NewTenantPort, ServerPort, SwitchPort, TenantNetworks, WantedNetwork,
};
use protocol::{id::ServerId, network::BootNetwork};
use serde_json::{Value, json};
use tests::contrail::{Config, Fault, Standin, kind::Kind, request::Request, store::Object};
use uuid::Uuid;

const PROJECT: &str = "0123456789abcdef0123456789abcdef";

struct World {
    standin: Standin,
    contrail: Contrail,
}

impl World {
    async fn start(range: &str) -> Self {
        Self::start_in(range, true).await
    }

    async fn start_in(range: &str, enterprise: bool) -> Self {
        let config = Config::api_only(&[("qfx1", "xe-0/0/0"), ("qfx1", "xe-0/0/1")]);
        let standin = Standin::start(Config { enterprise, ..config }).await.unwrap();
        let contrail = site(&standin, range);
        contrail.ensure_site().await.unwrap();
        Self { standin, contrail }
    }

    async fn network(&self, name: &str) -> (Uuid, Vec<String>) {
        let made = self.contrail.ensure_network(PROJECT, "acme", name, "192.0.2.0/24").await.unwrap();
        (made.id, ["default-domain", "acme", name].map(str::to_owned).into())
    }

    async fn vlan(&self, network: &[String]) -> u16 {
        self.contrail.native_vlan(network).await.unwrap()
    }

    fn perform(&self, request: Request) {
        self.standin.shared.perform(&request).map(|_| ()).unwrap();
    }

    /// A person binds an interface of the network to a switch port, with a tag or without.
    fn bind(&self, network: &[String], port: &str, native: Option<&str>, tag: Option<u16>) {
        let kind = Kind::of("virtual-machine-interface").unwrap();
        let link = json!({ "local_link_information": [
            { "switch_info": "qfx1", "port_id": port, "fabric": "default-fabric" }] });
        let mut pairs = vec![
            json!({ "key": "vnic_type", "value": "baremetal" }),
            json!({ "key": "vif_type", "value": "vrouter" }),
            json!({ "key": "profile", "value": link.to_string() }),
        ];
        pairs.extend(native.map(|vlan| json!({ "key": "tor_port_vlan_id", "value": vlan })));
        let mut name = network[..2].to_vec();
        name.push(format!("theirs-{port}").replace('/', "-"));
        let mut body = json!({ "fq_name": name, "parent_type": "project",
            "virtual_network_refs": [{ "to": network }],
            "virtual_machine_interface_bindings": { "key_value_pair": pairs } });
        if let Some(tag) = tag {
            body["virtual_machine_interface_properties"] = json!({ "sub_interface_vlan_tag": tag });
        }
        self.perform(Request::Create(kind, json!({ kind.name: body })));
    }

    fn notes(&self, network: Uuid) -> Value {
        self.standin
            .shared
            .store()
            .get(network)
            .unwrap()
            .properties
            .get("annotations")
            .cloned()
            .unwrap_or_default()
    }
}

fn site(standin: &Standin, range: &str) -> Contrail {
    let tenant_native_vlans: VlanRange = range.parse().unwrap();
    Contrail::new(Site { tenant_native_vlans, ..Site::with_default_names(standin.url()) }, None).unwrap()
}

#[tokio::test]
async fn every_network_has_an_id_of_its_own_and_keeps_it() {
    let world = World::start("3000-3899").await;
    let ours = world.contrail.config().clone();
    assert_eq!(world.vlan(&ours.provisioning).await, 3900);
    assert_eq!(world.vlan(&ours.cleaning).await, 3901);
    let mut given = BTreeSet::new();
    let mut networks = Vec::new();
    for number in 0..20 {
        let (id, name) = world.network(&format!("web{number}")).await;
        let vlan = world.vlan(&name).await;
        assert!((3000..=3899).contains(&vlan) && given.insert(vlan), "{vlan} of {given:?}");
        networks.push((id, name, vlan));
    }
    let restarted = site(&world.standin, "100-200");
    for (_, name, vlan) in &networks {
        assert_eq!(restarted.native_vlan(name).await.unwrap(), *vlan, "whatever the range is now");
    }
    world.standin.shared.take_calls();
    world.vlan(&networks[0].1).await;
    let calls = world.standin.shared.take_calls();
    assert!(calls.len() <= 2, "a network that has its id is only read: {calls:?}");
    world.standin.stop().await;
}

#[tokio::test]
async fn notes_of_others_stay_and_a_missing_network_is_named() {
    let world = World::start("100-200").await;
    let (id, name) = world.network("web").await;
    let kind = Kind::of("virtual-network").unwrap();
    let note = json!({ "key_value_pair": [{ "key": "theirs", "value": "stays" }] });
    world.perform(Request::Update(kind, id, json!({ kind.name: { "annotations": note } })));
    let vlan = world.vlan(&name).await.to_string();
    let notes = world.notes(id);
    assert!(notes.to_string().contains("stays") && notes.to_string().contains(&vlan), "{notes}");
    let missing = ["default-domain", "acme", "nowhere"].map(str::to_owned);
    let error = world.contrail.native_vlan(&missing).await.unwrap_err();
    assert!(error.to_string().contains("nowhere"), "{error}");
    world.standin.stop().await;
}

#[tokio::test]
async fn what_others_have_bound_is_taken_and_what_they_use_elsewhere_is_not() {
    let check = async |native: Option<&'static str>, tag: Option<u16>, expected: u16| {
        let world = World::start("100-101").await;
        let ((_, web), (_, db)) = (world.network("web").await, world.network("db").await);
        world.bind(&web, "xe-0/0/1", native, tag);
        let other = world.vlan(&db).await;
        assert_eq!(world.vlan(&web).await, expected, "{native:?} {tag:?}");
        assert!(other != expected && [100, 101].contains(&other), "{other} beside {expected}");
        world.standin.stop().await;
    };
    check(None, Some(100), 100).await;
    check(None, Some(101), 101).await;
    check(Some("777"), None, 777).await;
    // What is another network's already is told, with both names, whether we gave it or others did.
    for theirs_too in [false, true] {
        let world = World::start("100-100").await;
        let ((_, web), (_, db)) = (world.network("web").await, world.network("db").await);
        if theirs_too {
            world.bind(&db, "xe-0/0/0", Some("100"), None);
        } else {
            assert_eq!(world.vlan(&db).await, 100);
        }
        world.bind(&web, "xe-0/0/1", Some("100"), None);
        let error = world.contrail.native_vlan(&web).await.unwrap_err().to_string();
        for words in ["acme:web", "acme:db", "with 100", "bind it with another one"] {
            assert!(error.contains(words), "{words} is not in: {error}");
        }
        world.standin.stop().await;
    }
    // Another project's network has no name for a tenant.
    let world = World::start("100-199").await;
    let (id, web) = world.network("web").await;
    world.contrail.ensure_network(&"f".repeat(32), "rival", "secret", "192.0.2.0/24").await.unwrap();
    let secret: Vec<String> = ["default-domain", "rival", "secret"].map(str::to_owned).into();
    world.bind(&secret, "xe-0/0/0", None, Some(300));
    let wanted = NewTenantPort { vlan: Some(300), ..NewTenantPort::plain(Uuid::new_v4(), id, "srv") };
    let error = world.contrail.ensure_tenant_port(&wanted).await.unwrap_err().to_string();
    assert!(error.contains("another project") && !error.contains("secret"), "{error}");
    world.bind(&web, "xe-0/0/1", Some("3900"), None);
    let error = world.contrail.native_vlan(&web).await.unwrap_err().to_string();
    assert!(error.contains("contrail.native_vlans"), "{error}");
    assert!(!world.notes(id).to_string().contains("native-vlan"), "nothing is noted");
    world.standin.stop().await;
    // The one that everybody's untagged interfaces have unless somebody thinks of it.
    let world = World::start("100-100").await;
    let (_, web) = world.network("web").await;
    world.bind(&web, "xe-0/0/1", Some("4094"), None);
    assert_eq!(world.vlan(&web).await, 100);
    world.standin.stop().await;
}

#[tokio::test]
async fn an_exhausted_range_is_a_sentence_and_what_is_given_back_is_given_again() {
    let world = World::start("100-101").await;
    let ((web_id, web), (db_id, db)) = (world.network("web").await, world.network("db").await);
    for (id, port) in [(web_id, 1), (db_id, 2)] {
        let wanted = NewTenantPort::plain(Uuid::from_u128(port), id, "srv");
        world.contrail.ensure_tenant_port(&wanted).await.unwrap();
    }
    let (first, second) = (world.vlan(&web).await, world.vlan(&db).await);
    let (late_id, late) = world.network("late").await;
    let wanted = NewTenantPort::plain(Uuid::from_u128(3), late_id, "srv");
    let error = world.contrail.ensure_tenant_port(&wanted).await.unwrap_err().to_string();
    assert!(error.contains("widen it"), "told when the server is asked for: {error}");
    let error = world.contrail.native_vlan(&late).await.unwrap_err();
    assert!(matches!(error, FabricError::Refused { .. }), "{error}");
    for words in ["late", "contrail.tenant_native_vlans (100-101)", "widen it"] {
        assert!(error.to_string().contains(words), "{error}");
    }
    // Nothing is on the first one any more; then the second is deleted.
    world.contrail.delete_tenant_port(Uuid::from_u128(1)).await.unwrap();
    world.contrail.ensure_tenant_port(&wanted).await.unwrap();
    assert_eq!(world.vlan(&late).await, first);
    let error = world.contrail.native_vlan(&web).await.unwrap_err().to_string();
    assert!(error.contains("web"), "the other one has lost it: {error}");
    world.contrail.delete_tenant_port(Uuid::from_u128(2)).await.unwrap();
    world.contrail.delete_network(db_id).await.unwrap();
    assert_eq!(world.vlan(&web).await, second);
    world.standin.stop().await;
}

/// A tag that untagged frames of another network may have is refused.
#[tokio::test]
async fn a_tag_is_none_that_is_kept_for_untagged_networks() {
    let world = World::start("100-199").await;
    let (id, _) = world.network("web").await;
    for (tag, good) in [(99, true), (100, false), (199, false), (200, true), (3900, false), (3901, false)] {
        let wanted = NewTenantPort { vlan: Some(tag), ..NewTenantPort::plain(Uuid::new_v4(), id, "srv") };
        let made = world.contrail.ensure_tenant_port(&wanted).await.map_err(|error| error.to_string());
        let said = made.as_ref().is_err_and(|error| error.contains("choose another tag"));
        assert!(made.is_ok() == good && said != good, "tag {tag}: {made:?}");
    }
    world.standin.stop().await;
}

/// Where a network has one VLAN and a VLAN one network, another one is refused before anything is made; elsewhere it is good.
#[tokio::test]
async fn a_tag_is_its_networks_own_and_no_other_networks() {
    let check = async |enterprise: bool, tag: u16, expected: &[&str]| {
        let world = World::start_in("100-199", enterprise).await;
        let ((web_id, web), (_, db)) = (world.network("web").await, world.network("db").await);
        world.bind(&db, "xe-0/0/0", None, Some(300));
        world.bind(&web, "xe-0/0/1", Some("400"), None);
        assert_eq!(world.vlan(&web).await, 400);
        let port = Uuid::from_u128(9);
        let wanted = NewTenantPort { vlan: Some(tag), ..NewTenantPort::plain(port, web_id, "srv") };
        let made = world.contrail.ensure_tenant_port(&wanted).await.map_err(|error| error.to_string());
        match &made {
            Ok(_) => assert!(expected.is_empty(), "tag {tag} is good"),
            Err(error) => {
                assert!(expected.iter().all(|words| error.contains(words)), "{expected:?} in: {error}");
                assert!(!expected.is_empty() && world.standin.shared.store().get(port).is_none(), "{error}");
            }
        }
        world.standin.stop().await;
    };
    check(true, 400, &[]).await;
    check(true, 300, &["acme:web", "VLAN 300 is the one of", "acme:db"]).await;
    check(true, 500, &["acme:web", "VLAN 400", "use tag 400 or none"]).await;
    check(false, 300, &[]).await;
    check(false, 500, &[]).await;
}

/// Two coordinators that know nothing of each other, and each of them many at a time. The networks' uuids are such that all wish for
/// the same id first.
#[tokio::test]
async fn coordinators_that_choose_at_the_same_time_never_give_one_id_twice() {
    let world = World::start("100-140").await;
    let (_, first) = world.network("web").await;
    let kind = Kind::of("virtual-network").unwrap();
    let mut networks = Vec::new();
    for number in 1..=16 {
        let mut name = first.clone();
        name[2] = format!("web{number}");
        let body =
            json!({ "uuid": Uuid::from_u64_pair(7, number), "fq_name": name, "parent_type": "project" });
        world.perform(Request::Create(kind, json!({ kind.name: body })));
        networks.push(name);
    }
    let coordinators = [Arc::new(site(&world.standin, "100-140")), Arc::new(site(&world.standin, "100-140"))];
    let mut asked = Vec::new();
    for (number, name) in networks.iter().enumerate() {
        let (coordinator, name) = (coordinators[number % 2].clone(), name.clone());
        asked.push(tokio::spawn(async move { coordinator.native_vlan(&name).await.unwrap() }));
    }
    let mut given = BTreeSet::new();
    for one in asked {
        let vlan = one.await.unwrap();
        assert!(given.insert(vlan), "{vlan} twice");
    }
    world.standin.stop().await;
}

#[tokio::test]
async fn a_choice_may_be_cut_off_anywhere_and_repeated() {
    for done in [false, true] {
        for requests in 0.. {
            let world = World::start("100-101").await;
            let ((_, web), (_, db)) = (world.network("web").await, world.network("db").await);
            world.standin.shared.set_fault(Fault::CutAfter { requests, done });
            let first = world.contrail.native_vlan(&web).await;
            let reached = world.standin.shared.fault() == Fault::None;
            world.standin.shared.set_fault(Fault::None);
            let restarted = site(&world.standin, "100-101");
            let again = restarted.native_vlan(&web).await.unwrap();
            let other = restarted.native_vlan(&db).await.unwrap();
            assert_ne!(again, other, "call {requests}, done {done}");
            world.standin.stop().await;
            if !reached {
                assert_eq!(first.unwrap(), again);
                assert!(requests > 5);
                break;
            }
        }
    }
}

/// On each network a port's untagged frames have that network's id.
#[tokio::test]
async fn a_port_is_bound_with_the_id_of_the_network_that_it_is_on() {
    let world = World::start("100-199").await;
    let (id, web) = world.network("web").await;
    let tenant = Uuid::from_u128(5);
    world.contrail.ensure_tenant_port(&NewTenantPort::plain(tenant, id, "srv")).await.unwrap();
    let port = ServerPort::alone(
        ServerId(Uuid::from_u128(42)),
        "eth0",
        "52:54:00:00:00:01".parse().unwrap(),
        SwitchPort { switch: "qfx1".into(), port: "xe-0/0/0".into(), switch_id: None, fabric: None },
    );
    let of_web = world.vlan(&web).await;
    for (to, expected) in [
        (WantedNetwork::Boot(BootNetwork::Provisioning), 3900),
        (WantedNetwork::Boot(BootNetwork::Cleaning), 3901),
        (WantedNetwork::Tenant(tenant), of_web),
    ] {
        let seen = world.contrail.move_port(&port, &to).await.unwrap();
        assert!(seen.is(&to), "{seen:?}");
        let store = world.standin.shared.store();
        let on_switch = |one: &&Object| one.refs.iter().any(|to| to.kind == "virtual-port-group");
        let bound = store.of_kind("virtual-machine-interface").find(on_switch).unwrap();
        let pairs = &bound.properties["virtual_machine_interface_bindings"]["key_value_pair"];
        let native = pairs.as_array().unwrap().iter().find(|pair| pair["key"] == "tor_port_vlan_id").unwrap();
        assert_eq!(native["value"], expected.to_string(), "{to:?}");
    }
    world.standin.stop().await;
}
