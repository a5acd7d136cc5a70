//! Decisions: what is wrong below a tenant's server, by its kind, and each kind in the tenant's words.
//!
//! What BMCs, agents, Contrail, Ironic and Nova say of a trouble names machines, users, switches, addresses and other tenants'
//! things. That is for administrators, word for word. A tenant is told which kind of trouble it is, who knows of it, and what it
//! can do itself. So no text from below is ever shown to a tenant: only these sentences are.

use serde::{Deserialize, Serialize};

use super::state::ProvisionState;
use crate::rim::PowerRequest;

macro_rules! troubles {
    ($($(#[$doc:meta])* $name:ident = $words:literal,)*) => {
        /// A kind of trouble.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Trouble {
            $($(#[$doc])* $name,)*
        }

        impl Trouble {
            /// All of them.
            pub const ALL: &'static [Trouble] = &[$(Trouble::$name),*];

            /// In a tenant's words.
            pub fn words(self) -> &'static str {
                match self { $(Trouble::$name => $words,)* }
            }
        }
    };
}

troubles! {
    /// A power-on was refused, or did not happen.
    NotSwitchedOn = "the server could not be switched on; the operator has been told",
    /// A power-on was refused because Ironic had not noted yet that the server was off. That ends when it has.
    OffUntold = "the server had just gone off without a request, which the cloud notes by itself: start it again in a moment",
    /// A power-off was refused, or did not happen.
    NotSwitchedOff = "the server could not be switched off; the operator has been told",
    /// A restart was refused, or did not happen.
    NotRestarted = "the server could not be restarted; the operator has been told",
    /// Its deployment failed.
    NotInstalled = "the server could not be installed; the operator has been told: give it back (server delete) and ask for \
                    another one",
    /// Its image could not be had, or is damaged.
    ImageNotWritten = "the image could not be written: it is damaged, was deleted, or does not fit; give the server back \
                       (server delete) and use another image, or upload this one again",
    /// An image is waited for.
    ImageAwaited = "the image is being transferred to the server's rack; if that is interrupted, it is tried again by itself",
    /// The scheduler found nothing.
    NoServerFree = "no server of this flavor is free for it; give it back (server delete), and try again later or with \
                    another flavor",
    /// A rescue, or the way back from it, failed.
    NotRescued = "the rescue system did not start, or could not be left; `server unrescue` boots its own disk again, and \
                  the operator has been told",
    /// Its disks were not erased.
    NotErased = "its disks could not be erased yet; an administrator has to look at its machine",
    /// Something below is waited for.
    Waits = "the server waits for something in the infrastructure; it continues by itself, and the operator sees what it is",
    /// A service of the cloud does not answer, or refuses.
    Service = "a service of the cloud is unavailable or refused a request; it is tried again by itself, and the operator \
               sees why",
    /// Nova has no word of it.
    UnknownToNova = "Nova does not know this server any more, and nobody is seen to have deleted it there; it is left running: \
                     give it back (server delete), or ask the operator",
    /// Its boot was heard on another network than it is permitted on. A boot that moves on ends it.
    WrongNetwork = "the server's machine started on another network than it should; the operator has been told",
    /// Contrail does not show it. That ends when it does.
    NotRegistered = "the server's machine is not shown in the network's inventory yet; it is tried again by itself, and the \
                     operator has been told",
    /// Whatever else is wrong with the machine.
    Machine = "something is wrong with the server's machine or its place in the network; the operator has been told",
}

impl Trouble {
    /// What a refused or failed change of power is.
    pub fn of_power(request: PowerRequest) -> Self {
        match request {
            PowerRequest::On => Trouble::NotSwitchedOn,
            PowerRequest::Off(_) => Trouble::NotSwitchedOff,
            PowerRequest::Restart => Trouble::NotRestarted,
        }
    }

    /// What a state of Ironic says of a trouble by itself; none: it is no failure.
    pub fn of_state(state: &ProvisionState) -> Option<Self> {
        use ProvisionState as S;
        match state {
            S::DeployFailed => Some(Trouble::NotInstalled),
            S::RescueFailed | S::UnrescueFailed => Some(Trouble::NotRescued),
            S::CleanFailed => Some(Trouble::NotErased),
            S::Error | S::AdoptFailed | S::ServiceFailed | S::InspectFailed => Some(Trouble::Machine),
            S::Enroll
            | S::Verifying
            | S::Manageable
            | S::Adopting
            | S::Inspecting
            | S::InspectWait
            | S::Cleaning
            | S::CleanWait
            | S::CleanHold
            | S::Available
            | S::Deploying
            | S::WaitCallBack
            | S::DeployHold
            | S::Active
            | S::Deleting
            | S::Rescue
            | S::Rescuing
            | S::RescueWait
            | S::Unrescuing
            | S::Servicing
            | S::ServiceWait
            | S::ServiceHold
            | S::Unknown(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::power::PowerOffHow;

    use super::*;

    #[test]
    fn every_trouble_says_who_knows_or_what_to_do() {
        for trouble in Trouble::ALL {
            let words = trouble.words();
            let helps = ["operator", "administrator", "server delete", "by itself"];
            assert!(helps.iter().any(|word| words.contains(word)), "{words}");
        }
    }

    #[test]
    fn a_power_change_says_which() {
        let check = |request, words: &str| assert!(Trouble::of_power(request).words().contains(words));
        check(PowerRequest::On, "switched on");
        check(PowerRequest::Off(PowerOffHow::Hard), "switched off");
        check(PowerRequest::Restart, "restarted");
    }

    #[test]
    fn every_failed_state_is_a_trouble() {
        for state in ProvisionState::KNOWN {
            let failed = state.as_str().ends_with("failed") || *state == ProvisionState::Error;
            assert_eq!(Trouble::of_state(state).is_some(), failed, "{state}");
        }
    }
}
