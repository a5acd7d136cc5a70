//! Edges: the real REST API and the real pages before a cloud in memory that knows two projects, each with a server, an image and
//! a network.

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use axum::{Router, body::Body, extract::Request, http::StatusCode};
use coordinator_core::{
    adoption::Adoptions,
    core::{Core, Outside, Site},
    discovery::Discovery,
    images::Uploads,
    survey::Survey,
    tenancy::Tenancy,
};
use domain::{
    records::{TenantServer, TenantServerState},
    rim::{Adopter, Instance, ProvisionerError, SecurityGroup},
};
use fakes::{
    Fake, World as Rim,
    cloud::{ADMIN_PROJECT, Cloud, flavor, image, network},
    new_server,
};
use protocol::id::ServerId;
use store::{
    Inventory,
    clock::{SystemClock, TestClock},
    secret::Sealer,
};
use tempfile::TempDir;
use tower::ServiceExt;
use uuid::Uuid;

use crate::{
    access::{AdminProject, Authenticator, RoleNames},
    api::{self, Api},
    ui,
};

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
    /// The authenticator of both.
    pub authenticator: Arc<Authenticator>,
    /// What is stored.
    pub inventory: Inventory,
    /// The core under API and facades.
    pub core: Arc<Core>,
    /// The cloud behind it.
    pub cloud: Arc<Cloud>,
    /// The clock by which tokens are believed and end.
    pub clock: Arc<TestClock>,
    /// Where files of firmware are kept.
    _files: TempDir,
}

impl World {
    /// Starts it.
    pub async fn start() -> Self {
        let cloud = Arc::new(cloud());
        let inventory = Inventory::in_memory(Sealer::new(&[1; 32]), Arc::new(SystemClock)).await.unwrap();
        inventory.put_server(&new_server()).await.unwrap();
        for project in PROJECTS {
            inventory.put_tenant_server(&tenant_server(project)).await.unwrap();
        }
        let clock = Arc::new(TestClock::default());
        let admins = AdminProject::Given(ADMIN_PROJECT.to_owned());
        let mut authenticator =
            Authenticator::new(cloud.clone(), clock.clone(), RoleNames::default(), admins);
        authenticator.look_again_every = LOOK_AGAIN_EVERY;
        let authenticator = Arc::new(authenticator);
        let files = tempfile::tempdir().unwrap();
        let core = core_of(&inventory, &cloud, files.path());
        let api = api::router(Arc::new(api_of(&cloud, &inventory, &authenticator, &core)));
        let router = ui::router(api, Arc::clone(&authenticator), inventory.clone(), Sealer::new(&[1; 32]));
        Self { router, authenticator, inventory, core, cloud, clock, _files: files }
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

/// What the two projects have.
fn cloud() -> Cloud {
    let cloud = Cloud::default();
    let mut held = cloud.held();
    held.flavors.push(flavor("f1", "CUSTOM_GOLD"));
    for project in PROJECTS {
        let id = format!("image-{project}");
        held.images.insert(id.clone(), image(&id, project));
        held.networks.push(network(id_of(project), project));
        let group = SecurityGroup { id: id_of(project), name: format!("group-{project}") };
        held.groups.push((project.to_owned(), group));
    }
    drop(held);
    cloud
}

fn core_of(inventory: &Inventory, cloud: &Arc<Cloud>, files: &Path) -> Arc<Core> {
    let rim = Arc::new(Fake(Arc::new(Rim::default())));
    let outside = Outside { provisioner: rim.clone(), fabric: rim, networks: cloud.clone() };
    let site = Site {
        name: "test".to_owned(),
        poll_ironic_every: std::time::Duration::from_secs(2),
        passwords: Default::default(),
        renewals: Default::default(),
        after_tenancy: Default::default(),
        limits: Default::default(),
        firmware_urls: Vec::new(),
        firmware_dir: files.to_owned(),
        media: Default::default(),
        notary: None,
    };
    Core::new(site, inventory.clone(), outside)
}

fn api_of(
    cloud: &Arc<Cloud>,
    inventory: &Inventory,
    authenticator: &Arc<Authenticator>,
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
        authenticator: Arc::clone(authenticator),
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
