//! The agents' listener as an agent meets it: TLS with certificates on both sides, reports stored once, commands done once.

mod alive;
mod boots;
mod caches;
mod certificates;
mod commands;
mod facts;
mod hardware;
mod images;
mod ramdisks;
mod rivals;
mod tenancy;
mod tunnels;

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use domain::{
    disks::Erasure,
    events::EventKind,
    lifecycle::{Confirmed, Node},
    records::{AskedBy, CommandKind, Proof, Server, StoredCommand},
    rim::{
        AgentError, Agents, ImageError, ImageSource, ImageStream, ObservedNetwork, Presence, WantedNetwork,
    },
};
use futures::StreamExt;
use listen;
use listen::{Terms, terms::Timers};
use protocol::{
    boot::{Boot, BootPlan, BootProgress, BootPurpose, BootStage},
    command::{Action, Command, CommandResult, Success},
    convert::{Declaration, FromAgent, Hello, ToAgent},
    grpc::{self, agent_link_client::AgentLinkClient},
    hardware::{BmcIdentity, Disk, HardwareReport},
    heartbeat::HEARTBEAT_EVERY,
    id::{AgentBootId, CommandId, RackId, RamdiskSessionId, ServerId},
    network::BootNetwork,
    power::{PowerCause, PowerOffHow, PowerReading},
    report::{Report, ReportBody},
    secret::Secret,
    step::{EraseOrder, Step, StepOutput},
    update::{FirmwareImage, FirmwareUpdate},
    watch::{NotWatched, Watch},
};
use store::{
    EventFilter, Inventory,
    clock::{Clock, SystemClock, TestClock},
    secret::Sealer,
};
use tokio::{net::TcpListener, sync::mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{
    Code, Status, Streaming,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};

use super::{
    hub::{IMAGE_STEP_WAIT_MAX, RAMDISK_WAIT_MAX},
    *,
};
use crate::{
    bench::new_server,
    pki::{Authority, Clients, OwnCertificate, listener_tls},
    visits::{End, Lane, Wake},
};

/// Longest wait for anything in these tests.
const WAIT_MAX: Duration = Duration::from_secs(20);

struct Images;

#[async_trait]
impl ImageSource for Images {
    async fn open(&self, id: &str, offset: u64) -> Result<ImageStream, ImageError> {
        if id != "cirros" {
            return Err(ImageError { id: id.to_owned(), reason: "no such image".to_owned(), is_away: false });
        }
        let rest = Bytes::from(vec![7; 600_000 - usize::try_from(offset).unwrap()]);
        Ok(futures::stream::iter([Ok(rest)]).boxed())
    }
}

/// A certificate with its key, as PEM.
#[derive(Clone)]
struct Papers {
    pem: String,
    key: String,
}

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

struct Site {
    _dir: tempfile::TempDir,
    issuer: Arc<Issuer>,
    papers: Mutex<HashMap<RackId, Papers>>,
    clock: Arc<TestClock>,
    inventory: Inventory,
    hub: Arc<AgentHub>,
    address: SocketAddr,
    stop: CancellationToken,
    server: Server,
}

fn rack() -> RackId {
    "rack1".parse().unwrap()
}

impl Site {
    async fn new() -> Self {
        // The client's side of tonic takes the process's own provider.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(TestClock::default());
        // It stands still; but certificates are compared with the time of day in every handshake.
        clock.advance_us(SystemClock.now_us());
        let inventory = Inventory::in_memory(Sealer::new(&[1; 32]), clock.clone()).await.unwrap();
        let server = inventory.put_server(&new_server()).await.unwrap();
        let pki = dir.path().join("pki");
        let issuer = issuer(&pki);
        let (hub, address, stop) = serve_hub(&issuer, &inventory, Waits::default()).await;
        Self { _dir: dir, issuer, papers: Mutex::default(), clock, inventory, hub, address, stop, server }
    }

    /// The same inventory under a new process.
    async fn restart(&mut self) {
        self.stop.cancel();
        (self.hub, self.address, self.stop) =
            serve_hub(&self.issuer, &self.inventory, Waits::default()).await;
    }

    /// A connection of the agent that has the first certificate of this rack.
    async fn channel(&self, certificate_of: &str) -> Channel {
        let rack: RackId = certificate_of.parse().unwrap();
        let kept = self.papers.lock().unwrap().get(&rack).cloned();
        let papers = match kept {
            Some(papers) => papers,
            None => self.issue(&rack).await,
        };
        self.papers.lock().unwrap().insert(rack, papers.clone());
        self.dial(&papers, LOOPBACK).await.unwrap()
    }

    /// A certificate as `issue-agent` makes it.
    async fn issue(&self, rack: &RackId) -> Papers {
        let out = tempfile::tempdir().unwrap();
        issue_agent(&self.inventory, &self.issuer, rack, out.path(), Older::Keep).await.unwrap();
        let read = |name: &str| std::fs::read_to_string(out.path().join(name)).unwrap();
        Papers { pem: read("agent.pem"), key: read("agent.key") }
    }

    /// A connection with these papers, from this address.
    async fn dial(&self, papers: &Papers, from: IpAddr) -> Result<Channel, tonic::transport::Error> {
        self.dial_at(self.address, papers, from).await
    }

    async fn dial_at(
        &self,
        address: SocketAddr,
        papers: &Papers,
        from: IpAddr,
    ) -> Result<Channel, tonic::transport::Error> {
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(self.issuer.authority.certificate_pem()))
            .identity(Identity::from_pem(&papers.pem, &papers.key))
            .domain_name("localhost");
        let endpoint = Endpoint::from_shared(format!("https://{address}")).unwrap();
        endpoint.tls_config(tls).unwrap().local_address(Some(from)).connect().await
    }

    /// What was told, of this kind.
    async fn told(&self, kind: EventKind) -> Vec<String> {
        let events = self.inventory.events_from(&EventFilter::default()).await.unwrap();
        events.into_iter().filter(|event| event.kind == kind).map(|event| event.text).collect()
    }

    async fn with(waits: Waits) -> Self {
        let mut site = Self::new().await;
        site.stop.cancel();
        (site.hub, site.address, site.stop) = serve_hub(&site.issuer, &site.inventory, waits).await;
        site
    }

    /// An agent that was started just now and has been welcomed.
    async fn agent(&self) -> FakeAgent {
        self.agent_of(AgentBootId::random()).await
    }

    /// This run of an agent, welcomed.
    async fn agent_of(&self, run: AgentBootId) -> FakeAgent {
        let mut agent = FakeAgent::connect(self.channel("rack1").await, run).await;
        let welcome = agent.next().await.unwrap();
        let acknowledged = self.inventory.agent(&rack()).await.unwrap().map_or(0, |agent| agent.acknowledged);
        let ToAgent::Welcome {
            coordinator,
            acknowledged: stored,
            heartbeats,
            certificate_days,
            hardware,
            bmc_healths,
            certificates,
        } = welcome
        else {
            panic!("{welcome:?}")
        };
        assert_eq!((coordinator.as_str(), stored, hardware), ("test", acknowledged, true));
        assert_eq!(heartbeats.map(|wanted| wanted.every), Some(HEARTBEAT_EVERY));
        assert_eq!(certificate_days, Some(CERTIFICATE_DAYS));
        assert!(bmc_healths && certificates);
        let declared = Declaration { servers: vec![self.server.spec()], forget: vec![], complete: true };
        assert_eq!(agent.next().await.unwrap(), ToAgent::Declare(declared));
        agent
    }

    fn agents(&self) -> Hub {
        Hub(Arc::clone(&self.hub))
    }
}

