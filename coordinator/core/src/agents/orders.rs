//! Edges: orders of discovery, down to an agent. They are not repeated: without a connected agent nothing is ordered.

use async_trait::async_trait;
use domain::rim::{AgentError, DiscoveryOrders, Presence};
use protocol::{
    convert::ToAgent,
    discovery::Order,
    id::{AgentBootId, RackId},
};

use super::hub::AgentHub;

#[async_trait]
impl DiscoveryOrders for AgentHub {
    fn run_of(&self, rack: &RackId) -> Result<AgentBootId, AgentError> {
        self.connected(rack).ok_or_else(|| self.is_away(rack))
    }

    async fn order(&self, rack: &RackId, order: Order) -> Result<(), AgentError> {
        let outbox = self.outbox(rack).ok_or_else(|| self.is_away(rack))?;
        outbox.send(ToAgent::Discover(order)).await.map_err(|_| self.is_away(rack))
    }
}

impl AgentHub {
    /// The agent of a rack is not connected: since when, and what to do.
    pub(super) fn is_away(&self, rack: &RackId) -> AgentError {
        let reason = self.connection(rack).reason().unwrap_or_else(|| "has just disconnected".to_owned());
        // The error names the rack itself.
        let reason = reason.trim_start_matches(&format!("the agent of rack {rack} ")).to_owned();
        AgentError::Away { rack: rack.clone(), reason }
    }
}
