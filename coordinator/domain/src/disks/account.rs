//! Decisions: whether an erase accounts for every disk: of the register, and of the server as it is now.

use protocol::{
    erase::{EraseMethod, ErasePolicy, ReadBack},
    hardware::Disk,
    step::{EraseOrder, ErasedDisk, METHOD_LEFT_OUT, VERIFIED_BYTES_MIN},
};

use super::{
    known::{Exception, KnownDisk},
    pair::pair,
};
use crate::disks::{Erase, Thoroughness};

/// Faults that a sentence names at most; `bmsctl node disk list` shows all disks.
const FAULTS_NAMED_MAX: usize = 16;

/// What an erase comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// What was erased and read back, with the number of the disk in the register.
    pub erased: Vec<(u32, ErasedDisk)>,
    /// What was erased and read back without being in the register.
    pub strangers: Vec<ErasedDisk>,
    /// What was left out, by whose word.
    pub left_out: Vec<(KnownDisk, Exception)>,
    /// What speaks against calling the server clean. None: it is.
    pub faults: Vec<Fault>,
}

/// Why a server is not clean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is nothing to compare with.
    NeverInspected,
    /// A disk of the register was not seen.
    NotThere(KnownDisk),
    /// A disk was seen that is not in the register.
    Unknown(Disk),
    /// A disk is smaller than an inspection saw it.
    Smaller {
        /// Which one.
        known: KnownDisk,
        /// Its size now.
        bytes: u64,
    },
    /// A disk was not erased, or not all of it, or was not read back.
    NotErased {
        /// Which one.
        disk: Disk,
        /// Its number in the register; none: it is not in it.
        number: Option<u32>,
        /// Why, or how far.
        why: String,
    },
    /// The ramdisk or the agent does not say which disk it erased: it is older than the account.
    Unnamed {
        /// The device node.
        name: String,
    },
}

/// What a ramdisk is to erase; none: no inspection has seen a disk ([`Fault::NeverInspected`]), so nothing can be accounted for.
pub fn order(known: &[KnownDisk], wish: Thoroughness) -> Option<EraseOrder> {
    if known.is_empty() {
        return None;
    }
    let (expected, left_out): (Vec<_>, Vec<_>) = known.iter().partition(|known| known.exception.is_none());
    let disks = |known: Vec<&KnownDisk>| known.into_iter().map(|known| known.disk.clone()).collect();
    let Thoroughness { policy, read_back, quick } = wish;
    Some(EraseOrder { expected: disks(expected), left_out: disks(left_out), policy, read_back, quick })
}

/// Compares the register with what a ramdisk says that it did.
pub fn account(depth: Erase, wish: Thoroughness, known: &[KnownDisk], done: &[ErasedDisk]) -> Account {
    let mut account = Account::default();
    if known.is_empty() {
        account.faults.push(Fault::NeverInspected);
    }
    let unnamed = done.iter().filter(|erased| erased.disk.is_none());
    account.faults.extend(unnamed.map(|erased| Fault::Unnamed { name: erased.name.clone() }));
    let mut seen: Vec<_> = done.iter().filter_map(|erased| Some((erased.disk.as_ref()?, erased))).collect();
    // Of disks that are alike, those that were erased stand for those that are owed.
    seen.sort_by_key(|(disk, erased)| shortcoming(depth, wish, disk, erased).is_some());
    let mut known: Vec<_> = known.iter().collect();
    known.sort_by_key(|known| known.exception.is_some());
    let pairs = pair(
        &known.iter().map(|known| &known.disk).collect::<Vec<_>>(),
        &seen.iter().map(|(disk, _)| *disk).collect::<Vec<_>>(),
    );
    let mut seen: Vec<_> = seen.into_iter().map(Some).collect();
    for (known, pair) in known.into_iter().zip(pairs) {
        let found = pair.and_then(|index| seen[index].take());
        match (&known.exception, found) {
            (Some(word), _) => account.left_out.push((known.clone(), word.clone())),
            (None, None) => account.faults.push(Fault::NotThere(known.clone())),
            (None, Some((disk, erased))) => account.enter(depth, wish, known, disk, erased),
        }
    }
    for (disk, erased) in seen.into_iter().flatten() {
        account.faults.push(Fault::Unknown(disk.clone()));
        match shortcoming(depth, wish, disk, erased) {
            Some(why) => account.faults.push(Fault::NotErased { disk: disk.clone(), number: None, why }),
            None => account.strangers.push(erased.clone()),
        }
    }
    account
}

