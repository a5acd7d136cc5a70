//! Edges: what each disk has said of itself, asked once when it appears, for disks are listed again and again; all at the same time, and
//! never waited for longer than [`ASK_MAX`]: one that hangs is listed as the kernel has it.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use super::Disk;
use crate::{
    identify::{self, Asked},
    say,
    system::read_line,
};

/// Longest wait for the answers of all disks together.
const ASK_MAX: Duration = Duration::from_secs(10);

/// By the disk's name and the kernel's count of disks, by which another disk of that name is another one.
type Key = (String, String);

static ANSWERS: Mutex<BTreeMap<Key, Asked>> = Mutex::new(BTreeMap::new());

/// These disks with their answers; those that are new are asked.
pub fn with_answers(disks: Vec<Disk>) -> Vec<Disk> {
    let with_key = |disk: Disk| (key(&disk), disk);
    let disks: Vec<_> = disks.into_iter().map(with_key).collect();
    let new: Vec<_> = disks.iter().filter(|(key, _)| !answers().contains_key(key)).cloned().collect();
    let answered = ask_at_once(new, &identify::ask, ASK_MAX);
    let mut answers = answers();
    answers.extend(answered);
    let with_answer = |(key, disk)| Disk { asked: answers.get(&key).cloned().unwrap_or_default(), ..disk };
    disks.into_iter().map(with_answer).collect()
}

/// Asks all of them anew at the next look.
pub fn forget() {
    answers().clear();
}

fn answers() -> MutexGuard<'static, BTreeMap<Key, Asked>> {
    ANSWERS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn key(disk: &Disk) -> Key {
    (disk.name.clone(), read_line(Path::new("/sys/block").join(&disk.name).join("diskseq")))
}

/// Asks each disk on a thread of its own. Who has not answered by then has said nothing.
fn ask_at_once(
    disks: Vec<(Key, Disk)>,
    ask: &'static (impl Fn(&Disk) -> Asked + Sync),
    longest: Duration,
) -> BTreeMap<Key, Asked> {
    let (tell, told) = mpsc::channel();
    let mut answers: BTreeMap<_, _> = disks.iter().map(|(key, _)| (key.clone(), Asked::default())).collect();
    let mut left = disks.len();
    for (key, disk) in disks {
        let tell = tell.clone();
        thread::spawn(move || {
            let asked = ask(&disk);
            // Whoever asked has stopped listening.
            let _ = tell.send((key, asked));
        });
    }
    drop(tell);
    let start = Instant::now();
    while left > 0 {
        match told.recv_timeout(longest.saturating_sub(start.elapsed())) {
            Ok((key, asked)) => {
                left -= 1;
                answers.insert(key, asked);
            }
            Err(_) => {
                say!("{left} disks do not say who they are within {} s", longest.as_secs());
                break;
            }
        }
    }
    answers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(disk: &Disk) -> Asked {
        if disk.name == "sdb" {
            thread::park_timeout(Duration::from_secs(60));
        }
        Asked { firmware: format!("of {}", disk.name), ..Asked::default() }
    }

    #[test]
    fn one_that_hangs_says_nothing_and_holds_up_no_other() {
        let disk = |name: &str| {
            let disk = Disk { name: name.to_owned(), ..Disk::default() };
            ((name.to_owned(), String::new()), disk)
        };
        let disks = vec![disk("sda"), disk("sdb"), disk("sdc")];
        let answers = ask_at_once(disks, &answer, Duration::from_secs(2));
        let firmware: Vec<_> = answers.values().map(|asked| asked.firmware.as_str()).collect();
        assert_eq!(firmware, ["of sda", "", "of sdc"]);
    }
}
