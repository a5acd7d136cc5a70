//! Values: what can be asked of a node, and Ironic, which does it, as a trait.

use async_trait::async_trait;
use protocol::{id::ServerId, secret::Secret};
use uuid::Uuid;

use super::ServiceError;
use crate::lifecycle::Node;

/// What can be asked of a node's provision state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProvisionTarget {
    /// Check the credentials and manage it; also back from `available` and from failures.
    Manage,
    /// Look at its hardware.
    Inspect,
    /// Clean it and make it available.
    Provide,
    /// Do these steps of the ramdisk to a manageable node.
    Clean {
        /// Their names, in order.
        steps: Vec<String>,
    },
    /// Deploy what its instance information says.
    Active {
        /// Configuration drive: base64 of a gzipped ISO, or none.
        config_drive: Option<String>,
    },
    /// Deploy the same again.
    Rebuild,
    /// Take the instance away, clean, make available.
    Deleted,
    /// Stop what is waiting for the ramdisk.
    Abort,
    /// Take a server in use as it is.
    Adopt,
    /// Boot the rescue ramdisk.
    Rescue {
        /// Password for it.
        password: Secret,
    },
    /// Boot the instance again.
    Unrescue,
}

impl ProvisionTarget {
    /// Ironic's word for it.
    pub fn verb(&self) -> &'static str {
        match self {
            ProvisionTarget::Manage => "manage",
            ProvisionTarget::Inspect => "inspect",
            ProvisionTarget::Provide => "provide",
            ProvisionTarget::Clean { .. } => "clean",
            ProvisionTarget::Active { .. } => "active",
            ProvisionTarget::Rebuild => "rebuild",
            ProvisionTarget::Deleted => "deleted",
            ProvisionTarget::Abort => "abort",
            ProvisionTarget::Adopt => "adopt",
            ProvisionTarget::Rescue { .. } => "rescue",
            ProvisionTarget::Unrescue => "unrescue",
        }
    }
}

/// What can be asked of a node's power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerTarget {
    /// On.
    On,
    /// Off at once.
    Off,
    /// Off by the operating system.
    SoftOff,
    /// Off and on.
    Reboot,
    /// Restart by the operating system.
    SoftReboot,
}

impl PowerTarget {
    /// Ironic's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            PowerTarget::On => "power on",
            PowerTarget::Off => "power off",
            PowerTarget::SoftOff => "soft power off",
            PowerTarget::Reboot => "rebooting",
            PowerTarget::SoftReboot => "soft rebooting",
        }
    }
}

/// A node as Ironic lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedNode {
    /// The facts on which decisions are made.
    pub node: Node,
    /// Its name.
    pub name: Option<String>,
    /// `power_state` in Ironic's word, `error` among others; none: not known.
    pub power: Option<String>,
}

/// Ironic, as those need it who ask something of a node in a person's name. Success of a change means that Ironic has accepted it, not
/// that it is done.
#[async_trait]
pub trait NodeService: Send + Sync {
    /// Reads a node, now. [`ServiceError::NotFound`]: there is none.
    async fn get_node(&self, id: ServerId) -> Result<Node, ServiceError>;
    /// Reads all nodes.
    async fn list_nodes(&self) -> Result<Vec<ListedNode>, ServiceError>;
    /// The node that carries an instance; none: no node does.
    async fn node_of_instance(&self, instance: Uuid) -> Result<Option<Node>, ServiceError>;
    /// Starts a change of the provision state; while the node is locked it is asked again for a while.
    async fn set_provision_state(&self, id: ServerId, target: &ProvisionTarget) -> Result<(), ServiceError>;
    /// The same, asked once. [`ServiceError::Locked`]: Ironic is busy with the node.
    async fn try_provision_state(&self, id: ServerId, target: &ProvisionTarget) -> Result<(), ServiceError>;
    /// Starts a change of the power.
    async fn set_power_state(&self, id: ServerId, target: PowerTarget) -> Result<(), ServiceError>;
    /// Puts the node into maintenance for the given reason, or out of it with none.
    async fn set_maintenance(&self, id: ServerId, reason: Option<&str>) -> Result<(), ServiceError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rescue_password_is_not_shown() {
        let target = ProvisionTarget::Rescue { password: Secret::new("hunter2") };
        assert!(!format!("{target:?}").contains("hunter2"));
    }
}
