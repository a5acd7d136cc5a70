//! Edges: the health of servers' hardware, read at once for many.

use std::collections::HashMap;

use domain::{
    health::{Hardware, Health, Reason, SiteLimits, health, of_entry, of_sensor},
    records::Server,
};
use protocol::id::ServerId;

use super::{Inventory, InventoryError};

/// What is known of the hardware of many servers, read once for all of them.
#[derive(Default)]
pub struct Healths {
    hardware: HashMap<ServerId, Hardware>,
    reasons: HashMap<ServerId, Vec<Reason>>,
}

impl Healths {
    /// Of one server, or of all.
    pub async fn read(
        inventory: &Inventory,
        limits: &SiteLimits,
        server: Option<ServerId>,
    ) -> Result<Self, InventoryError> {
        let hardware = match server {
            Some(id) => inventory.hardware(id).await?.map(|known| (id, known)).into_iter().collect(),
            None => inventory.all_hardware().await?,
        };
        let mut reasons: HashMap<ServerId, Vec<Reason>> = HashMap::new();
        for (id, known) in inventory.bad_sensors(server).await? {
            reasons.entry(id).or_default().extend(of_sensor(&known, limits.rule(&known.sensor)));
        }
        for (id, known) in inventory.open_entries(server).await? {
            reasons.entry(id).or_default().extend(of_entry(&known));
        }
        Ok(Self { hardware, reasons })
    }

    /// The power draw of one of them in W; none: not known.
    pub fn draw_w(&self, server: ServerId) -> Option<u32> {
        self.hardware.get(&server)?.draw_w
    }

    /// The health of one of them. `away`: why its rack's agent is not connected.
    pub fn of(&self, server: &Server, away: Option<&str>) -> Health {
        let away = away.or(server.unwatched.as_ref().map(|unwatched| unwatched.reason.as_str()));
        let reasons = self.reasons.get(&server.id).cloned().unwrap_or_default();
        health(self.hardware.get(&server.id), reasons, away)
    }
}
