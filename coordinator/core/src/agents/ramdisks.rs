//! Edges: the ramdisks of an agent that was restarted: it takes them up again, or they are gone.

use std::sync::Arc;

use domain::{events::EventKind, records::Ramdisk};
use protocol::id::{AgentBootId, RackId, RamdiskSessionId, ServerId};
use store::InventoryError;
use tracing::{info, warn};

use super::{
    expected::Verdict,
    hub::{AgentHub, RamdiskSignal},
};

impl AgentHub {
    /// An agent was restarted. Of each ramdisk that it had it reports again, that it is back or that it is gone; one of
    /// which nothing is heard within [`RAMDISK_WAIT_MAX`](super::hub::RAMDISK_WAIT_MAX) is gone: whoever waits for it must not
    /// wait until Ironic's own time-outs.
    pub(super) fn expect_ramdisks(self: &Arc<Self>, rack: &RackId, run: AgentBootId, running: Vec<Ramdisk>) {
        if running.is_empty() {
            return;
        }
        info!(%rack, ramdisks = running.len(), "agent was restarted, its ramdisks are expected back");
        let sessions = running.iter().map(|ramdisk| (ramdisk.session, ramdisk.server));
        self.state().expected.expect(run, sessions);
        let (hub, rack) = (Arc::clone(self), rack.clone());
        tokio::spawn(async move {
            let gone = loop {
                tokio::time::sleep(hub.ramdisk_wait).await;
                let connected = hub.connected(&rack);
                let verdict = hub.state().expected.handle_timeout(run, connected);
                match verdict {
                    Verdict::Gone(gone) => break gone,
                    Verdict::Superseded => return,
                    Verdict::WaitOn => {}
                }
            };
            for (session, server) in gone {
                if let Err(error) = hub.give_up(&rack, server, session).await {
                    warn!(%server, %session, error = %error, "end of a ramdisk not stored");
                }
            }
        });
    }

    /// A ramdisk was heard of.
    pub(super) fn heard_of(&self, session: RamdiskSessionId) {
        self.state().expected.heard_of(session);
    }

    async fn give_up(
        &self,
        rack: &RackId,
        server: ServerId,
        session: RamdiskSessionId,
    ) -> Result<(), InventoryError> {
        self.heard_of(session);
        let reason = format!(
            "the agent of rack {rack} was restarted, and the ramdisk did not come back within {} s",
            self.ramdisk_wait.as_secs()
        );
        self.ramdisk_ended(server, session, reason).await
    }

    /// A ramdisk is gone for good.
    pub(super) async fn ramdisk_ended(
        &self,
        server: ServerId,
        session: RamdiskSessionId,
        reason: String,
    ) -> Result<(), InventoryError> {
        self.heard_of(session);
        self.inventory.end_ramdisk(server, session).await?;
        self.inventory.record(server, EventKind::RamdiskGone, reason.clone()).await;
        self.tell_ramdisk(RamdiskSignal::Gone { server, session, reason });
        self.wake.wake(server);
        Ok(())
    }
}
