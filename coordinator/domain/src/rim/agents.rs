//! Values: the racks' agents as the rest of the coordinator sees them, as a trait.

use async_trait::async_trait;
use protocol::{
    command::{Action, Failure, Success},
    id::{RackId, ServerId},
};

/// The agents, as the rest of the coordinator sees them.
#[async_trait]
pub trait Agents: Send + Sync {
    /// Sends a command and waits for its result, at most `COMMAND_WAIT_MAX`; the same action is never done twice.
    async fn run(&self, rack: &RackId, server: ServerId, action: Action) -> Result<Success, AgentError>;
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
