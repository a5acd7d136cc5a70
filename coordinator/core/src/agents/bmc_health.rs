//! Edges: how BMCs answer, as their agents said last. Kept in memory alone: a coordinator that has begun anew, or another one, knows
//! it again when the agents have said it again, within half a minute.

use std::{collections::HashMap, time::Duration};

use domain::rim::HeardHealth;
use protocol::{
    bmc_health::{BmcHealth, HEALTH_EVERY},
    id::{RackId, ServerId},
};
use tokio::time::Instant;

use super::hub::AgentHub;

/// What was said longer ago is forgotten: its server is gone, or its agent is.
const KEPT_FOR: Duration = HEALTH_EVERY.saturating_mul(20);
/// Most BMCs of one rack that are remembered.
const HEALTHS_PER_RACK_MAX: usize = 20_000;

/// What the racks' agents said.
#[derive(Default)]
pub(super) struct Healths(HashMap<RackId, HashMap<ServerId, (BmcHealth, std::time::Instant)>>);

impl Healths {
    fn heard(&mut self, rack: &RackId, healths: Vec<BmcHealth>, now: std::time::Instant) {
        let of_rack = self.0.entry(rack.clone()).or_default();
        for health in healths {
            if of_rack.len() < HEALTHS_PER_RACK_MAX || of_rack.contains_key(&health.server) {
                of_rack.insert(health.server, (health, now));
            }
        }
        of_rack.retain(|_, (_, heard)| now.saturating_duration_since(*heard) <= KEPT_FOR);
    }

    fn of(&self, rack: &RackId, server: ServerId, now: std::time::Instant) -> Option<HeardHealth> {
        let (health, heard) = self.0.get(rack)?.get(&server)?;
        let ago = now.saturating_duration_since(*heard);
        (ago <= KEPT_FOR).then(|| HeardHealth { health: health.clone(), ago })
    }
}

impl AgentHub {
    /// A rack's agent said how BMCs answer.
    pub(super) fn health_heard(&self, rack: &RackId, healths: Vec<BmcHealth>) {
        self.state().healths.heard(rack, healths, Instant::now().into_std());
    }

    /// How a server's BMC answers, as the agent of its rack said.
    pub(super) fn health_of(&self, rack: &RackId, server: ServerId) -> Option<HeardHealth> {
        self.state().healths.of(rack, server, Instant::now().into_std())
    }
}

#[cfg(test)]
mod tests {
    use protocol::bmc_health::BreakerState;

    use super::*;

    fn health(server: ServerId, asked: u32) -> BmcHealth {
        BmcHealth {
            server,
            answers: Some(true),
            asked,
            failed: 0,
            latency: None,
            sessions: 1,
            breaker: BreakerState::Closed,
            last_error: None,
            reading_age: None,
        }
    }

    #[test]
    fn the_last_word_of_the_servers_own_rack_counts_for_a_while() {
        let began = std::time::Instant::now();
        let [rack, other]: [RackId; 2] = ["rack1", "rack2"].map(|name| name.parse().unwrap());
        let server = ServerId::random();
        let mut healths = Healths::default();
        healths.heard(&rack, vec![health(server, 1)], began);
        healths.heard(&rack, vec![health(server, 2), health(ServerId::random(), 9)], began + HEALTH_EVERY);
        healths.heard(&other, vec![health(server, 7)], began + HEALTH_EVERY);
        let check = |after: Duration, expected: Option<u32>| {
            let found = healths.of(&rack, server, began + HEALTH_EVERY + after);
            assert_eq!(
                found.as_ref().map(|found| (found.health.asked, found.ago)),
                expected.map(|asked| (asked, after))
            );
        };
        check(Duration::ZERO, Some(2));
        check(KEPT_FOR, Some(2));
        check(KEPT_FOR + Duration::from_secs(1), None);
        assert!(healths.of(&rack, ServerId::random(), began).is_none());
    }
}
