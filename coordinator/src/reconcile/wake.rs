//! Edges: who should be looked at soon. A signal only shortens a wait: losing one loses nothing.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use protocol::id::ServerId;
use tokio::sync::Notify;

/// The servers that should be looked at, and whether Ironic should be asked again. Bounded by the number of servers,
/// because each is in it once. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Wake(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    servers: Mutex<BTreeSet<ServerId>>,
    some: Notify,
    poll: Notify,
}

impl Wake {
    /// Look at this server soon.
    pub fn wake(&self, server: ServerId) {
        self.set().insert(server);
        self.0.some.notify_one();
    }

    /// Look at all of these soon.
    pub fn wake_all(&self, servers: impl IntoIterator<Item = ServerId>) {
        self.set().extend(servers);
        self.0.some.notify_one();
    }

    /// Ask Ironic for its nodes soon: something was changed there.
    pub fn poll_ironic(&self) {
        self.0.poll.notify_one();
    }

    /// The next server to look at.
    pub async fn next(&self) -> ServerId {
        loop {
            if let Some(server) = self.set().pop_first() {
                return server;
            }
            self.0.some.notified().await;
        }
    }

    /// Returns when Ironic should be asked.
    pub async fn poll_wanted(&self) {
        self.0.poll.notified().await;
    }

    fn set(&self) -> std::sync::MutexGuard<'_, BTreeSet<ServerId>> {
        // A set of ids is whole even after a panic elsewhere.
        self.0.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
