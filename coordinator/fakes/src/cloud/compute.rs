//! Edges: Nova and Placement in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;
use domain::{
    lifecycle::ProvisionState,
    rim::{
        Caller, ComputeServer, Flavor, FlavorService, FlavorSpec, NewComputeServer, PlacementService,
        ServerService, Service, ServiceError,
    },
};
use protocol::{id::ServerId, secret::Secret};
use uuid::Uuid;

use super::{Cloud, Fails, Held, identity::project_of, not_found};

/// What Nova does when it is asked to delete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NovaDeletes {
    /// Ends it in Ironic first, as it should.
    #[default]
    Well,
    /// Forgets its server although Ironic refused, because the node was locked: the server is gone from its list all the same.
    WithoutIronic,
    /// Moves its server to `ERROR`.
    IntoError,
    /// Says `deleting` for ever: nobody does the work.
    Never,
}

/// A server of Nova in a state, on a node.
pub fn compute_server(id: Uuid, status: &str, node: Option<ServerId>) -> ComputeServer {
    ComputeServer {
        id,
        name: "web".to_owned(),
        status: status.to_owned(),
        task_state: None,
        project_id: String::new(),
        user_id: String::new(),
        node: node.map(|node| node.0),
        flavor_name: None,
        image_id: None,
        fault: None,
        key_name: None,
        metadata: BTreeMap::new(),
    }
}

/// A flavor for one server of a class, as Placement spells it.
pub fn flavor(id: &str, resource: &str) -> Flavor {
    Flavor {
        id: id.to_owned(),
        name: "metal".to_owned(),
        vcpus: 1,
        ram: 1,
        disk: 1,
        is_public: true,
        extra_specs: BTreeMap::from([(format!("resources:{resource}"), "1".to_owned())]),
    }
}

impl Cloud {
    /// Nova looks at its servers: what is to be built gets a free node, and Ironic deploys.
    pub fn nova_builds(&self) {
        let mut held = self.held();
        let Held { servers, nodes, .. } = &mut *held;
        for server in servers.values_mut().filter(|server| server.status == "BUILD") {
            let free = nodes
                .values_mut()
                .find(|node| node.provision_state == ProvisionState::Available && node.instance_id.is_none());
            if let Some(node) = free {
                (node.provision_state, node.instance_id) = (ProvisionState::Active, Some(server.id));
                (server.status, server.node) = ("ACTIVE".to_owned(), Some(node.id.0));
            }
        }
    }

    /// Nova loses a server; with a trace of its deletion or without.
    pub fn forget_server(&self, id: Uuid, shows_it_deleted: bool) {
        let mut held = self.held();
        held.servers.remove(&id);
        if shows_it_deleted {
            held.deleted.insert(id);
        }
    }

    async fn ask_nova<T: Send>(
        &self,
        what: &str,
        act: impl FnOnce(&mut Held) -> Result<T, ServiceError> + Send,
    ) -> Result<T, ServiceError> {
        let fails = self.held().nova_fails;
        match fails {
            Some(fails) => Err(fails.error(Service::Nova, what)),
            None => self.ask(Service::Nova, what, act).await,
        }
    }
}

/// A server to be changed.
fn of(held: &mut Held, id: Uuid) -> Result<&mut ComputeServer, ServiceError> {
    held.servers.get_mut(&id).ok_or_else(|| not_found(Service::Nova, "find the server"))
}

fn on_node(held: &mut Held, server: Uuid, state: ProvisionState) {
    if let Some(node) = held.nodes.values_mut().find(|node| node.instance_id == Some(server)) {
        node.provision_state = state;
    }
}

fn delete(held: &mut Held, id: Uuid) -> Result<(), ServiceError> {
    if !held.servers.contains_key(&id) {
        return Ok(());
    }
    held.asked.push("nova delete".to_owned());
    match held.deletes {
        NovaDeletes::Well | NovaDeletes::WithoutIronic => {
            let does_ironic = held.deletes == NovaDeletes::Well && held.ironic_fails.is_none();
            let on_it = held.nodes.values_mut().find(|node| node.instance_id == Some(id));
            if let Some(node) = on_it.filter(|_| does_ironic) {
                (node.provision_state, node.instance_id) = (ProvisionState::Cleaning, None);
            }
            held.servers.remove(&id);
            held.deleted.insert(id);
        }
        NovaDeletes::IntoError => {
            let server = of(held, id)?;
            (server.status, server.task_state) = ("ERROR".to_owned(), None);
        }
        NovaDeletes::Never => of(held, id)?.task_state = Some("deleting".to_owned()),
    }
    Ok(())
}

