//! Values: whether a rack's agent is connected, as a trait.

use std::time::Duration;

use async_trait::async_trait;
use protocol::{
    bmc_health::BmcHealth,
    id::{RackId, ServerId},
};

/// The connection of a rack's agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentConnection {
    /// It is connected.
    Connected,
    /// It is not: since when, and what to do, for a person.
    Disconnected(String),
}

impl AgentConnection {
    /// Whether it is connected.
    pub fn is_connected(&self) -> bool {
        match self {
            AgentConnection::Connected => true,
            AgentConnection::Disconnected(_) => false,
        }
    }

    /// Why it is not; none: it is.
    pub fn reason(self) -> Option<String> {
        match self {
            AgentConnection::Connected => None,
            AgentConnection::Disconnected(reason) => Some(reason),
        }
    }
}

/// How a server's BMC answers, and how long ago its agent said so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeardHealth {
    /// What it said.
    pub health: BmcHealth,
    /// How long ago.
    pub ago: Duration,
}

/// Whether a rack's agent is connected.
#[async_trait]
pub trait Presence: Send + Sync {
    /// The connection of a rack's agent now.
    fn connection(&self, rack: &RackId) -> AgentConnection;
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
    /// How a server's BMC answers, as the rack's agent said last; none: nobody knows here.
    fn bmc_health(&self, rack: &RackId, server: ServerId) -> Option<HeardHealth> {
        let _ = (rack, server);
        None
    }
}
