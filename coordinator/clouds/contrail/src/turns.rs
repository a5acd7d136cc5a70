//! Edges: turns at a switch port: moves of one port never overlap, and no port waits for another one.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::OwnedMutexGuard;

use domain::rim::SwitchPort;

/// By name of switch and port.
type Ports = HashMap<(String, String), Arc<tokio::sync::Mutex<()>>>;

/// One turn per switch port. As many are kept as moves are under way.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<Ports>);

impl Turns {
    /// Waits until no other move of this port is under way.
    pub(super) async fn take(&self, link: &SwitchPort) -> OwnedMutexGuard<()> {
        self.of(link).lock_owned().await
    }

    fn of(&self, link: &SwitchPort) -> Arc<tokio::sync::Mutex<()>> {
        let mut ports = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ports.retain(|_, turn| Arc::strong_count(turn) > 1);
        Arc::clone(ports.entry((link.switch.clone(), link.port.clone())).or_default())
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    /// A port whose move hangs must not hold another server's isolation up.
    #[test]
    fn no_port_waits_for_another_one() {
        let turns = Turns::default();
        let link = |port: u32| SwitchPort {
            switch: "leaf1".to_owned(),
            port: format!("xe-0/0/{port}"),
            switch_id: None,
            fabric: None,
        };
        let taken: Vec<_> = (0..1000).map(|port| turns.take(&link(port)).now_or_never().unwrap()).collect();
        assert!(turns.take(&link(7)).now_or_never().is_none(), "it is this port's turn already");
        drop(taken);
        assert!(turns.take(&link(7)).now_or_never().is_some());
        assert!(turns.0.lock().unwrap().len() <= 1, "as many as moves are under way");
    }
}
