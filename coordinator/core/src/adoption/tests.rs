//! What adoption leaves as it was found, what it refuses, and what it takes up again.

mod crashes;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, atomic::Ordering},
};

use async_trait::async_trait;
use domain::adoption::*;
use domain::{
    adoption::judge::{Question, judge},
    lifecycle::{Node, ProvisionState},
    records::{NewPort, TenantServerState},
    rim::{
        FabricError, NetworkAddresses, NewTenantPort, ObservedNetwork, PowerRequest, Presence,
        ProvisionerError, RefusalKind, SecurityGroup, SiteObject, TenantNetwork, TenantNetworks, TenantPort,
    },
};
use protocol::{
    id::ServerId,
    power::{PowerCause, PowerOffHow, PowerReading},
};
use tokio::sync::Notify;
use uuid::Uuid;

use super::{Instance, *};
use crate::bench::{Bench, Fake, World, new_server, vnc_down, wrong_password};

const NETWORK: Uuid = Uuid::from_u128(0x12);
const FOUND: Uuid = Uuid::from_u128(0xf0);
const MAC: &str = "52:54:00:00:00:0b";

/// Ironic and Contrail, as adoption meets them.
struct Outside {
    world: Arc<World>,
    interfaces: Mutex<Vec<FoundInterface>>,
    adoption_fails: Mutex<bool>,
}

#[async_trait]
impl Adopter for Outside {
    async fn manage(&self, id: ServerId) -> Result<(), ProvisionerError> {
        self.change(id, |node| node.provision_state = ProvisionState::Manageable, "manage").await
    }

    async fn set_instance(&self, id: ServerId, instance: &Instance) -> Result<(), ProvisionerError> {
        self.change(id, |node| node.instance_id = Some(instance.id), "set_instance").await
    }

    async fn clear_instance(&self, id: ServerId) -> Result<(), ProvisionerError> {
        self.change(id, |node| node.instance_id = None, "clear_instance").await
    }

    async fn adopt(&self, id: ServerId) -> Result<(), ProvisionerError> {
        let fails = *self.adoption_fails.lock().unwrap();
        let adopt = |node: &mut Node| {
            node.provision_state = if fails { ProvisionState::AdoptFailed } else { ProvisionState::Active };
            node.last_error = fails.then(|| "no such image".to_owned());
        };
        self.change(id, adopt, "adopt").await
    }
}

impl Outside {
    async fn change(
        &self,
        id: ServerId,
        change: impl FnOnce(&mut Node) + Send,
        what: &str,
    ) -> Result<(), ProvisionerError> {
        self.world.call(what.to_owned()).await;
        change(self.world.nodes.lock().unwrap().get_mut(&id).unwrap());
        Ok(())
    }
}

#[async_trait]
impl Interfaces for Outside {
    async fn all_interfaces(&self) -> Result<Vec<FoundInterface>, FabricError> {
        self.world.call("all_interfaces".to_owned()).await;
        let error = self.world.fabric_error.lock().unwrap().clone();
        let failing = self.world.fabric_fails.load(Ordering::SeqCst) > 0;
        match error.filter(|_| failing) {
            Some(error) => {
                self.world.fabric_fails.fetch_sub(1, Ordering::SeqCst);
                Err(error)
            }
            None => Ok(self.interfaces.lock().unwrap().clone()),
        }
    }
}

