//! Edges: control of ramdisks against a client that speaks the real protocol, and some that do not.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, SocketAddrV4, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use agent::{
    image::{Cache, ImageStream, Upstream, UpstreamError},
    ramdisk::{Control, ControlConfig, Event, Listener, STEP_SILENCE_MAX},
};
use async_trait::async_trait;
use protocol::{
    boot::{BootPlan, BootPurpose},
    command::{Failure, FailureKind},
    hardware::HardwareReport,
    id::{CommandId, RamdiskSessionId, ServerId},
    network::BootNetwork,
    ramdisk::{BootArguments, FromAgent, FromRamdisk, LastTask, Task},
    root_device::RootDeviceHints,
    secret::Secret,
    step::{EraseOrder, ImageFormat, ImageRef, Step, StepOutput, StepProgress},
};
use ramdisk::{
    line::Line,
    link::{Link, Received},
    session,
    session_end::SessionEnd,
    stop::Stop,
};
use tokio::{
    sync::mpsc,
    task::{JoinHandle, spawn_blocking},
    time::timeout,
};

const WAIT_MAX: Duration = Duration::from_secs(20);
/// How long a slow way holds back what goes over it.
const HELD_BACK: Duration = Duration::from_millis(200);
const PROVISIONING: BootNetwork = BootNetwork::Provisioning;
const CLEANING: BootNetwork = BootNetwork::Cleaning;

/// Has one image of 3 MiB of sevens.
struct Sevens;

#[async_trait]
impl Upstream for Sevens {
    async fn fetch(&self, _id: &str, offset: u64) -> Result<ImageStream, UpstreamError> {
        let rest = vec![7; (3 << 20) - offset as usize];
        Ok(Box::pin(tokio_stream::iter([Ok(rest.into())])))
    }
}

/// What a welcomed ramdisk knows.
struct Known {
    server: ServerId,
    session: RamdiskSessionId,
    secret: Secret,
}

impl Known {
    fn resume(&self, last: Option<LastTask>) -> FromRamdisk {
        let (session, secret) = (self.session, self.secret.clone());
        FromRamdisk::Resume { session, secret, hardware: Box::default(), last }
    }

    fn boot(&self) -> Vec<(ServerId, BootPlan)> {
        vec![(self.server, plan(PROVISIONING))]
    }
}

fn plan(network: BootNetwork) -> BootPlan {
    BootPlan { purpose: BootPurpose::Deploy, network }
}

fn start(
    dir: &tempfile::TempDir,
    listeners: Vec<Listener>,
    boots: Vec<(ServerId, BootPlan)>,
    resume_wait: Duration,
) -> (Control, mpsc::Receiver<Event>) {
    let cache = Cache::open(dir.path().join("images"), 1 << 30, Arc::new(Sevens)).unwrap();
    let (sender, events) = mpsc::channel(16);
    let config = ControlConfig {
        listeners,
        state_dir: dir.path().to_owned(),
        boots,
        resume_wait,
        step_silence: STEP_SILENCE_MAX,
    };
    (Control::start(config, Arc::new(cache), sender).unwrap(), events)
}

/// What the agent asks next.
async fn asked(mut link: Link) -> (Link, CommandId, Task) {
    let receive = move || match link.receive().unwrap() {
        Received::Message(FromAgent::Run { command, task }) => (link, command, task),
        other => panic!("{other:?}"),
    };
    timeout(WAIT_MAX, spawn_blocking(receive)).await.expect("nothing was asked").unwrap()
}

/// On loopback, whose prefix is as long as `prefix_len`.
fn listener(network: BootNetwork, port: u16, prefix_len: u8) -> Listener {
    let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
    Listener { network, interface: "lo".to_owned(), address, prefix_len }
}

struct Rack {
    control: Control,
    events: mpsc::Receiver<Event>,
    dir: tempfile::TempDir,
    resume_wait: Duration,
}

