//! Edges: upkeep with everything that can be cut off cut off: the coordinator's process ends before or after any call, the agent's too,
//! and a BMC takes passwords, refuses them, or only says that it takes them.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use domain::{
    events::{EventFilter, EventKind},
    records::Server,
    rim::{AgentConnection, AgentError, Agents, Declarations, PowerRequest, Presence},
    samples::new_server,
    upkeep::{hold::AfterTenancy, policy::PasswordPolicy, readings::BY_ONE_MAX, rotation::Rotation},
};
use protocol::{
    command::{Action, Failure, FailureKind, Success},
    footprint::Footprint,
    hardware::BmcIdentity,
    id::{RackId, ServerId},
    secret::Secret,
    spec::ServerSpec,
};
use store::{Inventory, clock::TestClock, secret::Sealer};
use tokio::sync::Notify;

use super::Upkeep;

const OURS: &str = "admin";
const OLD: &str = "hunter2";
/// Rounds within which everything has come to its end.
const ROUNDS_MAX: usize = 40;
/// Time from one round to the next, in microseconds.
const ROUND_US: u64 = 120_000_000;

/// How the BMC takes a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    Yes,
    /// It says no the first time.
    NotAtFirst,
    /// It says yes and does nothing, the first time.
    SaysSo,
}

/// Who ends at a call, and whether what was called for is done by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Killed {
    Coordinator { before: bool },
    Agent { before: bool },
}

/// A rack: one agent that knows what it was declared, and one BMC.
struct Rack {
    takes: Takes,
    state: Mutex<State>,
    calls: AtomicUsize,
    kill: Mutex<Option<(usize, Killed)>>,
    hung: Notify,
    /// How many are told at the same time, now and at most.
    at_once: AtomicUsize,
    at_once_max: AtomicUsize,
}

struct State {
    bmc: String,
    tries: usize,
    failed: usize,
    declared: Option<ServerSpec>,
    by_next: bool,
}

impl Rack {
    fn new(takes: Takes, kill: Option<(usize, Killed)>) -> Arc<Self> {
        let state = State { bmc: OLD.to_owned(), tries: 0, failed: 0, declared: None, by_next: false };
        Arc::new(Self {
            takes,
            state: Mutex::new(state),
            calls: AtomicUsize::new(0),
            kill: Mutex::new(kill),
            hung: Notify::new(),
            at_once: AtomicUsize::new(0),
            at_once_max: AtomicUsize::new(0),
        })
    }

    /// Who is killed at this call; each is killed once.
    fn killed(&self) -> Option<Killed> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        let mut kill = self.kill.lock().unwrap();
        match *kill {
            Some((at, how)) if at == call => {
                *kill = None;
                Some(how)
            }
            Some(_) | None => None,
        }
    }

    async fn end_process(&self) {
        self.hung.notify_one();
        std::future::pending::<()>().await;
    }

    /// The agent comes back, or is told anew: it begins with the password that is declared to be first.
    fn declare(&self, spec: ServerSpec) {
        let mut state = self.state.lock().unwrap();
        state.by_next = spec.next_password.as_ref().is_some_and(|next| next.is_first);
        state.declared = Some(spec);
    }

    fn renew(&self) -> Result<Success, AgentError> {
        let mut state = self.state.lock().unwrap();
        state.log_in()?;
        if state.by_next {
            return Ok(Success::Done);
        }
        let Some(next) = state.declared.as_ref().and_then(|spec| spec.next_password.clone()) else {
            return Err(failed(FailureKind::BmcRefused, "nothing is declared to follow"));
        };
        state.tries += 1;
        let is_first = state.tries == 1;
        match self.takes {
            Takes::NotAtFirst if is_first => {
                return Ok(Success::PasswordKept { reason: "0xcc, invalid data".to_owned(), length: None });
            }
            Takes::SaysSo if is_first => {}
            Takes::Yes | Takes::NotAtFirst | Takes::SaysSo => state.bmc = next.password.reveal().to_owned(),
        }
        state.by_next = true;
        state.log_in()?;
        Ok(match state.by_next {
            true => Success::Done,
            false => {
                Success::PasswordKept { reason: "it lets us in by the old one only".to_owned(), length: None }
            }
        })
    }
}

impl State {
    /// Tries one, and the other when that is refused.
    fn log_in(&mut self) -> Result<(), AgentError> {
        let spec = self.declared.clone().expect("no command precedes a declaration");
        for _ in 0..2 {
            let next = spec.next_password.as_ref().filter(|_| self.by_next);
            let key = next.map_or(&spec.bmc.password, |next| &next.password);
            if key.reveal() == self.bmc {
                return Ok(());
            }
            self.failed += 1;
            if spec.next_password.is_none() {
                break;
            }
            self.by_next = !self.by_next;
        }
        Err(failed(FailureKind::BmcCredentials, "wrong password"))
    }
}

