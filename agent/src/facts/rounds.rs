//! Decisions: whose BMC is asked next for what it says of itself. Such facts change seldom and cost many requests, so a server's are
//! read once in [`EVERY`], few servers at a time, and none before its power was read.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use protocol::id::ServerId;

/// From one round of a server to its next.
pub const EVERY: Duration = Duration::from_secs(6 * 3600);
/// The same after a round that was not finished.
pub const UNFINISHED_AGAIN: Duration = Duration::from_secs(900);
/// A BMC that has not let us in yet is looked at again after so long; polling is about to find out.
pub const NOT_LET_IN_AGAIN: Duration = Duration::from_secs(5);
/// So many servers are read at a time: polling comes first.
pub const AT_ONCE: usize = 8;

/// How a server's round ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Everything that it shows was read.
    Read,
    /// It went silent, or does not let us in any more.
    Unfinished,
    /// It has never let us in: nothing was asked.
    NotLetIn,
}

/// The rounds of all servers.
#[derive(Debug, Default)]
pub struct Rounds {
    servers: BTreeMap<ServerId, Turn>,
    started: u64,
}

/// A server's turn that has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round {
    /// Whose.
    pub server: ServerId,
    /// Tells it from an earlier round, of a former BMC maybe.
    number: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    At(Instant),
    Now(u64),
}

impl Rounds {
    /// A new server, or one with another BMC: its turn comes at once.
    pub fn know(&mut self, server: ServerId, now: Instant) {
        self.servers.insert(server, Turn::At(now));
    }

    /// It is nobody's business any more.
    pub fn forget(&mut self, server: ServerId) {
        self.servers.remove(&server);
    }

    /// The next whose turn it is, if there is one and not too many are being read. [`Rounds::ended`] must follow.
    pub fn start(&mut self, now: Instant) -> Option<Round> {
        if self.servers.values().filter(|turn| matches!(turn, Turn::Now(_))).count() >= AT_ONCE {
            return None;
        }
        let (server, _) = self.next().filter(|(_, at)| *at <= now)?;
        self.started += 1;
        let number = self.started;
        self.servers.insert(server, Turn::Now(number));
        Some(Round { server, number })
    }

    /// A round has ended. `chance`, from 0 to 1, keeps a rack's BMCs from being read in one burst the next time.
    pub fn ended(&mut self, round: Round, ended: Ended, chance: f64, now: Instant) {
        let after = match ended {
            Ended::Read => EVERY.mul_f64(1.0 - chance.clamp(0.0, 1.0) / 4.0),
            Ended::Unfinished => UNFINISHED_AGAIN,
            Ended::NotLetIn => NOT_LET_IN_AGAIN,
        };
        // One that was declared anew meanwhile, or forgotten, has its turn already, or none.
        if let Some(turn) = self.servers.get_mut(&round.server)
            && *turn == Turn::Now(round.number)
        {
            *turn = Turn::At(now + after);
        }
    }

    /// When [`Rounds::start`] is worth calling again, should no round end before.
    pub fn timeout(&self) -> Option<Instant> {
        self.next().map(|(_, at)| at)
    }

    fn next(&self) -> Option<(ServerId, Instant)> {
        let waiting = self.servers.iter().filter_map(|(server, turn)| match turn {
            Turn::At(at) => Some((*server, *at)),
            Turn::Now(_) => None,
        });
        waiting.min_by_key(|(_, at)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_are_read_at_a_time_and_each_again_when_its_time_has_come() {
        let check = |ended: Ended, after: Duration| {
            let now = Instant::now();
            let mut rounds = Rounds::default();
            (0..AT_ONCE + 1).for_each(|_| rounds.know(ServerId::random(), now));
            let started: Vec<_> = std::iter::from_fn(|| rounds.start(now)).collect();
            assert_eq!(started.len(), AT_ONCE, "the last one waits for a place");
            rounds.ended(started[0], ended, 0.0, now);
            let last = rounds.start(now).expect("the place goes to who waits");
            assert!(started.iter().all(|round| round.server != last.server));
            rounds.ended(last, Ended::Read, 0.0, now);
            assert_eq!(rounds.start(now + after - Duration::from_millis(1)), None, "{ended:?}");
            assert_eq!(rounds.timeout(), Some(now + after), "{ended:?}");
            let again = rounds.start(now + after).map(|round| round.server);
            assert_eq!(again, Some(started[0].server), "{ended:?}");
        };
        check(Ended::NotLetIn, NOT_LET_IN_AGAIN);
        check(Ended::Unfinished, UNFINISHED_AGAIN);
    }

    #[test]
    fn a_server_that_was_declared_anew_is_read_anew() {
        let now = Instant::now();
        let (mut rounds, server) = (Rounds::default(), ServerId::random());
        rounds.know(server, now);
        let former = rounds.start(now).unwrap();
        rounds.know(server, now);
        rounds.ended(former, Ended::Read, 0.0, now);
        let new = rounds.start(now).expect("the round that ended was of its former BMC");
        rounds.ended(former, Ended::Unfinished, 0.0, now);
        rounds.ended(new, Ended::Read, 0.0, now);
        assert_eq!(rounds.timeout(), Some(now + EVERY), "the end of another round changes nothing");
        rounds.forget(server);
        rounds.ended(new, Ended::Read, 0.0, now);
        assert_eq!((rounds.start(now + EVERY), rounds.timeout()), (None, None));
    }
}
