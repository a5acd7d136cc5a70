//! Values: in which state a server's power and a tenant's server are, in the API's words.

use crate::word::words;

words! {
    /// A server's power, as its BMC last told it.
    PowerState {
        /// It is on.
        On = "on",
        /// It is off.
        Off = "off",
        /// Its BMC does not answer, or does not let anybody in.
        Unreachable = "unreachable";
        /// Nobody has read it, or nobody can now. A client takes a word that it does not know for this one.
        else Unknown = "unknown"
    }
}

words! {
    /// What a tenant's server is doing.
    ServerStatus {
        /// It is on its way to its tenant.
        Building = "building",
        /// It is its tenant's, and on.
        Active = "active",
        /// It is its tenant's, and off.
        Off = "off",
        /// A rescue system is on its way.
        Rescuing = "rescuing",
        /// A rescue system runs on it.
        Rescue = "rescue",
        /// Its own disk is being booted again.
        Unrescuing = "unrescuing",
        /// It is being given back.
        Deleting = "deleting",
        /// Something failed; the reason says what.
        Error = "error";
        /// A word that this client does not know: the coordinator is newer, and sends none such itself.
        else Unknown = "unknown"
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
        // Who asks by a word, as a filter does, is not told of what is unknown instead.
        let error = "asleep".parse::<PowerState>().unwrap_err().to_string();
        assert_eq!(error, "\"asleep\" is not known; known are on, off, unreachable, unknown");
        assert_eq!(serde_json::from_str::<ServerStatus>("\"moving\"").unwrap(), ServerStatus::Unknown);
    }
}
