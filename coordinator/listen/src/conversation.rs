//! Decisions: what goes on on one connection, whether it may have to make room, and when it has been silent for too long.

use std::{collections::BTreeMap, fmt, time::Instant};

use super::terms::Timers;

/// What goes on on one connection.
#[derive(Debug)]
pub(super) struct Conversation {
    moved: Instant,
    /// Whether a whole head has come.
    is_begun: bool,
    /// Whether the client has shown a certificate of ours.
    is_certified: bool,
    /// Requests whose answers are not at their end, and whether each has come whole.
    exchanges: BTreeMap<u64, bool>,
    next: u64,
}

/// Why a connection is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overdue {
    /// No request came.
    FirstHead,
    /// Nothing was asked for any more.
    Idle,
    /// Nothing came of what was under way.
    Stall,
}

impl fmt::Display for Overdue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Overdue::FirstHead => "no whole request head came in time",
            Overdue::Idle => "nothing was asked for any more",
            Overdue::Stall => "nothing moved any more in a request under way",
        })
    }
}

impl Conversation {
    /// A connection was accepted.
    pub(super) fn new(now: Instant) -> Self {
        Self { moved: now, is_begun: false, is_certified: false, exchanges: BTreeMap::new(), next: 0 }
    }

    /// The client has shown a certificate of ours.
    pub(super) fn certified(&mut self) {
        self.is_certified = true;
    }

    /// The head of a request came; the name of what follows.
    pub(super) fn head(&mut self, now: Instant) -> u64 {
        (self.moved, self.is_begun) = (now, true);
        self.next += 1;
        self.exchanges.insert(self.next, false);
        self.next
    }

    /// A part of a request came, or a part of an answer was taken.
    pub(super) fn moved(&mut self, now: Instant) {
        self.moved = now;
    }

    /// A request has come whole: what happens now is our work.
    pub(super) fn whole(&mut self, exchange: u64, now: Instant) {
        self.moved = now;
        if let Some(is_whole) = self.exchanges.get_mut(&exchange) {
            *is_whole = true;
        }
    }

    /// An answer is at its end, or nobody waits for it any more.
    pub(super) fn answered(&mut self, exchange: u64, now: Instant) {
        self.moved = now;
        self.exchanges.remove(&exchange);
    }

    /// Whether this connection makes no room for others. One whose requests are all in parts does: halves are easily sent.
    pub(super) fn is_held(&self) -> bool {
        self.is_certified || self.exchanges.values().any(|is_whole| *is_whole)
    }

    /// When it has been silent for too long, should nothing happen until then.
    pub(super) fn due(&self, timers: &Timers) -> (Instant, Overdue) {
        match (self.is_begun, self.exchanges.is_empty()) {
            // `moved` is the moment of acceptance: nothing but a head changes it before the first one.
            (false, _) => (self.moved + timers.first_head, Overdue::FirstHead),
            (true, true) => (self.moved + timers.idle, Overdue::Idle),
            (true, false) => (self.moved + timers.stall, Overdue::Stall),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_held_while_a_whole_request_is_worked_on_and_has_a_time_for_everything() {
        let (start, timers) = (Instant::now(), Timers::default());
        let mut talk = Conversation::new(start);
        let at = |ms: u64| start + std::time::Duration::from_millis(ms);
        #[track_caller]
        fn check(talk: &Conversation, held: bool, due: (Instant, Overdue)) {
            assert_eq!((talk.is_held(), talk.due(&Timers::default())), (held, due));
        }
        check(&talk, false, (start + timers.first_head, Overdue::FirstHead));
        let one = talk.head(at(1));
        check(&talk, false, (at(1) + timers.stall, Overdue::Stall));
        talk.moved(at(2));
        talk.whole(one, at(3));
        check(&talk, true, (at(3) + timers.stall, Overdue::Stall));
        // A second one in parts, on the same connection.
        let other = talk.head(at(4));
        talk.answered(one, at(5));
        check(&talk, false, (at(5) + timers.stall, Overdue::Stall));
        // It is answered before it is whole: what comes of it later holds nothing.
        talk.answered(other, at(6));
        talk.whole(other, at(7));
        check(&talk, false, (at(7) + timers.idle, Overdue::Idle));
        talk.certified();
        check(&talk, true, (at(7) + timers.idle, Overdue::Idle));
    }
}
