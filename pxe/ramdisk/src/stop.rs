//! Values: the agent's word that the running task is to stop, between whoever hears it and whoever works.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

/// Whether it was said. The clones are one.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// It is said now.
    pub fn say(&self) {
        self.0.store(true, Relaxed);
    }

    /// Whether it was.
    pub fn is_said(&self) -> bool {
        self.0.load(Relaxed)
    }
}
