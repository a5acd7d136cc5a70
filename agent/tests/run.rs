//! The loop with a fake BMC: commands reach it once, plans live from power-on to power-off, results survive a restart.

use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use agent::{
    bmc::{Bmc, BmcError, Power},
    boot::{BootTable, RamdiskEntry},
    erase_statement::Notary,
    firmware::Updater,
    given::Given,
    hardware::{Every, Hardware},
    image::{Cache, ImageStream, Upstream, UpstreamError},
    journal::Journal,
    poll::hints::Patience,
    rack::{Input, Rack},
    ramdisk::{Control, ControlConfig, Listener},
    results::{self, Results},
    run::Runner,
    uplink::{client::Seen, papers::Papers},
};
use async_trait::async_trait;
use protocol::{
    bmc_facts::{FactsPart, PartFacts, SecureBootFacts},
    bmc_order::BmcOrder,
    boot::{Boot, BootDevice, BootMode, BootPlan, BootPurpose, Persistence},
    command::{Action, Command, CommandResult, FailureKind, Success},
    convert::Declaration,
    hardware::BmcIdentity,
    id::{CommandId, RamdiskSessionId, ServerId},
    mac::MacAddr,
    network::BootNetwork,
    power::{PowerCause, PowerOffHow, PowerReading},
    report::ReportBody,
    secret::Secret,
    spec::{BmcEndpoint, BmcProtocol, ServerSpec},
    step::Step,
};
use pxe::Booter;
use tokio::{sync::mpsc, time::timeout};
use tokio_util::sync::CancellationToken;

/// Longest wait for anything that must happen.
const SOON: Duration = Duration::from_secs(20);
const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 9]);
const NETWORK: BootNetwork = BootNetwork::Provisioning;

/// A BMC that notes what it is told.
#[derive(Default)]
struct FakeBmc {
    on: AtomicBool,
    stuck: AtomicBool,
    told: Mutex<Vec<String>>,
}

impl FakeBmc {
    fn note(&self, what: impl Into<String>) {
        self.told.lock().unwrap().push(what.into());
    }

    fn told(&self) -> Vec<String> {
        self.told.lock().unwrap().clone()
    }
}

#[async_trait]
impl Bmc for FakeBmc {
    async fn power_status(&self) -> Result<Power, BmcError> {
        Ok(if self.on.load(Ordering::SeqCst) { Power::On } else { Power::Off })
    }
    async fn power_on(&self) -> Result<(), BmcError> {
        self.note("on");
        if self.stuck.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        self.on.store(true, Ordering::SeqCst);
        Ok(())
    }
    async fn power_off(&self) -> Result<(), BmcError> {
        self.note("off");
        self.on.store(false, Ordering::SeqCst);
        Ok(())
    }
    async fn soft_off(&self) -> Result<(), BmcError> {
        self.note("soft off");
        self.on.store(false, Ordering::SeqCst);
        Ok(())
    }
    async fn reset(&self) -> Result<(), BmcError> {
        self.note("reset");
        Ok(())
    }
    async fn set_boot_device(
        &self,
        device: BootDevice,
        persistence: Persistence,
        mode: BootMode,
    ) -> Result<(), BmcError> {
        self.note(format!("boot {device:?} {persistence:?} {mode:?}"));
        Ok(())
    }
    async fn obey(&self, order: &BmcOrder) -> Result<(), BmcError> {
        self.note(order.to_string());
        match order {
            BmcOrder::ResetBios => Err(BmcError::Refused { address: "a".into(), reason: "it cannot".into() }),
            _ => Ok(()),
        }
    }
    async fn facts(&self, part: FactsPart) -> Result<Option<PartFacts>, BmcError> {
        self.note(format!("facts: {}", part.name()));
        Ok(Some(match part {
            FactsPart::SecureBoot => PartFacts::SecureBoot(SecureBootFacts::default()),
            _ => PartFacts::Bios(Default::default()),
        }))
    }
    async fn identity(&self) -> Result<BmcIdentity, BmcError> {
        Ok(BmcIdentity { manufacturer: "fake".into(), ..BmcIdentity::default() })
    }
}

struct NoImages;

#[async_trait]
impl Upstream for NoImages {
    async fn fetch(&self, _: &str, _: u64) -> Result<ImageStream, UpstreamError> {
        Err(UpstreamError { reason: "no images here".into() })
    }
}

