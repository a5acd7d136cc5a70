//! Edges: several disks at once. One that fails or stands still stops no other; whoever waits hears of all of them in one figure, also while
//! nothing moves.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use protocol::step::{ErasedDisk, StepProgress};

use super::meter::Meter;
use crate::{disk::Disk, stop::Stop};

/// Drives that are erased at once. Each needs two megabytes and hardly a processor; a shelf has 60 or fewer.
pub const DRIVES_AT_ONCE_MAX: usize = 64;
/// Longest time for a disk to be let go of after a stop: less than the agent waits for.
pub const STOP_MAX: Duration = Duration::from_secs(3);
/// Between two words of progress.
const WORD_EVERY: Duration = Duration::from_millis(500);

/// One disk to erase.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its place among all, so that the answer is in their order.
    pub number: usize,
    /// The disk.
    pub disk: Disk,
    /// How far it is.
    pub meter: Arc<Meter>,
}

/// What is done to each disk, on a thread of its drive.
pub type Work = Arc<dyn Fn(&Disk, &Meter) -> ErasedDisk + Send + Sync>;

enum News {
    Begun(usize),
    Ended(usize, Box<ErasedDisk>),
}

/// A disk that is worked on: how often its meter has moved, and when that was last seen to change.
struct Watched {
    job: Job,
    moves: u64,
    since: Instant,
}

/// Erases the disks of each drive one after the other, and drives at once. `began`: when the step began; who is still at work some time after
/// `stop` is given up.
pub fn erase(
    drives: Vec<Vec<Job>>,
    work: &Work,
    (began, stop): (Instant, &Stop),
    progress: &mut dyn FnMut(StepProgress),
) -> Vec<ErasedDisk> {
    let mut stopped: Option<Instant> = None;
    let meters: Vec<_> = drives.iter().flatten().map(|job| Arc::clone(&job.meter)).collect();
    let all: Vec<_> = drives.iter().flatten().cloned().collect();
    let (tell, news) = mpsc::channel();
    let mut waiting: VecDeque<_> = drives.into();
    let mut open: Vec<_> = all.iter().map(|job| job.number).collect();
    let (mut watched, mut done): (Vec<Watched>, Vec<(usize, ErasedDisk)>) = (Vec::new(), Vec::new());
    while !open.is_empty() {
        while at_work(&all, &open, &waiting) < DRIVES_AT_ONCE_MAX
            && let Some(drive) = waiting.pop_front()
        {
            start(drive, Arc::clone(work), began, tell.clone());
        }
        match news.recv_timeout(WORD_EVERY) {
            Ok(News::Begun(number)) => {
                let job = all.iter().find(|job| job.number == number).filter(|_| open.contains(&number));
                watched.extend(job.map(|job| Watched { job: job.clone(), moves: 0, since: Instant::now() }));
            }
            Ok(News::Ended(number, erased)) => {
                watched.retain(|watched| watched.job.number != number);
                if open.contains(&number) {
                    open.retain(|other| *other != number);
                    done.push((number, *erased));
                }
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
        let mut lost = stuck(&mut watched, &all, began);
        if stop.is_said() && stopped.get_or_insert_with(Instant::now).elapsed() >= STOP_MAX {
            let left = all.iter().filter(|job| open.contains(&job.number));
            lost.extend(left.map(|job| (job.number, given_up(job, job.meter.aborted(), began))));
        }
        for (number, erased) in lost {
            // One that has stood still was given up a moment before.
            if open.contains(&number) {
                open.retain(|other| *other != number);
                done.push((number, erased));
            }
        }
        progress(sum(&meters));
    }
    done.sort_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, erased)| erased).collect()
}

/// Drives that were begun and have a disk that has not ended, one way or another.
fn at_work(all: &[Job], open: &[usize], waiting: &VecDeque<Vec<Job>>) -> usize {
    let is_open = |job: &&Job| open.contains(&job.number);
    let drives: BTreeSet<_> = all.iter().filter(is_open).map(|job| drive_of(&job.disk)).collect();
    drives.len().saturating_sub(waiting.len())
}

