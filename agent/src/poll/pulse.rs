//! Decisions: how one BMC answers: how long its readings take, and for how long it has been silent. From that follow how
//! patiently and, by its breaker, how soon it is asked again.
//!
//! A silent BMC is asked with a short probe after a growing pause, so that a thousand of them cost little. Every few probes
//! one is patient: a BMC that has just started may need longer to log us in than it ever needed for a reading.

use std::time::{Duration, Instant};

use crate::bmc::breaker::{Breaker, Failed};

/// Longest wait for one reading, whatever the BMC's own patience.
pub const READING_WAIT_MAX: Duration = protocol::power_budget::READING_MAX;
/// Wait for a BMC that was silent, unless its readings are known to take longer.
pub const PROBE_WAIT: Duration = Duration::from_secs(2);
/// One in so many probes waits [`READING_WAIT_MAX`].
pub const PATIENT_EVERY: u32 = 4;
/// A reading that is under way when a command comes has so long at least, from its question.
pub const IN_THE_WAY_MIN: Duration = Duration::from_millis(500);

/// How one BMC answers.
#[derive(Clone, Debug, Default)]
pub struct Pulse {
    breaker: Breaker,
    silences: u32,
    takes: Duration,
}

impl Pulse {
    /// It gave a reading, which took so long. Says whether it had not been asked in its turn before.
    pub fn heard(&mut self, took: Duration) -> bool {
        self.takes(took);
        self.silences = 0;
        self.breaker.succeeded()
    }

    /// A command got a reading of it, or was given none. Says whether it had not been asked in its turn before, and will be now.
    pub fn commanded(&mut self, got: Result<(), Failed>, now: Instant, chance: f64) -> bool {
        match got {
            Ok(()) => {
                self.silences = 0;
                self.breaker.succeeded()
            }
            Err(how) => {
                self.breaker.failed(how, now, chance);
                false
            }
        }
    }

    /// It refused the reading, or what it said made no sense, after this time. `chance`: from 0 to 1.
    pub fn refused(&mut self, took: Duration, now: Instant, chance: f64) {
        self.takes(took);
        self.silences = 0;
        self.breaker.failed(Failed::Refused, now, chance);
    }

    /// It was silent. `chance`: from 0 to 1.
    pub fn unheard(&mut self, now: Instant, chance: f64) {
        self.silences = self.silences.saturating_add(1);
        self.breaker.failed(Failed::Silent, now, chance);
    }

    /// It is asked.
    pub fn asked(&mut self) {
        self.breaker.asked();
    }

    /// The question was taken back, for something more urgent.
    pub fn taken_back(&mut self, now: Instant) {
        self.breaker.taken_back(now);
    }

    /// Whether it is asked in its turn.
    pub fn breaker(&self) -> Breaker {
        self.breaker
    }

    /// How long to wait for its next reading.
    pub fn patience(&self) -> Duration {
        if self.silences.is_multiple_of(PATIENT_EVERY) {
            READING_WAIT_MAX
        } else {
            PROBE_WAIT.max(self.takes * 2).min(READING_WAIT_MAX)
        }
    }

    /// How long, from its question, a reading under way may keep a command waiting: as long as readings usually take and as long
    /// again; none at all if nobody expects an answer.
    pub fn in_the_way(&self) -> Duration {
        if self.breaker.is_closed() { IN_THE_WAY_MIN.max(self.takes * 2) } else { Duration::ZERO }
    }

    fn takes(&mut self, took: Duration) {
        // The longest of late: one quick answer does not make a slow BMC quick.
        self.takes = took.max(self.takes / 4 * 3);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_bmc_is_asked_ever_less_and_a_slow_one_patiently() {
        let now = crate::test_clock::start();
        let check = |takes_ms: Option<u64>, silences: u32, patience_ms: u128, pause_ms: u128| {
            let mut pulse = Pulse::default();
            if let Some(ms) = takes_ms {
                pulse.heard(Duration::from_millis(ms));
            }
            (0..silences).for_each(|_| pulse.unheard(now, 0.0));
            let pause = pulse.breaker().until().map_or(0, |until| (until - now).as_millis());
            assert_eq!(
                (pulse.patience().as_millis(), pause),
                (patience_ms, pause_ms),
                "{takes_ms:?} {silences}"
            );
        };
        check(None, 0, 15_000, 0);
        check(Some(60), 0, 15_000, 0);
        check(None, 1, 2000, 1000);
        check(Some(60), 2, 2000, 2000);
        check(Some(7000), 2, 14_000, 2000);
        check(Some(14_000), 3, 15_000, 4000);
        check(Some(60), 4, 15_000, 8000);
        check(Some(60), 5, 2000, 16_000);
        check(Some(60), 401, 2000, 16_000);
    }

    #[test]
    fn one_answer_ends_the_silence() {
        let now = crate::test_clock::start();
        let mut pulse = Pulse::default();
        assert!(!pulse.heard(PROBE_WAIT));
        pulse.unheard(now, 0.5);
        assert!(!pulse.breaker().is_closed() && pulse.heard(PROBE_WAIT) && pulse.breaker().is_closed());
        pulse.unheard(now, 0.5);
        pulse.commanded(Ok(()), now, 0.5);
        assert!(pulse.breaker().is_closed());
    }

    #[test]
    fn a_command_waits_for_a_reading_only_as_long_as_one_takes() {
        let now = crate::test_clock::start();
        let check = |takes_ms: u64, silences: u32, expected_ms: u128| {
            let mut pulse = Pulse::default();
            pulse.heard(Duration::from_millis(takes_ms));
            (0..silences).for_each(|_| pulse.unheard(now, 0.0));
            assert_eq!(pulse.in_the_way().as_millis(), expected_ms, "{takes_ms} {silences}");
        };
        check(5, 0, 500);
        check(2000, 0, 4000);
        check(2000, 1, 0);
    }
}
