//! A coordinator's REST API before a cloud in memory, and an agent with the consoles of servers that print back what is typed.
#![allow(dead_code, reason = "each file of tests uses what it needs")]

use std::{
    net::SocketAddr,
    num::NonZeroU32,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use agent::{
    bmc::{
        Bmc, BmcError, Power,
        console::{Console, Heard, Take, Typed, pair},
    },
    console::{
        Consoles,
        record::{Recorder, Room},
    },
    uplink::{
        client::{Request, Uplink, UplinkConfig},
        consoles::ConsoleStreams,
        papers::Papers,
        spool::Spool,
    },
};
use async_trait::async_trait;
use coordinator_core::{
    adoption::Adoptions,
    agents::{self, Issuer, Older, issue_agent},
    core::{Core, Outside, Site as CoreSite},
    discovery::Discovery,
    images::Uploads,
    pki::{Authority, Clients, tls},
    survey::Survey,
    tenancy::Tenancy,
};
use domain::{
    lifecycle::{Node, ProvisionState},
    records::{TenantServer, TenantServerState},
    rim::{Adopter, ImageError, ImageSource, ImageStream, Instance, ProvisionerError},
};
use faces::{
    access::{AdminProject, Authenticator, RoleNames},
    api::{self, Api},
    ui,
};
use fakes::{
    Fake, World,
    cloud::{ADMIN_PROJECT, Cloud},
    new_server,
};
use listen::{Terms, terms::API_PLACES_OF_PEER};
use protocol::{
    boot::{BootDevice, BootMode, Persistence},
    hardware::BmcIdentity,
    id::{AgentBootId, RackId, ServerId},
};
use store::{
    Inventory,
    clock::{Clock, SystemClock},
    secret::Sealer,
};
use tokio::{net::TcpListener, sync::mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

/// The tenant's server.
pub const WEB: Uuid = Uuid::from_u128(77);
/// Nova's server of it.
const INSTANCE: Uuid = Uuid::from_u128(78);

/// A BMC whose server prints back what is typed.
#[derive(Default)]
pub struct Echo {
    /// Consoles that are open.
    pub open: Arc<AtomicUsize>,
}

#[async_trait]
impl Bmc for Echo {
    async fn power_status(&self) -> Result<Power, BmcError> {
        Ok(Power::On)
    }
    async fn power_on(&self) -> Result<(), BmcError> {
        Ok(())
    }
    async fn power_off(&self) -> Result<(), BmcError> {
        Ok(())
    }
    async fn soft_off(&self) -> Result<(), BmcError> {
        Ok(())
    }
    async fn reset(&self) -> Result<(), BmcError> {
        Ok(())
    }
    async fn set_boot_device(&self, _: BootDevice, _: Persistence, _: BootMode) -> Result<(), BmcError> {
        Ok(())
    }
    async fn identity(&self) -> Result<BmcIdentity, BmcError> {
        Ok(BmcIdentity::default())
    }
    async fn console(&self, _: Take) -> Result<Console, BmcError> {
        let (console, mut far) = pair();
        let open = Arc::clone(&self.open);
        open.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(async move {
            while let Some(typed) = far.typed.recv().await {
                let heard = match typed {
                    Typed::Characters(characters) => Heard::Characters(characters),
                    Typed::Break => Heard::Break,
                };
                let _ = far.heard.send(heard).await;
            }
            open.fetch_sub(1, Ordering::SeqCst);
        });
        Ok(console)
    }
}

/// Everything that runs.
pub struct Site {
    /// The REST API.
    pub api: SocketAddr,
    /// What is stored.
    pub inventory: Inventory,
    /// The cloud.
    pub cloud: Arc<Cloud>,
    /// The node.
    pub node: ServerId,
    /// Its BMC.
    pub bmc: Arc<Echo>,
    /// What is done with servers.
    pub core: Arc<Core>,
    dir: tempfile::TempDir,
    _stop: DropGuard,
}

struct NoImages;

#[async_trait]
impl ImageSource for NoImages {
    async fn open(&self, id: &str, _: u64) -> Result<ImageStream, ImageError> {
        Err(ImageError { id: id.to_owned(), reason: "there is none".to_owned(), is_away: false })
    }
}

/// Nobody adopts anything here.
struct NoAdopter;

#[async_trait]
impl Adopter for NoAdopter {
    async fn manage(&self, _: ServerId) -> Result<(), ProvisionerError> {
        Ok(())
    }
    async fn set_instance(&self, _: ServerId, _: &Instance) -> Result<(), ProvisionerError> {
        Ok(())
    }
    async fn clear_instance(&self, _: ServerId) -> Result<(), ProvisionerError> {
        Ok(())
    }
    async fn adopt(&self, _: ServerId) -> Result<(), ProvisionerError> {
        Ok(())
    }
}

impl Site {
    /// Starts it; the agent is connected when this returns.
    pub async fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        let cloud = Arc::new(Cloud::default());
        let inventory = Inventory::in_memory(Sealer::new(&[1; 32]), Arc::new(SystemClock)).await.unwrap();
        let server = inventory.put_server(&new_server()).await.unwrap();
        let (node, rack) = (server.id, server.rack);
        inventory.put_tenant_server(&tenant_server(node)).await.unwrap();

        let core = core_of(&inventory, &cloud);
        let admins = AdminProject::Given(ADMIN_PROJECT.to_owned());
        let mut authenticator =
            Authenticator::new(cloud.clone(), Arc::new(SystemClock), RoleNames::default(), admins);
        authenticator.look_again_every = Duration::from_millis(50);
        let authenticator = Arc::new(authenticator);
        let rest = api::router(Arc::new(api_of(&cloud, &inventory, Arc::clone(&authenticator), &core)));
        let router = ui::router(rest, authenticator, inventory.clone(), Sealer::new(&[1; 32]));

        let now_us = SystemClock.now_us();
        let authority = Authority::open_or_create(dir.path(), now_us).unwrap();
        let names = ["127.0.0.1".into(), "localhost".into()];
        let issued = authority.server_certificate(&names, now_us).unwrap();
        let anonymous = tls(&authority, &issued, Clients::Anonymous).unwrap();
        let certified = tls(&authority, &issued, Clients::Certified).unwrap();
        std::fs::write(dir.path().join("ca.pem"), authority.certificate_pem()).unwrap();
        let issuer = Arc::new(Issuer { authority: Arc::new(authority), days: NonZeroU32::MIN });
        let stop = CancellationToken::new();
        let (api, listener) = listener().await;
        let terms = Terms::api(API_PLACES_OF_PEER, vec![]);
        tokio::spawn(listen::serve(listener, Some(anonymous), router, terms, stop.clone()));
        let (agents, listener) = self::listener().await;
        let links = agents::router(agents::Service {
            hub: Arc::clone(&core.agents),
            images: Arc::new(NoImages),
            issuer: Arc::clone(&issuer),
            stop: stop.clone(),
        });
        tokio::spawn(listen::serve(listener, Some(certified), links, Terms::agents(), stop.clone()));

        issue_agent(&inventory, &issuer, &rack, dir.path(), Older::Keep).await.unwrap();
        let bmc = Arc::new(Echo::default());
        start_agent(dir.path(), agents, rack.clone(), node, bmc.clone(), stop.clone());
        while core.agents.connected(&rack).is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let site = Self { api, inventory, cloud, node, bmc, core, dir, _stop: stop.drop_guard() };
        site.becomes(ProvisionState::Active).await;
        site
    }

    /// Ironic shows the node in another state.
    pub async fn becomes(&self, state: ProvisionState) {
        let node = Node { instance_id: Some(INSTANCE), ..Node::in_state(self.node, state) };
        self.take_in(&node).await;
    }

    async fn take_in(&self, node: &Node) {
        self.inventory.set_node(self.node, Some(node)).await.unwrap();
        // As a visit does, which follows by itself where reconciliation runs.
        let server = self.inventory.server(self.node).await.unwrap().unwrap();
        self.core.enroll.declarations.keep(&server).await;
    }

    /// Ironic shows another instance on it, in use.
    pub async fn is_anothers(&self) {
        let node = Node {
            instance_id: Some(Uuid::from_u128(99)),
            ..Node::in_state(self.node, ProvisionState::Active)
        };
        self.take_in(&node).await;
    }

    /// The authority of our certificates.
    pub fn ca(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }
}

async fn listener() -> (SocketAddr, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    (listener.local_addr().unwrap(), listener)
}

fn start_agent(
    dir: &Path,
    coordinator: SocketAddr,
    rack: RackId,
    node: ServerId,
    bmc: Arc<Echo>,
    stop: CancellationToken,
) {
    let config = Arc::new(UplinkConfig {
        coordinator: coordinator.to_string(),
        server_name: "localhost".to_owned(),
        ca: dir.join("ca.pem"),
        papers: Papers {
            cert: dir.join("agent.pem"),
            key: dir.join("agent.key"),
            renewed: dir.join("renewed.pem"),
        },
        rack,
    });
    let recorder = Recorder::start(dir.join("consoles"), Room::default()).unwrap();
    let consoles = Arc::new(Consoles::recorded(recorder));
    consoles.know(node, bmc.clone(), None);
    let streams = ConsoleStreams::new(Arc::clone(&config), Arc::clone(&consoles));
    let (seen, seen_rx) = mpsc::channel(16);
    let (requests, mut asked) = mpsc::channel(16);
    let spool = Spool::open(&dir.join("spool")).unwrap();
    tokio::spawn(Uplink::new(config, AgentBootId::random(), spool, seen_rx, requests, stop).run());
    tokio::spawn(async move {
        // Without anybody who could report, the uplink ends.
        let _seen = seen;
        while let Some(request) = asked.recv().await {
            match request {
                Request::OpenConsole(open) => streams.open(open),
                Request::ReadConsole(read) => streams.read(read),
                // What is declared of the server concerns its console alone.
                Request::Declare(declared) => {
                    for spec in declared.servers {
                        consoles.know(spec.id, bmc.clone(), spec.tenancy);
                    }
                }
                Request::Command(_) | Request::Discover(_) | Request::Cache(_) | Request::OpenTunnel(_) => {}
            }
        }
    });
}

fn tenant_server(node: ServerId) -> TenantServer {
    TenantServer {
        id: WEB,
        instance: Some(INSTANCE),
        project_id: "demo".to_owned(),
        name: "web".to_owned(),
        flavor: "f1".into(),
        image: "image".into(),
        network: Uuid::from_u128(79),
        port: None,
        address: None,
        node: Some(node),
        state: TenantServerState::Active,
        reason: None,
        created_us: 1,
    }
}

fn core_of(inventory: &Inventory, cloud: &Arc<Cloud>) -> Arc<Core> {
    let rim = Arc::new(Fake(Arc::new(World::default())));
    let outside = Outside { provisioner: rim.clone(), fabric: rim, networks: cloud.clone() };
    let site = CoreSite {
        name: "test".to_owned(),
        poll_ironic_every: Duration::from_secs(2),
        passwords: Default::default(),
        renewals: Default::default(),
        after_tenancy: Default::default(),
        limits: Default::default(),
        firmware_urls: Vec::new(),
        firmware_dir: std::env::temp_dir(),
        media: Default::default(),
        notary: None,
    };
    Core::new(site, inventory.clone(), outside)
}

fn api_of(
    cloud: &Arc<Cloud>,
    inventory: &Inventory,
    authenticator: Arc<Authenticator>,
    core: &Arc<Core>,
) -> Api {
    let networks = Arc::clone(&core.networks);
    let tenancy = Tenancy::new(inventory.clone(), cloud.clone(), cloud.clone(), cloud.clone(), networks);
    let adoptions = Adoptions {
        inventory: inventory.clone(),
        provisioner: Arc::clone(&core.provisioner),
        adopter: Arc::new(NoAdopter),
        interfaces: cloud.clone(),
        networks: Arc::clone(&core.networks),
        enroll: Arc::clone(&core.enroll),
        asked: tokio::sync::Notify::new(),
    };
    let survey = Survey {
        inventory: inventory.clone(),
        ironic: cloud.clone(),
        nova: cloud.clone(),
        interfaces: cloud.clone(),
        presence: core.agents.clone(),
    };
    Api {
        inventory: inventory.clone(),
        authenticator,
        uploads: Arc::new(Uploads::new(inventory.clone(), cloud.clone())),
        glance: cloud.clone(),
        nova: cloud.clone(),
        ironic: cloud.clone(),
        pool_changes: tokio::sync::Mutex::default(),
        networks: Arc::clone(&core.networks),
        enroll: Arc::clone(&core.enroll),
        tenancy: Arc::new(tenancy),
        discovery: Discovery::new(inventory.clone(), Arc::clone(&core.agents.discovery), core.agents.clone()),
        agents: Arc::clone(&core.agents),
        adoptions: Arc::new(adoptions),
        survey,
        upkeep: Arc::clone(&core.upkeep),
        updates: Arc::clone(&core.updates),
    }
}
