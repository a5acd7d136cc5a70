//! Edges: servers that were enrolled by the password that their BMC has from its factory: it is ours alone from then on, and changed at once.

use domain::{
    events::EventKind,
    factory_password::{Line, Place},
    records::Server,
    upkeep::rotation::Rotation,
};
use protocol::secret::Secret;
use store::InventoryError;
use tracing::warn;

use super::Upkeep;

impl Upkeep {
    /// Claims the lines of the list whose BMC is a server's by now. Whether one was.
    pub(super) async fn claim(&self, servers: &[Server]) -> bool {
        let accepted = match self.inventory.accepted_factory_passwords().await {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(%error, "factory passwords of BMCs are not changed: the list cannot be read");
                return false;
            }
        };
        let mut is_news = false;
        for (line, place, password) in &accepted {
            let Some(server) = servers.iter().find(|server| has(server, line, place, password)) else {
                continue;
            };
            match self.claim_for(server, line).await {
                Ok(()) => is_news = true,
                Err(error) => warn!(server = %server.id, %error, "that a BMC was claimed is not stored"),
            }
        }
        is_news
    }

    async fn claim_for(&self, server: &Server, line: &Line) -> Result<(), InventoryError> {
        let now_us = self.now_us();
        let planned = Rotation::planned("it is the password of its factory", now_us, now_us);
        self.inventory.claim_factory_password(line, server, &planned).await?;
        let text = format!(
            "{} was claimed by the factory password of its BMC ({}), which is changed now; its user {:?} is ours alone",
            server.name, line.whose, line.whose.username
        );
        self.inventory.record(server.id, EventKind::Upkeep, text).await;
        Ok(())
    }

    /// Somebody has enrolled a server: what is due for it is looked at at once.
    pub fn look_now(&self) {
        self.asked.notify_one();
    }
}

/// Whether a server's BMC is the one that has let us in, and still has that password.
fn has(server: &Server, line: &Line, place: &Place, password: &Secret) -> bool {
    let bmc = &server.bmc;
    (&server.rack, &bmc.address, bmc.port) == (&place.rack, &place.address, place.port)
        && bmc.username == line.whose.username
        && bmc.password == *password
}
