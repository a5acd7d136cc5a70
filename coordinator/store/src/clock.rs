//! Edges: the time of day, as a trait, so that decisions and tests are given it.

use std::sync::atomic::{AtomicU64, Ordering};

/// Says what time it is.
pub trait Clock: Send + Sync {
    /// Microseconds since 1970.
    fn now_us(&self) -> u64;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_us(&self) -> u64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.map_or(0, |time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
    }
}

/// A clock that stands still until it is told to move, for tests.
#[derive(Debug, Default)]
pub struct TestClock(AtomicU64);

impl TestClock {
    /// Moves it forward.
    pub fn advance_us(&self, by_us: u64) {
        self.0.fetch_add(by_us, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now_us(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}