fn start(drive: Vec<Job>, work: Work, began: Instant, tell: Sender<News>) {
    thread::spawn(move || {
        for job in drive {
            // Whoever listened has given the drive up.
            if tell.send(News::Begun(job.number)).is_err() {
                return;
            }
            let after = began.elapsed();
            let start = Instant::now();
            let mut erased = work(&job.disk, &job.meter);
            job.meter.finish();
            erased.began_after_ms = milliseconds(after);
            erased.took_ms = milliseconds(start.elapsed());
            let _ = tell.send(News::Ended(job.number, Box::new(erased)));
        }
    });
}

/// Disks that have stood still for too long, and those that wait behind them, with what is said of each.
fn stuck(watched: &mut Vec<Watched>, all: &[Job], began: Instant) -> Vec<(usize, ErasedDisk)> {
    let mut lost = Vec::new();
    watched.retain_mut(|watched| {
        let (moves, patience) = watched.job.meter.pulse();
        if moves != watched.moves {
            (watched.moves, watched.since) = (moves, Instant::now());
        }
        if watched.since.elapsed() < patience {
            return true;
        }
        let drive = drive_of(&watched.job.disk);
        for job in all.iter().filter(|job| drive_of(&job.disk) == drive && job.number >= watched.job.number) {
            let failure = if job.number == watched.job.number {
                format!("it has stood still for {} s and was given up", patience.as_secs())
            } else {
                format!("it was not begun: {}, of the same drive, has stood still", watched.job.disk.path())
            };
            lost.push((job.number, given_up(job, failure, began)));
        }
        false
    });
    lost
}

fn given_up(job: &Job, failure: String, began: Instant) -> ErasedDisk {
    let (name, disk, took_ms) = (job.disk.path(), Some(job.disk.describe()), milliseconds(began.elapsed()));
    ErasedDisk { name, disk, failure, took_ms, ..ErasedDisk::default() }
}

/// What is one drive: the namespaces of an NVMe subsystem share what erases it.
pub fn drive_of(disk: &Disk) -> String {
    let subsystem = disk.name.strip_prefix("nvme").and_then(|rest| rest.split_once('n'));
    match subsystem {
        Some((number, _)) if number.bytes().all(|byte| byte.is_ascii_digit()) => format!("nvme{number}"),
        Some(_) | None => disk.name.clone(),
    }
}

