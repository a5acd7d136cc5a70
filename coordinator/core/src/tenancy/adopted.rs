//! Edges: a server that was adopted: Nova has no server of it, so Ironic alone tells whether its tenancy has ended.

use super::{Tenancy, TenancyError};
use domain::{records::TenantServer, rim::ServiceError};

impl Tenancy {
    /// Whether the node of an adopted server that is in use was taken back by Ironic's own API. Ironic itself is asked before
    /// that is believed: what is stored may be older than the adoption.
    pub(super) async fn was_taken_back(&self, server: &TenantServer) -> Result<bool, TenancyError> {
        let Some(node) = server.node else { return Ok(false) };
        let known = self.inventory.server(node).await?.and_then(|server| server.node);
        if known.is_none_or(|node| node.instance_id == Some(server.id)) {
            return Ok(false);
        }
        match self.ironic.get_node(node).await {
            Ok(found) => Ok(found.instance_id != Some(server.id)),
            Err(ServiceError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// A record of an adopted server must not outlive what it is a record of.
    pub(super) async fn look_adopting(&self, server: &TenantServer) -> Result<(), TenancyError> {
        let Some(node) = server.node else { return Ok(()) };
        if self.inventory.server(node).await?.is_none() {
            self.end(server, "its machine was removed from the inventory").await?;
        }
        Ok(())
    }
}