fn failed(kind: FailureKind, message: &str) -> AgentError {
    AgentError::Failed(Failure { kind, message: message.to_owned() })
}

/// The rack as the coordinator sees it.
struct Seen(Arc<Rack>);

#[async_trait]
impl Agents for Seen {
    async fn run(&self, rack: &RackId, _: ServerId, action: Action) -> Result<Success, AgentError> {
        let away = || AgentError::Away { rack: rack.clone(), reason: "was killed".to_owned() };
        if action == Action::KeepOff {
            return Ok(Success::Done);
        }
        let now = self.0.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.at_once_max.fetch_max(now, Ordering::SeqCst);
        tokio::task::yield_now().await;
        let answer = match self.0.killed() {
            Some(Killed::Coordinator { before: true }) => {
                self.0.end_process().await;
                Err(away())
            }
            Some(Killed::Agent { before: true }) => Err(away()),
            Some(Killed::Coordinator { before: false }) => {
                let _ = self.0.renew();
                self.0.end_process().await;
                Err(away())
            }
            Some(Killed::Agent { before: false }) => {
                let _ = self.0.renew();
                Err(away())
            }
            None => self.0.renew(),
        };
        self.0.at_once.fetch_sub(1, Ordering::SeqCst);
        answer
    }
}

#[async_trait]
impl Declarations for Seen {
    async fn declare(&self, server: &Server) {
        match self.0.killed() {
            Some(Killed::Coordinator { before: true }) => self.0.end_process().await,
            Some(Killed::Coordinator { before: false }) => {
                self.0.declare(server.spec());
                self.0.end_process().await;
            }
            // It hears of all when it comes back.
            Some(Killed::Agent { .. }) | None => self.0.declare(server.spec()),
        }
    }

    async fn forget(&self, _: &RackId, _: ServerId) {}
}

#[async_trait]
impl Presence for Seen {
    fn connection(&self, _: &RackId) -> AgentConnection {
        AgentConnection::Connected
    }
}

struct Site {
    inventory: Inventory,
    clock: Arc<TestClock>,
    rack: Arc<Rack>,
    id: ServerId,
}

impl Site {
    async fn new(rack: Arc<Rack>) -> Self {
        let clock = Arc::new(TestClock::default());
        clock.advance_us(1_000_000);
        let inventory = Inventory::in_memory(Sealer::new(&[1; 32]), clock.clone()).await.unwrap();
        let id = inventory.put_server(&new_server()).await.unwrap().id;
        inventory.set_identity(id, &BmcIdentity::default()).await.unwrap();
        let site = Self { inventory, clock, rack, id };
        site.rack.declare(site.server().await.spec());
        site
    }

    fn upkeep(&self) -> Upkeep {
        self.upkeep_with(vec![OURS.to_owned()])
    }

    fn upkeep_with(&self, users: Vec<String>) -> Upkeep {
        let seen = || Arc::new(Seen(Arc::clone(&self.rack)));
        let policy = PasswordPolicy { users, ..PasswordPolicy::default() };
        let ironic = Arc::new(crate::bench::Fake(Arc::default()));
        Upkeep::new(self.inventory.clone(), seen(), seen(), seen(), ironic, policy)
    }

    async fn server(&self) -> Server {
        self.inventory.server(self.id).await.unwrap().unwrap()
    }

    async fn told(&self) -> Vec<String> {
        let filter = EventFilter::default();
        let events = self.inventory.events(&filter).await.unwrap();
        events.into_iter().filter(|event| event.kind == EventKind::Upkeep).map(|event| event.text).collect()
    }

    /// The BMC's password is one of those that are known here.
    async fn nobody_is_locked_out(&self, why: &str) {
        let server = self.server().await;
        let next = server.upkeep.rotation.as_ref().and_then(Rotation::next_password);
        let bmc = self.rack.state.lock().unwrap().bmc.clone();
        let is_known =
            server.bmc.password.reveal() == bmc || next.is_some_and(|next| next.password.reveal() == bmc);
        assert!(is_known, "{why}: the BMC's password is known to nobody");
    }

