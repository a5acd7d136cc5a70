//! The uplink against a coordinator over real mTLS: a broken stream loses nothing and repeats nothing, a killed agent
//! keeps its reports, and nobody without our authority's certificate is spoken to.

use std::{
    net::SocketAddr,
    num::NonZeroU32,
    path::{Path, PathBuf},
    pin::Pin,
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use agent::{
    image::{Cache, Upstream},
    uplink::{
        cache_desk::CacheDesk,
        client::{Request, Seen, Uplink, UplinkConfig},
        health::HealthBoard,
        images::CoordinatorImages,
        papers::{Papers, RENEWED_FILE},
        spool::Spool,
    },
};
use futures::{Stream, StreamExt};
use protocol::{
    bmc_health::{BmcHealth, BreakerState},
    certificate::PublicKey,
    command::{Action, Command},
    convert::{FromAgent, ToAgent},
    grpc::{self as wire, agent_link_server::AgentLinkServer},
    heartbeat::{Heartbeat, HeartbeatsWanted, StreamTime, Wanted},
    id::{AgentBootId, CacheOrderId, CommandId, ServerId},
    image_cache::{CacheAnswer, CacheOrder, CacheVerb, Standing},
    power::{PowerCause, PowerOffHow, PowerReading},
    report::{Report, ReportBody},
    step::{ImageFormat, ImageRef},
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, PublicKeyData};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use tokio::{net::TcpListener, sync::mpsc, time::timeout};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_util::sync::CancellationToken;
use tonic::{
    Response, Status, Streaming,
    transport::{Certificate, Identity, Server, ServerTlsConfig},
};

/// Longest wait for anything that must happen.
const SOON: Duration = Duration::from_secs(20);
const SERVER: ServerId = ServerId(uuid::Uuid::from_u128(5));

/// What the fake coordinator has, and how it misbehaves.
#[derive(Default)]
struct Book {
    stored: Vec<Report>,
    /// Every number received, also repeated ones.
    received: Vec<u64>,
    hellos: usize,
    commands: Vec<Command>,
    /// Break the stream after so many reports.
    break_after: Option<usize>,
    /// Stop acknowledging.
    mute: bool,
    /// Whether it wants heartbeats; its clock stands still.
    heartbeats: Option<HeartbeatsWanted>,
    /// The heartbeats that came.
    beats: Vec<Heartbeat>,
    /// Whether it wants to hear how BMCs answer, and what it heard.
    wants_health: bool,
    healths: Vec<BmcHealth>,
    /// How it answers who asks for a new certificate; none: it does not renew any.
    renew: Option<Renew>,
    /// The keys for which a certificate was asked.
    asked: Vec<PublicKey>,
    /// What was told of the image cache.
    caches: Vec<CacheAnswer>,
    /// The certificate that each stream was opened with.
    shown: Vec<Vec<u8>>,
}

type Renew = Box<dyn Fn(&PublicKey) -> Result<String, String> + Send>;

#[derive(Clone, Default)]
struct Coordinator {
    book: Arc<Mutex<Book>>,
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl wire::agent_link_server::AgentLink for Coordinator {
    type ConnectStream = Answers<wire::CoordinatorMessage>;
    type FetchImageStream = Answers<wire::ImageChunk>;
    type ConsoleStream = Answers<wire::ConsoleDown>;
    type TunnelStream = Answers<wire::TunnelDown>;

    async fn console(
        &self,
        _: tonic::Request<Streaming<wire::ConsoleUp>>,
    ) -> Result<Response<Self::ConsoleStream>, Status> {
        Err(Status::not_found("nobody waits for this console"))
    }

    async fn tunnel(
        &self,
        _: tonic::Request<Streaming<wire::TunnelUp>>,
    ) -> Result<Response<Self::TunnelStream>, Status> {
        Err(Status::not_found("nobody waits for this tunnel"))
    }

    async fn answer_cache(
        &self,
        answer: tonic::Request<wire::CacheAnswer>,
    ) -> Result<Response<wire::CacheHeard>, Status> {
        self.book.lock().unwrap().caches.push(answer.into_inner().try_into().unwrap());
        Ok(Response::new(wire::CacheHeard {}))
    }

    async fn connect(
        &self,
        request: tonic::Request<Streaming<wire::AgentMessage>>,
    ) -> Result<Response<Self::ConnectStream>, Status> {
        let shown = request.peer_certs().expect("every connection shows a certificate");
        self.book.lock().unwrap().shown.push(shown[0].to_vec());
        let mut messages = request.into_inner();
        let book = Arc::clone(&self.book);
        let (answers, answers_rx) = mpsc::channel(64);
        tokio::spawn(async move {
            while let Some(Ok(message)) = messages.next().await {
                let (replies, broken) = {
                    let mut book = book.lock().unwrap();
                    (book.take(FromAgent::try_from(message).unwrap()), book.is_broken())
                };
                for reply in replies {
                    let _ = answers.send(Ok(reply.into())).await;
                }
                if broken {
                    let _ = answers.send(Err(Status::unavailable("restarting"))).await;
                    return;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(answers_rx))))
    }

    async fn fetch_image(
        &self,
        request: tonic::Request<wire::FetchImageRequest>,
    ) -> Result<Response<Self::FetchImageStream>, Status> {
        let request = request.into_inner();
        if request.id != "known" {
            return Err(Status::not_found("there is no such image"));
        }
        let image: Vec<u8> = (0..3_000_000u32).map(|n| n as u8).collect();
        let rest = image[request.offset as usize..].to_vec();
        let chunks: Vec<_> =
            rest.chunks(1 << 20).map(|chunk| Ok(wire::ImageChunk { data: chunk.to_vec() })).collect();
        Ok(Response::new(Box::pin(tokio_stream::iter(chunks))))
    }
}

impl Book {
    fn highest(&self) -> u64 {
        self.stored.last().map_or(0, |report| report.seq)
    }

    fn take(&mut self, message: FromAgent) -> Vec<ToAgent> {
        match message {
            FromAgent::Hello(hello) => {
                assert_eq!(hello.rack.as_str(), "rack-1");
                self.hellos += 1;
                let welcome = ToAgent::Welcome {
                    coordinator: "fake".into(),
                    acknowledged: self.highest(),
                    heartbeats: self.heartbeats,
                    certificate_days: self.renew.as_ref().and_then(|_| NonZeroU32::new(90)),
                    hardware: true,
                    bmc_healths: self.wants_health,
                    certificates: true,
                };
                std::iter::once(welcome).chain(self.commands.iter().cloned().map(ToAgent::Command)).collect()
            }
            FromAgent::Heartbeat(beat) => {
                self.beats.push(beat);
                let at = self.heartbeats.expect("it sends none unasked").at;
                vec![ToAgent::Heard { number: beat.number, at }]
            }
            FromAgent::Health(healths) => {
                assert!(self.wants_health, "nobody asked for {healths:?}");
                self.healths.extend(healths);
                vec![]
            }
            FromAgent::Renew(key) => {
                let answer = self.renew.as_ref().expect("it asks only who renews certificates")(&key);
                self.asked.push(key);
                vec![ToAgent::Renewed(answer)]
            }
            FromAgent::Report(report) => {
                self.received.push(report.seq);
                if report.seq > self.highest() {
                    self.stored.push(report);
                }
                if self.mute { vec![] } else { vec![ToAgent::Acknowledge { seq: self.highest() }] }
            }
        }
    }

    fn is_broken(&mut self) -> bool {
        let broken = self.break_after.is_some_and(|after| self.stored.len() >= after);
        if broken {
            self.break_after = None;
        }
        broken
    }
}

/// An authority, and certificates of it as files.
struct Authority {
    dir: tempfile::TempDir,
    issuer: Arc<CertifiedIssuer<'static, KeyPair>>,
}

impl Authority {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        std::fs::write(dir.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { dir, issuer: Arc::new(issuer) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn sign(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let cert = params.signed_by(&key, &*self.issuer).unwrap();
        (cert.pem(), key.serialize_pem())
    }

    fn uplink_config(&self, address: SocketAddr) -> UplinkConfig {
        let (cert, key) = self.sign("rack-1");
        std::fs::write(self.path("agent.pem"), cert).unwrap();
        std::fs::write(self.path("agent.key"), key).unwrap();
        UplinkConfig {
            coordinator: address.to_string(),
            server_name: "coordinator".into(),
            ca: self.path("ca.pem"),
            papers: Papers {
                cert: self.path("agent.pem"),
                key: self.path("agent.key"),
                renewed: self.path(RENEWED_FILE),
            },
            rack: "rack-1".parse().unwrap(),
        }
    }

    /// Serves on a free port of loopback.
    async fn serve(&self, coordinator: &Coordinator) -> SocketAddr {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (cert, key) = self.sign("coordinator");
        let tls = ServerTlsConfig::new()
            .identity(Identity::from_pem(cert, key))
            .client_ca_root(Certificate::from_pem(self.issuer.pem()));
        let serving = Server::builder()
            .tls_config(tls)
            .unwrap()
            .add_service(AgentLinkServer::new(coordinator.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(serving);
        address
    }
}

struct Running {
    seen: mpsc::Sender<Seen>,
    requests: mpsc::Receiver<Request>,
    task: tokio::task::JoinHandle<()>,
}

fn start(config: UplinkConfig, spool: &Path) -> Running {
    start_telling(config, spool, Arc::default())
}

fn start_telling(config: UplinkConfig, spool: &Path, health: Arc<HealthBoard>) -> Running {
    let (seen, seen_rx) = mpsc::channel(16);
    let (requests_tx, requests) = mpsc::channel(1);
    let spool = Spool::open(spool).unwrap();
    let uplink = Uplink::new(
        Arc::new(config),
        AgentBootId::random(),
        spool,
        seen_rx,
        requests_tx,
        CancellationToken::new(),
    )
    .telling(health);
    Running { seen, requests, task: tokio::spawn(uplink.run()) }
}

async fn see(running: &Running, number: u64) {
    let reading = PowerReading::Unreachable { reason: number.to_string() };
    let body = ReportBody::Power { reading, cause: PowerCause::Unasked };
    timeout(SOON, running.seen.send(Seen { server: SERVER, body }))
        .await
        .expect("the uplink takes reports")
        .unwrap();
}

/// Waits until the book shows it, or says what the book showed last.
async fn until(coordinator: &Coordinator, what: &str, good: impl Fn(&Book) -> bool) {
    let waiting = async {
        while !good(&coordinator.book.lock().unwrap()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    if timeout(SOON, waiting).await.is_err() {
        let book = coordinator.book.lock().unwrap();
        panic!(
            "{what}: stored up to {}, received {:?}, {} hellos",
            book.highest(),
            book.received,
            book.hellos
        );
    }
}

fn assert_all_in_order(coordinator: &Coordinator, count: u64) {
    let book = coordinator.book.lock().unwrap();
    let stored: Vec<_> = book
        .stored
        .iter()
        .map(|report| match &report.body {
            ReportBody::Power { reading: PowerReading::Unreachable { reason }, .. } => {
                (report.seq, reason.clone())
            }
            other => panic!("{other:?}"),
        })
        .collect();
    let expected: Vec<_> = (1..=count).map(|number| (number, number.to_string())).collect();
    assert_eq!(stored, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_stream_loses_nothing_and_repeats_nothing() {
    let authority = Authority::new();
    let coordinator = Coordinator::default();
    coordinator.book.lock().unwrap().break_after = Some(20);
    let address = authority.serve(&coordinator).await;
    let running = start(authority.uplink_config(address), &authority.path("spool"));
    for number in 1..=100 {
        see(&running, number).await;
    }
    until(&coordinator, "100 reports", |book| book.stored.len() == 100).await;
    assert_all_in_order(&coordinator, 100);
    assert_eq!(coordinator.book.lock().unwrap().hellos, 2, "one break, one new stream");
    drop(running.seen);
    timeout(SOON, running.task).await.expect("the uplink ends with the rack").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_agent_keeps_what_was_not_acknowledged() {
    let authority = Authority::new();
    let coordinator = Coordinator::default();
    coordinator.book.lock().unwrap().mute = true;
    let address = authority.serve(&coordinator).await;
    let running = start(authority.uplink_config(address), &authority.path("spool"));
    for number in 1..=30 {
        see(&running, number).await;
    }
    until(&coordinator, "30 reports", |book| book.stored.len() == 30).await;
    running.task.abort(); // nothing is written after this, as after a kill
    let _ = running.task.await;

    // The coordinator has forgotten the last ten, the agent knows nothing but its spool.
    let book = &coordinator.book;
    book.lock().unwrap().stored.truncate(20);
    book.lock().unwrap().mute = false;
    let running = start(authority.uplink_config(address), &authority.path("spool"));
    see(&running, 31).await;
    until(&coordinator, "31 reports", |book| book.stored.len() == 31).await;
    assert_all_in_order(&coordinator, 31);
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_are_taken_while_the_rack_has_no_room_for_commands() {
    let authority = Authority::new();
    let coordinator = Coordinator::default();
    let command =
        |_| Command { id: CommandId::random(), server: SERVER, action: Action::ReadIdentity, wanted: None };
    let commands: Vec<_> = (0..20).map(command).collect();
    coordinator.book.lock().unwrap().commands = commands.clone();
    let address = authority.serve(&coordinator).await;
    let mut running = start(authority.uplink_config(address), &authority.path("spool"));
    for number in 1..=50 {
        see(&running, number).await;
    }
    until(&coordinator, "50 reports", |book| book.stored.len() == 50).await;
    for expected in commands {
        match timeout(SOON, running.requests.recv()).await.expect("a command") {
            Some(Request::Command(given)) => assert_eq!(given.command, expected),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_was_held_up_comes_with_what_is_left_of_its_time() {
    let authority = Authority::new();
    let coordinator = Coordinator::default();
    // By the coordinator's clock the one was given just now, and the other one a minute ago.
    let (now, within) = (StreamTime(600_000), Duration::from_secs(27));
    let command = |given| Command {
        id: CommandId::random(),
        server: SERVER,
        action: Action::PowerOff { how: PowerOffHow::Hard },
        wanted: Some(Wanted { given, within }),
    };
    {
        let mut book = coordinator.book.lock().unwrap();
        book.heartbeats = Some(HeartbeatsWanted { every: Duration::from_millis(100), at: now });
        book.commands = vec![command(now), command(StreamTime(540_000))];
    }
    let address = authority.serve(&coordinator).await;
    let before = Instant::now();
    let mut running = start(authority.uplink_config(address), &authority.path("spool"));
    for is_late in [false, true] {
        match timeout(SOON, running.requests.recv()).await.expect("a command") {
            Some(Request::Command(given)) => {
                assert!(given.until <= Instant::now() + within);
                assert_eq!(given.until < before, is_late, "{given:?}");
            }
            other => panic!("{other:?}"),
        }
    }
    until(&coordinator, "three heartbeats", |book| book.beats.len() >= 3).await;
    let book = coordinator.book.lock().unwrap();
    assert!(book.beats.windows(2).all(|pair| pair[1].number == pair[0].number + 1), "{:?}", book.beats);
}

/// Of each server the last word is told, when the coordinator wants to know; an older one is told nothing.
#[tokio::test(flavor = "multi_thread")]
async fn how_bmcs_answer_is_told_to_who_wants_to_know() {
    let health = |server: u128, asked| BmcHealth {
        server: ServerId(uuid::Uuid::from_u128(server)),
        answers: Some(true),
        asked,
        failed: 0,
        latency: None,
        sessions: 1,
        breaker: BreakerState::Closed,
        last_error: None,
        reading_age: None,
    };
    for wants_health in [false, true] {
        let authority = Authority::new();
        let coordinator = Coordinator::default();
        {
            let mut book = coordinator.book.lock().unwrap();
            book.wants_health = wants_health;
            book.heartbeats = Some(HeartbeatsWanted { every: Duration::from_millis(100), at: StreamTime(1) });
        }
        let address = authority.serve(&coordinator).await;
        let board = Arc::new(HealthBoard::default());
        board.put(vec![health(1, 1), health(2, 1), health(3, 1)]);
        board.put(vec![health(1, 2)]);
        board.forget(health(3, 1).server);
        let config = authority.uplink_config(address);
        let _running = start_telling(config, &authority.path("spool"), Arc::clone(&board));
        if wants_health {
            until(&coordinator, "both", |book| book.healths == [health(1, 2), health(2, 1)]).await;
            board.put(vec![health(2, 3)]);
            until(&coordinator, "news", |book| book.healths.last() == Some(&health(2, 3))).await;
        } else {
            until(&coordinator, "three heartbeats", |book| book.beats.len() >= 3).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn images_are_fetched_from_any_offset() {
    let authority = Authority::new();
    let address = authority.serve(&Coordinator::default()).await;
    let images = CoordinatorImages::new(Arc::new(authority.uplink_config(address)));
    let mut chunks = images.fetch("known", 1_500_000).await.unwrap();
    let mut length = 0;
    while let Some(chunk) = chunks.next().await {
        length += chunk.unwrap().len();
    }
    assert_eq!(length, 1_500_000);
    let error = images.fetch("unknown", 0).await.err().expect("there is no such image");
    assert!(error.reason.contains("there is no such image"), "{error}");
}

#[tokio::test]
async fn orders_for_the_image_cache_are_answered_by_calls_of_their_own() {
    let authority = Authority::new();
    let coordinator = Coordinator::default();
    let config = Arc::new(authority.uplink_config(authority.serve(&coordinator).await));
    let upstream = Arc::new(CoordinatorImages::new(Arc::clone(&config)));
    let cache = Arc::new(Cache::open(authority.path("images"), 10 << 20, upstream).unwrap());
    let desk = CacheDesk::new(config, cache);
    let image: Vec<u8> = (0..3_000_000u32).map(|n| n as u8).collect();
    let image = ImageRef {
        id: "known".into(),
        format: ImageFormat::Raw,
        size_bytes: image.len() as u64,
        sha512: protocol::hex::encode(ring::digest::digest(&ring::digest::SHA512, &image)),
    };
    let looks = CacheVerb::Look;
    let order = async |verb: CacheVerb, is_so: fn(&Standing) -> bool| {
        let id = CacheOrderId::random();
        desk.take(CacheOrder { id, verb });
        until(&coordinator, "an order is answered", |book| book.caches.iter().any(|one| one.id == id)).await;
        let book = coordinator.book.lock().unwrap();
        let answer = book.caches.iter().find(|one| one.id == id).unwrap();
        let state = answer.outcome.as_ref().unwrap();
        assert_eq!(state.max_bytes, 10 << 20);
        state.images.iter().any(|one| one.id.as_deref() == Some("known") && is_so(&one.standing))
    };
    assert!(!order(looks.clone(), |_| true).await, "it is empty");
    assert!(order(CacheVerb::Warm(image), |_| true).await, "it is listed at once");
    let arrived = async {
        while !order(looks.clone(), |standing| matches!(standing, Standing::Whole { .. })).await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, arrived).await.expect("it arrives");
}

/// A key that somebody asked a certificate for.
struct Asked<'a>(&'a PublicKey);

impl PublicKeyData for Asked<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

impl Authority {
    /// Renews as a coordinator does: for 90 days from an hour ago.
    fn renews(&self) -> Renew {
        let issuer = Arc::clone(&self.issuer);
        Box::new(move |key| {
            let mut params = CertificateParams::new(vec!["rack-1".to_owned()]).unwrap();
            let (hour, since) =
                (Duration::from_secs(3600), SystemTime::now().duration_since(UNIX_EPOCH).unwrap());
            params.not_before = rcgen::date_time_ymd(1970, 1, 1) + (since - hour);
            params.not_after = params.not_before + 24 * 90 * hour;
            Ok(params.signed_by(&Asked(key), &*issuer).unwrap().pem())
        })
    }
}

/// The certificates that issuing gives in these tests last for centuries, as those of earlier versions did for decades.
#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_is_used_from_the_next_connection_on() {
    let authority = Authority::new();
    let coordinator = Coordinator::default();
    coordinator.book.lock().unwrap().renew = Some(authority.renews());
    let address = authority.serve(&coordinator).await;
    let config = authority.uplink_config(address);
    let running = start(config, &authority.path("spool"));
    let renewed = authority.path(RENEWED_FILE);
    until(&coordinator, "a certificate on the disk", |_| renewed.exists()).await;
    assert_eq!(coordinator.book.lock().unwrap().shown.len(), 1, "the stream goes on");
    coordinator.book.lock().unwrap().break_after = Some(1);
    see(&running, 1).await;
    see(&running, 2).await;
    until(&coordinator, "a second stream", |book| book.shown.len() == 2 && book.stored.len() == 2).await;
    let book = coordinator.book.lock().unwrap();
    let kept = CertificateDer::from_pem_file(&renewed).unwrap();
    assert_ne!(book.shown[0], kept.to_vec());
    assert_eq!(book.shown[1], kept.to_vec());
    assert_eq!(book.asked.len(), 1, "a new one is not renewed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_no_certificate_for_the_key_is_not_kept_and_ends_nothing() {
    let other = KeyPair::generate().unwrap();
    let other = PublicKey::try_from(other.der_bytes()).unwrap();
    for wrong in ["refused", "another key", "nonsense"] {
        let authority = Authority::new();
        let (good, other) = (authority.renews(), other.clone());
        let coordinator = Coordinator::default();
        coordinator.book.lock().unwrap().renew = Some(match wrong {
            "refused" => Box::new(|_| Err("the certificate before it was revoked".to_owned())),
            "another key" => Box::new(move |_| good(&other)),
            _ => Box::new(|_| Ok("nonsense".to_owned())),
        });
        let address = authority.serve(&coordinator).await;
        let running = start(authority.uplink_config(address), &authority.path("spool"));
        until(&coordinator, "the question", |book| book.asked.len() == 1).await;
        see(&running, 1).await;
        until(&coordinator, "a report", |book| book.stored.len() == 1).await;
        assert!(!authority.path(RENEWED_FILE).exists(), "{wrong}");
        assert_eq!(coordinator.book.lock().unwrap().hellos, 1, "{wrong}");
    }
}

/// An older coordinator says nothing of renewals, and would not understand the question.
#[tokio::test(flavor = "multi_thread")]
async fn who_renews_no_certificates_is_not_asked() {
    let authority = Authority::new();
    let coordinator = Coordinator::default();
    let address = authority.serve(&coordinator).await;
    let running = start(authority.uplink_config(address), &authority.path("spool"));
    see(&running, 1).await;
    until(&coordinator, "a report", |book| book.stored.len() == 1).await;
    assert_eq!(coordinator.book.lock().unwrap().asked, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_not_spoken_to() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let coordinator = Coordinator::default();
    let address = theirs.serve(&coordinator).await;
    let images = CoordinatorImages::new(Arc::new(ours.uplink_config(address)));
    let error = images.fetch("known", 0).await.err().expect("another authority's coordinator");
    assert!(error.reason.contains("cannot connect"), "{error}");
    // And the other way round: their coordinator, our certificate.
    let config = UplinkConfig { ca: theirs.path("ca.pem"), ..ours.uplink_config(address) };
    assert!(CoordinatorImages::new(Arc::new(config)).fetch("known", 0).await.is_err());
    assert_eq!(coordinator.book.lock().unwrap().hellos, 0);
}
