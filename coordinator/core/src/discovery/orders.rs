//! Edges: the scans and windows that were ordered, while this process lives. With a restart they are forgotten, and so are the
//! credentials of a scan; what they found is in the inventory.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use protocol::{
    discovery::Credential,
    id::{AgentBootId, RackId},
};
use uuid::Uuid;

/// Scans that are remembered.
pub const SCANS_KEPT: usize = 32;

/// A scan.
#[derive(Clone, Debug)]
pub struct ScanRun {
    /// Its id.
    pub id: Uuid,
    /// Of which rack.
    pub rack: RackId,
    /// The agent's run that does it.
    pub run: AgentBootId,
    /// When it was ordered.
    pub began_us: u64,
    /// What is tried; gone when it has ended.
    pub credentials: Vec<Credential>,
    /// Addresses asked.
    pub done: u32,
    /// Addresses in all.
    pub total: u32,
    /// BMCs of enrolled servers that answered, by the servers' names.
    pub enrolled: Vec<String>,
    /// BMCs that are pending now.
    pub pending: u32,
    /// How it ended; empty: done to its end.
    pub ended: Option<String>,
}

/// A time in which a rack's discovery network is open.
#[derive(Clone, Debug)]
pub struct WindowRun {
    /// Its id.
    pub id: Uuid,
    /// Of which rack.
    pub rack: RackId,
    /// The agent's run that holds it.
    pub run: AgentBootId,
    /// Until when.
    pub until_us: u64,
    /// Machines that were found.
    pub machines: u32,
    /// Why it ended.
    pub ended: Option<String>,
}

/// The table.
#[derive(Debug, Default)]
pub struct Orders {
    inner: Mutex<Inner>,
    /// One finding after the other: each is judged by what the one before left.
    pub(super) turn: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Inner {
    scans: VecDeque<ScanRun>,
    windows: HashMap<RackId, WindowRun>,
}

impl Orders {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a scan that was ordered.
    pub fn began(&self, scan: ScanRun) {
        let mut inner = self.lock();
        if inner.scans.len() >= SCANS_KEPT {
            inner.scans.pop_front();
        }
        inner.scans.push_back(scan);
    }

    /// Changes a scan, if it is this rack's.
    pub fn with_scan<T>(&self, rack: &RackId, id: Uuid, change: impl FnOnce(&mut ScanRun) -> T) -> Option<T> {
        let mut inner = self.lock();
        inner.scans.iter_mut().find(|scan| scan.id == id && &scan.rack == rack).map(change)
    }

    /// All scans, oldest first, without what they try.
    pub fn scans(&self) -> Vec<ScanRun> {
        let plain = |scan: &ScanRun| ScanRun { credentials: Vec::new(), ..scan.clone() };
        self.lock().scans.iter().map(plain).collect()
    }

    /// Remembers that a rack's window was opened.
    pub fn opened(&self, window: WindowRun) {
        self.lock().windows.insert(window.rack.clone(), window);
    }

    /// Changes a rack's window, if it is this one.
    pub fn with_window(&self, rack: &RackId, id: Uuid, change: impl FnOnce(&mut WindowRun)) {
        if let Some(window) = self.lock().windows.get_mut(rack).filter(|window| window.id == id) {
            change(window);
        }
    }

    /// All windows, open or not.
    pub fn windows(&self) -> Vec<WindowRun> {
        let mut windows: Vec<_> = self.lock().windows.values().cloned().collect();
        windows.sort_by(|a, b| a.rack.cmp(&b.rack));
        windows
    }
}