impl Rack {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listeners = vec![listener(PROVISIONING, 0, 8), listener(CLEANING, 0, 8)];
        let (control, events) = start(&dir, listeners, vec![], WAIT_MAX);
        Self { control, events, dir, resume_wait: WAIT_MAX }
    }

    /// The agent is killed and started again: what is on disk stays.
    async fn restart(&mut self, boots: Vec<(ServerId, BootPlan)>) {
        let same = |network| listener(network, self.control.address(network).unwrap().port(), 8);
        let listeners = vec![same(PROVISIONING), same(CLEANING)];
        self.control.stop().await;
        (self.control, self.events) = start(&self.dir, listeners, boots, self.resume_wait);
    }

    fn issue(&self, server: ServerId, network: BootNetwork) -> Secret {
        self.control.issue(server, plan(network))
    }

    /// Connects and says this first; the agent's answer.
    async fn say(&self, network: BootNetwork, message: FromRamdisk) -> (Link, FromAgent) {
        let address = self.control.address(network).unwrap();
        let fingerprint = self.control.fingerprint().to_owned();
        let connect = move || {
            let mut link = Link::connect(address, &fingerprint).unwrap();
            match link.greet(&message).unwrap() {
                Received::Message(message) => (link, message),
                Received::Data { .. } => panic!("data before a task"),
            }
        };
        timeout(WAIT_MAX, spawn_blocking(connect)).await.unwrap().unwrap()
    }

    async fn hello(&self, network: BootNetwork, token: &Secret) -> (Link, FromAgent) {
        self.say(network, FromRamdisk::Hello { token: token.clone(), hardware: Box::default() }).await
    }

    /// Takes a session up again.
    async fn resume(&mut self, known: &Known, last: Option<LastTask>) -> Link {
        let (link, answer) = self.say(PROVISIONING, known.resume(last)).await;
        assert_eq!(answer, FromAgent::Resumed);
        let ready = self.event().await;
        assert!(matches!(ready, Event::Ready { session, .. } if session == known.session), "{ready:?}");
        link
    }

    async fn refused(&self, network: BootNetwork, message: FromRamdisk, word: &str) {
        let (_, answer) = self.say(network, message).await;
        assert!(matches!(&answer, FromAgent::Refused { reason } if reason.contains(word)), "{answer:?}");
    }

    fn step(
        &self,
        session: RamdiskSessionId,
        command: CommandId,
        step: Step,
    ) -> JoinHandle<Result<StepOutput, Failure>> {
        let control = self.control.clone();
        tokio::spawn(async move { control.run_step(session, command, step, |_| ()).await })
    }

    async fn welcome(&mut self, server: ServerId) -> (Link, Known) {
        let token = self.issue(server, PROVISIONING);
        let (link, answer) = self.hello(PROVISIONING, &token).await;
        let FromAgent::Welcome { session, resume } = answer else { panic!("{answer:?}") };
        let ready = self.event().await;
        assert!(matches!(ready, Event::Ready { session: of, .. } if of == session), "{ready:?}");
        (link, Known { server, session, secret: resume })
    }

    async fn event(&mut self) -> Event {
        timeout(WAIT_MAX, self.events.recv()).await.expect("no event came").unwrap()
    }
}

fn image() -> Step {
    let content = vec![7; 3 << 20];
    let hash = ring::digest::digest(&ring::digest::SHA512, &content);
    Step::write_image(ImageRef {
        id: "sevens".into(),
        format: ImageFormat::Raw,
        size_bytes: content.len() as u64,
        sha512: protocol::hex::encode(hash),
    })
}

#[tokio::test]
async fn a_token_opens_one_session_on_one_network() {
    let mut rack = Rack::new();
    let server = ServerId::random();
    let token = rack.issue(server, PROVISIONING);
    let hello = |token: &Secret| FromRamdisk::Hello { token: token.clone(), hardware: Box::default() };
    rack.refused(CLEANING, hello(&token), "issued for the provisioning network").await;
    rack.refused(PROVISIONING, hello(&Secret::new("0".repeat(64))), "unknown").await;
    let (_link, answer) = rack.hello(PROVISIONING, &token).await;
    assert!(matches!(answer, FromAgent::Welcome { .. }), "{answer:?}");
    rack.refused(PROVISIONING, hello(&token), "used before").await;
    assert!(matches!(rack.event().await, Event::Ready { .. }));
    rack.control.stop().await;
}

