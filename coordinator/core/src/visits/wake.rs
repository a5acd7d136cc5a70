//! Edges: who is visited soon: the queue, with a clock and a bell. A signal only shortens a wait: losing one loses nothing.

use std::{
    collections::HashMap,
    future::pending,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use protocol::id::ServerId;
use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    lane::Lane,
    queue::{End, Overdue, Queue},
};

/// The queue's clock begins here, so that what is older than the process has its place before everything newer.
const BEGINNING: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// The servers that should be visited, those that are being visited, and whether Ironic should be asked again. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Wake(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// By a clock that only rises: a clock that is set must not make an isolation wait.
    started: Instant,
    visits: Mutex<Visits>,
    bell: Notify,
    poll: Notify,
}

#[derive(Debug, Default)]
struct Visits {
    queue: Queue,
    under_way: HashMap<ServerId, CancellationToken>,
}

/// A visit that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// In this lane.
    pub lane: Lane,
    /// It has been wanted for so long already.
    pub waited: Duration,
    /// It may begin after so long.
    pub pause: Duration,
}

impl Due {
    /// At once.
    pub fn now(lane: Lane) -> Self {
        Self { lane, waited: Duration::ZERO, pause: Duration::ZERO }
    }
}

/// One visit to one server. A signal that comes meanwhile leads to another visit after this one, never beside it. One that ends
/// without a word has failed.
#[derive(Debug)]
pub struct Visit {
    /// Which server.
    pub server: ServerId,
    /// What for.
    pub lane: Lane,
    /// Why the last try failed, when it did.
    pub failed: Option<String>,
    /// Cancelled when it should give way to an isolation.
    pub give_way: CancellationToken,
    end: End,
    wake: Wake,
}

impl Visit {
    /// It has ended so.
    pub fn end(mut self, how: End) {
        self.end = how;
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let now_us = self.wake.now_us();
        let end = std::mem::replace(&mut self.end, End::Done);
        let mut visits = self.wake.lock();
        visits.under_way.remove(&self.server);
        visits.queue.end(self.server, end, now_us);
        drop(visits);
        self.wake.0.bell.notify_one();
    }
}

impl Default for Wake {
    fn default() -> Self {
        let (visits, bell, poll) = (Mutex::default(), Notify::new(), Notify::new());
        Self(Arc::new(Inner { started: Instant::now(), visits, bell, poll }))
    }
}

impl Wake {
    /// Look at this server soon.
    pub fn wake(&self, server: ServerId) {
        self.ask(server, Due::now(Lane::Check));
    }

    /// Look at all of these soon.
    pub fn wake_all(&self, servers: impl IntoIterator<Item = ServerId>) {
        servers.into_iter().for_each(|server| self.wake(server));
    }

    /// This server went off just now and may be on a tenant's network: isolate it before anything else.
    pub fn isolate(&self, server: ServerId) {
        let now_us = self.now_us();
        let mut visits = self.lock();
        let gives_way = visits.queue.isolate_anew(server, now_us);
        self.ring(&visits, server, gives_way);
    }

    /// Asks for a visit.
    pub fn ask(&self, server: ServerId, due: Due) {
        let now_us = self.now_us();
        let since_us = now_us.saturating_sub(micros(due.waited));
        // An isolation has the place of its report.
        let ready_us =
            if due.lane == Lane::Isolate { since_us } else { now_us.saturating_add(micros(due.pause)) };
        let mut visits = self.lock();
        let gives_way = visits.queue.ask(server, due.lane, since_us, ready_us);
        self.ring(&visits, server, gives_way);
    }

    fn ring(&self, visits: &Visits, server: ServerId, gives_way: bool) {
        if let Some(under_way) = visits.under_way.get(&server).filter(|_| gives_way) {
            under_way.cancel();
        }
        self.0.bell.notify_one();
    }

    /// Ask Ironic for its nodes soon: something was changed there.
    pub fn poll_ironic(&self) {
        self.0.poll.notify_one();
    }

