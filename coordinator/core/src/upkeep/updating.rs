//! Edges: a BMC that takes new firmware is left alone, and what waits for it says so.

use std::collections::HashSet;

use domain::{
    records::Server,
    upkeep::rotation::{Rotation, Step},
};
use protocol::id::ServerId;
use tracing::warn;

use super::Upkeep;

/// Why the change of a password waits.
const WAITS: &str = "waits for the update of the firmware to end (bmsctl firmware progress)";

impl Upkeep {
    /// Servers whose BMC is given new firmware, or is at it.
    pub(super) async fn updated_now(&self) -> HashSet<ServerId> {
        match self.inventory.open_updates().await {
            Ok(open) => {
                open.iter().filter(|update| update.is_under_way()).map(|update| update.server).collect()
            }
            Err(error) => {
                warn!(%error, "updates of firmware are not known");
                HashSet::new()
            }
        }
    }

    /// Passwords that would be changed now if their BMCs were not at new firmware.
    pub(super) async fn say_what_waits(&self, servers: &[Server], left_alone: &HashSet<ServerId>) {
        let now_us = self.now_us();
        for server in servers.iter().filter(|server| left_alone.contains(&server.id)) {
            let Some(rotation) = &server.upkeep.rotation else { continue };
            if rotation.step(now_us) == Step::Wait || rotation.trouble.as_deref() == Some(WAITS) {
                continue;
            }
            let waiting = Rotation { trouble: Some(WAITS.to_owned()), ..rotation.clone() };
            if let Err(error) = self.inventory.set_rotation(server.id, Some(&waiting)).await {
                warn!(server = %server.id, %error, "why a password is not changed was not stored");
            }
        }
    }
}
