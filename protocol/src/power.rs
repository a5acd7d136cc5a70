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

/// What a server does when its mains power comes back (IPMI section 28.8, Redfish `ComputerSystem.PowerRestorePolicy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RestorePolicy {
    /// It stays off.
    AlwaysOff,
    /// It is on if it was on before.
    LastState,
    /// It goes on.
    AlwaysOn,
}

impl RestorePolicy {
    /// All of them, in the order of IPMI's numbers.
    pub const ALL: [Self; 3] = [Self::AlwaysOff, Self::LastState, Self::AlwaysOn];

    /// IPMI's number.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// From that number; none: a reserved one, or "not known".
    pub fn of_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// Redfish's word.
    pub fn word(self) -> &'static str {
        match self {
            RestorePolicy::AlwaysOff => "AlwaysOff",
            RestorePolicy::LastState => "LastState",
            RestorePolicy::AlwaysOn => "AlwaysOn",
        }
    }

    /// From that word, whatever its case.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|policy| policy.word().eq_ignore_ascii_case(word.trim()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_comes_back_from_its_number_and_its_word() {
        for (code, policy) in (0_u8..).zip(RestorePolicy::ALL) {
            assert_eq!((policy.code(), RestorePolicy::of_code(code)), (code, Some(policy)));
            assert_eq!(RestorePolicy::of_word(&format!(" {} ", policy.word().to_lowercase())), Some(policy));
        }
        assert_eq!(RestorePolicy::of_code(3), None);
        assert_eq!(RestorePolicy::of_word("Maybe"), None);
    }
}
