//! Decisions: how long servers have waited in the queue, for what, and which of them have waited for too long.

use std::{fmt, time::Duration};

use protocol::id::ServerId;

use super::{Entry, Queue};
use crate::visits::Lane;

/// Something that was asked for longer ago than it may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overdue {
    /// Of this server.
    pub server: ServerId,
    /// For so long.
    pub waited: Duration,
    /// What it waits for.
    pub waits_for: WaitsFor,
}

/// What a server waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WaitsFor {
    /// A free slot of its lane.
    Slot(Lane),
    /// The end of the try that is under way; the reason of the last one, when it failed.
    Try(Option<String>),
    /// Another visit of it, in this lane.
    Other(Lane),
    /// Whoever else holds it: a power-on that passes the gate, or an administrator's change.
    Holder,
    /// The next try; the last one failed for this reason.
    Retry(String),
    /// Its isolation, which comes first.
    Isolation,
}

impl fmt::Display for WaitsFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WaitsFor::Slot(lane) => write!(f, "it waits for one of the {} slots", lane.slots()),
            WaitsFor::Try(None) => f.write_str("a try is under way and Contrail has not answered"),
            WaitsFor::Try(Some(reason)) => write!(f, "it is tried again; the last try failed: {reason}"),
            WaitsFor::Other(lane) => write!(f, "it waits for the end of {}", lane.describe()),
            WaitsFor::Holder => {
                f.write_str("it waits for a power-on or another change of this server, which is under way")
            }
            WaitsFor::Retry(reason) => write!(f, "it is tried again; the last try failed: {reason}"),
            WaitsFor::Isolation => f.write_str("it waits for the server's isolation, which comes first"),
        }
    }
}

impl Queue {
    /// How long the oldest of a lane has waited, by the time since which it is wanted; those under way count too.
    pub fn oldest(&self, lane: Lane, now_us: u64) -> Option<Duration> {
        let asks = self.servers.values().filter_map(|entry| entry.asks.get(&lane));
        asks.map(|ask| age(ask.since_us, now_us)).max()
    }

    /// How many servers are asked for in a lane, and how many of them are visited in it.
    pub fn count(&self, lane: Lane) -> (usize, usize) {
        let asked = self.servers.values().filter(|entry| entry.asks.contains_key(&lane)).count();
        (asked, self.lines.get(&lane).map_or(0, |line| line.visited))
    }

    /// What has waited longer than `longest` in a lane and was not told yet, the oldest first. Each is told once, until it is done.
    pub fn overdue(&mut self, lane: Lane, longest: Duration, now_us: u64) -> Vec<Overdue> {
        let mut overdue = Vec::new();
        for (server, entry) in &mut self.servers {
            let waits_for = entry.waits_for(lane);
            let Some(ask) = entry.asks.get_mut(&lane) else { continue };
            let waited = age(ask.since_us, now_us);
            if ask.is_told || waited <= longest {
                continue;
            }
            ask.is_told = true;
            overdue.push(Overdue { server: *server, waited, waits_for });
        }
        overdue.sort_by_key(|one| (std::cmp::Reverse(one.waited), one.server));
        overdue
    }
}

impl Entry {
    fn waits_for(&self, lane: Lane) -> WaitsFor {
        let ask = self.asks.get(&lane);
        let reason = ask.and_then(|ask| ask.reason.clone());
        let isolates = self.asks.contains_key(&Lane::Isolate) && !lane.goes_beside_isolation();
        match (self.visit.map(|visit| visit.lane), reason) {
            (Some(visited), reason) if visited == lane => WaitsFor::Try(reason),
            (Some(visited), _) => WaitsFor::Other(visited),
            (None, _) if isolates => WaitsFor::Isolation,
            (None, Some(reason)) => WaitsFor::Retry(reason),
            (None, None) if ask.is_some_and(|ask| ask.is_paused) => WaitsFor::Holder,
            (None, None) => WaitsFor::Slot(lane),
        }
    }
}

fn age(since_us: u64, now_us: u64) -> Duration {
    Duration::from_micros(now_us.saturating_sub(since_us))
}
