//! Edges: an erase of metadata leaves no label, wherever it stands: disks as programs of others make them, or with the bytes of their
//! formats, and wipefs and blkid to judge what is left.

use std::{
    fs::File,
    io::Write,
    os::unix::fs::FileExt,
    path::Path,
    process::{Command, Stdio},
};

use ramdisk::{disk::OpenDisk, erase::clear_labels};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// What a signature looks like: bytes at places, as whoever wrote the format made them.
type Bytes = Vec<(u64, Vec<u8>)>;

struct Case {
    name: &'static str,
    size: u64,
    /// A program that makes it.
    make: fn(&Path),
    bytes: Bytes,
    partitions: Vec<(u64, u64)>,
    /// Whether `wipefs` knows it, so that it says that there was one.
    known: bool,
    /// Places that must be zero afterwards, though nobody looks there first.
    far: Vec<(u64, u64)>,
}

fn case(name: &'static str, size: u64) -> Case {
    let (bytes, partitions, far) = (vec![], vec![], vec![]);
    Case { name, size, make: |_| (), bytes, partitions, known: true, far }
}

fn run(command: &mut Command) {
    let done = command.stdin(Stdio::null()).output().unwrap();
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
}

fn btrfs(disk: &Path) {
    run(Command::new("mkfs.btrfs").args(["-q", "-f"]).arg(disk));
}

fn table(disk: &Path, text: &str) {
    let mut sfdisk = Command::new("sfdisk").arg("-q").arg(disk).stdin(Stdio::piped()).spawn().unwrap();
    sfdisk.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(sfdisk.wait().unwrap().success());
}

/// What wipefs finds.
fn found(disk: &Path) -> String {
    let found = Command::new("wipefs").arg("-n").arg(disk).output().unwrap();
    assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
    String::from_utf8(found.stdout).unwrap()
}

/// A superblock of md 1.x (Linux, `drivers/md/md_p.h`) for a disk of this size, at its place.
fn md_1(minor: u32, size: u64) -> Bytes {
    let place = match minor {
        0 => (size / 512 - 16) & !7,
        1 => 0,
        _ => 8,
    };
    let mut block = vec![0; 1024];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &0xa92b_4efc_u32.to_le_bytes());
    put(4, &1u32.to_le_bytes());
    put(16, &[7; 16]);
    put(92, &2u32.to_le_bytes()); // disks
    put(144, &place.to_le_bytes());
    put(220, &0u32.to_le_bytes()); // roles that follow
    let words = block[..256].chunks(4).map(|word| u64::from(u32::from_le_bytes(word.try_into().unwrap())));
    let sum: u64 = words.sum();
    let sum = (sum & 0xffff_ffff) + (sum >> 32);
    block[216..220].copy_from_slice(&(sum as u32).to_le_bytes());
    vec![(place * 512, block)]
}

/// The same of md 0.90, 64 KiB before the last whole 64 KiB.
fn md_0(size: u64) -> Bytes {
    let mut block = vec![0; 4096];
    block[..4].copy_from_slice(&0xa92b_4efc_u32.to_le_bytes());
    block[8..12].copy_from_slice(&90u32.to_le_bytes());
    block[20..24].copy_from_slice(&[9; 4]);
    vec![((size & !0xffff) - 0x1_0000, block)]
}

/// ZFS's uberblocks in all four labels, 256 KiB each, from 128 KiB on (`vdev_impl.h`).
fn zfs(size: u64) -> Bytes {
    let label = 256 << 10;
    let end = size - size % label;
    let starts = [0, label, end - 2 * label, end - label];
    let uberblock = [0x00ba_b10c_u64.to_le_bytes(), 5000u64.to_le_bytes()].concat();
    let each = |start: u64| (0..128).map(move |n| start + (128 << 10) + n * 1024);
    starts.into_iter().flat_map(each).map(|at| (at, uberblock.clone())).collect()
}

