//! Decisions: the hardware report as the inventory that Ironic's `agent` inspection reads.

use domain::rim::InspectionReport;
use protocol::{boot::BootMode, hardware::HardwareReport, root_device::RootDeviceHints};
use serde_json::{Value, json};

/// What an inspection reports. The root disk is the one that a deploy writes to.
pub fn inspection_report(
    hostname: &str,
    hardware: &HardwareReport,
    hints: &RootDeviceHints,
) -> InspectionReport {
    let interfaces: Vec<Value> = hardware
        .nics
        .iter()
        .map(|nic| {
            json!({
                "name": nic.name,
                "mac_address": nic.mac.to_string(),
                "ipv4_address": text(&nic.ipv4),
                "ipv6_address": null,
                "has_carrier": nic.carrier,
                "speed_mbps": (nic.speed_mbps > 0).then_some(nic.speed_mbps),
                "driver": text(&nic.driver),
                "vendor": text(&nic.vendor),
                "product": text(&nic.product),
                "lldp": null,
                "client_id": null,
                "biosdevname": null,
            })
        })
        .collect();
    let disks: Vec<Value> = hardware
        .disks
        .iter()
        .map(|disk| {
            json!({
                "name": disk.name,
                "size": disk.size_bytes,
                "rotational": disk.rotational,
                "model": text(&disk.model),
                "serial": text(&disk.serial),
                "wwn": text(&disk.wwn),
                "vendor": text(&disk.vendor),
                "hctl": text(&disk.hctl),
                "by_path": text(&disk.by_path).map(|path| format!("/dev/disk/by-path/{path}")),
                "logical_sectors": (disk.sector_bytes > 0).then_some(disk.sector_bytes),
                "physical_sectors": (disk.physical_sector_bytes > 0).then_some(disk.physical_sector_bytes),
            })
        })
        .collect();
    let booted = hardware.nics.iter().find(|nic| nic.booted).map(|nic| nic.mac);
    let root = hints.root_disk(&hardware.disks).ok();
    let root_disk = root.and_then(|root| disks.iter().find(|disk| disk["name"] == root.name)).cloned();
    let mode = match hardware.boot_mode {
        BootMode::Bios => "bios",
        BootMode::Uefi => "uefi",
    };
    InspectionReport {
        error: None,
        root_disk,
        boot_interface: booted,
        inventory: json!({
            "interfaces": interfaces,
            "disks": disks,
            "cpu": {
                "count": hardware.cpu.count,
                "architecture": hardware.cpu.architecture,
                "model_name": hardware.cpu.model,
                "flags": hardware.cpu.flags,
                "frequency": null,
            },
            "memory": {
                "physical_mb": hardware.memory_mib,
                "total": hardware.memory_mib.saturating_mul(1 << 20),
            },
            "system_vendor": {
                "manufacturer": hardware.system.manufacturer,
                "product_name": hardware.system.product,
                "serial_number": hardware.system.serial,
            },
            "boot": {"current_boot_mode": mode, "pxe_interface": booted.map(|mac| mac.to_string())},
            "bmc_address": null,
            "bmc_v6address": null,
            "hostname": hostname,
        }),
    }
}

fn text(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use protocol::hardware::{Disk, Nic};

    use super::*;

    #[test]
    fn names_the_interface_and_the_disk_that_ironic_asks_for() {
        let nic = |name: &str, mac: &str, booted| Nic {
            name: name.into(),
            mac: mac.parse().unwrap(),
            ipv4: "198.18.1.20".into(),
            carrier: true,
            speed_mbps: 0,
            driver: "virtio_net".into(),
            vendor: "0x1af4".into(),
            product: String::new(),
            booted,
            neighbour: None,
        };
        let disk =
            |name: &str, gib: u64| Disk { name: name.into(), size_bytes: gib << 30, ..Disk::default() };
        let check_with = |hints: Value, disks: Vec<Disk>, root: Option<&str>| {
            let hardware = HardwareReport {
                nics: vec![nic("eth0", "52:54:00:00:00:01", false), nic("eth1", "52:54:00:00:00:02", true)],
                disks,
                ..HardwareReport::default()
            };
            let report = inspection_report("rack1-7", &hardware, &RootDeviceHints::from_json(&hints));
            assert_eq!(report.inventory["boot"]["pxe_interface"], "52:54:00:00:00:02");
            assert_eq!(report.inventory["interfaces"][0]["speed_mbps"], Value::Null);
            assert_eq!(report.root_disk.as_ref().and_then(|disk| disk["name"].as_str()), root);
        };
        let check = |disks: Vec<Disk>, root: Option<&str>| check_with(Value::Null, disks, root);
        let two = || vec![disk("/dev/sda", 100), disk("/dev/sdb", 10)];
        check_with(json!({"name": "/dev/sda"}), two(), Some("/dev/sda"));
        check_with(json!({"name": "/dev/sdc"}), two(), None);
        check(vec![disk("/dev/sda", 100), disk("/dev/sdb", 10), disk("/dev/sdc", 2)], Some("/dev/sdb"));
        check(vec![disk("/dev/sda", 1)], Some("/dev/sda"));
        let card = Disk { removable: true, ..disk("/dev/sda", 8) };
        let protected = Disk { read_only: true, ..disk("/dev/sdb", 8) };
        check(vec![card.clone(), protected, disk("/dev/sdc", 10)], Some("/dev/sdc"));
        check(vec![card], None);
        check(vec![], None);
    }
}
