//! Decisions: what a provision state means for whoever wants a server's end, its change or its clean: the one table of it, read by
//! `in_use.rs` and `release.rs`.

use super::state::ProvisionState;

/// Where a server is between two tenancies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// On its way in: nobody was given it yet, or it is not ready for anybody.
    New,
    /// It is being looked at, or taken over as it runs.
    Looked,
    /// Clean, and free for a next tenancy.
    Free,
    /// Its next tenancy begins, which a clean came before; Ironic waits, and can be asked to break off.
    Waiting,
    /// The same, and Ironic is at work, which it ends first.
    Starting,
    /// A tenancy, or what is left of one, which Ironic can be asked to end.
    Held,
    /// The same, and Ironic is at work, which it ends first.
    Busy,
    /// A tenancy has ended, and its disks are being cleaned or are about to be.
    Cleaning,
    /// The clean does not go on by itself.
    Stuck,
}

/// The table.
pub(super) fn phase(state: &ProvisionState) -> Phase {
    use ProvisionState as S;
    match state {
        S::Enroll | S::Verifying | S::Manageable | S::InspectFailed | S::AdoptFailed => Phase::New,
        S::Inspecting | S::InspectWait | S::Adopting => Phase::Looked,
        S::Available => Phase::Free,
        S::WaitCallBack | S::DeployHold => Phase::Waiting,
        S::Deploying => Phase::Starting,
        S::Active
        | S::Error
        | S::DeployFailed
        | S::Rescue
        | S::RescueWait
        | S::RescueFailed
        | S::UnrescueFailed
        | S::ServiceFailed => Phase::Held,
        S::Rescuing | S::Unrescuing | S::Servicing | S::ServiceWait | S::ServiceHold | S::Unknown(_) => {
            Phase::Busy
        }
        S::Deleting | S::Cleaning | S::CleanWait => Phase::Cleaning,
        S::CleanHold | S::CleanFailed => Phase::Stuck,
    }
}
