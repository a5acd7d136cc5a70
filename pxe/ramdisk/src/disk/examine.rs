//! Edges: a closer look at each disk for an inspection: what its labels say that it is part of. It reads from the disk, so it is done
//! once, for all disks at the same time, and never waited for longer than [`LOOK_MAX`]: one that hangs is listed without it.

use std::{
    fs::File,
    os::unix::fs::FileExt,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use protocol::hardware::{self, DiskMark, Whole};

use super::{Disk, list::all_asked_again, mark};
use crate::say;

/// Longest wait for all disks together.
const LOOK_MAX: Duration = Duration::from_secs(10);
/// Partitions of one disk that are looked at.
const PARTITIONS_MAX: usize = 128;

/// All disks with what is known of them.
pub fn examined() -> Vec<hardware::Disk> {
    let disks = all_asked_again();
    let (tell, told) = mpsc::channel();
    for (index, disk) in disks.iter().cloned().enumerate() {
        let tell = tell.clone();
        thread::spawn(move || tell.send((index, marks(&disk))));
    }
    drop(tell);
    let mut described: Vec<_> = disks.iter().map(Disk::describe).collect();
    let (start, mut left) = (Instant::now(), disks.len());
    while left > 0 {
        match told.recv_timeout(LOOK_MAX.saturating_sub(start.elapsed())) {
            Ok((index, marks)) => {
                left -= 1;
                described[index].marks.extend(marks);
            }
            Err(_) => {
                say!(
                    "{left} disks do not answer within {} s: they are listed as the kernel has them",
                    LOOK_MAX.as_secs()
                );
                break;
            }
        }
    }
    described
}

fn marks(disk: &Disk) -> Vec<DiskMark> {
    let labels = labels(disk);
    let holders = std::fs::read_dir(disk.sysfs().join("holders")).into_iter().flatten().flatten();
    let by_mapper =
        holders.map(|entry| entry.file_name()).any(|name| name.to_string_lossy().starts_with("dm-"));
    let mapped = (by_mapper && labels.is_empty()).then_some(Whole::DeviceMapper);
    labels.into_iter().chain(mapped).map(DiskMark::Member).collect()
}

/// What the labels of the disk and of its partitions say, each once.
fn labels(disk: &Disk) -> Vec<Whole> {
    let Ok(file) = File::open(disk.path()) else { return Vec::new() };
    let whole = [(0, disk.size_bytes)];
    let mut found = Vec::new();
    for (start, length) in whole.into_iter().chain(disk.partitions().into_iter().take(PARTITIONS_MAX)) {
        let (head, tail) = (length.min(mark::LABEL_HEAD as u64), length.min(mark::LABEL_TAIL as u64));
        let read = |at: u64, bytes: u64| {
            let mut buffer = vec![0; bytes as usize];
            // What cannot be read says nothing here; whoever needs it fails with the place.
            file.read_exact_at(&mut buffer, at).map_or(Vec::new(), |()| buffer)
        };
        let label = mark::by_labels(&read(start, head), &read(start + length - tail, tail));
        found.extend(label.filter(|label| !found.contains(label)));
    }
    found
}
