//! Decisions: whether one BMC is asked in its turn. One that fails is left in peace for a growing pause, then asked once, to see:
//!
//! ```text
//!   closed ----- one silence, or REFUSALS_MAX refusals in a row -----> open, for 1 s, 2 s, 4 s ... 16 s
//!     ^                                                                 |      ^
//!     |                                                        asked once      | no reading
//!     '------------------- a reading ----------------------------- half-open --'
//! ```
//!
//! It holds polling back, and nobody else: what a person orders is tried whatever stands here, and counts like any other answer.
//! Why a log-in is not tried is another matter, and the account's (`account.rs`).

use std::time::{Duration, Instant};

use protocol::backoff::{Backoff, spread};

/// So many readings in a row that a BMC refuses, or that make no sense, open its breaker. Silence does so at once: it costs more.
pub const REFUSALS_MAX: u32 = 3;
/// Pause when a breaker opens; it doubles each time that it opens again, up to [`PAUSE_MAX`].
pub const PAUSE_MIN: Duration = Duration::from_secs(1);
/// Longest pause between two questions to a BMC whose breaker is open.
pub const PAUSE_MAX: Duration = Duration::from_secs(16);
/// Pauses are shortened by chance by up to a half of this part of them, so that BMCs that fell silent together are not asked together.
const JITTER: f64 = 0.5;

const PAUSES: Backoff = Backoff::new(PAUSE_MIN, PAUSE_MAX);

/// How a question failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// Nothing came.
    Silent,
    /// It answered, but gave no reading.
    Refused,
}

/// The breaker of one BMC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breaker {
    /// It is asked in its turn.
    Closed {
        /// Failures in a row that have not opened it.
        failures: u32,
    },
    /// It is not asked before this time.
    Open {
        /// How often in a row.
        times: u32,
        /// When it is asked again, to see.
        until: Instant,
    },
    /// It is asked once.
    HalfOpen {
        /// How often in a row it was open before.
        times: u32,
    },
}

impl Default for Breaker {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

impl Breaker {
    /// Whether it is asked in its turn.
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Closed { .. })
    }

    /// When it is asked again, if not in its turn.
    pub fn until(&self) -> Option<Instant> {
        match self {
            Self::Open { until, .. } => Some(*until),
            Self::Closed { .. } | Self::HalfOpen { .. } => None,
        }
    }

    /// It is asked now: its pause is over, or cut short because there was a sign of life.
    pub fn asked(&mut self) {
        match *self {
            Self::Open { times, .. } => *self = Self::HalfOpen { times },
            Self::Closed { .. } | Self::HalfOpen { .. } => {}
        }
    }

    /// The question was taken back before anybody could answer it: that says nothing.
    pub fn taken_back(&mut self, now: Instant) {
        match *self {
            Self::HalfOpen { times } => *self = Self::Open { times, until: now },
            Self::Closed { .. } | Self::Open { .. } => {}
        }
    }

    /// It gave a reading. Says whether it had been open.
    pub fn succeeded(&mut self) -> bool {
        let was_closed = self.is_closed();
        *self = Self::default();
        !was_closed
    }

    /// It gave none. `chance`: from 0 to 1, another one each time.
    pub fn failed(&mut self, how: Failed, now: Instant, chance: f64) {
        let times = match *self {
            Self::Closed { failures } => {
                let failures = failures.saturating_add(1);
                if how == Failed::Refused && failures < REFUSALS_MAX {
                    *self = Self::Closed { failures };
                    return;
                }
                1
            }
            Self::Open { times, .. } | Self::HalfOpen { times } => times.saturating_add(1),
        };
        let until = now + spread(PAUSES.after(times), chance.clamp(0.0, 1.0) * JITTER);
        *self = Self::Open { times, until };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What happens as letters: `+` a reading, `?` silence, `!` a refusal, `a` it is asked, `b` the question is taken back. The state
    /// after each as a letter: `c` closed, `h` half-open, or a digit: open for so many seconds, `A` 16.
    fn check(happens: &str, expected: &str) {
        let now = crate::test_clock::start();
        let mut breaker = Breaker::default();
        let mut seen = String::new();
        for letter in happens.chars() {
            match letter {
                '+' => drop(breaker.succeeded()),
                '?' => breaker.failed(Failed::Silent, now, 0.0),
                '!' => breaker.failed(Failed::Refused, now, 0.0),
                'b' => breaker.taken_back(now),
                _ => breaker.asked(),
            }
            seen.push(match breaker {
                Breaker::Closed { .. } => 'c',
                Breaker::HalfOpen { .. } => 'h',
                Breaker::Open { until, .. } => match (until - now).as_secs() {
                    16 => 'A',
                    seconds => seconds.to_string().remove(0),
                },
            });
        }
        assert_eq!(seen, expected, "{happens}");
    }

    #[test]
    fn it_opens_is_half_open_for_one_question_and_closes_with_a_reading() {
        check("a+a+", "cccc");
        check("a?a?a?a?a?a?", "c1h2h4h8hAhA");
        check("a?a+a?", "c1hcc1");
        check("!!!a!a!", "cc1h2h4");
        check("!!+!!+", "cccccc");
        check("!?", "c1");
        // What a person's order brought to light counts as well.
        check("??a+", "12hc");
        check("a?aba?", "c1h0h2");
    }

    #[derive(Clone, Copy, Debug)]
    enum Op {
        Asked,
        TakenBack,
        Reading,
        Fails(Failed, f64),
        Passes(u64),
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            Just(Op::Asked),
            Just(Op::TakenBack),
            Just(Op::Reading),
            (0.0..=1.0).prop_map(|chance| Op::Fails(Failed::Silent, chance)),
            (-9.0..=9.0).prop_map(|chance| Op::Fails(Failed::Refused, chance)),
            (0_u64..20_000).prop_map(Op::Passes),
        ]
    }

    proptest! {
        #[test]
        fn whatever_happens_it_ends_with_a_reading_and_its_pauses_are_bounded(ops in prop::collection::vec(op(), 0..200)) {
            let mut now = crate::test_clock::start();
            let mut breaker = Breaker::default();
            let mut failures = 0;
            for op in ops {
                let before = breaker;
                match op {
                    Op::Asked => breaker.asked(),
                    Op::TakenBack => breaker.taken_back(now),
                    Op::Reading => {
                        prop_assert_eq!(breaker.succeeded(), !before.is_closed());
                        failures = 0;
                    }
                    Op::Fails(how, chance) => {
                        breaker.failed(how, now, chance);
                        failures += 1;
                        let pause = breaker.until().map(|until| until - now);
                        prop_assert!(pause.is_none_or(|pause| pause >= PAUSE_MIN * 3 / 4 && pause <= PAUSE_MAX));
                        prop_assert!(how == Failed::Refused || !breaker.is_closed());
                    }
                    Op::Passes(ms) => now += Duration::from_millis(ms),
                }
                // It opens by failures alone, and closes by a reading alone.
                prop_assert!(failures > 0 || breaker.is_closed());
                prop_assert!(before.is_closed() || !breaker.is_closed() || failures == 0);
                prop_assert!(failures < REFUSALS_MAX || !breaker.is_closed());
            }
        }
    }
}
