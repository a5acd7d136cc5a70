//! Decisions: whether Ironic can be asked to take an instance away from a node, and whether a node without one is clean.

use super::state::{Node, ProvisionState};

/// States from which Ironic takes an instance away when it is asked; in every other one it first ends by itself what it does.
pub fn may_be_ended(state: &ProvisionState) -> bool {
    use ProvisionState as S;
    match state {
        S::Active
        | S::Error
        | S::DeployFailed
        | S::WaitCallBack
        | S::DeployHold
        | S::Rescue
        | S::RescueWait
        | S::RescueFailed
        | S::UnrescueFailed
        | S::ServiceFailed => true,
        S::Enroll
        | S::Verifying
        | S::Manageable
        | S::Adopting
        | S::AdoptFailed
        | S::Inspecting
        | S::InspectWait
        | S::InspectFailed
        | S::Cleaning
        | S::CleanWait
        | S::CleanHold
        | S::CleanFailed
        | S::Available
        | S::Deploying
        | S::Deleting
        | S::Rescuing
        | S::Unrescuing
        | S::Servicing
        | S::ServiceWait
        | S::ServiceHold
        | S::Unknown(_) => false,
    }
}

/// Whether a node has been cleaned since it let go of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cleaned {
    /// It has.
    Yes,
    /// It is about to be.
    OnItsWay,
    /// It has not, and is not by itself.
    No,
}

/// Whether it has, by its state: Ironic reaches `available`, and a next instance, through a clean alone.
pub fn cleaned(node: &Node) -> Cleaned {
    use ProvisionState as S;
    match &node.provision_state {
        _ if node.instance_id.is_some() => Cleaned::Yes,
        S::Available | S::Deploying | S::WaitCallBack | S::DeployHold => Cleaned::Yes,
        S::Deleting | S::Cleaning | S::CleanWait => Cleaned::OnItsWay,
        S::CleanHold
        | S::CleanFailed
        | S::Enroll
        | S::Verifying
        | S::Manageable
        | S::Adopting
        | S::AdoptFailed
        | S::Inspecting
        | S::InspectWait
        | S::InspectFailed
        | S::DeployFailed
        | S::Active
        | S::Error
        | S::Rescue
        | S::Rescuing
        | S::RescueWait
        | S::RescueFailed
        | S::Unrescuing
        | S::UnrescueFailed
        | S::Servicing
        | S::ServiceWait
        | S::ServiceHold
        | S::ServiceFailed
        | S::Unknown(_) => Cleaned::No,
    }
}
