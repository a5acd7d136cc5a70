//! Decisions: until when a command may be carried out that was given by the coordinator's clock, however long it was on its way.
//!
//! ```text
//!   agent        Hello or heartbeat sent          its answer arrives      a command arrives
//!     ---------------|----------------------------------|-----------------------|----------> our clock
//!                    |<-- the coordinator said "at" --->|                       |
//! ```
//!
//! The coordinator's moment `at` is not before our moment of sending. So a command that was given so much later than `at` was given
//! no earlier than that much after our sending: whoever counts from there never ends too late, and a stream that stalls costs the
//! command its time. Clocks run a little unevenly, so the newest round trip is worth more than an old one.

use std::time::{Duration, Instant};

use protocol::heartbeat::{StreamTime, Wanted};

/// Two clocks that run for a while differ by no more than this part of it: a thousandth is many times what hardware does.
const DRIFT: u32 = 1000;

/// What is known of the coordinator's clock on this stream.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lag {
    hello: Option<Instant>,
    beats: u64,
    /// The heartbeat that is not answered yet. One at a time: the next one is sent when this one is answered, or is given up.
    beat: Option<(u64, Instant)>,
    bound: Option<Bound>,
}

/// The coordinator's moment `at` was no earlier than our moment `sent`.
#[derive(Clone, Copy, Debug)]
struct Bound {
    sent: Instant,
    at: StreamTime,
}

impl Bound {
    /// No later than when the coordinator's clock showed this, by ours; none: before our clock began.
    fn earliest(self, moment: StreamTime) -> Option<Instant> {
        let apart = Duration::from_millis(moment.0.abs_diff(self.at.0));
        let uneven = apart / DRIFT;
        if moment >= self.at {
            self.sent.checked_add(apart.saturating_sub(uneven))
        } else {
            self.sent.checked_sub(apart.saturating_add(uneven))
        }
    }
}

impl Lag {
    /// A stream begins: the hello goes out now. What was known of an earlier stream's coordinator is of another clock.
    pub fn greets(now: Instant) -> Self {
        Self { hello: Some(now), ..Self::default() }
    }

    /// The answer to the hello.
    pub fn welcomed(&mut self, at: StreamTime) {
        if let Some(sent) = self.hello.take() {
            self.learn(Bound { sent, at });
        }
    }

    /// A heartbeat goes out now; gives its number.
    pub fn beats(&mut self, now: Instant) -> u64 {
        self.beats += 1;
        self.beat = Some((self.beats, now));
        self.beats
    }

    /// The answer to a heartbeat.
    pub fn heard(&mut self, number: u64, at: StreamTime) {
        if let Some((_, sent)) = self.beat.take_if(|(beat, _)| *beat == number) {
            self.learn(Bound { sent, at });
        }
    }

    /// Until when a command may be carried out that arrives now.
    pub fn until(&self, wanted: Wanted, now: Instant) -> Instant {
        let given = self.bound.and_then(|bound| bound.earliest(wanted.given));
        // A coordinator that tells no time of its own gives its commands as they arrive.
        given.unwrap_or(now).min(now) + wanted.within
    }

    /// Keeps whichever of two round trips leaves less in doubt now.
    fn learn(&mut self, new: Bound) {
        let is_better =
            self.bound.is_none_or(|old| old.earliest(new.at).is_none_or(|by_old| new.sent >= by_old));
        if is_better {
            self.bound = Some(new);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_clock;

    const WITHIN: Duration = Duration::from_secs(27);

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    /// The coordinator's clock, of which the agent knows nothing, shows 1000 s when the test begins.
    fn shown(after: Duration) -> StreamTime {
        StreamTime(1_000_000 + u64::try_from(after.as_millis()).unwrap())
    }

    #[test]
    fn a_stream_that_stalls_costs_a_command_its_time() {
        let began = test_clock::start();
        // Said after so long, arrived after so long: what is left of its time.
        let check = |given: u64, arrives: u64, left: Duration| {
            let mut lag = Lag::greets(began);
            lag.welcomed(shown(Duration::ZERO));
            let wanted = Wanted { given: shown(seconds(given)), within: WITHIN };
            let now = began + seconds(arrives);
            let until = lag.until(wanted, now);
            let exact = (now + left).saturating_duration_since(until);
            assert!(exact <= seconds(given) / DRIFT, "{given} {arrives}: {exact:?} are lost");
            assert!(until <= now + left, "{given} {arrives}: somebody was told by then that it was not done");
        };
        check(10, 10, WITHIN);
        check(10, 12, seconds(25));
        check(10, 36, seconds(1));
        check(10, 37, Duration::ZERO);
        check(3600, 3600, WITHIN);
    }

    #[test]
    fn slow_round_trips_never_make_a_command_last_longer_and_quick_ones_give_it_its_time_back() {
        let began = test_clock::start();
        let mut lag = Lag::greets(began);
        // The welcome was said at once and took 8 s, or was said after 8 s and came at once: nobody knows.
        lag.welcomed(shown(seconds(8)));
        let wanted = Wanted { given: shown(seconds(20)), within: WITHIN };
        let now = began + seconds(20);
        assert!(lag.until(wanted, now) <= now + seconds(19), "it may have been given 8 s ago");
        // A quick heartbeat shows which it was.
        let number = lag.beats(began + seconds(15));
        lag.heard(number, shown(seconds(15)));
        let left = lag.until(wanted, now).saturating_duration_since(now);
        assert!(left > seconds(26), "{left:?}");
        // A slow one afterwards takes nothing away; an answer to another heartbeat says nothing.
        let number = lag.beats(began + seconds(16));
        lag.heard(number + 1, shown(seconds(16)));
        lag.heard(number, shown(seconds(30)));
        let wanted = Wanted { given: shown(seconds(31)), within: WITHIN };
        let now = began + seconds(31);
        let left = lag.until(wanted, now).saturating_duration_since(now);
        assert!(left > seconds(26), "{left:?}");
    }

    #[test]
    fn who_tells_no_time_is_taken_at_its_word() {
        let now = test_clock::start();
        let wanted = Wanted { given: StreamTime(7), within: WITHIN };
        assert_eq!(Lag::greets(now).until(wanted, now), now + WITHIN);
        // A clock that seems to be ahead of ours makes nothing last longer than it is wanted.
        let mut lag = Lag::greets(now);
        lag.welcomed(StreamTime(0));
        assert_eq!(lag.until(wanted, now), now + WITHIN);
    }
}
