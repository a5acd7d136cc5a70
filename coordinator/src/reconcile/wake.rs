//! Edges: who should be looked at soon. A signal only shortens a wait: losing one loses nothing.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use protocol::id::ServerId;
use tokio::sync::Notify;

/// The servers that should be looked at, those that are being looked at, and whether Ironic should be asked again. Bounded by the number of servers,
/// because each is in it once. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Wake(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    servers: Mutex<Servers>,
    some: Notify,
    poll: Notify,
}

#[derive(Debug, Default)]
struct Servers {
    due: BTreeSet<ServerId>,
    visited: BTreeSet<ServerId>,
}

/// One server's visit. A signal that comes meanwhile leads to another visit after this one, never beside it.
#[derive(Debug)]
pub struct Visit {
    /// Which server.
    pub server: ServerId,
    wake: Wake,
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut servers = self.wake.lock();
        servers.visited.remove(&self.server);
        if !servers.due.is_empty() {
            self.wake.0.some.notify_one();
        }
    }
}

impl Wake {
    /// Look at this server soon.
    pub fn wake(&self, server: ServerId) {
        self.lock().due.insert(server);
        self.0.some.notify_one();
    }

    /// Look at all of these soon.
    pub fn wake_all(&self, servers: impl IntoIterator<Item = ServerId>) {
        self.lock().due.extend(servers);
        self.0.some.notify_one();
    }

    /// Ask Ironic for its nodes soon: something was changed there.
    pub fn poll_ironic(&self) {
        self.0.poll.notify_one();
    }

    /// The next server to look at; nobody else is given it until the visit is dropped.
    pub async fn next(&self) -> Visit {
        loop {
            if let Some(visit) = self.take() {
                return visit;
            }
            self.0.some.notified().await;
        }
    }

    fn take(&self) -> Option<Visit> {
        let mut servers = self.lock();
        let server = servers.due.difference(&servers.visited).next().copied()?;
        servers.due.remove(&server);
        servers.visited.insert(server);
        let more = servers.due.difference(&servers.visited).next().is_some();
        drop(servers);
        if more {
            // One signal may stand for several servers: the next worker passes it on.
            self.0.some.notify_one();
        }
        Some(Visit { server, wake: self.clone() })
    }

    /// Returns when Ironic should be asked.
    pub async fn poll_wanted(&self) {
        self.0.poll.notified().await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Servers> {
        // A set of ids is whole even after a panic elsewhere.
        self.0.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn a_server_is_never_visited_twice_at_once_and_no_signal_is_lost() {
        let wake = Wake::default();
        let (one, two) = (ServerId(uuid::Uuid::from_u128(1)), ServerId(uuid::Uuid::from_u128(2)));
        wake.wake_all([one, two]);
        let first = wake.next().now_or_never().unwrap();
        let second = wake.next().now_or_never().unwrap();
        assert_eq!((first.server, second.server), (one, two));
        wake.wake(one);
        assert!(wake.next().now_or_never().is_none(), "it is being visited");
        drop(first);
        assert_eq!(wake.next().now_or_never().unwrap().server, one, "the signal waited");
        assert!(wake.next().now_or_never().is_none());
    }
}
