//! Edges: whether a server is watched, as its agent says: stored, and told to people when it changes.

use domain::{
    events::EventKind,
    records::{Server, Unwatched},
};
use protocol::{
    power::PowerReading,
    watch::{NotWatched, Watch},
};
use store::InventoryError;

use super::hub::AgentHub;

impl AgentHub {
    /// Stores what the agent says. Only the beginning, another cause and the end are news: an agent says it again after a break.
    pub(super) async fn watched(&self, server: &Server, watch: Watch) -> Result<(), InventoryError> {
        let before = server.unwatched.as_ref();
        let Watch::NotWatched { why, reason } = watch else { return self.watched_again(server).await };
        let same = before.filter(|before| before.why == why);
        let since_us = same.map_or(self.inventory.clock().now_us(), |before| before.since_us);
        let is_news = same.is_none();
        let text = format!("not watched, so a power-off would go unnoticed: {reason}{}", remedy(server, why));
        self.inventory.set_unwatched(server.id, Some(&Unwatched { why, reason, since_us })).await?;
        if is_news {
            self.inventory.record(server.id, EventKind::Alarm, text).await;
        }
        Ok(())
    }

    /// An answer of the server's own BMC says that it is watched, whatever was said before.
    pub(super) async fn watched_by_reading(
        &self,
        server: &Server,
        reading: &PowerReading,
    ) -> Result<(), InventoryError> {
        match reading {
            PowerReading::On | PowerReading::Off => self.watched_again(server).await,
            PowerReading::Unreachable { .. } => Ok(()),
        }
    }

    async fn watched_again(&self, server: &Server) -> Result<(), InventoryError> {
        if server.unwatched.is_none() {
            return Ok(());
        }
        self.inventory.set_unwatched(server.id, None).await?;
        self.inventory.record(server.id, EventKind::Power, "watched again: its BMC answers us").await;
        Ok(())
    }
}

/// What a person can do about it, to be put behind the reason.
fn remedy(server: &Server, why: NotWatched) -> String {
    match why {
        NotWatched::CredentialsRefused => format!(
            "; correct the user or password by an import if they are wrong, or try now with `bmsctl node bmc retry {}`",
            server.name
        ),
        NotWatched::OtherMachine => "; correct the BMC address in the import file".to_owned(),
    }
}
