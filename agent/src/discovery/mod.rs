//! Edges: finding servers that nobody has enrolled: BMCs in a range of addresses, and machines that boot on the discovery
//! network while an administrator has it open.
//!
//! ```text
//!   coordinator --Order--> Discovery --Scan--> look, scan: ping, Redfish root, the credentials given, each once
//!                             |      --Open--> window, booter: DHCP for interfaces that are nobody's
//!                             |                ramdisk says hello: report it, switch it off
//!                             |      --Claim--> scan: one BMC, the one password that a list has for it, once
//!                             +----- Finding --> spool
//! ```
//!
//! What must stay true: discovery has its own listener, its own tokens and its own sessions, so that nothing of it can be
//! taken for a server's boot, nor a server's boot for one of its; a machine that is discovered does no step but the one that
//! switches it off; a restart of the agent closes the window.

mod booter;
mod look;
mod marks;
pub mod scan;
pub mod window;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use protocol::{
    discovery::{ADDRESSES_MAX, Claim, Finding, Order, OrderTask, Scan, WINDOW_SECONDS_MAX},
    hardware::HardwareReport,
    id::{CommandId, RamdiskSessionId, ServerId},
    report::ReportBody,
    step::Step,
};
use pxe::{BootFiles, Service, ServiceConfig};
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::booter::{DiscoveryBooter, LABEL};
use crate::{
    boot::BootTable,
    config::Network,
    image::Cache,
    ramdisk::{Control, ControlConfig, ControlError, Event},
    uplink::client::Seen,
};

/// Ramdisks' events and boot stages that wait.
const CHANNEL_MAX: usize = 1024;
/// A ramdisk whose connection is lost is waited for so long; it has nothing to do but to switch off.
const RESUME_WAIT: Duration = Duration::from_secs(20);
/// How often a scan's progress is reported.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);
/// BMCs that are tried by a password of their own at the same time; as many as a scan can find wait for their turn.
const CLAIMS_AT_ONCE: usize = 8;
const CLAIMS_MAX: usize = ADDRESSES_MAX as usize;
/// Where Linux tells which Ethernet address is at which IP address.
const NEIGHBOURS: &str = "/proc/net/arp";
/// The directory for its tokens' digests, in the state directory.
const STATE: &str = "discovery";

