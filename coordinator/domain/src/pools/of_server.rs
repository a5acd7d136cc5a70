//! Decisions: what a server's record and its inspection mean to pools and to flavors.

use std::collections::BTreeSet;

use super::facts::{Facts, manufacturer_trait};
use crate::{records::Server, tenancy::nics};

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
