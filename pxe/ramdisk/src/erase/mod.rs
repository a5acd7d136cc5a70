//! Edges: removing what a tenant left, on every disk that there is, several at once.
//!
//! ```text
//!   order --> team: a thread for each drive --> one: plan --> plain (zeroes, discard) | drive (NVMe, ATA, SCSI)
//!                          |                                       |
//!                          one figure of progress                  read back: zeroes, or other bytes than before
//! ```
//!
//! What must stay true: a disk is passed over only by the order's word. One that fails stops no other, and every disk that was
//! seen is in the answer with what became of it; whether that is enough is decided by whoever knows which disks there must be.
//! What is said to be done was seen to be done, and is called by the method by which it was done.

pub(crate) mod ata;
pub(crate) mod command;
pub(crate) mod drive;
mod labels;
mod meter;
pub(crate) mod nvme;
mod one;
mod passthrough;
mod plain;
mod plan;
mod read_back;
pub(crate) mod scsi;
mod team;

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use protocol::{
    hardware,
    step::{EraseOrder, ErasedDisk, METHOD_LEFT_OUT, StepOutput, StepProgress},
};

use self::{
    meter::Meter,
    one::Wish,
    team::{Job, Work, drive_of},
};
use crate::{
    disk::{self, Disk, DiskError, OpenDisk},
    say,
    stop::Stop,
};

/// How often it is looked for disks that have appeared meanwhile.
const LOOKS_MAX: usize = 8;

/// How much of each disk is erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Where labels and tables stand on it and on its partitions.
    Metadata,
    /// The same, but every byte of a drive that does that by itself within moments.
    Quick,
    /// Every byte.
    Whole,
}

/// Erases every disk but those that the order leaves out, those too that appear meanwhile. Once it is stopped, each disk that was not erased
/// by then says so within `team::STOP_MAX`.
pub fn every_disk(
    depth: Depth,
    order: &EraseOrder,
    stop: &Stop,
    progress: &mut dyn FnMut(StepProgress),
) -> Result<StepOutput, String> {
    let began = Instant::now();
    disk::wait_for(&order.expected);
    let depth = if depth == Depth::Metadata && order.quick { Depth::Quick } else { depth };
    let (mut done, mut left_out) = (Vec::new(), order.left_out.clone());
    for _ in 0..LOOKS_MAX {
        let new = not_done(&done);
        if new.is_empty() {
            return answer(order, done);
        }
        let (left, taken): (Vec<_>, Vec<_>) = new
            .into_iter()
            .map(|disk| (take(&mut left_out, &disk.describe()), disk))
            .partition(|(left, _)| left.is_some());
        let stays: Vec<_> =
            left.into_iter().filter_map(|(described, disk)| Some(leave(&disk, described?))).collect();
        done.extend(stays);
        let stay: Vec<_> = done
            .iter()
            .filter(|erased| erased.method == METHOD_LEFT_OUT)
            .map(|erased| erased.name.clone())
            .collect();
        let disks = taken.into_iter().map(|(_, disk)| disk).collect();
        let erased = erase(disks, depth, order, &stay, (began, stop), progress);
        erased.iter().for_each(tell);
        done.extend(erased);
    }
    let restless = not_done(&done);
    done.extend(restless.iter().map(|disk| ErasedDisk {
        name: disk.path(),
        disk: Some(disk.describe()),
        failure: format!("it was not begun: disks appeared {LOOKS_MAX} times over while others were erased"),
        ..ErasedDisk::default()
    }));
    answer(order, done)
}

/// Zeroes the places where labels stand on a disk and on its partitions (start and length in bytes), and reads them back; how many bytes it were.
pub fn clear_labels(disk: &OpenDisk, partitions: &[(u64, u64)]) -> Result<u64, DiskError> {
    one::clear_labels(disk, partitions, &Meter::new(0))
}

/// Erases these disks, several at once; `stay`: those that are left as they are.
fn erase(
    disks: Vec<Disk>,
    depth: Depth,
    order: &EraseOrder,
    stay: &[String],
    (began, stop): (Instant, &Stop),
    progress: &mut dyn FnMut(StepProgress),
) -> Vec<ErasedDisk> {
    let (policy, read_back, stay) = (order.policy, order.read_back, stay.to_vec());
    let wish = move |disk: &Disk| Wish { depth, policy, read_back, beside: beside(disk, &stay) };
    let mut drives: BTreeMap<String, Vec<Job>> = BTreeMap::new();
    for (number, disk) in disks.into_iter().enumerate() {
        let meter = Arc::new(Meter::until(one::total(&disk, &wish(&disk)), stop.clone()));
        drives.entry(drive_of(&disk)).or_default().push(Job { number, disk, meter });
    }
    let work: Work = Arc::new(move |disk, meter| one::erase(disk, &wish(disk), meter));
    team::erase(drives.into_values().collect(), &work, (began, stop), progress)
}