#[tokio::test]
async fn another_certificate_is_not_taken() {
    let rack = Rack::new();
    let address = rack.control.address(PROVISIONING).unwrap();
    let hello = FromRamdisk::Hello { token: Secret::new("0".repeat(64)), hardware: Box::default() };
    let sent = spawn_blocking(move || {
        let mut link = Link::connect(address, &"0".repeat(64)).unwrap();
        link.send(&hello)
    });
    let error = sent.await.unwrap().unwrap_err().to_string();
    assert!(error.contains("not the one of the boot script"), "{error}");
}

#[tokio::test]
async fn a_new_hello_and_a_revocation_end_a_session() {
    let mut rack = Rack::new();
    let server = ServerId::random();
    let (_first_link, first) = rack.welcome(server).await;
    let token = rack.issue(server, PROVISIONING);
    let (mut link, _) = rack.hello(PROVISIONING, &token).await;
    let events = [rack.event().await, rack.event().await];
    assert!(
        events.iter().any(|e| matches!(e, Event::Gone { session, .. } if *session == first.session)),
        "{events:?}"
    );
    assert_ne!(rack.control.session(server), Some(first.session));
    let failure = rack.step(first.session, CommandId::random(), Step::Sync).await.unwrap().unwrap_err();
    assert_eq!(failure.kind, FailureKind::NoRamdisk);
    rack.control.revoke(server);
    assert!(matches!(rack.event().await, Event::Gone { .. }));
    assert!(spawn_blocking(move || link.receive()).await.unwrap().is_err());
    assert_eq!(rack.control.session(server), None);
}

/// Nobody else gets its address, and its files are given to it, for as long as it runs.
#[tokio::test]
async fn where_a_ramdisk_runs_is_known_while_its_session_lasts_also_after_a_restart() {
    let mut rack = Rack::new();
    let at = |rack: &Rack| rack.control.live().at(PROVISIONING, Ipv4Addr::LOCALHOST);
    assert_eq!(at(&rack), None);
    let (link, known) = rack.welcome(ServerId::random()).await;
    assert_eq!(at(&rack), Some(known.server));
    assert_eq!(rack.control.live().at(CLEANING, Ipv4Addr::LOCALHOST), None, "on its network alone");
    drop(link);
    rack.restart(known.boot()).await;
    assert_eq!(at(&rack), Some(known.server), "it is about to come back");
    let _link = rack.resume(&known, None).await;
    assert_eq!(at(&rack), Some(known.server));
    rack.control.revoke(known.server);
    assert_eq!(at(&rack), None);
}

#[tokio::test]
async fn garbage_is_dropped_and_others_are_served() {
    let mut rack = Rack::new();
    let address = rack.control.address(PROVISIONING).unwrap();
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0x16, 3, 1, 0xff, 0xff], &[0; 4096]] {
        TcpStream::connect(address).unwrap().write_all(bytes).unwrap();
    }
    rack.welcome(ServerId::random()).await;
}

