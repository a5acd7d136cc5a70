//! Decisions: whose sensors and whose log are read when.
//!
//! Each server has a turn every interval, from beginning to beginning, and a chance spreads a rack's servers over it. A few are read
//! at once. A server that is not to be asked now, because its BMC is silent, is looked at again a while later.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use protocol::id::ServerId;

/// Servers that are read at the same time: a thousand, of a hundred sensors each, have their turns within a minute.
pub const READ_AT_ONCE: usize = 128;
/// A server that could not be asked is looked at again after so long.
pub const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// How often sensors and logs are read; none: never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Every {
    /// Sensors and power draw.
    pub sensors: Option<Duration>,
    /// The event log.
    pub log: Option<Duration>,
}

/// What is to be read of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// Its sensors.
    pub sensors: bool,
    /// Its log.
    pub log: bool,
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is read; [`Rounds::ended`] must follow.
    Read(ServerId, Due),
    /// It would be its turn, but it is not to be asked now: it is looked at again soon.
    NotAsked(ServerId),
}

/// When each server is due.
#[derive(Debug)]
pub struct Rounds {
    every: Every,
    queue: BTreeSet<(Instant, ServerId)>,
    servers: BTreeMap<ServerId, Turn>,
    reading: usize,
    chance: u64,
}

#[derive(Debug)]
struct Turn {
    sensors: Option<Instant>,
    log: Option<Instant>,
    is_reading: bool,
}

impl Turn {
    fn at(&self) -> Option<Instant> {
        self.sensors.into_iter().chain(self.log).min()
    }
}

impl Rounds {
    /// Without servers; `seed` starts its little chance.
    pub fn new(every: Every, seed: u64) -> Self {
        Self { every, queue: BTreeSet::new(), servers: BTreeMap::new(), reading: 0, chance: seed | 1 }
    }

    /// A new server: it has its first turn within an interval.
    pub fn add(&mut self, server: ServerId, now: Instant) {
        let (first, every) = (self.share(), self.every);
        let at = |every: Duration| now + every.mul_f64(first);
        let turn = Turn { sensors: every.sensors.map(at), log: every.log.map(at), is_reading: false };
        self.remove(server);
        self.enqueue(server, &turn);
        self.servers.insert(server, turn);
    }

    /// A server that is nobody's business any more; a reading that is under way still ends by [`Rounds::ended`].
    pub fn remove(&mut self, server: ServerId) {
        if let Some(turn) = self.servers.remove(&server)
            && let Some(at) = turn.at()
        {
            self.queue.remove(&(at, server));
        }
    }

    /// The next server that is due. `answers`: whether its BMC does.
    pub fn next_due(&mut self, now: Instant, answers: impl FnOnce(ServerId) -> bool) -> Option<Next> {
        if self.reading >= READ_AT_ONCE {
            return None;
        }
        let (at, server) = self.queue.first().copied().filter(|(at, _)| *at <= now)?;
        self.queue.remove(&(at, server));
        let turn = self.servers.get_mut(&server)?;
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let due = Due { sensors: is_due(turn.sensors), log: is_due(turn.log) };
        let answers = answers(server);
        let again = |every: Option<Duration>| if answers { every } else { every.and(Some(LOOK_AGAIN)) };
        if due.sensors {
            turn.sensors = again(self.every.sensors).map(|every| now + every);
        }
        if due.log {
            turn.log = again(self.every.log).map(|every| now + every);
        }
        if !answers {
            self.queue.extend(turn.at().map(|at| (at, server)));
            return Some(Next::NotAsked(server));
        }
        turn.is_reading = true;
        self.reading += 1;
        Some(Next::Read(server, due))
    }

    /// A reading has ended.
    pub fn ended(&mut self, server: ServerId) {
        self.reading = self.reading.saturating_sub(1);
        if let Some(mut turn) = self.servers.remove(&server) {
            if std::mem::take(&mut turn.is_reading) {
                self.enqueue(server, &turn);
            }
            self.servers.insert(server, turn);
        }
    }

