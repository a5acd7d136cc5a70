//! How a tenancy ends whatever Nova, Ironic and this program do meanwhile, before services that fail on demand.

mod crashes;

use std::sync::Arc;

use domain::tenancy::*;
use domain::{
    lifecycle::{Node, ProvisionState, trouble::Trouble},
    records::Wait,
    rim::{ObservedNetwork, PowerTarget, TenantPort},
};
use protocol::secret::Secret;
use store::EventFilter;
use uuid::Uuid;

use super::*;
use crate::bench::{
    Bench, CLEANING, INSTANCE, TENANT,
    cloud::{Cloud, Fails, NovaDeletes, compute_server},
};

/// How Ironic refuses what meets a node's lock.
const LOCKED: Fails =
    Fails::Locked("Node 1 is locked by host lab, please retry after the current operation is completed.");
/// How an API without its conductor does.
const NO_CONDUCTOR: Fails = Fails::Away("No valid host was found. Reason: No conductor service registered.");

/// One deployed server with its tenant's record, in front of a cloud.
struct Tenants {
    bench: Bench,
    cloud: Arc<Cloud>,
    tenancy: Tenancy,
}

/// Our id of the tenant's server.
const RECORD: Uuid = Uuid::from_u128(0x11);

impl Tenants {
    /// A server that is active for everybody.
    async fn new() -> Self {
        let bench = Bench::deployed().await;
        let cloud = Arc::new(Cloud::default());
        let mut active = Node::in_state(bench.id, ProvisionState::Active);
        active.instance_id = Some(INSTANCE);
        cloud.held().nodes.insert(bench.id, active);
        cloud.held().servers.insert(INSTANCE, compute_server(INSTANCE, "ACTIVE", Some(bench.id)));
        let tenancy = new_tenancy(&bench, &cloud);
        let record = bench.inventory.tenant_server(RECORD).await.unwrap().unwrap();
        bench.inventory.put_tenant_server(&TenantServer { node: Some(bench.id), ..record }).await.unwrap();
        Self { bench, cloud, tenancy }
    }

    /// A new process: nothing but the inventory is left of the old one.
    fn restarted(self) -> Self {
        let tenancy = new_tenancy(&self.bench, &self.cloud);
        Self { tenancy, ..self }
    }

    /// The record; none: it is forgotten.
    /// What its end waits for, by the record.
    async fn waits_for(&self) -> Option<Wait> {
        match self.record().await?.reason?.kind {
            TenantReasonKind::Waits(wait) => Some(wait),
            TenantReasonKind::Trouble(_) => None,
        }
    }

    async fn record(&self) -> Option<TenantServer> {
        self.bench.inventory.tenant_server(RECORD).await.unwrap()
    }

    /// The tenant gives it back.
    async fn give_back(&self) -> Result<(), TenancyError> {
        let token = Secret::new("tenant");
        self.tenancy.delete(Caller::Tenant(&token), self.record().await.unwrap()).await
    }

    /// What the poll of Ironic and reconciliation do between two looks: the stored node is Ironic's, the port where it belongs.
    async fn settle(&self) {
        let node = self.cloud.held().nodes[&self.bench.id].clone();
        self.bench.inventory.set_node(self.bench.id, Some(&node)).await.unwrap();
        if node.provision_state != ProvisionState::Active {
            self.bench.put_port(CLEANING).await;
        }
    }

    /// One look at every record.
    async fn look(&self) {
        self.settle().await;
        for server in self.bench.inventory.tenant_servers(None).await.unwrap() {
            self.tenancy.look(server).await;
        }
    }

    /// Ironic's node is in this state now.
    fn node_is(&self, state: &str, instance: Option<Uuid>) {
        let mut held = self.cloud.held();
        let node = held.nodes.get_mut(&self.bench.id).unwrap();
        (node.provision_state, node.instance_id) = (ProvisionState::from(state), instance);
    }

    /// Somebody keeps the node in maintenance, and why; none: nobody does.
    fn set_maintenance(&self, why: Option<&str>) {
        let mut held = self.cloud.held();
        let node = held.nodes.get_mut(&self.bench.id).unwrap();
        (node.maintenance, node.maintenance_reason) = (why.is_some(), why.map(str::to_owned));
    }