    /// Looks again and again, under a new process whenever one ends, until nothing is under way.
    async fn settle(&self, why: &str) {
        let mut upkeep = self.upkeep();
        for _ in 0..ROUNDS_MAX {
            let ended = tokio::select! {
                () = upkeep.round() => false,
                () = self.rack.hung.notified() => true,
            };
            self.nobody_is_locked_out(why).await;
            if ended {
                upkeep = self.upkeep();
            }
            // Whichever process ended, the stream begins anew, and with it the agent hears of all.
            if ended
                || self.rack.kill.lock().unwrap().is_none() && self.server().await.upkeep.rotation.is_some()
            {
                self.rack.declare(self.server().await.spec());
            }
            if self.server().await.upkeep.rotation.is_none() {
                return;
            }
            self.clock.advance_us(ROUND_US);
        }
        panic!("{why}: it has no end: {:?}", self.server().await.upkeep.rotation);
    }

    async fn check_end(&self, why: &str, failed_max: usize) {
        let (server, state) = (self.server().await, self.rack.state.lock().unwrap());
        assert_eq!(server.bmc.password.reveal(), state.bmc, "{why}");
        assert_ne!(state.bmc, OLD, "{why}");
        assert!(server.upkeep.rotated_us.is_some() && server.spec().next_password.is_none(), "{why}");
        assert!(state.failed <= failed_max, "{why}: {} log-ins failed", state.failed);
    }
}

#[tokio::test]
async fn a_password_is_changed_wherever_coordinator_or_agent_end_and_nobody_is_locked_out() {
    let who = [
        Killed::Coordinator { before: true },
        Killed::Coordinator { before: false },
        Killed::Agent { before: true },
        Killed::Agent { before: false },
    ];
    for takes in [Takes::Yes, Takes::NotAtFirst, Takes::SaysSo] {
        // The straight run, to know how many calls there are.
        let site = Site::new(Rack::new(takes, None)).await;
        site.upkeep().ask_rotation(&site.server().await, "ada", None).await.unwrap();
        site.settle("nobody ends").await;
        // Only one that says yes and does nothing is tried by a password that it has not.
        let needless = usize::from(takes == Takes::SaysSo);
        site.check_end("nobody ends", needless).await;
        let calls = site.rack.calls.load(Ordering::SeqCst);
        assert!(calls >= 3, "{takes:?}: {calls} calls");
        for (call, how) in (0..calls).flat_map(|call| who.map(|how| (call, how))) {
            let why = format!("{takes:?}, {how:?} at call {call}");
            let site = Site::new(Rack::new(takes, Some((call, how)))).await;
            site.upkeep().ask_rotation(&site.server().await, "ada", None).await.unwrap();
            site.settle(&why).await;
            site.check_end(&why, needless + 1).await;
        }
    }
}

#[tokio::test]
async fn one_bmc_of_a_rack_is_changed_at_a_time() {
    let site = Site::new(Rack::new(Takes::Yes, None)).await;
    let mut other = new_server();
    other.name = "n2".to_owned();
    other.bmc.address = "198.51.100.12".to_owned();
    other.ports[0].mac.0[5] = 0x0c;
    other.ports[0].link.port = "xe-0/0/2".to_owned();
    let other = site.inventory.put_server(&other).await.unwrap().id;
    site.inventory.set_identity(other, &BmcIdentity::default()).await.unwrap();
    let upkeep = site.upkeep();
    for id in [site.id, other] {
        let server = site.inventory.server(id).await.unwrap().unwrap();
        upkeep.ask_rotation(&server, "ada", None).await.unwrap();
    }
    upkeep.round().await;
    let left = site.inventory.servers(None).await.unwrap();
    let left = left.iter().filter(|server| server.upkeep.rotation.is_some()).count();
    assert_eq!((left, site.rack.at_once_max.load(Ordering::SeqCst)), (1, 1));
}

#[tokio::test]
async fn whose_user_is_not_ours_keeps_its_password() {
    let site = Site::new(Rack::new(Takes::Yes, None)).await;
    let upkeep = site.upkeep_with(vec!["bms".to_owned()]);
    let refused = upkeep.ask_rotation(&site.server().await, "ada", Some(90)).await.unwrap_err();
    assert!(refused.message.contains("bmc_passwords.users"), "{}", refused.message);
    // Planned before the site changed its mind.
    let planned = Rotation::planned("it was time", 0, 0);
    site.inventory.set_rotation(site.id, Some(&planned)).await.unwrap();
    upkeep.round().await;
    assert_eq!(site.server().await.upkeep.rotation, None);
    assert_eq!(site.rack.state.lock().unwrap().tries, 0);
}

