//! Edges: removing what a tenant left on one disk.

use protocol::step::{ErasedDisk, StepProgress, VERIFIED_BYTES_MIN};

use super::Depth;
use crate::disk::{Disk, DiskError, OpenDisk};

/// Bytes at each end of a disk or partition in which tables, file systems, LVM and RAID keep their labels.
const METADATA_SPAN: u64 = 1 << 20;
/// Disks up to this size are read back as a whole after an erase.
const READ_ALL_MAX: u64 = 1 << 30;
/// Size of the samples of larger disks, and how many there are, spread evenly.
const SAMPLE_BYTES: u64 = 64 << 10;
const SAMPLES: u64 = VERIFIED_BYTES_MIN / SAMPLE_BYTES;

/// What was done to a disk.
struct Done {
    method: &'static str,
    erased_bytes: u64,
    verified_bytes: u64,
}

/// Erases it; a failure is part of the answer.
pub fn erase(disk: &Disk, depth: Depth, progress: &mut dyn FnMut(StepProgress)) -> ErasedDisk {
    let described = Some(disk.describe());
    let done = if !disk.unprotect() {
        Err("it is read-only: it refuses writes, or is write-protected".to_owned())
    } else if disk.size_bytes == 0 {
        Err("it says that it has no size: it has failed, is locked, or has a format that the kernel does not know".to_owned())
    } else {
        match depth {
            Depth::Metadata => metadata(disk),
            Depth::Whole => whole(disk, progress),
        }
        .map_err(|error| error.to_string())
    };
    let erased = ErasedDisk { name: disk.path(), disk: described, ..ErasedDisk::default() };
    match done {
        Ok(Done { method, erased_bytes, verified_bytes }) => {
            ErasedDisk { method: method.to_owned(), erased_bytes, verified_bytes, ..erased }
        }
        Err(failure) => ErasedDisk { failure, ..erased },
    }
}

/// Zeroes both ends of the disk and of each of its partitions, and reads them back.
fn metadata(disk: &Disk) -> Result<Done, DiskError> {
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
    Ok(Done { method: "metadata", erased_bytes: bytes, verified_bytes: bytes })
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
fn whole(disk: &Disk, progress: &mut dyn FnMut(StepProgress)) -> Result<Done, DiskError> {
    let open = disk.open()?;
    let discards = disk.queue_limit("discard_max_bytes") > 0;
    if disk.queue_limit("write_zeroes_max_bytes") == 0 && discards && open.discard(0, disk.size_bytes).is_ok()
    {
        // A discard promises nothing: only a full read-back counts, and otherwise the zeroes are written.
        open.settle()?;
        if open.expect_zero(0, disk.size_bytes).is_ok() {
            let bytes = disk.size_bytes;
            return Ok(Done { method: "discard", erased_bytes: bytes, verified_bytes: bytes });
        }
    }
    let mut done_bytes = 0;
    open.zero(0, disk.size_bytes, &mut |bytes| {
        done_bytes += bytes;
        progress(StepProgress { done_bytes, total_bytes: disk.size_bytes });
    })?;
    open.settle()?;
    let verified_bytes = verify(&open)?;
    open.reread_partitions();
    // The kernel writes the zeroes itself where the disk refuses its command for that, and does not say so: only where there
    // is no such command, or is none any more, is it known how it was done.
    let method = if disk.queue_limit("write_zeroes_max_bytes") > 0 { "zeroes" } else { "overwrite" };
    Ok(Done { method, erased_bytes: disk.size_bytes, verified_bytes })
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
