//! A coordinator's listeners in front of fakes, and the three who must always be answered.

pub mod flood;

use std::{
    future::Future,
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use axum::Router;
use coordinator_core::{
    agents::{self, AgentHub, Issuer, Older, issue_agent},
    pki::{Authority, Clients, tls},
    visits::Wake,
};
use domain::rim::{FacadeServer, ImageError, ImageSource, ImageStream};
use faces::redfish::RedfishFacade;
use listen::{Terms, terms::API_PLACES_OF_PEER};
use protocol::{
    boot::BootMode,
    convert::{FromAgent, Hello, ToAgent},
    grpc::{self, agent_link_client::AgentLinkClient},
    heartbeat::Heartbeat,
    id::{AgentBootId, RackId, ServerId},
    power::PowerReading,
};
use serde_json::Value;
use store::clock::{Clock, SystemClock};
use tests::fake_hardware::FakeHardware;
use tokio::{net::TcpListener, sync::mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{
    Streaming,
    transport::{Certificate, ClientTlsConfig, Endpoint, Identity},
};

use crate::ui_common;

const PASSWORD: &str = "secret";

/// Waits that end.
pub trait Timed: Future + Sized {
    /// What is awaited comes within this time.
    async fn timed(self, within: Duration, what: &str) -> Self::Output {
        tokio::time::timeout(within, self).await.unwrap_or_else(|_| panic!("not within {within:?}: {what}"))
    }
}

impl<F: Future> Timed for F {}

/// The listeners.
pub struct Site {
    pub api: SocketAddr,
    pub facade: SocketAddr,
    pub agents: SocketAddr,
    issuer: Arc<Issuer>,
    server: ServerId,
    token: String,
    _dir: tempfile::TempDir,
    fakes: ui_common::Fakes,
    _stop: tokio_util::sync::DropGuard,
}

struct NoImages;

#[async_trait]
impl ImageSource for NoImages {
    async fn open(&self, id: &str, _: u64) -> Result<ImageStream, ImageError> {
        Err(ImageError { id: id.to_owned(), reason: "there is none".to_owned(), is_away: false })
    }
}

impl Site {
    /// Opens the three listeners on the terms of the program, as changed by `change`.
    pub async fn start(change: impl Fn(Terms) -> Terms) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        let now_us = SystemClock.now_us();
        let authority = Authority::open_or_create(dir.path(), now_us).unwrap();
        let names = ["127.0.0.1".into(), "localhost".into()];
        let issued = authority.server_certificate(&names, now_us).unwrap();
        let anonymous = tls(&authority, &issued, Clients::Anonymous).unwrap();
        let certified = tls(&authority, &issued, Clients::Certified).unwrap();
        let stop = CancellationToken::new();
        let open = async |router: Router, tls, terms| {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            tokio::spawn(listen::serve(listener, Some(tls), router, change(terms), stop.clone()));
            address
        };

        let fakes = ui_common::start().await;
        let token = "token-demo".to_owned();
        fakes.world.lock().unwrap().tokens.insert(token.clone(), "demo".into());
        let (hardware, server) = (Arc::new(FakeHardware::default()), ServerId::random());
        let entry = FacadeServer {
            id: server,
            name: "rack1-7".into(),
            power: Some(PowerReading::Off),
            boot_mode: BootMode::Uefi,
            macs: vec![],
            hardware: None,
            ramdisk: None,
            root_device: Default::default(),
        };
        hardware.add(entry, &format!("bms-{server}"), PASSWORD);
        let hub = AgentHub::new(fakes.inventory.clone(), Wake::default(), "test".into(), Default::default());
        let issuer = Arc::new(Issuer { authority: Arc::new(authority), days: NonZeroU32::new(1).unwrap() });
        let links = agents::router(agents::Service {
            hub: Arc::new(hub),
            images: Arc::new(NoImages),
            issuer: Arc::clone(&issuer),
            stop: stop.clone(),
        });

        let api =
            open(fakes.router.clone(), Arc::clone(&anonymous), Terms::api(API_PLACES_OF_PEER, vec![])).await;
        let facade = open(RedfishFacade::new(hardware).router(), anonymous, Terms::facade()).await;
        let agents = open(links, certified, Terms::agents()).await;
        let _stop = stop.drop_guard();
        Self { api, facade, agents, issuer, server, token, _dir: dir, fakes, _stop }
    }

    /// A client without connections, at this address.
    fn client(&self, from: [u8; 4]) -> reqwest::Client {
        let root =
            reqwest::Certificate::from_pem(self.issuer.authority.certificate_pem().as_bytes()).unwrap();
        let builder = reqwest::Client::builder().local_address(IpAddr::from(from));
        builder.tls_certs_only([root]).build().unwrap()
    }

    /// Ironic asks for a server's power, as it does for each of them every minute.
    pub async fn ironic_reads_power(&self, from: [u8; 4]) {
        let url = format!("https://{}/redfish/v1/Systems/{}", self.facade, self.server);
        let asked = self.client(from).get(url).basic_auth(format!("bms-{}", self.server), Some(PASSWORD));
        let system: Value = asked.send().await.unwrap().error_for_status().unwrap().json().await.unwrap();
        assert_eq!(system["PowerState"], "Off");
    }

    /// A tenant asks for its servers.
    pub async fn tenant_lists_servers(&self, from: [u8; 4]) {
        let url = format!("https://{}/v1/servers", self.api);
        let asked = self.client(from).get(url).header("x-auth-token", &self.token);
        let list: Value = asked.send().await.unwrap().error_for_status().unwrap().json().await.unwrap();
        assert!(list["items"].is_array(), "{list}");
    }

    /// An agent of a rack of its own that has just connected and was welcomed.
    pub async fn agent(&self) -> Agent {
        let rack: RackId = format!("rack-{}", ServerId::random()).parse().unwrap();
        let out = tempfile::tempdir().unwrap();
        issue_agent(&self.fakes.inventory, &self.issuer, &rack, out.path(), Older::Keep).await.unwrap();
        let read = |name: &str| std::fs::read(out.path().join(name)).unwrap();
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(self.issuer.authority.certificate_pem()))
            .identity(Identity::from_pem(read("agent.pem"), read("agent.key")))
            .domain_name("localhost");
        let endpoint = Endpoint::from_shared(format!("https://{}", self.agents)).unwrap();
        let channel = endpoint.tls_config(tls).unwrap().connect().await.unwrap();
        let (up, outbound) = mpsc::channel(16);
        let hello = Hello {
            rack,
            agent_boot_id: AgentBootId::random(),
            version: "1".into(),
            oldest_unacknowledged: 0,
            consoles: false,
            console_records: false,
            bmc_orders: true,
            cache_orders: true,
            tunnels: true,
        };
        up.send(FromAgent::Hello(hello).into()).await.unwrap();
        let answer = AgentLinkClient::new(channel).connect(ReceiverStream::new(outbound)).await.unwrap();
        let mut agent = Agent { up, down: answer.into_inner(), beats: 0 };
        let welcome = agent.next().await;
        assert!(matches!(welcome, ToAgent::Welcome { .. }), "{welcome:?}");
        agent
    }
}

/// An agent on its stream.
pub struct Agent {
    up: mpsc::Sender<grpc::AgentMessage>,
    down: Streaming<grpc::CoordinatorMessage>,
    beats: u64,
}

impl Agent {
    async fn next(&mut self) -> ToAgent {
        ToAgent::try_from(self.down.message().await.unwrap().expect("the stream goes on")).unwrap()
    }

    /// Its heart beats, and the coordinator says so.
    pub async fn is_heard(&mut self) {
        self.beats += 1;
        let beat = Heartbeat { number: self.beats, oldest_reading: None };
        self.up.send(FromAgent::Heartbeat(beat).into()).await.unwrap();
        while !matches!(self.next().await, ToAgent::Heard { number, .. } if number == self.beats) {}
    }
}
