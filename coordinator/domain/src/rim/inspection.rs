//! Values: what an inspection of a server found, for Ironic.

use protocol::mac::MacAddr;
use serde::Serialize;
use serde_json::Value;

/// What an inspection found, in the shapes of ironic-python-agent.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct InspectionReport {
    /// Its hardware inventory.
    pub inventory: Value,
    /// Why the inspection failed in the ramdisk; none: it did not.
    pub error: Option<String>,
    /// The disk that an image would be written to: `{"name", "size", ...}`.
    pub root_disk: Option<Value>,
    /// MAC address of the interface it booted over.
    pub boot_interface: Option<MacAddr>,
}
