//! Decisions: which server is visited next, in which lane. Time is an argument, in microseconds of one clock that only rises.
//!
//! ```text
//!   ask(server, lane, since, ready) --> waits in its lane, ordered by the time at which it is ready
//!   take(now)  --> the next visit: lanes by their urgency, each first come first served, in slots of its own
//!   end(server, how) --> done: gone | failed: again after a pause that grows | later | gave way: keeps its place
//! ```
//!
//! What must stay true: a server is visited once at a time; what was asked during a visit leads to another one; while an
//! isolation is asked for nothing else begins but a look at stored facts, and what is under way is told to give way; in a lane
//! nobody is served before somebody who was ready earlier, except that what failed before holds at most half of the slots.
//! Every server is in it once, so it is bounded by the number of servers.

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
mod waits;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use protocol::{backoff::Backoff, id::ServerId};

use super::lane::Lane;
pub use waits::Overdue;

/// First pause after something that failed; it doubles.
pub const RETRY_FIRST: Duration = Duration::from_millis(500);
/// Longest pause: isolation keeps trying.
pub const RETRY_MAX: Duration = Duration::from_secs(10);

/// Servers that are to be visited, and those that are.
#[derive(Debug, Default)]
pub struct Queue {
    servers: HashMap<ServerId, Entry>,
    lines: BTreeMap<Lane, Line>,
    /// Tells apart what is ready at the same time: first come, first served.
    last: u64,
}

/// Those who wait in one lane, and how many are visited in it.
#[derive(Debug, Default)]
struct Line {
    fresh: BTreeSet<Place>,
    retries: BTreeSet<Place>,
    visited: usize,
    retried: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    ready_us: u64,
    number: u64,
    server: ServerId,
}

#[derive(Debug, Default)]
struct Entry {
    asks: BTreeMap<Lane, Ask>,
    visit: Option<Visiting>,
}

/// What is asked for in one lane; it stays until a visit is done with it.
#[derive(Clone, Debug)]
struct Ask {
    /// It is wanted since then.
    since_us: u64,
    ready_us: u64,
    number: u64,
    failures: u32,
    /// Not before its time, whoever asks: it failed, or somebody else had the server.
    is_paused: bool,
    reason: Option<String>,
    is_told: bool,
}

#[derive(Clone, Copy, Debug)]
struct Visiting {
    lane: Lane,
    is_retry: bool,
    /// Asked for again since it began, from then on.
    again_us: Option<(u64, u64)>,
}

/// A visit that may begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Of this server.
    pub server: ServerId,
    /// In this lane.
    pub lane: Lane,
    /// Why the last try failed, when it did.
    pub failed: Option<String>,
}

/// How a visit ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// There is nothing left to do in its lane.
    Done,
    /// Not yet; nothing failed.
    Later(Duration),
    /// It failed, for this reason.
    Failed(String),
    /// It was cut off for an isolation and is still to be done.
    GaveWay,
}

/// The pause after so many failures in a row.
pub fn retry_pause(failures: u32) -> Duration {
    Backoff::new(RETRY_FIRST, RETRY_MAX).after(failures)
}

impl Queue {
    /// Asks for a visit. `since_us`: since when it is wanted; `ready_us`: it may begin then. What is asked for already keeps the
    /// earlier of both times, and its pause when it has one. Says whether a visit under way must give way.
    #[must_use]
    pub fn ask(&mut self, server: ServerId, lane: Lane, since_us: u64, ready_us: u64) -> bool {
        self.last += 1;
        let number = self.last;
        self.change(server, |entry| entry.ask(lane, since_us, ready_us, number))
    }

    /// A server went off just now: its isolation is asked for as new, whatever failed before. Says whether a visit under way
    /// must give way.
    #[must_use]
    pub fn isolate_anew(&mut self, server: ServerId, now_us: u64) -> bool {
        self.change(server, |entry| {
            let under_way = entry.visit.is_some_and(|visit| visit.lane == Lane::Isolate);
            if !under_way {
                entry.asks.remove(&Lane::Isolate);
            }
        });
        self.ask(server, Lane::Isolate, now_us, now_us)
    }

    /// The next visit, when a server and a slot of its lane are free. The server is nobody else's until [`Queue::end`].
    pub fn take(&mut self, now_us: u64) -> Option<Taken> {
        let (lane, place, is_retry) = Lane::ALL.into_iter().find_map(|lane| {
            let (place, is_retry) = self.lines.get(&lane)?.next(lane)?;
            (place.ready_us <= now_us).then_some((lane, place, is_retry))
        })?;
        let failed = self.change(place.server, |entry| {
            entry.visit = Some(Visiting { lane, is_retry, again_us: None });
            let ask = entry.asks.get_mut(&lane)?;
            ask.is_paused = false;
            ask.reason.clone()
        });
        let line = self.lines.entry(lane).or_default();
        line.visited += 1;
        line.retried += usize::from(is_retry);
        Some(Taken { server: place.server, lane, failed })
    }