struct Running {
    bmc: Arc<FakeBmc>,
    table: Arc<BootTable>,
    inputs: mpsc::Sender<Input>,
    seen: mpsc::Receiver<Seen>,
    log: Vec<ReportBody>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

fn spec() -> ServerSpec {
    let bmc = BmcEndpoint {
        protocol: BmcProtocol::Ipmi { cipher_suite: None },
        address: "192.0.2.1".into(),
        port: 623,
        username: "admin".into(),
        password: Secret::new("p"),
        settings: Default::default(),
    };
    let id = ServerId(uuid::Uuid::from_u128(77));
    ServerSpec {
        id,
        name: "node".into(),
        bmc,
        macs: vec![MAC],
        other_macs: vec![],
        boot_mode: BootMode::Uefi,
        boot_loader: None,
        secure_boot: None,
        expected: Default::default(),
        next_password: None,
        tenancy: None,
    }
}

async fn start(dir: &Path, bmc: Arc<FakeBmc>) -> Running {
    let (back, inputs_rx) = mpsc::channel(64);
    let (events, mut events_rx) = mpsc::channel(64);
    tokio::spawn(async move { while events_rx.recv().await.is_some() {} });
    let cache = Arc::new(Cache::open(dir.join("images"), 1 << 20, Arc::new(NoImages)).unwrap());
    let address = "127.0.0.1:0".parse().unwrap();
    let listeners = vec![Listener { network: NETWORK, interface: "lo".into(), address, prefix_len: 8 }];
    let config = ControlConfig {
        listeners,
        state_dir: dir.to_owned(),
        boots: BootTable::under_way(&dir.join("boots.json")).unwrap(),
        resume_wait: SOON,
        step_silence: agent::ramdisk::STEP_SILENCE_MAX,
    };
    let cache_of_updates = Arc::clone(&cache);
    let ramdisks = Control::start(config, cache, events).unwrap();
    let entry = RamdiskEntry {
        addresses: HashMap::from([(NETWORK, ramdisks.address(NETWORK).unwrap())]),
        fingerprint: ramdisks.fingerprint().to_owned(),
        parts_port: None,
        loaders: Default::default(),
    };
    let issue = |server, plan| ramdisks.issue_again(server, plan);
    let table = Arc::new(BootTable::open(&dir.join("boots.json"), entry, back.clone(), issue).unwrap());
    let (journal, records) = Journal::open(&dir.join("results")).unwrap();
    let mut results = Results::default();
    records.iter().filter_map(|record| results::decode(record)).for_each(|result| results.insert(result));
    let (seen_tx, seen) = mpsc::channel(64);
    let stop = CancellationToken::new();
    let fake = Arc::clone(&bmc);
    let papers = Papers {
        cert: dir.join("agent.pem"),
        key: dir.join("agent.key"),
        renewed: dir.join("certificate.pem"),
    };
    let runner = Runner {
        rack: Rack::new(Duration::from_millis(300), 1, results),
        connect: Box::new(move |_| fake.clone()),
        boot_table: Arc::clone(&table),
        consoles: Arc::default(),
        ramdisks,
        notary: Arc::new(Notary::new(papers, "rack1".parse().unwrap())),
        facts: Arc::default(),
        firmware: Arc::new(Updater::new(cache_of_updates)),
        hardware: Arc::new(Hardware::new(Every { sensors: None, log: None })),
        results: journal,
        seen: seen_tx,
        health: Arc::default(),
        back: back.clone(),
        inputs: inputs_rx,
        stop: stop.clone(),
        stop_wait: Duration::from_millis(200),
        patience: Patience::default(),
    };
    let task = tokio::spawn(runner.run());
    let declaration = Declaration { servers: vec![spec()], forget: vec![], complete: true };
    back.send(Input::Declare(declaration)).await.unwrap();
    Running { bmc, table, inputs: back, seen, log: Vec::new(), stop, task }
}

impl Running {
    async fn send(&self, id: CommandId, action: Action) {
        let command = Command { id, server: spec().id, action, wanted: None };
        self.inputs.send(Input::Command(Given::now(command, Instant::now()))).await.unwrap();
    }

    async fn until<T>(&mut self, what: &str, found: impl Fn(&ReportBody) -> Option<T>) -> T {
        let waiting = async {
            loop {
                let seen = self.seen.recv().await.expect("the loop runs");
                self.log.push(seen.body.clone());
                if let Some(found) = found(&seen.body) {
                    return found;
                }
            }
        };
        match timeout(SOON, waiting).await {
            Ok(found) => found,
            Err(_) => panic!("no {what}; reported: {:?}; the BMC was told {:?}", self.log, self.bmc.told()),
        }
    }

    async fn result(&mut self, id: CommandId) -> CommandResult {
        self.until("result", |body| match body {
            ReportBody::Command(result) if result.command == id => Some(result.clone()),
            _ => None,
        })
        .await
    }

    async fn power(&mut self, wanted: PowerReading) -> PowerCause {
        self.until("power", |body| match body {
            ReportBody::Power { reading, cause } if *reading == wanted => Some(*cause),
            _ => None,
        })
        .await
    }

