//! Decisions: when the coordinator is told how the rack's BMCs answer, and how many of them are in which state.

use std::time::Instant;

use protocol::bmc_health::{HEALTH_EVERY, HEALTHS_MAX};

use super::{Effect, Rack};
use crate::bmc::breaker::Breaker;

/// How many of the rack's BMCs are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Breakers {
    /// Asked in their turn.
    pub closed: usize,
    /// Left in peace for a while.
    pub open: usize,
    /// Asked once, to see.
    pub half_open: usize,
}

impl Rack {
    /// How many BMCs are in which state, as of a second ago at most.
    pub fn breakers(&self) -> Breakers {
        self.breakers
    }

    /// Tells of all BMCs when their time has come, and before that of those whose state has changed.
    pub(super) fn tell_health(&mut self, now: Instant) {
        let all = self.health_due.is_none_or(|due| due <= now);
        if all {
            self.health_due = Some(now + HEALTH_EVERY);
        }
        let mut breakers = Breakers::default();
        let mut told = Vec::new();
        for (id, server) in &mut self.servers {
            let breaker = server.pulse.breaker();
            match breaker {
                Breaker::Closed { .. } => breakers.closed += 1,
                Breaker::Open { .. } => breakers.open += 1,
                Breaker::HalfOpen { .. } => breakers.half_open += 1,
            }
            if all || server.health.is_news(breaker) {
                told.push(server.health.tell(*id, breaker, now));
            }
        }
        self.breakers = breakers;
        for chunk in told.chunks(HEALTHS_MAX) {
            self.effects.push_back(Effect::Health(chunk.to_vec()));
        }
    }
}
