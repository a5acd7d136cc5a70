//! Edges: events on their way to whoever listens.

use domain::events::Event;
use tokio::sync::broadcast;

/// Listeners that fall further behind than this lose the oldest; they find them in the inventory.
pub const LISTENER_BACKLOG_MAX: usize = 1024;

/// Tells events to listeners. Storing them is the inventory's part.
#[derive(Clone, Debug)]
pub struct Broadcast(broadcast::Sender<Event>);

impl Default for Broadcast {
    fn default() -> Self {
        Self(broadcast::channel(LISTENER_BACKLOG_MAX).0)
    }
}

impl Broadcast {
    /// Tells everybody who listens.
    pub fn tell(&self, event: Event) {
        counters::happened(event.kind);
        // Nobody listening is no fault.
        let _ = self.0.send(event);
    }

    /// Listens from now on.
    pub fn listen(&self) -> broadcast::Receiver<Event> {
        self.0.subscribe()
    }
}
