//! Edges: waits until Nova's scheduler knows of a server that is free.
//!
//! Nova counts nodes from time to time. A server that became available a moment ago is free for us and unknown to the
//! scheduler, which would answer that no host is valid. Nothing here decides who gets a server: Nova does.

use std::time::Duration;

use domain::rim::{Flavor, PlacementService};
use store::{Inventory, InventoryError};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use crate::pools;

/// Longest wait. Nova's own default is to count every 60 s; a request should not hang that long.
pub const SCHEDULABLE_WAIT_MAX: Duration = Duration::from_secs(30);
/// How often Placement is asked.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// Waits while a server of this flavor is free and the scheduler does not know it, [`SCHEDULABLE_WAIT_MAX`] at most, the time in
/// which Placement is silent included. When none is free, or Placement does not say, the request goes on at once: what Nova
/// answers is the answer.
pub async fn wait(
    placement: &dyn PlacementService,
    inventory: &Inventory,
    flavor: &Flavor,
) -> Result<(), InventoryError> {
    match timeout(SCHEDULABLE_WAIT_MAX, until_known(placement, inventory, flavor)).await {
        Ok(known) => known,
        Err(_) => {
            warn!(flavor = %flavor.name, "the scheduler did not learn of the free servers in time, nova is asked all the same");
            Ok(())
        }
    }
}

async fn until_known(
    placement: &dyn PlacementService,
    inventory: &Inventory,
    flavor: &Flavor,
) -> Result<(), InventoryError> {
    let mut is_told = false;
    loop {
        match placement.has_candidates(&flavor.extra_specs).await {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(error) => {
                warn!(flavor = %flavor.name, %error, "placement not asked");
                return Ok(());
            }
        }
        let free = pools::count(flavor, &inventory.servers(None).await?).free;
        if free == 0 {
            return Ok(());
        }
        if !std::mem::replace(&mut is_told, true) {
            info!(flavor = %flavor.name, free, "the scheduler does not know the free servers yet");
        }
        sleep(ASK_EVERY).await;
    }
}
