//! Decisions: how long an answer is waited for before something is sent again: from measured round trips, as TCP does
//! (RFC 6298). A fixed second makes every lost datagram cost a second; a client on the same segment answers in a millisecond.

use std::time::Duration;

/// Before anything was measured. Boot ROMs answer within milliseconds; one that is slower gets a block twice and takes it once.
pub const FIRST: Duration = Duration::from_millis(250);

/// Shortest wait, however fast the client is: one that is busy for a moment has lost nothing.
pub const SHORTEST: Duration = Duration::from_millis(30);

/// One client's patience.
#[derive(Clone, Debug)]
pub struct Patience {
    /// Smoothed round trip and its variation; none: nothing was measured yet.
    measured: Option<(Duration, Duration)>,
    wait: Duration,
    longest: Duration,
}

impl Patience {
    /// Waits for `longest` at most.
    pub fn new(longest: Duration) -> Self {
        Self { measured: None, wait: FIRST.min(longest), longest }
    }

    /// How long to wait now.
    pub fn wait(&self) -> Duration {
        self.wait
    }

    /// Something that was sent once was answered after so long.
    pub fn measured(&mut self, round_trip: Duration) {
        let (smooth, variation) = match self.measured {
            None => (round_trip, round_trip / 2),
            Some((smooth, variation)) => {
                (smooth * 7 / 8 + round_trip / 8, variation * 3 / 4 + smooth.abs_diff(round_trip) / 4)
            }
        };
        self.measured = Some((smooth, variation));
        self.wait = (smooth + variation * 4).max(SHORTEST).min(self.longest);
    }

    /// Nothing came in time: the next answer is waited for twice as long.
    pub fn in_vain(&mut self) {
        self.wait = (self.wait * 2).min(self.longest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_follows_what_was_measured_within_its_bounds() {
        let ms = Duration::from_millis;
        let mut patience = Patience::new(ms(1000));
        assert_eq!(patience.wait(), FIRST);
        patience.in_vain();
        assert_eq!(patience.wait(), FIRST * 2);
        for _ in 0..10 {
            patience.in_vain();
        }
        assert_eq!(patience.wait(), ms(1000), "the client's own bound");
        // The first one: RTT + 4 * RTT/2 (RFC 6298, section 2.2).
        patience.measured(ms(100));
        assert_eq!(patience.wait(), ms(300));
        for _ in 0..100 {
            patience.measured(ms(1));
        }
        assert_eq!(patience.wait(), SHORTEST);
        for _ in 0..100 {
            patience.measured(ms(5000));
        }
        assert_eq!(patience.wait(), ms(1000));
    }
}
