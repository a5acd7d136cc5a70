//! Values: Ironic as the core uses it, as a trait.

use async_trait::async_trait;
use protocol::{boot::BootMode, id::ServerId, mac::MacAddr, secret::Secret};

use crate::lifecycle::Node;

/// A server as Ironic is to know it: driver `redfish`, pointed at our facade.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSpec {
    /// Becomes the node's uuid.
    pub id: ServerId,
    /// Its name.
    pub name: String,
    /// `resource_class`.
    pub resource_class: String,
    /// Traits, all of them.
    pub traits: std::collections::BTreeSet<String>,
    /// `properties`, such as `cpu_arch`.
    pub properties: std::collections::BTreeMap<String, String>,
    /// Firmware mode, for `properties.capabilities`.
    pub boot_mode: BootMode,
    /// `redfish_username`.
    pub facade_user: String,
    /// `redfish_password`: the facade's, never the BMC's.
    pub facade_password: Secret,
    /// Interfaces: address and `pxe_enabled`.
    pub ports: Vec<(MacAddr, bool)>,
}

/// Why Ironic did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProvisionerError {
    /// No answer, an answer that says "later", or a node that is locked: worth repeating.
    #[error("Ironic did not {operation}: {reason}")]
    Unavailable {
        /// What was tried.
        operation: String,
        /// What happened.
        reason: String,
    },
    /// Refused for good.
    #[error("Ironic refused to {operation}: {reason}")]
    Refused {
        /// What was tried.
        operation: String,
        /// Ironic's words.
        reason: String,
    },
}

/// Ironic, as the core uses it. Ironic owns the provision state; we read it and bring it the facts it cannot see.
#[async_trait]
pub trait Provisioner: Send + Sync {
    /// Reads one node, now; none when Ironic does not have it.
    async fn get_node(&self, id: ServerId) -> Result<Option<Node>, ProvisionerError>;
    /// Reads all nodes.
    async fn list_nodes(&self) -> Result<Vec<Node>, ProvisionerError>;
    /// Tells Ironic that a node is off (`PUT states/power`, a no-op on a BMC that is off).
    async fn tell_power_off(&self, id: ServerId) -> Result<(), ProvisionerError>;
    /// Makes the node and its ports, or brings them up to date.
    async fn ensure_node(&self, spec: &NodeSpec) -> Result<(), ProvisionerError>;
    /// Gives the node the class and the traits by which Nova's scheduler finds it.
    async fn classify(
        &self,
        id: ServerId,
        class: &str,
        traits: &std::collections::BTreeSet<String>,
    ) -> Result<(), ProvisionerError>;
    /// Puts a node into maintenance for this reason, in which nobody is given it, or ends that with none.
    async fn set_maintenance(&self, id: ServerId, reason: Option<&str>) -> Result<(), ProvisionerError>;
    /// Deletes the node with its ports. Gone already is done.
    async fn delete_node(&self, id: ServerId) -> Result<(), ProvisionerError>;
}
