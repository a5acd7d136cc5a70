//! Values: in which state a server's power and a tenant's server are, in the API's words.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A server's power, as its BMC last told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PowerState {
    /// It is on.
    On,
    /// It is off.
    Off,
    /// Its BMC does not answer, or does not let anybody in.
    Unreachable,
    /// Nobody has read it, or nobody can now. A client takes a word that it does not know for this one.
    #[serde(other)]
    Unknown,
}

impl PowerState {
    /// The API's word.
    pub fn as_str(self) -> &'static str {
        match self {
            PowerState::On => "on",
            PowerState::Off => "off",
            PowerState::Unreachable => "unreachable",
            PowerState::Unknown => "unknown",
        }
    }
}

impl fmt::Display for PowerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a tenant's server is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServerStatus {
    /// It is on its way to its tenant.
    Building,
    /// It is its tenant's, and on.
    Active,
    /// It is its tenant's, and off.
    Off,
    /// A rescue system is on its way.
    Rescuing,
    /// A rescue system runs on it.
    Rescue,
    /// Its own disk is being booted again.
    Unrescuing,
    /// It is being given back.
    Deleting,
    /// Something failed; the reason says what.
    Error,
    /// A word that this client does not know: the coordinator is newer, and sends none such itself.
    #[serde(other)]
    Unknown,
}

impl ServerStatus {
    /// The API's word.
    pub fn as_str(self) -> &'static str {
        match self {
            ServerStatus::Building => "building",
            ServerStatus::Active => "active",
            ServerStatus::Off => "off",
            ServerStatus::Rescuing => "rescuing",
            ServerStatus::Rescue => "rescue",
            ServerStatus::Unrescuing => "unrescuing",
            ServerStatus::Deleting => "deleting",
            ServerStatus::Error => "error",
            ServerStatus::Unknown => "unknown",
        }
    }
}

impl fmt::Display for ServerStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_on_the_wire_and_a_newer_one_is_survived() {
        for (state, word) in [
            (PowerState::On, "on"),
            (PowerState::Off, "off"),
            (PowerState::Unreachable, "unreachable"),
            (PowerState::Unknown, "unknown"),
        ] {
            assert_eq!((serde_json::to_value(state).unwrap(), state.as_str()), (word.into(), word));
            assert_eq!(serde_json::from_value::<PowerState>(word.into()).unwrap(), state);
        }
        for (status, word) in [
            (ServerStatus::Building, "building"),
            (ServerStatus::Active, "active"),
            (ServerStatus::Off, "off"),
            (ServerStatus::Rescuing, "rescuing"),
            (ServerStatus::Rescue, "rescue"),
            (ServerStatus::Unrescuing, "unrescuing"),
            (ServerStatus::Deleting, "deleting"),
            (ServerStatus::Error, "error"),
            (ServerStatus::Unknown, "unknown"),
        ] {
            assert_eq!((serde_json::to_value(status).unwrap(), status.as_str()), (word.into(), word));
            assert_eq!(serde_json::from_value::<ServerStatus>(word.into()).unwrap(), status);
        }
        assert_eq!(serde_json::from_str::<PowerState>("\"asleep\"").unwrap(), PowerState::Unknown);
        assert_eq!(serde_json::from_str::<ServerStatus>("\"moving\"").unwrap(), ServerStatus::Unknown);
    }
}
