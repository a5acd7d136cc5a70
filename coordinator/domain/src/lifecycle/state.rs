//! Values: a node as Ironic shows it. Ironic owns the provision state; these are its words, checked once.

use protocol::{id::ServerId, root_device::RootDeviceHints};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! provision_states {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// The `provision_state` of an Ironic node.
        #[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(from = "String", into = "String")]
        pub enum ProvisionState {
            $($(#[$doc])* $name,)*
            /// A word that this program does not know: nothing is moved and nothing is switched on for it.
            Unknown(
                /// The word.
                String,
            ),
        }

        impl ProvisionState {
            /// Every state that this program knows, for tests and documents.
            pub const KNOWN: &'static [ProvisionState] = &[$(ProvisionState::$name),*];

            /// The word as Ironic writes it.
            pub fn as_str(&self) -> &str {
                match self {
                    $(ProvisionState::$name => $text,)*
                    ProvisionState::Unknown(word) => word,
                }
            }
        }

        impl From<&str> for ProvisionState {
            fn from(word: &str) -> Self {
                match word {
                    $($text => ProvisionState::$name,)*
                    other => ProvisionState::Unknown(other.to_owned()),
                }
            }
        }
    };
}

provision_states! {
    /// Known to Ironic, not yet verified.
    Enroll = "enroll",
    /// Ironic tries the BMC's address and credentials.
    Verifying = "verifying",
    /// Verified; nothing is done with it.
    Manageable = "manageable",
    /// A server in use is being taken over.
    Adopting = "adopting",
    /// That failed.
    AdoptFailed = "adopt failed",
    /// Its hardware is being looked at.
    Inspecting = "inspecting",
    /// The same, waiting for the ramdisk.
    InspectWait = "inspect wait",
    /// That failed.
    InspectFailed = "inspect failed",
    /// The last tenant's data is being removed.
    Cleaning = "cleaning",
    /// The same, waiting for the ramdisk.
    CleanWait = "clean wait",
    /// The same, held by an operator.
    CleanHold = "clean hold",
    /// That failed.
    CleanFailed = "clean failed",
    /// Clean, parked, ready for a tenant.
    Available = "available",
    /// A tenant's image is being written.
    Deploying = "deploying",
    /// The same, waiting for the ramdisk.
    WaitCallBack = "wait call-back",
    /// The same, held by an operator.
    DeployHold = "deploy hold",
    /// That failed.
    DeployFailed = "deploy failed",
    /// A tenant's server.
    Active = "active",
    /// The tenancy ends.
    Deleting = "deleting",
    /// The end of the tenancy failed.
    Error = "error",
    /// The rescue ramdisk runs.
    Rescue = "rescue",
    /// The rescue ramdisk is being booted.
    Rescuing = "rescuing",
    /// The same, waiting for the ramdisk.
    RescueWait = "rescue wait",
    /// That failed.
    RescueFailed = "rescue failed",
    /// Back from the rescue ramdisk to the tenant's disk.
    Unrescuing = "unrescuing",
    /// That failed.
    UnrescueFailed = "unrescue failed",
    /// A tenant's server is being serviced by the ramdisk.
    Servicing = "servicing",
    /// The same, waiting for the ramdisk.
    ServiceWait = "service wait",
    /// The same, held by an operator.
    ServiceHold = "service hold",
    /// That failed.
    ServiceFailed = "service failed",
}

impl From<String> for ProvisionState {
    fn from(word: String) -> Self {
        Self::from(word.as_str())
    }
}

impl From<ProvisionState> for String {
    fn from(state: ProvisionState) -> String {
        state.as_str().to_owned()
    }
}

impl std::fmt::Display for ProvisionState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Power as Ironic last recorded or wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodePower {
    /// `power on`, or a reboot on its way there.
    #[serde(rename = "power on")]
    On,
    /// `power off`.
    #[serde(rename = "power off")]
    Off,
}

impl NodePower {
    /// Reads Ironic's word; anything else (`error`, null) is no knowledge.
    pub fn from_ironic(word: &str) -> Option<Self> {
        match word {
            "power on" | "rebooting" | "soft rebooting" => Some(NodePower::On),
            "power off" | "soft power off" => Some(NodePower::Off),
            _ => None,
        }
    }
}

/// The facts of an Ironic node on which decisions are made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its uuid, which is our server's id.
    pub id: ServerId,
    /// `provision_state`.
    pub provision_state: ProvisionState,
    /// `target_provision_state`.
    pub target_provision_state: Option<String>,
    /// `power_state`: what Ironic believes.
    pub power_state: Option<NodePower>,
    /// `target_power_state`: what Ironic is about to do.
    pub target_power_state: Option<NodePower>,
    /// `deploy_step.step`; it can be stale, so it counts only in the state `deploying`.
    pub deploy_step: Option<String>,
    /// `clean_step.step`.
    pub clean_step: Option<String>,
    /// `reservation`: the conductor that holds the node's lock.
    pub reservation: Option<String>,
    /// `instance_uuid`: the Nova server on it.
    pub instance_id: Option<Uuid>,
    /// `maintenance`.
    pub maintenance: bool,
    /// `maintenance_reason`.
    #[serde(default)]
    pub maintenance_reason: Option<String>,
    /// `fault`: what made Ironic itself put it into maintenance, such as `power failure`.
    #[serde(default)]
    pub fault: Option<String>,
    /// `provision_updated_at`: since when it is in this state, in microseconds since 1970.
    #[serde(default)]
    pub since_us: Option<u64>,
    /// `last_error`.
    pub last_error: Option<String>,
    /// `instance_info.root_device`, or else `properties.root_device`: which disk an image goes to.
    #[serde(default, skip_serializing_if = "RootDeviceHints::is_empty")]
    pub root_device: RootDeviceHints,
}

impl Node {
    /// A node in a state, with nothing else known; for tests and for filling in.
    pub fn in_state(id: ServerId, provision_state: ProvisionState) -> Self {
        Self {
            id,
            provision_state,
            target_provision_state: None,
            power_state: None,
            target_power_state: None,
            deploy_step: None,
            clean_step: None,
            reservation: None,
            instance_id: None,
            maintenance: false,
            maintenance_reason: None,
            fault: None,
            since_us: None,
            last_error: None,
            root_device: RootDeviceHints::default(),
        }
    }

    /// Why a person, or a tool of one, keeps it in maintenance; none: nobody does. What Ironic has put there itself after a fault is
    /// in nobody's hands.
    pub fn held(&self) -> Option<&str> {
        let by_somebody = self.maintenance && self.fault.is_none();
        by_somebody.then(|| self.maintenance_reason.as_deref().unwrap_or("no reason was given"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_survives_its_word() {
        for state in ProvisionState::KNOWN {
            assert_eq!(&ProvisionState::from(state.as_str()), state);
        }
        assert_eq!(ProvisionState::from("brewing"), ProvisionState::Unknown("brewing".to_owned()));
    }
}