/// Those of the disks that stay that are part of the same drive.
fn beside(disk: &Disk, stay: &[String]) -> Vec<String> {
    let drive = drive_of(disk);
    let same = |name: &&String| {
        let name = name.trim_start_matches("/dev/").to_owned();
        drive_of(&Disk { name, ..Disk::default() }) == drive
    };
    stay.iter().filter(same).cloned().collect()
}

/// Disks that nothing was done to. A name alone does not count: another disk may have come to it.
fn not_done(done: &[ErasedDisk]) -> Vec<Disk> {
    let mut disks = disk::all();
    disks.retain(|disk| {
        let described = disk.describe();
        let same =
            |erased: &ErasedDisk| erased.disk.as_ref().is_some_and(|before| before.is_like(&described));
        !done.iter().any(|erased| erased.name == described.name && same(erased))
    });
    disks
}

/// Takes the disk's entry off the list of those that are left out, so that each entry is good for one disk.
fn take(left_out: &mut Vec<hardware::Disk>, disk: &hardware::Disk) -> Option<hardware::Disk> {
    let is_it = |entry: &hardware::Disk| entry.has_identity() && entry.is_like(disk);
    let index = left_out.iter().position(is_it)?;
    left_out.swap_remove(index);
    Some(disk.clone())
}

fn leave(disk: &Disk, described: hardware::Disk) -> ErasedDisk {
    let method = METHOD_LEFT_OUT.to_owned();
    ErasedDisk { name: disk.path(), method, disk: Some(described), ..ErasedDisk::default() }
}

fn tell(erased: &ErasedDisk) {
    let ErasedDisk { name, method, erased_bytes, verified_bytes, failure, .. } = erased;
    for refused in &erased.refused {
        say!("{name}: not by {}: {}", refused.method, refused.why);
    }
    for hidden in &erased.hidden {
        say!("{name}: {hidden}");
    }
    if failure.is_empty() {
        say!("{name}: {method}, {erased_bytes} bytes erased, {verified_bytes} read back");
    } else {
        say!("{name}: not erased: {failure}");
    }
}

/// Whoever expects disks gets all of it and compares. Whoever does not would take any answer for a success.
fn answer(order: &EraseOrder, done: Vec<ErasedDisk>) -> Result<StepOutput, String> {
    let named = |erased: &ErasedDisk| erased.disk.as_ref().map_or(erased.name.clone(), ToString::to_string);
    let failed = done.iter().filter(|erased| !erased.failure.is_empty());
    let failed: Vec<_> =
        failed.map(|erased| format!("{} is not erased: {}", named(erased), erased.failure)).collect();
    if order.expected.is_empty() && done.is_empty() {
        Err("no disk is seen, so nothing was erased; check whether the disks' controller has a driver here"
            .into())
    } else if order.expected.is_empty() && !failed.is_empty() {
        Err(failed.join("; "))
    } else {
        Ok(StepOutput::Erased { disks: done })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(serial: &str) -> hardware::Disk {
        hardware::Disk { name: "/dev/sda".into(), serial: serial.into(), size_bytes: 9, ..Default::default() }
    }

    #[test]
    fn each_word_leaves_one_disk_out() {
        let mut left_out = vec![disk("a"), disk("")];
        assert_eq!(take(&mut left_out, &disk("b")), None);
        assert_eq!(take(&mut left_out, &disk("a")), Some(disk("a")));
        assert_eq!(take(&mut left_out, &disk("a")), None, "its word was used up");
        assert_eq!(take(&mut left_out, &disk("")), None, "which disk this is cannot be known");
    }

    #[test]
    fn who_compares_with_nothing_gets_no_success_for_nothing() {
        let erased = |failure: &str| ErasedDisk {
            disk: Some(disk("a")),
            failure: failure.into(),
            ..ErasedDisk::default()
        };
        let check = |expected: &[&str], done: Vec<ErasedDisk>, refused: Option<&str>| {
            let expected = expected.iter().map(|serial| disk(serial)).collect();
            let answer = answer(&EraseOrder { expected, ..EraseOrder::default() }, done);
            match (&answer, refused) {
                (Err(reason), Some(part)) => assert!(reason.contains(part), "{reason}"),
                (Ok(_), None) => {}
                (answer, refused) => panic!("{answer:?}, not {refused:?}"),
            }
        };
        check(&[], vec![], Some("no disk is seen"));
        check(
            &[],
            vec![erased(""), erased("it is read-only")],
            Some("/dev/sda (serial a, 9 bytes) is not erased: it is read-only"),
        );
        check(&[], vec![erased("")], None);
        check(&["a"], vec![], None);
        check(&["a"], vec![erased("it is read-only")], None);
    }
}
