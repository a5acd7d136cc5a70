//! Edges: one BMC is told to leave its server off after a power failure, and how that went is stored and told.

use domain::{events::EventKind, records::Server, rim::AgentError, upkeep::restore::Restore};
use protocol::command::{Action, FailureKind};
use store::InventoryError;
use tracing::debug;

use super::Upkeep;

impl Upkeep {
    pub(super) async fn settle_restore(&self, server: &Server) -> Result<(), InventoryError> {
        let fault = match self.agents.run(&server.rack, server.id, Action::KeepOff).await {
            Ok(_) => None,
            Err(AgentError::Failed(failure)) if failure.kind == FailureKind::BmcRefused => {
                Some(failure.message)
            }
            // Nothing was learned; it is asked again soon.
            Err(error) => {
                debug!(server = %server.id, %error, "restore policy not settled yet");
                return Ok(());
            }
        };
        let before = server.upkeep.restore.as_ref();
        let is_news = before.and_then(|before| before.fault.clone()) != fault;
        let settled = Restore::settled(server, fault, self.now_us());
        self.inventory.set_restore(server.id, &settled).await?;
        match settled.note() {
            Some(note) if is_news => {
                self.inventory.record(server.id, EventKind::Upkeep, format!("{}: {note}", server.name)).await
            }
            None if before.is_none_or(|before| before.fault.is_some()) => {
                let text = format!("{} stays off after a power failure: its BMC was told so", server.name);
                self.inventory.record(server.id, EventKind::Upkeep, text).await;
            }
            Some(_) | None => {}
        }
        Ok(())
    }
}
