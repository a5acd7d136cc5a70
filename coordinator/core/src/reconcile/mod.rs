//! Edges: reconciliation: looks at each server, decides from stored facts, and does the next thing, again and again.
//!
//! ```text
//!   a report, Ironic's node, an answer, a round every 10 s --> Wake --> Queue: lanes with slots of their own
//!        Isolate: first come, first served, and before everything else of the same server
//!        Check, Round: what do the stored facts call for? --> Isolate, Tell, Move, EndBoot, Look, Enroll, Identify
//! ```
//!
//! Level-triggered: a visit follows from a signal or from the timer, and reads everything anew; signals only shorten the
//! wait, so a crash anywhere loses nothing. Isolation is tried for ever, with a pause that grows and a reason that is shown;
//! whatever routine waits for, it waits in slots of its own.

mod poll;
mod visit;
mod watch;
mod work;

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use domain::{lifecycle::isolation_is_due, records::Server};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::warn;

use crate::{
    enroll::Enroller,
    parts::Parts,
    visits::{Due, Lane},
};

/// Each server is looked at at least this often.
const TICK: Duration = Duration::from_secs(10);
/// A round's visits begin so far apart, or closer where a round would take longer than a tick otherwise.
const ROUND_GAP: Duration = Duration::from_millis(1);

/// Reconciliation.
pub struct Reconcile {
    /// What it works with.
    pub parts: Parts,
    /// Makes nodes in Ironic that are missing there, and finishes what was begun to be forgotten.
    pub enroll: Arc<Enroller>,
    /// How often Ironic is asked for its nodes.
    pub poll_ironic_every: Duration,
}

impl Reconcile {
    /// Runs until told to stop; every visit under way is finished.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let tasks = TaskTracker::new();
        let (this, stopped) = (Arc::clone(&self), stop.clone());
        tasks.spawn(async move { this.poll_until(stopped).await });
        let (this, stopped) = (Arc::clone(&self), stop.clone());
        tasks.spawn(async move { this.tick_until(stopped).await });
        let (this, stopped) = (Arc::clone(&self), stop.clone());
        tasks.spawn(async move { this.watch_until(stopped).await });
        loop {
            let visit = tokio::select! {
                () = stop.cancelled() => break,
                visit = self.parts.wake.next() => visit,
            };
            let this = Arc::clone(&self);
            tasks.spawn(async move { this.serve(visit).await });
        }
        tasks.close();
        tasks.wait().await;
    }

    async fn tick_until(&self, stop: CancellationToken) {
        loop {
            match self.parts.inventory.servers(None).await {
                Ok(servers) => self.begin_round(&servers),
                Err(error) => warn!(error = %error, "servers not read"),
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(TICK) => {}
            }
        }
    }

    /// Asks for everything that the stored facts call for, whatever signal was lost: isolations at once, the rest in its turn.
    fn begin_round(&self, servers: &[Server]) {
        let is_isolation = |server: &&Server| isolation_is_due(&server.facts(None, true));
        for server in servers.iter().filter(is_isolation) {
            self.parts.wake.ask(server.id, self.isolation_of(server));
        }
        let count = u32::try_from(servers.len().max(1)).unwrap_or(u32::MAX);
        let gap = ROUND_GAP.min(TICK / count);
        let mut pause = Duration::ZERO;
        for server in servers {
            self.parts.wake.ask(server.id, Due { lane: Lane::Round, waited: Duration::ZERO, pause });
            pause += gap;
        }
    }

    /// Asks for a visit to a server of which something was stored just now.
    fn notice(&self, server: &Server) {
        if isolation_is_due(&server.facts(None, true)) {
            self.parts.wake.ask(server.id, self.isolation_of(server));
        }
        self.parts.wake.wake(server.id);
    }
}
