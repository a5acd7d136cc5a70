//! Edges: the ramdisks' port among neighbours who are silent, many, or from elsewhere: a ramdisk is let in all the same.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4},
    sync::Arc,
    time::Duration,
};

use agent::{
    image::{Cache, ImageStream, Upstream, UpstreamError},
    ramdisk::{Control, ControlConfig, Event, Listener, PLACES},
};
use async_trait::async_trait;
use protocol::{
    boot::{BootPlan, BootPurpose},
    id::{CommandId, ServerId},
    network::BootNetwork,
    ramdisk::{FromAgent, FromRamdisk, Task},
    step::Step,
};
use ramdisk::link::{Link, Received};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    sync::mpsc,
    task::spawn_blocking,
    time::timeout,
};

const WAIT_MAX: Duration = Duration::from_secs(20);
const PROVISIONING: BootNetwork = BootNetwork::Provisioning;
const CLEANING: BootNetwork = BootNetwork::Cleaning;

struct NoImages;

#[async_trait]
impl Upstream for NoImages {
    async fn fetch(&self, id: &str, _: u64) -> Result<ImageStream, UpstreamError> {
        panic!("nobody asks for {id}")
    }
}

struct Rack {
    control: Control,
    _events: mpsc::Receiver<Event>,
    _dir: tempfile::TempDir,
}

impl Rack {
    fn new(prefix_len: u8) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path().join("images"), 1 << 20, Arc::new(NoImages)).unwrap();
        let listener = |network| Listener {
            network,
            interface: "lo".to_owned(),
            address: SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0),
            prefix_len,
        };
        let config = ControlConfig {
            listeners: vec![listener(PROVISIONING), listener(CLEANING)],
            state_dir: dir.path().to_owned(),
            boots: vec![],
            resume_wait: WAIT_MAX,
            step_silence: agent::ramdisk::STEP_SILENCE_MAX,
        };
        let (sender, events) = mpsc::channel(16);
        let control = Control::start(config, Arc::new(cache), sender).unwrap();
        Self { control, _events: events, _dir: dir }
    }

    /// A ramdisk boots and says hello. It is at 127.0.0.1.
    async fn ramdisk(&self, network: BootNetwork) -> Link {
        self.ramdisk_of(ServerId::random(), network).await
    }

    async fn ramdisk_of(&self, server: ServerId, network: BootNetwork) -> Link {
        let token = self.control.issue(server, BootPlan { purpose: BootPurpose::Clean, network });
        let hello = FromRamdisk::Hello { token, hardware: Box::default() };
        let (address, fingerprint) = (self.address(network), self.control.fingerprint().to_owned());
        let connect = move || {
            let mut link = Link::connect(address, &fingerprint).unwrap();
            match link.greet(&hello).unwrap() {
                Received::Message(FromAgent::Welcome { .. }) => link,
                other => panic!("{other:?}"),
            }
        };
        timeout(WAIT_MAX, spawn_blocking(connect)).await.expect("a ramdisk is let in").unwrap()
    }

    fn address(&self, network: BootNetwork) -> SocketAddr {
        self.control.address(network).unwrap()
    }

    /// One connection of the nth neighbour, which says nothing.
    async fn silent(&self, network: BootNetwork, nth: u8) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((IpAddr::from([127, 0, 1, nth]), 0).into()).unwrap();
        timeout(WAIT_MAX, socket.connect(self.address(network))).await.unwrap().unwrap()
    }
}

/// Waits until the agent has closed it.
async fn closed(mut stream: TcpStream) {
    let end = timeout(WAIT_MAX, stream.read(&mut [0; 16])).await.expect("the agent closes it");
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
}

#[tokio::test]
async fn one_silent_neighbour_keeps_no_ramdisk_out() {
    let rack = Rack::new(8);
    let mut silent = Vec::new();
    for _ in 0..512 {
        silent.push(rack.silent(PROVISIONING, 1).await);
    }
    let _on_the_same = rack.ramdisk(PROVISIONING).await;
    let _on_the_other = rack.ramdisk(CLEANING).await;
    // All but the last few make room, and those end because they say no hello.
    for stream in silent {
        closed(stream).await;
    }
}

#[tokio::test]
async fn many_silent_neighbours_keep_no_ramdisk_out_and_put_none_out() {
    let rack = Rack::new(8);
    let server = ServerId::random();
    let mut first = rack.ramdisk_of(server, PROVISIONING).await;
    let mut silent = Vec::new();
    // Twice as many as there are places, one from each address.
    for nth in 0..2 * PLACES {
        silent.push(rack.silent(PROVISIONING, u8::try_from(nth % 256).unwrap()).await);
    }
    let _second = rack.ramdisk(PROVISIONING).await;
    let (control, session) = (rack.control.clone(), rack.control.session(server).unwrap());
    tokio::spawn(async move { control.run_step(session, CommandId::random(), Step::Sync, |_| {}).await });
    let asked = timeout(WAIT_MAX, spawn_blocking(move || first.receive().unwrap())).await;
    let asked = asked.expect("the first ramdisk is still connected").unwrap();
    assert!(matches!(asked, Received::Message(FromAgent::Run { task: Task::Sync, .. })), "{asked:?}");
}

#[tokio::test]
async fn whoever_is_not_of_the_network_is_not_spoken_to() {
    let rack = Rack::new(24);
    let _neighbour = rack.ramdisk(PROVISIONING).await;
    let mut stranger = rack.silent(PROVISIONING, 5).await;
    // Whoever is spoken to is answered this by an alert of TLS.
    let _ = stranger.write_all(b"no handshake at all").await;
    closed(stranger).await;
}
