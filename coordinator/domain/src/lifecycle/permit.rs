//! Decisions: what a power-on may boot, from the node as Ironic shows it at this moment.

use protocol::{
    boot::{Boot, BootPlan},
    network::BootNetwork,
};
use uuid::Uuid;

use crate::rim::{Refusal, RefusalKind, WantedNetwork};

use super::{
    decision::PowerFacts,
    role::{Role, role},
    state::{Node, NodePower, ProvisionState},
};

/// What a power-on of a server must boot, and where its port must be for that.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PermittedBoot {
    /// What it boots.
    pub boot: Boot,
    /// Where every port of it must have been observed.
    pub network: WantedNetwork,
}

/// What a power-on of the server boots now, and where its ports must be for it; or why it is refused.
///
/// `name` is the server's name for the message; `tenant` the port of the node's present tenant.
pub fn permitted_boot(
    name: &str,
    node: &Node,
    power: &PowerFacts,
    ports_given: bool,
    tenant: Option<Uuid>,
) -> Result<PermittedBoot, Refusal> {
    let state = &node.provision_state;
    if let Some(why) = node.held() {
        return Err(refuse(format!(
            "{name} is in maintenance ({why}): somebody works on it, and Ironic would ignore the ramdisk, so it was not \
             powered on; `bmsctl node maintenance off {name}` ends that"
        )));
    }
    match role(node) {
        Role::Ramdisk(purpose, network) => Ok(PermittedBoot {
            boot: Boot::Network(BootPlan { purpose, network }),
            network: WantedNetwork::Boot(network),
        }),
        Role::HandOver | Role::Returning => tenant_boot(name, node, tenant),
        Role::Rescued => Err(refuse(rescue_is_over(name))),
        Role::Tenant if power.untold_off && node.power_state == Some(NodePower::On) => Err(Refusal {
            kind: RefusalKind::OffUntold,
            message: format!(
                "{name} went off without a request and Ironic still believes that it is on: the power-on is refused until \
                 Ironic knows, because Ironic's power sync may have sent it; start the server again in a moment"
            ),
        }),
        Role::Tenant => tenant_boot(name, node, tenant),
        // An operator may look at a parked server; its own disk, on the isolated network.
        Role::Found if ports_given && *state == ProvisionState::Manageable => {
            Ok(PermittedBoot { boot: Boot::Disk, network: WantedNetwork::Boot(BootNetwork::Cleaning) })
        }
        Role::Found => Err(refuse(format!(
            "{name} is {state} and its ports were never handed over to BMS Manager: it was not powered on; inspect or \
             adopt it first"
        ))),
        Role::Adopted => {
            Err(refuse(format!("{name} is {state}: it was not powered on; wait until it is active")))
        }
        Role::TakenBack if matches!(state, ProvisionState::RescueFailed | ProvisionState::UnrescueFailed) => {
            Err(refuse(format!("{name} is {state}: `server unrescue` boots its own disk again")))
        }
        Role::Parked | Role::TakenBack => Err(refuse(format!(
            "{name} is {state}: a server in that state stays off; deploy it, or bring it back to manageable"
        ))),
        Role::Unknown => Err(refuse(format!(
            "{name} is in the provision state {state:?}, which BMS Manager does not know: it was not powered on"
        ))),
    }
}

/// Whether the server may be switched off; else why not. Off needs no proof, but a server that was never given to us may be
/// somebody's server in use: Ironic's power sync, which holds a stale "off" for its wish, must not end it.
pub fn permitted_off(name: &str, node: &Node, ports_given: bool) -> Result<(), Refusal> {
    match role(node) {
        Role::Found if !ports_given => Err(refuse(format!(
            "{name} is {} and was never handed over to BMS Manager: it may be in use, and its power is left as it was \
             found; inspect or adopt it first",
            node.provision_state
        ))),
        Role::Adopted => {
            Err(refuse(format!("{name} is {}: its power is left as it was found", node.provision_state)))
        }
        Role::Found
        | Role::Parked
        | Role::TakenBack
        | Role::Ramdisk(..)
        | Role::HandOver
        | Role::Tenant
        | Role::Rescued
        | Role::Returning
        | Role::Unknown => Ok(()),
    }
}

fn tenant_boot(name: &str, node: &Node, tenant: Option<Uuid>) -> Result<PermittedBoot, Refusal> {
    let Some(port) = tenant else {
        let instance = node.instance_id.map_or("(none)".to_owned(), |id| id.to_string());
        return Err(refuse(format!(
            "{name} is {} for instance {instance}, for which no tenant port is known: it was not powered on; create \
             servers through BMS Manager, which makes the port",
            node.provision_state
        )));
    };
    Ok(PermittedBoot { boot: Boot::Disk, network: WantedNetwork::Tenant(port) })
}

/// Why a server in rescue is not started or restarted: its system is in its memory only.
pub(super) fn rescue_is_over(name: &str) -> String {
    format!(
        "{name} is in rescue, and a rescue system does not survive a power-off: it cannot be started or restarted; `server \
         unrescue` boots its own disk"
    )
}

fn refuse(message: String) -> Refusal {
    Refusal { kind: RefusalKind::State, message }
}
