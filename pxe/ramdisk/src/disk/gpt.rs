//! Decisions: the GUID partition table (UEFI specification 2.10, section 5.3).
//!
//! An image's table ends where the image ends. Adding a partition at the disk's end moves the backup table there too,
//! as every system that grows its disk would have to do at its first boot anyway.

use super::{
    error::DiskError,
    table::{HEAD_BYTES, Placement, place_last},
};

const SIGNATURE: &[u8] = b"EFI PART";
const HEADER_BYTES: usize = 92;
/// The protective boot record in the first sector, whatever that one's size.
const MBR_BYTES: usize = 512;
const ENTRY_BYTES_MIN: usize = 128;
const ENTRIES_MAX: usize = 1024;
/// Linux file system data, 0FC63DAF-8483-4772-8E79-3D69D8477DE4, as it stands on disk.
const LINUX_DATA: [u8; 16] =
    [0xaf, 0x3d, 0xc6, 0x0f, 0x83, 0x84, 0x72, 0x47, 0x8e, 0x79, 0x3d, 0x69, 0xd8, 0x47, 0x7d, 0xe4];
/// EFI system partition, C12A7328-F81F-11D2-BA4B-00A0C93EC93B.
const EFI_SYSTEM: [u8; 16] =
    [0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b];

/// A partition as the table describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its number, from 1.
    pub number: u32,
    /// First sector.
    pub first: u64,
    /// Last sector.
    pub last: u64,
    /// Its unique GUID as it stands on disk.
    pub guid: [u8; 16],
}

struct Table {
    header: Vec<u8>,
    entries: Vec<u8>,
    entry_bytes: usize,
    entries_lba: u64,
}

/// Whether a table begins in the second sector, for sectors of this size: so it is read by who has a disk of them.
pub(super) fn is_gpt(head: &[u8], sector_bytes: u64) -> bool {
    head.get(sector_bytes as usize..).is_some_and(|rest| rest.starts_with(SIGNATURE))
}

/// The EFI system partition of a disk, when it has one; `head` is the disk's first [`HEAD_BYTES`].
pub fn efi_system(head: &[u8], sector_bytes: u64) -> Result<Option<Partition>, DiskError> {
    if !is_gpt(head, sector_bytes) {
        return Ok(None);
    }
    let table = Table::parse(head, sector_bytes)?;
    let found =
        table.entries.chunks_exact(table.entry_bytes).zip(1..).find(|(entry, _)| entry[..16] == EFI_SYSTEM);
    Ok(found.map(|(entry, number)| Partition {
        number,
        first: u64_at(entry, 32),
        last: u64_at(entry, 40),
        guid: entry[16..32].try_into().expect("sixteen bytes are sixteen bytes"),
    }))
}

