//! Decisions: what a disk is connected by, from its name and its place in sysfs.

/// `nvme`, `mmc`, `virtio`, `usb`, `sata`, `sas` or `scsi`; empty: unknown. A volume of a RAID controller is `scsi`, whatever its disks are.
pub fn transport(name: &str, place: &str) -> &'static str {
    let parts: Vec<_> = place.split('/').collect();
    let has = |prefix: &str, of: fn(char) -> bool| {
        parts.iter().any(|part| part.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(of)))
    };
    let digit = |c: char| c.is_ascii_digit();
    if name.starts_with("nvme") {
        "nvme"
    } else if name.starts_with("mmcblk") {
        "mmc"
    } else if has("usb", digit) {
        "usb"
    } else if has("end_device-", digit) {
        "sas"
    } else if has("ata", digit) {
        "sata"
    } else if has("host", digit) {
        "scsi"
    } else if has("virtio", digit) {
        "virtio"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disks_place_tells_what_it_is_connected_by() {
        let check = |name: &str, place: &str, expected: &str| {
            let place = format!("/sys/devices/pci0000:00/{place}/block/{name}");
            assert_eq!(transport(name, &place), expected, "{place}");
        };
        check("sda", "0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0", "sata");
        check("sda", "0000:00:04.0/host2/port-2:0/end_device-2:0/target2:0:0/2:0:0:0", "sas");
        check("sda", "0000:00:04.0/host2/target2:2:0/2:2:0:0", "scsi");
        check("sda", "0000:00:05.0/virtio1/host3/target3:0:0/3:0:0:0", "scsi");
        check("vda", "0000:00:05.0/virtio1", "virtio");
        check("sda", "0000:00:06.0/usb1/1-1/1-1:1.0/host6/target6:0:0/6:0:0:0", "usb");
        check("nvme0n1", "0000:00:07.0/nvme/nvme0", "nvme");
        check("mmcblk0boot0", "0000:00:08.0/mmc_host/mmc0/mmc0:0001", "mmc");
        check("pmem0", "LNXSYSTM:00/ndbus0/region0/namespace0.0", "");
    }
}
