//! Edges: why the ramdisk ends.

use protocol::secret::Secret;

use crate::link::LinkError;

/// Why the ramdisk ends. Its server goes off, but for a hand-over.
#[derive(Debug, thiserror::Error)]
pub enum SessionEnd {
    /// The agent told it to.
    #[error("the agent asked for power off")]
    Told,
    /// The agent did not accept the token, or does not know the session any more.
    #[error("the agent refused us: {0}")]
    Refused(String),
    /// No connection, or no longer one.
    #[error("no agent: {0}")]
    Lost(#[from] LinkError),
    /// The agent broke the protocol.
    #[error("the agent said something unexpected")]
    Confused,
    /// The agent has let go of the server, which is its tenant's from now on and stays on.
    #[error("the server is its tenant's now")]
    HandedOver {
        /// Hash of the password with which the tenant logs in.
        password_hash: Secret,
    },
}
