//! Edges: one connection as all of its parts see it: its conversation, its place, and the clock.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use protocol::places::Place;
use tokio::sync::Notify;

use super::{
    conversation::{Conversation, Overdue},
    terms::Timers,
};

/// One connection.
pub(super) struct Line {
    talk: Mutex<Conversation>,
    place: Place,
    changed: Notify,
}

/// A request under way on a line; its end is when this is dropped.
pub(super) struct Exchange {
    line: Arc<Line>,
    number: u64,
}

impl Line {
    pub(super) fn new(place: Place) -> Arc<Self> {
        let talk = Mutex::new(Conversation::new(Instant::now()));
        Arc::new(Self { talk, place, changed: Notify::new() })
    }

    pub(super) fn certified(&self) {
        self.change(|talk, _| talk.certified());
    }

    /// The head of a request came.
    pub(super) fn head(self: &Arc<Self>) -> Exchange {
        let number = self.change(Conversation::head);
        Exchange { line: Arc::clone(self), number }
    }

    /// Waits until it has been silent for too long.
    pub(super) async fn overdue(&self, timers: &Timers) -> Overdue {
        loop {
            let (due, why) = self.lock().due(timers);
            if due <= Instant::now() {
                return why;
            }
            // An exchange that ends may bring the end of the connection nearer.
            tokio::select! {
                () = tokio::time::sleep_until(due.into()) => {}
                () = self.changed.notified() => {}
            }
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Conversation, Instant) -> T) -> T {
        let now = Instant::now();
        let mut talk = self.lock();
        let was_held = talk.is_held();
        let result = change(&mut talk, now);
        match (was_held, talk.is_held()) {
            (false, true) => self.place.hold(),
            (true, false) => self.place.loosen(now),
            (true, true) | (false, false) => self.place.moved(now),
        }
        result
    }

    fn lock(&self) -> MutexGuard<'_, Conversation> {
        self.talk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Exchange {
    /// A part of its answer was taken.
    pub(super) fn moved(&self) {
        self.line.change(Conversation::moved);
    }

    /// What its request's body tells of itself.
    pub(super) fn request(&self) -> Request {
        Request { line: Arc::clone(&self.line), number: self.number, is_whole: false }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.line.change(|talk, now| talk.answered(self.number, now));
        self.line.changed.notify_one();
    }
}

/// A request as its body comes; whoever drops it wants no more of it, so that it is whole then.
pub(super) struct Request {
    line: Arc<Line>,
    number: u64,
    is_whole: bool,
}

impl Request {
    /// A part came.
    pub(super) fn moved(&self) {
        self.line.change(Conversation::moved);
    }

    /// All of it came, or no more is wanted.
    pub(super) fn whole(&mut self) {
        if !self.is_whole {
            self.is_whole = true;
            self.line.change(|talk, now| talk.whole(self.number, now));
        }
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.whole();
    }
}
