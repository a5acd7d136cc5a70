//! Edges: the last look at a server's ports, right before the command: Contrail owns them, and others use it too.

use domain::{events::EventKind, lifecycle::PermittedBoot, records::Server, rim::RefusalKind};
use tokio::time::{Instant, timeout_at};

use super::{Gate, PowerOnError, refuse};
use crate::mover::MoveError;

impl Gate {
    /// Reads every port once more. What has moved since the proof is told, with what was seen, and no command is given.
    pub(super) async fn look_again(
        &self,
        server: &Server,
        permitted: &PermittedBoot,
        deadline: Instant,
    ) -> Result<(), PowerOnError> {
        let looked = timeout_at(deadline, self.parts.mover.prove(server, permitted.network)).await;
        let error = match looked {
            // The agent needs its whole share: one that was given less would switch on after the refusal was told.
            Ok(Ok(())) if Instant::now() <= deadline => return Ok(()),
            Ok(Ok(())) | Err(_) => return Err(PowerOnError::Refused(self.too_late(server))),
            Ok(Err(error)) => error,
        };
        if matches!(error, MoveError::Elsewhere { .. }) {
            let text = format!("moved between the proof and the power-on, which was not sent: {error}");
            self.parts.inventory.record(server.id, EventKind::Waiting, text).await;
        }
        let refusal = refuse(RefusalKind::Gate, format!("{} was not powered on: {error}", server.name));
        Err(if error.is_worth_repeating() {
            PowerOnError::Moved(refusal)
        } else {
            PowerOnError::Refused(refusal)
        })
    }
}
