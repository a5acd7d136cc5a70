//! Edges: which agents are alive: how old what each says is by its heartbeats, and whether one that is away may be waited for.

use std::time::Duration;

use async_trait::async_trait;
use domain::{
    events::EventKind,
    rim::{AgentConnection, HeardHealth, Presence},
};
use protocol::{
    heartbeat::HEARTBEAT_EVERY,
    id::{RackId, ServerId},
    power_budget::AGENT_WAIT_MAX,
};
use tokio::time::Instant;

use super::{
    hub::AgentHub,
    readings::{News, Readings},
};

/// An agent that is away is waited for only when it has been here within this time, or has not yet had it to come since we began.
pub const AGENT_EXPECTED_FOR: Duration = Duration::from_secs(30);

fn now() -> std::time::Instant {
    Instant::now().into_std()
}

impl AgentHub {
    /// A heartbeat arrived on a rack's stream.
    pub(super) fn heard(&self, rack: &RackId, oldest: Option<Duration>) {
        let mut state = self.state();
        let readings = Readings::heard(state.readings.get(rack), oldest, now());
        state.readings.insert(rack.clone(), readings);
    }

    /// Tells of a rack's readings when they grow old and when they are fresh again, for as long as it is waited on.
    pub(super) async fn watch_readings(&self, rack: &RackId) {
        loop {
            tokio::time::sleep(HEARTBEAT_EVERY).await;
            let news = self.state().readings.get_mut(rack).and_then(|readings| readings.news(now()));
            let (kind, text) = match news {
                None => continue,
                Some(News::Old(age)) => (
                    EventKind::Alarm,
                    format!(
                        "the oldest power reading of rack {rack} is {} s old: a server that goes off is noticed that late; \
                         check the CPU load and the log of the rack's agent, or move some of its servers to another agent",
                        age.as_secs()
                    ),
                ),
                Some(News::Fresh) => {
                    (EventKind::Agent, format!("the power readings of rack {rack} are up to date again"))
                }
            };
            self.inventory.record_event(None, Some(rack.clone()), kind, text).await;
        }
    }

    /// Whether it has just gone away, or has been here before and had no time to come since we began.
    pub(super) async fn is_expected(&self, rack: &RackId) -> bool {
        if self.connected(rack).is_some() {
            return false;
        }
        let away_us = self.inventory.clock().now_us().saturating_sub(self.away_since_us(rack));
        // One that was never here is not waited for; when the inventory does not say, nobody waits.
        Duration::from_micros(away_us) <= AGENT_EXPECTED_FOR
            && matches!(self.inventory.agent(rack).await, Ok(Some(_)))
    }
}

#[async_trait]
impl Presence for AgentHub {
    fn oldest_reading(&self, rack: &RackId) -> Option<Duration> {
        self.state().readings.get(rack).and_then(|readings| readings.age(now()))
    }

    fn bmc_health(&self, rack: &RackId, server: ServerId) -> Option<HeardHealth> {
        self.health_of(rack, server)
    }

    async fn await_back(&self, rack: &RackId) {
        if !self.is_expected(rack).await {
            return;
        }
        let mut arrivals = self.arrivals.subscribe();
        let back = arrivals.wait_for(|_| self.connected(rack).is_some());
        // An error would be the end of the sender, which is ours; too late is too late, and the caller sees it.
        let _ = tokio::time::timeout(AGENT_WAIT_MAX, back).await;
    }

    fn connection(&self, rack: &RackId) -> AgentConnection {
        if self.connected(rack).is_some() {
            return AgentConnection::Connected;
        }
        let since_us = self.away_since_us(rack);
        let since = jiff::Timestamp::from_microsecond(i64::try_from(since_us).unwrap_or(i64::MAX));
        let since = since.map_or_else(|_| "the beginning".to_owned(), |time| format!("{time:.0}"));
        AgentConnection::Disconnected(format!(
            "the agent of rack {rack} has been disconnected since {since}; check its host, its service and its log"
        ))
    }
}
