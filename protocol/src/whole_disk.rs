//! Decisions: whether the first bytes of what is to become a disk are those of something else. Asked by the coordinator when an
//! image is uploaded and by the agent before a byte reaches a disk, of files as they are and of what is inside of qcow2 and
//! compressed ones.
//!
//! Only what is known is refused here: a disk may begin with anything.

/// So much of a beginning is looked at: the second superblock of btrfs ends there.
pub const HEAD_BYTES: usize = 0x11000;

/// Sizes of the sectors that disks have.
const SECTORS: [usize; 2] = [512, 4096];
/// How the header of a GPT begins.
const GPT: &[u8] = b"EFI PART";
/// In so many bytes are both headers' beginnings.
const TELLING_BYTES: usize = SECTORS[1] + GPT.len();
const BOOT_SIGNATURE: usize = 510;
/// Places of a boot record's four entries of 16 bytes: a flag first, the kind of partition at 4.
const BOOT_ENTRIES: std::ops::Range<usize> = 446..510;

/// What a file is instead of a disk: words that follow "it is", with what to do.
type Known = (usize, &'static [u8], &'static str);

/// An installation medium has a boot record, too, so that it starts from a stick.
const MEDIA: [Known; 1] = [(
    0x8001,
    b"CD001",
    "an ISO image, a medium to install from and no installed disk: use the cloud image of that system",
)];

/// File systems without a partition around them, other formats of disks, archives, and what downloads leave behind.
const OTHERS: [Known; 34] = [
    (0x438, b"\x53\xef", "an ext file system without a partition table: use an image of a whole disk"),
    (0, b"XFSB", "an XFS file system without a partition table: use an image of a whole disk"),
    (0x10040, b"_BHRfS_M", "a btrfs file system without a partition table: use an image of a whole disk"),
    (0, b"hsqs", "a squashfs file system without a partition table: use an image of a whole disk"),
    (
        0x400,
        b"\x10\x20\xf5\xf2",
        "an F2FS file system without a partition table: use an image of a whole disk",
    ),
    (54, b"FAT1", "a FAT file system without a partition table: use an image of a whole disk"),
    (82, b"FAT32", "a FAT file system without a partition table: use an image of a whole disk"),
    (3, b"NTFS    ", "an NTFS file system without a partition table: use an image of a whole disk"),
    (3, b"EXFAT   ", "an exFAT file system without a partition table: use an image of a whole disk"),
    (
        0,
        b"LUKS\xba\xbe",
        "an encrypted volume (LUKS) without a partition table: use an image of a whole disk",
    ),
    (512, b"LABELONE", "a volume of LVM without a partition table: use an image of a whole disk"),
    (0, b"QFI\xfb", "a qcow2 file: it was given the format raw; give it the format qcow2"),
    (0, b"KDMV", "a VMDK file: convert it with `qemu-img convert -O qcow2`"),
    (0, b"COWD", "a VMDK file: convert it with `qemu-img convert -O qcow2`"),
    (0, b"# Disk Descriptor", "the description of a VMDK image: convert it with `qemu-img convert -O qcow2`"),
    (0, b"vhdxfile", "a VHDX file: convert it with `qemu-img convert -O qcow2`"),
    (0, b"conectix", "a VHD file: convert it with `qemu-img convert -O qcow2`"),
    (0, b"<<< ", "a VDI file: convert it with `qemu-img convert -O qcow2`"),
    (0x40, b"\x7f\x10\xda\xbe", "a VDI file: convert it with `qemu-img convert -O qcow2`"),
    (0, b"QED\0", "a QED file: convert it with `qemu-img convert -O qcow2`"),
    (0, b"WithoutFreeSpace", "a Parallels file: convert it with `qemu-img convert -O qcow2`"),
    (0, b"WithouFreSpacExt", "a Parallels file: convert it with `qemu-img convert -O qcow2`"),
    (0, b"\x1f\x8b", "compressed by gzip: unpack it with gunzip first"),
    (0, b"\xfd7zXZ\0", "compressed by xz: unpack it with unxz first"),
    (0, b"\x28\xb5\x2f\xfd", "compressed by zstd: unpack it with unzstd first"),
    (0, b"BZh", "compressed by bzip2: unpack it with bunzip2 first"),
    (0, b"\x04\x22\x4d\x18", "compressed by lz4: unpack it with unlz4 first"),
    (0, b"\x5d\0\0", "compressed by lzma: unpack it with unlzma first"),
    (0, b"PK\x03\x04", "a zip archive: unpack it first"),
    (0, b"7z\xbc\xaf", "a 7-Zip archive: unpack it first"),
    (257, b"ustar", "a tar archive: unpack it first"),
    (0, b"\x7fELF", "a program"),
    (0, b"MZ", "a program of Windows or UEFI"),
    (0, b"<", "text, such as an error page of a failed download"),
];