    /// A visit has ended.
    pub fn end(&mut self, server: ServerId, how: End, now_us: u64) {
        let Some(visit) = self.servers.get(&server).and_then(|entry| entry.visit) else { return };
        self.last += 1;
        let number = self.last;
        self.change(server, |entry| entry.end(visit, how, now_us, number));
        let line = self.lines.entry(visit.lane).or_default();
        line.visited -= 1;
        line.retried -= usize::from(visit.is_retry);
    }

    /// When [`Queue::take`] has something next, if nothing is asked for and no visit ends before.
    pub fn next_us(&self) -> Option<u64> {
        let next = |(lane, line): (&Lane, &Line)| line.next(*lane).map(|(place, _)| place.ready_us);
        self.lines.iter().filter_map(next).min()
    }

    /// Whether something of this server failed and is still to be done.
    pub fn is_failing(&self, server: ServerId) -> bool {
        self.servers.get(&server).is_some_and(|entry| entry.asks.values().any(|ask| ask.failures > 0))
    }

    /// Changes one server's entry and puts it where it then waits.
    fn change<T>(&mut self, server: ServerId, how: impl FnOnce(&mut Entry) -> T) -> T {
        let entry = self.servers.entry(server).or_default();
        for (lane, ask) in &entry.asks {
            let line = self.lines.entry(*lane).or_default();
            line.of(ask).remove(&ask.place(server));
        }
        let done = how(entry);
        for (lane, ask) in entry.waiting() {
            let line = self.lines.entry(lane).or_default();
            line.of(ask).insert(ask.place(server));
        }
        if entry.asks.is_empty() && entry.visit.is_none() {
            self.servers.remove(&server);
        }
        done
    }
}

impl Line {
    fn of(&mut self, ask: &Ask) -> &mut BTreeSet<Place> {
        if ask.failures > 0 { &mut self.retries } else { &mut self.fresh }
    }

    /// Who is first, and whether that is a retry, when there is a free slot.
    fn next(&self, lane: Lane) -> Option<(Place, bool)> {
        if self.visited >= lane.slots() {
            return None;
        }
        let fresh = self.fresh.first().map(|place| (*place, false));
        let may_retry = self.retried < lane.retry_slots();
        let retry = self.retries.first().filter(|_| may_retry).map(|place| (*place, true));
        fresh.into_iter().chain(retry).min()
    }
}

impl Ask {
    fn new(since_us: u64, ready_us: u64, number: u64) -> Self {
        Self { since_us, ready_us, number, failures: 0, is_paused: false, reason: None, is_told: false }
    }

    fn place(&self, server: ServerId) -> Place {
        Place { ready_us: self.ready_us, number: self.number, server }
    }

    fn pause(&mut self, until_us: u64, number: u64) {
        (self.ready_us, self.number, self.is_paused) = (until_us, number, true);
    }
}

impl Entry {
    /// What waits for a slot: nothing while the server is visited, and nothing beside an isolation but looks at stored facts.
    fn waiting(&self) -> impl Iterator<Item = (Lane, &Ask)> {
        let is_free = self.visit.is_none();
        let isolates = self.asks.contains_key(&Lane::Isolate);
        let may = move |lane: Lane| is_free && (!isolates || lane.goes_beside_isolation());
        self.asks.iter().map(|(lane, ask)| (*lane, ask)).filter(move |(lane, _)| may(*lane))
    }

    fn ask(&mut self, lane: Lane, since_us: u64, ready_us: u64, number: u64) -> bool {
        if let Some(visit) = self.visit.as_mut().filter(|visit| visit.lane == lane) {
            let (since, ready) = visit.again_us.unwrap_or((since_us, ready_us));
            visit.again_us = Some((since.min(since_us), ready.min(ready_us)));
            return false;
        }
        let ask = self.asks.entry(lane).or_insert_with(|| Ask::new(since_us, ready_us, number));
        ask.since_us = ask.since_us.min(since_us);
        if !ask.is_paused && ready_us < ask.ready_us {
            (ask.ready_us, ask.number) = (ready_us, number);
        }
        let gives_way = |visit: Visiting| !visit.lane.goes_beside_isolation();
        lane == Lane::Isolate && self.visit.is_some_and(gives_way)
    }

    fn end(&mut self, visit: Visiting, how: End, now_us: u64, number: u64) {
        self.visit = None;
        let Some(ask) = self.asks.get_mut(&visit.lane) else { return };
        match how {
            End::Done => match visit.again_us {
                Some((since_us, ready_us)) => *ask = Ask::new(since_us, ready_us, number),
                None => drop(self.asks.remove(&visit.lane)),
            },
            End::Later(pause) => ask.pause(after(now_us, pause), number),
            End::Failed(reason) => {
                ask.failures = ask.failures.saturating_add(1);
                ask.reason = Some(reason);
                ask.pause(after(now_us, retry_pause(ask.failures)), number);
            }
            // It keeps its place.
            End::GaveWay => {}
        }
    }
}

fn after(now_us: u64, pause: Duration) -> u64 {
    now_us.saturating_add(u64::try_from(pause.as_micros()).unwrap_or(u64::MAX))
}