/// What the hub waits for, where a test is not to wait as long.
struct Waits {
    ramdisk: Duration,
    image: Duration,
    keep_alive: Duration,
}

impl Default for Waits {
    fn default() -> Self {
        Self {
            ramdisk: RAMDISK_WAIT_MAX,
            image: IMAGE_STEP_WAIT_MAX,
            keep_alive: listen::terms::KEEP_ALIVE_EVERY,
        }
    }
}

fn issuer(pki: &std::path::Path) -> Arc<Issuer> {
    let authority = Arc::new(Authority::open_or_create(pki, SystemClock.now_us()).unwrap());
    Arc::new(Issuer { authority, days: CERTIFICATE_DAYS })
}

async fn serve_hub(
    issuer: &Arc<Issuer>,
    inventory: &Inventory,
    waits: Waits,
) -> (Arc<AgentHub>, SocketAddr, CancellationToken) {
    serve_hub_with(issuer, inventory, waits, Arc::default()).await
}

async fn serve_hub_with(
    issuer: &Arc<Issuer>,
    inventory: &Inventory,
    waits: Waits,
    limits: Arc<domain::health::SiteLimits>,
) -> (Arc<AgentHub>, SocketAddr, CancellationToken) {
    let own =
        OwnCertificate::open(Arc::clone(&issuer.authority), &["localhost".to_owned()], SystemClock.now_us());
    let config = listener_tls(&issuer.authority, own.unwrap(), Clients::Certified).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut hub = AgentHub::new(inventory.clone(), Wake::default(), "test".to_owned(), limits);
    hub.ramdisk_wait = waits.ramdisk;
    hub.image_wait = waits.image;
    let hub = Arc::new(hub);
    let stop = CancellationToken::new();
    let service = Service {
        hub: Arc::clone(&hub),
        images: Arc::new(Images),
        issuer: Arc::clone(issuer),
        stop: stop.clone(),
    };
    let (links, until) = (router(service), until_void(Arc::clone(&hub)));
    let (keep_alive_every, keep_alive_wait) = (waits.keep_alive, waits.keep_alive);
    let agents = Terms::agents();
    let terms = Terms { timers: Timers { keep_alive_every, keep_alive_wait, ..agents.timers }, ..agents };
    tokio::spawn(listen::serve_until(listener, Some(config), links, terms, Some(until), stop.clone()));
    (hub, address, stop)
}