fn sum(meters: &[Arc<Meter>]) -> StepProgress {
    let mut progress = StepProgress { done_bytes: 0, total_bytes: 0 };
    for (done, total) in meters.iter().map(|meter| meter.read()) {
        progress.done_bytes = progress.done_bytes.saturating_add(done);
        progress.total_bytes = progress.total_bytes.saturating_add(total);
    }
    progress
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::{Barrier, Mutex};

    use super::*;

    fn drives(names: &[&[&str]]) -> Vec<Vec<Job>> {
        let mut number = 0;
        let mut job = |name: &&str| {
            let disk = Disk { name: (*name).to_owned(), size_bytes: 8, ..Disk::default() };
            number += 1;
            Job { number: number - 1, disk, meter: Arc::new(Meter::new(8)) }
        };
        names.iter().map(|drive| drive.iter().map(&mut job).collect()).collect()
    }

    fn run(names: &[&[&str]], work: Work) -> (Vec<ErasedDisk>, Vec<StepProgress>) {
        let mut told = Vec::new();
        let began = (Instant::now(), &Stop::default());
        let done = erase(drives(names), &work, began, &mut |progress| told.push(progress));
        (done, told)
    }

    fn named(disk: &Disk, failure: &str) -> ErasedDisk {
        ErasedDisk { name: disk.path(), failure: failure.to_owned(), ..ErasedDisk::default() }
    }

    #[test]
    fn drives_are_erased_at_once_and_one_that_fails_stops_no_other() {
        // Each waits for the other two: one after the other, it would never end.
        let barrier = Barrier::new(3);
        let work: Work = Arc::new(move |disk, _| {
            barrier.wait();
            named(disk, if disk.name == "sda" { "it is broken" } else { "" })
        });
        let (done, told) = run(&[&["sda"], &["sdb"], &["sdc"]], work);
        let ends: Vec<_> = done.iter().map(|disk| (disk.name.as_str(), disk.failure.as_str())).collect();
        assert_eq!(ends, [("/dev/sda", "it is broken"), ("/dev/sdb", ""), ("/dev/sdc", "")]);
        assert_eq!(told.last(), Some(&StepProgress { done_bytes: 24, total_bytes: 24 }));
    }

    #[test]
    fn no_more_drives_than_the_bound_are_erased_at_once() {
        let names: Vec<_> = (0..DRIVES_AT_ONCE_MAX + 9).map(|number| format!("sd{number}")).collect();
        let one: Vec<[&str; 1]> = names.iter().map(|name| [name.as_str()]).collect();
        let drives: Vec<&[&str]> = one.iter().map(<[&str; 1]>::as_slice).collect();
        let (now, most) = (Mutex::new(0usize), Arc::new(Mutex::new(0usize)));
        let seen = Arc::clone(&most);
        let work: Work = Arc::new(move |disk, _| {
            let running = {
                let mut now = now.lock().unwrap();
                *now += 1;
                *now
            };
            let mut seen = seen.lock().unwrap();
            *seen = running.max(*seen);
            drop(seen);
            thread::sleep(Duration::from_millis(5));
            *now.lock().unwrap() -= 1;
            named(disk, "")
        });
        assert_eq!(run(&drives, work).0.len(), names.len());
        let most = *most.lock().unwrap();
        assert!(most > 1 && most <= DRIVES_AT_ONCE_MAX, "{most}");
    }

    #[test]
    fn the_disks_of_one_drive_come_one_after_the_other_each_with_its_time() {
        let work: Work = Arc::new(|disk, _| {
            thread::sleep(Duration::from_millis(20));
            named(disk, "")
        });
        let (done, _) = run(&[&["nvme0n1", "nvme0n2"], &["nvme1n1"]], work);
        let [first, second, other] = &done[..] else { panic!("{done:?}") };
        assert!(second.began_after_ms >= first.began_after_ms + 20, "{done:?}");
        assert!(other.took_ms >= 20 && first.took_ms >= 20, "{done:?}");
    }

    #[test]
    fn one_that_stands_still_is_given_up_with_what_waits_behind_it() {
        let work: Work = Arc::new(|disk, meter| {
            if disk.name == "nvme0n1" {
                // Nothing at all is allowed, instead of the usual hour.
                meter.lose_patience();
                thread::park_timeout(Duration::from_secs(60));
            }
            named(disk, "")
        });
        let (done, told) = run(&[&["nvme0n1", "nvme0n2"], &["sda"]], work);
        let failures: Vec<_> = done.iter().map(|disk| disk.failure.as_str()).collect();
        assert_eq!(failures[0], "it has stood still for 0 s and was given up");
        assert_eq!(failures[1], "it was not begun: /dev/nvme0n1, of the same drive, has stood still");
        assert_eq!(failures[2], "");
        assert!(!told.is_empty(), "whoever waits hears of it meanwhile");
    }

    #[test]
    fn a_stop_is_answered_also_for_a_drive_that_cannot_be_stopped() {
        let stop = Stop::default();
        let said = stop.clone();
        let work: Work = Arc::new(move |disk, meter| {
            if disk.name == "nvme0n1" {
                meter.leave_to_drive("NVMe format (erase of user data)");
                said.say();
                thread::park_timeout(Duration::from_secs(60));
            }
            named(disk, "")
        });
        let start = Instant::now();
        let done = erase(drives(&[&["nvme0n1", "nvme0n2"], &["sda"]]), &work, (start, &stop), &mut |_| {});
        assert!(start.elapsed() < Duration::from_secs(50), "{:?}", start.elapsed());
        let failures: Vec<_> = done.iter().map(|disk| disk.failure.as_str()).collect();
        assert_eq!(
            failures[0],
            "its erase was aborted; the drive goes on with its NVMe format (erase of user data) by itself, and the next erase waits for it"
        );
        assert_eq!(failures[1..], ["its erase was aborted", ""]);
    }

    #[test]
    fn namespaces_of_one_subsystem_are_one_drive() {
        let drive = |name: &str| drive_of(&Disk { name: name.into(), ..Disk::default() });
        assert_eq!([drive("nvme0n1"), drive("nvme0n12"), drive("nvme10n1")], ["nvme0", "nvme0", "nvme10"]);
        assert_eq!([drive("sda"), drive("nvme0c1n1"), drive("mmcblk0")], ["sda", "nvme0c1n1", "mmcblk0"]);
    }
}
