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
use futures::stream;
use serde::Deserialize;
use tokio::{
    sync::{OwnedSemaphorePermit, broadcast},
    time::{Instant, timeout},
};

use super::{Ui, page, session::Visitor};
use crate::{events, inventory::EventFilter};

/// Open pages that are told at the same time; further ones ask by themselves now and then.
pub const STREAMS_MAX: usize = 512;
/// Changes within this time are told once.
const GATHER: Duration = Duration::from_millis(250);
/// A tenant's view is compared at least so often: not everything that changes it is an event.
const COMPARE_EVERY: Duration = Duration::from_secs(5);
/// How often the session is checked.
const CHECK_EVERY: Duration = Duration::from_secs(30);
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
    checked: Instant,
    /// Tell at once, whatever was seen: something happened since the page was made.
    first: bool,
    ended: bool,
    _place: OwnedSemaphorePermit,
}

/// The stream of one page.
pub async fn stream(
    State(ui): State<Arc<Ui>>,
    visitor: Option<Visitor>,
    Query(Since { since }): Query<Since>,
) -> Response {
    let Some(visitor) = visitor else { return StatusCode::UNAUTHORIZED.into_response() };
    let Ok(place) = Arc::clone(&ui.streams).try_acquire_owned() else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    // Listening begins before the past is read, so that nothing falls between.
    let events = ui.inventory.broadcast().listen();
    let filter = EventFilter { after: Some(since), limit: Some(1), ..EventFilter::default() };
    let first = ui.inventory.events(&filter).await.map_or(true, |events| !events.is_empty());
    let mut live =
        Live { ui, visitor, events, seen: None, checked: Instant::now(), first, ended: false, _place: place };
    live.seen = live.look().await;
    let words = stream::unfold(live, async |mut live| {
        let word = live.next().await?;
        // Browsers do not deliver an event without data.
        Some((Ok::<_, Infallible>(Event::default().event(word).data(word)), live))
    });
    Sse::new(words).keep_alive(KeepAlive::new().interval(KEEP_ALIVE_EVERY)).into_response()
}

impl Live {
    /// Waits until there is something to tell; none: it was the last word.
    async fn next(&mut self) -> Option<&'static str> {
        if self.ended {
            return None;
        }
        if std::mem::take(&mut self.first) {
            return Some("changed");
        }
        loop {
            if self.checked.elapsed() > CHECK_EVERY {
                self.checked = Instant::now();
                let is_over = jiff::Timestamp::now() >= self.visitor.expires_at;
                // Keystone that is away ends no session.
                let refused = match self.ui.door.know(&self.visitor.token).await {
                    Ok(known) => known != self.visitor.known,
                    Err(problem) => page::status_of(&problem).is_client_error(),
                };
                if is_over || refused {
                    self.ended = true;
                    return Some("ended");
                }
            }
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
