//! Edges: what happened, in the API: a page of it, or a stream (text/event-stream) that goes on for as long as its caller
//! may see it.

use std::{collections::VecDeque, convert::Infallible, sync::Arc, time::Duration};

use api_types::{Event, List, PAGE_ITEMS_MAX};
use axum::{
    Json,
    extract::State,
    http::HeaderMap,
    response::{
        IntoResponse, Response,
        sse::{self, KeepAlive, Sse},
    },
};
use domain::events::{self, EventKind};
use futures::{Stream, StreamExt, stream};
use protocol::id::ServerId;
use serde::Deserialize;
use store::{EVENTS_MAX, EventFilter, Inventory, InventoryError};
use tokio::{
    sync::broadcast::{self, error::RecvError},
    time::{Instant, timeout_at},
};
use tracing::warn;

use super::{Api, auth::User, request::Query};
use crate::{
    access::{Held, until_gone},
    problem::Problem,
};

/// How often a stream without events shows that it lives.
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(15);
/// A stream ends after so long, so that what a client forgot to close does not stay for ever.
const FOLLOW_TIME_MAX: Duration = Duration::from_secs(3600);
/// Events that are read for one client at a time.
const FOLLOW_PAGE: u32 = 200;

/// Which events.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
pub struct EventQuery {
    /// Only events with a higher id than this.
    after: Option<u64>,
    /// Only events of this node, by name or id (administrators).
    node: Option<String>,
    /// Only events of this tenant's server, by name or id; by id also after it was deleted.
    server: Option<String>,
    /// Number of events, the newest ones, at most 1000. Absent: 1000.
    limit: Option<u32>,
}

/// Lists the newest events that the caller can see, oldest first.
#[utoipa::path(get, path = "/v1/events", params(EventQuery), responses((status = 200, body = List<Event>)))]
pub async fn list(
    State(api): State<Arc<Api>>,
    user: User,
    Query(query): Query<EventQuery>,
) -> Result<Json<List<Event>>, Problem> {
    let filter = api.filter(&user, query).await?;
    let events = api.inventory.events(&filter).await?;
    Ok(Json(List { items: events.into_iter().map(|event| view(event, user.sees_all())).collect() }))
}

/// Streams events: the newest ones, and then each as it happens.
///
/// A client that comes back with `Last-Event-ID` (or `after`) gets everything since. A stream ends after an hour; the client
/// comes back. When the token or its role is gone, the last event has the name `ended` and no id, and its data is a problem
/// that says why.
#[utoipa::path(get, path = "/v1/events/stream", params(EventQuery), responses((status = 200, content_type = "text/event-stream", body = Event)))]
pub async fn follow(
    State(api): State<Arc<Api>>,
    user: User,
    headers: HeaderMap,
    Query(mut query): Query<EventQuery>,
) -> Result<Response, Problem> {
    let place = api.authenticator.shares.event_streams.take(&user.known)?;
    if let Some(last) = headers.get("last-event-id") {
        let id = last.to_str().ok().and_then(|text| text.parse().ok());
        query.after =
            Some(id.ok_or_else(|| {
                Problem::bad_at("Last-Event-ID", "is not the id of an event; leave it out")
            })?);
    }
    let admin = user.sees_all();
    let filter = api.filter(&user, query).await?;
    let followed = Follow::begin(api.inventory.clone(), filter).await?;
    let events = followed.events().map(move |event| {
        let _ = &place;
        Told::Event(view(event, admin))
    });
    let held = Held::new(&api.authenticator, &user.token, &user.known);
    let told = until_gone(events, held, Told::Ended);
    Ok(Sse::new(lines(told)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE_EVERY)).into_response())
}

/// What a client is told.
enum Told {
    Event(Event),
    /// The last word.
    Ended(Problem),
}

/// One client's stream. Events are read from the inventory, a page at a time and only when the client has taken the page
/// before: a slow client holds one page and loses nothing. What is told at once only wakes it.
struct Follow {
    inventory: Inventory,
    filter: EventFilter,
    listener: broadcast::Receiver<events::Event>,
    page: VecDeque<events::Event>,
    until: Instant,
}