#[async_trait]
impl TenantNetworks for Outside {
    async fn list_networks(&self, _: Option<&str>) -> Result<Vec<TenantNetwork>, FabricError> {
        Ok(Vec::new())
    }
    async fn ensure_network(&self, _: &str, _: &str, _: &str, _: &str) -> Result<TenantNetwork, FabricError> {
        Err(vnc_down())
    }
    async fn delete_network(&self, _: Uuid) -> Result<(), FabricError> {
        Ok(())
    }
    async fn network_addresses(&self, _: Uuid) -> Result<NetworkAddresses, FabricError> {
        Err(vnc_down())
    }
    async fn security_groups(&self, _: Option<&str>) -> Result<Vec<SecurityGroup>, FabricError> {
        Ok(Vec::new())
    }
    async fn set_site_up(&self) -> Result<Vec<SiteObject>, FabricError> {
        Ok(Vec::new())
    }
    async fn ensure_tenant_port(&self, wanted: &NewTenantPort) -> Result<TenantPort, FabricError> {
        self.world.call("make_port".to_owned()).await;
        let address = wanted.address.unwrap();
        let made = FoundInterface { id: wanted.id, addresses: vec![address], ..found() };
        let mut interfaces = self.interfaces.lock().unwrap();
        interfaces.retain(|interface| interface.id != wanted.id);
        interfaces.push(FoundInterface { switch_ports: Vec::new(), macs: Vec::new(), ..made });
        Ok(TenantPort { id: wanted.id, network: wanted.network, address })
    }
    async fn delete_tenant_port(&self, id: Uuid) -> Result<(), FabricError> {
        self.world.call("delete_port".to_owned()).await;
        self.interfaces.lock().unwrap().retain(|interface| interface.id != id);
        Ok(())
    }
}

fn found() -> FoundInterface {
    FoundInterface {
        id: FOUND,
        name: "old-port".into(),
        project_id: Some("p".into()),
        network: Some(NETWORK),
        network_name: "blue".into(),
        macs: vec![MAC.parse().unwrap()],
        addresses: vec!["192.0.2.77".parse().unwrap()],
        vlan: None,
        security_groups: vec![Uuid::from_u128(3)],
        switch_ports: vec![("leaf1".into(), "xe-0/0/1".into())],
        isolated: None,
        bare_metal: true,
    }
}

fn wanted() -> WantedInstance {
    WantedInstance {
        name: "old1".into(),
        project_id: "p".into(),
        image: "i".into(),
        flavor: "f".into(),
        networks: vec![WantedNetworkOf {
            network: NETWORK,
            name: "blue".into(),
            address: "192.0.2.77".parse().unwrap(),
        }],
        make_ports: false,
    }
}

fn cable(name: &str, mac: &str, port: &str, pxe_enabled: bool) -> NewPort {
    let mut link = new_server().ports.remove(0).link;
    link.port = port.into();
    NewPort { name: name.into(), mac: mac.parse().unwrap(), link, pxe_enabled }
}

