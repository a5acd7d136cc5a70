//! Edges: updates with everything that can be cut off cut off: the coordinator's process ends before or after any call, the agent's too,
//! and a BMC takes firmware, refuses it, fails, restarts in the middle, or keeps what it had.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use domain::{
    events::{EventFilter, EventKind},
    firmware::update::{By, Stage, Update},
    lifecycle::{Node, ProvisionState},
    records::SeenPower,
    rim::*,
    upkeep::policy::PasswordPolicy,
};
use protocol::{
    bmc_facts::{FirmwareItem, PartFacts},
    bmc_order::BmcOrder,
    command::{Action, Failure, FailureKind, Success},
    hardware::BmcIdentity,
    id::{RackId, ServerId},
    power::{PowerCause, PowerReading},
    spec::BmcProtocol,
    update::{FirmwareSeen, UpdateStage},
};
use store::Inventory;
use tokio::sync::Notify;
use uuid::Uuid;

use super::{FirmwareFiles, Updates, Wanted};
use crate::{
    bench::{Bench, CLEANING, Fake, INSTANCE, new_server, store_power},
    mover::Mover,
    orders::Orders,
    parts::Parts,
    power::take_power,
    upkeep::Upkeep,
    visits::{ServerLocks, Wake},
};

const OLD: &str = "1.0";
const NEW: &str = "2.0";
const URL: &str = "https://images.example/bmc.bin";
/// Rounds within which everything has come to its end.
const ROUNDS_MAX: usize = 400;
/// Time from one round to the next, in microseconds.
const ROUND_US: u64 = 20_000_000;

/// What the BMC does with firmware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    /// Takes it, and has the new version at the end.
    It,
    /// The same, and it is silent for some looks.
    ItAndRestarts,
    /// Its task ends with a reason.
    ItAndFails,
    /// Its task ends well, and the version stays.
    ItAndKeepsTheOld,
    /// Says no.
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Killed {
    Coordinator { before: bool },
    Agent { before: bool },
}

/// One rack: an agent that remembers what it did, and a BMC.
struct Rack {
    takes: Takes,
    state: Mutex<State>,
    calls: AtomicUsize,
    kill: Mutex<Option<(usize, Killed)>>,
    hung: Notify,
}

#[derive(Default)]
struct State {
    /// Images that came to the BMC.
    given: usize,
    looks: usize,
    is_new: bool,
    /// How orders ended, or that they were begun by an agent that is gone.
    remembered: HashMap<(Uuid, u32), Result<Success, Failure>>,
}

fn failure(kind: FailureKind, message: &str) -> Failure {
    Failure { kind, message: message.to_owned() }
}

impl Rack {
    fn new(takes: Takes, kill: Option<(usize, Killed)>) -> Arc<Self> {
        let (state, calls) = (Mutex::default(), AtomicUsize::new(0));
        Arc::new(Self { takes, state, calls, kill: Mutex::new(kill), hung: Notify::new() })
    }

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

