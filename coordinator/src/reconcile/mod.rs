//! Edges: reconciliation: looks at each server, decides from stored facts, and does the next thing, again and again.
//!
//! Level-triggered: a visit follows from a signal or from the timer, and reads everything anew; signals only shorten the
//! wait, so a crash anywhere loses nothing. Isolation is tried for ever, with a pause that grows and a reason that is shown.

mod lock;
mod poll;
mod visit;
mod wake;

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use protocol::id::ServerId;
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::warn;

pub use lock::ServerLocks;
pub use wake::Wake;

use crate::{
    gate::Presence,
    inventory::Inventory,
    mover::Mover,
    port::{Agents, Provisioner},
};

/// Servers that are looked at at the same time.
const VISITS_MAX: usize = 8;
/// Each server is looked at at least this often.
const TICK: Duration = Duration::from_secs(10);
/// First pause after something that failed; it doubles.
const RETRY_FIRST: Duration = Duration::from_millis(500);
/// Longest pause: isolation keeps trying.
const RETRY_MAX: Duration = Duration::from_secs(10);

/// What reconciliation works with.
pub struct Reconcile {
    /// The inventory.
    pub inventory: Inventory,
    /// Ironic.
    pub provisioner: Arc<dyn Provisioner>,
    /// The agents.
    pub agents: Arc<dyn Agents>,
    /// Which of them are here.
    pub presence: Arc<dyn Presence>,
    /// Moves ports.
    pub mover: Mover,
    /// One hand per server.
    pub locks: ServerLocks,
    /// Who should be looked at.
    pub wake: Wake,
    /// Makes nodes in Ironic that are missing there, and finishes what was begun to be forgotten.
    pub enrol: Arc<crate::enrol::Enrol>,
    /// How often Ironic is asked for its nodes.
    pub poll_ironic_every: Duration,
    /// Pauses after failures, by server.
    pub retries: Retries,
}

impl Reconcile {
    /// Runs until told to stop; every visit under way is finished.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let tasks = TaskTracker::new();
        for _ in 0..VISITS_MAX {
            let (this, stop) = (Arc::clone(&self), stop.clone());
            tasks.spawn(async move {
                loop {
                    let visit = tokio::select! {
                        () = stop.cancelled() => return,
                        visit = this.wake.next() => visit,
                    };
                    this.visit(visit.server).await;
                }
            });
        }
        let (this, stopped) = (Arc::clone(&self), stop.clone());
        tasks.spawn(async move { this.poll_until(stopped).await });
        let (this, stopped) = (Arc::clone(&self), stop.clone());
        tasks.spawn(async move { this.tick_until(stopped).await });
        tasks.close();
        tasks.wait().await;
    }

    async fn tick_until(&self, stop: CancellationToken) {
        loop {
            match self.inventory.servers(None).await {
                Ok(servers) => self.wake.wake_all(servers.into_iter().map(|server| server.id)),
                Err(error) => warn!(error = %error, "servers not read"),
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(TICK) => {}
            }
        }
    }
}

/// Pauses after failures, by server; gone with the next success.
#[derive(Debug, Default)]
pub struct Retries(Mutex<HashMap<ServerId, Retry>>);

#[derive(Clone, Copy, Debug)]
struct Retry {
    pause: Duration,
    not_before: Instant,
}

impl Retries {
    /// Whether the server's pause is over.
    fn is_due(&self, id: ServerId) -> bool {
        self.map().get(&id).is_none_or(|retry| retry.not_before <= Instant::now())
    }

    /// Begins the next, longer pause and says how long it is.
    fn failed(&self, id: ServerId) -> Duration {
        let mut map = self.map();
        let pause = map.get(&id).map_or(RETRY_FIRST, |retry| (retry.pause * 2).min(RETRY_MAX));
        map.insert(id, Retry { pause, not_before: Instant::now() + pause });
        pause
    }

    fn succeeded(&self, id: ServerId) {
        self.map().remove(&id);
    }

    fn map(&self) -> std::sync::MutexGuard<'_, HashMap<ServerId, Retry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
