//! Edges: looks whether Contrail's nodes and ports are what the inventory says, again and again, and tells why they are not.

use std::{sync::Arc, time::Duration};

use protocol::backoff::{Backoff, Pauses};
use serde_json::{Value, json};
use tokio::{sync::broadcast::error::RecvError, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{Failures, REASON};
use crate::{Contrail, describe};
use domain::{
    events::{Event, EventKind},
    lifecycle::trouble::Trouble,
};
use store::{Inventory, InventoryError, Server};

/// Changed servers are looked for this often; events shorten the wait.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Events that come together are answered together.
const GATHER: Duration = Duration::from_millis(300);
/// Objects that should be right are read back this often: others write there too.
const VERIFY_EVERY: Duration = Duration::from_secs(300);
/// Pauses after passes that were not all good.
const RETRIES: Backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(60));

/// Keeps Contrail's nodes and ports as the inventory has them, until told to stop.
pub async fn run(contrail: Arc<Contrail>, inventory: Inventory, stop: CancellationToken) {
    let mut listener = inventory.broadcast().listen();
    let mut keeper = Keeper { contrail, inventory, done: None, pauses: RETRIES.pauses(), outage: None };
    loop {
        let until = keeper.look().await;
        let wait = async {
            loop {
                match listener.recv().await {
                    Ok(event) if concerns(&event) => return,
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => return,
                    Err(RecvError::Closed) => std::future::pending().await,
                }
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep_until(until) => {}
            () = wait => tokio::time::sleep(GATHER).await,
        }
    }
}

/// Whether an event may change what is registered.
fn concerns(event: &Event) -> bool {
    matches!(event.kind, EventKind::Enrolled | EventKind::Forgotten | EventKind::RamdiskReady)
}

struct Keeper {
    contrail: Arc<Contrail>,
    inventory: Inventory,
    /// What Contrail was brought to, and when; none: not, or not wholly.
    done: Option<(Vec<Value>, Instant)>,
    pauses: Pauses,
    /// Why the API as a whole does not answer.
    outage: Option<String>,
}

impl Keeper {
    /// Looks once; says when to look again.
    async fn look(&mut self) -> Instant {
        let again = match self.step().await {
            Ok(true) => {
                self.pauses.reset();
                LOOK_EVERY
            }
            Ok(false) => self.pauses.take(),
            Err(error) => {
                warn!(error = %error, "inventory not read for contrail's nodes and ports");
                self.pauses.take()
            }
        };
        Instant::now() + again
    }

    /// Whether all is as it should be.
    async fn step(&mut self) -> Result<bool, InventoryError> {
        let servers = self.inventory.servers(None).await?;
        let wanted: Vec<_> = servers
            .iter()
            .map(|server| {
                let ports: Vec<_> = server.ports.iter().map(|port| describe::port(server, port)).collect();
                json!([server.id, describe::node(server), ports])
            })
            .collect();
        let is_done = |(done, at): &(Vec<Value>, Instant)| *done == wanted && at.elapsed() < VERIFY_EVERY;
        if self.done.as_ref().is_some_and(is_done) {
            return Ok(true);
        }
        self.done = None;
        match self.contrail.register(&servers).await {
            Ok(failures) => {
                if self.outage.take().is_some() {
                    info!("nodes and ports in contrail are kept again");
                }
                counters::unregistered(failures.len());
                self.show(&servers, &failures).await?;
                let good = failures.is_empty();
                self.done = good.then(|| (wanted, Instant::now()));
                Ok(good)
            }
            Err(error) => {
                counters::unregistered(servers.len());
                self.note_outage(error.to_string()).await;
                Ok(false)
            }
        }
    }

    /// Failures are shown where nothing more important is, and taken back when they are over.
    async fn show(&self, servers: &[Server], failures: &Failures) -> Result<(), InventoryError> {
        for server in servers {
            let failure = failures.get(&server.id).map(|failure| format!("{REASON}{failure}"));
            match change(server.reason.as_deref(), server.trouble, failure) {
                Change::Nothing => {}
                Change::Show(reason) => {
                    self.inventory.set_trouble(server.id, &reason, Trouble::NotRegistered).await?;
                    warn!(server = %server.id, reason, "server not registered in contrail");
                    self.inventory.record(server.id, EventKind::Alarm, reason).await;
                }
                Change::TakeBack => self.inventory.set_reason(server.id, None).await?,
            }
        }
        Ok(())
    }

    /// Told once, however long it lasts.
    async fn note_outage(&mut self, error: String) {
        if self.outage.is_none() {
            warn!(error, "nodes and ports in contrail not kept, tried again");
            let text = format!("servers are {REASON}{error}; it is tried again");
            self.inventory.record_event(None, None, EventKind::Alarm, text).await;
        }
        self.outage = Some(error);
    }
}

/// What becomes of a server's reason.
#[derive(Debug, PartialEq, Eq)]
enum Change {
    Nothing,
    Show(String),
    TakeBack,
}

/// A failure is shown where nothing else is, or an older failure of ours; what is over is taken back if it is ours. Whose a reason
/// is, is told by its kind.
fn change(shown: Option<&str>, kind: Option<Trouble>, failure: Option<String>) -> Change {
    let is_ours = kind == Some(Trouble::NotRegistered);
    match failure {
        Some(reason) if shown == Some(&reason) => Change::Nothing,
        Some(reason) if is_ours || shown.is_none() => Change::Show(reason),
        None if is_ours => Change::TakeBack,
        Some(_) | None => Change::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_replaces_its_like_and_only_its_like_is_taken_back() {
        let check = |shown: Option<(&str, Option<Trouble>)>, failure: Option<&str>, expected| {
            let (text, kind) = shown.unzip();
            assert_eq!(change(text, kind.flatten(), failure.map(str::to_owned)), expected, "{shown:?}");
        };
        let ours = |text| Some((text, Some(Trouble::NotRegistered)));
        check(None, None, Change::Nothing);
        check(None, Some("refused"), Change::Show("refused".to_owned()));
        check(ours("refused"), Some("refused"), Change::Nothing);
        check(ours("refused"), Some("away"), Change::Show("away".to_owned()));
        check(ours("whatever it says"), None, Change::TakeBack);
        // Another's reason stays, whatever its words.
        for others in
            [Some(("not registered in Contrail: said by hand", None)), Some(("on", Some(Trouble::Machine)))]
        {
            check(others, Some("refused"), Change::Nothing);
            check(others, None, Change::Nothing);
        }
    }
}