/// A label of LVM in one of the first four sectors, as pvcreate 2.03 writes it (its checksum is of all the sector from byte 20 on).
fn lvm(sector: u64) -> Bytes {
    let mut label = vec![0; 512];
    let mut put = |at: usize, bytes: &[u8]| label[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"LABELONE");
    put(8, &sector.to_le_bytes());
    put(20, &32u32.to_le_bytes());
    put(24, b"LVM2 001");
    put(32, b"WLQkcBsmoL8spQJEC11c1nuMk5euwFjw");
    let mut crc = 0xf597_a6cf_u32;
    for byte in &label[20..] {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 != 0 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    label[16..20].copy_from_slice(&crc.to_le_bytes());
    vec![(sector * 512, label)]
}

/// A superblock of bcache, with its magic at byte 24 of 4 KiB.
fn bcache() -> Bytes {
    let magic =
        [0xc6, 0x85, 0x73, 0xf6, 0x4e, 0x1a, 0x45, 0xca, 0x82, 0x65, 0xf5, 0x7f, 0x48, 0xba, 0x6d, 0x81];
    let mut block = vec![0; 1024];
    block[8..16].copy_from_slice(&8u64.to_le_bytes()); // its own place
    block[24..40].copy_from_slice(&magic);
    vec![(4096, block)]
}

fn ceph() -> Bytes {
    let label = b"bluestore block device\n1e3c6a0e-0000-4000-8000-000000000000\n".to_vec();
    [0, GIB, 10 * GIB].map(|at| (at, label.clone())).to_vec()
}

fn cases() -> Vec<Case> {
    let size = 300 * MIB;
    let superblock = 64 << 10;
    let mut cases = vec![
        Case { make: |disk| table(disk, "label: gpt\nsize=64MiB\nsize=64MiB\n"), ..case("gpt", size) },
        Case { make: |disk| table(disk, "label: dos\nsize=64MiB\n"), ..case("dos", size) },
        Case { make: |disk| run(Command::new("mkfs.ext4").arg("-q").arg(disk)), ..case("ext4", size) },
        Case { make: |disk| run(Command::new("mkswap").arg(disk)), ..case("swap", size) },
        Case { make: btrfs, far: vec![(64 * MIB, superblock)], ..case("btrfs", size) },
        Case { make: btrfs, far: vec![(256 * GIB, superblock)], ..case("large btrfs", 257 * GIB) },
        Case { bytes: md_0(size), ..case("md 0.90", size) },
        Case { bytes: md_1(0, size), ..case("md 1.0", size) },
        Case { bytes: md_1(1, size), ..case("md 1.1", size) },
        Case { bytes: md_1(2, size), ..case("md 1.2", size) },
        Case { bytes: zfs(size + 4096), ..case("zfs", size + 4096) },
        Case { bytes: bcache(), ..case("bcache", size) },
        Case { bytes: ceph(), far: vec![(GIB, 4096), (10 * GIB, 4096)], ..case("ceph", 11 * GIB) },
    ];
    cases.extend((0..4).map(|sector| Case { bytes: lvm(sector), ..case("lvm", size) }));
    // The same inside a partition that the kernel knows, where only its own start and end count.
    let (start, length) = (100 * MIB, 150 * MIB);
    let within = |bytes: Bytes| bytes.into_iter().map(|(at, bytes)| (start + at, bytes)).collect();
    for bytes in [md_0(length), md_1(0, length), zfs(length), lvm(1)] {
        let (bytes, partitions) = (within(bytes), vec![(start, length)]);
        cases.push(Case { bytes, partitions, known: false, ..case("in a partition", size) });
    }
    cases
}

fn is_zero(disk: &File, (start, length): (u64, u64)) -> bool {
    let mut bytes = vec![0; length as usize];
    disk.read_exact_at(&mut bytes, start).unwrap();
    bytes.iter().all(|byte| *byte == 0)
}

#[test]
fn no_label_is_left_wherever_it_stands() {
    let dir = tempfile::tempdir().unwrap();
    for case in cases() {
        let Case { name, size, make, bytes, partitions, known, far } = case;
        let path = dir.path().join("disk");
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
        file.set_len(size).unwrap();
        make(&path);
        for (at, bytes) in &bytes {
            file.write_all_at(bytes, *at).unwrap();
        }
        assert_eq!(!found(&path).is_empty(), known, "{name}: what wipefs says before");
        assert!(far.iter().all(|place| !is_zero(&file, *place)), "{name}: it is not where it should be");

        let disk = OpenDisk::from_file(file.try_clone().unwrap(), "disk".into(), size);
        let cleared = clear_labels(&disk, &partitions).unwrap();
        assert!(cleared < 100 * MIB, "{name}: {cleared} bytes are no longer only labels");
        assert_eq!(found(&path), "", "{name}: wipefs finds it");
        let probed = Command::new("blkid").arg("-p").arg(&path).output().unwrap();
        assert!(probed.stdout.is_empty(), "{name}: {}", String::from_utf8_lossy(&probed.stdout));
        let written = bytes.iter().map(|(at, bytes)| (*at, bytes.len() as u64));
        for place in far.iter().copied().chain(written) {
            assert!(is_zero(&file, place), "{name}: it is left at {place:?}");
        }
    }
}
