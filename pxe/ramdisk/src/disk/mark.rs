//! Decisions: what a block device is beside a disk, by its name and what it calls itself, and what its labels say that it is part of.

use protocol::hardware::{DiskMark, Whole};

/// What BMCs call the media that they pretend, as they stand in SCSI's vendor and model: iDRAC, AMI's and Supermicro's, iLO, XCC and others.
const BMC_NAMES: [&str; 10] = [
    "virtual floppy",
    "virtual cd",
    "virtual hdisk",
    "virtual media",
    "virtual disk0",
    "idrac",
    "lcdrive",
    "vflash",
    "ilo ",
    "ami virtual",
];
/// Bytes of a disk's beginning in which labels are looked for, and of its end.
pub const LABEL_HEAD: usize = 256 << 10;
pub const LABEL_TAIL: usize = 128 << 10;

/// What a device's name, vendor and model say.
pub fn by_name(name: &str, vendor: &str, model: &str, transport: &str) -> Vec<DiskMark> {
    let mut marks = Vec::new();
    let parts = name.strip_prefix("mmcblk").map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
    if parts.is_some_and(|part| part.starts_with("boot")) {
        marks.push(DiskMark::EmmcBoot);
    }
    let called = format!("{} {} ", vendor.trim(), model.trim()).to_lowercase();
    if transport == "usb" && BMC_NAMES.iter().any(|words| called.contains(words)) {
        marks.push(DiskMark::BmcVirtual);
    }
    marks
}

/// What the labels at both ends say that a disk or partition is part of. `tail` ends with its last byte.
pub fn by_labels(head: &[u8], tail: &[u8]) -> Option<Whole> {
    let at = |place: usize, magic: &[u8]| head.get(place..).is_some_and(|rest| rest.starts_with(magic));
    let before_end = |back: usize, magic: &[u8]| {
        tail.len().checked_sub(back).is_some_and(|at| tail[at..].starts_with(magic))
    };
    if at(0, MD) || at(4096, MD) || before_end(8 << 10, MD) || md_090(tail) {
        Some(Whole::Md)
    } else if (0..4).any(|sector| at(sector * 512, b"LABELONE")) {
        Some(Whole::Lvm)
    } else if at(4096 + 24, BCACHE) {
        Some(Whole::Bcache)
    } else if at(0, b"bluestore block device") {
        Some(Whole::Ceph)
    } else if zfs(head) {
        Some(Whole::Zfs)
    } else if [512, 1024, 8192].iter().any(|back| before_end(*back, b"Intel Raid ISM Cfg Sig."))
        || [512, 4096].iter().any(|back| before_end(*back, DDF))
    {
        Some(Whole::FirmwareRaid)
    } else {
        None
    }
}

/// md's superblock of versions 1.x, little-endian.
const MD: &[u8] = &0xa92b_4efc_u32.to_le_bytes();
const BCACHE: &[u8] =
    &[0xc6, 0x85, 0x73, 0xf6, 0x4e, 0x1a, 0x45, 0xca, 0x82, 0x65, 0xf5, 0x7f, 0x48, 0xba, 0x6d, 0x81];
/// SNIA's Common RAID Disk Data Format, big-endian.
const DDF: &[u8] = &0xde11_de11_u32.to_be_bytes();

/// md's superblock of version 0.90 stands 64 to 128 KiB before the end, at a multiple of 64 KiB; where the disk's size is a multiple of
/// that, as everywhere where it matters, that is 64 KiB before it.
fn md_090(tail: &[u8]) -> bool {
    let step = 4 << 10;
    (1..=tail.len() / step).any(|index| {
        let back = index * step;
        back >= (64 << 10) && tail[tail.len() - back..].starts_with(MD)
    })
}

/// A ring of uberblocks begins at 128 KiB of each label; each is at least 1 KiB, in the byte order of who wrote it.
fn zfs(head: &[u8]) -> bool {
    const MAGIC: u64 = 0x00ba_b10c;
    let uberblocks = (128 << 10..head.len().saturating_sub(8)).step_by(1 << 10);
    uberblocks
        .map(|at| &head[at..at + 8])
        .any(|block| block == MAGIC.to_le_bytes() || block == MAGIC.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_made_for_a_system_is_known_by_its_name() {
        let check = |name: &str, vendor: &str, model: &str, transport: &str, expected: &[DiskMark]| {
            assert_eq!(by_name(name, vendor, model, transport), expected, "{name} {vendor} {model}");
        };
        check("mmcblk0", "", "MMC32G", "mmc", &[]);
        check("mmcblk0boot1", "", "MMC32G", "mmc", &[DiskMark::EmmcBoot]);
        check("sdb", "iDRAC", "LCDRIVE", "usb", &[DiskMark::BmcVirtual]);
        check("sdb", "AMI", "Virtual HDisk0", "usb", &[DiskMark::BmcVirtual]);
        check("sdb", "HPE", "iLO Internal SD-CARD", "usb", &[DiskMark::BmcVirtual]);
        check("sdb", "Linux", "Virtual Floppy 0001", "usb", &[DiskMark::BmcVirtual]);
        check("sdb", "SanDisk", "Ultra", "usb", &[]);
        // A volume of a RAID controller, or a disk of a virtual server.
        check("sda", "VMware", "Virtual disk", "scsi", &[]);
        check("sda", "DELL", "Virtual Media", "sas", &[]);
    }

    #[test]
    fn members_are_known_by_their_labels() {
        let check = |head_at: usize, tail_back: usize, magic: &[u8], expected: Option<Whole>| {
            let (mut head, mut tail) = (vec![0; LABEL_HEAD], vec![0; LABEL_TAIL]);
            if tail_back > 0 {
                let at = tail.len() - tail_back;
                tail[at..at + magic.len()].copy_from_slice(magic);
            } else {
                head[head_at..head_at + magic.len()].copy_from_slice(magic);
            }
            assert_eq!(by_labels(&head, &tail), expected, "{head_at} {tail_back}");
        };
        check(0, 0, MD, Some(Whole::Md));
        check(4096, 0, MD, Some(Whole::Md));
        check(0, 8 << 10, MD, Some(Whole::Md));
        check(0, 64 << 10, MD, Some(Whole::Md));
        check(0, 100 << 10, MD, Some(Whole::Md));
        check(0, 4 << 10, MD, None);
        check(512, 0, b"LABELONE", Some(Whole::Lvm));
        check(2048, 0, b"LABELONE", None);
        check(4120, 0, BCACHE, Some(Whole::Bcache));
        check(0, 0, b"bluestore block device\n", Some(Whole::Ceph));
        check(129 << 10, 0, &0x00ba_b10c_u64.to_le_bytes(), Some(Whole::Zfs));
        check(129 << 10, 0, &0x00ba_b10c_u64.to_be_bytes(), Some(Whole::Zfs));
        check(0, 1024, b"Intel Raid ISM Cfg Sig.", Some(Whole::FirmwareRaid));
        check(0, 512, DDF, Some(Whole::FirmwareRaid));
        check(0, 0, b"EFI PART", None);
        assert_eq!(by_labels(&[], &[]), None);
        assert_eq!(by_labels(&[0; 10], &[0; 10]), None);
    }
}
