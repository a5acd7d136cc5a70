//! Decisions: how often something may be said that somebody else can make us say without end.

use std::time::{Duration, Instant};

/// Lets a burst through, and then one each time that a while has passed. Whatever is let through says how many were not, so
/// that a log tells of a flood without becoming one.
#[derive(Clone, Debug)]
pub struct Pace {
    burst: u32,
    every: Duration,
    /// So many may be said at `since`; one more with each `every` after it.
    left: u32,
    since: Option<Instant>,
    passed_over: u64,
}

impl Pace {
    /// At most `burst` at once, and then one in each `every`.
    pub const fn new(burst: u32, every: Duration) -> Self {
        Self { burst, every, left: burst, since: None, passed_over: 0 }
    }

    /// Whether it may be said now; if so, how many were passed over since the last one.
    pub fn next(&mut self, now: Instant) -> Option<u64> {
        self.refill(now);
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Some(std::mem::take(&mut self.passed_over))
            }
            None => {
                self.passed_over += 1;
                None
            }
        }
    }

    fn refill(&mut self, now: Instant) {
        let Some(since) = self.since else { return self.since = Some(now) };
        let passed = now.saturating_duration_since(since);
        let more = passed.as_nanos().checked_div(self.every.as_nanos()).unwrap_or(u128::MAX);
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        self.left = self.left.saturating_add(more).min(self.burst);
        // What has passed of the next one is kept, unless the burst is whole again.
        let counted = self.every.checked_mul(more).and_then(|counted| since.checked_add(counted));
        self.since = Some(if self.left == self.burst { now } else { counted.unwrap_or(now) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn a_burst_and_then_a_pace_and_what_was_passed_over_is_told() {
        let start = start();
        let mut pace = Pace::new(3, Duration::from_millis(100));
        let mut check = |ms: u64, expected: Option<u64>| {
            assert_eq!(pace.next(start + Duration::from_millis(ms)), expected, "at {ms} ms");
        };
        check(0, Some(0));
        check(1, Some(0));
        check(1, Some(0));
        check(2, None);
        check(50, None);
        check(99, None);
        check(100, Some(3));
        check(101, None);
        check(350, Some(1));
        check(351, Some(0));
        check(352, None);
        // After a long rest there is a burst, and no more than one.
        for _ in 0..3 {
            assert!(pace.next(start + Duration::from_secs(60)).is_some());
        }
        assert_eq!(pace.next(start + Duration::from_secs(60)), None);
    }

    #[test]
    fn a_flood_is_told_at_its_pace_whatever_it_is() {
        let start = start();
        let mut pace = Pace::new(50, Duration::from_millis(100));
        // What was measured on a rack: 90121 in 3 seconds.
        let said: Vec<u64> =
            (0..90_121).filter_map(|n| pace.next(start + Duration::from_secs(3) * n / 90_121)).collect();
        assert!(said.len() <= 80, "{} lines", said.len());
        assert!(said.iter().sum::<u64>() + said.len() as u64 > 87_000, "nothing is lost without a word");
    }
}
