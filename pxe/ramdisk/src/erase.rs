//! Edges: removing what a tenant left.

use protocol::step::{ErasedDisk, StepProgress};

use crate::disk::{Disk, DiskError, OpenDisk};

/// Bytes at each end of a disk or partition in which tables, file systems, LVM and RAID keep their labels.
const METADATA_SPAN: u64 = 1 << 20;
/// Disks up to this size are read back as a whole after an erase.
const READ_ALL_MAX: u64 = 1 << 30;
/// Samples of larger disks, spread evenly, and the size of each.
const SAMPLES: u64 = 2048;
const SAMPLE_BYTES: u64 = 64 << 10;

/// Zeroes both ends of the disk and of each of its partitions, and reads them back.
pub fn metadata(disk: &Disk) -> Result<ErasedDisk, DiskError> {
    let open = disk.open()?;
    let ranges = metadata_ranges(disk.size_bytes, &disk.partitions());
    for (start, length) in &ranges {
        open.zero(*start, *length, &mut |_| ())?;
    }
    open.settle()?;
    for (start, length) in &ranges {
        open.expect_zero(*start, *length)?;
    }
    open.reread_partitions();
    let bytes = ranges.iter().map(|(_, length)| length).sum();
    Ok(ErasedDisk {
        name: disk.path(),
        method: "metadata".into(),
        erased_bytes: bytes,
        verified_bytes: bytes,
    })
}

fn metadata_ranges(disk_bytes: u64, partitions: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let whole = [(0, disk_bytes)];
    let areas = partitions.iter().chain(&whole).filter(|(start, length)| start + length <= disk_bytes);
    areas
        .flat_map(|(start, length)| {
            let span = METADATA_SPAN.min(*length);
            [(*start, span), (start + length - span, span)]
        })
        .collect()
}

/// Zeroes the whole disk and reads it back, or samples of it when it is large.
pub fn whole(disk: &Disk, progress: &mut dyn FnMut(StepProgress)) -> Result<ErasedDisk, DiskError> {
    let open = disk.open()?;
    let discards = disk.queue_limit("discard_max_bytes") > 0;
    if disk.queue_limit("write_zeroes_max_bytes") == 0 && discards && open.discard(0, disk.size_bytes).is_ok()
    {
        // A discard promises nothing: only a full read-back counts, and otherwise the zeroes are written.
        open.settle()?;
        if open.expect_zero(0, disk.size_bytes).is_ok() {
            return Ok(erased(disk, "discard", disk.size_bytes));
        }
    }
    let method = if disk.queue_limit("write_zeroes_max_bytes") > 0 { "write_zeroes" } else { "overwrite" };
    let mut done_bytes = 0;
    open.zero(0, disk.size_bytes, &mut |bytes| {
        done_bytes += bytes;
        progress(StepProgress { done_bytes, total_bytes: disk.size_bytes });
    })?;
    open.settle()?;
    let verified = verify(&open)?;
    open.reread_partitions();
    Ok(erased(disk, method, verified))
}

fn erased(disk: &Disk, method: &str, verified_bytes: u64) -> ErasedDisk {
    ErasedDisk { name: disk.path(), method: method.into(), erased_bytes: disk.size_bytes, verified_bytes }
}

/// Reads back; returns how many bytes were read and found zero.
fn verify(disk: &OpenDisk) -> Result<u64, DiskError> {
    let size = disk.size_bytes();
    if size <= READ_ALL_MAX {
        disk.expect_zero(0, size)?;
        return Ok(size);
    }
    let last = size - SAMPLE_BYTES;
    for sample in 0..SAMPLES {
        // In 128 bits, because a large disk times the number of samples needs more than 64.
        let at = (u128::from(last) * u128::from(sample) / u128::from(SAMPLES - 1)) as u64;
        disk.expect_zero(at, SAMPLE_BYTES)?;
    }
    Ok(SAMPLES * SAMPLE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_of_everything() {
        let check = |disk: u64, partitions: &[(u64, u64)], expected: &[(u64, u64)]| {
            assert_eq!(metadata_ranges(disk, partitions), expected);
        };
        let mib = 1 << 20;
        check(10 * mib, &[], &[(0, mib), (9 * mib, mib)]);
        check(
            10 * mib,
            &[(2 * mib, 4 * mib), (7 * mib, 4096)],
            &[(2 * mib, mib), (5 * mib, mib), (7 * mib, 4096), (7 * mib, 4096), (0, mib), (9 * mib, mib)],
        );
        check(mib / 2, &[(mib, mib)], &[(0, mib / 2), (0, mib / 2)]);
    }
}
