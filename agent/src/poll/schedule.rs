//! Decisions: which BMC is asked when. Never more than [`POLLS_AT_ONCE`] are being asked; a little chance in every
//! interval keeps a rack's BMCs from being asked in one burst.

use std::{
    collections::{BTreeSet, HashMap},
    time::{Duration, Instant},
};

use protocol::id::ServerId;

/// Most BMCs that are asked at the same time.
pub const POLLS_AT_ONCE: usize = 64;
/// Interval while something is going on.
pub const HURRIED: Duration = Duration::from_millis(500);

/// Who is due when.
#[derive(Debug)]
pub struct Schedule {
    interval: Duration,
    due: BTreeSet<(Instant, ServerId)>,
    at: HashMap<ServerId, Instant>,
    asked: usize,
    chance: u64,
}

impl Schedule {
    /// An empty one; `seed` starts its little chance.
    pub fn new(interval: Duration, seed: u64) -> Self {
        Self { interval, due: BTreeSet::new(), at: HashMap::new(), asked: 0, chance: seed | 1 }
    }

    /// Asks this server at this time, and not at any other that was planned.
    pub fn ask_at(&mut self, server: ServerId, at: Instant) {
        self.remove(server);
        self.due.insert((at, server));
        self.at.insert(server, at);
    }

    /// Asks this server after one interval, 10 % more or less.
    pub fn ask_in_turn(&mut self, server: ServerId, now: Instant) {
        // xorshift64: plenty for spreading polls.
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        let percent = 90 + self.chance % 21;
        self.ask_at(server, now + self.interval.mul_f64(percent as f64 / 100.0));
    }

    /// Does not ask this server any more.
    pub fn remove(&mut self, server: ServerId) {
        if let Some(at) = self.at.remove(&server) {
            self.due.remove(&(at, server));
        }
    }

    /// The next server to be asked now, if there is one and not too many are being asked. [`Schedule::answered`] must
    /// follow for each.
    pub fn next_due(&mut self, now: Instant) -> Option<ServerId> {
        if self.asked >= POLLS_AT_ONCE {
            return None;
        }
        let (at, server) = *self.due.first()?;
        if at > now {
            return None;
        }
        self.remove(server);
        self.asked += 1;
        Some(server)
    }

    /// One that was asked has answered, or has not in time.
    pub fn answered(&mut self) {
        self.asked = self.asked.saturating_sub(1);
    }

    /// When [`Schedule::next_due`] is worth calling again; none: only after an answer or a change.
    pub fn timeout(&self) -> Option<Instant> {
        if self.asked >= POLLS_AT_ONCE { None } else { self.due.first().map(|(at, _)| *at) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_server_is_asked_about_once_an_interval_and_never_too_many_at_once() {
        let start = crate::test_clock::start();
        let interval = Duration::from_secs(2);
        let mut schedule = Schedule::new(interval, 7);
        let servers: Vec<_> = (0..200).map(|_| ServerId::random()).collect();
        servers.iter().for_each(|server| schedule.ask_at(*server, start));
        let mut asked: HashMap<ServerId, Vec<Instant>> = HashMap::new();
        let mut now = start;
        while now < start + Duration::from_secs(30) {
            let mut burst = Vec::new();
            while let Some(server) = schedule.next_due(now) {
                burst.push(server);
            }
            assert!(burst.len() <= POLLS_AT_ONCE);
            now += Duration::from_millis(20);
            for server in burst {
                asked.entry(server).or_default().push(now);
                schedule.answered();
                schedule.ask_in_turn(server, now);
            }
            now = schedule.timeout().map_or(now, |at| at.max(now));
        }
        assert_eq!(asked.len(), servers.len());
        for times in asked.values() {
            assert!((12..=17).contains(&times.len()), "{} times in 30 s", times.len());
            for pair in times.windows(2) {
                assert!(pair[1] - pair[0] < interval.mul_f64(1.2) + Duration::from_millis(200), "{pair:?}");
            }
        }
    }

    #[test]
    fn a_removed_server_is_not_asked() {
        let now = crate::test_clock::start();
        let mut schedule = Schedule::new(HURRIED, 1);
        let server = ServerId::random();
        schedule.ask_at(server, now);
        schedule.remove(server);
        assert_eq!((schedule.next_due(now), schedule.timeout()), (None, None));
    }
}