impl Follow {
    async fn begin(inventory: Inventory, mut filter: EventFilter) -> Result<Self, InventoryError> {
        // Listening begins before the past is read, so that nothing falls between.
        let listener = inventory.broadcast().listen();
        let mut page = VecDeque::new();
        match filter.after {
            Some(after) => page.extend(missing(&inventory, after, &filter).await?),
            None => page.extend(inventory.events(&filter).await?),
        }
        filter.after = page.back().map(|event: &events::Event| event.id).or(filter.after).or(Some(0));
        filter.limit = Some(FOLLOW_PAGE);
        Ok(Self { inventory, filter, listener, page, until: Instant::now() + FOLLOW_TIME_MAX })
    }

    fn events(self) -> impl Stream<Item = events::Event> + Send + 'static {
        stream::unfold(self, |mut this| async move {
            let event = this.next().await?;
            Some((event, this))
        })
    }

    async fn next(&mut self) -> Option<events::Event> {
        loop {
            if let Some(event) = self.page.pop_front() {
                return Some(event);
            }
            match self.inventory.events_from(&self.filter).await {
                Ok(page) => self.page.extend(page),
                Err(error) => {
                    warn!(error = %error, "a stream of events is cut off");
                    return None;
                }
            }
            match self.page.back() {
                Some(last) => self.filter.after = Some(last.id),
                None => self.wait().await?,
            }
        }
    }

    /// Until there may be something new; none when the stream's time is over.
    async fn wait(&mut self) -> Option<()> {
        loop {
            match timeout_at(self.until, self.listener.recv()).await {
                Ok(Ok(event)) if matches(&self.filter, &event) => return Some(()),
                Ok(Ok(_)) => {}
                Ok(Err(RecvError::Lagged(_))) => return Some(()),
                Ok(Err(RecvError::Closed)) | Err(_) => return None,
            }
        }
    }
}

/// Says so when what came after this event may no longer be kept.
async fn missing(
    inventory: &Inventory,
    after: u64,
    filter: &EventFilter,
) -> Result<Option<events::Event>, InventoryError> {
    let oldest = inventory.oldest_event(filter).await?;
    let text = format!(
        "some events before this may be missing: only the newest {EVENTS_MAX} are kept, of which each project has a share"
    );
    let kind = EventKind::Alarm;
    let event = events::Event {
        id: after,
        at_us: oldest,
        server: None,
        server_name: None,
        rack: None,
        project_id: None,
        tenant: None,
        tenant_name: None,
        told: Some(text.clone()),
        kind,
        other_kind: None,
        text,
    };
    Ok((after > 0 && after < oldest).then_some(event))
}

fn lines(
    told: impl Stream<Item = Told> + Send + 'static,
) -> impl Stream<Item = Result<sse::Event, Infallible>> + Send {
    told.map(|told| {
        Ok(match told {
            Told::Event(event) => {
                let text = serde_json::to_string(&event).unwrap_or_default();
                sse::Event::default().id(event.id.to_string()).event(event.kind.as_str()).data(text)
            }
            Told::Ended(why) => {
                let text = serde_json::to_string(&why).unwrap_or_default();
                sse::Event::default().event("ended").data(text)
            }
        })
    })
}

fn matches(filter: &EventFilter, event: &events::Event) -> bool {
    filter.server.is_none_or(|server| event.server == Some(server))
        && filter.tenant.is_none_or(|tenant| event.tenant == Some(tenant))
        && filter
            .project_id
            .as_ref()
            .is_none_or(|project| event.told.is_some() && event.project_id.as_ref() == Some(project))
}

fn view(event: events::Event, admin: bool) -> Event {
    Event {
        id: event.id,
        at: super::time(event.at_us).unwrap_or_default(),
        node: event.server.map(|server| server.0).filter(|_| admin),
        node_name: event.server_name.filter(|_| admin),
        rack: event.rack.map(|rack| rack.to_string()).filter(|_| admin),
        server: event.tenant,
        server_name: event.tenant_name,
        project_id: event.project_id.filter(|_| admin),
        kind: event.kind,
        other_kind: event.other_kind,
        // What a tenant is not told was not read for it.
        text: if admin { event.text } else { event.told.unwrap_or_default() },
    }
}

