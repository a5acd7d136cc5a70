//! Decisions: several block devices that are one disk, reached over several paths (SCSI without a multipath driver).
//!
//! What must stay true: two disks are never taken for one, for then one of them would not be erased. So all that can tell them apart must
//! be there and agree: the world-wide name, the serial number, model and size. What lacks one of them is listed for itself.

use protocol::hardware::Disk;

/// The devices, one after the other, that lead to the disk of the first of them; in the order in which they came.
pub fn group<T>(devices: Vec<(T, Disk)>) -> Vec<Vec<(T, Disk)>> {
    let mut groups: Vec<Vec<(T, Disk)>> = Vec::new();
    for device in devices {
        match groups.iter_mut().find(|group| group.first().is_some_and(|(_, first)| is_one(first, &device.1)))
        {
            Some(group) => group.push(device),
            None => groups.push(vec![device]),
        }
    }
    groups
}

fn is_one(one: &Disk, other: &Disk) -> bool {
    let is_scsi = |disk: &Disk| !disk.hctl.is_empty() && ["sas", "scsi"].contains(&disk.transport.as_str());
    let is_named = |disk: &Disk| is_world_wide(&disk.wwn) && !disk.serial.is_empty() && disk.size_bytes > 0;
    let same = one.wwn == other.wwn
        && one.serial == other.serial
        && one.model == other.model
        && one.vendor == other.vendor
        && one.size_bytes == other.size_bytes
        && one.sector_bytes == other.sector_bytes;
    is_scsi(one) && is_scsi(other) && is_named(one) && is_named(other) && same && one.hctl != other.hctl
}

/// A name that the IEEE gave, and that is not all zeroes: others are a vendor's text.
fn is_world_wide(wwn: &str) -> bool {
    let digits = wwn.strip_prefix("naa.").or_else(|| wwn.strip_prefix("eui."));
    digits.is_some_and(|digits| digits.len() >= 16 && digits.bytes().any(|digit| digit != b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(hctl: &str) -> Disk {
        Disk {
            wwn: "naa.5000c50015ea71aa".into(),
            serial: "Z1".into(),
            model: "ST4".into(),
            size_bytes: 9,
            hctl: hctl.into(),
            transport: "sas".into(),
            ..Disk::default()
        }
    }

    #[test]
    fn paths_are_one_disk_only_if_nothing_tells_them_apart() {
        let check = |one: Disk, other: Disk, expected: usize| {
            let groups = group(vec![("a", one.clone()), ("b", other.clone())]);
            assert_eq!(groups.len(), expected, "{one:?} {other:?}");
        };
        let change = |to: &dyn Fn(&mut Disk)| {
            let mut disk = disk("1:0:0:0");
            to(&mut disk);
            disk
        };
        check(disk("0:0:0:0"), disk("1:0:0:0"), 1);
        check(disk("0:0:0:0"), change(&|disk| disk.serial = "Z2".into()), 2);
        check(disk("0:0:0:0"), change(&|disk| disk.wwn = "naa.5000c50015ea71ab".into()), 2);
        check(disk("0:0:0:0"), change(&|disk| disk.model = "ST5".into()), 2);
        check(disk("0:0:0:0"), change(&|disk| disk.size_bytes = 10), 2);
        check(disk("0:0:0:0"), change(&|disk| disk.transport = "usb".into()), 2);
        let both = |to: &dyn Fn(&mut Disk)| {
            let (mut one, mut other) = (disk("0:0:0:0"), disk("1:0:0:0"));
            to(&mut one);
            to(&mut other);
            (one, other)
        };
        for unnamed in [
            both(&|disk| disk.serial.clear()),
            both(&|disk| disk.wwn.clear()),
            both(&|disk| disk.wwn = "t10.ATA     ST4 Z1".into()),
            both(&|disk| disk.wwn = "naa.0000000000000000".into()),
            both(&|disk| disk.hctl.clear()),
        ] {
            check(unnamed.0, unnamed.1, 2);
        }
        let three = group(vec![(1, disk("0:0:0:0")), (2, disk("0:0:1:0")), (3, disk("1:0:0:0"))]);
        assert_eq!(three.len(), 1);
        assert_eq!(three[0].iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 2, 3]);
    }
}
