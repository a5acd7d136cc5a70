//! Edges: streams that an agent was asked to open and has not opened yet: of which rack, and whom to tell.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
};

use protocol::id::RackId;
use tokio::sync::oneshot;

/// Streams that were asked for: of which rack, and whom to tell.
pub(super) struct Awaited<Id, Arrival>(Mutex<HashMap<Id, (RackId, oneshot::Sender<Arrival>)>>);

impl<Id, Arrival> Default for Awaited<Id, Arrival> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<Id: Copy + Eq + Hash, Arrival> Awaited<Id, Arrival> {
    fn locked(&self) -> MutexGuard<'_, HashMap<Id, (RackId, oneshot::Sender<Arrival>)>> {
        // The map holds no invariant across a panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on this stream of this rack is awaited, until what is given back is dropped.
    pub(super) fn wait(
        &self,
        id: Id,
        rack: &RackId,
    ) -> (Waiting<'_, Id, Arrival>, oneshot::Receiver<Arrival>) {
        let (tell, told) = oneshot::channel();
        self.locked().insert(id, (rack.clone(), tell));
        (Waiting { awaited: self, id }, told)
    }

    /// Whoever asked for this stream at this rack.
    pub(super) fn take(&self, id: Id, rack: &RackId) -> Option<oneshot::Sender<Arrival>> {
        let mut awaited = self.locked();
        // Another rack's agent learns nothing of it, and takes nothing away.
        awaited.get(&id).filter(|(of, _)| of == rack)?;
        awaited.remove(&id).map(|(_, tell)| tell)
    }
}

/// A stream that is awaited; it is not any more when this is dropped.
pub(super) struct Waiting<'a, Id: Copy + Eq + Hash, Arrival> {
    awaited: &'a Awaited<Id, Arrival>,
    id: Id,
}

impl<Id: Copy + Eq + Hash, Arrival> Drop for Waiting<'_, Id, Arrival> {
    fn drop(&mut self) {
        self.awaited.locked().remove(&self.id);
    }
}