    /// The texts of all events.
    async fn told(&self) -> Vec<String> {
        let events = self.bench.inventory.events(&EventFilter::default()).await.unwrap();
        events.into_iter().map(|event| event.text).collect()
    }

    /// The node goes on to its end by itself, and the record with it.
    async fn ends_well(&self) {
        self.look().await;
        let state = self.cloud.held().nodes[&self.bench.id].provision_state.clone();
        assert_eq!(state, ProvisionState::Deleting, "{:?}", self.record().await);
        self.node_is("cleaning", None);
        self.look().await;
        assert!(self.record().await.is_some(), "its disks are not clean yet");
        assert!(!self.told().await.contains(&"web: given back".to_owned()));
        self.node_is("available", None);
        self.look().await;
        assert_eq!(self.record().await, None);
        assert!(self.told().await.contains(&"web: given back".to_owned()), "{:?}", self.told().await);
    }
}

fn new_tenancy(bench: &Bench, cloud: &Arc<Cloud>) -> Tenancy {
    Tenancy::new(bench.inventory.clone(), cloud.clone(), cloud.clone(), cloud.clone(), cloud.clone())
}

#[tokio::test]
async fn what_nova_left_behind_is_ended_in_ironic() {
    let tenants = Tenants::new().await;
    tenants.cloud.held().deletes = NovaDeletes::WithoutIronic;
    tenants.give_back().await.unwrap();
    tenants.ends_well().await;
}

/// A request that a crash cut off finds Nova's server by what stands in its metadata, which anybody may write.
#[tokio::test]
async fn a_server_of_another_project_is_nobodys_request() {
    for (project, expected) in [
        ("p", (TenantServerState::Building, Some(INSTANCE))),
        ("thief", (TenantServerState::Deleting, None)),
        ("", (TenantServerState::Deleting, None)),
    ] {
        let tenants = Tenants::new().await;
        let record = tenants.record().await.unwrap();
        let requested =
            TenantServer { state: TenantServerState::Requested, instance: None, created_us: 0, ..record };
        tenants.bench.inventory.put_tenant_server(&requested).await.unwrap();
        tenants.bench.clock.advance_us(REQUEST_TIME_MAX_US);
        if let Some(nova) = tenants.cloud.held().servers.get_mut(&INSTANCE) {
            nova.project_id = project.to_owned();
            nova.metadata.insert(METADATA_KEY.to_owned(), RECORD.to_string());
        }
        tenants.tenancy.look_requested(&requested).await.unwrap();
        let now = tenants.record().await.unwrap();
        assert_eq!((now.state, now.instance), expected, "{project:?}");
    }
}

#[tokio::test]
async fn what_refuses_is_asked_again_and_the_record_says_so() {
    let service = || TenantReasonKind::Trouble(Trouble::Service);
    let check = async |refusal, kind: TenantReasonKind, words: &str| {
        let tenants = Tenants::new().await;
        tenants.cloud.held().deletes = NovaDeletes::WithoutIronic;
        tenants.cloud.held().ironic_fails = Some(refusal);
        tenants.give_back().await.unwrap();
        for _ in 0..3 {
            tenants.look().await;
            let record = tenants.record().await.unwrap();
            assert_eq!(record.state, TenantServerState::Deleting);
            let reason = record.reason.unwrap();
            assert!(reason.kind == kind && reason.text.contains(words), "{reason:?}");
            assert_eq!(tenants.bench.port(), ObservedNetwork::Tenant(TENANT), "its machine still runs");
            assert_eq!(tenants.cloud.held().unmade, Vec::<Uuid>::new(), "so its address is not given away");
        }
        assert_eq!(tenants.cloud.asked("ironic deleted"), 3);
        tenants.cloud.held().ironic_fails = None;
        tenants.ends_well().await;
    };
    check(LOCKED, TenantReasonKind::Waits(Wait::Work), "comes to its end first").await;
    check(NO_CONDUCTOR, service(), "did not answer").await;
    check(Fails::Refuses(500, "something broke"), service(), "something broke").await;
}

