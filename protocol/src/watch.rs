//! Values: whether an agent watches a server's power, and if not, why not.

use serde::{Deserialize, Serialize};

/// Whether the agent reads a server's power often enough to see it go off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Watch {
    /// It does, or tries to: a BMC that is silent is asked again and again, and is watched.
    Watched,
    /// It does not: nobody would see this server go off, and no power command reaches it.
    NotWatched {
        /// What keeps it from watching.
        why: NotWatched,
        /// The same for a person: what was seen, what is done next and when, what to do about it.
        reason: String,
    },
}

/// What keeps an agent from watching a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotWatched {
    /// The BMC has refused so many log-ins that more of them could lock the account: it is tried seldom.
    CredentialsRefused,
    /// Another machine than this server answers at the BMC's address.
    OtherMachine,
}

impl NotWatched {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::CredentialsRefused, Self::OtherMachine];

    /// The word used in the API and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            NotWatched::CredentialsRefused => "credentials_refused",
            NotWatched::OtherMachine => "other_machine",
        }
    }
}
