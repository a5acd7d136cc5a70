//! Edges: control of ramdisks against a client that speaks the real protocol, and some that do not.

use std::{
    io::Write,
    net::{SocketAddr, TcpStream},
    sync::{Arc, Mutex},
    time::Duration,
};

use agent::{
    image::{Cache, ImageStream, Upstream, UpstreamError},
    ramdisk::{Control, ControlConfig, Event},
};
use async_trait::async_trait;
use protocol::{
    boot::{BootPlan, BootPurpose},
    command::FailureKind,
    hardware::HardwareReport,
    id::{RamdiskSessionId, ServerId},
    network::BootNetwork,
    ramdisk::{FromAgent, FromRamdisk, Task},
    secret::Secret,
    step::{ImageFormat, ImageRef, Step, StepOutput, StepProgress},
};
use ramdisk::link::{Link, Received};
use tokio::{sync::mpsc, task::spawn_blocking, time::timeout};

const WAIT_MAX: Duration = Duration::from_secs(20);
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

struct Rack {
    control: Control,
    events: mpsc::Receiver<Event>,
    _images: tempfile::TempDir,
}

impl Rack {
    async fn new() -> Self {
        let images = tempfile::tempdir().unwrap();
        let cache = Cache::open(images.path(), 1 << 30, Arc::new(Sevens)).unwrap();
        let (sender, events) = mpsc::channel(16);
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let config = ControlConfig { listeners: vec![(PROVISIONING, any), (CLEANING, any)] };
        let control = Control::start(config, Arc::new(cache), sender).await.unwrap();
        Self { control, events, _images: images }
    }

    fn issue(&self, server: ServerId, network: BootNetwork) -> Secret {
        self.control.issue(server, BootPlan { purpose: BootPurpose::Deploy, network })
    }

    /// Connects and says hello; the agent's answer.
    async fn hello(&self, network: BootNetwork, token: &Secret) -> (Link, FromAgent) {
        let address = self.control.address(network).unwrap();
        let (fingerprint, token) = (self.control.fingerprint().to_owned(), token.reveal().to_owned());
        let connect = move || {
            let mut link = Link::connect(address, &fingerprint).unwrap();
            link.send(&FromRamdisk::Hello { token, hardware: Box::new(HardwareReport::default()) }).unwrap();
            match link.receive().unwrap() {
                Received::Message(message) => (link, message),
                Received::Data { .. } => panic!("data before a task"),
            }
        };
        timeout(WAIT_MAX, spawn_blocking(connect)).await.unwrap().unwrap()
    }

    async fn welcome(&mut self, server: ServerId) -> (Link, RamdiskSessionId) {
        let token = self.issue(server, PROVISIONING);
        let (link, answer) = self.hello(PROVISIONING, &token).await;
        let FromAgent::Welcome { session } = answer else { panic!("{answer:?}") };
        let ready = self.event().await;
        assert!(matches!(ready, Event::Ready { session: of, .. } if of == session), "{ready:?}");
        (link, session)
    }

    async fn event(&mut self) -> Event {
        timeout(WAIT_MAX, self.events.recv()).await.expect("no event came").unwrap()
    }
}

fn image() -> Step {
    let content = vec![7; 3 << 20];
    let hash = ring::digest::digest(&ring::digest::SHA512, &content);
    Step::WriteImage(ImageRef {
        id: "sevens".into(),
        format: ImageFormat::Raw,
        size_bytes: content.len() as u64,
        sha512: hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect(),
    })
}

#[tokio::test]
async fn a_token_opens_one_session_on_one_network() {
    let mut rack = Rack::new().await;
    let server = ServerId::random();
    let token = rack.issue(server, PROVISIONING);
    let refused = async |network, token: &Secret, word: &str| {
        let (_, answer) = rack.hello(network, token).await;
        assert!(matches!(&answer, FromAgent::Refused { reason } if reason.contains(word)), "{answer:?}");
    };
    refused(CLEANING, &token, "issued for the provisioning network").await;
    refused(PROVISIONING, &Secret::new("0".repeat(64)), "unknown").await;
    let (_link, answer) = rack.hello(PROVISIONING, &token).await;
    assert!(matches!(answer, FromAgent::Welcome { .. }), "{answer:?}");
    refused(PROVISIONING, &token, "used before").await;
    assert!(matches!(rack.event().await, Event::Ready { .. }));
    rack.control.stop().await;
}

