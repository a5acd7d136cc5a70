//! Edges: the stream of events of a virtual Redfish BMC (DSP0266, section 13.6): what happened, each with a number, to whoever asks from
//! which number on. That the power changed is noticed by looking.

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use futures::stream;
use serde_json::{Value, json};

use super::chassis::Chassis;

/// Between two looks at the power.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What happened so far.
#[derive(Debug, Default)]
pub(super) struct Events {
    all: Mutex<Vec<Value>>,
    /// Streams are cut when it changes.
    cuts: AtomicU64,
    /// The power as it was told last.
    was_on: Mutex<Option<bool>>,
    streams: AtomicU64,
}

impl Events {
    fn all(&self) -> std::sync::MutexGuard<'_, Vec<Value>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something happened.
    pub(super) fn tell(&self, message_id: &str, message: &str) {
        self.all().push(json!({ "MessageId": message_id, "Message": message, "EventType": "Event" }));
    }

    /// All streams end now.
    pub(super) fn cut(&self) {
        self.cuts.fetch_add(1, Ordering::Relaxed);
    }

    /// Streams that were begun.
    pub(super) fn streams(&self) -> u64 {
        self.streams.load(Ordering::Relaxed)
    }

    fn look(&self, is_on: bool) {
        let was_on = self.was_on.lock().unwrap_or_else(PoisonError::into_inner).replace(is_on);
        if was_on.is_some_and(|was_on| was_on != is_on) {
            let words = if is_on { "ResourcePoweredOn" } else { "ResourcePoweredOff" };
            self.tell(&format!("ResourceEvent.1.3.{words}"), "The resource has changed its power.");
        }
    }

    /// A stream from where the client was.
    pub(super) fn stream(self: &Arc<Self>, chassis: Arc<dyn Chassis>, headers: &HeaderMap) -> Response {
        self.streams.fetch_add(1, Ordering::Relaxed);
        let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
        let from: usize = last.unwrap_or_else(|| self.all().len());
        let cuts = self.cuts.load(Ordering::Relaxed);
        let begin = (self.clone(), chassis, from, true);
        let chunks = stream::unfold(begin, move |(events, chassis, at, is_first)| async move {
            if is_first {
                return Some((
                    Ok::<_, Infallible>(Bytes::from_static(b": hello\n\n")),
                    (events, chassis, at, false),
                ));
            }
            loop {
                if events.cuts.load(Ordering::Relaxed) != cuts {
                    return None;
                }
                if let Ok(is_on) = chassis.power().await {
                    events.look(is_on);
                }
                let next = events.all().get(at).cloned();
                if let Some(event) = next {
                    let body = json!({ "@odata.type": "#Event.v1_7_0.Event", "Id": at.to_string(), "Events": [event] });
                    let text = format!("id: {}\ndata: {body}\n\n", at + 1);
                    return Some((Ok(Bytes::from(text)), (events, chassis, at + 1, false)));
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        });
        ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(chunks)).into_response()
    }
}
