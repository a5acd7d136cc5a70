//! Edges: the real REST API and the real pages before a Keystone, a Glance, a Nova and an Ironic that know two projects, each
//! with a server, an image and a network.

use std::{
    net::SocketAddr,
    path::Path as FilePath,
    sync::{Arc, atomic::Ordering},
};

use async_trait::async_trait;
use axum::{
    Json, Router,
    body::Body,
    extract::{Extension, Path, Request},
    http::StatusCode,
    routing::{any, delete, get, post},
};
use protocol::secret::Secret;
use serde_json::{Value, json};
use tower::ServiceExt;
use uuid::Uuid;

use super::{
    people::ADMIN_PROJECT,
    script::{self, Script},
};
use crate::{
    access::{AdminProject, Door, RoleNames},
    adapter::IronicProvisioner,
    adoption::{Adopter, Adoptions, FoundInterface, Interfaces},
    api::{self, Api},
    clock::{SystemClock, TestClock},
    config::Config,
    core::{Core, Outside},
    discovery::Discovery,
    fakes::{Fake, World as Rim, new_server, vnc_down},
    images::Uploads,
    inventory::{Inventory, TenantServer, TenantServerState},
    openstack::{
        Credentials, Scope, Session, glance::Glance, ironic::Ironic, keystone::Keystone, nova::Nova,
        placement::Placement, session::http_client,
    },
    port::{
        FabricError, NetworkAddresses, NewTenantPort, SecurityGroup, SiteObject, TenantNetwork,
        TenantNetworks, TenantPort,
    },
    secret::Sealer,
    survey::Survey,
    tenancy::Tenancy,
    ui,
};

const CONFIG: &str = r#"
    state_dir = "/nowhere"
    [listen]
    api = "127.0.0.1:1"
    facade = "127.0.0.1:2"
    agents = "127.0.0.1:3"
    [openstack]
    auth_url = "http://127.0.0.1:4"
    username = "bms"
    password = "secret"
    [contrail]
    url = "http://127.0.0.1:5"
"#;

/// How often whoever keeps something open is asked for again: here all the time.
const LOOK_AGAIN_EVERY: std::time::Duration = std::time::Duration::from_millis(5);

/// The projects with something in them.
pub const PROJECTS: [&str; 2] = ["demo", "other"];

/// Id of a project's server and of its network.
pub fn id_of(project: &str) -> Uuid {
    Uuid::from_u128(u128::from(project.len() as u64))
}

/// The routes of API and pages.
pub struct World {
    /// In front of everything.
    pub router: Router,
    /// The door of both.
    pub door: Arc<Door>,
    /// Our own session.
    pub session: Session,
    /// What is stored.
    pub inventory: Inventory,
    /// The core under API and facades.
    pub core: Arc<Core>,
    /// What the cloud was asked, and what it is to answer.
    pub script: Arc<Script>,
    /// The clock by which tokens are believed and end.
    pub clock: Arc<TestClock>,
    auth_url: String,
}

impl World {
    /// Starts it.
    pub async fn start() -> Self {
        let script = Arc::new(Script::default());
        let auth_url = cloud(Arc::clone(&script)).await;
        let session = Session::new(http_client(None).unwrap(), credentials(auth_url.clone()));
        let inventory = Inventory::in_memory(Sealer::new(&[1; 32]), Arc::new(SystemClock)).await.unwrap();
        inventory.put_server(&new_server()).await.unwrap();
        for project in PROJECTS {
            inventory.put_tenant_server(&tenant_server(project)).await.unwrap();
        }
        let clock = Arc::new(TestClock::default());
        let keystone = Arc::new(Keystone::with_clock(session.clone(), clock.clone()));
        let admins = AdminProject::Given(ADMIN_PROJECT.to_owned());
        let mut door = Door::new(keystone, RoleNames::default(), admins);
        door.look_again_every = LOOK_AGAIN_EVERY;
        let door = Arc::new(door);
        let core = core_of(&inventory, &script);
        let api = api::router(Arc::new(api_of(&session, &inventory, &door, &core)));
        let router = ui::router(api, Arc::clone(&door), inventory.clone(), Sealer::new(&[1; 32]));
        Self { router, door, session, inventory, core, script, clock, auth_url }
    }

