//! Edges: what is in a BMC is read while nobody has its server, and compared once somebody has had it.

use domain::{
    events::EventKind,
    records::Server,
    rim::{Refusal, RefusalKind},
    upkeep::{
        footprint::{Due, Traces, due},
        hold::AfterTenancy,
    },
};
use protocol::command::{Action, Success};
use store::InventoryError;
use tracing::debug;

use super::Upkeep;

impl Upkeep {
    /// Does what is due for one server.
    pub(super) async fn settle_traces(&self, server: &Server) -> Result<(), InventoryError> {
        let known = server.upkeep.traces.clone();
        match (due(server), known) {
            (Some(Due::Had(instance)), Some(traces)) => {
                self.inventory.set_traces(server.id, &Traces { had_by: Some(instance), ..traces }).await
            }
            (Some(Due::First), _) => match self.read(server).await {
                Some(before) => {
                    let traces = Traces {
                        before,
                        read_us: self.now_us(),
                        had_by: None,
                        found: None,
                        hold: self.after_tenancy == AfterTenancy::Hold,
                    };
                    self.inventory.set_traces(server.id, &traces).await
                }
                None => Ok(()),
            },
            (Some(Due::Compare(after)), Some(traces)) => match self.read(server).await {
                Some(now) => {
                    let compared = traces.compared(after, now, self.now_us());
                    self.inventory.set_traces(server.id, &compared).await?;
                    if let Some(note) = compared.note(&server.name) {
                        let text = format!("{}: {note}", server.name);
                        self.inventory.record(server.id, EventKind::Alarm, text).await;
                    }
                    Ok(())
                }
                None => Ok(()),
            },
            (Some(Due::Had(_) | Due::Compare(_)), None) | (None, _) => Ok(()),
        }
    }

    /// None: it could not be read; that is tried again after a while.
    async fn read(&self, server: &Server) -> Option<protocol::footprint::Footprint> {
        match self.agents.run(&server.rack, server.id, Action::ReadFootprint).await {
            Ok(Success::Footprint(footprint)) => Some(footprint),
            Ok(_) => None,
            Err(error) => {
                debug!(server = %server.id, %error, "what is in a BMC was not read");
                self.unread().insert(server.id, self.now_us());
                None
            }
        }
    }

    /// An administrator has looked at what differs after a tenancy.
    pub async fn accept_changes(&self, server: &Server) -> Result<(), Refusal> {
        let refuse = |message: String| Refusal { kind: RefusalKind::State, message };
        let traces = server
            .upkeep
            .traces
            .clone()
            .filter(|traces| traces.found.is_some() || traces.hold_words(&server.name, None).is_some());
        let traces = traces.ok_or_else(|| {
            refuse(format!("nothing in the BMC of {} differs from before its last tenancy", server.name))
        })?;
        let accepted = traces.accepted(self.now_us());
        self.inventory.set_traces(server.id, &accepted).await.map_err(|error| refuse(error.to_string()))?;
        // It is let go at once where that held it back.
        self.asked.notify_one();
        Ok(())
    }
}
