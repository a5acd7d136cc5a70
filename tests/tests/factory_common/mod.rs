//! A coordinator's REST API and upkeep before a cloud in memory, and a rack whose agent's discovery and BMC clients are the real ones.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use agent::{
    bmc::{Bmc, BmcError, BmcOptions, KeptSessions, LogIns, Renewed, connect_declared},
    discovery::Discovery as AgentDiscovery,
};
use async_trait::async_trait;
use axum::{
    Router,
    body::{Body, to_bytes},
    http::Request,
};
use coordinator_core::{
    adoption::Adoptions,
    core::{Core, Outside, Site as CoreSite},
    discovery::{Discovery, Orders, take_in},
    images::Uploads,
    survey::Survey,
    tenancy::Tenancy,
    upkeep::Upkeep,
};
use domain::{
    records::Server,
    rim::{
        Adopter, AgentConnection, AgentError, Agents, Declarations, DiscoveryOrders, Instance, Presence,
        ProvisionerError,
    },
    upkeep::policy::PasswordPolicy,
};
use faces::{
    access::{AdminProject, Authenticator, RoleNames},
    api::{self, Api},
};
use fakes::{
    Fake, World,
    cloud::{ADMIN_PROJECT, Cloud},
};
use protocol::{
    command::{Action, Failure, FailureKind, Success},
    discovery::{Finding, Order},
    grpc as wire,
    hardware::{HardwareReport, Neighbour, Nic, SystemIdentity},
    id::{AgentBootId, RackId, ServerId},
    mac::MacAddr,
    report::ReportBody,
    spec::ServerSpec,
};
use serde_json::Value;
use store::{Inventory, clock::SystemClock, secret::Sealer};
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};
use tower::ServiceExt;
use uuid::Uuid;

const OPTIONS: BmcOptions =
    BmcOptions { first_wait: Duration::from_secs(1), tries: 3, min_gap: Duration::ZERO };
/// Longest that anything here may take.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// The rack's agent, as the coordinator sees it.
struct Rack {
    orders: mpsc::Sender<Order>,
    specs: Mutex<HashMap<ServerId, ServerSpec>>,
}

#[async_trait]
impl DiscoveryOrders for Rack {
    fn run_of(&self, _: &RackId) -> Result<AgentBootId, AgentError> {
        Ok(AgentBootId(Uuid::nil()))
    }

    async fn order(&self, _: &RackId, order: Order) -> Result<(), AgentError> {
        // As it goes over the wire.
        let order = Order::try_from(wire::Discover::from(order)).unwrap();
        self.orders.send(order).await.unwrap();
        Ok(())
    }
}

#[async_trait]
impl Agents for Rack {
    async fn run(&self, _: &RackId, server: ServerId, action: Action) -> Result<Success, AgentError> {
        let failed = |kind, message: String| AgentError::Failed(Failure { kind, message });
        let spec = self.specs.lock().unwrap().get(&server).cloned();
        let (Action::RenewPassword, Some(spec)) = (action, spec) else {
            return Err(failed(FailureKind::BmcUnreachable, "nothing else is tried here".to_owned()));
        };
        let log_ins = LogIns { in_call: false, ..LogIns::default() };
        let bmc: Box<dyn Bmc> = connect_declared(&spec, OPTIONS, log_ins, &KeptSessions::default());
        match bmc.renew_password().await {
            Ok(Renewed::New) => Ok(Success::Done),
            Ok(Renewed::Kept { reason, length }) => Ok(Success::PasswordKept { reason, length }),
            Err(error @ BmcError::Credentials { .. }) => {
                Err(failed(FailureKind::BmcCredentials, error.to_string()))
            }
            Err(error) => Err(failed(FailureKind::BmcUnreachable, error.to_string())),
        }
    }
}

#[async_trait]
impl Declarations for Rack {
    async fn declare(&self, server: &Server) {
        self.specs.lock().unwrap().insert(server.id, server.spec());
    }

    async fn forget(&self, _: &RackId, _: ServerId) {}
}