#[test]
fn what_contradicts_is_refused_with_its_field() {
    let one = || vec![cable("eth0", MAC, "xe-0/0/1", true)];
    let two = || vec![cable("eth1", "52:54:00:00:01:0b", "xe-0/1/1", false), one().remove(0)];
    let check = |cables: &[NewPort],
                 wanted: &WantedInstance,
                 there: &[FoundInterface],
                 expected: Result<&[Option<Uuid>], &[(&str, &str)]>| {
        let owners = HashMap::from([(Uuid::from_u128(0xee), "web1".to_owned())]);
        let made = [Uuid::from_u128(0xaa)];
        let question = Question { cables, wanted, interfaces: there, made: &made, owners: &owners };
        match (judge(question), expected) {
            (Ok(matches), Ok(ids)) => {
                assert_eq!(matches.iter().map(|one| one.interface).collect::<Vec<_>>(), ids, "{there:#?}");
            }
            (Err(against), Err(words)) => {
                let fits = against.len() == words.len()
                    && against
                        .iter()
                        .zip(words)
                        .all(|(one, (field, words))| one.field == *field && one.message.contains(words));
                assert!(fits, "{against:#?}, expected {words:?}");
            }
            (found, expected) => panic!("{found:#?}, expected {expected:?}"),
        }
    };
    let other = Uuid::from_u128(0xd0);
    let plain = wanted();
    let makes = WantedInstance { make_ports: true, ..wanted() };
    check(&one(), &plain, &[found()], Ok(&[Some(FOUND)]));
    // The primary port is the one that boots; a port that carries nothing is no obstacle.
    check(&two(), &plain, &[found()], Ok(&[Some(FOUND)]));
    let spare = FoundInterface {
        id: other,
        macs: vec!["52:54:00:00:01:0b".parse().unwrap()],
        switch_ports: vec![("leaf1".into(), "xe-0/1/1".into())],
        ..found()
    };
    check(&two(), &plain, &[found(), spare], Err(&[("ports[0]", "does not name")]));
    let net = "instance.networks[0]";
    let address = "instance.networks[0].address";
    check(&one(), &plain, &[], Err(&[(net, "make_ports: true")]));
    check(&one(), &makes, &[], Ok(&[None]));
    let apart = FoundInterface { switch_ports: Vec::new(), ..found() };
    check(
        &one(),
        &makes,
        std::slice::from_ref(&apart),
        Err(&[(net, "is not attached"), (address, "in use by")]),
    );
    // What this adoption has made already is no contradiction.
    let made = FoundInterface { id: Uuid::from_u128(0xaa), macs: Vec::new(), ..apart };
    check(&one(), &makes, &[made], Ok(&[None]));
    let green = FoundInterface { network: Some(other), network_name: "green".into(), ..found() };
    check(&one(), &plain, &[green], Err(&[("instance.networks[0].network", "not on network blue")]));
    let theirs = FoundInterface { project_id: Some("q".into()), ..found() };
    check(&one(), &plain, &[theirs], Err(&[("instance.project", "belongs to project q")]));
    let strange = FoundInterface { macs: vec!["52:54:00:00:00:ff".parse().unwrap()], ..found() };
    check(&one(), &plain, &[strange], Err(&[(net, "another machine")]));
    let twin = FoundInterface { id: other, switch_ports: Vec::new(), addresses: Vec::new(), ..found() };
    check(&one(), &plain, &[found(), twin], Err(&[(net, "delete the wrong one")]));
    let moved = FoundInterface { addresses: vec!["192.0.2.5".parse().unwrap()], ..found() };
    check(&one(), &plain, std::slice::from_ref(&moved), Err(&[(address, "has 192.0.2.5, not 192.0.2.77")]));
    let taker = FoundInterface { id: other, switch_ports: Vec::new(), macs: Vec::new(), ..found() };
    check(&one(), &plain, &[moved, taker], Err(&[(address, "in use by interface old-port")]));
    let owned = FoundInterface { id: Uuid::from_u128(0xee), ..found() };
    check(&one(), &plain, &[owned], Err(&[(net, "the tenant's server web1 already")]));
    let ours = FoundInterface { isolated: Some(protocol::network::BootNetwork::Cleaning), ..found() };
    check(&one(), &plain, &[ours], Err(&[(net, "not a server in use")]));
    let both = [found(), FoundInterface { id: other, macs: Vec::new(), ..found() }];
    check(&one(), &plain, &both, Err(&[(net, "several interfaces")]));
    let more = WantedInstance { networks: vec![plain.networks[0].clone(); 2], ..wanted() };
    check(&one(), &more, &[found()], Err(&[("instance.networks", "2 network interfaces")]));
}

/// A running server on the tenant's network, enrolled by nobody but the inventory.
struct Scene {
    bench: Bench,
    outside: Arc<Outside>,
    adoptions: Adoptions,
}

impl Scene {
    async fn new(wanted: WantedInstance) -> Self {
        let bench = Bench::new("enroll", None).await;
        bench.set_node(|node| node.instance_id = None).await;
        // The tenant's server that every bench knows is another one's.
        bench.inventory.delete_tenant_server(Uuid::from_u128(0x11)).await.unwrap();
        bench.world.ports.lock().unwrap().insert(MAC.to_owned(), ObservedNetwork::Tenant(FOUND));
        bench.report(PowerReading::On, PowerCause::First).await;
        let outside = Arc::new(Outside {
            world: Arc::clone(&bench.world),
            interfaces: Mutex::new(vec![found()]),
            adoption_fails: Mutex::new(false),
        });
        let adoption = Adoption {
            server: bench.id,
            tenant: Uuid::from_u128(0x22),
            wanted,
            stage: Stage::Asked,
            reason: None,
            asked_us: 1,
        };
        let known = new_server();
        bench.inventory.put_adopted(&[(Some(bench.id), &known)], |_| vec![adoption]).await.unwrap();
        let adoptions = process(&bench, &outside);
        Self { bench, outside, adoptions }
    }

    async fn stage(&self) -> (Stage, String) {
        let adoption = self.bench.inventory.adoption(self.bench.id).await.unwrap().unwrap();
        (adoption.stage, adoption.reason.unwrap_or_default())
    }