/// What is missing for this disk to be erased, as its own size goes.
fn shortcoming(depth: Erase, wish: Thoroughness, disk: &Disk, erased: &ErasedDisk) -> Option<String> {
    let ErasedDisk { method, erased_bytes, verified_bytes, failure, .. } = erased;
    let (erased_min, verified_min) = match depth {
        Erase::Metadata => (1, *erased_bytes),
        Erase::Disks => {
            let verified_min = match wish.read_back {
                ReadBack::Sampled => disk.size_bytes.min(VERIFIED_BYTES_MIN),
                ReadBack::Full => disk.size_bytes,
            };
            (disk.size_bytes.max(1), verified_min)
        }
    };
    if !failure.is_empty() {
        Some(failure.clone())
    } else if method == METHOD_LEFT_OUT {
        Some("it was not erased, and no exclusion of it is recorded".to_owned())
    } else if depth == Erase::Disks && wish.policy == ErasePolicy::Purge && !purges(method) {
        // Also what a ramdisk does that is too old to know of the policy.
        Some(format!("it was erased by {method}, which does not count as purge"))
    } else if *erased_bytes < erased_min {
        Some(format!("only {erased_bytes} of its {} bytes were erased", disk.size_bytes))
    } else if *verified_bytes < verified_min {
        Some(format!("only {verified_bytes} bytes were read back; at least {verified_min} are required"))
    } else {
        None
    }
}

fn purges(method: &str) -> bool {
    EraseMethod::parse(method).and_then(EraseMethod::counts_for) == Some(ErasePolicy::Purge)
}

impl Account {
    fn enter(
        &mut self,
        depth: Erase,
        wish: Thoroughness,
        known: &KnownDisk,
        disk: &Disk,
        erased: &ErasedDisk,
    ) {
        if let Some(why) = shortcoming(depth, wish, disk, erased) {
            self.faults.push(Fault::NotErased { disk: disk.clone(), number: Some(known.number), why });
        } else if disk.size_bytes < known.disk.size_bytes {
            self.faults.push(Fault::Smaller { known: known.clone(), bytes: disk.size_bytes });
        } else {
            self.erased.push((known.number, erased.clone()));
        }
    }

    /// Why the server is not clean, with what is to be done; none: it is.
    pub fn refusal(&self, server: &str) -> Option<String> {
        if self.faults.is_empty() {
            return None;
        }
        let mut words: Vec<_> =
            self.faults.iter().take(FAULTS_NAMED_MAX).map(|fault| fault.sentence(server)).collect();
        if let Some(more) = self.faults.len().checked_sub(FAULTS_NAMED_MAX).filter(|more| *more > 0) {
            words.push(format!("and {more} more (`bmsctl node disk list {server}`)"));
        }
        Some(format!("{server} is not clean: {}", words.join("; ")))
    }

    /// What was erased, and what was not and why, for the record.
    pub fn evidence(&self) -> String {
        let erased =
            self.erased.iter().map(|(number, erased)| format!("disk {number}, {}", describe(erased)));
        let strangers =
            self.strangers.iter().map(|erased| format!("not found by any inspection: {}", describe(erased)));
        let left_out = self
            .left_out
            .iter()
            .map(|(known, word)| format!("{known} excluded by {}: {}", word.by, word.reason));
        let words: Vec<_> = erased.chain(strangers).chain(left_out).collect();
        if words.is_empty() { "no disk was erased".to_owned() } else { words.join("; ") }
    }
}

fn describe(erased: &ErasedDisk) -> String {
    let ErasedDisk { name, method, erased_bytes, verified_bytes, disk, .. } = erased;
    let disk = disk.as_ref().map_or_else(|| name.clone(), ToString::to_string);
    let policy = match erased.policy {
        Some(policy) => format!(" ({})", policy.as_str()),
        None => String::new(),
    };
    let notes = [&erased.found].into_iter().chain(&erased.hidden).filter(|note| !note.is_empty());
    let notes: String = notes.map(|note| format!(", {note}")).collect();
    format!("{disk}: {method}{policy}, {erased_bytes} bytes erased, {verified_bytes} read back{notes}")
}

impl Fault {
    /// What is wrong, and what is to be done.
    pub fn sentence(&self, server: &str) -> String {
        let inspect =
            format!("`bmsctl node manage {server}`, `bmsctl node inspect {server}`, then clean it again");
        match self {
            Fault::NeverInspected => format!("no inspection has found a disk of it; {inspect}"),
            Fault::NotThere(known) => format!(
                "{known} was found by an inspection and is missing now; put it back, or if it was removed or must not be \
                 erased, exclude it: `bmsctl node disk except {server} {} --reason ...`",
                known.number
            ),
            Fault::Unknown(disk) => format!("{disk} is present but was never inspected; {inspect}"),
            Fault::Smaller { known, bytes } => format!(
                "{known} had {} bytes and has {bytes} now: the rest is not erased; remove its size limit, or replace it",
                known.disk.size_bytes
            ),
            Fault::NotErased { disk, number: None, why } => format!("{disk} is not erased: {why}"),
            Fault::NotErased { disk, number: Some(number), why } => format!(
                "{disk} is not erased: {why}; clean it again once that is fixed, replace it, or exclude it: `bmsctl node \
                 disk except {server} {number} --reason ...`"
            ),
            Fault::Unnamed { name } => {
                format!("the ramdisk did not identify the disk {name}; update the agent of its rack")
            }
        }
    }
}
