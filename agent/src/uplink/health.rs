//! Edges: summaries of how BMCs answer, on their way to the coordinator. Of each server the last one waits, and no more: what nobody
//! could be told is replaced by what is so now.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use protocol::{
    bmc_health::{BmcHealth, HEALTHS_MAX},
    id::ServerId,
};
use tokio::sync::Notify;

/// What waits to be told.
#[derive(Debug, Default)]
pub struct HealthBoard {
    waiting: Mutex<BTreeMap<ServerId, BmcHealth>>,
    news: Notify,
}

impl HealthBoard {
    /// Puts them up, in the place of older ones of the same servers.
    pub fn put(&self, healths: Vec<BmcHealth>) {
        let mut waiting = self.waiting();
        waiting.extend(healths.into_iter().map(|health| (health.server, health)));
        drop(waiting);
        self.news.notify_one();
    }

    /// A server is nobody's business any more.
    pub fn forget(&self, server: ServerId) {
        self.waiting().remove(&server);
    }

    /// Takes as many as go into one message, when there are any.
    pub async fn take(&self) -> Vec<BmcHealth> {
        loop {
            let taken = self.take_now();
            if !taken.is_empty() {
                return taken;
            }
            self.news.notified().await;
        }
    }

    fn take_now(&self) -> Vec<BmcHealth> {
        let mut waiting = self.waiting();
        std::iter::from_fn(|| waiting.pop_first()).take(HEALTHS_MAX).map(|(_, health)| health).collect()
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<ServerId, BmcHealth>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
