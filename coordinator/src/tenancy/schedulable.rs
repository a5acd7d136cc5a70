//! Edges: waits until Nova's scheduler knows of a server that is free.
//!
//! Nova counts nodes from time to time. A server that became available a moment ago is free for us and unknown to the
//! scheduler, which would answer that no host is valid. Nothing here decides who gets a server: Nova does.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use crate::{
    inventory::{Inventory, InventoryError},
    openstack::{nova::Flavor, placement::Placement},
    pools,
};

/// Longest wait. Nova's own default is to count every 60 s; a request should not hang that long.
pub const SCHEDULABLE_WAIT_MAX: Duration = Duration::from_secs(30);
/// How often Placement is asked.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// Waits while a server of this flavor is free and the scheduler does not know it, [`SCHEDULABLE_WAIT_MAX`] at most. When
/// none is free, or Placement does not say, the request goes on at once: what Nova answers is the answer.
pub async fn wait(
    placement: &Placement,
    inventory: &Inventory,
    flavor: &Flavor,
) -> Result<(), InventoryError> {
    let begin = Instant::now();
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
        if free == 0 || begin.elapsed() >= SCHEDULABLE_WAIT_MAX {
            return Ok(());
        }
        info!(flavor = %flavor.name, free, "the scheduler does not know the free servers yet");
        sleep(ASK_EVERY).await;
    }
}