pub(super) fn add_last(
    head: &[u8],
    disk_sectors: u64,
    sector_bytes: u64,
    sectors: u64,
    name: &str,
    guid: [u8; 16],
) -> Result<Placement, DiskError> {
    let mut table = Table::parse(head, sector_bytes)?;
    let entry_bytes = table.entry_bytes;
    let mut label = [0; 72];
    for (to, unit) in label.chunks_exact_mut(2).zip(name.encode_utf16()) {
        to.copy_from_slice(&unit.to_le_bytes());
    }
    for entry in table.entries.chunks_exact_mut(entry_bytes) {
        if entry[..16] == LINUX_DATA && entry[56..128] == label {
            entry.fill(0);
        }
    }
    let used = table.entries.chunks_exact(entry_bytes).filter(|entry| entry[..16] != [0; 16]);
    let used = used.map(|entry| u64_at(entry, 40)).max().unwrap_or(0).max(u64_at(&table.header, 40) - 1);

    let entries_sectors = (table.entries.len() as u64).div_ceil(sector_bytes);
    let too_small =
        || DiskError::Unfit(format!("a disk of {disk_sectors} sectors has no room for a second table"));
    let backup = disk_sectors.checked_sub(1).ok_or_else(too_small)?;
    let backup_entries = backup.checked_sub(entries_sectors).ok_or_else(too_small)?;
    let last_usable = backup_entries.checked_sub(1).ok_or_else(too_small)?;
    let start = place_last(last_usable, used, sectors, sector_bytes)?;

    let free = table.entries.chunks_exact_mut(entry_bytes).find(|entry| entry[..16] == [0; 16]);
    let entry = free.ok_or_else(|| DiskError::Unfit("every entry of the image's GPT is in use".into()))?;
    entry[..16].copy_from_slice(&LINUX_DATA);
    entry[16..32].copy_from_slice(&guid);
    entry[32..40].copy_from_slice(&start.to_le_bytes());
    entry[40..48].copy_from_slice(&(start + sectors - 1).to_le_bytes());
    entry[48..56].fill(0);
    entry[56..128].copy_from_slice(&label);

    let mut writes = Vec::new();
    let old_backup = u64_at(&table.header, 32);
    if old_backup != backup && old_backup > used && old_backup < disk_sectors {
        writes.push((old_backup * sector_bytes, vec![0; sector_bytes as usize]));
    }
    writes.push((backup_entries * sector_bytes, table.entries.clone()));
    writes.push((backup * sector_bytes, table.header(backup, 1, backup_entries, last_usable)));
    let mut mbr = head[..MBR_BYTES].to_vec();
    let protective = (disk_sectors - 1).min(u64::from(u32::MAX)) as u32;
    for at in [446, 462, 478, 494] {
        if mbr[at + 4] == 0xee {
            mbr[at + 12..at + 16].copy_from_slice(&protective.to_le_bytes());
        }
    }
    writes.push((0, mbr));
    writes.push((table.entries_lba * sector_bytes, table.entries.clone()));
    writes.push((sector_bytes, table.header(1, backup, table.entries_lba, last_usable)));
    Ok(Placement { offset: start * sector_bytes, writes })
}

impl Table {
    fn parse(head: &[u8], sector_bytes: u64) -> Result<Self, DiskError> {
        let unfit = |why: &str| DiskError::Unfit(format!("the image's GPT {why}"));
        let sector = sector_bytes as usize;
        let header = head.get(sector..2 * sector).ok_or_else(|| unfit("is cut off"))?.to_vec();
        let length = u32_at(&header, 12) as usize;
        if !(HEADER_BYTES..=sector).contains(&length) {
            return Err(unfit("has a header of a wrong length"));
        }
        let mut checked = header[..length].to_vec();
        checked[16..20].fill(0);
        if crc32(&checked) != u32_at(&header, 16) {
            return Err(unfit("has a header with a wrong checksum"));
        }
        let (entries_lba, count, entry_bytes) =
            (u64_at(&header, 72), u32_at(&header, 80), u32_at(&header, 84));
        let (count, entry_bytes) = (count as usize, entry_bytes as usize);
        if !(ENTRY_BYTES_MIN..=4096).contains(&entry_bytes) || !(1..=ENTRIES_MAX).contains(&count) {
            return Err(unfit("has entries of a wrong size or number"));
        }
        let start = usize::try_from(entries_lba).ok().filter(|lba| *lba >= 2 && *lba < HEAD_BYTES / sector);
        let start = start.ok_or_else(|| unfit("has its entries far from the disk's start"))? * sector;
        let entries = head.get(start..start + count * entry_bytes);
        let entries =
            entries.ok_or_else(|| unfit("has more entries than fit before the first MiB"))?.to_vec();
        if crc32(&entries) != u32_at(&header, 88) {
            return Err(unfit("has entries with a wrong checksum"));
        }
        let first_usable = u64_at(&header, 40);
        if first_usable == 0 {
            return Err(unfit("says that its own sector is free"));
        }
        Ok(Self { header, entries, entry_bytes, entries_lba })
    }