    /// Returns when Ironic should be asked.
    pub async fn poll_wanted(&self) {
        self.0.poll.notified().await;
    }

    /// The next visit; for one caller at a time.
    pub async fn next(&self) -> Visit {
        loop {
            if let Some(visit) = self.take() {
                return visit;
            }
            let next_us = self.lock().queue.next_us();
            let next = async {
                match next_us {
                    Some(at_us) => {
                        tokio::time::sleep(Duration::from_micros(at_us.saturating_sub(self.now_us()))).await
                    }
                    None => pending().await,
                }
            };
            tokio::select! {
                () = self.0.bell.notified() => {}
                () = next => {}
            }
        }
    }

    /// The next visit, when one may begin now.
    pub fn take(&self) -> Option<Visit> {
        let now_us = self.now_us();
        let mut visits = self.lock();
        let taken = visits.queue.take(now_us)?;
        let give_way = CancellationToken::new();
        visits.under_way.insert(taken.server, give_way.clone());
        drop(visits);
        let end = End::Failed("it stopped unexpectedly; check the coordinator's log".to_owned());
        let (server, lane, failed) = (taken.server, taken.lane, taken.failed);
        Some(Visit { server, lane, failed, give_way, end, wake: self.clone() })
    }

    /// Whether something of this server failed and is still to be done.
    pub fn is_failing(&self, server: ServerId) -> bool {
        self.lock().queue.is_failing(server)
    }

    /// How long the oldest of a lane has waited.
    pub fn oldest(&self, lane: Lane) -> Option<Duration> {
        let now_us = self.now_us();
        self.lock().queue.oldest(lane, now_us)
    }

    /// How many servers are asked for in a lane, and how many of them are being visited.
    pub fn count(&self, lane: Lane) -> (usize, usize) {
        self.lock().queue.count(lane)
    }

    /// What has waited longer than `longest` in a lane and was not told yet.
    pub fn overdue(&self, lane: Lane, longest: Duration) -> Vec<Overdue> {
        let now_us = self.now_us();
        self.lock().queue.overdue(lane, longest, now_us)
    }

    fn now_us(&self) -> u64 {
        micros(BEGINNING + self.0.started.elapsed())
    }

    fn lock(&self) -> MutexGuard<'_, Visits> {
        // The queue has no half-done change that a panic elsewhere could leave behind.
        self.0.visits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn server(number: u128) -> ServerId {
        ServerId(uuid::Uuid::from_u128(number))
    }

    #[test]
    fn a_server_is_never_visited_twice_at_once_and_no_signal_is_lost() {
        let wake = Wake::default();
        let (one, two) = (server(1), server(2));
        wake.wake_all([two, one]);
        let first = wake.take().unwrap();
        let second = wake.take().unwrap();
        assert_eq!((first.server, second.server), (two, one), "first come, first served");
        wake.wake(two);
        assert!(wake.next().now_or_never().is_none(), "it is being visited");
        first.end(End::Done);
        assert_eq!(wake.next().now_or_never().unwrap().server, two, "the signal waited");
    }

    #[tokio::test]
    async fn a_visit_gives_way_and_one_that_broke_off_is_tried_again() {
        let wake = Wake::default();
        wake.ask(server(1), Due::now(Lane::Look));
        let look = wake.take().unwrap();
        wake.wake(server(1));
        assert!(!look.give_way.is_cancelled(), "only an isolation cuts off");
        wake.isolate(server(1));
        assert!(look.give_way.is_cancelled());
        look.end(End::GaveWay);
        let isolation = wake.take().unwrap();
        assert_eq!(isolation.lane, Lane::Isolate);
        drop(isolation);
        assert_eq!(wake.next().await.lane, Lane::Check, "facts may be looked at meanwhile");
        let again = wake.next().await;
        assert_eq!((again.lane, again.failed.is_some()), (Lane::Isolate, true), "after its pause");
    }
}
