//! Values: the part that a network plays in a server's life.

use serde::{Deserialize, Serialize};

/// The two isolated networks on which a server may boot from the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BootNetwork {
    /// Inspection, deployment, rescue.
    Provisioning,
    /// Cleaning, and the place where servers without a tenant are parked.
    Cleaning,
}

impl BootNetwork {
    /// The word used in configuration files, logs and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            BootNetwork::Provisioning => "provisioning",
            BootNetwork::Cleaning => "cleaning",
        }
    }
}