#[tokio::test]
async fn a_step_streams_reports_and_fails_without_harming_the_next() {
    let mut rack = Rack::new();
    let (mut link, known) = rack.welcome(ServerId::random()).await;
    let session = known.session;
    // The first image is refused in the middle of its bytes, the second one taken.
    let client = spawn_blocking(move || {
        let mut taken = 0;
        for round in 0..2 {
            let Received::Message(FromAgent::Run { command, task }) = link.receive().unwrap() else {
                panic!()
            };
            assert_eq!(
                task,
                Task::WriteImage { virtual_bytes: 3 << 20, root_device: RootDeviceHints::default() }
            );
            loop {
                match link.receive().unwrap() {
                    Received::Data { bytes, .. } => {
                        assert!(bytes.iter().all(|byte| *byte == 7));
                        if round == 0 && taken == 0 {
                            let outcome = Err("the disk is on fire".into());
                            link.send(&FromRamdisk::Finished { command, outcome }).unwrap();
                        }
                        taken += bytes.len();
                    }
                    Received::Message(FromAgent::DataEnd { .. }) => break,
                    Received::Message(other) => panic!("{other:?}"),
                }
            }
            if round == 1 {
                let progress = StepProgress { done_bytes: 1, total_bytes: 2 };
                link.send(&FromRamdisk::Progress { command, progress }).unwrap();
                link.send(&FromRamdisk::Finished { command, outcome: Ok(StepOutput::Done) }).unwrap();
            }
        }
        link
    });
    let failure = rack.step(session, CommandId::random(), image()).await.unwrap().unwrap_err();
    assert_eq!((failure.kind, failure.message.as_str()), (FailureKind::StepFailed, "the disk is on fire"));
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&heard);
    let hear = move |progress| hears.lock().unwrap().push(progress);
    let output = rack.control.run_step(session, CommandId::random(), image(), hear).await;
    assert_eq!(output, Ok(StepOutput::Done));
    assert_eq!(heard.lock().unwrap().len(), 1);
    let link = client.await.unwrap();
    // And one that is lost in the middle of a step, for good.
    let step = rack.step(session, CommandId::random(), Step::EraseDisks(EraseOrder::default()));
    let (link, _, _) = asked(link).await;
    drop(link);
    rack.control.revoke(known.server);
    let failure = timeout(WAIT_MAX, step).await.unwrap().unwrap().unwrap_err();
    assert_eq!(failure.kind, FailureKind::NoRamdisk);
    assert!(matches!(rack.event().await, Event::Gone { .. }));
}

/// The ramdisk's word that a task is done.
async fn finish(mut link: Link, command: CommandId) -> Link {
    let finish = move || {
        link.send(&FromRamdisk::Finished { command, outcome: Ok(StepOutput::Done) }).unwrap();
        link
    };
    spawn_blocking(finish).await.unwrap()
}

async fn done(step: JoinHandle<Result<StepOutput, Failure>>) {
    let outcome = timeout(WAIT_MAX, step).await.expect("the step does not end").unwrap();
    assert_eq!(outcome, Ok(StepOutput::Done));
}

#[tokio::test]
async fn a_step_goes_on_over_a_lost_connection() {
    let mut rack = Rack::new();
    let (link, known) = rack.welcome(ServerId::random()).await;
    let command = CommandId::random();
    let step = rack.step(known.session, command, Step::EraseDisks(EraseOrder::default()));
    let (link, _, _) = asked(link).await;
    drop(link);
    // It is still at it: followed, not given again.
    let link = rack.resume(&known, Some(LastTask::Running { command })).await;
    let _link = finish(link, command).await;
    done(step).await;
}

#[tokio::test]
async fn a_killed_agent_takes_a_session_up_again_and_nothing_is_done_twice() {
    let mut rack = Rack::new();
    let (link, known) = rack.welcome(ServerId::random()).await;
    let [first, second] = [CommandId::random(), CommandId::random()];
    let step = rack.step(known.session, first, Step::EraseDisks(EraseOrder::default()));
    let (link, _, _) = asked(link).await;
    rack.restart(known.boot()).await;
    assert!(step.await.unwrap().is_err(), "its asker died with the agent");
    drop(link);
    // The coordinator asks again before the ramdisk is back; the ramdisk is still at it.
    let step = rack.step(known.session, first, Step::EraseDisks(EraseOrder::default()));
    let link = rack.resume(&known, Some(LastTask::Running { command: first })).await;
    let link = finish(link, first).await;
    done(step).await;
    // One whose bytes were cut off is given again.
    let step = rack.step(known.session, second, image());
    let (link, _, _) = asked(link).await;
    rack.restart(known.boot()).await;
    assert!(step.await.unwrap().is_err());
    drop(link);
    let step = rack.step(known.session, second, Step::Sync);
    let link = rack.resume(&known, None).await;
    let (link, command, _) = asked(link).await;
    assert_eq!(command, second);
    // And of one that has ended meanwhile the outcome is told.
    drop(link);
    let outcome = Ok(StepOutput::Done);
    let _link = rack.resume(&known, Some(LastTask::Ended { command, outcome })).await;
    done(step).await;
}

