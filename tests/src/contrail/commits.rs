//! Edges: the commits of all leaves by the clock, and what the admin address tells of them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use axum::{Json, Router, extract::State, routing::get};
use serde::{Deserialize, Serialize};

use super::{
    leaf::{Configuration, Leaf, Outcome},
    store::Store,
    switch::{Attached, PortName, Style},
};

/// The leaves, and how long their commits take.
pub struct Commits {
    began: Instant,
    inner: Mutex<Inner>,
}

struct Inner {
    takes: Duration,
    /// Whether the wires are as the last commits say.
    wired: bool,
    leaves: BTreeMap<String, Leaf>,
}

/// What is told of a switch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Told {
    /// Its name.
    pub switch: String,
    /// The style of its fabric; none: nothing was committed yet.
    pub style: Option<Style>,
    /// Commits that have ended.
    pub commits: u64,
    /// How the last one ended.
    pub last: Option<Outcome>,
    /// Why it was refused, in the switch's words.
    pub refusal: Option<String>,
    /// Whether one is under way, or its end is not on the wires yet.
    pub busy: bool,
}

/// How long a commit takes: what `PUT /switches` is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommitTime {
    /// In milliseconds. A commit that is under way keeps its time.
    pub commit_ms: u64,
}

/// What the leaves do now, by their names.
pub type Running = BTreeMap<String, Configuration>;

/// What a port is attached to; none: nothing was committed on its leaf yet.
pub fn attached(running: &Running, port: &PortName) -> Option<Attached> {
    running.get(&port.switch).map(|leaf| leaf.ports.get(port).cloned().unwrap_or_default())
}

impl Commits {
    /// No leaf has committed anything; a commit takes this long.
    pub fn new(takes: CommitTime) -> Self {
        let inner =
            Inner { takes: Duration::from_millis(takes.commit_ms), wired: false, leaves: BTreeMap::new() };
        Self { began: Instant::now(), inner: Mutex::new(inner) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets how long the next commits take.
    pub fn set_time(&self, takes: CommitTime) {
        self.inner().takes = Duration::from_millis(takes.commit_ms);
    }

    /// Ends the commits whose time has come and begins those that the objects call for.
    pub fn step(&self, store: &Store) -> Running {
        let now = self.began.elapsed();
        let mut inner = self.inner();
        let takes = inner.takes;
        let mut ended = false;
        for (name, wanted) in Configuration::of_all(store) {
            let leaf = inner.leaves.entry(name.clone()).or_default();
            if leaf.handle_timeout(now) {
                ended = true;
                if let (Some(Outcome::Refused(duplicate)), _) = leaf.last() {
                    tracing::warn!(switch = name, %duplicate, "commit refused");
                }
            }
            leaf.want(&wanted, now, takes);
        }
        inner.wired &= !ended;
        inner.leaves.iter().filter_map(|(name, leaf)| Some((name.clone(), leaf.running()?.clone()))).collect()
    }

    /// The wires are as the last step said.
    pub fn wired(&self) {
        self.inner().wired = true;
    }

    /// How long until the next commit ends; none: none is under way.
    pub fn next(&self) -> Option<Duration> {
        let due = self.inner().leaves.values().filter_map(Leaf::poll_timeout).min()?;
        Some(due.saturating_sub(self.began.elapsed()))
    }

    /// What is told of every switch.
    pub fn told(&self) -> Vec<Told> {
        let inner = self.inner();
        let tell = |(name, leaf): (&String, &Leaf)| {
            let (last, commits) = leaf.last();
            Told {
                switch: name.clone(),
                style: leaf.running().map(|it| it.style),
                commits,
                last: last.cloned(),
                refusal: last.and_then(Outcome::refusal),
                busy: leaf.is_busy() || !inner.wired,
            }
        };
        inner.leaves.iter().map(tell).collect()
    }
}

/// `GET /switches` tells of every switch; `PUT` sets how long commits take.
pub fn router(commits: Arc<Commits>) -> Router {
    let tell = |State(commits): State<Arc<Commits>>| async move { Json(commits.told()) };
    let set = |State(commits): State<Arc<Commits>>, Json(takes): Json<CommitTime>| async move {
        commits.set_time(takes);
        Json(takes)
    };
    Router::new().route("/switches", get(tell).put(set)).with_state(commits)
}