#[tokio::test]
async fn every_state_of_its_node_is_waited_out() {
    for state in ["deploying", "rescuing", "unrescuing", "servicing"] {
        let tenants = Tenants::new().await;
        tenants.cloud.held().deletes = NovaDeletes::WithoutIronic;
        tenants.node_is(state, Some(INSTANCE));
        tenants.give_back().await.unwrap();
        tenants.look().await;
        assert_eq!(tenants.cloud.asked("ironic deleted"), 0, "{state} cannot be broken off");
        assert_eq!(tenants.waits_for().await, Some(Wait::Work));
        tenants.node_is("active", Some(INSTANCE));
        tenants.ends_well().await;
    }
    for state in ["wait call-back", "deploy failed", "error", "rescue", "rescue wait", "unrescue failed"] {
        let tenants = Tenants::new().await;
        tenants.cloud.held().deletes = NovaDeletes::WithoutIronic;
        tenants.node_is(state, Some(INSTANCE));
        tenants.give_back().await.unwrap();
        tenants.ends_well().await;
    }
}

#[tokio::test]
async fn a_nova_that_gives_up_or_hangs_is_gone_around() {
    let tenants = Tenants::new().await;
    tenants.cloud.held().deletes = NovaDeletes::IntoError;
    tenants.give_back().await.unwrap();
    tenants.look().await;
    assert_eq!(tenants.cloud.asked("ironic deleted"), 1);
    tenants.node_is("cleaning", None);
    tenants.cloud.held().deletes = NovaDeletes::Well;
    tenants.look().await;
    assert_eq!(tenants.cloud.held().servers.len(), 0, "with nothing left on a node, Nova can end it too");

    let tenants = Tenants::new().await;
    tenants.cloud.held().deletes = NovaDeletes::Never;
    tenants.give_back().await.unwrap();
    tenants.look().await;
    assert_eq!(tenants.cloud.asked("ironic deleted"), 0, "Nova is given its time");
    tenants.bench.clock.advance_us(31_000_000);
    tenants.look().await;
    assert_eq!(tenants.cloud.asked("ironic deleted"), 1);
}

#[tokio::test]
async fn a_machine_on_which_the_operator_works_is_taken_back_when_that_is_done() {
    for deletes in [NovaDeletes::Well, NovaDeletes::Never, NovaDeletes::WithoutIronic] {
        let tenants = Tenants::new().await;
        let works = |why: Option<&str>| {
            tenants.set_maintenance(why);
        };
        tenants.cloud.held().deletes = deletes;
        // Set by another tool a moment ago: nothing here has seen it yet.
        works(Some("replacing PSU, ticket 1"));
        tenants.give_back().await.unwrap();
        for _ in 0..3 {
            tenants.look().await;
            let record = tenants.record().await.unwrap();
            assert_eq!(record.reason, Some(TenantReason::waits(Wait::Operator)));
            assert_eq!(tenants.cloud.held().asked, Vec::<String>::new(), "nothing that ends in a clean");
            tenants.bench.clock.advance_us(60_000_000);
        }
        works(None);
        tenants.look().await;
        assert_eq!(tenants.cloud.asked("nova delete"), 1, "{deletes:?}");
        if deletes == NovaDeletes::Never {
            tenants.look().await;
            assert_eq!(tenants.cloud.asked("ironic deleted"), 0, "Nova is given its time");
            tenants.bench.clock.advance_us(31_000_000);
        }
        if deletes == NovaDeletes::Well {
            tenants.node_is("available", None);
            tenants.look().await;
            assert_eq!(tenants.record().await, None);
        } else {
            tenants.look().await;
            assert_eq!(tenants.cloud.asked("ironic deleted"), 1, "{deletes:?}");
        }
    }
}