#[tokio::test]
async fn a_session_is_taken_up_by_its_own_secret_on_its_network_while_its_boot_lasts() {
    let mut rack = Rack::new();
    let (_link, known) = rack.welcome(ServerId::random()).await;
    let (_other_link, other) = rack.welcome(ServerId::random()).await;
    let unopened = ServerId::random();
    let token = rack.issue(unopened, PROVISIONING);
    let stolen = Known { secret: other.secret.clone(), ..known };
    rack.refused(PROVISIONING, stolen.resume(None), "cannot be taken up").await;
    rack.refused(CLEANING, known.resume(None), "cannot be taken up").await;
    let kept = std::fs::read_to_string(rack.dir.path().join("ramdisks.json")).unwrap();
    for secret in [&known.secret, &other.secret, &token] {
        assert!(!kept.contains(secret.reveal()), "a secret is on disk: {kept}");
    }
    // The other's boot was called off, and the unopened one's changed, while the agent was down.
    let boots = vec![(known.server, plan(PROVISIONING)), (unopened, plan(CLEANING))];
    rack.restart(boots).await;
    let gone = rack.event().await;
    assert!(matches!(gone, Event::Gone { session, .. } if session == other.session), "{gone:?}");
    rack.refused(PROVISIONING, other.resume(None), "cannot be taken up").await;
    let hello = FromRamdisk::Hello { token, hardware: Box::default() };
    rack.refused(PROVISIONING, hello, "unknown").await;
    // A boot whose token was used gets no second one by a restart.
    let again = rack.control.issue_again(known.server, plan(PROVISIONING));
    let hello = FromRamdisk::Hello { token: again, hardware: Box::default() };
    rack.refused(PROVISIONING, hello, "unknown").await;
    let _link = rack.resume(&known, None).await;
    // Power off forgets the session.
    rack.control.revoke(known.server);
    assert!(matches!(rack.event().await, Event::Gone { .. }));
    rack.refused(PROVISIONING, known.resume(None), "cannot be taken up").await;
    rack.restart(known.boot()).await;
    rack.refused(PROVISIONING, known.resume(None), "cannot be taken up").await;
}

#[tokio::test]
async fn a_token_outlives_a_killed_agent_and_still_opens_one_session() {
    let mut rack = Rack::new();
    let server = ServerId::random();
    let token = rack.issue(server, PROVISIONING);
    rack.restart(vec![(server, plan(PROVISIONING))]).await;
    let beside = rack.control.issue_again(server, plan(PROVISIONING));
    let (_link, answer) = rack.hello(PROVISIONING, &token).await;
    assert!(matches!(answer, FromAgent::Welcome { .. }), "{answer:?}");
    let hello = FromRamdisk::Hello { token: beside, hardware: Box::default() };
    rack.refused(PROVISIONING, hello, "unknown").await;
}

