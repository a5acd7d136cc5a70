//! Values: whether a rack's agent is connected, as a trait.

use std::time::Duration;

use async_trait::async_trait;
use protocol::id::RackId;

/// Whether a rack's agent is connected.
#[async_trait]
pub trait Presence: Send + Sync {
    /// None: it is here; else since when and why not, for a person.
    fn away(&self, rack: &RackId) -> Option<String>;
    /// Waits for an agent that is away and will be back in a moment, as all are after a restart of the coordinator: no longer than
    /// [`protocol::power_budget::AGENT_WAIT_MAX`]. It may be away all the same when this returns.
    async fn await_back(&self, rack: &RackId) {
        let _ = rack;
    }
    /// Age of the oldest power reading that the rack's agent stands by; none: nobody knows.
    fn oldest_reading(&self, rack: &RackId) -> Option<Duration> {
        let _ = rack;
        None
    }
}
