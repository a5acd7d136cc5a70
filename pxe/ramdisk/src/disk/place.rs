//! Decisions: where a disk is plugged in, from its directory in sysfs: its SCSI address, and its path as udev names it, which is the same
//! at every boot and is what people write into root device hints.

/// `2:0:0:0`, or nothing for a disk that has no such address.
pub fn hctl(place: &str) -> &str {
    let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_address =
        |part: &&str| part.split(':').filter(is_number).count() == 4 && part.matches(':').count() == 3;
    place.split('/').rfind(is_address).unwrap_or_default()
}

/// What udev's `path_id` makes of it, without `/dev/disk/by-path/`; empty where it has no name for it. `sas_address`: of the SAS end
/// device, as sysfs writes it.
pub fn by_path(place: &str, sas_address: &str) -> String {
    let parts: Vec<_> = place.split('/').collect();
    let Some(pci) = parts.iter().rposition(|part| is_pci(part)) else { return String::new() };
    let bus = format!("pci-{}", parts[pci]);
    let below = &parts[pci + 1..];
    let address = hctl(place);
    let (_, target) = address.split_once(':').unwrap_or_default();
    let lun = address.rsplit(':').next().unwrap_or_default();
    let first = |prefix: &str| below.iter().find(|part| numbered(part, prefix));
    if let Some(usb) = below.iter().rfind(|part| is_usb_interface(part)) {
        let (_, port) = usb.split_once('-').unwrap_or_default();
        let scsi = if address.is_empty() { String::new() } else { format!("-scsi-0:{target}") };
        return format!("{bus}-usb-0:{port}{scsi}");
    }
    if let Some(name_space) = below.last().and_then(|name| nvme_name_space(name)) {
        return format!("{bus}-nvme-{name_space}");
    }
    if let Some(ata) = first("ata") {
        // Each port of a controller counts from 1; the kernel counts all ports, so the number is right where there is one controller.
        return format!("{bus}-{}", ata.replacen("ata", "ata-", 1));
    }
    if first("end_device-").is_some() {
        let known = !sas_address.is_empty();
        return if known { format!("{bus}-sas-{sas_address}-lun-{lun}") } else { String::new() };
    }
    if !address.is_empty() {
        return format!("{bus}-scsi-0:{target}");
    }
    // virtio and whatever else is one disk on its bus.
    bus
}

fn numbered(part: &str, prefix: &str) -> bool {
    part.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// `0000:00:1f.2`
fn is_pci(part: &str) -> bool {
    let hexadecimal = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let Some((bus, function)) = part.rsplit_once('.') else { return false };
    bus.split(':').count() == 3
        && bus.split(':').all(hexadecimal)
        && function.len() == 1
        && hexadecimal(function)
}

/// `1-1.2:1.0`
fn is_usb_interface(part: &str) -> bool {
    let Some((device, interface)) = part.split_once(':') else { return false };
    let number =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    device.split_once('-').is_some_and(|(bus, port)| number(bus) && number(port)) && number(interface)
}

/// The number of the name space in `nvme0n1`.
fn nvme_name_space(name: &str) -> Option<&str> {
    let (_, rest) = name.strip_prefix("nvme")?.split_once('n')?;
    (!rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit())).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_found_at_its_place_whatever_its_name() {
        let check = |place: &str, address: &str, expected: &str| {
            let place = format!("/sys/devices/pci0000:00/{place}");
            assert_eq!(hctl(&place), address, "{place}");
            assert_eq!(by_path(&place, "0x5000c50012345679"), expected, "{place}");
        };
        check("0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sda", "0:0:0:0", "pci-0000:00:1f.2-ata-1");
        let raid = "0000:00:01.0/0000:01:00.0/host2/target2:2:1/2:2:1:0/block/sdb";
        check(raid, "2:2:1:0", "pci-0000:01:00.0-scsi-0:2:1:0");
        let sas = "0000:00:04.0/host2/port-2:0/end_device-2:0/target2:0:0/2:0:0:0/block/sdc";
        check(sas, "2:0:0:0", "pci-0000:00:04.0-sas-0x5000c50012345679-lun-0");
        check("0000:00:07.0/nvme/nvme0/nvme0n2", "", "pci-0000:00:07.0-nvme-2");
        check("0000:00:05.0/virtio1/block/vda", "", "pci-0000:00:05.0");
        let stick = "0000:00:06.0/usb1/1-1/1-1.2/1-1.2:1.0/host6/target6:0:0/6:0:0:0/block/sdd";
        check(stick, "6:0:0:0", "pci-0000:00:06.0-usb-0:1.2:1.0-scsi-0:0:0:0");
        check(
            "0000:00:08.0/virtio3/host3/target3:0:0/3:0:0:1/block/sde",
            "3:0:0:1",
            "pci-0000:00:08.0-scsi-0:0:0:1",
        );
        assert_eq!(by_path("/sys/devices/LNXSYSTM:00/ndbus0/region0/block/pmem0", ""), "");
        assert_eq!(by_path("/sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1", ""), "");
    }
}
