//! Edges: reads what BMCs say of themselves, and tells it. Polls and commands go in between: a BMC is asked one thing at a time, and
//! a part is many small questions.

pub mod rounds;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use protocol::{bmc_facts::FactsPart, id::ServerId, report::ReportBody};
use tokio::{
    sync::{Notify, mpsc},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use self::rounds::{Ended, Round, Rounds};
use crate::{
    bmc::{Bmc, BmcError},
    uplink::client::Seen,
};

/// A part that takes longer is given up.
pub const PART_MAX: Duration = Duration::from_secs(120);

/// Who reads what BMCs say of themselves.
#[derive(Default)]
pub struct Facts {
    known: Mutex<Known>,
    news: Notify,
}

#[derive(Default)]
struct Known {
    rounds: Rounds,
    bmcs: HashMap<ServerId, Arc<dyn Bmc>>,
}

impl Facts {
    /// A server is looked after by this connection; the same one again is no news.
    pub fn know(&self, server: ServerId, bmc: &Arc<dyn Bmc>) {
        let mut known = self.lock();
        if !known.bmcs.get(&server).is_some_and(|before| Arc::ptr_eq(before, bmc)) {
            known.bmcs.insert(server, Arc::clone(bmc));
            known.rounds.know(server, Instant::now());
            self.news.notify_one();
        }
    }

    /// It is not any more.
    pub fn forget(&self, server: ServerId) {
        let mut known = self.lock();
        known.bmcs.remove(&server);
        known.rounds.forget(server);
    }

    /// Reads and tells until it is stopped.
    pub async fn run(self: Arc<Self>, seen: mpsc::Sender<Seen>, stop: CancellationToken) {
        let mut reading = JoinSet::new();
        loop {
            while let Some((round, bmc)) = self.start() {
                let (facts, seen) = (Arc::clone(&self), seen.clone());
                reading.spawn(async move {
                    let ended = facts.read(round.server, &bmc, &seen).await;
                    facts.lock().rounds.ended(round, ended, rand::random(), Instant::now());
                });
            }
            let due = self.lock().rounds.timeout();
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.news.notified() => {}
                // Whoever has waited for a place gets it, whenever its time was.
                Some(_) = reading.join_next() => {}
                () = until(due), if reading.len() < rounds::AT_ONCE => {}
            }
        }
        reading.shutdown().await;
    }

    fn start(&self) -> Option<(Round, Arc<dyn Bmc>)> {
        let mut known = self.lock();
        let round = known.rounds.start(Instant::now())?;
        // Both are told of a server together.
        let bmc = known.bmcs.get(&round.server).cloned();
        bmc.map(|bmc| (round, bmc))
    }

    async fn read(&self, server: ServerId, bmc: &Arc<dyn Bmc>, seen: &mpsc::Sender<Seen>) -> Ended {
        if bmc.seen().await.is_none() {
            return Ended::NotLetIn;
        }
        for part in FactsPart::ALL {
            if !self.is_still(server, bmc) {
                return Ended::Unfinished;
            }
            match tokio::time::timeout(PART_MAX, bmc.facts(part)).await {
                Ok(Ok(Some(part))) => {
                    let body = ReportBody::Facts { part };
                    if !self.is_still(server, bmc) || seen.send(Seen { server, body }).await.is_err() {
                        return Ended::Unfinished;
                    }
                }
                Ok(Ok(None)) => {}
                Ok(Err(BmcError::Refused { reason, .. } | BmcError::NotUnderstood { reason, .. })) => {
                    tracing::debug!(%server, part = part.name(), reason, "a bmc does not tell a part of its facts");
                }
                Ok(Err(
                    error @ (BmcError::Unreachable { .. }
                    | BmcError::Credentials { .. }
                    | BmcError::OtherMachine { .. }),
                )) => {
                    tracing::debug!(%server, part = part.name(), %error, "the facts of a bmc were not read to their end");
                    return Ended::Unfinished;
                }
                Err(_) => {
                    tracing::info!(%server, part = part.name(), "a part of a bmc's facts takes too long, and is left");
                }
            }
        }
        Ended::Read
    }

    /// Reads and tells one part that may have changed, by this time at the latest. What cannot be read stays as it was told last.
    pub async fn read_anew(
        &self,
        server: ServerId,
        bmc: &Arc<dyn Bmc>,
        part: FactsPart,
        until: tokio::time::Instant,
        seen: &mpsc::Sender<Seen>,
    ) {
        match tokio::time::timeout_at(until, bmc.facts(part)).await {
            Ok(Ok(Some(part))) if self.is_still(server, bmc) => {
                // Without an uplink there is nobody to tell.
                let _ = seen.send(Seen { server, body: ReportBody::Facts { part } }).await;
            }
            Ok(Ok(Some(_) | None)) => {}
            Ok(Err(error)) => {
                tracing::info!(%server, part = part.name(), %error, "what an order may have changed was not read anew");
            }
            Err(_) => {
                tracing::info!(%server, part = part.name(), "what an order may have changed is not read anew in time");
            }
        }
    }

    /// Whether it is by this connection that the server is looked after.
    fn is_still(&self, server: ServerId, bmc: &Arc<dyn Bmc>) -> bool {
        self.lock().bmcs.get(&server).is_some_and(|now| Arc::ptr_eq(now, bmc))
    }

    /// The tables hold no invariant across a panic, so a poisoned lock is as good as another.
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for a moment; for ever without one.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}
