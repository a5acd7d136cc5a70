//! Edges: the HTTP side of the ironic-python-agent API, one agent for each server under `/ramdisk/<server>/v1/`.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::to_bytes,
    extract::{Path, Query, Request, State},
    response::{IntoResponse, Response},
    routing::get,
};
use http::{StatusCode, Uri};
use protocol::id::{CommandId, ServerId};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tracing::{debug, warn};

use super::{
    Inner, Session,
    command::{Order, interpret},
    job,
};

/// Largest command. A configuration drive comes three times in one: in the step, in its image_info and in the node.
pub const COMMAND_BYTES_MAX: usize = 64 << 20;
/// Longest time that a reply is held back for a job that ends soon; Ironic waits 60 s (`[agent]command_timeout`).
pub const REPLY_HOLD_MAX: Duration = Duration::from_secs(40);

#[derive(Default, Deserialize)]
struct Params {
    agent_token: Option<String>,
    wait: Option<String>,
}

#[derive(Deserialize)]
struct CommandBody {
    name: String,
    #[serde(default)]
    params: Value,
}

/// A request that is not served; ironic reads `faultstring`.
struct Fault(StatusCode, String);

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"faultstring": self.1, "code": self.0.as_u16()}))).into_response()
    }
}

pub(super) fn router(inner: Arc<Inner>) -> Router {
    Router::new()
        .route("/ramdisk/{server}/v1/commands", get(list).post(command))
        .route("/ramdisk/{server}/v1/commands/", get(list).post(command))
        .route("/ramdisk/{server}/v1/commands/{id}", get(show))
        .with_state(inner)
}

async fn list(
    State(inner): State<Arc<Inner>>,
    Path(server): Path<String>,
    uri: Uri,
) -> Result<Json<Value>, Fault> {
    let (session, _) = admit(&inner, &server, &uri)?;
    let mut table = session.table();
    if table.running().is_empty() && table.has_news() {
        debug!(server = %session.server, "ironic has looked");
        table.noticed();
    }
    Ok(Json(table.list()))
}

async fn show(
    State(inner): State<Arc<Inner>>,
    Path((server, id)): Path<(String, String)>,
    uri: Uri,
) -> Result<Json<Value>, Fault> {
    let (session, _) = admit(&inner, &server, &uri)?;
    let found = id.parse().ok().and_then(|id: CommandId| session.table().get(id));
    found.map(Json).ok_or_else(|| Fault(StatusCode::NOT_FOUND, format!("there is no command {id:?}")))
}

async fn command(
    State(inner): State<Arc<Inner>>,
    Path(server): Path<String>,
    request: Request,
) -> Result<Json<Value>, Fault> {
    // Who asks is settled before the body is read: it may be large.
    let (session, wait) = admit(&inner, &server, request.uri())?;
    let bytes = to_bytes(request.into_body(), COMMAND_BYTES_MAX).await.map_err(|_| {
        let text = format!("the command could not be read, or is larger than {COMMAND_BYTES_MAX} bytes");
        Fault(StatusCode::PAYLOAD_TOO_LARGE, text)
    })?;
    let body: CommandBody = serde_json::from_slice(&bytes)
        .map_err(|error| Fault(StatusCode::BAD_REQUEST, format!("this is not a command: {error}")))?;
    drop(bytes);
    debug!(server = %session.server, command = %body.name, "command from ironic");
    let order = interpret(&body.name, body.params, inner.config.erase).map_err(|error| {
        warn!(server = %session.server, %error, "command refused");
        Fault(StatusCode::BAD_REQUEST, error.to_string())
    })?;
    let busy = |busy: super::table::Busy| Fault(StatusCode::CONFLICT, busy.to_string());
    let (id, job) = match order {
        Order::Answer(result) => (session.table().answered(&body.name, result).map_err(busy)?, None),
        Order::Do(job) => (session.table().begin(&body.name, job.clone()).map_err(busy)?, Some(job)),
    };
    if let Err(error) = inner.save(&session).await {
        let text = error.to_string();
        if job.is_some() {
            session.table().finish(id, Err(super::table::CommandError::not_started(&text)));
        }
        return Err(Fault(StatusCode::INTERNAL_SERVER_ERROR, text));
    }
    if let Some(job) = job {
        let hold = wait || job.holds_reply();
        let task = inner.tasks.spawn(job::run(inner.clone(), session.clone(), id, job));
        if hold && tokio::time::timeout(REPLY_HOLD_MAX, task).await.is_err() {
            debug!(server = %session.server, "job takes longer than a reply is held for");
        }
    }
    let reply = session.table().get(id);
    reply.map(Json).ok_or_else(|| Fault(StatusCode::INTERNAL_SERVER_ERROR, "the command is gone".to_owned()))
}

/// The session that this request may speak to, and whether it wants to wait.
fn admit(inner: &Inner, server: &str, uri: &Uri) -> Result<(Arc<Session>, bool), Fault> {
    // One text for "no such ramdisk" and "wrong token": who has a ramdisk is nobody else's business.
    let denied = || Fault(StatusCode::UNAUTHORIZED, "Invalid agent token.".to_owned());
    let params = Query::<Params>::try_from_uri(uri).map(|Query(params)| params).unwrap_or_default();
    let session = server.parse().ok().and_then(|id: ServerId| inner.session(id)).ok_or_else(denied)?;
    let token = session.table().token.clone().ok_or_else(denied)?;
    let shown = params.agent_token.ok_or_else(denied)?;
    let (left, right) = (Sha256::digest(token.reveal()), Sha256::digest(shown));
    if !bool::from(left.as_slice().ct_eq(right.as_slice())) {
        warn!(server = %session.server, "wrong agent token on the ramdisk facade");
        return Err(denied());
    }
    Ok((session, params.wait.as_deref() == Some("true")))
}
