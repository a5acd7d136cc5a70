//! Edges: what happened, in the API: a page of it, or a stream (text/event-stream) that goes on.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Query, State},
    response::{
        IntoResponse, Response,
        sse::{self, KeepAlive, Sse},
    },
};
use futures::{Stream, StreamExt, stream};
use protocol::id::ServerId;
use serde::Deserialize;
use tokio_stream::wrappers::{BroadcastStream, errors::BroadcastStreamRecvError};

use super::{
    Api,
    auth::User,
    types::{Event, List, PAGE_ITEMS_MAX, Problem},
};
use crate::{events, inventory::EventFilter};

/// How often a stream without events shows that it lives.
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(15);

/// Which events.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
pub struct EventQuery {
    /// Only later ones than this id.
    after: Option<u64>,
    /// Only of this physical server, by name or id (administrators).
    node: Option<String>,
    /// At most so many of the newest, 1000 at most.
    limit: Option<u32>,
}

/// The newest events that the caller may see, oldest first.
#[utoipa::path(get, path = "/v1/events", params(EventQuery), responses((status = 200, body = List<Event>)))]
pub async fn list(
    State(api): State<Arc<Api>>,
    user: User,
    Query(query): Query<EventQuery>,
) -> Result<Json<List<Event>>, Problem> {
    let filter = api.filter(&user, query).await?;
    let events = api.inventory.events(&filter).await?;
    Ok(Json(List { items: events.into_iter().map(|event| view(event, user.identity.is_admin)).collect() }))
}

/// The same, and then every further one as it happens.
#[utoipa::path(get, path = "/v1/events/stream", params(EventQuery), responses((status = 200, content_type = "text/event-stream", body = Event)))]
pub async fn follow(
    State(api): State<Arc<Api>>,
    user: User,
    Query(query): Query<EventQuery>,
) -> Result<Response, Problem> {
    let admin = user.identity.is_admin;
    let filter = api.filter(&user, query).await?;
    // Listening begins before the past is read, so that nothing falls between; what is in both is dropped by its id.
    let listener = api.inventory.broadcast().listen();
    let past = api.inventory.events(&filter).await?;
    let last = past.last().map_or(filter.after.unwrap_or(0), |event| event.id);
    let future = BroadcastStream::new(listener).filter_map(move |received| {
        let shown = match received {
            Ok(event) if event.id > last && matches(&filter, &event) => Some(view(event, admin)),
            Ok(_) => None,
            Err(BroadcastStreamRecvError::Lagged(missed)) => Some(Event {
                id: 0,
                at: String::new(),
                node: None,
                rack: None,
                kind: "lagged".to_owned(),
                text: format!("{missed} events were left out here; /v1/events has them"),
            }),
        };
        std::future::ready(shown)
    });
    let past = stream::iter(past.into_iter().map(move |event| view(event, admin)));
    Ok(Sse::new(lines(past.chain(future)))
        .keep_alive(KeepAlive::new().interval(KEEP_ALIVE_EVERY))
        .into_response())
}

fn lines(
    events: impl Stream<Item = Event> + Send + 'static,
) -> impl Stream<Item = Result<sse::Event, Infallible>> + Send {
    events.map(|event| {
        let text = serde_json::to_string(&event).unwrap_or_default();
        Ok(sse::Event::default().id(event.id.to_string()).event(event.kind).data(text))
    })
}

fn matches(filter: &EventFilter, event: &events::Event) -> bool {
    filter.server.is_none_or(|server| event.server == Some(server))
        && filter.project_id.as_ref().is_none_or(|project| event.project_id.as_ref() == Some(project))
}

fn view(event: events::Event, admin: bool) -> Event {
    Event {
        id: event.id,
        at: super::time(event.at_us).unwrap_or_default(),
        node: event.server.map(|server| server.0).filter(|_| admin),
        rack: event.rack.map(|rack| rack.to_string()).filter(|_| admin),
        kind: event.kind.as_str().to_owned(),
        text: event.text,
    }
}

impl Api {
    async fn filter(&self, user: &User, query: EventQuery) -> Result<EventFilter, Problem> {
        let server: Option<ServerId> = match query.node {
            Some(_) if !user.identity.is_admin => return Err(Problem::forbidden()),
            Some(name) => Some(self.find_node(&name).await?.id),
            None => None,
        };
        let project_id = user.sees()?.map(str::to_owned);
        let limit = Some(query.limit.unwrap_or(PAGE_ITEMS_MAX).min(PAGE_ITEMS_MAX));
        Ok(EventFilter { after: query.after, server, project_id, limit })
    }
}