struct FakeAgent {
    run: AgentBootId,
    up: mpsc::Sender<grpc::AgentMessage>,
    down: Streaming<grpc::CoordinatorMessage>,
}

impl FakeAgent {
    async fn connect(channel: Channel, run: AgentBootId) -> Self {
        let (up, outbound) = mpsc::channel(16);
        let hello = Hello {
            rack: rack(),
            agent_boot_id: run,
            version: "1".to_owned(),
            oldest_unacknowledged: 0,
            consoles: true,
            console_records: true,
            bmc_orders: true,
            cache_orders: true,
            tunnels: true,
        };
        up.send(FromAgent::Hello(hello).into()).await.unwrap();
        let answer = AgentLinkClient::new(channel).connect(ReceiverStream::new(outbound)).await.unwrap();
        Self { run, up, down: answer.into_inner() }
    }

    async fn next(&mut self) -> Result<ToAgent, Status> {
        let message = tokio::time::timeout(WAIT_MAX, self.down.message()).await.expect("a message comes");
        let message = message?.ok_or_else(|| Status::cancelled("the stream ended"))?;
        Ok(ToAgent::try_from(message).unwrap())
    }

    async fn report(&mut self, site: &Site, seq: u64, body: ReportBody) {
        let report = Report { seq, at_us: seq, server: site.server.id, body };
        self.up.send(FromAgent::Report(report).into()).await.unwrap();
    }

    async fn acknowledged(&mut self, seq: u64) {
        assert_eq!(self.next().await.unwrap(), ToAgent::Acknowledge { seq });
    }

    async fn command(&mut self) -> Command {
        loop {
            if let ToAgent::Command(command) = self.next().await.unwrap() {
                return command;
            }
        }
    }
}

fn power(reading: PowerReading) -> ReportBody {
    ReportBody::Power { reading, cause: PowerCause::First }
}

fn done(command: &Command, success: Success) -> ReportBody {
    ReportBody::Command(CommandResult { command: command.id, outcome: Ok(success) })
}

#[tokio::test]
async fn an_agent_speaks_for_its_own_rack_only() {
    let site = Site::new().await;
    let mut impostor = FakeAgent::connect(site.channel("rack2").await, AgentBootId::random()).await;
    let refused = impostor.next().await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
    assert!(!site.hub.connection(&rack()).is_connected());
}

#[tokio::test]
async fn reports_are_stored_once_and_then_acknowledged() {
    let site = Site::new().await;
    let mut agent = site.agent().await;
    assert!(site.hub.connection(&rack()).is_connected());
    agent.report(&site, 1, power(PowerReading::On)).await;
    agent.acknowledged(1).await;
    let reading =
        async || site.inventory.server(site.server.id).await.unwrap().unwrap().power.unwrap().reading;
    assert_eq!(reading().await, PowerReading::On, "stored before it was acknowledged");
    agent.report(&site, 1, power(PowerReading::Off)).await;
    agent.acknowledged(1).await;
    assert_eq!(reading().await, PowerReading::On, "a number that was seen is dropped");
    // A break: what was not acknowledged comes again on the next stream, and the first one ends.
    let mut again = site.agent().await;
    again.report(&site, 2, power(PowerReading::Off)).await;
    again.acknowledged(2).await;
    assert_eq!(reading().await, PowerReading::Off);
    assert!(agent.next().await.is_err(), "one stream per rack");
}