/// What this is instead of a disk, by its first [`HEAD_BYTES`] or all of it: words that follow "it is". None: a disk, or nothing
/// that is known.
pub fn something_else(head: &[u8]) -> Option<&'static str> {
    let known = |list: &[Known]| {
        let found =
            list.iter().find(|(at, start, _)| head.get(*at..).is_some_and(|at| at.starts_with(start)));
        found.map(|(_, _, words)| *words)
    };
    known(&MEDIA).or_else(|| if has_partitions(head) { None } else { known(&OTHERS) })
}

/// Bytes of the sectors by which this disk's partition table counts, by its first [`HEAD_BYTES`]: that of the only GPT (UEFI
/// specification, section 5.3.1: it is in the second sector), or 512 of a boot record alone. None: it fits both, has no partition
/// table, or too little of it is here to tell.
pub fn made_for(head: &[u8]) -> Option<u32> {
    let [small, large] = SECTORS.map(|at| is_gpt(head, at));
    match (small, large) {
        _ if head.len() < TELLING_BYTES => None,
        (true, true) => None,
        (true, false) => Some(512),
        (false, true) => Some(4096),
        (false, false) => has_boot_record(head).then_some(512),
    }
}

/// Whether there is a partition table: a GPT for either size of sectors, or a boot record with a partition in it.
fn has_partitions(head: &[u8]) -> bool {
    SECTORS.into_iter().any(|at| is_gpt(head, at)) || has_boot_record(head)
}

fn is_gpt(head: &[u8], sector_bytes: usize) -> bool {
    head.get(sector_bytes..).is_some_and(|at| at.starts_with(GPT))
}

/// The boot program of a file system has the same signature, and what are no partitions where they would be.
fn has_boot_record(head: &[u8]) -> bool {
    let entries = head.get(BOOT_ENTRIES).map(|bytes| bytes.as_chunks::<16>().0).unwrap_or_default();
    head.get(BOOT_SIGNATURE..BOOT_SIGNATURE + 2) == Some(&[0x55, 0xaa])
        && entries.iter().all(|entry| matches!(entry[0], 0 | 0x80))
        && entries.iter().any(|entry| entry[4] != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(parts: &[(usize, &[u8])]) -> Vec<u8> {
        let mut head = vec![0; HEAD_BYTES];
        for (at, bytes) in parts {
            head[*at..at + bytes.len()].copy_from_slice(bytes);
        }
        head
    }

    #[test]
    fn what_is_no_disk_is_named_and_a_disk_is_left_alone() {
        let check = |parts: &[(usize, &[u8])], expected: Option<&str>| {
            let found = something_else(&with(parts));
            assert_eq!(found.is_some(), expected.is_some(), "{parts:?}: {found:?}");
            assert!(found.unwrap_or_default().contains(expected.unwrap_or_default()), "{found:?}");
        };
        const SIGNED: (usize, &[u8]) = (510, &[0x55, 0xaa]);
        const LINUX: (usize, &[u8]) = (450, &[0x83]);
        check(&[], None);
        check(&[SIGNED, LINUX], None);
        check(&[(512, b"EFI PART")], None);
        for (at, start, words) in MEDIA.iter().chain(&OTHERS) {
            check(&[(*at, start)], Some(words));
        }
        // A medium that starts from a stick has a boot record and is no disk for all that; anything else with one is a disk.
        check(&[SIGNED, LINUX, (0x8001, b"CD001")], Some("ISO"));
        check(&[(512, b"EFI PART"), (0x8001, b"CD001")], Some("ISO"));
        check(&[SIGNED, LINUX, (0x438, b"\x53\xef")], None);
        check(&[(4096, b"EFI PART"), (0, b"<")], None);
        // A file system with a boot program has the signature, and code where partitions would be.
        check(&[SIGNED, (82, b"FAT32"), (446, b"\xe8\x12\x34\x56\x78")], Some("FAT"));
        check(&[SIGNED, (3, b"NTFS    ")], Some("NTFS"));
        assert_eq!(something_else(b""), None);
        assert_eq!(something_else(b"<html>"), Some(OTHERS[33].2));
    }

    #[test]
    fn the_sectors_are_told_where_they_are_certain() {
        const RECORD: [(usize, &[u8]); 2] = [(510, &[0x55, 0xaa]), (450, &[0xee])];
        let check = |parts: &[(usize, &[u8])], expected: Option<u32>| {
            let head = with(&[&RECORD[..], parts].concat());
            assert_eq!(made_for(&head), expected, "{parts:?}");
            assert_eq!(made_for(&head[..TELLING_BYTES]), expected, "{parts:?}");
            assert_eq!(made_for(&head[..TELLING_BYTES - 1]), None, "{parts:?}");
        };
        check(&[(512, GPT)], Some(512));
        check(&[(4096, GPT)], Some(4096));
        check(&[(512, GPT), (4096, GPT)], None);
        check(&[], Some(512));
        assert_eq!(made_for(&with(&[(4096, GPT)])), Some(4096));
        assert_eq!(made_for(&with(&[])), None);
        assert_eq!(made_for(&[]), None);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_survived(head: Vec<u8>) {
            something_else(&head);
            made_for(&head);
        }
    }
}