#[tokio::test]
async fn what_needs_a_power_on_is_refused_to_a_tenant_while_the_operator_works() {
    let tenants = Tenants::new().await;
    tenants.set_maintenance(Some("PSU"));
    let token = Secret::new("tenant");
    let server = tenants.record().await.unwrap();
    let caller = Caller::Tenant(&token);
    for refused in [
        tenants.tenancy.power(&server, PowerTarget::On, "start").await,
        tenants.tenancy.power(&server, PowerTarget::Reboot, "reboot").await,
        tenants.tenancy.rescue(caller, &server, Secret::new("p")).await,
        tenants.tenancy.rebuild(caller, server.clone(), "image").await.map(drop),
    ] {
        let words = refused.unwrap_err().to_string();
        assert!(words.contains("the operator is working on web") && !words.contains("PSU"), "{words}");
    }
    assert_eq!(tenants.cloud.held().asked, Vec::<String>::new());
}

/// Nova's own look at a server that is off ends in a stop, which would undo a power-on.
#[tokio::test]
async fn a_power_on_waits_until_nova_has_stopped_the_server() {
    let tenants = Tenants::new().await;
    let server = tenants.record().await.unwrap();
    let nova_does = |task: Option<&str>| {
        tenants.cloud.held().servers.get_mut(&INSTANCE).unwrap().task_state = task.map(str::to_owned);
    };
    nova_does(Some("powering-off"));
    let refused = tenants.tenancy.await_nova(&server, Duration::from_secs(1)).await.unwrap_err().to_string();
    assert!(refused.contains("Nova has been doing \"powering-off\" with web for 1 s"), "{refused}");
    let ends = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert_eq!(tenants.cloud.asked("ironic power on"), 0, "Nova is not done");
        nova_does(None);
    };
    let (done, ()) = tokio::join!(tenants.tenancy.power(&server, PowerTarget::On, "start"), ends);
    done.unwrap();
    assert_eq!(tenants.cloud.asked("ironic power on"), 1);
    // A stop waits for nobody, and a Nova that is away stops nobody's power-on.
    nova_does(Some("powering-off"));
    tenants.tenancy.power(&server, PowerTarget::Off, "stop").await.unwrap();
    tenants.cloud.held().nova_fails = Some(Fails::Away("nova is being upgraded"));
    tenants.tenancy.power(&server, PowerTarget::On, "start").await.unwrap();
    assert_eq!((tenants.cloud.asked("ironic power off"), tenants.cloud.asked("ironic power on")), (1, 2));
}

#[tokio::test]
async fn a_nova_that_is_away_is_asked_later() {
    let tenants = Tenants::new().await;
    tenants.cloud.held().nova_fails = Some(Fails::Away("nova is being upgraded"));
    tenants.give_back().await.unwrap();
    tenants.look().await;
    assert!(tenants.record().await.unwrap().reason.unwrap().text.contains("nova is being upgraded"));
    let tenants = tenants.restarted();
    tenants.cloud.held().nova_fails = None;
    tenants.look().await;
    assert_eq!(tenants.cloud.asked("nova delete"), 1);
    tenants.look().await;
    tenants.node_is("available", None);
    tenants.look().await;
    assert_eq!(tenants.record().await, None);
    // One that refuses is heeded: what its policy says is not gone around.
    let tenants = Tenants::new().await;
    tenants.cloud.held().nova_fails = Some(Fails::Refuses(403, "Policy doesn't allow it to be performed."));
    assert!(tenants.give_back().await.unwrap_err().to_string().contains("Policy"));
    assert_eq!(tenants.record().await.unwrap().state, TenantServerState::Active);
}

#[tokio::test]
async fn an_address_is_free_when_the_machine_is_off_the_network_and_the_record_stays_until_it_is_clean() {
    let tenants = Tenants::new().await;
    tenants.give_back().await.unwrap();
    let node = tenants.tenancy.ironic.get_node(tenants.bench.id).await.unwrap();
    tenants.bench.inventory.set_node(tenants.bench.id, Some(&node)).await.unwrap();
    tenants.tenancy.look(tenants.record().await.unwrap()).await;
    assert_eq!(tenants.cloud.held().unmade, Vec::<Uuid>::new(), "it is still seen on the tenant's network");
    assert_eq!(tenants.waits_for().await, Some(Wait::Unplug));
    tenants.look().await;
    assert_eq!(tenants.cloud.held().unmade, [port_of(RECORD, 0), TENANT]);
    assert_eq!(tenants.waits_for().await, Some(Wait::Clean));
    for state in ["clean failed", "manageable"] {
        tenants.node_is(state, None);
        tenants.look().await;
        assert_eq!(tenants.waits_for().await, Some(Wait::Person), "{state}");
    }
    tenants.node_is("available", None);
    tenants.look().await;
    assert_eq!(tenants.record().await, None);
    assert_eq!(tenants.cloud.held().unmade.len(), 2, "unmade once");
}