#[async_trait]
impl ServerService for Cloud {
    async fn create_server(
        &self,
        caller: Caller<'_>,
        wanted: &NewComputeServer,
    ) -> Result<Uuid, ServiceError> {
        let act = |held: &mut Held| {
            let id = held.new_id();
            held.asked.push("nova create".to_owned());
            let server = ComputeServer {
                name: wanted.name.clone(),
                project_id: project_of(caller),
                image_id: Some(wanted.image_id.clone()),
                key_name: wanted.key_name.clone(),
                metadata: wanted.metadata.clone(),
                ..compute_server(id, "BUILD", None)
            };
            held.servers.insert(id, server);
            Ok(id)
        };
        self.ask_nova("create server", act).await
    }

    async fn show_server(&self, _: Caller<'_>, id: Uuid) -> Result<ComputeServer, ServiceError> {
        self.ask_nova("read server", |held| of(held, id).cloned()).await
    }

    async fn list_servers(&self) -> Result<Vec<ComputeServer>, ServiceError> {
        self.ask_nova("list the servers", |held| Ok(held.servers.values().cloned().collect())).await
    }

    async fn shows_deleted(&self, id: Uuid) -> Result<bool, ServiceError> {
        self.ask_nova("look for a deleted server", |held| Ok(held.deleted.contains(&id))).await
    }

    async fn delete_server(&self, _: Caller<'_>, id: Uuid) -> Result<(), ServiceError> {
        self.ask_nova("delete server", |held| delete(held, id)).await
    }

    async fn rebuild_server(&self, _: Caller<'_>, id: Uuid, image_id: &str) -> Result<(), ServiceError> {
        let act = |held: &mut Held| {
            held.asked.push("nova rebuild".to_owned());
            of(held, id)?.image_id = Some(image_id.to_owned());
            Ok(())
        };
        self.ask_nova("rebuild server", act).await
    }

    async fn rescue_server(&self, _: Caller<'_>, id: Uuid, _: &Secret) -> Result<(), ServiceError> {
        let act = |held: &mut Held| {
            held.asked.push("nova rescue".to_owned());
            of(held, id)?.status = "RESCUE".to_owned();
            on_node(held, id, ProvisionState::Rescuing);
            Ok(())
        };
        self.ask_nova("rescue server", act).await
    }

    async fn unrescue_server(&self, _: Caller<'_>, id: Uuid) -> Result<(), ServiceError> {
        let act = |held: &mut Held| {
            held.asked.push("nova unrescue".to_owned());
            of(held, id)?.status = "ACTIVE".to_owned();
            on_node(held, id, ProvisionState::Unrescuing);
            Ok(())
        };
        self.ask_nova("unrescue server", act).await
    }

    async fn reset_server(&self, id: Uuid) -> Result<(), ServiceError> {
        let act = |held: &mut Held| {
            of(held, id)?.status = "ACTIVE".to_owned();
            Ok(())
        };
        self.ask_nova("reset server", act).await
    }
}

#[async_trait]
impl FlavorService for Cloud {
    async fn list_flavors(&self, _: Caller<'_>) -> Result<Vec<Flavor>, ServiceError> {
        self.ask_nova("list the flavors", |held| Ok(held.flavors.clone())).await
    }

    async fn create_flavor(&self, spec: &FlavorSpec) -> Result<Flavor, ServiceError> {
        let act = |held: &mut Held| {
            if held.flavors.iter().any(|flavor| flavor.name == spec.name) {
                return Err(Fails::Refuses(409, "the name is taken").error(Service::Nova, "create flavor"));
            }
            let made = Flavor {
                id: held.new_id().to_string(),
                name: spec.name.clone(),
                vcpus: spec.vcpus,
                ram: spec.ram_mb,
                disk: spec.disk_gb,
                is_public: spec.projects.is_empty(),
                extra_specs: spec.extra_specs(),
            };
            held.flavors.push(made.clone());
            Ok(made)
        };
        self.ask_nova("create flavor", act).await
    }

    async fn flavor_projects(&self, _: &str) -> Result<Vec<String>, ServiceError> {
        self.ask_nova("read who may use a flavor", |_| Ok(Vec::new())).await
    }

    async fn delete_flavor(&self, id: &str) -> Result<(), ServiceError> {
        let act = |held: &mut Held| {
            held.flavors.retain(|flavor| flavor.id != id);
            Ok(())
        };
        self.ask_nova("delete flavor", act).await
    }
}

#[async_trait]
impl PlacementService for Cloud {
    async fn has_candidates(&self, _: &BTreeMap<String, String>) -> Result<bool, ServiceError> {
        self.ask(Service::Placement, "ask what may be scheduled", |_| Ok(true)).await
    }
}
