//! Decisions: how much one BMC is asked by this agent, whoever wants it: polling, commands, people.
//!
//! One thing at a time is asked of a session, always. Beside that stand a pace, in requests a second with a burst of one second's, and
//! a number of sessions: BMCs have small processors, and 4 to 15 sessions for everybody who manages them.

use std::time::{Duration, Instant};

use protocol::bmc_settings::BmcSettings;

/// Most requests a second to one BMC, unless its site says otherwise. A power-on needs a dozen, a whole look at its sensors hundreds.
pub const REQUESTS_PER_SECOND: u32 = 50;
/// Most IPMI sessions that this process has open at one BMC, unless its site says otherwise: one is kept for polling and commands, and
/// two consoles fit beside it.
pub const SESSIONS: u32 = 3;

/// What one BMC is asked at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Requests a second; none: as fast as it answers.
    pub requests_per_second: Option<u32>,
    /// Sessions at a time.
    pub sessions: u32,
}

impl Default for Budget {
    fn default() -> Self {
        Self { requests_per_second: Some(REQUESTS_PER_SECOND), sessions: SESSIONS }
    }
}

impl Budget {
    /// For who measures a BMC, or works on it alone: no pace.
    pub fn unpaced() -> Self {
        Self { requests_per_second: None, ..Self::default() }
    }

    /// The same with what a site says of one BMC.
    pub fn with(self, settings: &BmcSettings) -> Self {
        Self {
            requests_per_second: settings.requests_per_second.or(self.requests_per_second),
            sessions: settings.sessions_max.unwrap_or(self.sessions),
        }
    }
}

/// The pace of one BMC: each request asks how long it has to wait.
#[derive(Clone, Copy, Debug)]
pub struct Meter {
    every: Option<Duration>,
    /// When the next one would be due, were they sent evenly; none: nothing was sent yet.
    even: Option<Instant>,
}

impl Meter {
    /// Of a BMC with this budget that was not asked yet.
    pub fn new(budget: Budget) -> Self {
        let every = budget.requests_per_second.map(|rate| Duration::from_secs(1) / rate.max(1));
        Self { every, even: None }
    }

    /// How long a request has to wait that wants to be sent now. It is counted as sent then.
    pub fn wait(&mut self, now: Instant) -> Duration {
        let Some(every) = self.every else { return Duration::ZERO };
        let even = self.even.map_or(now, |even| even.max(now));
        self.even = Some(even + every);
        // One second's requests may come at once.
        (even + every).saturating_duration_since(now + Duration::from_secs(1))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_seconds_requests_come_at_once_and_then_they_are_paced() {
        let now = crate::test_clock::start();
        let check = |rate: Option<u32>, requests: u32, expected_ms: u128| {
            let mut meter = Meter::new(Budget { requests_per_second: rate, sessions: 1 });
            let waits: Vec<_> = (0..requests).map(|_| meter.wait(now).as_millis()).collect();
            assert_eq!(waits.last(), Some(&expected_ms), "{rate:?} {requests}");
        };
        check(Some(50), 50, 0);
        check(Some(50), 51, 20);
        check(Some(50), 100, 1000);
        check(Some(1), 1, 0);
        check(Some(1), 3, 2000);
        check(Some(0), 2, 1000);
        check(None, 10_000, 0);
    }

    #[test]
    fn a_site_has_the_last_word() {
        let settings =
            BmcSettings { requests_per_second: Some(2), sessions_max: Some(1), ..BmcSettings::default() };
        let expected = Budget { requests_per_second: Some(2), sessions: 1 };
        assert_eq!(Budget::default().with(&settings), expected);
        assert_eq!(Budget::unpaced().with(&settings), expected);
        assert_eq!(Budget::unpaced().with(&BmcSettings::default()), Budget::unpaced());
    }

    proptest! {
        /// However requests come, in no second more are sent than in two: the burst and the pace.
        #[test]
        fn no_second_has_more_than_two_seconds_requests(
            pauses in prop::collection::vec(0_u64..300, 1..300),
            rate in 1_u32..100,
        ) {
            let start = crate::test_clock::start();
            let mut meter = Meter::new(Budget { requests_per_second: Some(rate), sessions: 1 });
            let mut now = start;
            let mut sent = Vec::new();
            for pause in pauses {
                now += Duration::from_millis(pause);
                now += meter.wait(now);
                sent.push(now);
            }
            for from in &sent {
                let within = sent.iter().filter(|at| **at >= *from && **at < *from + Duration::from_secs(1));
                prop_assert!(within.count() <= 2 * rate as usize);
            }
        }
    }
}
