//! Edges: tells open pages that something changed (text/event-stream). What changed, they read from their own address.
//!
//! An administrator's page hears of every event. A tenant's page hears only when what the tenant sees is different, so
//! that nothing of other tenants or of the hardware shows, not even that something happened.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::{Query, State},
    http::StatusCode,
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use domain::events;
use futures::{StreamExt, stream};
use serde::Deserialize;
use store::EventFilter;
use tokio::{sync::broadcast, time::timeout};

use super::{Ui, session::Visitor};
use crate::{
    access::{Held, Place, until_gone},
    problem::Problem,
};

/// Changes within this time are told once.
const GATHER: Duration = Duration::from_millis(250);
/// A tenant's view is compared at least so often: not everything that changes it is an event.
const COMPARE_EVERY: Duration = Duration::from_secs(5);
/// How often a silent stream shows that it lives.
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(15);

/// Where a page was.
#[derive(Deserialize)]
pub struct Since {
    /// When it was made, in microseconds since 1970, which is how events are numbered.
    #[serde(default)]
    since: u64,
}

struct Live {
    ui: Arc<Ui>,
    visitor: Visitor,
    events: broadcast::Receiver<events::Event>,
    /// What the tenant saw last.
    seen: Option<Vec<String>>,
    /// Tell at once, whatever was seen: something happened since the page was made.
    first: bool,
    _place: Place,
}

/// The stream of one page.
pub async fn stream(
    State(ui): State<Arc<Ui>>,
    visitor: Option<Visitor>,
    Query(Since { since }): Query<Since>,
) -> Response {
    let Some(visitor) = visitor else { return StatusCode::UNAUTHORIZED.into_response() };
    let place = match ui.authenticator.shares.open_pages.take(&visitor.known) {
        Ok(place) => place,
        Err(full) => return Problem::from(full).into_response(),
    };
    let held = Held::new(&ui.authenticator, &visitor.token, &visitor.known);
    // Listening begins before the past is read, so that nothing falls between.
    let events = ui.inventory.broadcast().listen();
    let filter = EventFilter { after: Some(since), limit: Some(1), ..EventFilter::default() };
    let first = ui.inventory.events(&filter).await.map_or(true, |events| !events.is_empty());
    let mut live = Live { ui, visitor, events, seen: None, first, _place: place };
    live.seen = live.look().await;
    let words = stream::unfold(live, async |mut live| {
        let word = live.next().await?;
        Some((word, live))
    });
    // Browsers do not deliver an event without data.
    let words = until_gone(words, held, |_| "ended")
        .map(|word| Ok::<_, Infallible>(Event::default().event(word).data(word)));
    Sse::new(words).keep_alive(KeepAlive::new().interval(KEEP_ALIVE_EVERY)).into_response()
}

impl Live {
    /// Waits until there is something to tell; none: nothing more comes.
    async fn next(&mut self) -> Option<&'static str> {
        if std::mem::take(&mut self.first) {
            return Some("changed");
        }
        loop {
            let heard = match timeout(COMPARE_EVERY, self.events.recv()).await {
                Ok(Ok(_) | Err(broadcast::error::RecvError::Lagged(_))) => true,
                Ok(Err(broadcast::error::RecvError::Closed)) => return None,
                Err(_) => false,
            };
            if heard {
                tokio::time::sleep(GATHER).await;
                while !matches!(
                    self.events.try_recv(),
                    Err(broadcast::error::TryRecvError::Empty | broadcast::error::TryRecvError::Closed)
                ) {}
            }
            if self.visitor.known.standing.sees_all() {
                if heard {
                    return Some("changed");
                }
            } else {
                let now = self.look().await;
                if now != self.seen {
                    self.seen = now;
                    return Some("changed");
                }
            }
        }
    }

    /// What a tenant sees of its servers, as far as the inventory knows it; none: it is not asked.
    async fn look(&self) -> Option<Vec<String>> {
        let project = self.visitor.known.sees().ok()??;
        let servers = self.ui.inventory.tenant_servers(Some(project)).await.ok()?;
        let mut seen = Vec::new();
        for server in servers {
            let physical = match server.node {
                Some(node) => self.ui.inventory.server(node).await.ok().flatten(),
                None => None,
            };
            let below = physical.map(|node| {
                let state = node.node.map(|node| node.provision_state);
                (node.off_since_us.is_some(), node.reason, node.waiting, state)
            });
            seen.push(format!("{server:?} {below:?}"));
        }
        Some(seen)
    }
}
