//! Values: what is known of a server's hardware, as pools look at it.

use std::collections::BTreeSet;

use protocol::boot::BootMode;
use serde::{Deserialize, Serialize};

use crate::{records::Server, tenancy::nics};

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

impl Facts {
    /// The facts of a server; none before its first inspection.
    pub fn of(server: &Server) -> Option<Self> {
        let found = server.hardware.as_ref()?;
        let count = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
        Some(Self {
            name: server.name.clone(),
            rack: server.rack.to_string(),
            boot_mode: server.boot_mode,
            cpus: found.cpu.count.into(),
            cpu_model: found.cpu.model.clone(),
            architecture: found.cpu.architecture.clone(),
            memory_mib: found.memory_mib,
            disks: count(found.image_disks().count()),
            disk_mib: found.image_disks().map(|disk| disk.size_bytes >> 20).max().unwrap_or(0),
            nics: count(found.nics.len()),
            nic_mbps: found.nics.iter().map(|nic| nic.speed_mbps.into()).max().unwrap_or(0),
            manufacturer: found.system.manufacturer.clone(),
            product: found.system.product.clone(),
        })
    }
}

/// The trait by which a node shows its manufacturer and a flavor asks for one: Placement allows capital letters, digits
/// and `_` only. None for a manufacturer without a name.
pub fn manufacturer_trait(manufacturer: &str) -> Option<String> {
    let upper = manufacturer.trim().to_ascii_uppercase();
    let name: String =
        upper.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).take(200).collect();
    (!name.is_empty()).then(|| format!("CUSTOM_MANUFACTURER_{name}"))
}

/// The traits of a server's node: what flavors may ask for beside the class.
pub fn traits(server: &Server) -> BTreeSet<String> {
    let found = server.hardware.as_ref();
    let manufacturer = found.and_then(|found| manufacturer_trait(&found.system.manufacturer));
    nics::traits_of(server.ports.len()).into_iter().chain(manufacturer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manufacturer_becomes_a_trait() {
        let check =
            |name: &str, expected: Option<&str>| assert_eq!(manufacturer_trait(name).as_deref(), expected);
        check("QEMU", Some("CUSTOM_MANUFACTURER_QEMU"));
        check(" Dell Inc. ", Some("CUSTOM_MANUFACTURER_DELL_INC_"));
        check("", None);
    }
}
