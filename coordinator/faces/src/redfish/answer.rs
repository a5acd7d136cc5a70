//! Edges: answers and errors of the Redfish facade as HTTP.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use domain::rim::{Refusal, RefusalKind};
use http::{HeaderValue, StatusCode, header};
use protocol::secret::Secret;
use serde_json::Value;

use super::resource;

/// Who looks after a task is asked to look again after so long.
const RETRY_AFTER_SECONDS: u32 = 15;

/// A request that was answered.
pub enum RedfishAnswer {
    /// A resource.
    Found(Value),
    /// Done; there is nothing to show.
    Done,
    /// It goes on; what is known of it, and where more is told (DSP0266, section 12.2).
    GoesOn {
        /// What is known of it; none: nothing yet.
        body: Option<Value>,
        /// Path of its monitor.
        monitor: String,
    },
    /// A session was opened.
    Opened {
        /// The session.
        body: Value,
        /// Its path.
        location: String,
        /// Its token, which is shown this once.
        token: Secret,
    },
}

/// A request that was not done.
#[derive(Debug)]
pub struct Failed {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Failed {
    pub fn new(status: StatusCode, code: &'static str, message: String) -> Self {
        Self { status, code, message }
    }

    pub fn not_found() -> Self {
        let text = "there is no such resource, or it belongs to another user".to_owned();
        Self::new(StatusCode::NOT_FOUND, "Base.1.18.ResourceMissingAtURI", text)
    }

    pub fn unauthorized() -> Self {
        let text =
            "user and password, or the session token, do not belong to a server here; compare the node's driver_info with \
             the inventory"
                .to_owned();
        Self::new(StatusCode::UNAUTHORIZED, "Base.1.18.NoValidSession", text)
    }

    pub fn unreachable(name: &str, reason: &str) -> Self {
        let text = format!("the power state of {name} is unknown: {reason}");
        Self::new(StatusCode::FAILED_DEPENDENCY, "Bms.1.0.Unreachable", text)
    }

    pub fn busy() -> Self {
        let text =
            "an earlier power-on of this server is still in progress; try again when it has ended".to_owned();
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "Base.1.18.ServiceTemporarilyUnavailable", text)
    }

    pub fn too_slow(after: Duration) -> Self {
        let text = format!(
            "the power change was not confirmed within {} s; it continues, and the power state will show the result",
            after.as_secs()
        );
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "Bms.1.0.Timeout", text)
    }

    pub fn order_too_slow(what: &str, after: Duration) -> Self {
        let text = format!(
            "{what} was not done within {} s; it continues, and its resource will show the result",
            after.as_secs()
        );
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "Bms.1.0.Timeout", text)
    }

    pub fn internal() -> Self {
        let text = "the coordinator could not do this; check its log".to_owned();
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Base.1.18.InternalError", text)
    }

    /// A refusal of the core. 400 and 409 are avoided: Ironic takes them for success when the server happens to be in the
    /// wanted state, which hides a refused restart. 401 and 403 make it log in again, 404 hides the text.
    pub fn refused(refusal: &Refusal) -> Self {
        let (status, code) = match refusal.kind {
            RefusalKind::UnknownServer => (StatusCode::UNPROCESSABLE_ENTITY, "Bms.1.0.UnknownServer"),
            RefusalKind::State | RefusalKind::OffUntold => {
                (StatusCode::UNPROCESSABLE_ENTITY, "Bms.1.0.State")
            }
            RefusalKind::Gate => (StatusCode::UNPROCESSABLE_ENTITY, "Bms.1.0.Gate"),
            RefusalKind::AgentAway => (StatusCode::SERVICE_UNAVAILABLE, "Bms.1.0.AgentAway"),
            RefusalKind::Hardware | RefusalKind::Interrupted => (StatusCode::BAD_GATEWAY, "Bms.1.0.Hardware"),
        };
        Self::new(status, code, refusal.message.clone())
    }

    pub fn into_response(self) -> Response {
        let body = resource::error(self.code, &self.message);
        let mut response = (self.status, axum::Json(body)).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Basic realm=\"bms\", charset=\"UTF-8\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        versioned(response)
    }
}

impl RedfishAnswer {
    pub fn into_response(self) -> Response {
        versioned(match self {
            RedfishAnswer::Found(body) => axum::Json(body).into_response(),
            RedfishAnswer::Done => StatusCode::NO_CONTENT.into_response(),
            RedfishAnswer::GoesOn { body, monitor } => {
                let headers =
                    [(header::LOCATION, monitor), (header::RETRY_AFTER, RETRY_AFTER_SECONDS.to_string())];
                match body {
                    Some(body) => (StatusCode::ACCEPTED, headers, axum::Json(body)).into_response(),
                    None => (StatusCode::ACCEPTED, headers).into_response(),
                }
            }
            RedfishAnswer::Opened { body, location, token } => {
                let mut response = (StatusCode::CREATED, axum::Json(body)).into_response();
                let headers =
                    [(header::LOCATION.as_str(), location.as_str()), ("x-auth-token", token.reveal())];
                for (name, text) in headers {
                    if let Ok(mut value) = HeaderValue::from_str(text) {
                        value.set_sensitive(name == "x-auth-token");
                        response.headers_mut().insert(name, value);
                    }
                }
                response
            }
        })
    }
}

/// DSP0266 section 8.1 asks for the protocol's version in every answer; nothing here may be kept by a cache.
fn versioned(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert("odata-version", HeaderValue::from_static("4.0"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
