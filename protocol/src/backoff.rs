//! Decisions: how long to wait before something that failed is tried again: a first pause, then each twice as long as the one
//! before, up to a longest one. It is never given up here.
//!
//! ```text
//!   Backoff::new(2 s, 60 s):  try . 2 s . try . 4 s . try . 8 s . try . 16 s . try . 32 s . try . 60 s . try . 60 s . try ...
//! ```
//!
//! Nothing here sleeps or reads a clock: what counts as a failure, what as progress, and who waits is the caller's.

use std::time::Duration;

/// The pauses between tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
}

impl Backoff {
    /// With this first pause and this longest one.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest }
    }

    /// The pause after so many failures in a row. Before the first failure there is none to ask for; 0 is as 1.
    pub fn after(self, failures: u32) -> Duration {
        let times = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        self.first.saturating_mul(times).min(self.longest)
    }

    /// The pauses one by one, from the first.
    pub const fn pauses(self) -> Pauses {
        Pauses { backoff: self, failures: 0 }
    }
}

/// Where somebody who tries again and again has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pauses {
    backoff: Backoff,
    failures: u32,
}

impl Pauses {
    /// The pause that comes next, without taking it.
    pub fn peek(&self) -> Duration {
        self.backoff.after(self.failures.saturating_add(1))
    }

    /// The pause after one more failure.
    pub fn take(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        self.backoff.after(self.failures)
    }

    /// It succeeded, or there is news: the next pause is the first again.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

/// A pause shortened by chance by up to a half, so that many who failed together do not all come back together. `chance`: from 0
/// (not shortened) to 1; what is outside of that counts as its nearest end.
pub fn spread(pause: Duration, chance: f64) -> Duration {
    pause.mul_f64(1.0 - chance.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn pauses_double_up_to_the_longest_and_begin_anew_after_a_success() {
        let check = |first: u32, longest: u32, expected: &[u32]| {
            let backoff = Backoff::new(S * first, S * longest);
            let mut pauses = backoff.pauses();
            for (failures, expected) in (1..).zip(expected) {
                assert_eq!(pauses.peek(), S * *expected);
                assert_eq!(pauses.take(), S * *expected, "the pause after {failures} failures");
                assert_eq!(backoff.after(failures), S * *expected, "the pause after {failures} failures");
            }
            pauses.reset();
            assert_eq!(pauses, backoff.pauses());
        };
        check(1, 8, &[1, 2, 4, 8, 8, 8]);
        check(2, 60, &[2, 4, 8, 16, 32, 60, 60]);
        check(5, 5, &[5, 5]);
        check(9, 5, &[5, 5]);
        assert_eq!(Backoff::new(S, S * 8).after(0), S);
    }

    #[test]
    fn no_number_of_failures_is_too_many() {
        let backoff = Backoff::new(Duration::from_millis(100), Duration::MAX);
        for failures in [31, 32, 33, 34, 64, u32::MAX] {
            assert!(backoff.after(failures) >= backoff.after(failures - 1), "after {failures}");
        }
        let mut pauses = Pauses { backoff, failures: u32::MAX };
        assert_eq!(pauses.take(), backoff.after(u32::MAX));
    }

    #[test]
    fn chance_shortens_by_up_to_a_half() {
        for (chance, expected) in [(0.0, S), (0.5, S * 3 / 4), (1.0, S / 2), (-1.0, S), (9.0, S / 2)] {
            assert_eq!(spread(S, chance), expected, "{chance}");
        }
    }
}