#[async_trait]
impl Presence for Rack {
    fn connection(&self, _: &RackId) -> AgentConnection {
        AgentConnection::Connected
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

/// Everything that runs.
pub struct Site {
    /// What is stored.
    pub inventory: Inventory,
    upkeep: Arc<Upkeep>,
    router: Router,
    orders: Arc<Orders>,
    _dir: tempfile::TempDir,
    _stop: DropGuard,
}

impl Site {
    /// Starts it. `neighbours` is the table of Ethernet addresses, as Linux shows it.
    pub async fn start(neighbours: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let table = dir.path().join("arp");
        std::fs::write(&table, neighbours).unwrap();
        let inventory = Inventory::in_memory(Sealer::new(&[1; 32]), Arc::new(SystemClock)).await.unwrap();
        let (stop, orders) = (CancellationToken::new(), Arc::new(Orders::default()));
        let rack = start_rack(&inventory, &orders, table, &stop);
        let fake = || Arc::new(Fake(Arc::new(World::default())));
        let policy = PasswordPolicy { per_rack: 8, ..PasswordPolicy::default() };
        let upkeep = Upkeep::new(inventory.clone(), rack.clone(), rack.clone(), rack.clone(), fake(), policy);
        let upkeep = Arc::new(upkeep);
        let discovery = Discovery::new(inventory.clone(), Arc::clone(&orders), rack);
        let api = Arc::new(api_of(&inventory, discovery, &upkeep));
        tokio::spawn(Arc::clone(&api).accept_by_rules(stop.clone()));
        Self { inventory, upkeep, router: api::router(api), orders, _dir: dir, _stop: stop.drop_guard() }
    }

    /// One request of an administrator; gives status and answer.
    pub async fn ask(&self, method: &str, path: &str, body: impl Into<Body>) -> (u16, Value) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("x-auth-token", "token-administrator")
            .header("content-type", "application/json")
            .body(body.into())
            .unwrap();
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        let bytes = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    /// The list of factory passwords, when it is so.
    pub async fn list_when(&self, is_so: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let looking = async {
            loop {
                let (_, answer) = self.ask("GET", "/v1/bmc-factory-passwords", Body::empty()).await;
                let items = answer["items"].as_array().cloned().unwrap_or_default();
                if is_so(&items) {
                    return items;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        match tokio::time::timeout(WAIT_MAX, looking).await {
            Ok(items) => items,
            Err(_) => panic!(
                "it does not come so far: {:#?}\n{:#?}",
                self.ask("GET", "/v1/bmc-factory-passwords", Body::empty()).await,
                self.told().await
            ),
        }
    }

    /// Lets the rack be scanned, and waits for the end.
    pub async fn scan(&self, wanted: Value) {
        let (status, begun) = self.ask("POST", "/v1/discovery-scans", wanted.to_string()).await;
        assert_eq!(status, 202, "{begun}");
        let path = format!("/v1/discovery-scans/{}", begun["id"].as_str().unwrap());
        let running = async {
            while self.ask("GET", &path, Body::empty()).await.1["running"] != false {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(WAIT_MAX, running).await.expect("the scan ends");
    }

    /// A machine boots on the discovery network.
    pub async fn boots(&self, uuid: Uuid, mac: MacAddr, port: &str) {
        let neighbour = Neighbour { switch: "leaf1".into(), port: port.into(), ..Neighbour::default() };
        let nic = Nic {
            name: "eth0".into(),
            mac,
            ipv4: String::new(),
            carrier: true,
            speed_mbps: 0,
            driver: String::new(),
            vendor: String::new(),
            product: String::new(),
            booted: true,
            neighbour: Some(neighbour),
        };
        let system = SystemIdentity { uuid: uuid.to_string(), ..SystemIdentity::default() };
        let hardware = Box::new(HardwareReport { system, nics: vec![nic], ..HardwareReport::default() });
        let order = Uuid::new_v4();
        take_in(&self.inventory, &self.orders, &rack(), order, Finding::Machine { hardware }).await.unwrap();
    }

    /// What is due is looked at until this server's password was changed.
    pub async fn changed(&self, name: &str) -> Server {
        let looking = async {
            loop {
                self.upkeep.round().await;
                let server = self.inventory.server_by_name(name).await.unwrap().expect("it is enrolled");
                if server.upkeep.rotated_us.is_some() {
                    return server;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        match tokio::time::timeout(WAIT_MAX, looking).await {
            Ok(server) => server,
            Err(_) => panic!("its password is not changed: {:#?}", self.told().await),
        }
    }

    /// What was told as events.
    pub async fn told(&self) -> Vec<String> {
        let events = self.inventory.events(&domain::events::EventFilter::default()).await.unwrap();
        events.into_iter().map(|event| event.text).collect()
    }
}

/// The rack.
pub fn rack() -> RackId {
    "rack1".parse().unwrap()
}

fn start_rack(
    inventory: &Inventory,
    orders: &Arc<Orders>,
    neighbours: PathBuf,
    stop: &CancellationToken,
) -> Arc<Rack> {
    let (agent, orders_rx) = mpsc::channel(64);
    let (seen, mut seen_rx) = mpsc::channel(64);
    let discovery = AgentDiscovery::start(None, orders_rx, seen).unwrap().with_neighbours(neighbours);
    tokio::spawn(discovery.run(stop.clone()));
    let (inventory, orders) = (inventory.clone(), Arc::clone(orders));
    tokio::spawn(async move {
        while let Some(seen) = seen_rx.recv().await {
            let ReportBody::Found { finding } = seen.body else { continue };
            let finding = Finding::try_from(wire::Found::from(finding)).unwrap();
            take_in(&inventory, &orders, &rack(), seen.server.0, finding).await.unwrap();
        }
    });
    Arc::new(Rack { orders: agent, specs: Mutex::default() })
}

fn api_of(inventory: &Inventory, discovery: Discovery, upkeep: &Arc<Upkeep>) -> Api {
    let cloud = Arc::new(Cloud::default());
    let rim = Arc::new(Fake(Arc::new(World::default())));
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
    let outside = Outside { provisioner: rim.clone(), fabric: rim, networks: cloud.clone() };
    let core = Core::new(site, inventory.clone(), outside);
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
    let admins = AdminProject::Given(ADMIN_PROJECT.to_owned());
    let authenticator =
        Authenticator::new(cloud.clone(), Arc::new(SystemClock), RoleNames::default(), admins);
    Api {
        inventory: inventory.clone(),
        authenticator: Arc::new(authenticator),
        uploads: Arc::new(Uploads::new(inventory.clone(), cloud.clone())),
        glance: cloud.clone(),
        nova: cloud.clone(),
        ironic: cloud,
        pool_changes: tokio::sync::Mutex::default(),
        networks: Arc::clone(&core.networks),
        enroll: Arc::clone(&core.enroll),
        tenancy: Arc::new(tenancy),
        discovery,
        agents: Arc::clone(&core.agents),
        adoptions: Arc::new(adoptions),
        survey,
        upkeep: Arc::clone(upkeep),
        updates: Arc::clone(&core.updates),
    }
}
