//! Edges: the layer in front of every route: it sees each change that is asked for, and writes down what came of it.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{
    body::{Body, HttpBody, to_bytes},
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::Response,
};
use domain::audit::NewEntry;
use http::{HeaderValue, Method, header};
use protocol::text::bounded;
use serde::Deserialize;
use store::Inventory;
use tracing::{Instrument, error, info, info_span, warn};

use super::{
    asked::{Asked, REQUEST_ID, Said},
    pace::Pace,
};
use crate::access::{Least, Row, Standing, Verb};

/// Largest answer in which the id of what was made is looked for.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// What stands for Ironic's name and standing.
pub(super) const IRONIC: &str = "ironic";
/// Longest object that is written down; ids are shorter.
const OBJECT_CHARS_MAX: usize = 255;

/// Writes down what is asked for at one table of routes.
pub struct Witness {
    inventory: Inventory,
    rows: &'static [Row],
    pace: Mutex<Pace>,
}

impl Witness {
    /// For the routes of this table.
    pub fn new(inventory: Inventory, rows: &'static [Row]) -> Arc<Self> {
        Arc::new(Self { inventory, rows, pace: Mutex::default() })
    }

    /// Writes an entry down: in the log, and in the table; what anybody can cause, at its pace.
    pub(super) async fn write(&self, entry: NewEntry) {
        if entry.is_anybodys() {
            let now_us = self.inventory.clock().now_us();
            let taken = self.pace.lock().unwrap_or_else(PoisonError::into_inner).take(now_us);
            let Some(passed_over) = taken else { return };
            if passed_over > 0 {
                warn!(passed_over, "requests that changed nothing came faster than they are written down");
            }
        }
        log(&entry);
        if let Err(error) = self.inventory.put_audit(&entry).await {
            error!(request_id = entry.request_id, %error, "a change is not in the table of changes; it is in this log");
        }
    }
}

fn log(entry: &NewEntry) {
    info!(
        request_id = entry.request_id,
        user = entry.user_name,
        user_id = entry.user_id,
        project = entry.project_id,
        project_name = entry.project_name,
        standing = entry.standing,
        source = entry.source.map(tracing::field::display),
        method = entry.method,
        route = entry.route,
        via = entry.via,
        action = entry.action,
        reason = entry.reason,
        object = entry.object,
        status = entry.status,
        "change asked for"
    );
}

/// Whether a row of a table changes something. What compares, as `POST /v1/survey`, needs the right to read and no more.
pub fn changes(row: &Row) -> bool {
    match (row.0, row.2) {
        (Verb::Get, _) | (Verb::Post | Verb::Delete, Least::ReadAll) => false,
        // Signing in and out: nothing is needed for them but a password or a session.
        (
            Verb::Post | Verb::Delete,
            Least::Anybody | Least::ReadOwn | Least::WriteOwn | Least::WriteAll | Least::ReadSecrets,
        ) => true,
    }
}

