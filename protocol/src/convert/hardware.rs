//! Values: hardware reports and BMC identities to and from the wire.

use super::{InvalidMessage, boot::boot_mode, parse};
use crate::{
    grpc as wire,
    hardware::{BmcIdentity, Cpu, Disk, DiskHealth, HardwareReport, Neighbour, Nic, SystemIdentity},
};

impl From<HardwareReport> for wire::Hardware {
    fn from(hardware: HardwareReport) -> Self {
        let HardwareReport {
            system,
            boot_mode,
            cpu,
            memory_mib,
            disks,
            nics,
            faults,
            modules,
            secure_boot,
            ramdisk_version,
        } = hardware;
        Self {
            manufacturer: system.manufacturer,
            product: system.product,
            serial: system.serial,
            boot_mode: wire::BootMode::from(boot_mode).into(),
            cpu_count: cpu.count,
            cpu_architecture: cpu.architecture,
            cpu_model: cpu.model,
            cpu_flags: cpu.flags,
            memory_mib,
            disks: disks.into_iter().map(Into::into).collect(),
            nics: nics.into_iter().map(Into::into).collect(),
            system_uuid: system.uuid,
            faults,
            modules,
            secure_boot,
            ramdisk_version,
        }
    }
}

impl TryFrom<wire::Hardware> for HardwareReport {
    type Error = InvalidMessage;
    fn try_from(hardware: wire::Hardware) -> Result<Self, InvalidMessage> {
        Ok(Self {
            system: SystemIdentity {
                manufacturer: hardware.manufacturer,
                product: hardware.product,
                serial: hardware.serial,
                uuid: hardware.system_uuid,
            },
            boot_mode: boot_mode("Hardware.boot_mode", hardware.boot_mode)?,
            cpu: Cpu {
                count: hardware.cpu_count,
                architecture: hardware.cpu_architecture,
                model: hardware.cpu_model,
                flags: hardware.cpu_flags,
            },
            memory_mib: hardware.memory_mib,
            disks: hardware.disks.into_iter().map(Into::into).collect(),
            nics: hardware.nics.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
            faults: hardware.faults,
            modules: hardware.modules,
            secure_boot: hardware.secure_boot,
            ramdisk_version: hardware.ramdisk_version,
        })
    }
}

impl From<Disk> for wire::Disk {
    fn from(disk: Disk) -> Self {
        Self {
            name: disk.name,
            size_bytes: disk.size_bytes,
            rotational: disk.rotational,
            model: disk.model,
            serial: disk.serial,
            wwn: disk.wwn,
            removable: disk.removable,
            read_only: disk.read_only,
            transport: disk.transport,
            vendor: disk.vendor,
            sector_bytes: disk.sector_bytes,
            physical_sector_bytes: disk.physical_sector_bytes,
            hctl: disk.hctl,
            by_path: disk.by_path,
            paths: disk.paths,
            marks: disk.marks.into_iter().map(Into::into).collect(),
            firmware: disk.firmware,
            health: disk.health.as_str().to_owned(),
            used_percent: disk.used_percent.map(u32::from),
            says: disk.says,
        }
    }
}

/// A word of a newer ramdisk is as if it said nothing: what it means by it stands in `says`.
fn disk_health(word: &str) -> DiskHealth {
    let known = [DiskHealth::Good, DiskHealth::Failing];
    known.into_iter().find(|health| health.as_str() == word).unwrap_or_default()
}

impl From<wire::Disk> for Disk {
    fn from(disk: wire::Disk) -> Self {
        Self {
            name: disk.name,
            size_bytes: disk.size_bytes,
            rotational: disk.rotational,
            model: disk.model,
            serial: disk.serial,
            wwn: disk.wwn,
            removable: disk.removable,
            read_only: disk.read_only,
            transport: disk.transport,
            vendor: disk.vendor,
            sector_bytes: disk.sector_bytes,
            physical_sector_bytes: disk.physical_sector_bytes,
            hctl: disk.hctl,
            by_path: disk.by_path,
            paths: disk.paths,
            marks: disk.marks.into_iter().map(Into::into).collect(),
            firmware: disk.firmware,
            health: disk_health(&disk.health),
            used_percent: disk.used_percent.and_then(|percent| u8::try_from(percent).ok()),
            says: disk.says,
        }
    }
}

impl From<Nic> for wire::Nic {
    fn from(nic: Nic) -> Self {
        let Nic { name, mac, ipv4, carrier, speed_mbps, driver, vendor, product, booted, neighbour } = nic;
        let (mac, neighbour) = (mac.to_string(), neighbour.map(Into::into));
        Self { name, mac, ipv4, carrier, speed_mbps, driver, vendor, product, booted, neighbour }
    }
}

impl TryFrom<wire::Nic> for Nic {
    type Error = InvalidMessage;
    fn try_from(nic: wire::Nic) -> Result<Self, InvalidMessage> {
        let wire::Nic { name, mac, ipv4, carrier, speed_mbps, driver, vendor, product, booted, neighbour } =
            nic;
        let (mac, neighbour) = (parse("Nic.mac", &mac)?, neighbour.map(Into::into));
        Ok(Self { name, mac, ipv4, carrier, speed_mbps, driver, vendor, product, booted, neighbour })
    }
}

impl From<Neighbour> for wire::Neighbour {
    fn from(neighbour: Neighbour) -> Self {
        let Neighbour { switch, switch_id, port, port_description } = neighbour;
        Self { switch, switch_id, port, port_description }
    }
}

impl From<wire::Neighbour> for Neighbour {
    fn from(neighbour: wire::Neighbour) -> Self {
        let wire::Neighbour { switch, switch_id, port, port_description } = neighbour;
        Self { switch, switch_id, port, port_description }
    }
}

impl From<BmcIdentity> for wire::BmcIdentity {
    fn from(identity: BmcIdentity) -> Self {
        let BmcIdentity { manufacturer, product, firmware, guid, serial } = identity;
        Self { manufacturer, product, firmware, guid, serial }
    }
}

impl From<wire::BmcIdentity> for BmcIdentity {
    fn from(identity: wire::BmcIdentity) -> Self {
        let wire::BmcIdentity { manufacturer, product, firmware, guid, serial } = identity;
        Self { manufacturer, product, firmware, guid, serial }
    }
}