    /// A session of somebody else at the same Keystone.
    pub fn session_of(&self, name: &str) -> Session {
        let credentials = Credentials { username: name.to_owned(), ..credentials(self.auth_url.clone()) };
        Session::new(http_client(None).unwrap(), credentials)
    }

    /// One request; gives status, where it leads, what it says.
    pub async fn send(&self, request: Request<Body>) -> (StatusCode, String, String) {
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = answer.into_parts();
        let location = head.headers.get("location").map_or("", |to| to.to_str().unwrap()).to_owned();
        let kind = head.headers.get("content-type").map_or("", |kind| kind.to_str().unwrap()).to_owned();
        // A stream goes on for an hour.
        if kind.starts_with("text/event-stream") {
            return (head.status, location, String::new());
        }
        let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        (head.status, location, String::from_utf8(body.to_vec()).unwrap())
    }
}

fn credentials(auth_url: String) -> Credentials {
    Credentials {
        auth_url,
        username: "bms".into(),
        user_domain: "Default".into(),
        password: Secret::new("pass word"),
        scope: Scope::System,
        region: None,
        interface: "public".into(),
    }
}

fn core_of(inventory: &Inventory, script: &Arc<Script>) -> Arc<Core> {
    let rim = Arc::new(Fake(Arc::new(Rim::default())));
    let outside = Outside {
        provisioner: rim.clone(),
        fabric: rim,
        networks: Arc::new(ProjectNetworks(Arc::clone(script))),
    };
    let config = Config::parse(FilePath::new("bms.toml"), CONFIG).unwrap();
    Core::new(config, inventory.clone(), outside)
}

fn api_of(session: &Session, inventory: &Inventory, door: &Arc<Door>, core: &Arc<Core>) -> Api {
    let (ironic, nova) = (Ironic::new(session.clone()), Nova::new(session.clone()));
    let glance = Glance::new(session.clone());
    let adopter: Arc<dyn Adopter> = Arc::new(IronicProvisioner {
        ironic: ironic.clone(),
        facade_url: "https://127.0.0.1:2".into(),
        ca_file: String::new(),
    });
    let placement = Placement::new(session.clone());
    let networks = Arc::clone(&core.networks);
    let tenancy = Tenancy::new(inventory.clone(), nova.clone(), placement, ironic.clone(), networks);
    let adoptions = Adoptions {
        inventory: inventory.clone(),
        provisioner: Arc::clone(&core.provisioner),
        adopter,
        interfaces: Arc::new(NoInterfaces),
        networks: Arc::clone(&core.networks),
        enrol: Arc::clone(&core.enrol),
        asked: tokio::sync::Notify::new(),
    };
    let survey = Survey {
        inventory: inventory.clone(),
        ironic: ironic.clone(),
        nova: nova.clone(),
        interfaces: Arc::new(NoInterfaces),
        presence: core.agents.clone(),
    };
    Api {
        inventory: inventory.clone(),
        door: Arc::clone(door),
        uploads: Arc::new(Uploads::new(inventory.clone(), glance.clone())),
        glance,
        nova,
        ironic,
        pool_changes: tokio::sync::Mutex::default(),
        networks: Arc::clone(&core.networks),
        enrol: Arc::clone(&core.enrol),
        tenancy: Arc::new(tenancy),
        discovery: Discovery::new(inventory.clone(), Arc::clone(&core.agents)),
        agents: Arc::clone(&core.agents),
        adoptions: Arc::new(adoptions),
        survey,
    }
}

fn tenant_server(project: &str) -> TenantServer {
    TenantServer {
        id: id_of(project),
        instance: Some(Uuid::from_u128(id_of(project).as_u128() << 64)),
        project_id: project.to_owned(),
        name: format!("web-{project}"),
        flavor: "f1".into(),
        image: format!("image-{project}"),
        network: id_of(project),
        port: None,
        address: None,
        node: None,
        state: TenantServerState::Active,
        reason: None,
        created_us: 1,
    }
}

