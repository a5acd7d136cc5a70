//! Decisions: what an inspection changes in the register of a server's disks.

use protocol::hardware::Disk;

use super::{known::KnownDisk, pair::pair};

/// The register after an inspection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspected {
    /// Its disks.
    pub disks: Vec<KnownDisk>,
    /// Disks that are in it no more: not seen, and erased or left out.
    pub forgotten: Vec<KnownDisk>,
}

impl Inspected {
    /// Disks that were not seen and stay in the register.
    pub fn missing(&self) -> impl Iterator<Item = &KnownDisk> {
        self.disks.iter().filter(|disk| !disk.present)
    }
}

/// Enters what an inspection saw.
pub fn inspected(known: Vec<KnownDisk>, seen: &[Disk], now_us: u64) -> Inspected {
    let pairs = {
        let known: Vec<_> = known.iter().map(|known| &known.disk).collect();
        pair(&known, &seen.iter().collect::<Vec<_>>())
    };
    let mut number = known.iter().map(|known| known.number).max().unwrap_or(0);
    let (mut disks, mut forgotten, mut owing) = (Vec::new(), Vec::new(), Vec::<Disk>::new());
    let mut new: Vec<_> = seen.iter().map(Some).collect();
    for (known, pair) in known.into_iter().zip(pairs) {
        match pair.and_then(|index| new[index].take()) {
            Some(seen) => disks.push(seen_again(known, seen, now_us)),
            None if known.settled || known.exception.is_some() => forgotten.push(known),
            // It was listed once for each path, by a ramdisk that could not see that they lead to one disk.
            None if is_path_of(&known.disk, seen) => {
                owing.push(known.disk.clone());
                forgotten.push(known);
            }
            None => disks.push(KnownDisk { present: false, ..known }),
        }
    }
    for disk in disks.iter_mut().filter(|disk| owing.iter().any(|owing| owing.is_like(&disk.disk))) {
        disk.settled = false;
    }
    for disk in new.into_iter().flatten() {
        number += 1;
        disks.push(KnownDisk {
            number,
            disk: disk.clone(),
            first_seen_us: now_us,
            seen_us: now_us,
            present: true,
            // What it holds is not known.
            settled: false,
            erased: None,
            exception: None,
        });
    }
    Inspected { disks, forgotten }
}

/// Whether one of these disks is this one, reached over several paths. What it owes is owed by the entry that stays.
fn is_path_of(known: &Disk, seen: &[Disk]) -> bool {
    let is_it =
        |disk: &Disk| disk.paths > 1 && !disk.wwn.is_empty() && disk.wwn == known.wwn && disk.is_like(known);
    seen.iter().any(|disk| is_it(disk) && disk.serial == known.serial && disk.size_bytes >= known.size_bytes)
}

/// A disk that has become smaller may hide what a tenant wrote to the rest: as long as it is not settled, that is owed too.
fn seen_again(known: KnownDisk, seen: &Disk, now_us: u64) -> KnownDisk {
    let owed_bytes = if known.settled { 0 } else { known.disk.size_bytes };
    let size_bytes = seen.size_bytes.max(owed_bytes);
    // What has grown has bytes that nobody has erased.
    let settled = known.settled && seen.size_bytes <= known.disk.size_bytes;
    let disk = Disk { size_bytes, ..seen.clone() };
    KnownDisk { disk, seen_us: now_us, present: true, settled, ..known }
}
