//! Values: what is known of a server's hardware, as pools look at it.

use protocol::boot::BootMode;
use serde::{Deserialize, Serialize};

/// What pools may ask for. Stored beside a server as that by which it was last put into a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The server's name.
    pub name: String,
    /// Its rack.
    pub rack: String,
    /// Firmware mode.
    pub boot_mode: BootMode,
    /// Logical processors.
    pub cpus: u64,
    /// Processor model.
    pub cpu_model: String,
    /// Architecture, such as `x86_64`.
    pub architecture: String,
    /// Memory that the kernel can use, in MiB.
    pub memory_mib: u64,
    /// Number of disks.
    pub disks: u64,
    /// Size of the largest disk, in MiB.
    pub disk_mib: u64,
    /// Number of Ethernet interfaces.
    pub nics: u64,
    /// Speed of the fastest one in Mbit/s, 0 when unknown.
    pub nic_mbps: u64,
    /// Manufacturer.
    pub manufacturer: String,
    /// Product name.
    pub product: String,
}

/// The trait by which a node shows its manufacturer and a flavor asks for one: Placement allows capital letters, digits
/// and `_` only. None for a manufacturer without a name.
pub fn manufacturer_trait(manufacturer: &str) -> Option<String> {
    let upper = manufacturer.trim().to_ascii_uppercase();
    let name: String =
        upper.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).take(200).collect();
    (!name.is_empty()).then(|| format!("CUSTOM_MANUFACTURER_{name}"))
}