#[tokio::test]
async fn a_server_that_nova_has_forgotten_is_ended_only_when_somebody_wanted_it() {
    use TenantServerState::{Active, Building, Deleting, Error};
    let check = async |before, shown_deleted: bool, carried: bool, expected| {
        let tenants = Tenants::new().await;
        let record = TenantServer { state: before, ..tenants.record().await.unwrap() };
        tenants.bench.inventory.put_tenant_server(&record).await.unwrap();
        tenants.cloud.forget_server(INSTANCE, shown_deleted);
        if !carried {
            tenants.node_is("cleaning", None);
        }
        tenants.settle().await;
        let all = tenants.bench.inventory.tenant_servers(None).await.unwrap();
        tenants.tenancy.compare_all(&all).await;
        if before == Building {
            tenants.tenancy.look(record).await;
        }
        let record = tenants.record().await.unwrap();
        assert_eq!(record.state, expected, "{before:?} {shown_deleted} {carried}");
        assert_eq!(tenants.cloud.asked("ironic deleted"), 0);
        if carried && !shown_deleted {
            assert_eq!(record.reason, Some(TenantReason::unknown_to_nova()));
            // The tenant's word, or an administrator's, ends it.
            tenants.give_back().await.unwrap();
        }
        if carried {
            tenants.ends_well().await;
        }
    };
    for before in [Active, Building, Error] {
        check(before, true, true, Deleting).await;
        check(before, false, false, Deleting).await;
        check(before, false, true, if before == Active { Active } else { Error }).await;
    }
}

#[tokio::test]
async fn reclaim_ends_what_nova_does_not_know_and_says_what_it_waits_for() {
    let tenants = Tenants::new().await;
    tenants.cloud.forget_server(INSTANCE, false);
    tenants.cloud.held().ironic_fails = Some(LOCKED);
    let node = async || tenants.tenancy.ironic.get_node(tenants.bench.id).await.unwrap();
    assert_eq!(tenants.tenancy.reclaim("n1", &node().await).await.unwrap(), "reclaim");
    for _ in 0..2 {
        let said = tenants.tenancy.reclaim("n1", &node().await).await.unwrap();
        assert!(said.contains("web is being given back: the work on its machine"), "{said}");
    }
    tenants.cloud.held().ironic_fails = None;
    tenants.tenancy.reclaim("n1", &node().await).await.unwrap();
    assert_eq!(node().await.provision_state.as_str(), "deleting");
    let told = tenants.told().await;
    assert_eq!(told.iter().filter(|text| text.contains("being given back")).count(), 1, "{told:?}");

    // An instance that nobody has a record of.
    let tenants = Tenants::new().await;
    tenants.bench.inventory.delete_tenant_server(RECORD).await.unwrap();
    tenants.cloud.forget_server(INSTANCE, false);
    let node = tenants.tenancy.ironic.get_node(tenants.bench.id).await.unwrap();
    assert_eq!(tenants.tenancy.reclaim("n1", &node).await.unwrap(), "reclaim, by Ironic");
}

#[tokio::test]
async fn what_is_asked_meanwhile_is_not_lost() {
    let tenants = Tenants::new().await;
    let building = TenantServer { state: TenantServerState::Building, ..tenants.record().await.unwrap() };
    tenants.bench.inventory.put_tenant_server(&building).await.unwrap();
    tenants.give_back().await.unwrap();
    tenants.give_back().await.unwrap();
    assert_eq!(tenants.cloud.asked("nova delete"), 1, "twice is once");
    // A look that began before ends now.
    tenants.cloud.held().servers.insert(INSTANCE, compute_server(INSTANCE, "ACTIVE", Some(tenants.bench.id)));
    tenants.tenancy.look(building).await;
    assert_eq!(tenants.record().await.unwrap().state, TenantServerState::Deleting);
}

