//! Decisions: for which sectors an image's table was made, and adding a small partition at the end of a disk.

use protocol::hardware;

use super::{error::DiskError, gpt, mbr};

/// Partitions start at whole MiB, as every partitioning program has it.
pub(super) const ALIGN_BYTES: u64 = 1 << 20;
/// Sizes of sectors that disks have: 512-byte ones (512n, 512e), and 4Kn.
const SECTORS: [u64; 2] = [512, 4096];
/// So much of an image tells for which of them its table was made.
pub const TELLING_BYTES: usize = 4096 + 8;
/// Bytes from the disk's start in which its table must stand.
pub const HEAD_BYTES: usize = 1 << 20;

/// Where the partition goes, and the writes that make the table say so.
#[derive(Debug, PartialEq, Eq)]
pub struct Placement {
    /// First byte of the partition.
    pub offset: u64,
    /// Offsets and bytes to write, in this order: the backup stands before the primary says that it does.
    pub writes: Vec<(u64, Vec<u8>)>,
}

/// Plans a partition `name` of at least `bytes` at the end of the disk; `head` is the disk's first [`HEAD_BYTES`].
/// One that was added before is replaced.
pub fn add_last(
    head: &[u8],
    disk_bytes: u64,
    sector_bytes: u64,
    bytes: u64,
    name: &str,
    guid: [u8; 16],
) -> Result<Placement, DiskError> {
    let sectors = bytes.div_ceil(sector_bytes).max(1);
    if gpt::is_gpt(head, sector_bytes) {
        gpt::add_last(head, disk_bytes / sector_bytes, sector_bytes, sectors, name, guid)
    } else if mbr::is_mbr(head) {
        mbr::add_last(head, disk_bytes / sector_bytes, sector_bytes, sectors)
    } else {
        Err(DiskError::Unfit(
            "the image has neither a GPT nor an MBR, so it can have no further partition".into(),
        ))
    }
}

/// Refuses an image that would be written and never read: one whose table counts in sectors of another size than the disk's. `head` is the
/// image's beginning, [`TELLING_BYTES`] of it. An image without a table is nobody's to judge here.
pub fn check_sectors(head: &[u8], disk: &hardware::Disk, sector_bytes: u64) -> Result<(), DiskError> {
    if gpt::is_gpt(head, sector_bytes) {
        return Ok(());
    }
    let unfit = |made_for: String| {
        Err(DiskError::Unfit(format!(
            "{made_for}, but {disk} has sectors of {sector_bytes} bytes: no firmware would find its partitions"
        )))
    };
    match SECTORS.into_iter().find(|size| gpt::is_gpt(head, *size)) {
        Some(size) => unfit(format!("the image's GPT was made for sectors of {size} bytes")),
        None if mbr::is_mbr(head) && sector_bytes != SECTORS[0] => unfit(format!(
            "the image has an MBR and no GPT, which was made for sectors of {} bytes",
            SECTORS[0]
        )),
        None => Ok(()),
    }
}

/// The last aligned place for this many sectors that ends at `last` or before and starts after `used`.
pub(super) fn place_last(last: u64, used: u64, sectors: u64, sector_bytes: u64) -> Result<u64, DiskError> {
    let align = (ALIGN_BYTES / sector_bytes).max(1);
    let start = (last + 1).checked_sub(sectors).map(|start| start - start % align);
    start.filter(|start| *start > used).ok_or_else(|| {
        DiskError::Unfit(format!(
            "no room for {sectors} sectors after the image's partitions: they end at sector {used}, the disk at {last}"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_made_for_other_sectors_is_refused_with_both_sizes() {
        let head = |gpts: &[usize], mbr: bool| {
            let mut head = vec![0; TELLING_BYTES];
            for at in gpts {
                head[*at..*at + 8].copy_from_slice(b"EFI PART");
            }
            head[450] = if mbr { 0x83 } else { 0xee };
            head[510..512].copy_from_slice(&[0x55, 0xaa]);
            head
        };
        let disk =
            hardware::Disk { name: "/dev/sda".into(), serial: "S1".into(), ..hardware::Disk::default() };
        let check = |head: Vec<u8>, sector_bytes: u64, refused: Option<&str>| match (
            check_sectors(&head, &disk, sector_bytes),
            refused,
        ) {
            (Ok(()), None) => {}
            (Err(error), Some(words)) => assert!(error.to_string().contains(words), "{error}"),
            (found, refused) => panic!("{found:?}, not {refused:?}"),
        };
        let other = "the image's GPT was made for sectors of 512 bytes, but /dev/sda (serial S1, 0 bytes) has sectors of 4096 bytes";
        check(head(&[512], false), 512, None);
        check(head(&[4096], false), 4096, None);
        check(head(&[512, 4096], false), 4096, None);
        check(head(&[512], false), 4096, Some(other));
        check(head(&[4096], false), 512, Some("was made for sectors of 4096 bytes, but"));
        check(head(&[], true), 512, None);
        check(head(&[], true), 4096, Some("an MBR and no GPT"));
        check(vec![0; TELLING_BYTES], 4096, None);
        check(vec![], 512, None);
    }
}