    fn do_it(&self, action: &Action) -> Result<Success, AgentError> {
        let mut state = self.state.lock().unwrap();
        match action {
            Action::UpdateFirmware(update) => {
                let key = (update.order, update.attempt);
                if let Some(known) = state.remembered.get(&key) {
                    return Ok(known.clone()?);
                }
                let done = match self.takes {
                    Takes::Nothing => Err(failure(FailureKind::BmcRefused, "not for this board")),
                    Takes::It | Takes::ItAndRestarts | Takes::ItAndFails | Takes::ItAndKeepsTheOld => {
                        state.given += 1;
                        Ok(Success::FirmwareTaken { task: Some("/t/1".to_owned()) })
                    }
                };
                state.remembered.insert(key, done.clone());
                Ok(done?)
            }
            Action::LookAtFirmware { task } => {
                state.looks += 1;
                let at_it = state.given > 0 && state.looks < 3;
                if self.takes == Takes::ItAndRestarts && (3..6).contains(&state.looks) {
                    return Err(failure(FailureKind::BmcUnreachable, "no answer").into());
                }
                let has_it = state.given > 0 && !at_it;
                state.is_new |= has_it && matches!(self.takes, Takes::It | Takes::ItAndRestarts);
                let stage = match task {
                    None => UpdateStage::NotKnown,
                    Some(_) if at_it => UpdateStage::Running(Some(40)),
                    Some(_) if self.takes == Takes::ItAndFails => UpdateStage::Failed("bad image".to_owned()),
                    Some(_) => UpdateStage::Ended,
                };
                let version = if state.is_new { NEW } else { OLD };
                let item = FirmwareItem {
                    id: "7".into(),
                    name: "BMC".into(),
                    version: version.into(),
                    is_updateable: true,
                };
                Ok(Success::FirmwareSeen(FirmwareSeen {
                    stage,
                    items: vec![item],
                    manager_version: version.into(),
                    bios_version: "4.5".into(),
                }))
            }
            _ => Ok(Success::Done),
        }
    }

    /// The agent is killed in the middle of it: what it had begun it remembers as that.
    fn begin_and_die(&self, action: &Action) {
        let _ = self.do_it(action);
        if let Action::UpdateFirmware(update) = action {
            let cut_off = Err(failure(FailureKind::MaybeDone, "the agent was stopped"));
            self.state.lock().unwrap().remembered.insert((update.order, update.attempt), cut_off);
        }
    }
}

#[async_trait]
impl Agents for Rack {
    async fn run(&self, rack: &RackId, _: ServerId, action: Action) -> Result<Success, AgentError> {
        let away = || AgentError::Away { rack: rack.clone(), reason: "was killed".to_owned() };
        match self.killed() {
            Some(Killed::Coordinator { before }) => {
                if !before {
                    let _ = self.do_it(&action);
                }
                self.end_process().await;
                Err(away())
            }
            Some(Killed::Agent { before: true }) => Err(away()),
            Some(Killed::Agent { before: false }) => {
                self.begin_and_die(&action);
                Err(away())
            }
            None => self.do_it(&action),
        }
    }
}

struct Site {
    bench: Bench,
    rack: Arc<Rack>,
    locks: ServerLocks,
}

impl Site {
    /// A server that nobody has, off, on the cleaning network.
    async fn new(rack: Arc<Rack>) -> Self {
        let bench = Bench::new("available", None).await;
        bench.set_node(|node| node.instance_id = None).await;
        let site = Self { bench, rack, locks: ServerLocks::default() };
        site.make_ready(site.bench.id, new_server()).await;
        site.bench.put_port(CLEANING).await;
        site
    }

    async fn make_ready(&self, id: ServerId, mut server: domain::records::NewServer) {
        let inventory = &self.bench.inventory;
        server.bmc.protocol = BmcProtocol::Redfish { system: None, certificate_sha256: None, http: false };
        inventory.put_server(&server).await.unwrap();
        let known = inventory.server(id).await.unwrap().unwrap();
        inventory.end_bmc_doubt(&known, Some(&BmcIdentity::default())).await.unwrap();
        inventory.set_identity(id, &BmcIdentity::default()).await.unwrap();
        inventory.set_ports_given(id).await.unwrap();
        store_power(inventory, id, PowerReading::Off, PowerCause::First).await;
        let item =
            FirmwareItem { version: OLD.to_owned(), name: "BMC".to_owned(), ..FirmwareItem::default() };
        inventory.put_facts(id, &PartFacts::Firmware(vec![item]), 1).await.unwrap();
    }