/// Each project has one network and one security group.
struct ProjectNetworks(Arc<Script>);

#[async_trait]
impl TenantNetworks for ProjectNetworks {
    async fn list_networks(&self, of: Option<&str>) -> Result<Vec<TenantNetwork>, FabricError> {
        self.0.contrail_lists.fetch_add(1, Ordering::SeqCst);
        let network = |project: &str| TenantNetwork {
            id: id_of(project),
            name: format!("net-{project}"),
            project_id: project.to_owned(),
            subnet: "192.0.2.0/24".into(),
            gateway: "192.0.2.1".into(),
        };
        Ok(PROJECTS.into_iter().filter(|project| of.is_none_or(|of| of == *project)).map(network).collect())
    }
    async fn ensure_network(&self, _: &str, _: &str, _: &str, _: &str) -> Result<TenantNetwork, FabricError> {
        Err(vnc_down())
    }
    async fn delete_network(&self, _: Uuid) -> Result<(), FabricError> {
        Ok(())
    }
    async fn network_addresses(&self, _: Uuid) -> Result<NetworkAddresses, FabricError> {
        Err(vnc_down())
    }
    async fn security_groups(&self, of: Option<&str>) -> Result<Vec<SecurityGroup>, FabricError> {
        self.0.contrail_lists.fetch_add(1, Ordering::SeqCst);
        let group = |project: &str| SecurityGroup { id: id_of(project), name: format!("group-{project}") };
        Ok(PROJECTS.into_iter().filter(|project| of.is_none_or(|of| of == *project)).map(group).collect())
    }
    async fn set_site_up(&self) -> Result<Vec<SiteObject>, FabricError> {
        Ok(Vec::new())
    }
    async fn ensure_tenant_port(&self, _: &NewTenantPort) -> Result<TenantPort, FabricError> {
        Err(vnc_down())
    }
    async fn delete_tenant_port(&self, _: Uuid) -> Result<(), FabricError> {
        Ok(())
    }
}

struct NoInterfaces;

#[async_trait]
impl Interfaces for NoInterfaces {
    async fn all_interfaces(&self) -> Result<Vec<FoundInterface>, FabricError> {
        Err(vnc_down())
    }
}

/// The services on the loopback; gives Keystone's URL.
async fn cloud(script: Arc<Script>) -> String {
    let listener = tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let routes = Router::new()
        .route("/v3/auth/tokens", post(script::issue).get(script::validate).delete(script::revoke))
        .route("/glance/v2/images", get(script::images))
        .route("/glance/v2/images/{id}", delete(async || StatusCode::NO_CONTENT))
        .route("/nova/flavors/detail", get(flavors))
        .route("/nova/flavors/{id}", delete(async || StatusCode::NO_CONTENT))
        .route("/nova/servers/detail", get(async || Json(json!({ "servers": [] }))))
        .route("/nova/servers/{id}", any(async |Path(_): Path<String>| StatusCode::CONFLICT))
        .route("/ironic/v1/nodes", get(async || Json(json!({ "nodes": [] }))))
        .fallback(async || StatusCode::CONFLICT)
        .layer(Extension(script))
        .layer(Extension(url.clone()));
    let routes = hyper_util::service::TowerToHyperService::new(routes);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let stream = hyper_util::rt::TokioIo::new(stream);
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(stream, routes.clone()));
        }
    });
    url
}

async fn flavors(Extension(script): Extension<Arc<Script>>) -> Json<Value> {
    script.flavor_lists.fetch_add(1, Ordering::SeqCst);
    Json(json!({ "flavors": [{ "id": "f1", "name": "metal", "vcpus": 1, "ram": 1, "disk": 1,
        "os-flavor-access:is_public": true, "extra_specs": { "resources:CUSTOM_GOLD": "1" } }] }))
}