    async fn look(&self, times: usize) {
        for _ in 0..times {
            self.adoptions.look_at_all().await;
            self.bench.reconcile.visit(self.bench.id).await;
        }
    }

    /// Nothing was moved, and nothing was switched.
    fn assert_untouched(&self) {
        let calls = self.bench.world.calls();
        let touched =
            |call: &&String| ["move", "power", "reset", "release"].iter().any(|verb| call.starts_with(verb));
        assert_eq!(calls.iter().filter(touched).count(), 0, "{calls:?}");
    }
}

fn process(bench: &Bench, outside: &Arc<Outside>) -> Adoptions {
    Adoptions {
        inventory: bench.inventory.clone(),
        provisioner: Arc::new(Fake(Arc::clone(&bench.world))),
        adopter: outside.clone(),
        interfaces: outside.clone(),
        networks: outside.clone(),
        enroll: Arc::clone(&bench.reconcile.enroll),
        asked: Notify::new(),
    }
}

#[tokio::test]
async fn a_running_server_is_adopted_untouched_and_is_a_deployed_one_then() {
    let scene = Scene::new(wanted()).await;
    scene.look(3).await;
    assert_eq!(scene.stage().await, (Stage::Done, String::new()));
    scene.assert_untouched();
    let bench = &scene.bench;
    let tenants = bench.inventory.tenant_servers(Some("p")).await.unwrap();
    let tenant = &tenants[0];
    assert!(tenant.is_adopted() && tenant.state == TenantServerState::Active, "{tenant:?}");
    assert_eq!((tenant.port, tenant.node, tenant.name.as_str()), (Some(FOUND), Some(bench.id), "old1"));
    let ports = bench.inventory.tenant_ports(tenant.id).await.unwrap();
    assert_eq!((ports[0].id, ports[0].security_groups.len()), (FOUND, 1));
    // Rule 4 holds for it now.
    bench.report(PowerReading::Off, PowerCause::Unasked).await;
    bench.reconcile.visit(bench.id).await;
    assert_eq!(bench.port(), crate::bench::CLEANING);
    let refused = bench.reconcile.enroll.delete(bench.id).await.unwrap_err();
    assert!(refused.message.contains("carries the tenant's server"), "{refused}");
}

#[tokio::test]
async fn a_contradiction_or_a_failure_leaves_everything_as_it_was_found() {
    let check = async |change: &dyn Fn(&Scene), words: &str| {
        let scene = Scene::new(wanted()).await;
        change(&scene);
        scene.look(4).await;
        let (at, reason) = scene.stage().await;
        assert!(at == Stage::Failed && reason.contains(words), "{at:?} {reason}");
        scene.assert_untouched();
        assert!(scene.bench.inventory.tenant_servers(None).await.unwrap().is_empty(), "{words}");
        let node = scene.bench.world.nodes.lock().unwrap().get(&scene.bench.id).cloned().unwrap();
        assert_eq!(node.instance_id, None, "{words}");
        let shown = scene.bench.server().await.reason.unwrap();
        assert!(shown.starts_with("not adopted") && shown.contains(words), "{shown}");
    };
    check(&|scene| scene.outside.interfaces.lock().unwrap().clear(), "make_ports: true").await;
    check(
        &|scene| {
            let elsewhere = ObservedNetwork::Other { description: "somebody's network".into() };
            scene.bench.world.ports.lock().unwrap().insert(MAC.to_owned(), elsewhere);
        },
        "seen on somebody's network",
    )
    .await;
    check(&|scene| *scene.outside.adoption_fails.lock().unwrap() = true, "no such image").await;
}

#[tokio::test]
async fn a_wrong_bmc_password_is_tried_once_and_ends_it() {
    let scene = Scene::new(wanted()).await;
    let mut new = new_server();
    new.name = "n2".into();
    new.bmc.address = "198.51.100.99".into();
    new.ports[0].mac = "52:54:00:00:00:99".parse().unwrap();
    new.ports[0].link.port = "xe-0/0/99".into();
    let first = scene.bench.inventory.adoption(scene.bench.id).await.unwrap().unwrap();
    scene.bench.inventory.delete_adoption(scene.bench.id).await.unwrap();
    let other = |ids: &[ServerId]| vec![Adoption { server: ids[0], tenant: Uuid::from_u128(0x33), ..first }];
    let server = scene.bench.inventory.put_adopted(&[(None, &new)], other).await.unwrap().remove(0);
    *scene.bench.world.agent_error.lock().unwrap() = Some(wrong_password());
    for _ in 0..4 {
        scene.adoptions.look_at_all().await;
    }
    assert_eq!(scene.bench.world.count("read_identity"), 1, "BMCs lock accounts");
    let ended = scene.bench.inventory.adoption(server.id).await.unwrap().unwrap();
    assert_eq!(ended.stage, Stage::Failed);
    assert!(ended.reason.unwrap().contains("refused user admin"));
}

