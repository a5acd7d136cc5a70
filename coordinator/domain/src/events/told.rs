//! Decisions: what of an event its tenant is told, in its own words: nothing of machine, rack, BMC, switch, addresses or others.
//!
//! An event has an administrators' text and, while its server is a tenant's, one of these sentences. They hold nothing that
//! comes from outside, so that nothing can leak through one.

use super::EventKind;
use crate::lifecycle::{ProvisionState, trouble::Trouble};

macro_rules! tellings {
    ($($(#[$doc:meta])* $name:ident = $words:literal,)*) => {
        /// What happened to a tenant's server.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Told {
            $($(#[$doc])* $name,)*
            /// Something is wrong.
            Trouble(Trouble),
        }

        impl Told {
            /// In words.
            pub fn words(self) -> &'static str {
                match self {
                    $(Told::$name => $words,)*
                    Told::Trouble(trouble) => trouble.words(),
                }
            }
        }
    };
}

tellings! {
    /// It was asked for.
    AskedFor = "asked for",
    /// It is ready.
    Ready = "ready for use",
    /// It was in use before, and is looked after from now on.
    Adopted = "adopted as it was found, without any change",
    /// An image is written anew.
    Rebuilding = "being rebuilt",
    /// It is to be rescued.
    ToBeRescued = "to be rescued",
    /// It is to come back from a rescue.
    ToBootItsDisk = "to boot its own disk again",
    /// It was given back.
    BeingGivenBack = "being given back",
    /// Its end takes another way.
    EndingGoesOn = "being given back; a step was too slow and is done in another way",
    /// Somebody has ended it by another service.
    EndedElsewhere = "ended by another service of the cloud; being given back",
    /// It is given back.
    GivenBack = "given back",
    /// Ironic installs it.
    Installing = "being installed",
    /// Its system is the tenant's.
    InUse = "its own system is in use",
    /// A rescue begins.
    Rescuing = "the rescue system is being booted",
    /// It is in rescue.
    InRescue = "the rescue system is in use",
    /// A rescue ends.
    Unrescuing = "its own disk is being booted again",
    /// Its machine is taken back.
    Releasing = "its machine is being taken back",
    /// Its disks are being erased.
    Erasing = "its disks are being erased",
    /// Its power went on.
    PowerOn = "power is on",
    /// Its power went off.
    PowerOff = "power is off",
    /// It is about to be switched on.
    SwitchingOn = "is being switched on",
    /// It is off, and so off its network.
    Unplugged = "taken off its network while it is off",
    /// Somebody works on its machine.
    OperatorWorks = "the operator is working on this server",
    /// Nobody does any more.
    OperatorIsDone = "the operator has finished working on this server",
    /// An administrator asked for something.
    OperatorAsked = "the operator has asked for something to be done with this server",
}

impl Told {
    /// What an event's kind alone tells a tenant; none: it is the rack's matter, or whoever records it says more.
    pub fn of_kind(kind: EventKind) -> Option<Self> {
        match kind {
            EventKind::Isolated => Some(Told::Unplugged),
            EventKind::Permitted => Some(Told::SwitchingOn),
            EventKind::Refused | EventKind::Alarm => Some(Told::Trouble(Trouble::Machine)),
            EventKind::Waiting => Some(Told::Trouble(Trouble::Waits)),
            EventKind::Asked => Some(Told::OperatorAsked),
            EventKind::Enrolled
            | EventKind::Forgotten
            | EventKind::Power
            | EventKind::State
            | EventKind::Maintenance
            | EventKind::PortMoved
            | EventKind::Boot
            | EventKind::BootRefused
            | EventKind::RamdiskReady
            | EventKind::Hardware
            | EventKind::RamdiskGone
            | EventKind::Step
            | EventKind::Agent
            | EventKind::Pool
            | EventKind::TenantServer
            | EventKind::Discovery
            | EventKind::Upkeep
            | EventKind::Other => None,
        }
    }

    /// What a new state of its node tells a tenant.
    pub fn of_state(state: &ProvisionState) -> Option<Self> {
        use ProvisionState as S;
        if let Some(trouble) = Trouble::of_state(state) {
            return Some(Told::Trouble(trouble));
        }
        match state {
            S::Deploying | S::WaitCallBack | S::DeployHold => Some(Told::Installing),
            S::Active => Some(Told::InUse),
            S::Deleting => Some(Told::Releasing),
            S::Cleaning | S::CleanWait | S::CleanHold => Some(Told::Erasing),
            S::Rescuing | S::RescueWait => Some(Told::Rescuing),
            S::Rescue => Some(Told::InRescue),
            S::Unrescuing => Some(Told::Unrescuing),
            S::Servicing | S::ServiceWait | S::ServiceHold => Some(Told::OperatorWorks),
            S::Enroll
            | S::Verifying
            | S::Manageable
            | S::Adopting
            | S::AdoptFailed
            | S::Inspecting
            | S::InspectWait
            | S::InspectFailed
            | S::CleanFailed
            | S::Available
            | S::DeployFailed
            | S::Error
            | S::RescueFailed
            | S::UnrescueFailed
            | S::ServiceFailed
            | S::Unknown(_) => None,
        }
    }
}
