//! Decisions: who has failed to log in so often that it is not listened to for a while.
//!
//! A failure is counted only after a packet has gone there and back, so nobody can be locked out in its own name by somebody else's
//! forged datagrams; and it is counted for the address that failed, so that failing does not lock Ironic out of a node.

use std::{
    collections::HashMap,
    net::IpAddr,
    time::{Duration, Instant},
};

use protocol::id::ServerId;

/// Failures of one address at one node before it must wait.
pub const FAILURES_AT_NODE_MAX: u32 = 5;
/// Failures of one address at all nodes together, and with names of no node.
pub const FAILURES_MAX: u32 = 20;
/// How long it must wait, and after which time without a failure all are forgotten.
pub const WAIT: Duration = Duration::from_secs(60);
/// Addresses and nodes that are remembered; the one that failed longest ago makes room.
const REMEMBERED_MAX: usize = 4096;

/// Of whom failures are counted: of an address at a node, or wherever.
type Who = (IpAddr, Option<ServerId>);

/// Failures, with the time of the last one.
#[derive(Default)]
pub struct Guard(HashMap<Who, (u32, Instant)>);

impl Guard {
    /// Whether an address may try to log in; once it has said at which node, at that one.
    pub fn lets(&self, from: IpAddr, node: Option<ServerId>, now: Instant) -> bool {
        let most = if node.is_some() { FAILURES_AT_NODE_MAX } else { FAILURES_MAX };
        !self.0.get(&(from, node)).is_some_and(|(count, last)| *count >= most && is_recent(*last, now))
    }

    /// It has failed.
    pub fn failed(&mut self, from: IpAddr, node: Option<ServerId>, now: Instant) {
        self.count((from, None), now);
        if node.is_some() {
            self.count((from, node), now);
        }
    }

    /// It has proved the password: what it failed at this node is forgotten.
    pub fn proved(&mut self, from: IpAddr, node: ServerId) {
        self.0.remove(&(from, Some(node)));
    }

    fn count(&mut self, who: Who, now: Instant) {
        if self.0.len() >= REMEMBERED_MAX && !self.0.contains_key(&who) {
            let oldest = self.0.iter().min_by_key(|(_, (_, last))| *last).map(|(who, _)| *who);
            oldest.map(|oldest| self.0.remove(&oldest));
        }
        let (count, last) = self.0.entry(who).or_insert((0, now));
        *count = if is_recent(*last, now) { count.saturating_add(1) } else { 1 };
        *last = now;
    }
}

fn is_recent(last: Instant, now: Instant) -> bool {
    now.saturating_duration_since(last) < WAIT
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    #[test]
    fn whoever_fails_on_and_on_waits_and_nobody_else_does() {
        let (mut guard, now) = (Guard::default(), Instant::now());
        let (node, other) = (Some(ServerId::random()), Some(ServerId::random()));
        for _ in 0..FAILURES_AT_NODE_MAX {
            assert!(guard.lets(HERE, node, now));
            guard.failed(HERE, node, now);
        }
        assert!(!guard.lets(HERE, node, now));
        assert!(guard.lets(HERE, other, now) && guard.lets(THERE, node, now) && guard.lets(HERE, None, now));
        for _ in FAILURES_AT_NODE_MAX..FAILURES_MAX {
            guard.failed(HERE, None, now);
        }
        assert!(!guard.lets(HERE, None, now) && guard.lets(THERE, None, now));
        assert!(guard.lets(HERE, node, now + WAIT) && guard.lets(HERE, None, now + WAIT));
    }

    #[test]
    fn a_proof_forgets_what_failed_before_and_memory_is_bounded() {
        let (mut guard, now) = (Guard::default(), Instant::now());
        let node = ServerId::random();
        (0..FAILURES_AT_NODE_MAX).for_each(|_| guard.failed(HERE, Some(node), now));
        guard.proved(HERE, node);
        assert!(guard.lets(HERE, Some(node), now));
        for n in 0..2 * REMEMBERED_MAX as u32 {
            guard.failed(IpAddr::from(n.to_be_bytes()), None, now + Duration::from_millis(n.into()));
        }
        assert_eq!(guard.0.len(), REMEMBERED_MAX);
    }
}