#[tokio::test]
async fn what_is_away_is_waited_for_and_a_crash_is_taken_up_again() {
    let scene = Scene::new(wanted()).await;
    *scene.bench.world.fabric_error.lock().unwrap() = Some(vnc_down());
    scene.bench.world.fabric_fails.store(1000, Ordering::SeqCst);
    scene.look(3).await;
    let (at, reason) = scene.stage().await;
    assert!(at == Stage::Verifying && reason.contains("connection refused"), "{at:?} {reason}");
    let shown = scene.bench.server().await.reason.unwrap();
    assert!(shown.starts_with("its adoption waits"), "{shown}");
    // Another process finds it where this one left it.
    let Scene { bench, outside, .. } = scene;
    let bench = bench.restarted();
    bench.world.fabric_fails.store(0, Ordering::SeqCst);
    let adoptions = process(&bench, &outside);
    let scene = Scene { bench, outside, adoptions };
    scene.bench.world.away.store(true, Ordering::SeqCst);
    scene.look(1).await;
    let (at, reason) = scene.stage().await;
    assert!(at == Stage::Verifying && reason.contains("disconnected since noon"), "{at:?} {reason}");
    scene.bench.world.away.store(false, Ordering::SeqCst);
    scene.look(3).await;
    assert_eq!(scene.stage().await, (Stage::Done, String::new()));
    assert_eq!(scene.bench.server().await.reason, None);
    scene.assert_untouched();
}

#[tokio::test]
async fn a_port_is_made_only_when_asked_for_and_is_taken_back_with_a_failure() {
    let makes = || WantedInstance { make_ports: true, ..wanted() };
    let scene = Scene::new(makes()).await;
    scene.outside.interfaces.lock().unwrap().clear();
    scene.bench.world.ports.lock().unwrap().clear();
    *scene.outside.adoption_fails.lock().unwrap() = true;
    scene.look(4).await;
    assert_eq!(scene.stage().await.0, Stage::Failed);
    assert_eq!(scene.outside.interfaces.lock().unwrap().len(), 0, "what was made is taken back");
    let scene = Scene::new(makes()).await;
    scene.outside.interfaces.lock().unwrap().clear();
    scene.bench.world.ports.lock().unwrap().clear();
    scene.adoptions.look_at_all().await;
    scene.assert_untouched();
    scene.look(3).await;
    assert_eq!(scene.stage().await, (Stage::Done, String::new()));
    let made = scene.outside.interfaces.lock().unwrap()[0].id;
    // A deployed server that is on belongs on its port: now, and not before, it is put there.
    assert_eq!(scene.bench.port(), ObservedNetwork::Tenant(made));
}

#[tokio::test]
async fn a_server_that_was_never_given_is_not_switched_off() {
    let bench = Bench::new("manageable", None).await;
    bench.set_node(|node| node.instance_id = None).await;
    let off = PowerRequest::Off(PowerOffHow::Hard);
    let refused = bench.gate.power(bench.id, off).await.unwrap_err();
    assert!(refused.kind == RefusalKind::State && refused.message.contains("may be in use"), "{refused}");
    bench.set_node(|node| node.provision_state = ProvisionState::Adopting).await;
    assert!(bench.gate.power(bench.id, off).await.is_err());
    assert_eq!(bench.world.count("power_off"), 0);
    bench.set_node(|node| node.provision_state = ProvisionState::Inspecting).await;
    bench.gate.power(bench.id, off).await.unwrap();
    let fake = Fake(Arc::clone(&bench.world));
    assert_eq!(fake.connection(&bench.server().await.rack).reason(), None);
}
