//! Edges: how long servers wait, as figures and as alarms: an isolation that waits is a tenant's network that is open.

use std::time::Duration;

use domain::events::EventKind;
use tokio_util::sync::CancellationToken;

use super::Reconcile;
use crate::visits::{Lane, Overdue};

/// How often the waits are looked at.
const WATCH_EVERY: Duration = Duration::from_secs(1);
/// An isolation that is not done so long after its report is an alarm.
const ISOLATION_WAIT_MAX: Duration = Duration::from_secs(30);
/// Ports that were not read back for so long are an alarm.
const LOOK_WAIT_MAX: Duration = Duration::from_secs(300);
/// So many servers are named at a time; with more of them one cause is at work, and the rest is counted.
const NAMED_MAX: usize = 20;

impl Reconcile {
    pub(super) async fn watch_until(&self, stop: CancellationToken) {
        loop {
            self.watch().await;
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(WATCH_EVERY) => {}
            }
        }
    }

    /// Tells the figures, and whatever has waited for too long, once until it is done.
    pub(super) async fn watch(&self) {
        let waited = |lane| self.parts.wake.oldest(lane).unwrap_or_default();
        counters::oldest_waits(waited(Lane::Isolate), waited(Lane::Look));
        for lane in Lane::ALL {
            let (asked, visited) = self.parts.wake.count(lane);
            counters::visits(lane.as_str(), asked, visited);
        }
        self.alarm(self.parts.wake.overdue(Lane::Isolate, ISOLATION_WAIT_MAX), |name, one| {
            format!(
                "{name} was reported off {} s ago and is not isolated yet: {}",
                one.waited.as_secs(),
                one.waits_for
            )
        })
        .await;
        self.alarm(self.parts.wake.overdue(Lane::Look, LOOK_WAIT_MAX), |name, one| {
            let age = one.waited.as_secs();
            format!("the ports of {name} were not read back for {age} s: {}", one.waits_for)
        })
        .await;
    }

    async fn alarm(&self, overdue: Vec<Overdue>, text: impl Fn(&str, &Overdue) -> String) {
        let unnamed = overdue.len().saturating_sub(NAMED_MAX);
        for (index, one) in overdue.iter().take(NAMED_MAX).enumerate() {
            // A server that cannot be read is named by its id.
            let server = self.parts.inventory.server(one.server).await.ok().flatten();
            let mut text = text(&server.map_or_else(|| one.server.to_string(), |server| server.name), one);
            if index == 0 && unnamed > 0 {
                text.push_str(&format!("; the same applies to {} more servers", overdue.len() - 1));
            }
            self.parts.inventory.record(one.server, EventKind::Alarm, text).await;
        }
    }
}
