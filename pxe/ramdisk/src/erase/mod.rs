//! Edges: removing what a tenant left, on every disk that there is.
//!
//! What must stay true: a disk is passed over only by the order's word. One that fails stops no other, and every disk that was
//! seen is in the answer with what became of it; whether that is enough is decided by whoever knows which disks there must be.

mod one;

use protocol::{
    hardware,
    step::{EraseOrder, ErasedDisk, METHOD_LEFT_OUT, StepOutput, StepProgress},
};

use crate::{
    disk::{self, Disk},
    say,
};

/// How often it is looked for disks that have appeared meanwhile.
const LOOKS_MAX: usize = 8;

/// How much of each disk is erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Both ends of it and of its partitions.
    Metadata,
    /// Every byte.
    Whole,
}

/// Erases every disk but those that the order leaves out, those too that appear meanwhile.
pub fn every_disk(
    depth: Depth,
    order: &EraseOrder,
    progress: &mut dyn FnMut(StepProgress),
) -> Result<StepOutput, String> {
    disk::wait_for(&order.expected);
    let (mut done, mut left_out) = (Vec::new(), order.left_out.clone());
    for _ in 0..LOOKS_MAX {
        let new = not_done(&done);
        if new.is_empty() {
            return answer(order, done);
        }
        for disk in &new {
            let erased = match take(&mut left_out, &disk.describe()) {
                Some(described) => leave(disk, described),
                None => one::erase(disk, depth, progress),
            };
            tell(&erased);
            done.push(erased);
        }
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
            let answer = answer(&EraseOrder { expected, left_out: vec![] }, done);
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
