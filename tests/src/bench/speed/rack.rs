//! Edges: the agent's own rack over real sockets: what a round of readings costs, how often each BMC is asked, and how old readings get.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use agent::{
    bmc::{Bmc, BmcError, BmcOptions, KeptSessions, LogIns, Power, connect_declared},
    boot::{BootTable, RamdiskEntry},
    erase_statement::Notary,
    firmware::Updater,
    hardware::{Every, Hardware},
    image::{Cache, ImageStream, Upstream, UpstreamError},
    journal::Journal,
    poll::hints::Patience,
    rack::{Input, Rack},
    ramdisk::{Control, ControlConfig},
    results::Results,
    run::{Connect, INPUTS_MAX, Runner, STOP_WAIT},
    uplink::{client::Seen, health::HealthBoard, papers::Papers},
};
use async_trait::async_trait;
use protocol::{
    boot::{BootDevice, BootMode, Persistence},
    convert::Declaration,
    hardware::BmcIdentity,
    id::ServerId,
    spec::{BmcEndpoint, ServerSpec},
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{cost, jobs::Measured};

/// How often each BMC is asked, as agents do by default.
pub const INTERVAL: Duration = Duration::from_secs(2);
/// When no BMC has answered for the first time within this, all have that will.
const QUIET: Duration = Duration::from_secs(6);

/// One BMC's client, and when it was asked and when it answered.
struct Watched {
    bmc: Box<dyn Bmc>,
    times: Arc<Mutex<Times>>,
}

/// The moments of one BMC's questions and answers.
#[derive(Debug, Default)]
pub(super) struct Times {
    asked: Option<Instant>,
    answered: Option<Instant>,
    longest_between: Duration,
    oldest: Duration,
    /// When it first said off, and when it said so again: that one counts.
    pub(super) offs: Vec<Instant>,
}

/// So many of a BMC's answers are of interest that say off.
const OFFS_MAX: usize = 2;

impl Watched {
    fn note(&self, what: impl FnOnce(&mut Times)) {
        what(&mut self.times.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// The time since then, if that is longer than any before.
fn longer(longest: &mut Duration, since: Option<Instant>) {
    *longest = since.map_or(*longest, |since| since.elapsed().max(*longest));
}

#[async_trait]
impl Bmc for Watched {
    async fn power_status(&self) -> Result<Power, BmcError> {
        self.note(|times| {
            longer(&mut times.longest_between, times.asked);
            times.asked = Some(Instant::now());
        });
        let power = self.bmc.power_status().await?;
        self.note(|times| {
            longer(&mut times.oldest, times.answered);
            let now = Instant::now();
            times.answered = Some(now);
            if power == Power::Off && times.offs.len() < OFFS_MAX {
                times.offs.push(now);
            }
        });
        Ok(power)
    }
    async fn power_on(&self) -> Result<(), BmcError> {
        self.bmc.power_on().await
    }
    async fn power_off(&self) -> Result<(), BmcError> {
        self.bmc.power_off().await
    }
    async fn soft_off(&self) -> Result<(), BmcError> {
        self.bmc.soft_off().await
    }
    async fn reset(&self) -> Result<(), BmcError> {
        self.bmc.reset().await
    }
    async fn set_boot_device(
        &self,
        device: BootDevice,
        persistence: Persistence,
        mode: BootMode,
    ) -> Result<(), BmcError> {
        self.bmc.set_boot_device(device, persistence, mode).await
    }
    async fn identity(&self) -> Result<BmcIdentity, BmcError> {
        self.bmc.identity().await
    }
    async fn seen(&self) -> Option<BmcIdentity> {
        self.bmc.seen().await
    }
    fn sessions(&self) -> u32 {
        self.bmc.sessions()
    }
}

struct NoImages;

#[async_trait]
impl Upstream for NoImages {
    async fn fetch(&self, _: &str, _: u64) -> Result<ImageStream, UpstreamError> {
        Err(UpstreamError { reason: "no images here".into() })
    }
}

/// The times of every BMC, by its server.
pub(super) type AllTimes = Arc<Mutex<HashMap<ServerId, Arc<Mutex<Times>>>>>;

/// Clients as the agent makes them, whose questions and answers are timed.
pub(super) fn timed(all: &AllTimes) -> Connect {
    let all = Arc::clone(all);
    Box::new(move |spec| {
        let bmc = connect_declared(spec, BmcOptions::default(), LogIns::default(), &KeptSessions::default());
        let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
        // A server that is declared anew keeps its times.
        let times = Arc::clone(all.entry(spec.id).or_default());
        Arc::new(Watched { bmc, times })
    })
}

/// Lets the rack poll for so many intervals, once all have answered that do.
pub async fn measure(endpoints: Vec<BmcEndpoint>, rounds: usize) -> anyhow::Result<Measured> {
    let dir = tempfile::tempdir()?;
    let (back, inputs) = mpsc::channel(INPUTS_MAX);
    let (seen, mut seen_rx) = mpsc::channel::<Seen>(INPUTS_MAX);
    tokio::spawn(async move { while seen_rx.recv().await.is_some() {} });
    let (all, stop) = (AllTimes::default(), CancellationToken::new());
    let beside = (seen, Arc::default());
    let runner = runner(dir.path(), timed(&all), (back.clone(), inputs), beside, stop.clone())?;
    let running = tokio::spawn(runner.run());
    let servers = endpoints.into_iter().enumerate().map(|(number, bmc)| spec(number, bmc)).collect();
    back.send(Input::Declare(Declaration { servers, forget: vec![], complete: true })).await?;
    until_all_answer(&all).await;
    // From here on it counts.
    let times = times_of(&all);
    for one in &times {
        let mut one = one.lock().unwrap_or_else(PoisonError::into_inner);
        (one.longest_between, one.oldest) = Default::default();
    }
    let used = cost::own()?;
    tokio::time::sleep(INTERVAL * rounds as u32).await;
    let used = cost::own()?.saturating_sub(used);
    let mut measured = Measured::from([
        ("round_cpu_s".to_owned(), used.as_secs_f64() / rounds as f64),
        ("bmcs".to_owned(), times.len() as f64),
    ]);
    let (mut between, mut oldest, mut answering) = (Duration::ZERO, Duration::ZERO, 0);
    for one in &times {
        let mut one = one.lock().unwrap_or_else(PoisonError::into_inner);
        if one.answered.is_some() {
            let (asked, answered) = (one.asked, one.answered);
            longer(&mut one.longest_between, asked);
            longer(&mut one.oldest, answered);
            between = between.max(one.longest_between);
            oldest = oldest.max(one.oldest);
            answering += 1;
        }
    }
    stop.cancel();
    running.await?;
    measured.insert("between_s".to_owned(), between.as_secs_f64());
    measured.insert("oldest_s".to_owned(), oldest.as_secs_f64());
    measured.insert("answering".to_owned(), f64::from(answering));
    Ok(measured)
}

async fn until_all_answer(all: &AllTimes) {
    let (mut known, mut since) = (0, Instant::now());
    while known == 0 || since.elapsed() < QUIET {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let times = times_of(all);
        let answered = |times: &&Arc<Mutex<Times>>| {
            times.lock().unwrap_or_else(PoisonError::into_inner).answered.is_some()
        };
        let count = times.iter().filter(answered).count();
        if count != known {
            (known, since) = (count, Instant::now());
        }
    }
}

fn times_of(all: &AllTimes) -> Vec<Arc<Mutex<Times>>> {
    all.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
}

/// A rack of which nothing boots, and that only polls.
pub(super) fn runner(
    dir: &std::path::Path,
    connect: Connect,
    (back, inputs): (mpsc::Sender<Input>, mpsc::Receiver<Input>),
    (seen, health): (mpsc::Sender<Seen>, Arc<HealthBoard>),
    stop: CancellationToken,
) -> anyhow::Result<Runner> {
    let (events, _) = mpsc::channel(1);
    let cache = Arc::new(Cache::open(dir.join("images"), 1 << 20, Arc::new(NoImages))?);
    let boots = dir.join("boots.json");
    let config = ControlConfig {
        listeners: vec![],
        state_dir: dir.to_owned(),
        boots: BootTable::under_way(&boots)?,
        resume_wait: INTERVAL,
        step_silence: agent::ramdisk::STEP_SILENCE_MAX,
    };
    let firmware = Arc::new(Updater::new(Arc::clone(&cache)));
    let ramdisks = Control::start(config, cache, events)?;
    let entry = RamdiskEntry {
        addresses: HashMap::new(),
        fingerprint: ramdisks.fingerprint().to_owned(),
        parts_port: None,
        loaders: Default::default(),
    };
    let issue = |server, plan| ramdisks.issue_again(server, plan);
    let boot_table = Arc::new(BootTable::open(&boots, entry, back.clone(), issue)?);
    let (journal, _) = Journal::open(&dir.join("results"))?;
    let papers = Papers {
        cert: dir.join("agent.pem"),
        key: dir.join("agent.key"),
        renewed: dir.join("certificate.pem"),
    };
    Ok(Runner {
        rack: Rack::new(INTERVAL, rand::random(), Results::default()),
        connect,
        boot_table,
        consoles: Arc::default(),
        ramdisks,
        notary: Arc::new(Notary::new(papers, "bench".parse()?)),
        facts: Arc::default(),
        firmware,
        hardware: Arc::new(Hardware::new(Every { sensors: None, log: None })),
        results: journal,
        seen,
        health,
        back,
        inputs,
        stop,
        stop_wait: STOP_WAIT,
        patience: Patience::default(),
    })
}

fn spec(number: usize, bmc: BmcEndpoint) -> ServerSpec {
    ServerSpec {
        id: ServerId(uuid::Uuid::from_u128(number as u128 + 1)),
        name: format!("node-{number}"),
        bmc,
        macs: vec![],
        other_macs: vec![],
        boot_mode: BootMode::Bios,
        boot_loader: None,
        secure_boot: None,
        expected: Default::default(),
        next_password: None,
        tenancy: None,
    }
}
