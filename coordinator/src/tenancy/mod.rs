//! Edges: a tenant's server from the request to the end: port and address in Contrail, server in Nova, and back.
//!
//! ```text
//!   create: record -> tenant port and address (Contrail) -> known to the scheduler -> server (Nova) -> Ironic deploys -> active
//!   delete: record says so -> Nova deletes -> Ironic cleans -> the port leaves the node -> port and record deleted
//! ```
//!
//! What must stay true: the record is written before anything is made, and what is made has ids that follow from the
//! record's, so that a crash anywhere is taken up by the next look; a tenant's port is deleted only when no server is
//! on it any more.

pub mod network_data;
pub mod nics;
mod ports;
pub mod schedulable;

mod adopted;
mod life;
mod rescue;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use uuid::Uuid;

use crate::{
    events::EventKind,
    inventory::{Inventory, InventoryError, TenantServer, TenantServerState},
    openstack::{
        error::Error as OpenStackError,
        ironic::Ironic,
        nova::{self, Flavor, Nova, ServerNetworks},
        placement::Placement,
        session::Caller,
    },
    port::{FabricError, TenantNetworks},
};

pub(crate) use ports::port_of;
pub use ports::{Attachment, NETWORKS_MAX};

/// How often servers on their way are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Key of the Nova metadata under which our id stands.
const METADATA_KEY: &str = "bms_server";

/// What a tenant asks for, with every name resolved.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its name.
    pub name: String,
    /// Keystone project.
    pub project_id: String,
    /// Nova's flavor, with its extra specs.
    pub flavor: Flavor,
    /// Glance's image.
    pub image_id: String,
    /// Contrail's networks, at least one; the first is for the interface that boots from the network.
    pub attachments: Vec<Attachment>,
    /// Contrail's security groups.
    pub security_groups: Vec<Uuid>,
    /// Nova's key pair.
    pub key_name: Option<String>,
    /// User data, base64.
    pub user_data: Option<String>,
}