/// Gives each request its id, and writes each change down.
pub async fn witness(
    State(witness): State<Arc<Witness>>,
    path: MatchedPath,
    mut request: Request,
    next: Next,
) -> Response {
    let asked = Asked::of(&request, path.as_str());
    request.extensions_mut().insert(asked.clone());
    let verb = Verb::of(request.method());
    let row = witness.rows.iter().find(|row| Some(row.0) == verb && row.1 == path.as_str());
    let object = object_of(path.as_str(), request.uri().path());
    let open = row.filter(|row| changes(row)).map(|_| Open::new(&witness, &asked, request.method(), object));
    let span = info_span!("request", id = asked.request_id());
    let mut response = next.run(request).instrument(span).await;
    if let Some(open) = open {
        response = open.close(response).await;
    }
    if let Ok(id) = HeaderValue::from_str(asked.request_id()) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// A change under way. Dropped without an answer, because whoever asked hung up, it is written down as such.
pub struct Open {
    witness: Arc<Witness>,
    asked: Asked,
    entry: Option<NewEntry>,
}

impl Open {
    /// Begins with what was asked for, and of which object.
    pub fn new(witness: &Arc<Witness>, asked: &Asked, method: &Method, object: Option<String>) -> Self {
        let entry = NewEntry {
            request_id: asked.request_id().to_owned(),
            source: asked.source(),
            method: method.to_string(),
            route: asked.route().to_owned(),
            via: asked.page().map(|page| page.route().to_owned()),
            object: object.map(|object| bounded(&object, OBJECT_CHARS_MAX).into_owned()),
            ..NewEntry::default()
        };
        Self { witness: Arc::clone(witness), asked: asked.clone(), entry: Some(entry) }
    }

    /// It changed nothing that is written down.
    pub fn forget(mut self) {
        self.entry = None;
    }

    /// It was answered.
    pub async fn close(mut self, response: Response) -> Response {
        let (response, made) = made_by(response).await;
        if let Some(entry) = self.ended(Some(response.status().as_u16())) {
            let object = made.or(entry.object);
            self.witness.write(NewEntry { object, ..entry }).await;
        }
        response
    }

    /// The entry as it ended; none: it is written down already, by the request that this one made.
    fn ended(&mut self, status: Option<u16>) -> Option<NewEntry> {
        let entry = self.entry.take()?;
        let Said { identity, standing, claimed, is_ironic, action, reason, written } =
            self.asked.said().clone();
        if written {
            return None;
        }
        if let Some(page) = self.asked.page() {
            page.said().written = true;
        }
        let ironic = is_ironic.then_some(IRONIC);
        let name = identity.as_ref().map(|identity| identity.user_name.clone());
        let project_name = identity.as_ref().and_then(|identity| identity.project_name());
        Some(NewEntry {
            user_id: identity.as_ref().map(|identity| identity.user_id.clone()),
            project_name: project_name.map(str::to_owned),
            user_name: name.or(ironic.map(str::to_owned)).or(claimed),
            project_id: identity.and_then(|identity| identity.project_id().map(str::to_owned)),
            standing: standing.map(Standing::word).or(ironic).map(str::to_owned),
            action,
            reason,
            status,
            ..entry
        })
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let Some(entry) = self.ended(None) else { return };
        let witness = Arc::clone(&self.witness);
        // What was begun may have been done all the same.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { witness.write(entry).await });
        }
    }
}

/// What a path names where its route has parameters.
fn object_of(route: &str, path: &str) -> Option<String> {
    let pairs = route.split('/').zip(path.split('/'));
    let named: Vec<_> =
        pairs.filter(|(place, _)| place.starts_with('{')).map(|(_, segment)| segment).collect();
    (!named.is_empty()).then(|| named.join("/"))
}

/// The id in an answer that says what was made or changed.
async fn made_by(response: Response) -> (Response, Option<String>) {
    #[derive(Deserialize)]
    struct Made {
        id: String,
    }
    let is_json = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    let is_small = response.body().size_hint().upper().is_some_and(|bytes| bytes <= ANSWER_BYTES_MAX as u64);
    if !(response.status().is_success() && is_json && is_small) {
        return (response, None);
    }
    let (head, body) = response.into_parts();
    let bytes = to_bytes(body, ANSWER_BYTES_MAX).await.unwrap_or_default();
    let made = serde_json::from_slice::<Made>(&bytes)
        .ok()
        .map(|made| bounded(&made.id, OBJECT_CHARS_MAX).into_owned());
    (Response::from_parts(head, Body::from(bytes)), made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_its_object() {
        let check = |route: &str, path: &str, expected: Option<&str>| {
            assert_eq!(object_of(route, path).as_deref(), expected, "{route} {path}");
        };
        check("/v1/servers", "/v1/servers", None);
        check("/v1/servers/{server}/actions", "/v1/servers/web/actions", Some("web"));
        check("/v1/nodes/{node}/disks/{number}/exception", "/v1/nodes/n1/disks/2/exception", Some("n1/2"));
    }
}