#[tokio::test]
async fn a_token_whose_welcome_was_not_read_opens_its_session_again() {
    let mut rack = Rack::new();
    let server = ServerId::random();
    let boots = vec![(server, plan(PROVISIONING))];
    let token = rack.issue(server, PROVISIONING);
    let hello = || FromRamdisk::Hello { token: token.clone(), hardware: Box::default() };
    let (unread, answer) = rack.hello(PROVISIONING, &token).await;
    let FromAgent::Welcome { session, resume: first } = answer else { panic!("{answer:?}") };
    rack.refused(PROVISIONING, hello(), "used before").await;
    // Killed before its welcome was read: the ramdisk knows its token and nothing else.
    rack.restart(boots.clone()).await;
    drop(unread);
    rack.refused(CLEANING, hello(), "used before").await;
    let (link, answer) = rack.hello(PROVISIONING, &token).await;
    let FromAgent::Welcome { session: again, resume: secret } = answer else { panic!("{answer:?}") };
    assert_eq!(again, session, "one boot, one session");
    assert!(matches!(rack.event().await, Event::Ready { session: of, .. } if of == session));
    let known = |secret: &Secret| Known { server, session, secret: secret.clone() };
    rack.refused(PROVISIONING, known(&first).resume(None), "cannot be taken up").await;
    rack.refused(PROVISIONING, hello(), "used before").await;
    // It comes back with its secret: it has read its welcome, and its token is worth nothing any more.
    rack.restart(boots.clone()).await;
    drop(link);
    let link = rack.resume(&known(&secret), None).await;
    rack.restart(boots).await;
    drop(link);
    rack.refused(PROVISIONING, hello(), "used before").await;
    let _link = rack.resume(&known(&secret), None).await;
}

#[tokio::test]
async fn a_ramdisk_that_has_spoken_needs_its_secret() {
    let mut rack = Rack::new();
    let server = ServerId::random();
    let token = rack.issue(server, PROVISIONING);
    let (link, answer) = rack.hello(PROVISIONING, &token).await;
    let FromAgent::Welcome { session, .. } = answer else { panic!("{answer:?}") };
    let step = rack.step(session, CommandId::random(), Step::Sync);
    let (link, command, _) = asked(link).await;
    let link = finish(link, command).await;
    done(step).await;
    rack.restart(vec![(server, plan(PROVISIONING))]).await;
    drop(link);
    let hello = FromRamdisk::Hello { token, hardware: Box::default() };
    rack.refused(PROVISIONING, hello, "used before").await;
}

#[tokio::test]
async fn a_ramdisk_that_does_not_come_back_is_gone() {
    let mut rack = Rack::new();
    rack.resume_wait = Duration::from_millis(300);
    rack.restart(vec![]).await;
    let (link, known) = rack.welcome(ServerId::random()).await;
    drop(link);
    let step = rack.step(known.session, CommandId::random(), Step::Sync);
    let gone = rack.event().await;
    assert!(matches!(&gone, Event::Gone { reason, .. } if reason.contains("did not come back")), "{gone:?}");
    assert_eq!(step.await.unwrap().unwrap_err().kind, FailureKind::NoRamdisk);
    rack.refused(PROVISIONING, known.resume(None), "cannot be taken up").await;
}

fn arguments(agent: SocketAddr, rack: &Rack, server: ServerId) -> BootArguments {
    BootArguments {
        agent,
        fingerprint: rack.control.fingerprint().to_owned(),
        token: rack.issue(server, PROVISIONING),
        mac: None,
        address: None,
        lldp_seconds: None,
        parts_port: None,
    }
}

/// The real ramdisk's session, on a thread; only tasks that harm nobody's disks are given to it here.
fn real(rack: &Rack, server: ServerId, resume_wait: Duration) -> JoinHandle<SessionEnd> {
    real_at(rack.control.address(PROVISIONING).unwrap(), rack, server, resume_wait)
}

/// The same, with the agent at this address.
fn real_at(
    agent: SocketAddr,
    rack: &Rack,
    server: ServerId,
    resume_wait: Duration,
) -> JoinHandle<SessionEnd> {
    let arguments = arguments(agent, rack, server);
    spawn_blocking(move || session::run_for(&arguments, &HardwareReport::default, resume_wait))
}

