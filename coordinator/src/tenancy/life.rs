//! Edges: the life of a tenant's server that is in use: its power, another image, and its end by somebody else's hand.

use tokio::time::{Duration, Instant};
use tracing::warn;
use uuid::Uuid;

use super::{Tenancy, TenancyError};
use crate::{
    adapter::ironic_node,
    inventory::{TenantServer, TenantServerState},
    lifecycle::admission::Wish,
    openstack::{
        error::Error as OpenStackError,
        ironic::{PowerTarget, ProvisionTarget},
        nova,
        session::Caller,
    },
};
use protocol::id::ServerId;

/// How often servers in use are compared with Nova, whose own API others may use too.
const COMPARE_EVERY: Duration = Duration::from_secs(15);

/// When the servers in use were last compared with Nova.
#[derive(Debug, Default)]
pub(super) struct LookOver {
    last: Option<Instant>,
}

impl TenantServerState {
    /// The state in a word.
    pub fn word(self) -> &'static str {
        match self {
            TenantServerState::Requested => "requested",
            TenantServerState::Building => "building",
            TenantServerState::Active => "active",
            TenantServerState::Deleting => "deleting",
            TenantServerState::Error => "in error",
        }
    }
}

impl Tenancy {
    /// Switches the server's power by way of Ironic, and so through the gate.
    pub async fn power(
        &self,
        server: &TenantServer,
        target: PowerTarget,
        verb: &'static str,
    ) -> Result<(), TenancyError> {
        let node = in_use(server, verb)?;
        match target {
            PowerTarget::On | PowerTarget::Reboot | PowerTarget::SoftReboot => {
                self.admit(server, node, Wish::Start).await?;
            }
            PowerTarget::Off | PowerTarget::SoftOff => {}
        }
        self.ironic.set_power_state(node, target).await?;
        self.note_node(node).await;
        Ok(())
    }

    /// Lets Nova write an image onto the server anew. Nothing is stored before Nova has taken it: were this process to end
    /// in between, the next comparison with Nova shows it.
    pub async fn rebuild(
        &self,
        caller: Caller<'_>,
        mut server: TenantServer,
        image_id: &str,
    ) -> Result<TenantServer, TenancyError> {
        let node = in_use(&server, "rebuild")?;
        let Some(instance) = server.instance else {
            return Err(TenancyError::Refused(format!(
                "{} was adopted, and Nova has no server of it that could be rebuilt: give it back and create a new one",
                server.name
            )));
        };
        self.nova.rebuild_server(caller, instance, image_id).await?;
        server.state = TenantServerState::Building;
        server.image = image_id.to_owned();
        server.reason = None;
        self.inventory.put_tenant_server(&server).await?;
        self.tell(&server, "being rebuilt").await;
        self.note_node(node).await;
        self.wake.notify_one();
        Ok(server)
    }

    /// Takes a physical server back from its tenant, whoever made the tenant's server: we, Nova alone, or Ironic alone.
    pub async fn reclaim(&self, node: ServerId, instance: Option<Uuid>) -> Result<(), TenancyError> {
        if let Some(server) = self.inventory.tenant_of(instance, node).await? {
            return self.delete(Caller::Service, TenantServer { node: Some(node), ..server }).await;
        }
        if let Some(instance) = instance {
            match self.nova.show_server(Caller::Service, instance).await {
                Ok(_) => return Ok(self.nova.delete_server(Caller::Service, instance).await?),
                // Nova knows nothing of it: Ironic ends it.
                Err(OpenStackError::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(self.ironic.set_provision_state(node, &ProvisionTarget::Deleted).await?)
    }

    /// Stores the node as it is right after something was asked of it, so that nobody who waits for the end sees the beginning.
    pub(super) async fn note_node(&self, id: ServerId) {
        match self.ironic.get_node(id).await {
            Ok(node) => {
                if let Err(error) = self.inventory.set_node(id, Some(&ironic_node(&node))).await {
                    warn!(server = %id, %error, "new state of a node not stored");
                }
            }
            Err(error) => warn!(server = %id, %error, "new state of a node not read"),
        }
    }

    /// Compares servers in use with Nova, from time to time: they may have been rebuilt or deleted by its own API.
    pub(super) async fn look_over(&self, over: &mut LookOver, servers: &[TenantServer]) {
        let is_active = |server: &&TenantServer| server.state == TenantServerState::Active;
        let in_use = |server: &&TenantServer| is_active(server) && server.instance.is_some();
        let due = over.last.is_none_or(|last| last.elapsed() >= COMPARE_EVERY);
        if !due || !servers.iter().any(|server| is_active(&server)) {
            return;
        }
        over.last = Some(Instant::now());
        for server in servers.iter().filter(|server| is_active(server) && server.is_adopted()) {
            if let Err(error) = self.compare_adopted(server).await {
                warn!(server = %server.id, %error, "an adopted server cannot be compared with Ironic");
            }
        }
        if !servers.iter().any(|server| in_use(&server)) {
            return;
        }
        let all = match self.nova.list_servers(Caller::Service, nova::ProjectsShown::All).await {
            Ok(all) => all,
            Err(error) => {
                warn!(%error, "servers in use cannot be compared with Nova");
                return;
            }
        };
        for server in servers.iter().filter(in_use) {
            let found = all.iter().find(|nova| Some(nova.id) == server.instance);
            if let Err(error) = self.compare(server, found).await {
                warn!(server = %server.id, %error, "a server in use cannot be compared with Nova");
            }
        }
    }

    async fn compare_adopted(&self, server: &TenantServer) -> Result<(), TenancyError> {
        let is_new = self.inventory.tenant_server(server.id).await?.as_ref() == Some(server);
        if is_new && self.was_taken_back(server).await? {
            let record = TenantServer { state: TenantServerState::Deleting, ..server.clone() };
            self.inventory.put_tenant_server(&record).await?;
            self.tell(&record, "taken back in Ironic").await;
        }
        Ok(())
    }

    async fn compare(&self, server: &TenantServer, found: Option<&nova::Server>) -> Result<(), TenancyError> {
        let (record, what) = match (found, server.instance) {
            (Some(nova), _) if nova.status == "REBUILD" => {
                (TenantServer { state: TenantServerState::Building, ..server.clone() }, "being rebuilt")
            }
            (Some(_), _) | (None, None) => return Ok(()),
            (None, Some(instance)) => match self.nova.show_server(Caller::Service, instance).await {
                Err(OpenStackError::NotFound { .. }) => {
                    (TenantServer { state: TenantServerState::Deleting, ..server.clone() }, "deleted in Nova")
                }
                Ok(_) => return Ok(()),
                Err(error) => return Err(error.into()),
            },
        };
        // What was asked of us meanwhile is newer than what was listed.
        if self.inventory.tenant_server(server.id).await?.as_ref() == Some(server) {
            self.inventory.put_tenant_server(&record).await?;
            self.tell(&record, what).await;
        }
        Ok(())
    }
}

/// The physical server of one that is in use.
pub(super) fn in_use(server: &TenantServer, verb: &'static str) -> Result<ServerId, TenancyError> {
    match (server.state, server.node) {
        (TenantServerState::Active, Some(node)) => Ok(node),
        (state, _) => Err(TenancyError::NotDeployed { name: server.name.clone(), state: state.word(), verb }),
    }
}
