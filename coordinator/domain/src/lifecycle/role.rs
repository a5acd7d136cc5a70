//! Decisions: which part a server plays in the moment that Ironic's state describes. The table of states is here, once.

use protocol::{boot::BootPurpose, network::BootNetwork};

use super::state::{Node, ProvisionState};

/// What a provision state means for ports and boots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Not (yet) ours to move, unless its ports were given to us before; then it is parked.
    Found,
    /// A server in use that is being taken over: it stays where it was found.
    Adopted,
    /// Parked: isolated, and no boot is answered.
    Parked,
    /// Its tenancy is ending, or its rescue has failed: unplugged while its tenant's system may still run, parked once it is off.
    TakenBack,
    /// The ramdisk does something for us on one of the isolated networks.
    Ramdisk(BootPurpose, BootNetwork),
    /// About to boot the tenant's disk for the first time.
    HandOver,
    /// A tenant's server.
    Tenant,
    /// A tenant's server whose ramdisk has handed itself over: the tenant logs in to it.
    Rescued,
    /// On its way back from the rescue system to the tenant's disk.
    Returning,
    /// A state that this program does not know.
    Unknown,
}

/// Deploy steps at which the ports change over to the tenant. Everything before them writes the disk.
const HAND_OVER_STEPS: [&str; 2] = ["switch_to_tenant_network", "boot_instance"];

/// The role that a node plays now. `provision_state` comes first; `deploy_step` counts only while deploying, because
/// Ironic leaves a stale one behind after an aborted deploy.
pub fn role(node: &Node) -> Role {
    use BootNetwork::{Cleaning, Provisioning};
    match &node.provision_state {
        ProvisionState::Enroll | ProvisionState::Verifying | ProvisionState::Manageable => Role::Found,
        ProvisionState::Adopting => Role::Adopted,
        // A failed adoption proves nothing about who uses the server: unless it was ours before, hands off.
        ProvisionState::AdoptFailed => Role::Found,
        ProvisionState::Inspecting | ProvisionState::InspectWait => {
            Role::Ramdisk(BootPurpose::Inspect, Provisioning)
        }
        ProvisionState::Cleaning
        | ProvisionState::CleanWait
        | ProvisionState::CleanHold
        | ProvisionState::Servicing
        | ProvisionState::ServiceWait
        | ProvisionState::ServiceHold => Role::Ramdisk(BootPurpose::Clean, Cleaning),
        ProvisionState::Available => Role::Parked,
        ProvisionState::Deploying => match node.deploy_step.as_deref() {
            Some(step) if HAND_OVER_STEPS.contains(&step) => Role::HandOver,
            Some(_) | None => Role::Ramdisk(BootPurpose::Deploy, Provisioning),
        },
        ProvisionState::WaitCallBack | ProvisionState::DeployHold => {
            Role::Ramdisk(BootPurpose::Deploy, Provisioning)
        }
        ProvisionState::Active => Role::Tenant,
        ProvisionState::Rescuing | ProvisionState::RescueWait => {
            Role::Ramdisk(BootPurpose::Rescue, Provisioning)
        }
        // Ironic says so only after the ramdisk has acknowledged the hand-over.
        ProvisionState::Rescue => Role::Rescued,
        ProvisionState::Unrescuing => Role::Returning,
        ProvisionState::Deleting | ProvisionState::RescueFailed | ProvisionState::UnrescueFailed => {
            Role::TakenBack
        }
        ProvisionState::Error
        | ProvisionState::InspectFailed
        | ProvisionState::CleanFailed
        | ProvisionState::DeployFailed
        | ProvisionState::ServiceFailed => Role::Parked,
        ProvisionState::Unknown(_) => Role::Unknown,
    }
}

/// Whether a node in this state has had its ports given to us: it was inspected, cleaned or deployed, or is being so.
/// Remembered for ever once true.
pub fn ports_were_given(role: Role) -> bool {
    match role {
        Role::Found | Role::Adopted | Role::Unknown => false,
        Role::Parked
        | Role::TakenBack
        | Role::Ramdisk(..)
        | Role::HandOver
        | Role::Tenant
        | Role::Rescued
        | Role::Returning => true,
    }
}
