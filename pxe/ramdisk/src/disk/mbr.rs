//! Decisions: the PC partition table in a disk's first sector.

use super::{
    error::DiskError,
    table::{Placement, place_last},
};

const TABLE: usize = 446;
const ENTRY_BYTES: usize = 16;
/// The record itself, whatever the size of the sector that it stands in.
const RECORD_BYTES: usize = 512;
const LINUX: u8 = 0x83;
/// In a sector of its own nothing is smaller than this: the boot loader's space before the first partition.
const RESERVED_SECTORS: u64 = 63;

pub(super) fn is_mbr(head: &[u8]) -> bool {
    let typed = |index: usize| head[TABLE + index * ENTRY_BYTES + 4];
    head.get(510..512) == Some(&[0x55, 0xaa])
        && (0..4).any(|i| typed(i) != 0)
        && (0..4).all(|i| typed(i) != 0xee)
}

pub(super) fn add_last(
    head: &[u8],
    disk_sectors: u64,
    sector_bytes: u64,
    sectors: u64,
) -> Result<Placement, DiskError> {
    let mut sector = head[..RECORD_BYTES].to_vec();
    let word = |sector: &[u8], at: usize| {
        u64::from(u32::from_le_bytes([sector[at], sector[at + 1], sector[at + 2], sector[at + 3]]))
    };
    let last = disk_sectors.min(u64::from(u32::MAX)).saturating_sub(1);
    let entry = |index: usize| TABLE + index * ENTRY_BYTES;
    let parts =
        (0..4).map(|i| (i, sector[entry(i) + 4], word(&sector, entry(i) + 8), word(&sector, entry(i) + 12)));
    let parts: Vec<_> = parts.filter(|(_, kind, ..)| *kind != 0).collect();
    let end = |except: Option<usize>| {
        let others = parts.iter().filter(|(i, ..)| Some(*i) != except);
        others
            .map(|(_, _, start, length)| (start + length).saturating_sub(1))
            .max()
            .unwrap_or(RESERVED_SECTORS)
    };
    // An MBR has no names: one that is just what we would make, at the place where we would make it, is ours.
    let ours = parts.iter().find(|(i, kind, start, length)| {
        *kind == LINUX
            && *length == sectors
            && place_last(last, end(Some(*i)), sectors, sector_bytes).is_ok_and(|at| at == *start)
    });
    let (index, start) = match ours {
        Some((index, _, start, _)) => (*index, *start),
        None => {
            let free = (0..4).find(|i| sector[entry(*i) + 4] == 0);
            let free = free
                .ok_or_else(|| DiskError::Unfit("all four entries of the image's MBR are in use".into()))?;
            (free, place_last(last, end(None), sectors, sector_bytes)?)
        }
    };
    let at = entry(index);
    sector[at..at + ENTRY_BYTES]
        .copy_from_slice(&[0, 0xfe, 0xff, 0xff, LINUX, 0xfe, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]);
    sector[at + 8..at + 12].copy_from_slice(&(start as u32).to_le_bytes());
    sector[at + 12..at + 16].copy_from_slice(&(sectors as u32).to_le_bytes());
    Ok(Placement { offset: start * sector_bytes, writes: vec![(0, sector)] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_added_once() {
        let mut head = vec![0; 512];
        head[510..].copy_from_slice(&[0x55, 0xaa]);
        assert!(!is_mbr(&head));
        head[TABLE + 4] = LINUX;
        head[TABLE + 8..TABLE + 12].copy_from_slice(&2048u32.to_le_bytes());
        head[TABLE + 12..TABLE + 16].copy_from_slice(&100_000u32.to_le_bytes());
        assert!(is_mbr(&head));
        let first = add_last(&head, 1 << 21, 512, 1000).unwrap();
        assert_eq!(first.offset % (1 << 20), 0);
        assert_eq!(add_last(&first.writes[0].1, 1 << 21, 512, 1000).unwrap(), first);
        assert!(add_last(&head, 102_048, 512, 1000).is_err());
    }
}