#[tokio::test]
async fn a_file_that_is_older_than_a_rotation_does_not_bring_the_old_password_back() {
    let site = Site::new(Rack::new(Takes::Yes, None)).await;
    site.upkeep().ask_rotation(&site.server().await, "ada", None).await.unwrap();
    site.settle("straight").await;
    let rotated = site.server().await.bmc.password;
    let check = async |given: &str, expected: &str| {
        let mut file = new_server();
        file.bmc.password = Secret::new(given);
        site.inventory.put_server(&file).await.unwrap();
        assert_eq!(site.server().await.bmc.password.reveal(), expected, "a file says {given}");
    };
    check(OLD, rotated.reveal()).await;
    check("set by hand", "set by hand").await;
}

#[tokio::test]
async fn a_password_is_shown_seldom_told_first_and_changed_after() {
    let site = Site::new(Rack::new(Takes::Yes, None)).await;
    let upkeep = site.upkeep();
    let shown = upkeep.show_password(&site.server().await, "ada", "the console is stuck").await.unwrap();
    assert_eq!(shown.password.reveal(), OLD);
    let told = site.told().await.concat();
    assert!(told.contains("ada") && told.contains("the console is stuck") && !told.contains(OLD), "{told}");
    let server = site.server().await;
    assert!(server.upkeep.shown_us.is_some() && server.upkeep.rotation.is_some());
    for _ in 1..BY_ONE_MAX {
        upkeep.show_password(&site.server().await, "ada", "again").await.unwrap();
    }
    let refused = upkeep.show_password(&site.server().await, "ada", "again").await.unwrap_err();
    assert!(refused.to_string().contains("try again in"), "{refused}");
    upkeep.round().await;
    assert_eq!(site.server().await.bmc.password.reveal(), OLD, "whoever read it needs it for a while");
    site.settle("an hour later").await;
    site.check_end("an hour later", 0).await;
}

#[tokio::test]
async fn a_bmc_that_cannot_be_told_to_stay_off_is_noted_once_and_holds_nothing_up() {
    let bench = crate::bench::Bench::new("available", None).await;
    let fake = || Arc::new(crate::bench::Fake(Arc::clone(&bench.world)));
    let policy = PasswordPolicy::default();
    let upkeep = Upkeep::new(bench.inventory.clone(), fake(), fake(), fake(), fake(), policy);
    let note = async || bench.server().await.upkeep.restore.and_then(|restore| restore.note());
    *bench.world.agent_error.lock().unwrap() = Some(failed(FailureKind::BmcRefused, "0xc1, invalid command"));
    upkeep.round().await;
    assert!(note().await.is_some_and(|note| note.contains("0xc1")));
    assert_eq!(bench.server().await.reason, None, "it holds nothing up");
    upkeep.round().await;
    assert_eq!(bench.world.count("keep_off"), 1, "it is not asked again at once");
    *bench.world.agent_error.lock().unwrap() = None;
    bench.clock.advance_us(domain::upkeep::restore::FAULT_RETRY_US);
    upkeep.round().await;
    assert_eq!((note().await, bench.world.count("keep_off")), (None, 2));
    // Silence settles nothing: it is asked at the next round.
    let updated = BmcIdentity { firmware: "2.0".to_owned(), ..BmcIdentity::default() };
    bench.inventory.set_identity(bench.id, &updated).await.unwrap();
    *bench.world.agent_error.lock().unwrap() = Some(failed(FailureKind::BmcUnreachable, "silent"));
    upkeep.round().await;
    upkeep.round().await;
    assert_eq!((note().await, bench.world.count("keep_off")), (None, 4));
}

