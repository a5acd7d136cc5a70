//! Values: firmware of servers in the API.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::word::words;

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

/// A request for an update of a node's firmware.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewFirmwareUpdate {
    /// What is updated: `BMC`, `BIOS`, or the id or name of a piece of the node's firmware.
    pub component: String,
    /// The version that is to be seen afterwards, as the BMC says it.
    pub version: String,
    /// Name or SHA-256 of a file that was uploaded. Absent: `url` says where the image is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Address from which the BMC fetches the image; it begins with one of those in the coordinator's settings. Absent: `file` says
    /// which it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// An update of a node's firmware.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FirmwareUpdate {
    /// Its id.
    pub id: Uuid,
    /// Name of the node.
    pub node: String,
    /// What is updated; empty: what the image is for.
    pub component: String,
    /// The version that is to be seen afterwards. Absent: Ironic asked, and does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Name of the file. Absent: the BMC fetches the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Address from which the BMC fetches the image. Absent: it is sent a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Who asked for it.
    pub by: String,
    /// How far it has come.
    pub stage: FirmwareUpdateStage,
    /// How far the BMC is with it, in percent. Absent: it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u32>,
    /// Why it waits or has failed, as a sentence. Absent: nothing is in its way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Versions that have changed, as sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<String>,
    /// When it was asked for (RFC 3339).
    pub asked: Option<String>,
    /// Since when it is in its stage (RFC 3339).
    pub since: Option<String>,
}

words! {
    /// How far an update of firmware has come.
    FirmwareUpdateStage {
        /// Nothing was given to the BMC.
        Waiting = "waiting",
        /// The BMC is being given the image.
        Giving = "giving",
        /// The BMC is at it.
        Running = "running",
        /// The BMC has the image and waits, for a restart of the server as a rule.
        Paused = "paused",
        /// The BMC has done its part, or nobody knows; its versions are read until the new one is seen.
        Settling = "settling",
        /// The version is there.
        Done = "done",
        /// It came to nothing, or nobody knows to what.
        Failed = "failed";
        /// A word that this client does not know: the coordinator is newer, and sends none such itself.
        else Unknown = "unknown"
    }
}

/// A file of firmware that the coordinator keeps for updates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FirmwareFile {
    /// Its name.
    pub name: String,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// When it was uploaded (RFC 3339).
    pub created: Option<String>,
}
