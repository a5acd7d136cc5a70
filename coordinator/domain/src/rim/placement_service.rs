//! Values: Placement, which knows what Nova's scheduler would find, as a trait.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::ServiceError;

/// Placement, as those need it who are about to ask Nova for a server.
#[async_trait]
pub trait PlacementService: Send + Sync {
    /// Whether the scheduler would find at least one node for a flavor with these extra specs now. Nova tells Placement of a
    /// node that became available only from time to time (`update_resources_interval`, 60 s by default).
    async fn has_candidates(&self, extra_specs: &BTreeMap<String, String>) -> Result<bool, ServiceError>;
}
