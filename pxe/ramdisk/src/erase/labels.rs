//! Decisions: where on a disk and on its partitions labels stand, also those far from the ends.
//!
//! | what | where |
//! |---|---|
//! | MBR, GPT and its backup; ext, XFS, swap, LUKS 1, bcache, LVM (first 4 sectors), md 1.1 and 1.2, Ceph BlueStore | the head |
//! | VMFS (1 and 2 MiB), the second header of LUKS 2 (up to 4 MiB), its key slots (16 MiB) | the head |
//! | ZFS: labels 0 and 1; labels 2 and 3 in the last 512 KiB, rounded to 256 KiB | head and tail |
//! | md 0.90 (last 64 to 128 KiB), md 1.0 (last 8 to 12 KiB), firmware's RAIDs (last MiB), DRBD | the tail |
//! | btrfs: 64 KiB, and copies at 64 MiB, 256 GiB and 1 PiB | head and [`FAR`] |
//! | Ceph BlueStore: copies of its label at 1, 10, 100 and 1000 GiB | [`FAR`] |

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Bytes at the start of a disk or partition.
const HEAD: u64 = 16 * MIB;
/// Bytes at its end.
const TAIL: u64 = 4 * MIB;
/// Bytes at each place between.
const SPOT: u64 = 64 * KIB;
/// Places between, from the start of a disk or partition.
const FAR: [u64; 7] = [64 * MIB, GIB, 10 * GIB, 100 * GIB, 256 * GIB, 1000 * GIB, 1024 * 1024 * GIB];
/// Every sector there is fits a whole number of times.
const ALIGN: u64 = 4 * KIB;

/// Start and length of what is to be zeroed, in order, apart from each other, within the disk.
pub fn ranges(disk_bytes: u64, partitions: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let whole = [(0, disk_bytes)];
    let areas = partitions.iter().chain(&whole);
    let inside =
        areas.filter(|(start, length)| start.checked_add(*length).is_some_and(|end| end <= disk_bytes));
    let mut spans: Vec<_> = inside
        .flat_map(|(start, length)| spans(*length).map(move |(from, to)| (start + from, start + to)))
        .map(|(from, to)| (from - from % ALIGN, to.next_multiple_of(ALIGN).min(disk_bytes)))
        .filter(|(from, to)| from < to)
        .collect();
    spans.sort_unstable();
    let mut apart: Vec<(u64, u64)> = Vec::new();
    for (from, to) in spans {
        match apart.last_mut() {
            Some((_, end)) if *end >= from => *end = to.max(*end),
            Some(_) | None => apart.push((from, to)),
        }
    }
    apart.into_iter().map(|(from, to)| (from, to - from)).collect()
}

/// First byte and end of each place in an area of this length.
fn spans(length: u64) -> impl Iterator<Item = (u64, u64)> {
    let ends = [(0, HEAD.min(length)), (length.saturating_sub(TAIL), length)];
    let far = FAR.into_iter().filter(move |at| *at < length).map(move |at| (at, (at + SPOT).min(length)));
    ends.into_iter().chain(far)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_of_everything_and_the_places_between() {
        let check = |disk: u64, partitions: &[(u64, u64)], expected: &[(u64, u64)]| {
            assert_eq!(ranges(disk, partitions), expected);
        };
        check(0, &[], &[]);
        check(512, &[], &[(0, 512)]);
        check(8 * MIB, &[], &[(0, 8 * MIB)]);
        check(100 * MIB, &[], &[(0, HEAD), (64 * MIB, SPOT), (96 * MIB, TAIL)]);
        // A partition's own ends, and its own copy of btrfs; one that is said to end behind the disk is not believed.
        check(
            1000 * MIB,
            &[(100 * MIB, 200 * MIB), (900 * MIB, 200 * MIB)],
            &[
                (0, HEAD),
                (64 * MIB, SPOT),
                (100 * MIB, HEAD),
                (164 * MIB, SPOT),
                (296 * MIB, TAIL),
                (996 * MIB, TAIL),
            ],
        );
        check(MIB, &[(u64::MAX, 2)], &[(0, MIB)]);
        // Sectors of 512 bytes with a partition in the middle of a large one.
        check(64 * MIB, &[(20 * MIB + 512, 512)], &[(0, HEAD), (20 * MIB, ALIGN), (60 * MIB, TAIL)]);
    }
}