/// The report itself says so: no look at the server comes before.
#[tokio::test]
async fn a_report_of_off_asks_for_the_isolation() {
    let site = Site::new().await;
    let node = Node::in_state(site.server.id, "active".into());
    site.inventory.set_node(site.server.id, Some(&node)).await.unwrap();
    let mut agent = site.agent().await;
    let mut lanes_after = async |seq, reading, expected: &[Lane]| {
        agent.report(&site, seq, power(reading)).await;
        agent.acknowledged(seq).await;
        let visits = std::iter::from_fn(|| site.hub.wake.take());
        let lanes: Vec<_> = visits.map(|visit| (visit.lane, visit.end(End::Done)).0).collect();
        assert_eq!(lanes, expected, "after report {seq}");
    };
    lanes_after(1, PowerReading::On, &[Lane::Check]).await;
    lanes_after(2, PowerReading::Unreachable { reason: "silent".to_owned() }, &[Lane::Check]).await;
    lanes_after(3, PowerReading::Off, &[Lane::Isolate, Lane::Check]).await;
    lanes_after(4, PowerReading::Off, &[Lane::Check]).await;
    // A server that nobody uses is parked in its turn.
    let node = Node::in_state(site.server.id, "available".into());
    site.inventory.set_node(site.server.id, Some(&node)).await.unwrap();
    lanes_after(5, PowerReading::On, &[Lane::Check]).await;
    lanes_after(6, PowerReading::Off, &[Lane::Check]).await;
}

#[tokio::test]
async fn a_server_that_is_not_watched_is_kept_as_such_until_its_bmc_answers() {
    let site = Site::new().await;
    let mut agent = site.agent().await;
    let refused = |reason: &str| ReportBody::Watch {
        watch: Watch::NotWatched { why: NotWatched::CredentialsRefused, reason: reason.to_owned() },
    };
    let unwatched = async || site.inventory.server(site.server.id).await.unwrap().unwrap().unwatched;
    let told = async || {
        let filter = EventFilter { server: Some(site.server.id), ..EventFilter::default() };
        let events = site.inventory.events(&filter).await.unwrap();
        events.into_iter().map(|event| (event.kind, event.text)).collect::<Vec<_>>()
    };
    // What is said, whether it is kept as not watched, and how many events there are then.
    let silent = PowerReading::Unreachable { reason: "refused".to_owned() };
    let steps = [
        (power(PowerReading::On), None, 1),
        (refused("first"), Some("first"), 2),
        // The silence that goes with it is no second alarm, and the agent's word after a break is none either.
        (power(silent), Some("first"), 2),
        (refused("again"), Some("again"), 2),
        (power(PowerReading::On), None, 4),
        (refused("once more"), Some("once more"), 5),
        (ReportBody::Watch { watch: Watch::Watched }, None, 6),
        (ReportBody::Watch { watch: Watch::Watched }, None, 6),
    ];
    for (seq, (said, kept, events)) in (1..).zip(steps) {
        agent.report(&site, seq, said).await;
        agent.acknowledged(seq).await;
        assert_eq!(unwatched().await.map(|it| it.reason).as_deref(), kept, "after report {seq}");
        let told = told().await;
        assert_eq!(told.len(), events, "after report {seq}: {told:?}");
    }
    let told = told().await;
    let alarms: Vec<_> = told.iter().filter(|(kind, _)| *kind == EventKind::Alarm).collect();
    assert_eq!(alarms.len(), 2, "{alarms:?}");
    assert!(alarms[0].1.contains("bmsctl node bmc retry n1"), "{alarms:?}");
}