#[tokio::test]
async fn the_ramdisk_finds_its_agent_again() {
    let mut rack = Rack::new();
    let server = ServerId::random();
    let ramdisk = real(&rack, server, WAIT_MAX);
    let Event::Ready { session, .. } = rack.event().await else { panic!("no hello") };
    for _ in 0..2 {
        rack.restart(vec![(server, plan(PROVISIONING))]).await;
        done(rack.step(session, CommandId::random(), Step::Sync)).await;
        let ready = rack.event().await;
        assert!(matches!(ready, Event::Ready { session: of, .. } if of == session), "{ready:?}");
    }
    done(rack.step(session, CommandId::random(), Step::PowerOff)).await;
    let end = timeout(WAIT_MAX, ramdisk).await.unwrap().unwrap();
    assert!(matches!(end, SessionEnd::Told), "{end}");
    let gone = rack.event().await;
    assert!(
        matches!(&gone, Event::Gone { reason, .. } if reason.contains("switched itself off")),
        "{gone:?}"
    );
}

/// A slow way to the agent: what the ramdisk sends is held back for a while, and lost when the server is off.
struct SlowWay {
    address: SocketAddr,
    is_off: Arc<AtomicBool>,
}

impl SlowWay {
    fn new(agent: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let is_off = Arc::new(AtomicBool::new(false));
        let off = Arc::clone(&is_off);
        std::thread::spawn(move || {
            let mut server = listener.accept().unwrap().0;
            let mut rack = TcpStream::connect(agent).unwrap();
            let (mut back_from, mut back_to) = (rack.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut back_from, &mut back_to);
                let _ = back_to.shutdown(Shutdown::Both);
            });
            let mut held = vec![0; 64 << 10];
            while let Ok(length) = server.read(&mut held) {
                std::thread::sleep(HELD_BACK);
                if off.load(Ordering::SeqCst) || (length > 0 && rack.write_all(&held[..length]).is_err()) {
                    return;
                }
                if length == 0 {
                    let _ = rack.shutdown(Shutdown::Write);
                    return;
                }
            }
        });
        Self { address, is_off }
    }
}

/// A server that switches itself off loses what is still on its way: it goes when the agent has heard how its last step ended.
#[tokio::test]
async fn a_ramdisk_switches_off_when_its_agent_has_heard_of_it() {
    let mut rack = Rack::new();
    let server = ServerId::random();
    let way = SlowWay::new(rack.control.address(PROVISIONING).unwrap());
    let ramdisk = real_at(way.address, &rack, server, WAIT_MAX);
    let Event::Ready { session, .. } = rack.event().await else { panic!("no hello") };
    let step = rack.step(session, CommandId::random(), Step::PowerOff);
    let end = timeout(WAIT_MAX, ramdisk).await.unwrap().unwrap();
    way.is_off.store(true, Ordering::SeqCst);
    assert!(matches!(end, SessionEnd::Told), "{end}");
    done(step).await;
    let gone = rack.event().await;
    assert!(
        matches!(&gone, Event::Gone { reason, .. } if reason.contains("switched itself off")),
        "{gone:?}"
    );
}

/// What a rescue does, but for the tools: the session ends when the agent has heard, and not before; an agent that was killed in
/// between hears it from the session that is taken up again.
#[tokio::test]
async fn a_hand_over_ends_the_session_once_the_agent_has_heard_of_it() {
    let mut rack = Rack::new();
    let (link, known) = rack.welcome(ServerId::random()).await;
    let hand_over = Step::HandOver { password_hash: Secret::new("$5$salt$hash") };
    let id = CommandId::random();
    let step = rack.step(known.session, id, hand_over.clone());
    let (link, command, task) = asked(link).await;
    assert_eq!(task, Task::HandOver { password_hash: Secret::new("$5$salt$hash") });
    // The agent is killed before the answer: the ramdisk has let go and says so when it is back.
    drop(link);
    rack.restart(known.boot()).await;
    drop(step);
    let outcome = Ok(StepOutput::HandedOver);
    let step = rack.step(known.session, id, hand_over);
    let _link = rack.resume(&known, Some(LastTask::Ended { command, outcome })).await;
    assert_eq!(step.await.unwrap(), Ok(StepOutput::HandedOver));
    // What the rack does then.
    rack.control.revoke(known.server);
    let gone = rack.event().await;
    assert!(matches!(&gone, Event::Gone { reason, .. } if reason.contains("handed itself over")), "{gone:?}");
    rack.refused(PROVISIONING, known.resume(None), "cannot be taken up").await;
}