    /// When [`Rounds::next_due`] is worth calling; none: only after an end or a change.
    pub fn timeout(&self) -> Option<Instant> {
        (self.reading < READ_AT_ONCE).then(|| self.queue.first().map(|(at, _)| *at)).flatten()
    }

    fn enqueue(&mut self, server: ServerId, turn: &Turn) {
        if let Some(at) = turn.at() {
            self.queue.insert((at, server));
        }
    }

    /// From 0 to 1.
    fn share(&mut self) -> f64 {
        // xorshift64: plenty for spreading readings.
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        (self.chance % 1000) as f64 / 1000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Every =
        Every { sensors: Some(Duration::from_secs(60)), log: Some(Duration::from_secs(180)) };

    fn server(number: u128) -> ServerId {
        ServerId(uuid::Uuid::from_u128(number))
    }

    /// All turns until then; each reading takes so long.
    fn run(
        rounds: &mut Rounds,
        start: Instant,
        until: Duration,
        takes: Duration,
    ) -> Vec<(ServerId, Due, Duration)> {
        let (mut turns, mut under_way) = (Vec::new(), BTreeSet::new());
        let mut now = start;
        while now < start + until {
            while let Some(Next::Read(server, due)) = rounds.next_due(now, |_| true) {
                turns.push((server, due, now - start));
                under_way.insert((now + takes, server));
            }
            assert!(under_way.len() <= READ_AT_ONCE);
            let ends = under_way.first().copied();
            let next = rounds.timeout().into_iter().chain(ends.map(|(at, _)| at)).min();
            let Some(next) = next else { break };
            now = next.max(now);
            while let Some(ended) = under_way.first().copied().filter(|(at, _)| *at <= now) {
                under_way.remove(&ended);
                rounds.ended(ended.1);
            }
        }
        turns
    }

    #[test]
    fn every_server_has_its_turn_and_few_are_read_at_once() {
        let start = crate::test_clock::start();
        let mut rounds = Rounds::new(EVERY, 7);
        (0..500).for_each(|number| rounds.add(server(number), start));
        let turns = run(&mut rounds, start, Duration::from_secs(600), Duration::from_secs(1));
        for number in 0..500 {
            let of_it: Vec<_> = turns.iter().filter(|(found, ..)| *found == server(number)).collect();
            let sensors = of_it.iter().filter(|(_, due, _)| due.sensors).count();
            let logs = of_it.iter().filter(|(_, due, _)| due.log).count();
            assert!((9..=11).contains(&sensors), "{number}: sensors {sensors}");
            assert!((3..=4).contains(&logs), "{number}: logs {logs}");
        }
        // Spread: no second of the first minute has more than a few times its share.
        let mut first = [0; 60];
        turns
            .iter()
            .filter(|(.., at)| at.as_secs() < 60)
            .for_each(|(.., at)| first[at.as_secs() as usize] += 1);
        assert!(first.iter().all(|count| *count <= 40), "{first:?}");
    }

    #[test]
    fn who_is_silent_is_not_asked_and_stays_due_and_what_is_off_is_never_read() {
        let start = crate::test_clock::start();
        let mut rounds = Rounds::new(Every { log: None, ..EVERY }, 7);
        rounds.add(server(1), start);
        let now = rounds.timeout().unwrap();
        let id = server(1);
        for look in 0..3 {
            let now = now + look * LOOK_AGAIN;
            assert_eq!(rounds.next_due(now, |_| false), Some(Next::NotAsked(id)));
            assert_eq!((rounds.next_due(now, |_| false), rounds.timeout()), (None, Some(now + LOOK_AGAIN)));
        }
        let now = now + 3 * LOOK_AGAIN;
        assert_eq!(rounds.next_due(now, |_| true), Some(Next::Read(id, Due { sensors: true, log: false })));
        // Forgotten while it is read.
        rounds.remove(id);
        rounds.ended(id);
        assert_eq!((rounds.timeout(), rounds.next_due(now + LOOK_AGAIN, |_| true)), (None, None));
        let mut rounds = Rounds::new(Every { sensors: None, log: None }, 7);
        rounds.add(server(1), start);
        assert_eq!(rounds.timeout(), None);
    }
}
