//! Values: in which state servers and their BMCs are, in the API's words.

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

words! {
    /// Which language a BMC speaks.
    BmcProtocol {
        /// IPMI 2.0.
        Ipmi = "ipmi",
        /// Redfish.
        Redfish = "redfish";
        /// One that this client does not know: the coordinator is newer, and sends none such itself.
        else Unknown = "unknown"
    }
}

impl From<&protocol::spec::BmcProtocol> for BmcProtocol {
    fn from(protocol: &protocol::spec::BmcProtocol) -> Self {
        match protocol {
            protocol::spec::BmcProtocol::Ipmi { .. } => BmcProtocol::Ipmi,
            protocol::spec::BmcProtocol::Redfish { .. } => BmcProtocol::Redfish,
        }
    }
}

words! {
    /// What keeps an agent from watching a server.
    WhyNotWatched {
        /// The BMC refused so many log-ins that it is tried seldom.
        CredentialsRefused = "credentials_refused",
        /// Another machine answers at the BMC's address, or may: nothing that it says counts, and the server is not switched.
        OtherMachine = "other_machine";
        /// Something that this client does not know: the coordinator is newer, and sends none such itself.
        else Unknown = "unknown"
    }
}

impl From<protocol::watch::NotWatched> for WhyNotWatched {
    fn from(why: protocol::watch::NotWatched) -> Self {
        match why {
            protocol::watch::NotWatched::CredentialsRefused => WhyNotWatched::CredentialsRefused,
            protocol::watch::NotWatched::OtherMachine => WhyNotWatched::OtherMachine,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_nobody_watches_is_the_agents_word() {
        for why in protocol::watch::NotWatched::ALL {
            assert_eq!(WhyNotWatched::from(why).as_str(), why.as_str());
            assert_eq!(why.as_str().parse(), Ok(WhyNotWatched::from(why)));
        }
    }
}