/// The ramdisk hears it in the middle of its work, and its answer arrives before the session is over.
#[tokio::test]
async fn an_erase_is_stopped_before_its_session_ends() {
    let mut rack = Rack::new();
    let server = ServerId::random();
    let arguments = arguments(rack.control.address(PROVISIONING).unwrap(), &rack, server);
    let (tell, mut begun) = mpsc::channel(1);
    let ramdisk = spawn_blocking(move || {
        let mut line = Line::open(&arguments, Box::default(), WAIT_MAX)?;
        let (command, _) = line.next_task()?;
        let stop = Stop::default();
        let heard = stop.clone();
        let outcome = line.attend_until(command, &stop, move |_| {
            tell.blocking_send(()).unwrap();
            while !heard.is_said() {
                std::thread::sleep(Duration::from_millis(10));
            }
            Ok(StepOutput::Erased { disks: vec![] })
        })?;
        line.finished(command, outcome);
        line.next_task().map(|_| ())
    });
    let Event::Ready { session, .. } = rack.event().await else { panic!("no hello") };
    let erase = rack.step(session, CommandId::random(), Step::EraseDisks(EraseOrder::default()));
    timeout(WAIT_MAX, begun.recv()).await.expect("it is not begun").unwrap();
    rack.control.revoke(server);
    timeout(WAIT_MAX, rack.control.wound_down(server)).await.unwrap();
    assert_eq!(erase.await.unwrap(), Ok(StepOutput::Erased { disks: vec![] }));
    assert!(matches!(rack.event().await, Event::Gone { .. }));
    let end = timeout(WAIT_MAX, ramdisk).await.unwrap().unwrap();
    assert!(matches!(end, Err(SessionEnd::Refused(_))), "{end:?}");
}

/// Without its tools a ramdisk does not let go, and says why.
#[tokio::test]
async fn a_ramdisk_without_the_tools_of_a_rescue_stays_ours() {
    let mut rack = Rack::new();
    let server = ServerId::random();
    let ramdisk = real(&rack, server, WAIT_MAX);
    let Event::Ready { session, .. } = rack.event().await else { panic!("no hello") };
    let hand_over = Step::HandOver { password_hash: Secret::new("$5$salt$hash") };
    let failure = rack.step(session, CommandId::random(), hand_over).await.unwrap().unwrap_err();
    assert!(failure.message.contains("boot.rescue"), "{failure}");
    done(rack.step(session, CommandId::random(), Step::Sync)).await;
    rack.control.revoke(server);
    let end = timeout(WAIT_MAX, ramdisk).await.unwrap().unwrap();
    assert!(matches!(end, SessionEnd::Refused(_)), "{end}");
}

#[tokio::test]
async fn a_ramdisk_that_lost_its_agent_ends_within_its_bound() {
    let mut rack = Rack::new();
    let server = ServerId::random();
    let lost = real(&rack, server, Duration::from_millis(1500));
    rack.event().await;
    rack.control.stop().await;
    let end = timeout(WAIT_MAX, lost).await.unwrap().unwrap();
    assert!(matches!(end, SessionEnd::Lost(_)), "{end}");
    rack.restart(vec![]).await;
    let refused = real(&rack, server, WAIT_MAX);
    assert!(matches!(rack.event().await, Event::Gone { .. }), "of the first run");
    rack.event().await;
    rack.control.revoke(server);
    let end = timeout(WAIT_MAX, refused).await.unwrap().unwrap();
    assert!(matches!(end, SessionEnd::Refused(_)), "{end}");
}
