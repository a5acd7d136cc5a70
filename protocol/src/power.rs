//! Values: power as a BMC reports it, and as somebody asks for it.

use serde::{Deserialize, Serialize};

/// What is known of a server's power. `Unreachable` is not `Off`: a silent BMC proves nothing, and isolates nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum PowerReading {
    /// The BMC says that the chassis has power.
    On,
    /// The BMC says that it has none.
    Off,
    /// The BMC does not answer, or refuses us.
    Unreachable {
        /// What was tried and what came back, for a person.
        reason: String,
    },
}

/// Why the reading is what it is: the difference between "we switched it off" and "somebody pulled the plug".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PowerCause {
    /// A command of the coordinator ended in this state.
    Commanded,
    /// The agent saw it while polling and nobody had asked for it.
    Unasked,
    /// The first reading since the agent started or the server was declared.
    First,
}

/// How to take the power away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PowerOffHow {
    /// At once (IPMI chassis control "power down", Redfish `ForceOff`).
    Hard,
    /// Ask the operating system (IPMI "soft shutdown", Redfish `GracefulShutdown`).
    Soft,
}