    async fn stop(self) {
        self.stop.cancel();
        timeout(SOON, self.task).await.expect("the loop ends when it is told").unwrap();
    }
}

fn deploy() -> Action {
    Action::PowerOn { boot: Boot::Network(BootPlan { purpose: BootPurpose::Deploy, network: NETWORK }) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_done_once_and_answered_every_time_even_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut running = start(dir.path(), Arc::default()).await;
    assert_eq!(running.power(PowerReading::Off).await, PowerCause::First);
    let id = CommandId::random();
    running.send(id, deploy()).await;
    running.send(id, deploy()).await;
    assert_eq!(running.power(PowerReading::On).await, PowerCause::Commanded);
    assert_eq!(running.result(id).await.outcome, Ok(Success::Done));
    running.send(id, deploy()).await;
    assert_eq!(running.result(id).await.outcome, Ok(Success::Done));
    assert_eq!(running.bmc.told(), ["boot Pxe Once Uefi", "on"]);
    let bmc = Arc::clone(&running.bmc);
    running.stop().await;

    bmc.on.store(false, Ordering::SeqCst);
    let mut running = start(dir.path(), bmc).await;
    running.send(id, deploy()).await;
    assert_eq!(running.result(id).await.outcome, Ok(Success::Done));
    assert_eq!(running.bmc.told().len(), 2, "done again: {:?}", running.bmc.told());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_may_boot_from_its_power_on_until_its_power_is_off() {
    let dir = tempfile::tempdir().unwrap();
    let mut running = start(dir.path(), Arc::default()).await;
    running.power(PowerReading::Off).await;
    assert!(!running.table.plan(MAC, NETWORK).is_here(), "before");
    let id = CommandId::random();
    running.send(id, deploy()).await;
    running.result(id).await;
    assert!(running.table.plan(MAC, NETWORK).is_here(), "during");
    assert!(!running.table.plan(MAC, BootNetwork::Cleaning).is_here(), "on another network");
    running.bmc.on.store(false, Ordering::SeqCst);
    assert_eq!(running.power(PowerReading::Off).await, PowerCause::Unasked);
    assert!(!running.table.plan(MAC, NETWORK).is_here(), "after the plug was pulled");

    let (on, off) = (CommandId::random(), CommandId::random());
    running.send(on, deploy()).await;
    running.result(on).await;
    running.send(off, Action::PowerOff { how: PowerOffHow::Hard }).await;
    assert_eq!(running.power(PowerReading::Off).await, PowerCause::Commanded);
    running.result(off).await;
    assert!(!running.table.plan(MAC, NETWORK).is_here(), "after it was switched off");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_boot_opens_no_network_and_a_lost_ramdisk_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let mut running = start(dir.path(), Arc::default()).await;
    let (on, step, who) = (CommandId::random(), CommandId::random(), CommandId::random());
    running.send(on, Action::PowerOn { boot: Boot::Disk }).await;
    running.result(on).await;
    assert!(!running.table.plan(MAC, NETWORK).is_here());
    assert_eq!(running.bmc.told(), ["boot Disk Persistent Uefi", "on"]);
    running.send(step, Action::RunStep { session: RamdiskSessionId::random(), step: Step::Sync }).await;
    assert_eq!(running.result(step).await.outcome.unwrap_err().kind, FailureKind::NoRamdisk);
    running.send(who, Action::ReadIdentity).await;
    let identity = running.result(who).await.outcome.unwrap();
    assert!(
        matches!(identity, Success::Identity(BmcIdentity { manufacturer, .. }) if manufacturer == "fake")
    );
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_never_ends_is_answered_when_the_agent_stops() {
    let dir = tempfile::tempdir().unwrap();
    let mut running = start(dir.path(), Arc::default()).await;
    running.power(PowerReading::Off).await;
    running.bmc.stuck.store(true, Ordering::SeqCst);
    let id = CommandId::random();
    running.send(id, deploy()).await;
    let told = || running.bmc.told().contains(&"on".to_owned());
    let begun = async {
        while !told() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(SOON, begun).await.expect("the command begins");
    running.stop.cancel();
    assert_eq!(running.result(id).await.outcome.unwrap_err().kind, FailureKind::Interrupted);
    assert!(!running.table.plan(MAC, NETWORK).is_here());
    timeout(SOON, running.task).await.expect("the loop ends").unwrap();
}

#[tokio::test]
async fn what_an_order_may_have_changed_is_told_before_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let mut running = start(dir.path(), Arc::new(FakeBmc::default())).await;
    let mut check = async |order: BmcOrder, is_done: bool, expected: &[&str]| {
        let id = CommandId::random();
        running.send(id, Action::Order(order.clone())).await;
        let result = running.result(id).await;
        assert_eq!(result.outcome.is_ok(), is_done, "{order}: {result:?}");
        let told: Vec<&str> = running
            .log
            .drain(..)
            .filter_map(|body| match body {
                ReportBody::Facts { part } => Some(part.part().name()),
                ReportBody::Command(_) => Some("end"),
                _ => None,
            })
            .collect();
        assert_eq!(told, expected, "{order}");
    };
    check(BmcOrder::SecureBoot { is_enabled: true }, true, &["secure boot", "end"]).await;
    // One that was refused may be done in part.
    check(BmcOrder::ResetBios, false, &["bios", "end"]).await;
    check(BmcOrder::Interrupt, true, &["end"]).await;
    check(BmcOrder::Look { part: FactsPart::Bios }, true, &["bios", "end"]).await;
    running.stop().await;
}
