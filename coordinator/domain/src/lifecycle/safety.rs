//! Decisions: what must never happen, said apart from what should: the properties are checked against this file.

use protocol::network::BootNetwork;
use uuid::Uuid;

use crate::rim::WantedNetwork;

use super::{
    role::{Role, role},
    state::Node,
};

/// Every network on which a server's port may be wanted in this state. `tenant` is the port of its present tenant.
///
/// A tenant's network appears for four roles only; all lie between a deploy and the end of the tenancy, and Ironic reaches
/// a second deploy only through `available`, that is through a finished clean.
pub fn allowed_networks(node: &Node, tenant: Option<Uuid>) -> Vec<WantedNetwork> {
    let cleaning = WantedNetwork::Boot(BootNetwork::Cleaning);
    match role(node) {
        Role::Found | Role::Parked => vec![cleaning],
        Role::TakenBack => vec![WantedNetwork::Nothing, cleaning],
        Role::Adopted | Role::Unknown => Vec::new(),
        Role::Ramdisk(_, network) => vec![WantedNetwork::Nothing, WantedNetwork::Boot(network)],
        Role::HandOver | Role::Tenant | Role::Returning => {
            tenant.map(WantedNetwork::Tenant).into_iter().chain([cleaning]).collect()
        }
        // Never provisioning: a tenant may log in there.
        Role::Rescued => {
            tenant.map(WantedNetwork::Tenant).into_iter().chain([cleaning, WantedNetwork::Nothing]).collect()
        }
    }
}
