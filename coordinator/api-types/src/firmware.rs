//! Values: firmware of servers in the API.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The firmware of a node, as its BMC told it last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeFirmware {
    /// Name of the node.
    pub node: String,
    /// Its model, with its maker; empty when unknown.
    pub model: String,
    /// Its firmware. Empty: its BMC has told nothing yet.
    pub items: Vec<FirmwareVersion>,
    /// When the oldest part of what its BMC says was read (RFC 3339). Absent: nothing was read.
    pub read: Option<String>,
}

/// One piece of firmware.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FirmwareVersion {
    /// Its id on the BMC.
    pub id: String,
    /// What it is the firmware of.
    pub name: String,
    /// Its version; empty when the BMC does not say.
    pub version: String,
    /// Whether the BMC can update it.
    pub updateable: bool,
}

/// One piece of firmware over all nodes of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FirmwareComponent {
    /// The model, with its maker; empty when unknown.
    pub model: String,
    /// What it is the firmware of.
    pub name: String,
    /// Whether nodes of the model differ. Nodes whose model is unknown are not compared.
    pub drift: bool,
    /// Its versions and who has each.
    pub versions: Vec<FirmwareNodes>,
}

/// The nodes that have one version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FirmwareNodes {
    /// The version; empty when BMCs do not say.
    pub version: String,
    /// Names of the nodes.
    pub nodes: Vec<String>,
}
