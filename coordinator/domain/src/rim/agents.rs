//! Values: the racks' agents as the rest of the coordinator sees them, as a trait.

use async_trait::async_trait;
use protocol::{
    command::{Action, Failure, Success},
    discovery::Order,
    id::{AgentBootId, RackId, ServerId},
};

use crate::records::Server;

/// The agents, as the rest of the coordinator sees them.
#[async_trait]
pub trait Agents: Send + Sync {
    /// Sends a command and waits for its result, at most `COMMAND_WAIT_MAX`; the same action is never done twice.
    async fn run(&self, rack: &RackId, server: ServerId, action: Action) -> Result<Success, AgentError>;
}

/// Tells agents which servers to look after.
#[async_trait]
pub trait Declarations: Send + Sync {
    /// Tells the rack's agent of a server, new or changed, when it is here; it hears of all when it comes.
    async fn declare(&self, server: &Server);
    /// Tells it anew whose own system runs on a server, if that is not what it was told last. Nothing is kept by whoever tells nobody.
    async fn keep(&self, _server: &Server) {}
    /// Tells the rack's agent to forget a server.
    async fn forget(&self, rack: &RackId, server: ServerId);
}

/// Hands orders of discovery to agents. They are not repeated: without a connected agent nothing is ordered.
#[async_trait]
pub trait DiscoveryOrders: Send + Sync {
    /// The run of a rack's agent that would get an order now.
    fn run_of(&self, rack: &RackId) -> Result<AgentBootId, AgentError>;
    /// Hands an order to the rack's agent.
    async fn order(&self, rack: &RackId, order: Order) -> Result<(), AgentError>;
}

/// Why an agent gave no success.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AgentError {
    /// The agent is not connected, or did not answer in time.
    #[error("the agent of rack {rack} {reason}")]
    Away {
        /// Which rack.
        rack: RackId,
        /// What is known.
        reason: String,
    },
    /// A permit to switch on that was given and has not been taken: the connection broke before. Nothing was done. It is not
    /// given again, because what it rests on may have changed; it may be asked for anew.
    #[error(
        "the agent of rack {rack} lost its connection or was restarted before it had accepted the command"
    )]
    NotTaken {
        /// Which rack.
        rack: RackId,
    },
    /// The agent answered with a failure.
    #[error(transparent)]
    Failed(#[from] Failure),
}
