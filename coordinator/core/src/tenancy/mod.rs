//! Edges: a tenant's server from the request to the end: port and address in Contrail, server in Nova, and back.
//!
//! ```text
//!   create: record -> tenant port and address (Contrail) -> known to the scheduler -> server (Nova) -> Ironic deploys -> active
//!   delete: record says so -> Nova deletes, or Ironic when Nova cannot -> the port leaves the node -> port deleted
//!           -> Ironic has cleaned -> record deleted, "given back" (the decisions: `ending`)
//! ```
//!
//! What must stay true: the record is written before anything is made, and what is made has ids that follow from the
//! record's, so that a crash anywhere is taken up by the next look; a tenant's port is deleted only when no server is
//! on it any more; a record outlives every trace of its tenant on the machine.

mod ports;
pub mod schedulable;

mod adopted;
mod compare;
mod end;
mod life;
mod rescue;
mod watch;

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use domain::{
    events::{EventKind, Told},
    records::{TenantReason, TenantReasonKind, TenantServer, TenantServerState},
    rim::{
        Caller, FabricError, Flavor, NewComputeServer, NodeService, PlacementService, ServerNetworks,
        ServerService, ServiceError, TenantNetworks,
    },
    tenancy::{pace, reasons},
};
use futures::{StreamExt, stream};
use store::{Inventory, InventoryError};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use uuid::Uuid;

pub use ports::{Attachment, NETWORKS_MAX};