impl Api {
    async fn filter(&self, user: &User, query: EventQuery) -> Result<EventFilter, Problem> {
        let server: Option<ServerId> = match query.node {
            Some(_) if !user.sees_all() => return Err(Problem::forbidden_at("node")),
            Some(name) => Some(self.find_node(&name).await.map_err(|problem| problem.about("node"))?.id),
            None => None,
        };
        let tenant = match query.server {
            Some(named) => match named.parse() {
                Ok(id) => Some(id),
                Err(_) => {
                    let found = self.find_server(user, &named).await;
                    Some(found.map_err(|problem| problem.about("server"))?.id)
                }
            },
            None => None,
        };
        let project_id = user.sees()?.map(str::to_owned);
        let limit = Some(query.limit.unwrap_or(PAGE_ITEMS_MAX).min(PAGE_ITEMS_MAX));
        Ok(EventFilter { after: query.after, server, project_id, tenant, limit })
    }
}

#[cfg(test)]
mod tests {
    use domain::{events::Told, records::TenantServer};
    use store::{clock::SystemClock, secret::Sealer};
    use uuid::Uuid;

    use super::*;

    async fn inventory() -> Inventory {
        Inventory::in_memory(Sealer::new(&[1; 32]), Arc::new(SystemClock)).await.unwrap()
    }

    async fn record(inventory: &Inventory, project: &str, numbers: std::ops::Range<u32>) {
        let server = TenantServer {
            project_id: project.to_owned(),
            ..domain::samples::tenant_server(Uuid::from_u128(1))
        };
        for number in numbers {
            let (kind, text) = (EventKind::TenantServer, number.to_string());
            inventory.record_of_tenant(&server, kind, &text, Told::Ready).await;
        }
    }

    /// The next so many events, and the last one's id.
    async fn take(follow: &mut Follow, count: u32) -> (Vec<String>, u64) {
        let (mut texts, mut last) = (Vec::new(), 0);
        for _ in 0..count {
            let event = tokio::time::timeout(Duration::from_secs(10), follow.next()).await;
            let event = event.expect("an event is missing").expect("the stream ended");
            texts.push(event.text);
            last = event.id;
        }
        (texts, last)
    }

    fn texts(numbers: std::ops::Range<u32>) -> Vec<String> {
        numbers.map(|number| number.to_string()).collect()
    }

    #[tokio::test]
    async fn a_client_that_comes_back_misses_nothing_however_slow_it_is() {
        let inventory = inventory().await;
        let project = |after| EventFilter { after, project_id: Some("p1".into()), ..EventFilter::default() };
        record(&inventory, "p1", 0..5).await;
        let mut follow = Follow::begin(inventory.clone(), project(None)).await.unwrap();
        let (seen, last) = take(&mut follow, 5).await;
        assert_eq!(seen, texts(0..5));
        drop(follow);
        // More than a page, and more than listeners are kept for.
        let backlog = u32::try_from(store::LISTENER_BACKLOG_MAX).unwrap() + 2 * FOLLOW_PAGE;
        record(&inventory, "p1", 5..300).await;
        let mut follow = Follow::begin(inventory.clone(), project(Some(last))).await.unwrap();
        assert_eq!(take(&mut follow, 10).await.0, texts(5..15));
        record(&inventory, "p2", 0..3).await;
        record(&inventory, "p1", 300..300 + backlog).await;
        assert_eq!(
            take(&mut follow, 285 + backlog).await.0,
            texts(15..300 + backlog),
            "in order, and only its own"
        );
        let waiting = tokio::spawn(async move { take(&mut follow, 1).await.0 });
        record(&inventory, "p1", 7..8).await;
        assert_eq!(waiting.await.unwrap(), ["7"], "told at once");
    }

    #[tokio::test]
    async fn a_stream_ends_when_tokens_do() {
        let mut follow = Follow::begin(inventory().await, EventFilter::default()).await.unwrap();
        assert!(follow.until > Instant::now());
        follow.until = Instant::now();
        assert!(follow.next().await.is_none());
    }

    #[tokio::test]
    async fn what_is_no_longer_kept_is_said() {
        let inventory = inventory().await;
        record(&inventory, "p1", 0..2).await;
        let first = EventFilter { after: Some(1), ..EventFilter::default() };
        let mut follow = Follow::begin(inventory.clone(), first).await.unwrap();
        let seen = take(&mut follow, 3).await.0;
        assert!(seen[0].contains("may be missing") && seen[1..] == ["0", "1"], "{seen:?}");
    }
}