/// Why discovery cannot start.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// Its directory.
    #[error("cannot make the directory {STATE} in the state_dir; check its owner and mode")]
    State(#[source] std::io::Error),
    /// The ramdisks' port.
    #[error(transparent)]
    Ramdisks(#[from] ControlError),
    /// DHCP, TFTP or HTTP.
    #[error(transparent)]
    Network(#[from] pxe::StartError),
}

/// The discovery network and what is served on it.
pub struct Place<'a> {
    /// Our interface and address on it.
    pub network: &'a Network,
    /// TCP port for scripts, kernels and ramdisks.
    pub http_port: u16,
    /// TCP port for ramdisks.
    pub ramdisk_port: u16,
    /// What machines boot.
    pub files: BootFiles,
    /// Images; none is written here.
    pub images: Arc<Cache>,
    /// Whom not to answer.
    pub boot_table: Arc<BootTable>,
    /// The agent's state directory.
    pub state_dir: &'a Path,
}

struct Served {
    booter: Arc<DiscoveryBooter>,
    ramdisks: Control,
    service: Service,
}

/// Discovery, to be [`run`](Discovery::run).
pub struct Discovery {
    served: Option<Served>,
    events: mpsc::Receiver<Event>,
    orders: mpsc::Receiver<Order>,
    seen: mpsc::Sender<Seen>,
    tasks: JoinSet<()>,
    scanning: Option<Uuid>,
    claims: Arc<Semaphore>,
    neighbours: PathBuf,
    scans_ended: (mpsc::Sender<Uuid>, mpsc::Receiver<Uuid>),
}

impl Discovery {
    /// Opens what is served on the discovery network, if there is one. Its window is closed.
    pub fn start(
        place: Option<Place<'_>>,
        orders: mpsc::Receiver<Order>,
        seen: mpsc::Sender<Seen>,
    ) -> Result<Self, DiscoveryError> {
        let (events_in, events) = mpsc::channel(CHANNEL_MAX);
        let served = match place {
            Some(place) => Some(serve(place, events_in)?),
            None => None,
        };
        let (tasks, scans_ended) = (JoinSet::new(), mpsc::channel(1));
        let claims = Arc::new(Semaphore::new(CLAIMS_AT_ONCE));
        let neighbours = NEIGHBOURS.into();
        Ok(Self { served, events, orders, seen, tasks, scanning: None, claims, neighbours, scans_ended })
    }

    /// The same, with another file in which Ethernet addresses are looked up, of Linux's own form.
    pub fn with_neighbours(self, neighbours: PathBuf) -> Self {
        Self { neighbours, ..self }
    }

    /// Does what is ordered until it is told to stop.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            let until = self.served.as_ref().and_then(|served| served.booter.until());
            let over = async {
                match until {
                    Some(until) => tokio::time::sleep_until(until.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => break,
                order = self.orders.recv() => match order {
                    Some(order) => self.take(order).await,
                    None => break,
                },
                Some(event) = self.events.recv() => self.ramdisk(event).await,
                () = over => self.close("its time is over").await,
                Some(scan) = self.scans_ended.1.recv() => {
                    self.scanning.take_if(|under_way| *under_way == scan);
                }
                Some(_) = self.tasks.join_next(), if !self.tasks.is_empty() => {}
            }
        }
        self.close("the agent is stopping").await;
        if let Some(scan) = self.scanning.take() {
            self.report(scan, Finding::ScanEnded { fault: "the agent is stopping".into() }).await;
        }
        self.tasks.shutdown().await;
        if let Some(served) = self.served.take() {
            served.service.stop().await;
            served.ramdisks.stop().await;
        }
    }

    async fn take(&mut self, order: Order) {
        let Order { id, task } = order;
        match task {
            OrderTask::Scan(scan) => self.scan(id, scan).await,
            OrderTask::Open { seconds, never } => {
                let Some(served) = &self.served else {
                    let reason = "the agent's configuration has no [networks.discovery]".to_owned();
                    return self.report(id, Finding::WindowEnded { reason }).await;
                };
                let time = Duration::from_secs(seconds.min(WINDOW_SECONDS_MAX).into());
                tracing::info!(order = %id, seconds, "the discovery network is open");
                if let Some(before) = served.booter.open(id, time, never) {
                    let reason = "it was opened again".to_owned();
                    self.report(before.order, Finding::WindowEnded { reason }).await;
                }
            }
            OrderTask::Close => self.close("an administrator closed it").await,
            OrderTask::Claim(claim) => self.claim(id, claim),
        }
    }

    async fn scan(&mut self, id: Uuid, scan: Scan) {
        let fault = match self.scanning {
            Some(_) => "another scan of this agent is under way; wait for its end".to_owned(),
            None => scan::fault(&scan),
        };
        if !fault.is_empty() {
            return self.report(id, Finding::ScanEnded { fault }).await;
        }
        self.scanning = Some(id);
        let (seen, ended) = (self.seen.clone(), self.scans_ended.0.clone());
        let neighbours = self.neighbours.clone();
        self.tasks.spawn(async move {
            let total = scan.ranges.iter().map(|range| range.count()).sum();
            let done = AtomicU32::new(0);
            let found = |bmc| send(&seen, id, Finding::Bmc(Box::new(bmc)));
            let progress = async {
                loop {
                    tokio::time::sleep(PROGRESS_EVERY).await;
                    send(&seen, id, Finding::Progress { done: done.load(Ordering::Relaxed), total }).await;
                }
            };
            tokio::select! {
                () = scan::run(&scan, &neighbours, found, &done) => {}
                () = progress => {}
            }
            send(&seen, id, Finding::ScanEnded { fault: String::new() }).await;
            let _ = ended.send(id).await;
        });
    }

    fn claim(&mut self, id: Uuid, claim: Claim) {
        if self.tasks.len() >= CLAIMS_MAX {
            // It is ordered again.
            return tracing::warn!(order = %id, "too many BMCs wait to be tried by a password of their own");
        }
        let (seen, turns) = (self.seen.clone(), Arc::clone(&self.claims));
        self.tasks.spawn(async move {
            let Ok(_turn) = turns.acquire().await else { return };
            send(&seen, id, Finding::Bmc(Box::new(scan::claim(claim).await))).await;
        });
    }

    async fn ramdisk(&mut self, event: Event) {
        match event {
            Event::Ready { server, session, hardware, .. } => self.machine(server, session, hardware).await,
            Event::Gone { server, reason, .. } => {
                tracing::info!(machine = %server, reason, "a discovered machine's ramdisk is gone");
            }
        }
    }

    /// A machine is here: it is reported and sent off again. One that comes back with a lost connection is sent off again.
    async fn machine(&mut self, id: ServerId, session: RamdiskSessionId, hardware: Box<HardwareReport>) {
        let Some(served) = &self.served else { return };
        let macs = hardware.nics.iter().map(|nic| nic.mac).collect();
        if let Some(order) = served.booter.found(id, macs) {
            tracing::info!(machine = %id, uuid = hardware.system.uuid, "machine discovered");
            self.report(order, Finding::Machine { hardware }).await;
        }
        let ramdisks = served.ramdisks.clone();
        self.tasks.spawn(async move {
            let done = ramdisks.run_step(session, CommandId::random(), Step::PowerOff, |_| {}).await;
            if let Err(failure) = done {
                tracing::warn!(machine = %id, %failure, "a discovered machine was not switched off");
            }
        });
    }

    async fn close(&self, reason: &str) {
        let ended = self.served.as_ref().and_then(|served| served.booter.close());
        if let Some(ended) = ended {
            tracing::info!(order = %ended.order, reason, "the discovery network is closed");
            self.report(ended.order, Finding::WindowEnded { reason: reason.to_owned() }).await;
        }
    }

    async fn report(&self, order: Uuid, finding: Finding) {
        send(&self.seen, order, finding).await;
    }
}

async fn send(seen: &mpsc::Sender<Seen>, order: Uuid, finding: Finding) {
    let report = Seen { server: ServerId(order), body: ReportBody::Found { finding } };
    if seen.send(report).await.is_err() {
        tracing::error!(%order, "the uplink is gone, a finding is lost");
    }
}

fn serve(place: Place<'_>, events: mpsc::Sender<Event>) -> Result<Served, DiscoveryError> {
    let state_dir = place.state_dir.join(STATE);
    std::fs::create_dir_all(&state_dir).map_err(DiscoveryError::State)?;
    let listener = place.network.ramdisks(LABEL, place.ramdisk_port);
    let address = SocketAddr::from(listener.address);
    let control = ControlConfig {
        listeners: vec![listener],
        state_dir: state_dir.clone(),
        // None of an earlier run goes on: the window has closed with it.
        boots: Vec::new(),
        resume_wait: RESUME_WAIT,
        step_silence: crate::ramdisk::STEP_SILENCE_MAX,
    };
    let ramdisks = Control::start(control, place.images, events)?;
    let booter = Arc::new(DiscoveryBooter::new(place.boot_table, ramdisks.clone(), address));
    let config = ServiceConfig {
        network: LABEL,
        name: STATE,
        interface: place.network.interface.clone(),
        address: place.network.address,
        prefix_len: place.network.prefix,
        range: place.network.range,
        relays: place.network.relays4(),
        ipv6: place.network.ipv6(),
        leases: Some(state_dir.join("leases")),
        // Of a machine that nobody knows all is to be seen, whatever it boots by.
        files: BootFiles { parts: None, virtual_servers: None, ..place.files },
        http_port: place.http_port,
        alone: None,
    };
    let (stages, mut stages_out) = mpsc::channel(CHANNEL_MAX);
    // How far such a boot has come is in the log; nobody waits for it.
    tokio::spawn(async move { while stages_out.recv().await.is_some() {} });
    let service = Service::start(config, booter.clone(), stages)?;
    Ok(Served { booter, ramdisks, service })
}