#[tokio::test]
async fn another_certificate_is_not_taken() {
    let rack = Rack::new().await;
    let address = rack.control.address(PROVISIONING).unwrap();
    let hello = FromRamdisk::Hello { token: "0".repeat(64), hardware: Box::default() };
    let sent = spawn_blocking(move || {
        let mut link = Link::connect(address, &"0".repeat(64)).unwrap();
        link.send(&hello)
    });
    let error = sent.await.unwrap().unwrap_err().to_string();
    assert!(error.contains("not the one of the boot script"), "{error}");
}

#[tokio::test]
async fn a_new_hello_and_a_revocation_end_a_session() {
    let mut rack = Rack::new().await;
    let server = ServerId::random();
    let (_first_link, first) = rack.welcome(server).await;
    let token = rack.issue(server, PROVISIONING);
    let (mut link, _) = rack.hello(PROVISIONING, &token).await;
    let events = [rack.event().await, rack.event().await];
    assert!(
        events.iter().any(|e| matches!(e, Event::Gone { session, .. } if *session == first)),
        "{events:?}"
    );
    assert_ne!(rack.control.session(server), Some(first));
    let failure = rack.control.run_step(first, Step::Sync, |_| ()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::NoRamdisk);
    rack.control.revoke(server);
    assert!(matches!(rack.event().await, Event::Gone { .. }));
    assert!(spawn_blocking(move || link.receive()).await.unwrap().is_err());
    assert_eq!(rack.control.session(server), None);
}

#[tokio::test]
async fn garbage_is_dropped_and_others_are_served() {
    let mut rack = Rack::new().await;
    let address = rack.control.address(PROVISIONING).unwrap();
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0x16, 3, 1, 0xff, 0xff], &[0; 4096]] {
        TcpStream::connect(address).unwrap().write_all(bytes).unwrap();
    }
    rack.welcome(ServerId::random()).await;
}

#[tokio::test]
async fn a_step_streams_reports_and_fails_without_harming_the_next() {
    let mut rack = Rack::new().await;
    let (mut link, session) = rack.welcome(ServerId::random()).await;
    // The first image is refused in the middle of its bytes, the second one taken.
    let client = spawn_blocking(move || {
        let mut taken = 0;
        for round in 0..2 {
            let Received::Message(FromAgent::Run { number, task }) = link.receive().unwrap() else {
                panic!()
            };
            assert_eq!(task, Task::WriteImage { virtual_bytes: 3 << 20 });
            loop {
                match link.receive().unwrap() {
                    Received::Data { bytes, .. } => {
                        assert!(bytes.iter().all(|byte| *byte == 7));
                        if round == 0 && taken == 0 {
                            let outcome = Err("the disk is on fire".into());
                            link.send(&FromRamdisk::Finished { number, outcome }).unwrap();
                        }
                        taken += bytes.len();
                    }
                    Received::Message(FromAgent::DataEnd { .. }) => break,
                    Received::Message(other) => panic!("{other:?}"),
                }
            }
            if round == 1 {
                let progress = StepProgress { done_bytes: 1, total_bytes: 2 };
                link.send(&FromRamdisk::Progress { number, progress }).unwrap();
                link.send(&FromRamdisk::Finished { number, outcome: Ok(StepOutput::Done) }).unwrap();
            }
        }
        link
    });
    let failure = rack.control.run_step(session, image(), |_| ()).await.unwrap_err();
    assert_eq!((failure.kind, failure.message.as_str()), (FailureKind::StepFailed, "the disk is on fire"));
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&heard);
    let output =
        rack.control.run_step(session, image(), move |progress| hears.lock().unwrap().push(progress)).await;
    assert_eq!(output, Ok(StepOutput::Done));
    assert_eq!(heard.lock().unwrap().len(), 1);
    let link = client.await.unwrap();
    // And one that is lost in the middle of a step.
    let control = rack.control.clone();
    let step = tokio::spawn(async move { control.run_step(session, Step::EraseDisks, |_| ()).await });
    tokio::task::yield_now().await;
    drop(link);
    let failure = timeout(WAIT_MAX, step).await.unwrap().unwrap().unwrap_err();
    assert_eq!(failure.kind, FailureKind::NoRamdisk);
    assert!(matches!(rack.event().await, Event::Gone { .. }));
}