    /// A header's sector with both checksums.
    fn header(&self, own: u64, other: u64, entries: u64, last_usable: u64) -> Vec<u8> {
        let mut header = self.header.clone();
        let mut put = |at: usize, value: u64| header[at..at + 8].copy_from_slice(&value.to_le_bytes());
        put(24, own);
        put(32, other);
        put(48, last_usable);
        put(72, entries);
        header[88..92].copy_from_slice(&crc32(&self.entries).to_le_bytes());
        header[16..20].fill(0);
        let length = u32_at(&header, 12) as usize;
        let checksum = crc32(&header[..length]);
        header[16..20].copy_from_slice(&checksum.to_le_bytes());
        header
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

/// CRC-32 of IEEE 802.3, bit by bit: the tables it is used for are small.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0u32, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    const IMAGE_SECTORS: u64 = 1 << 15;
    const SIZES: [u64; 2] = [512, 4096];

    /// A table with one EFI system partition, as an image brings it.
    fn head_of(sector: u64) -> Vec<u8> {
        let sector = sector as usize;
        let mut table =
            Table { header: vec![0; sector], entries: vec![0; 128 * 128], entry_bytes: 128, entries_lba: 2 };
        table.entries[..16].copy_from_slice(&EFI_SYSTEM);
        table.entries[32..40].copy_from_slice(&2048u64.to_le_bytes());
        table.entries[40..48].copy_from_slice(&20_000u64.to_le_bytes());
        table.header[..8].copy_from_slice(SIGNATURE);
        table.header[12..16].copy_from_slice(&(HEADER_BYTES as u32).to_le_bytes());
        table.header[40..48].copy_from_slice(&34u64.to_le_bytes());
        table.header[80..84].copy_from_slice(&128u32.to_le_bytes());
        table.header[84..88].copy_from_slice(&128u32.to_le_bytes());
        let mut head = vec![0; HEAD_BYTES];
        head[450] = 0xee;
        head[sector..2 * sector].copy_from_slice(&table.header(1, IMAGE_SECTORS - 1, 2, IMAGE_SECTORS - 34));
        head[2 * sector..2 * sector + 128 * 128].copy_from_slice(&table.entries);
        head
    }

    fn head() -> Vec<u8> {
        head_of(512)
    }

    fn apply(head: &mut [u8], placement: &Placement) {
        for (offset, bytes) in &placement.writes {
            let at = *offset as usize;
            if at + bytes.len() <= head.len() {
                head[at..at + bytes.len()].copy_from_slice(bytes);
            }
        }
    }

    #[test]
    fn crc_is_the_usual_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn a_partition_is_added_at_the_disks_end_and_replaced_when_repeated() {
        for sector_bytes in SIZES {
            let mut head = head_of(sector_bytes);
            let (disk, entries) = (1 << 20, 128 * 128 / sector_bytes);
            let placed = add_last(&head, disk, sector_bytes, 100, "config-2", [7; 16]).unwrap();
            let (sector, remainder) = (placed.offset / sector_bytes, placed.offset % (1 << 20));
            let mib = (1 << 20) / sector_bytes;
            assert!(
                remainder == 0 && sector + 100 <= disk - 1 - entries && sector > disk - 3 * mib,
                "{sector}"
            );
            apply(&mut head, &placed);
            let table = Table::parse(&head, sector_bytes).unwrap();
            assert_eq!(u64_at(&table.header, 32), disk - 1);
            assert_eq!(u64_at(&table.header, 48), disk - 2 - entries);
            assert_eq!(u32_at(&head, 446 + 12), disk as u32 - 1);
            assert_eq!(table.entries.chunks(128).filter(|entry| entry[0] != 0).count(), 2);
            assert_eq!(efi_system(&head, sector_bytes).unwrap().unwrap().first, 2048);

            let again = add_last(&head, disk, sector_bytes, 5000, "config-2", [8; 16]).unwrap();
            apply(&mut head, &again);
            let table = Table::parse(&head, sector_bytes).unwrap();
            assert_eq!(table.entries.chunks(128).filter(|entry| entry[0] != 0).count(), 2);
            let other = SIZES.into_iter().find(|size| *size != sector_bytes).unwrap();
            assert_eq!(efi_system(&head, other).unwrap(), None, "read by a disk of other sectors it is none");
        }
    }

    /// The image's table was made, and ours is read, by a program that we did not write.
    #[test]
    fn a_table_of_ours_is_read_by_others_as_it_was_meant() {
        SIZES.into_iter().for_each(is_read_by_others);
    }

    fn is_read_by_others(sector_bytes: u64) {
        const DISK_SECTORS: u64 = 2 * IMAGE_SECTORS;
        let entries = 128 * 128 / sector_bytes;
        let mut image = Cursor::new(vec![0; (IMAGE_SECTORS * sector_bytes) as usize]);
        let mut made = gptman::GPT::new_from(&mut image, sector_bytes, [1; 16]).unwrap();
        made[1] = gptman::GPTPartitionEntry {
            partition_type_guid: EFI_SYSTEM,
            unique_partition_guid: [2; 16],
            starting_lba: 2048,
            ending_lba: 20_000,
            attribute_bits: 4,
            partition_name: "boot".into(),
        };
        gptman::GPT::write_protective_mbr_into(&mut image, sector_bytes).unwrap();
        made.write_into(&mut image).unwrap();
        let mut disk = image.into_inner();
        disk.resize((DISK_SECTORS * sector_bytes) as usize, 0);
        let placed =
            add_last(&disk[..HEAD_BYTES], DISK_SECTORS, sector_bytes, 100, "config-2", [7; 16]).unwrap();
        apply(&mut disk, &placed);

        let check = |disk: &[u8], own: u64, other: u64| {
            let read = gptman::GPT::read_from(&mut Cursor::new(disk), sector_bytes).unwrap();
            assert_eq!((read.header.primary_lba, read.header.backup_lba), (own, other));
            assert_eq!(read.header.last_usable_lba, DISK_SECTORS - 2 - entries);
            let used: Vec<_> = read.iter().filter(|(_, entry)| entry.is_used()).collect();
            let [(1, boot), (2, ours)] = used[..] else { panic!("{used:?}") };
            assert_eq!(boot, &made[1], "what the image brought stays as it was");
            assert_eq!(ours.partition_name.as_str(), "config-2");
            assert_eq!((ours.partition_type_guid, ours.unique_partition_guid), (LINUX_DATA, [7; 16]));
            assert_eq!((ours.starting_lba * sector_bytes, ours.size().unwrap()), (placed.offset, 100));
        };
        check(&disk, 1, DISK_SECTORS - 1);
        // Without its first header and entries the disk is read by the second ones.
        disk[sector_bytes as usize..((2 + entries) * sector_bytes) as usize].fill(0);
        check(&disk, DISK_SECTORS - 1, 1);
    }

    #[test]
    fn no_room_and_damage_are_refused() {
        let check = |change: &dyn Fn(&mut Vec<u8>), disk: u64, word: &str| {
            let mut head = head();
            change(&mut head);
            let error = add_last(&head, disk, 512, 100, "config-2", [7; 16]).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        };
        check(&|_| (), 20_050, "no room");
        check(&|_| (), 10, "no room");
        check(&|head| head[560] ^= 1, 1 << 20, "header with a wrong checksum");
        check(&|head| head[1030] ^= 1, 1 << 20, "entries with a wrong checksum");
    }

    proptest! {
        #[test]
        fn no_table_panics(at in 512usize..4096, byte in any::<u8>(), disk in 0u64..100_000, fix in any::<bool>()) {
            let mut head = head();
            head[at] = byte;
            if fix {
                let length = (u32_at(&head, 524) as usize).min(512);
                head[528..532].fill(0);
                let checksum = crc32(&head[512..512 + length]);
                head[528..532].copy_from_slice(&checksum.to_le_bytes());
            }
            let _ = add_last(&head, disk, 512, 100, "config-2", [7; 16]);
            let _ = efi_system(&head, 512);
            let _ = efi_system(&head, 4096);
        }
    }
}
