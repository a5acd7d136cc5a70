//! Values: how far one disk is, shared between whoever works on it and whoever adds all of them up.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use crate::stop::Stop;

/// Longest time in which nothing moves on a disk that is written or read: the kernel itself gives a command up after minutes.
pub const STILL_MAX: Duration = Duration::from_secs(3600);

/// What is said of a disk whose erase was stopped, at least.
pub const ABORTED: &str = "its erase was aborted";

/// How far one disk is.
#[derive(Debug)]
pub struct Meter {
    total: AtomicU64,
    done: AtomicU64,
    /// Counts every move, also those back.
    moves: AtomicU64,
    /// Seconds in which nothing need move.
    patience: AtomicU64,
    stop: Stop,
    /// What the drive does by itself now, in words; empty: nothing.
    by_itself: Mutex<&'static str>,
}

impl Meter {
    /// One of so many bytes.
    pub fn new(total: u64) -> Self {
        Self::until(total, Stop::default())
    }

    /// The same of a disk that is worked on until somebody says stop.
    pub fn until(total: u64, stop: Stop) -> Self {
        let patience = AtomicU64::new(STILL_MAX.as_secs());
        let (done, moves) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { total: AtomicU64::new(total), done, moves, patience, stop, by_itself: Mutex::default() }
    }

    /// Whether no more is to be done.
    pub fn is_stopped(&self) -> bool {
        self.stop.is_said()
    }

    /// The drive does this by itself from now on; empty: nothing any more.
    pub fn leave_to_drive(&self, what: &'static str) {
        *self.by_itself.lock().unwrap_or_else(PoisonError::into_inner) = what;
    }

    /// What is said of a disk on which the erase was stopped.
    pub fn aborted(&self) -> String {
        match *self.by_itself.lock().unwrap_or_else(PoisonError::into_inner) {
            "" => ABORTED.to_owned(),
            what => format!(
                "{ABORTED}; the drive goes on with its {what} by itself, and the next erase waits for it"
            ),
        }
    }

    /// So many bytes more are done.
    pub fn add(&self, bytes: u64) {
        self.done.fetch_add(bytes, Relaxed);
        self.moved();
    }

    /// So many bytes are done in all.
    pub fn set(&self, bytes: u64) {
        self.done.store(bytes, Relaxed);
        self.moved();
    }

    /// It is there, though no further.
    pub fn moved(&self) {
        self.moves.fetch_add(1, Relaxed);
    }

    /// The next command may take so long in silence.
    pub fn be_patient(&self, wait: Duration) {
        self.patience.store(STILL_MAX.saturating_add(wait).as_secs(), Relaxed);
        self.moved();
    }

    /// No stillness is allowed any more.
    #[cfg(test)]
    pub fn lose_patience(&self) {
        self.patience.store(0, Relaxed);
    }

    /// The usual patience again.
    pub fn be_usual(&self) {
        self.be_patient(Duration::ZERO);
    }

    /// It is at its end.
    pub fn finish(&self) {
        self.set(self.total.load(Relaxed));
    }

    /// Bytes done and to do.
    pub fn read(&self) -> (u64, u64) {
        let total = self.total.load(Relaxed);
        (self.done.load(Relaxed).min(total), total)
    }

    /// How often it has moved, and how long it may stand still.
    pub fn pulse(&self) -> (u64, Duration) {
        (self.moves.load(Relaxed), Duration::from_secs(self.patience.load(Relaxed)))
    }
}
