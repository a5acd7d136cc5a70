//! Decisions: adding a small partition at the end of a disk whose image brought its own table.

use super::{
    error::{DiskError, SECTOR},
    gpt, mbr,
};

/// Partitions start at whole MiB, as every partitioning program has it.
pub(super) const ALIGN_SECTORS: u64 = 2048;
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
    bytes: u64,
    name: &str,
    guid: [u8; 16],
) -> Result<Placement, DiskError> {
    let sectors = bytes.div_ceil(SECTOR).max(1);
    if gpt::is_gpt(head) {
        gpt::add_last(head, disk_bytes / SECTOR, sectors, name, guid)
    } else if mbr::is_mbr(head) {
        mbr::add_last(head, disk_bytes / SECTOR, sectors)
    } else {
        Err(DiskError::Unfit(
            "the image has neither a GPT nor an MBR, so it can have no further partition".into(),
        ))
    }
}

/// The last aligned place for this many sectors that ends at `last` or before and starts after `used`.
pub(super) fn place_last(last: u64, used: u64, sectors: u64) -> Result<u64, DiskError> {
    let start = (last + 1).checked_sub(sectors).map(|start| start - start % ALIGN_SECTORS);
    start.filter(|start| *start > used).ok_or_else(|| {
        DiskError::Unfit(format!(
            "no room for {sectors} sectors after the image's partitions: they end at sector {used}, the disk at {last}"
        ))
    })
}
