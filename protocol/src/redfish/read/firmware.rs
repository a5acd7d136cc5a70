//! Values: which firmware there is, how it is updated, and how far a task is.

use serde::Serialize;

use super::{Status, hardware::name};
use crate::redfish::node::{Action, Node};

/// One piece of firmware.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Firmware {
    /// Where it is.
    pub path: String,
    /// Its id.
    pub id: String,
    /// What it is the firmware of.
    pub name: String,
    /// Its version.
    pub version: Option<String>,
    /// Whether it can be updated.
    pub updateable: Option<bool>,
    /// How it is.
    pub status: Status,
}

impl Firmware {
    /// Of a `SoftwareInventory` at this path.
    pub fn of(path: &str, node: Node<'_>) -> Self {
        Self {
            path: path.to_owned(),
            id: name(node, &["Id", "Name"]),
            name: name(node, &["Name", "Id"]),
            version: node.text("Version"),
            updateable: node.flag("Updateable"),
            status: node.status(),
        }
    }
}

/// How firmware is updated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpdateService {
    /// Where it lists what there is.
    pub inventory: Option<String>,
    /// The BMC fetches an image from an address.
    pub simple: Option<Action>,
    /// An image is sent to it, with parameters (`MultipartHttpPushUri`).
    pub multipart: Option<String>,
    /// An image is sent to it, bare (`HttpPushUri`).
    pub push: Option<String>,
}

impl From<Node<'_>> for UpdateService {
    fn from(node: Node<'_>) -> Self {
        Self {
            inventory: node.link("FirmwareInventory").map(str::to_owned),
            simple: node.action("UpdateService.SimpleUpdate", "TransferProtocol"),
            multipart: node.text("MultipartHttpPushUri"),
            push: node.text("HttpPushUri"),
        }
    }
}

/// How far a task is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskStage {
    /// It runs on; how far it is, in percent, where that is told.
    Running(Option<u64>),
    /// It has not begun yet, or waits: for a restart of the server, as a rule.
    Paused,
    /// It has ended well.
    Done,
    /// It has failed, and why.
    Failed(String),
}
