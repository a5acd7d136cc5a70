//! Decisions: how long one try of a question is waited for. A datagram that was lost is sent again as soon as an answer is overdue by
//! what this BMC's answers take, not after the second that a slow BMC may need: at a thousand BMCs some are lost every moment, and a
//! second for each makes readings old.
//!
//! ```text
//!   Retry { first: 1 s, tries: 4 }, nothing known:     try . 1 s . try . 1.5 s . try . 2.25 s . try . 3.4 s . given up
//!   the same, and answers take 50 ms:    try . 0.25 s . try . 0.4 s . try . 0.6 s . try . 0.8 s . try ... given up as late as above
//! ```
//!
//! The round trip is reckoned as TCP does (RFC 6298, section 2; section 3: what was sent twice measures nothing). Only questions that
//! change nothing are hurried so.

use std::time::{Duration, Instant};

use super::event::Retry;

/// Shortest wait for an answer, however quick its BMC is: it has other things to do.
pub const ANSWER_WAIT_MIN: Duration = Duration::from_millis(250);

/// What answers of one BMC have taken of late.
#[derive(Clone, Copy, Debug, Default)]
pub struct RoundTrip(Option<Measured>);

#[derive(Clone, Copy, Debug)]
struct Measured {
    smoothed: Duration,
    variation: Duration,
}

impl RoundTrip {
    /// An answer to the only try of a question came after this time.
    pub fn took(&mut self, took: Duration) {
        self.0 = Some(match self.0 {
            None => Measured { smoothed: took, variation: took / 2 },
            Some(Measured { smoothed, variation }) => Measured {
                variation: variation * 3 / 4 + smoothed.abs_diff(took) / 4,
                smoothed: smoothed * 7 / 8 + took / 8,
            },
        });
    }

    /// How long the first try of a question is waited for: never longer than `retry` says.
    pub fn first_wait(&self, retry: Retry) -> Duration {
        let usual = self.0.map(|Measured { smoothed, variation }| smoothed + variation * 4);
        usual.map_or(retry.first, |usual| usual.max(ANSWER_WAIT_MIN).min(retry.first))
    }
}

/// The tries of what was sent last.
#[derive(Clone, Copy, Debug)]
pub struct Tries {
    retry: Retry,
    began: Instant,
    made: u32,
    wait: Duration,
    deadline: Instant,
}

impl Tries {
    /// The first try, now, which is waited for so long.
    pub fn begin(retry: Retry, wait: Duration, now: Instant) -> Self {
        Self { retry, began: now, made: 1, wait, deadline: now + wait }
    }

    /// How many there were.
    pub fn made(&self) -> u32 {
        self.made
    }

    /// When the present one is over.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The next try at this time; none: there were enough, over long enough.
    pub fn next(self, now: Instant) -> Option<Self> {
        let wait = self.wait + self.wait / 2;
        let has_time = now + wait <= self.began + self.retry.patience();
        let tries = Self { made: self.made + 1, wait, deadline: now + wait, ..self };
        (self.made < self.retry.tries || has_time).then_some(tries)
    }

    /// How long the answer to the only try took; none: there were several, and nobody knows which was answered.
    pub fn took(&self, now: Instant) -> Option<Duration> {
        (self.made == 1).then(|| now.saturating_duration_since(self.began))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY: Retry = Retry { first: Duration::from_millis(1000), tries: 4 };

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_try_is_waited_for_as_long_as_answers_take() {
        let check = |answers: &[u64], retry: Retry, expected: u64| {
            let mut trip = RoundTrip::default();
            answers.iter().for_each(|took| trip.took(ms(*took)));
            let wait = trip.first_wait(retry).as_millis();
            assert_eq!(wait, expected.into(), "{answers:?}");
        };
        check(&[], RETRY, 1000);
        check(&[50], RETRY, 250);
        check(&[50; 9], RETRY, 250);
        check(&[300; 30], RETRY, 300);
        // One that varies is waited for longer, and never longer than was said.
        check(&[50, 400, 50, 400, 50, 400, 50, 400], RETRY, 885);
        check(&[900; 3], RETRY, 1000);
        check(&[50; 9], Retry { first: ms(100), tries: 4 }, 100);
    }

    #[test]
    fn a_lost_datagram_is_sent_again_soon_and_given_up_no_sooner() {
        let start = Instant::now();
        // When the tries are made and when the last is over, in milliseconds.
        let check = |first_wait: u64, expected: &[u128], over: u128| {
            let mut tries = Tries::begin(RETRY, ms(first_wait), start);
            let mut made = vec![0];
            while let Some(next) = tries.next(tries.deadline()) {
                made.push((tries.deadline() - start).as_millis());
                tries = next;
            }
            assert_eq!((made.as_slice(), (tries.deadline() - start).as_millis()), (expected, over));
            assert_eq!(tries.made() as usize, made.len());
        };
        check(1000, &[0, 1000, 2500, 4750], 8125);
        check(250, &[0, 250, 625, 1187, 2031, 3296, 5195], 8042);
    }

    #[test]
    fn what_was_sent_twice_measures_nothing() {
        let start = Instant::now();
        let tries = Tries::begin(RETRY, ms(250), start);
        assert_eq!(tries.took(start + ms(70)), Some(ms(70)));
        assert_eq!(tries.next(tries.deadline()).and_then(|tries| tries.took(start + ms(300))), None);
    }
}
