//! Edges: a service's stream of events (DSP0266, section 13.6), beside all other requests and by the same session.

use std::time::Duration;

use hyper::{
    Method, StatusCode,
    header::{ACCEPT, HeaderName},
};
use protocol::{
    quirk::Quirk,
    redfish::{
        ROOT,
        event::{EventReader, StreamEvent, Tells, tells},
        node::{Node, Resource},
    },
};

use super::{
    RedfishBmc,
    fault::{Fault, of_request},
    http::Apart,
    wire::Exchange,
};
use crate::bmc::BmcError;

/// A stream that says nothing for so long is opened anew: nobody tells when the BMC has forgotten it.
pub const IDLE_MAX: Duration = Duration::from_secs(600);
/// A stream is opened anew after this time in any case.
const STREAM_MAX: Duration = Duration::from_secs(86_400);
/// Where a stream goes on (WHATWG HTML, section 9.2.5).
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// A stream of events. Dropped, it ends.
pub struct Events {
    exchange: Exchange,
    reader: EventReader,
    /// When something came last.
    heard: tokio::time::Instant,
}

impl RedfishBmc {
    /// Opens its stream of events, to go on behind the event of this id; none: it has no stream, or is known not to keep connections.
    ///
    /// # Errors
    /// The BMC is not reached, does not let us in, belongs to another machine, or refuses the stream.
    pub async fn events(&self, after: Option<&str>) -> Result<Option<Events>, BmcError> {
        let mut state = self.begin().await;
        self.system_lately(&mut state).await?;
        let is_kept = |quirk| !state.quirks.has(quirk);
        if !is_kept(Quirk::ConnectionNotKept) || !is_kept(Quirk::SessionNotKept) {
            return Ok(None);
        }
        let error = |fault| self.error(fault);
        let root = state.http.get::<Resource>(ROOT).await.map_err(error)?;
        let Some(link) = root.body.node().link("EventService") else { return Ok(None) };
        let path = state.local(link, "the event service").map_err(error)?;
        let service = state.http.get::<Resource>(&path).await.map_err(error)?;
        let Some(link) = service.body.node().text("ServerSentEventUri") else { return Ok(None) };
        let path = state.local(&link, "the stream of events").map_err(error)?;
        let Apart { mut wire, mut request } = state.http.apart(Method::GET, &path).await.map_err(error)?;
        drop(state);
        request = request.header(ACCEPT, "text/event-stream");
        if let Some(id) = after {
            request = request.header(LAST_EVENT_ID, id);
        }
        let begun = wire.begin(&request).await;
        let mut exchange =
            begun.map_err(|failed| error(of_request(&failed, self.address.starts_with("https"), 0)))?;
        match exchange.status() {
            status if status.is_success() => {}
            StatusCode::NOT_FOUND | StatusCode::NOT_IMPLEMENTED => return Ok(None),
            status => return Err(error(Fault::refused(format!("GET {path}: HTTP {status}")))),
        }
        exchange.may_last(STREAM_MAX);
        let (reader, heard) = (EventReader::after(after.map(str::to_owned)), tokio::time::Instant::now());
        Ok(Some(Events { exchange, reader, heard }))
    }
}

impl Events {
    /// What came next, perhaps nothing whole; none: the stream has ended. Whoever stops waiting loses nothing.
    pub async fn next(&mut self) -> Option<Vec<StreamEvent>> {
        let idle_until = self.heard + IDLE_MAX;
        let chunk = tokio::time::timeout_at(idle_until, self.exchange.chunk()).await.ok()?.ok()??;
        self.heard = tokio::time::Instant::now();
        Some(self.reader.take(&chunk))
    }

    /// The id of the last event, behind which another stream goes on.
    pub fn last_id(&self) -> Option<&str> {
        self.reader.last_id()
    }
}

/// Whether an event of the stream says that the power may have changed.
pub fn is_of_power(event: &StreamEvent) -> bool {
    match serde_json::from_str(&event.data) {
        Ok(body) => tells(Node::of(&body)) == Tells::Power,
        Err(_) => false,
    }
}
