//! Edges: servers that are held back after a tenancy are put into maintenance in Ironic, and let go once they may be given to somebody.

use domain::{
    events::EventKind,
    lifecycle::Node,
    records::Server,
    upkeep::{
        footprint::Traces,
        hold::{AfterTenancy, Step, step},
    },
};
use store::InventoryError;
use tracing::warn;

use super::Upkeep;

impl Upkeep {
    /// Does what is due for all servers.
    pub(super) async fn hold_back(&self, servers: &[Server]) {
        for server in servers {
            if let Err(error) = self.settle_hold(server).await {
                warn!(server = %server.id, %error, "whether a server is held back is not stored");
            }
        }
    }

    async fn settle_hold(&self, server: &Server) -> Result<(), InventoryError> {
        let hold = self.after_tenancy == AfterTenancy::Hold;
        if let Some(traces) = server.upkeep.traces.clone().filter(|traces| traces.hold != hold) {
            // Looked at again at the next round, with the rest that is due.
            return self.inventory.set_traces(server.id, &Traces { hold, ..traces }).await;
        }
        match (step(server), &server.node) {
            (Step::Nothing, _) | (_, None) => Ok(()),
            (Step::HoldBack(reason), Some(node)) => self.maintain(server, node, Some(reason)).await,
            (Step::LetGo, Some(node)) => self.maintain(server, node, None).await,
        }
    }

    async fn maintain(
        &self,
        server: &Server,
        node: &Node,
        reason: Option<String>,
    ) -> Result<(), InventoryError> {
        if let Err(error) = self.provisioner.set_maintenance(server.id, reason.as_deref()).await {
            warn!(server = %server.id, %error, "Ironic was not told whether a server is held back");
            return Ok(());
        }
        let text = match &reason {
            Some(reason) => reason.clone(),
            None => "no longer held back after its last tenancy".to_owned(),
        };
        let node = Node { maintenance: reason.is_some(), maintenance_reason: reason, ..node.clone() };
        self.inventory.set_node(server.id, Some(&node)).await?;
        self.inventory.record(server.id, EventKind::Upkeep, text).await;
        Ok(())
    }
}