    fn updates(&self) -> Updates {
        let inventory = self.bench.inventory.clone();
        let fake = Arc::new(Fake(Arc::clone(&self.bench.world)));
        let parts = Parts {
            agents: self.rack.clone(),
            presence: fake.clone(),
            provisioner: fake.clone(),
            mover: Mover::new(inventory.clone(), fake),
            locks: self.locks.clone(),
            wake: Wake::default(),
            inventory: inventory.clone(),
        };
        let files = FirmwareFiles::new(std::env::temp_dir(), inventory);
        Updates::new(parts, vec!["https://images.example/".to_owned()], Arc::new(files))
    }

    async fn ask(&self, updates: &Updates, id: ServerId) -> Result<Update, Refusal> {
        let server = self.bench.inventory.server(id).await.unwrap().unwrap();
        let by = By::Person("ada".to_owned());
        updates.ask(&server, "BMC".into(), Wanted::Url(URL.into()), Some(NEW.into()), by).await
    }

    async fn update(&self, id: Uuid) -> Update {
        self.bench.inventory.update(id).await.unwrap().unwrap()
    }

    /// Carries it on, under a new process whenever one ends, until it is over.
    async fn settle(&self, id: Uuid, why: &str) -> Stage {
        let mut updates = self.updates();
        for _ in 0..ROUNDS_MAX {
            let ended = tokio::select! {
                () = updates.round() => false,
                () = self.rack.hung.notified() => true,
            };
            assert!(self.rack.state.lock().unwrap().given <= 1, "{why}: the BMC was given it twice");
            if ended {
                updates = self.updates();
            }
            let update = self.update(id).await;
            if update.is_over() {
                return update.stage;
            }
            self.bench.clock.advance_us(ROUND_US);
        }
        panic!("{why}: it has no end: {:?}", self.update(id).await);
    }

    async fn told(&self, kind: EventKind) -> Vec<String> {
        let events = self.bench.inventory.events(&EventFilter::default()).await.unwrap();
        events.into_iter().filter(|event| event.kind == kind).map(|event| event.text).collect()
    }
}

/// What must be said at the end of one that ended so.
fn check_end(takes: Takes, given: usize, stage: &Stage, why: &str) {
    let said = match stage {
        Stage::Done { changes } => {
            assert_eq!(changes, &["BMC: 1.0 -> 2.0"], "{why}");
            assert_eq!(given, 1, "{why}");
            return assert!(matches!(takes, Takes::It | Takes::ItAndRestarts), "{why}");
        }
        Stage::Failed { reason } => reason,
        Stage::Waiting | Stage::Giving | Stage::Following { .. } | Stage::Settling { .. } => panic!("{why}"),
    };
    let expected: &[&str] = match takes {
        Takes::It | Takes::ItAndRestarts => &[],
        // Of a task that was lost with its agent only the versions tell.
        Takes::ItAndFails => &["bad image", "it is not known whether"],
        Takes::ItAndKeepsTheOld => &["says that it has done it", "it is not known whether"],
        Takes::Nothing => &["not for this board", "it is not known whether"],
    };
    assert!(expected.iter().any(|words| said.contains(words)), "{why}: {said}");
}

#[tokio::test]
async fn firmware_is_given_once_wherever_coordinator_or_agent_end() {
    let who = [
        Killed::Coordinator { before: true },
        Killed::Coordinator { before: false },
        Killed::Agent { before: true },
        Killed::Agent { before: false },
    ];
    let all = [Takes::It, Takes::ItAndRestarts, Takes::ItAndFails, Takes::ItAndKeepsTheOld, Takes::Nothing];
    for takes in all {
        let run = async |kill: Option<(usize, Killed)>, why: &str| {
            let site = Site::new(Rack::new(takes, kill)).await;
            let id = site.ask(&site.updates(), site.bench.id).await.unwrap().id;
            let stage = site.settle(id, why).await;
            let given = site.rack.state.lock().unwrap().given;
            check_end(takes, given, &stage, why);
            site.rack.calls.load(Ordering::SeqCst)
        };
        // The straight run, to know how many calls there are. Most of them are looks, which are alike.
        let calls = run(None, &format!("{takes:?}, nobody ends")).await.min(8);
        assert!(calls >= 1, "{takes:?}: {calls} calls");
        for (call, how) in (0..calls).flat_map(|call| who.map(|how| (call, how))) {
            run(Some((call, how)), &format!("{takes:?}, {how:?} at call {call}")).await;
        }
    }
}

