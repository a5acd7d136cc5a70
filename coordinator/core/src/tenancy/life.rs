//! Edges: the life of a tenant's server that is in use: its power, and another image.

use domain::{
    events::Told,
    lifecycle::admission::Wish,
    records::{TenantServer, TenantServerState},
    rim::{Caller, PowerTarget},
};
use tracing::warn;

use super::{Tenancy, TenancyError};
use protocol::id::ServerId;

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
                "{} was adopted, and Nova has no server for it that could be rebuilt: give it back and create a new one",
                server.name
            )));
        };
        self.admit(&server, node, Wish::Rebuild).await?;
        self.nova.rebuild_server(caller, instance, image_id).await?;
        server.state = TenantServerState::Building;
        server.image = image_id.to_owned();
        server.reason = None;
        self.inventory.put_tenant_server(&server).await?;
        self.tell(&server, "being rebuilt", Told::Rebuilding).await;
        self.note_node(node).await;
        self.wake.notify_one();
        Ok(server)
    }

    /// Stores the node as it is right after something was asked of it, so that nobody who waits for the end sees the beginning.
    pub(super) async fn note_node(&self, id: ServerId) {
        match self.ironic.get_node(id).await {
            Ok(node) => {
                if let Err(error) = self.inventory.set_node(id, Some(&node)).await {
                    warn!(server = %id, %error, "new state of a node not stored");
                }
            }
            Err(error) => warn!(server = %id, %error, "new state of a node not read"),
        }
    }
}

/// The physical server of one that is in use.
pub(super) fn in_use(server: &TenantServer, verb: &'static str) -> Result<ServerId, TenancyError> {
    match (server.state, server.node) {
        (TenantServerState::Active, Some(node)) => Ok(node),
        (state, _) => Err(TenancyError::NotDeployed { name: server.name.clone(), state: state.word(), verb }),
    }
}
