//! Values: the BMC itself.

use serde::Serialize;

use super::{Status, hardware::name};
use crate::redfish::node::{Action, Node};

/// A manager.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ManagerFacts {
    /// Where it is.
    pub path: String,
    /// Its name.
    pub name: String,
    /// Model.
    pub model: Option<String>,
    /// Version of its firmware.
    pub firmware: Option<String>,
    /// Its clock, as it writes it.
    pub time: Option<String>,
    /// How it is.
    pub status: Status,
    /// How it is restarted.
    #[serde(skip)]
    pub reset: Option<Action>,
}

impl ManagerFacts {
    /// Of a `Manager` at this path.
    pub fn of(path: &str, node: Node<'_>) -> Self {
        Self {
            path: path.to_owned(),
            name: name(node, &["Name", "Id"]),
            model: node.text("Model"),
            firmware: node.text("FirmwareVersion"),
            time: node.text("DateTime"),
            status: node.status(),
            reset: node.action("Manager.Reset", "ResetType"),
        }
    }
}

/// A way to boot that the server's firmware knows (`BootOption`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BootOption {
    /// What the boot order calls it, such as `Boot0003`.
    pub reference: String,
    /// What people call it.
    pub name: Option<String>,
    /// Whether the firmware looks at it; none: not said.
    pub enabled: Option<bool>,
    /// Its UEFI device path.
    pub device_path: Option<String>,
}

impl From<Node<'_>> for BootOption {
    fn from(node: Node<'_>) -> Self {
        Self {
            reference: name(node, &["BootOptionReference", "Id"]),
            name: node.text("DisplayName").or(node.text("Name")),
            enabled: node.flag("BootOptionEnabled"),
            device_path: node.text("UefiDevicePath"),
        }
    }
}