#[tokio::test]
async fn a_boot_on_the_wrong_network_is_an_alarm_that_names_its_switch_port() {
    let site = Site::new().await;
    let mut agent = site.agent().await;
    let id = site.server.id;
    let mac = site.server.ports[0].mac;
    let proof = Proof {
        id: uuid::Uuid::new_v4(),
        server: id,
        port: "eth0".to_owned(),
        mac,
        asked_by: AskedBy::Gate,
        wanted: WantedNetwork::Boot(BootNetwork::Provisioning),
        observed: Some(ObservedNetwork::Boot(BootNetwork::Provisioning)),
        error: None,
        at_us: 0,
        took_ms: 5,
        tries: 1,
        confirmed_us: None,
        sightings: Vec::new(),
    };
    site.inventory.put_proof(&proof).await.unwrap();
    let refused = |mac, planned| ReportBody::BootRefused {
        network: BootNetwork::Cleaning,
        mac,
        planned,
        reason: "no answer".to_owned(),
    };
    let alarms = async || {
        let events =
            site.inventory.events(&EventFilter { limit: Some(100), ..EventFilter::default() }).await.unwrap();
        let alarms = events.into_iter().filter(|event| event.kind == EventKind::Alarm);
        alarms.map(|event| event.text).collect::<Vec<_>>()
    };
    let reason = async || site.inventory.server(id).await.unwrap().unwrap().reason;
    let mut seq = 0;
    let mut hear = async |body| {
        seq += 1;
        agent.report(&site, seq, body).await;
        agent.acknowledged(seq).await;
    };
    hear(refused(Some(mac), None)).await;
    assert_eq!((alarms().await.len(), reason().await), (0, None), "nobody permitted anything");
    for _ in 0..3 {
        hear(refused(Some(mac), Some(BootNetwork::Provisioning))).await;
    }
    let told = alarms().await;
    assert_eq!(told.len(), 1, "once for a boot ROM that goes on asking: {told:?}");
    for word in [
        "port eth0",
        "leaf1:xe-0/0/1",
        "the cleaning network",
        "only on the provisioning network",
        "check that switch port",
        "power",
    ] {
        assert!(told[0].contains(word), "{word} is not in {}", told[0]);
    }
    assert_eq!(reason().await.as_ref(), Some(&told[0]), "shown while it lasts");
    let proofs = site.inventory.proofs(id).await.unwrap();
    let seen: Vec<_> = proofs[0].sightings.iter().map(|one| (one.network, one.agrees)).collect();
    assert_eq!(seen, [(BootNetwork::Cleaning, false)]);
    let moved_on = BootProgress {
        stage: BootStage::DhcpAck,
        network: BootNetwork::Provisioning,
        mac,
        detail: String::new(),
    };
    hear(ReportBody::Boot(moved_on.clone())).await;
    assert_eq!(reason().await, None, "it is where it should be");
    // Its kind ends a reason, and not its words.
    site.inventory.set_reason(id, Some(&told[0])).await.unwrap();
    hear(ReportBody::Boot(BootProgress { stage: BootStage::Kernel, ..moved_on })).await;
    assert_eq!(reason().await.as_ref(), Some(&told[0]), "another one said the same of something else");
    site.inventory.set_reason(id, None).await.unwrap();
    // An agent of before says less, and so do we.
    hear(refused(None, Some(BootNetwork::Provisioning))).await;
    assert_eq!(alarms().await.len(), 2);
}

#[tokio::test]
async fn who_answers_at_a_bmc_is_learned_and_its_agent_is_told_whom_to_expect() {
    let site = Site::new().await;
    let mut agent = site.agent().await;
    let said = |guid: &str| BmcIdentity { guid: guid.to_owned(), ..BmcIdentity::default() };
    let ours = said("00112233-4455-6677-8899-aabbccddeeff");
    let place = site.server.bmc.place();
    agent.report(&site, 1, ReportBody::Identified { place: place.clone(), identity: ours.clone() }).await;
    let ToAgent::Declare(told) = agent.next().await.unwrap() else { panic!("it is told whom to expect") };
    assert_eq!(told.servers[0].expected.bmc, ours);
    agent.acknowledged(1).await;
    agent.report(&site, 2, power(PowerReading::On)).await;
    agent.acknowledged(2).await;
    // Its BMC is elsewhere now. What the agent still says of the one before, and its first reading there, prove nothing.
    let mut moved = new_server();
    moved.bmc.address = "198.51.100.12".to_owned();
    let moved = site.inventory.put_servers(&[(Some(site.server.id), &moved)]).await.unwrap().remove(0);
    agent.report(&site, 3, ReportBody::Identified { place, identity: ours.clone() }).await;
    agent.report(&site, 4, power(PowerReading::Off)).await;
    agent.acknowledged(3).await;
    agent.acknowledged(4).await;
    let stored = async || site.inventory.server(site.server.id).await.unwrap().unwrap();
    assert_eq!((stored().await.confirmed, stored().await.untold_off), (Some(Confirmed::On), false));
    // There it is itself: the next reading is its own again.
    agent.report(&site, 5, ReportBody::Identified { place: moved.bmc.place(), identity: ours.clone() }).await;
    assert!(matches!(agent.next().await.unwrap(), ToAgent::Declare(_)));
    agent.acknowledged(5).await;
    agent.report(&site, 6, power(PowerReading::Off)).await;
    agent.acknowledged(6).await;
    assert_eq!((stored().await.confirmed, stored().await.bmc_doubt), (Some(Confirmed::Off), None));
}
