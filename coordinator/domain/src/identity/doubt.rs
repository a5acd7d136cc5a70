//! Values: why it is in doubt whose BMC answers at a server's address.

use protocol::{hardware::BmcIdentity, power::PowerReading};
use serde::{Deserialize, Serialize};

/// Why it is in doubt whose BMC answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "doubt")]
pub enum Doubt {
    /// Its BMC is another one than before, or elsewhere, and nothing has proved yet that it is this server's.
    Changed {
        /// Since when.
        at_us: u64,
        /// Where it was when it was last known to be this server's, as [`protocol::spec::BmcEndpoint::place`] writes it.
        from: String,
        /// Who answers there, once it has said so and that proved nothing.
        heard: Option<BmcIdentity>,
        /// The reading that it gave since it has said that, which counts for nothing until the doubt ends. One that came before is
        /// not kept: it may be a late one of the BMC before.
        reading: Option<PowerReading>,
    },
    /// Another machine answers there.
    OtherMachine {
        /// Since when.
        at_us: u64,
        /// Where the BMC was when it was last known to be this server's; none: its address did not change.
        from: Option<String>,
        /// Who answers.
        said: BmcIdentity,
        /// What differs from what is known of this server; none: nothing was known of it, but it is another server's.
        differs: Option<String>,
        /// The enrolled server whose identity that is.
        whose: Option<String>,
    },
}

impl Doubt {
    /// Since when.
    pub fn at_us(&self) -> u64 {
        match self {
            Doubt::Changed { at_us, .. } | Doubt::OtherMachine { at_us, .. } => *at_us,
        }
    }

    /// Where the BMC was before, if it was elsewhere.
    pub fn from(&self) -> Option<&str> {
        match self {
            Doubt::Changed { from, .. } => Some(from),
            Doubt::OtherMachine { from, .. } => from.as_deref(),
        }
    }

    /// What is wrong with the server of this name, whose BMC is here and was known as this, and what to do: for a person.
    pub fn words(&self, name: &str, place: &str, known: &str) -> String {
        match self {
            Doubt::Changed { from, heard: None, .. } => format!(
                "the BMC of {name} changed from {from} to {place} and has not identified itself yet: until it does, its \
                 power state is unknown and power changes are refused; if this persists, check the rack's agent"
            ),
            Doubt::Changed { from, heard: Some(said), reading, .. } => {
                let reading = match reading {
                    Some(PowerReading::On) => " and says that the power is on",
                    Some(PowerReading::Off) => " and says that the power is off",
                    Some(PowerReading::Unreachable { .. }) | None => "",
                };
                format!(
                    "the BMC of {name} changed from {from} to {place}; {said} answers there{reading}, which does not prove \
                     that it belongs to {name}: the power state of {name} is unknown and power changes are refused until \
                     an administrator accepts the BMC (bmsctl node bmc accept {name}) or corrects its address by an \
                     import"
                )
            }
            Doubt::OtherMachine { said, differs, whose, .. } => {
                let is = match differs {
                    Some(field) => format!("{name}'s is {known} (the {field} differs)"),
                    None => format!(
                        "two servers in the inventory would be the same machine (it is also enrolled as {name})"
                    ),
                };
                let remedy = match (whose, differs) {
                    (Some(other), Some(_)) => format!(
                        "that is {other}: were their addresses exchanged? Correct the BMC address of {name} by an import (bmsctl node import)"
                    ),
                    (Some(other), None) => format!(
                        "that is {other}: correct the BMC address of {name} by an import, or delete one of the two; if \
                         they are two machines that report the same identity, accept it (bmsctl node bmc accept {name})"
                    ),
                    (None, _) => format!(
                        "correct the BMC address of {name} by an import, or, if its board or BMC was replaced, accept the new one (bmsctl \
                         node bmc accept {name})"
                    ),
                };
                format!(
                    "another machine answers as the BMC of {name} at {place}: it identifies itself as {said}, and {is}; \
                     its answers are ignored, and power changes of {name} are refused. {remedy}"
                )
            }
        }
    }
}
