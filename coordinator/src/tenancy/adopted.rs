//! Edges: the end of a server that was adopted. Nova has no server of it, so Ironic is asked instead.

use super::{Tenancy, TenancyError};
use crate::{
    inventory::{TenantServer, TenantServerState},
    lifecycle::ProvisionState,
    openstack::{error::Error as OpenStackError, ironic::ProvisionTarget},
};
use protocol::id::ServerId;

impl Tenancy {
    /// Asks Ironic to end its tenancy. Says whether Ironic has ended it; what is under way is left to end.
    pub(super) async fn end_adopted(
        &self,
        server: &TenantServer,
        node: ServerId,
    ) -> Result<bool, TenancyError> {
        let found = match self.ironic.get_node(node).await {
            Ok(found) => found,
            Err(OpenStackError::NotFound { .. }) => return Ok(true),
            Err(error) => return Err(error.into()),
        };
        if found.instance_uuid != Some(server.id) {
            return Ok(true);
        }
        if may_be_ended(&ProvisionState::from(found.provision_state.as_str())) {
            self.ironic.set_provision_state(node, &ProvisionTarget::Deleted).await?;
            self.note_node(node).await;
        }
        Ok(false)
    }

    /// Whether the node of an adopted server that is in use was taken back by Ironic's own API. Ironic itself is asked before
    /// that is believed: what is stored may be older than the adoption.
    pub(super) async fn was_taken_back(&self, server: &TenantServer) -> Result<bool, TenancyError> {
        let Some(node) = server.node else { return Ok(false) };
        let known = self.inventory.server(node).await?.and_then(|server| server.node);
        if known.is_none_or(|node| node.instance_id == Some(server.id)) {
            return Ok(false);
        }
        match self.ironic.get_node(node).await {
            Ok(found) => Ok(found.instance_uuid != Some(server.id)),
            Err(error) => Err(error.into()),
        }
    }

    /// A record of an adopted server must not outlive what it is a record of.
    pub(super) async fn look_adopting(&self, server: &TenantServer) -> Result<(), TenancyError> {
        let Some(node) = server.node else { return Ok(()) };
        if self.inventory.server(node).await?.is_none() {
            let record = TenantServer { state: TenantServerState::Deleting, ..server.clone() };
            self.inventory.put_tenant_server(&record).await?;
        }
        Ok(())
    }
}

/// States from which Ironic can end a tenancy.
fn may_be_ended(state: &ProvisionState) -> bool {
    matches!(
        state,
        ProvisionState::Active
            | ProvisionState::Error
            | ProvisionState::DeployFailed
            | ProvisionState::Rescue
            | ProvisionState::RescueFailed
            | ProvisionState::UnrescueFailed
    )
}