#[tokio::test]
async fn nothing_is_given_before_the_server_is_off_isolated_and_nobodys() {
    let rack = Rack::new(Takes::It, None);
    let site = Site::new(rack.clone()).await;
    let updates = site.updates();
    let id = site.ask(&updates, site.bench.id).await.unwrap().id;
    let waits = async |words: &str| {
        updates.round().await;
        let update = site.update(id).await;
        assert_eq!(update.stage, Stage::Waiting, "{words}: {update:?}");
        let trouble = update.trouble.unwrap_or_default();
        assert!(trouble.contains(words), "no {words:?} in {trouble}");
        assert_eq!(rack.calls.load(Ordering::SeqCst), 0, "{words}");
        site.bench.clock.advance_us(ROUND_US);
    };
    site.bench.put_port(ObservedNetwork::Nothing).await;
    waits("is isolated").await;
    site.bench.put_port(CLEANING).await;
    store_power(&site.bench.inventory, site.bench.id, PowerReading::On, PowerCause::Unasked).await;
    waits("switched off").await;
    store_power(&site.bench.inventory, site.bench.id, PowerReading::Off, PowerCause::Commanded).await;
    site.bench.world.away.store(true, Ordering::SeqCst);
    waits("disconnected").await;
    site.bench.world.away.store(false, Ordering::SeqCst);
    let held = site.locks.lock(site.bench.id).await;
    waits("another change").await;
    drop(held);
    // In Ironic it is somebody's by now, whatever is stored.
    let node = Node { instance_id: Some(INSTANCE), ..Node::in_state(site.bench.id, ProvisionState::Active) };
    site.bench.world.nodes.lock().unwrap().insert(site.bench.id, node);
    updates.round().await;
    let Stage::Failed { reason } = site.update(id).await.stage else { panic!("it goes on") };
    assert!(
        reason.contains("nothing was changed") && reason.contains("only firmware of a server"),
        "{reason}"
    );
    assert_eq!(rack.calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn one_server_of_a_rack_is_updated_at_a_time() {
    let site = Site::new(Rack::new(Takes::It, None)).await;
    let updates = site.updates();
    let mut new = new_server();
    new.name = "n2".to_owned();
    new.bmc.address = "198.51.100.12".to_owned();
    new.ports[0].mac.0[5] = 0x0c;
    new.ports[0].link.port = "xe-0/0/2".to_owned();
    let other = site.bench.inventory.put_server(&new).await.unwrap().id;
    let node = Node::in_state(other, ProvisionState::Available);
    site.bench.world.nodes.lock().unwrap().insert(other, node.clone());
    site.bench.inventory.set_node(other, Some(&node)).await.unwrap();
    site.make_ready(other, new.clone()).await;
    site.bench.world.ports.lock().unwrap().insert(new.ports[0].mac.to_string(), CLEANING);
    let first = site.ask(&updates, site.bench.id).await.unwrap().id;
    let second = site.ask(&updates, other).await.unwrap().id;
    let again = site.ask(&updates, other).await.unwrap_err();
    assert!(again.message.contains("is not over yet"), "{again}");
    updates.round().await;
    let under_way = |update: &Update| update.is_under_way();
    let (one, two) = (site.update(first).await, site.update(second).await);
    assert!(under_way(&one) != under_way(&two), "{one:?} {two:?}");
    let waiting = if under_way(&one) { two } else { one };
    assert!(waiting.trouble.is_some_and(|why| why.contains("one at a time")));
    // Only one that was not begun is called off.
    let begun = if waiting.id == first { second } else { first };
    let refused = updates.call_off(&site.update(begun).await, "ada").await.unwrap_err();
    assert!(refused.message.contains("cannot be called off"), "{refused}");
    updates.call_off(&site.update(waiting.id).await, "ada").await.unwrap();
    assert!(matches!(site.update(waiting.id).await.stage, Stage::Failed { .. }));
}

#[tokio::test]
async fn meanwhile_the_power_is_left_and_the_password_waits() {
    let site = Site::new(Rack::new(Takes::It, None)).await;
    let updates = site.updates();
    let id = site.ask(&updates, site.bench.id).await.unwrap().id;
    updates.round().await;
    assert!(site.update(id).await.holds_power(), "{:?}", site.update(id).await);
    for request in
        [PowerRequest::On, PowerRequest::Off(protocol::power::PowerOffHow::Hard), PowerRequest::Restart]
    {
        let refused = site.bench.gate.power(site.bench.id, request).await.unwrap_err();
        assert!(refused.message.contains("while the BMC writes new firmware"), "{request:?}: {refused}");
    }
    assert_eq!(site.bench.world.count("power_"), 0);
    let rim = || Arc::new(Fake(Arc::clone(&site.bench.world)));
    let orders = Orders {
        inventory: site.bench.inventory.clone(),
        provisioner: rim(),
        agents: rim(),
        presence: rim(),
        sources: Default::default(),
    };
    let refused = orders.order(site.bench.id, &BmcOrder::ResetBios).await.unwrap_err();
    assert!(refused.message.contains("is being updated since"), "{refused}");
    assert!(!refused.message.contains("power"), "an order is no change of power: {refused}");
    assert_eq!(site.bench.world.count("order"), 0);
    let inventory: &Inventory = &site.bench.inventory;
    let fake = || Arc::new(Fake(Arc::clone(&site.bench.world)));
    let policy = PasswordPolicy { users: vec!["admin".to_owned()], ..PasswordPolicy::default() };
    let upkeep = Upkeep::new(inventory.clone(), fake(), fake(), fake(), fake(), policy);
    upkeep.ask_rotation(&site.bench.server().await, "ada", None).await.unwrap();
    upkeep.round().await;
    let rotation = site.bench.server().await.upkeep.rotation.unwrap();
    assert!(rotation.trouble.is_some_and(|why| why.contains("update of the firmware")));
    assert_eq!(site.bench.world.count("renew_password") + site.bench.world.count("keep_off"), 0);
    site.settle(id, "straight").await;
    upkeep.round().await;
    assert_eq!(site.bench.world.count("renew_password"), 1, "it is its turn then");
    let facts = inventory.facts(site.bench.id).await.unwrap().facts;
    assert_eq!((facts.firmware[0].version.as_str(), facts.system.manager_version.as_str()), (NEW, NEW));
}

#[tokio::test]
async fn a_bmc_that_is_silent_because_it_takes_firmware_is_no_alarm() {
    let site = Site::new(Rack::new(Takes::It, None)).await;
    let inventory = &site.bench.inventory;
    let falls_silent = async || {
        let reading = PowerReading::Unreachable { reason: "no answer".to_owned() };
        let seen = SeenPower { reading, cause: PowerCause::Unasked, at_us: 2 };
        let server = site.bench.server().await;
        take_power(inventory, &Wake::default(), &server, seen).await.unwrap();
        store_power(inventory, site.bench.id, PowerReading::Off, PowerCause::First).await;
    };
    let id = site.ask(&site.updates(), site.bench.id).await.unwrap().id;
    site.updates().round().await;
    falls_silent().await;
    assert_eq!(site.told(EventKind::Alarm).await, Vec::<String>::new());
    assert!(site.told(EventKind::Upkeep).await.iter().any(|text| text.contains("silent while its firmware")));
    site.settle(id, "straight").await;
    falls_silent().await;
    assert_eq!(site.told(EventKind::Alarm).await.len(), 1, "afterwards it is one");
}
