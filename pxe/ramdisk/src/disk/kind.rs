//! Decisions: which of the kernel's block devices are disks of the server's.
//!
//! What must stay true: no flag alone takes a disk out. A device is passed over only because it is no hardware, because it
//! is a drive of another kind, because there is no medium in it, or because it is one more path to a disk that is listed.

/// What the kernel shows of a block device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// Its name in sysfs.
    pub name: String,
    /// Its size in sectors of 512 bytes.
    pub sectors: u64,
    /// It, or its medium, can be pulled out.
    pub removable: bool,
    /// It has no device node: the kernel uses it for another device's sake.
    pub hidden: bool,
    /// No hardware stands behind it.
    pub is_virtual: bool,
}

/// What a block device is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A disk.
    Disk,
    /// Made by the kernel, of memory or of disks (loop, ram, dm, md).
    Virtual,
    /// An optical, floppy or network drive, or the flash of the firmware.
    OtherDrive,
    /// A drive whose medium has been taken out.
    Empty,
    /// One path to an NVMe disk that is listed by its own name.
    Path,
}

/// Names of drives that are no disks, each followed by a number.
const OTHER_DRIVES: [&str; 4] = ["sr", "fd", "nbd", "mtdblock"];
/// The same of what the kernel makes, where sysfs does not already say so.
const VIRTUAL: [&str; 5] = ["loop", "ram", "zram", "dm-", "md"];

/// What this device is, beside all of them.
pub fn kind(device: &Shown, all: &[Shown]) -> Kind {
    let numbered = |prefix: &&str| {
        let number = device.name.strip_prefix(*prefix);
        number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    if device.is_virtual || VIRTUAL.iter().any(&numbered) {
        Kind::Virtual
    } else if OTHER_DRIVES.iter().any(numbered) {
        Kind::OtherDrive
    } else if device.removable && device.sectors == 0 {
        Kind::Empty
    } else if device.hidden && is_path_of_a_listed_disk(&device.name, all) {
        Kind::Path
    } else {
        Kind::Disk
    }
}

/// Whether `nvme0c1n2` has its `nvme0n2`, which is what can be opened.
fn is_path_of_a_listed_disk(name: &str, all: &[Shown]) -> bool {
    let head = || {
        let (subsystem, rest) = name.strip_prefix("nvme")?.split_once('c')?;
        let (_, name_space) = rest.split_once('n')?;
        Some(format!("nvme{subsystem}n{name_space}"))
    };
    head().is_some_and(|head| all.iter().any(|other| other.name == head && !other.hidden))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(name: &str) -> Shown {
        Shown { name: name.into(), sectors: 1, ..Shown::default() }
    }

    #[test]
    fn no_flag_alone_hides_a_disk() {
        let check = |device: Shown, others: &[&str], expected: Kind| {
            let all: Vec<_> = others.iter().map(|name| shown(name)).chain([device.clone()]).collect();
            assert_eq!(kind(&device, &all), expected, "{device:?} beside {others:?}");
        };
        for name in
            ["sda", "vda", "nvme0n1", "mmcblk0", "mmcblk0boot0", "cciss!c0d0", "rssda", "pmem0", "srx"]
        {
            check(shown(name), &[], Kind::Disk);
        }
        check(Shown { removable: true, ..shown("sdb") }, &[], Kind::Disk);
        check(Shown { removable: true, sectors: 0, ..shown("sdb") }, &[], Kind::Empty);
        // A drive that failed, or whose format the kernel does not know: it is there.
        check(Shown { sectors: 0, ..shown("nvme0n1") }, &[], Kind::Disk);
        let hidden = |name: &str| Shown { hidden: true, ..shown(name) };
        check(hidden("nvme0c0n1"), &["nvme0n1"], Kind::Path);
        check(hidden("nvme10c11n2"), &["nvme10n2"], Kind::Path);
        check(hidden("nvme0c0n1"), &["nvme0n2", "nvme1n1"], Kind::Disk);
        check(hidden("sdc"), &[], Kind::Disk);
        for name in ["loop0", "ram1", "zram0", "dm-3", "md127"] {
            check(shown(name), &[], Kind::Virtual);
        }
        check(Shown { is_virtual: true, ..shown("anything") }, &[], Kind::Virtual);
        for name in ["sr0", "fd0", "nbd12", "mtdblock0"] {
            check(shown(name), &[], Kind::OtherDrive);
        }
    }
}