#[tokio::test]
async fn what_a_tenancy_left_in_a_bmc_is_told_before_the_server_is_available_until_somebody_accepts_it() {
    let bench = crate::bench::Bench::new("available", None).await;
    bench.set_node(|node| node.instance_id = None).await;
    let fake = || Arc::new(crate::bench::Fake(Arc::clone(&bench.world)));
    let upkeep =
        Upkeep::new(bench.inventory.clone(), fake(), fake(), fake(), fake(), PasswordPolicy::default());
    let note = async || bench.server().await.upkeep.traces.and_then(|traces| traces.note("n1"));
    let users = |names: &[&str]| {
        let users = names.iter().map(|name| (*name).to_owned()).collect();
        *bench.world.footprint.lock().unwrap() = Footprint { users, ..Footprint::default() };
    };
    users(&["admin"]);
    upkeep.round().await;
    assert_eq!(bench.server().await.upkeep.traces.unwrap().before.users, ["admin"]);
    let instance = Some(domain::samples::INSTANCE);
    bench.set_node(|node| (node.instance_id, node.provision_state) = (instance, "active".into())).await;
    users(&["admin", "evil"]);
    upkeep.round().await;
    assert_eq!((note().await, bench.world.count("read_footprint")), (None, 1), "it is the tenant's now");
    bench.set_node(|node| (node.instance_id, node.provision_state) = (None, "cleaning".into())).await;
    // Its BMC is silent, and is left alone for a while.
    *bench.world.agent_error.lock().unwrap() = Some(failed(FailureKind::BmcUnreachable, "silent"));
    upkeep.round().await;
    upkeep.round().await;
    assert_eq!((note().await, bench.world.count("read_footprint")), (None, 2));
    *bench.world.agent_error.lock().unwrap() = None;
    bench.clock.advance_us(domain::upkeep::footprint::RETRY_US);
    upkeep.round().await;
    assert!(note().await.is_some_and(|note| note.contains("user evil is new")), "{:?}", note().await);
    upkeep.round().await;
    let alarms = bench.inventory.events(&EventFilter::default()).await.unwrap();
    let alarms = alarms.iter().filter(|event| event.text.contains("evil")).count();
    assert_eq!((alarms, bench.world.count("read_footprint")), (1, 3), "it is told once");
    upkeep.accept_changes(&bench.server().await).await.unwrap();
    assert_eq!(note().await, None);
    upkeep.accept_changes(&bench.server().await).await.unwrap_err();
}

#[tokio::test]
async fn where_the_site_wants_it_nobody_is_given_a_server_before_what_a_tenancy_left_was_looked_at() {
    let bench = crate::bench::Bench::new("available", None).await;
    bench.set_node(|node| node.instance_id = None).await;
    let fake = || Arc::new(crate::bench::Fake(Arc::clone(&bench.world)));
    let policy = PasswordPolicy::default();
    let upkeep = Upkeep::new(bench.inventory.clone(), fake(), fake(), fake(), fake(), policy);
    let upkeep = upkeep.with_after_tenancy(AfterTenancy::Hold);
    let users = |names: &[&str]| {
        let users = names.iter().map(|name| (*name).to_owned()).collect();
        *bench.world.footprint.lock().unwrap() = Footprint { users, ..Footprint::default() };
    };
    let maintenance = async || bench.server().await.node.unwrap().maintenance_reason;
    users(&["admin"]);
    upkeep.round().await;
    assert_eq!((maintenance().await, bench.world.count("set_maintenance")), (None, 0), "nobody has had it");
    let instance = Some(domain::samples::INSTANCE);
    bench.set_node(|node| (node.instance_id, node.provision_state) = (instance, "active".into())).await;
    upkeep.round().await;

    // Free again, and its BMC is silent: what was left is not known.
    users(&["admin", "evil"]);
    *bench.world.agent_error.lock().unwrap() = Some(failed(FailureKind::BmcUnreachable, "silent"));
    bench.set_node(|node| (node.instance_id, node.provision_state) = (None, "available".into())).await;
    upkeep.round().await;
    assert!(maintenance().await.is_some_and(|why| why.contains("has not been read yet")));
    // Somebody ends the maintenance by hand, and Nova gives it to the next tenant: the gate does not.
    bench.set_node(|node| (node.maintenance, node.maintenance_reason) = (false, None)).await;
    let next = Some(uuid::Uuid::from_u128(0xabc));
    bench.set_node(|node| (node.instance_id, node.provision_state) = (next, "deploying".into())).await;
    let refused = bench.gate.power(bench.id, PowerRequest::On).await.unwrap_err();
    assert!(refused.message.contains("bmsctl bmc accept-changes n1"), "{refused}");
    assert_eq!(bench.world.count("power_on"), 0);
    // Its BMC answers, before the next one has had it.
    *bench.world.agent_error.lock().unwrap() = None;
    bench.clock.advance_us(domain::upkeep::footprint::RETRY_US);
    upkeep.round().await;
    let refused = bench.gate.power(bench.id, PowerRequest::On).await.unwrap_err();
    assert!(refused.message.contains("user evil is new"), "{refused}");
    bench.set_node(|node| (node.instance_id, node.provision_state) = (None, "available".into())).await;
    upkeep.round().await;
    upkeep.round().await;
    assert!(maintenance().await.is_some_and(|why| why.contains("user evil is new")));
    assert_eq!(bench.world.count("set_maintenance"), 2, "it is said once");

    upkeep.accept_changes(&bench.server().await).await.unwrap();
    upkeep.round().await;
    assert_eq!((maintenance().await, bench.world.count("set_maintenance off")), (None, 1));
}
