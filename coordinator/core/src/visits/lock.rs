//! Edges: one server, one hand: the gate and reconciliation never move the same ports at the same time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use protocol::id::ServerId;
use tokio::sync::OwnedMutexGuard;

/// One lock per server. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct ServerLocks(Arc<Mutex<HashMap<ServerId, Arc<tokio::sync::Mutex<()>>>>>);

impl ServerLocks {
    /// Waits for the server's lock.
    pub async fn lock(&self, server: ServerId) -> OwnedMutexGuard<()> {
        self.of(server).lock_owned().await
    }

    /// Takes the server's lock when nobody has it.
    pub fn try_lock(&self, server: ServerId) -> Option<OwnedMutexGuard<()>> {
        self.of(server).try_lock_owned().ok()
    }

    fn of(&self, server: ServerId) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Locks that nobody holds are dropped, so that the map stays as small as the number of visits under way.
        locks.retain(|id, lock| *id == server || Arc::strong_count(lock) > 1);
        Arc::clone(locks.entry(server).or_default())
    }
}
