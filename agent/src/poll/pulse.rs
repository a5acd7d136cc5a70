//! Decisions: how one BMC answers: how long its readings take, and for how long it has been silent. From that follow how
//! patiently and how soon it is asked again.
//!
//! A silent BMC is asked with a short probe after a growing pause, so that a thousand of them cost little. Every few probes
//! one is patient: a BMC that has just started may need longer to log us in than it ever needed for a reading.

use std::time::Duration;

use protocol::backoff::Backoff;

/// Longest wait for one reading, whatever the BMC's own patience.
pub const READING_WAIT_MAX: Duration = protocol::power_budget::READING_MAX;
/// Wait for a BMC that was silent, unless its readings are known to take longer.
pub const PROBE_WAIT: Duration = Duration::from_secs(2);
/// One in so many probes waits [`READING_WAIT_MAX`].
pub const PATIENT_EVERY: u32 = 4;
/// Pause after the first silence; it doubles with each further one, up to [`PROBE_PAUSE_MAX`].
pub const PROBE_PAUSE_MIN: Duration = Duration::from_secs(1);
/// Longest pause between two probes of a silent BMC.
pub const PROBE_PAUSE_MAX: Duration = Duration::from_secs(16);

const PROBES: Backoff = Backoff::new(PROBE_PAUSE_MIN, PROBE_PAUSE_MAX);

/// How one BMC answers.
#[derive(Clone, Debug, Default)]
pub struct Pulse {
    silences: u32,
    takes: Duration,
}

impl Pulse {
    /// It gave a reading, which took so long. Says whether it had been silent before.
    pub fn heard(&mut self, took: Duration) -> bool {
        // The longest of late: one quick answer does not make a slow BMC quick.
        self.takes = took.max(self.takes / 4 * 3);
        std::mem::take(&mut self.silences) > 0
    }

    /// It gave no reading.
    pub fn unheard(&mut self) {
        self.silences = self.silences.saturating_add(1);
    }

    /// Whether it gave no reading when it was asked last.
    pub fn is_silent(&self) -> bool {
        self.silences > 0
    }

    /// How long to wait for its next reading.
    pub fn patience(&self) -> Duration {
        if self.silences.is_multiple_of(PATIENT_EVERY) {
            READING_WAIT_MAX
        } else {
            PROBE_WAIT.max(self.takes * 2).min(READING_WAIT_MAX)
        }
    }

    /// Pause before a silent one is asked again.
    pub fn pause(&self) -> Duration {
        PROBES.after(self.silences)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_bmc_is_asked_ever_less_and_a_slow_one_patiently() {
        let check = |takes_ms: Option<u64>, silences: u32, patience_ms: u128, pause_ms: u128| {
            let mut pulse = Pulse::default();
            if let Some(ms) = takes_ms {
                pulse.heard(Duration::from_millis(ms));
            }
            (0..silences).for_each(|_| pulse.unheard());
            let found = (pulse.patience().as_millis(), pulse.pause().as_millis());
            assert_eq!(found, (patience_ms, pause_ms), "{takes_ms:?} {silences}");
        };
        check(None, 0, 15_000, 1000);
        check(Some(60), 0, 15_000, 1000);
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
        let mut pulse = Pulse::default();
        assert!(!pulse.heard(PROBE_WAIT));
        pulse.unheard();
        assert!(pulse.is_silent() && pulse.heard(PROBE_WAIT) && !pulse.is_silent());
    }
}