/// How often servers on their way are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Servers that are looked at at the same time: a service that is slow with one holds few others up.
const LOOKS_MAX: usize = 8;
/// Requests younger than this are still being worked on.
const REQUEST_TIME_MAX_US: u64 = 120_000_000;
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
    OpenStack(#[from] ServiceError),
    /// Contrail refused, or is away.
    #[error(transparent)]
    Fabric(#[from] FabricError),
    /// The server is not deployed.
    #[error("{name} is {state} and not deployed: {verb} needs a deployed server; wait, or check its reason")]
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
    nova: Arc<dyn ServerService>,
    placement: Arc<dyn PlacementService>,
    ironic: Arc<dyn NodeService>,
    networks: Arc<dyn TenantNetworks>,
    wake: Notify,
    paces: Mutex<pace::Paces>,
}

impl Tenancy {
    /// Joins the services.
    pub fn new(
        inventory: Inventory,
        nova: Arc<dyn ServerService>,
        placement: Arc<dyn PlacementService>,
        ironic: Arc<dyn NodeService>,
        networks: Arc<dyn TenantNetworks>,
    ) -> Self {
        Self { inventory, nova, placement, ironic, networks, wake: Notify::new(), paces: Mutex::default() }
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
            self.take_back(&server, &error).await;
            return Err(error);
        }
        if !self.inventory.change_tenant_server(TenantServerState::Requested, &server).await? {
            // It was given back meanwhile: what Nova made ends with it.
            server.state = TenantServerState::Deleting;
            self.inventory.change_tenant_server(TenantServerState::Deleting, &server).await?;
        }
        self.tell(&server, "asked for", Told::AskedFor).await;
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
        schedulable::wait(&*self.placement, &self.inventory, flavor).await?;
        let wanted = NewComputeServer {
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

    /// What was made is unmade, and the record forgotten. Where a service gave no answer, it may have done what was asked: the
    /// record stays then, and the looks find out.
    async fn take_back(&self, server: &TenantServer, error: &TenancyError) {
        let no_answer = matches!(error, TenancyError::OpenStack(ServiceError::Unavailable { .. }));
        let unmade = self.delete_ports(server).await;
        if no_answer || unmade.is_err() {
            if let Err(error) = unmade {
                warn!(server = %server.id, %error, "ports of a refused server stay for now");
            }
            let record = TenantServer { state: TenantServerState::Deleting, ..server.clone() };
            if let Err(error) = self.inventory.put_tenant_server(&record).await {
                warn!(server = %server.id, %error, "record of a refused server cannot be changed");
            }
        } else if let Err(error) = self.inventory.delete_tenant_server(server.id).await {
            warn!(server = %server.id, %error, "record of a refused server stays");
        }
    }

    /// Looks after servers on their way until told to stop.
    pub async fn run(&self, stop: CancellationToken) {
        let mut over = compare::LookOver::default();
        while !stop.is_cancelled() {
            match self.inventory.tenant_servers(None).await {
                Ok(servers) => {
                    self.look_over(&mut over, &servers).await;
                    self.paces().keep(|id| servers.iter().any(|server| server.id == id));
                    let looks = stream::iter(servers).for_each_concurrent(LOOKS_MAX, |server| async {
                        if self.is_due(&server).await {
                            self.look(server).await;
                        }
                    });
                    looks.await;
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

    /// Whether a server is to be looked at now: one that ends, for hours perhaps, is not asked after every second.
    async fn is_due(&self, server: &TenantServer) -> bool {
        if server.state != TenantServerState::Deleting {
            return true;
        }
        let physical = match server.node {
            Some(node) => self.inventory.server(node).await.ok().flatten(),
            None => None,
        };
        let node = physical.as_ref().and_then(|physical| physical.node.as_ref());
        let places = physical.iter().flat_map(|physical| &physical.ports).map(|port| &port.observed);
        let seen = format!(
            "{:?} {:?} {:?}",
            node.map(|node| (&node.provision_state, node.instance_id, node.held().is_some())),
            places.collect::<Vec<_>>(),
            server.reason,
        );
        self.paces().is_due(server.id, &seen, self.inventory.clock().now_us())
    }

    fn paces(&self) -> MutexGuard<'_, pace::Paces> {
        self.paces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn look(&self, server: TenantServer) {
        let looked = match server.state {
            TenantServerState::Requested => self.look_requested(&server).await,
            TenantServerState::Building => self.look_building(&server).await,
            TenantServerState::Deleting => self.look_deleting(&server).await,
            TenantServerState::Active | TenantServerState::Error => Ok(()),
        };
        if let Err(error) = looked {
            let reason = Some(reasons::of_failed_look(server.state, error.to_string()));
            if server.reason != reason {
                warn!(server = %server.id, %error, "a tenant's server waits");
                let state = server.state;
                let record = TenantServer { reason, ..server };
                if let Err(error) = self.inventory.change_tenant_server(state, &record).await {
                    warn!(server = %record.id, %error, "a tenant's server cannot be stored");
                }
            }
        }
    }

    /// A request that a crash cut off: Nova may have the server, or nothing was made that anybody was told of.
    async fn look_requested(&self, server: &TenantServer) -> Result<(), TenancyError> {
        if self.inventory.clock().now_us().saturating_sub(server.created_us) < REQUEST_TIME_MAX_US {
            return Ok(());
        }
        let (state, instance) = match self.made_of(server).await? {
            Some(nova) => (TenantServerState::Building, Some(nova.id)),
            None => (TenantServerState::Deleting, None),
        };
        let record = TenantServer { state, instance, ..server.clone() };
        self.inventory.change_tenant_server(TenantServerState::Requested, &record).await?;
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
                        let image = self.inventory.tenant_failure(server.id).await?;
                        record.reason = Some(reasons::of_failed_build(image, fault));
                    }
                    _ => {}
                }
            }
            Err(ServiceError::NotFound { .. }) => return self.gone_in_nova(server, instance).await,
            Err(error) => return Err(error.into()),
        }
        // What was asked of us meanwhile is newer than what Nova said.
        let changed = record != *server && self.inventory.change_tenant_server(server.state, &record).await?;
        if changed && record.state != server.state {
            let (what, told) = match &record.reason {
                None => ("active", Told::Ready),
                Some(TenantReason { kind: TenantReasonKind::Trouble(trouble), text }) => {
                    (text.as_str(), Told::Trouble(*trouble))
                }
                Some(TenantReason { kind: TenantReasonKind::Waits(_), text }) => {
                    (text.as_str(), Told::EndingGoesOn)
                }
            };
            self.tell(&record, what, told).await;
        }
        Ok(())
    }

    async fn tell(&self, server: &TenantServer, what: &str, told: Told) {
        info!(server = %server.id, name = %server.name, what, "tenant's server changed");
        let text = format!("{}: {what}", server.name);
        self.inventory.record_of_tenant(server, EventKind::TenantServer, &text, told).await;
    }
}