/// Why something was not done for a tenant's server. What follows by itself tries again.
#[derive(Debug, thiserror::Error)]
pub enum TenancyError {
    /// The inventory failed.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    /// Nova or Ironic refused, or is away.
    #[error(transparent)]
    OpenStack(#[from] OpenStackError),
    /// Contrail refused, or is away.
    #[error(transparent)]
    Fabric(#[from] FabricError),
    /// The server is not deployed.
    #[error("{name} is {state} and not deployed: {verb} is for servers in use; wait, or look at its reason")]
    NotDeployed {
        /// Its name.
        name: String,
        /// How far it is.
        state: &'static str,
        /// What was asked.
        verb: &'static str,
    },
    /// The server's state does not allow it.
    #[error("{0}")]
    Refused(String),
}

/// Tenants' servers.
pub struct Tenancy {
    inventory: Inventory,
    nova: Nova,
    placement: Placement,
    ironic: Ironic,
    networks: Arc<dyn TenantNetworks>,
    wake: Notify,
}

impl Tenancy {
    /// Joins the services.
    pub fn new(
        inventory: Inventory,
        nova: Nova,
        placement: Placement,
        ironic: Ironic,
        networks: Arc<dyn TenantNetworks>,
    ) -> Self {
        Self { inventory, nova, placement, ironic, networks, wake: Notify::new() }
    }

    /// Makes port, address and Nova server; the deployment then goes on by itself. When a part is refused, what was
    /// made is taken back.
    pub async fn create(&self, caller: Caller<'_>, request: Request) -> Result<TenantServer, TenancyError> {
        let mut server = TenantServer {
            id: Uuid::new_v4(),
            instance: None,
            project_id: request.project_id,
            name: request.name,
            flavor: request.flavor.id.clone(),
            image: request.image_id,
            network: request.attachments.first().map(|first| first.network).unwrap_or_default(),
            port: None,
            address: None,
            node: None,
            state: TenantServerState::Requested,
            reason: None,
            created_us: self.inventory.clock().now_us(),
        };
        self.inventory.put_tenant_server(&server).await?;
        let ports = ports::planned(server.id, &request.attachments, &request.security_groups);
        self.inventory.put_tenant_ports(server.id, &ports).await?;
        let made = self.make(caller, &mut server, &request.flavor, request.key_name, request.user_data).await;
        if let Err(error) = made {
            self.take_back(&server).await;
            return Err(error);
        }
        self.inventory.put_tenant_server(&server).await?;
        self.tell(&server, "asked for").await;
        self.wake.notify_one();
        Ok(server)
    }

    async fn make(
        &self,
        caller: Caller<'_>,
        server: &mut TenantServer,
        flavor: &Flavor,
        key_name: Option<String>,
        user_data: Option<String>,
    ) -> Result<(), TenancyError> {
        self.make_ports(server).await?;
        schedulable::wait(&self.placement, &self.inventory, flavor).await?;
        let wanted = nova::NewServer {
            name: server.name.clone(),
            flavor_id: server.flavor.clone(),
            image_id: server.image.clone(),
            key_name,
            user_data,
            metadata: BTreeMap::from([(METADATA_KEY.to_owned(), server.id.to_string())]),
            networks: ServerNetworks::None,
        };
        server.instance = Some(self.nova.create_server(caller, &wanted).await?);
        server.state = TenantServerState::Building;
        Ok(())
    }

    async fn take_back(&self, server: &TenantServer) {
        if let Err(error) = self.delete_ports(server).await {
            warn!(server = %server.id, %error, "ports of a refused server stay for now");
            // The record stays too, so that the next look deletes both.
            let record = TenantServer { state: TenantServerState::Deleting, ..server.clone() };
            if let Err(error) = self.inventory.put_tenant_server(&record).await {
                warn!(server = %server.id, %error, "record of a refused server cannot be changed");
            }
        } else if let Err(error) = self.inventory.delete_tenant_server(server.id).await {
            warn!(server = %server.id, %error, "record of a refused server stays");
        }
    }

    /// Asks Nova to delete the server, or Ironic when it was adopted; the rest follows by itself.
    pub async fn delete(&self, caller: Caller<'_>, mut server: TenantServer) -> Result<(), TenancyError> {
        if server.is_adopted() && server.state == TenantServerState::Building {
            let message =
                format!("{} is being adopted: wait until it is active, then give it back", server.name);
            return Err(TenancyError::Refused(message));
        }
        server.state = TenantServerState::Deleting;
        server.reason = None;
        if let Some(node) = server.node.filter(|_| server.is_adopted()) {
            self.end_adopted(&server, node).await?;
        }
        if let Some(instance) = server.instance {
            match self.nova.delete_server(caller, instance).await {
                Ok(()) | Err(OpenStackError::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.inventory.put_tenant_server(&server).await?;
        self.tell(&server, "being given back").await;
        self.wake.notify_one();
        Ok(())
    }

    /// Looks after servers on their way until told to stop.
    pub async fn run(&self, stop: CancellationToken) {
        let mut over = life::LookOver::default();
        while !stop.is_cancelled() {
            match self.inventory.tenant_servers(None).await {
                Ok(servers) => {
                    self.look_over(&mut over, &servers).await;
                    for server in servers {
                        self.look(server).await;
                    }
                }
                Err(error) => warn!(%error, "tenants' servers cannot be read"),
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.wake.notified() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    async fn look(&self, server: TenantServer) {
        let looked = match server.state {
            TenantServerState::Requested => self.look_requested(&server).await,
            TenantServerState::Building => self.look_building(&server).await,
            TenantServerState::Deleting => self.look_deleting(&server).await,
            TenantServerState::Active | TenantServerState::Error => Ok(()),
        };
        if let Err(error) = looked {
            let reason = Some(error.to_string());
            if server.reason != reason {
                warn!(server = %server.id, %error, "a tenant's server waits");
                let record = TenantServer { reason, ..server };
                if let Err(error) = self.inventory.put_tenant_server(&record).await {
                    warn!(server = %record.id, %error, "a tenant's server cannot be stored");
                }
            }
        }
    }

    /// A request that a crash cut off: Nova may have the server, or nothing was made that anybody was told of.
    async fn look_requested(&self, server: &TenantServer) -> Result<(), TenancyError> {
        /// Requests younger than this are still being worked on.
        const REQUEST_TIME_MAX_US: u64 = 120_000_000;
        if self.inventory.clock().now_us().saturating_sub(server.created_us) < REQUEST_TIME_MAX_US {
            return Ok(());
        }
        let all = self.nova.list_servers(Caller::Service, nova::ProjectsShown::All).await?;
        let ours = server.id.to_string();
        let found = all.into_iter().find(|nova| nova.metadata.get(METADATA_KEY) == Some(&ours));
        let (state, instance) = match found {
            Some(nova) => (TenantServerState::Building, Some(nova.id)),
            None => (TenantServerState::Deleting, None),
        };
        self.inventory.put_tenant_server(&TenantServer { state, instance, ..server.clone() }).await?;
        Ok(())
    }

    async fn look_building(&self, server: &TenantServer) -> Result<(), TenancyError> {
        let Some(instance) = server.instance else { return self.look_adopting(server).await };
        let mut record = TenantServer { reason: None, ..server.clone() };
        match self.nova.show_server(Caller::Service, instance).await {
            Ok(nova) => {
                record.node = nova.node.map(protocol::id::ServerId).or(record.node);
                match nova.status.as_str() {
                    // A server that was off is off again after it was rebuilt.
                    "ACTIVE" | "SHUTOFF" => {
                        record.state = TenantServerState::Active;
                        record.image = nova.image_id.unwrap_or(record.image);
                    }
                    "ERROR" => {
                        record.state = TenantServerState::Error;
                        let fault = nova.fault.map(|fault| fault.message);
                        // Nova tries again elsewhere and may say no more in the end than that it gave up.
                        let seen = self.inventory.tenant_failure(server.id).await?;
                        record.reason =
                            Some(seen.or(fault).unwrap_or_else(|| "Nova gave no reason".to_owned()));
                    }
                    _ => {}
                }
            }
            Err(OpenStackError::NotFound { .. }) => {
                record.state = TenantServerState::Error;
                record.reason = Some("Nova does not know this server any more".to_owned());
            }
            Err(error) => return Err(error.into()),
        }
        if record != *server {
            self.inventory.put_tenant_server(&record).await?;
            if record.state != server.state {
                self.tell(&record, record.reason.as_deref().unwrap_or("active")).await;
            }
        }
        Ok(())
    }

    async fn look_deleting(&self, server: &TenantServer) -> Result<(), TenancyError> {
        if let Some(instance) = server.instance {
            match self.nova.show_server(Caller::Service, instance).await {
                Ok(nova) if nova.status == "ERROR" && nova.task_state.is_none() => {
                    // Nova gives up on a deletion that failed once; asking again is harmless.
                    self.nova.delete_server(Caller::Service, instance).await?;
                    return Ok(());
                }
                Ok(_) => return Ok(()),
                Err(OpenStackError::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let adopted = server.node.filter(|_| server.is_adopted());
        if let Some(node) = adopted
            && !self.end_adopted(server, node).await?
        {
            return Ok(());
        }
        if let Some(node) = server.node
            && let Some(physical) = self.inventory.server(node).await?
            && self.is_on_a_port(&physical, server).await?
        {
            return Ok(());
        }
        self.delete_ports(server).await?;
        if let Some(node) = adopted {
            self.inventory.delete_adoption(node).await?;
        }
        self.inventory.delete_tenant_server(server.id).await?;
        self.tell(server, "given back").await;
        Ok(())
    }

    async fn tell(&self, server: &TenantServer, what: &str) {
        info!(server = %server.id, name = %server.name, what, "tenant's server changed");
        if let Some(node) = server.node {
            self.inventory.record(node, EventKind::TenantServer, format!("{}: {what}", server.name)).await;
        }
    }
}
