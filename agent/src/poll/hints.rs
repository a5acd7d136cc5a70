//! Edges: listening to a BMC's stream of events for hints that its power may have changed. Polling goes on as ever: a hint only brings the
//! next reading forward, and a BMC without a stream is asked in its turn.

use std::{sync::Weak, time::Duration};

use protocol::{backoff::Backoff, id::ServerId};
use tokio::{sync::mpsc, time::Instant};
use tracing::debug;

use crate::{
    bmc::{Bmc, Events, is_of_power},
    rack::Input,
};

/// Before the first look for a stream, and between looks at a BMC that has not let us in yet.
const BEGIN_AFTER: Duration = Duration::from_secs(5);
/// Pause before a stream that has ended is opened anew; it doubles while it is refused, up to the second.
const AGAIN: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(300));
/// A BMC without a stream is asked for one again after this time: its firmware may be another one by then.
const LOOK_AGAIN: Duration = Duration::from_secs(3600);
/// No more than one hint in this time: the reading that follows one sees what the next ones tell too.
const HINT_EVERY: Duration = Duration::from_millis(500);
/// Between two looks whether the server is still ours.
const STILL_OURS_EVERY: Duration = Duration::from_secs(5);

/// How long the pauses are; shorter in tests.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Before the first look, and before a stream that has ended is opened anew.
    pub begin_after: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { begin_after: BEGIN_AFTER }
    }
}

/// Listens until nobody looks after the server any more.
pub async fn listen(bmc: Weak<dyn Bmc>, server: ServerId, back: mpsc::Sender<Input>, patience: Patience) {
    let (mut last_id, mut failures) = (None::<String>, 0_u32);
    let mut pause = patience.begin_after;
    loop {
        tokio::time::sleep(pause).await;
        let Some(reached) = bmc.upgrade() else { return };
        // Polling logs in; a BMC that is silent or refuses us is not asked for more.
        if !reached.has_let_in().await {
            pause = patience.begin_after;
            continue;
        }
        let Some(redfish) = reached.redfish() else { return };
        let opened = redfish.events(last_id.as_deref()).await;
        drop(reached);
        pause = match opened {
            Ok(None) => LOOK_AGAIN,
            Ok(Some(mut events)) => {
                debug!(%server, "BMC's stream of events opened");
                if !hear(&mut events, &bmc, server, &back).await {
                    return;
                }
                last_id = events.last_id().map(str::to_owned);
                failures = 0;
                patience.begin_after
            }
            Err(error) => {
                debug!(%server, %error, "BMC's stream of events not opened, polling goes on");
                failures = failures.saturating_add(1);
                AGAIN.after(failures).max(patience.begin_after)
            }
        };
    }
}

/// Passes hints on until the stream ends; false: nobody looks after the server any more.
async fn hear(
    events: &mut Events,
    bmc: &Weak<dyn Bmc>,
    server: ServerId,
    back: &mpsc::Sender<Input>,
) -> bool {
    let mut still_ours = tokio::time::interval(STILL_OURS_EVERY);
    // What happened while no stream was open may have been missed.
    let mut hint_at = Some(Instant::now());
    let mut last_hint = None::<Instant>;
    loop {
        tokio::select! {
            told = events.next() => match told {
                None => return true,
                // A hint that comes right after another one waits, and is not left out: the reading between them saw nothing of it.
                Some(told) if told.iter().any(is_of_power) => {
                    let soonest = last_hint.map_or_else(Instant::now, |last| last + HINT_EVERY);
                    hint_at = hint_at.or(Some(soonest));
                }
                Some(_) => {}
            },
            () = tokio::time::sleep_until(hint_at.unwrap_or_else(Instant::now)), if hint_at.is_some() => {
                (hint_at, last_hint) = (None, Some(Instant::now()));
                if back.send(Input::Hint { server }).await.is_err() {
                    return false;
                }
            }
            _ = still_ours.tick() => if bmc.strong_count() == 0 {
                return false;
            },
        }
    }
}
