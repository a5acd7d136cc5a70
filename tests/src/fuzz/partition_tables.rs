//! Decisions: the partition table that an image brought.

use ramdisk::disk::{gpt, table};

/// Disks of these sizes, in bytes, from too small to large.
const DISKS: [u64; 4] = [512, 1 << 20, 1 << 30, 1 << 44];
const DRIVE_BYTES: u64 = 70_000;
const SECTOR: usize = 512;
/// Sizes of the disks' sectors.
const SECTORS: [u64; 2] = [512, 4096];

/// A partition lies on the disk, and so does every write that makes it.
pub fn run(data: &[u8]) {
    for head in [data.to_vec(), with_checksum(data)] {
        for (sector, disk) in SECTORS.into_iter().flat_map(|sector| DISKS.map(|disk| (sector, disk))) {
            let _ = gpt::efi_system(&head, sector);
            if disk < head.len() as u64 {
                continue;
            }
            let placed = table::add_last(&head, disk, sector, DRIVE_BYTES, "config-2", [7; 16]);
            let Ok(placed) = placed else { continue };
            assert!(placed.offset + DRIVE_BYTES <= disk, "it ends behind the disk");
            for (offset, bytes) in &placed.writes {
                assert!(offset.saturating_add(bytes.len() as u64) <= disk, "a write ends behind the disk");
            }
        }
    }
}

/// The same with a header whose checksum is right, so that what it says is looked at.
fn with_checksum(data: &[u8]) -> Vec<u8> {
    let mut head = data.to_vec();
    if let Some(header) = head.get_mut(SECTOR..2 * SECTOR) {
        let length = usize::from(u16::from_le_bytes([header[12], header[13]])).min(SECTOR);
        header[16..20].fill(0);
        let mut crc = flate2::Crc::new();
        crc.update(&header[..length]);
        header[16..20].copy_from_slice(&crc.sum().to_le_bytes());
    }
    head
}