#[tokio::test]
async fn a_contradiction_that_stays_is_one_alarm_within_a_minute_and_its_end_is_told() {
    let check = async |change: &dyn Fn(&Tenants), mend: &dyn Fn(&Tenants), words: &[&str]| {
        let mut tenants = Tenants::new().await;
        change(&tenants);
        let mut alarms_at = Vec::new();
        for second in (0..=120_u64).step_by(15) {
            tenants.settle().await;
            let all = tenants.bench.inventory.tenant_servers(None).await.unwrap();
            tenants.tenancy.compare_all(&all).await;
            let alarms =
                tenants.told().await.iter().filter(|text| text.contains("contradict each other")).count();
            if alarms > alarms_at.len() {
                alarms_at.push(second);
            }
            tenants.bench.clock.advance_us(15_000_000);
            tenants = tenants.restarted();
        }
        let told = tenants.told().await;
        assert_eq!(alarms_at.len(), 1, "{told:?}");
        assert!(alarms_at[0] + 15 <= 60, "{alarms_at:?}");
        let alarm = told.iter().find(|text| text.contains("contradict each other")).unwrap();
        assert!(words.iter().all(|words| alarm.contains(words)), "{alarm}");
        mend(&tenants);
        tenants.settle().await;
        let all = tenants.bench.inventory.tenant_servers(None).await.unwrap();
        tenants.tenancy.compare_all(&all).await;
        let told = tenants.told().await;
        assert_eq!(told.iter().filter(|text| text.contains("contradiction resolved")).count(), 1, "{told:?}");
    };
    let let_go = |tenants: &Tenants| tenants.node_is("available", None);
    let forgotten = |tenants: &Tenants| tenants.cloud.forget_server(INSTANCE, false);
    check(
        &forgotten,
        &let_go,
        &["n1", "active with instance", "no such server", "web is active", "node reclaim n1"],
    )
    .await;
    let in_error = |tenants: &Tenants| {
        tenants.cloud.held().servers.get_mut(&INSTANCE).unwrap().status = "ERROR".to_owned();
    };
    let active = |tenants: &Tenants| {
        tenants.cloud.held().servers.get_mut(&INSTANCE).unwrap().status = "ACTIVE".to_owned();
    };
    check(&in_error, &active, &["n1", "active with instance", "ERROR", "--state active", "node reclaim n1"])
        .await;
}

#[tokio::test]
async fn a_tenancy_that_does_not_end_is_an_alarm_and_peace_is_none() {
    let tenants = Tenants::new().await;
    let round = async || {
        tenants.look().await;
        let all = tenants.bench.inventory.tenant_servers(None).await.unwrap();
        tenants.tenancy.compare_all(&all).await;
        tenants.bench.clock.advance_us(15_000_000);
    };
    for _ in 0..8 {
        round().await;
    }
    assert!(
        tenants.told().await.iter().all(|text| !text.contains("contradict each other")),
        "{:?}",
        tenants.told().await
    );
    tenants.cloud.held().deletes = NovaDeletes::WithoutIronic;
    tenants.cloud.held().ironic_fails = Some(LOCKED);
    tenants.give_back().await.unwrap();
    for _ in 0..4 {
        round().await;
    }
    let told = tenants.told().await;
    let alarm = told.iter().find(|text| text.contains("contradict each other")).expect("it is told");
    assert!(alarm.contains("web is being given back") && alarm.contains("node reclaim n1"), "{alarm}");
    tenants.cloud.held().ironic_fails = None;
    round().await;
    tenants.node_is("cleaning", None);
    round().await;
    assert!(
        tenants.told().await.iter().any(|text| text.contains("contradiction resolved")),
        "{:?}",
        tenants.told().await
    );
    tenants.node_is("clean failed", None);
    for _ in 0..4 {
        round().await;
    }
    let told = tenants.told().await;
    assert!(told.iter().any(|text| text.contains("node provide n1")), "{told:?}");
}
