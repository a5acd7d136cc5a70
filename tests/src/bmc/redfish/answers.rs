//! Edges: what a virtual Redfish BMC answers: what strangers may see, sessions, and the system.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use axum::{
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use protocol::secret::Secret;
use serde_json::{Value, json};
use tracing::warn;
use uuid::Uuid;

use super::{
    super::{
        Faults,
        accounts::{self, TakesPasswords},
        redfish_odd::Asked,
        redfish_protocol, redfish_system as system, redfish_tree,
    },
    SESSIONS_MAX, Service, SessionPath,
};

/// Longest request body.
const BODY_BYTES_MAX: usize = 1 << 20;

/// How long it is silent when it restarts with new firmware.
const UPDATE_RESTART: Duration = Duration::from_millis(300);

/// Answers one request, as its faults and oddities let it.
pub(super) async fn answer(State(service): State<Arc<Service>>, request: Request) -> Response {
    service.requests.fetch_add(1, Ordering::Relaxed);
    let faults = service.faults.get();
    if faults.silent {
        return std::future::pending().await;
    }
    tokio::time::sleep(faults.delay).await;
    if faults.garbage {
        return (StatusCode::OK, "<html>\u{fffd} 502").into_response();
    }
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_BYTES_MAX).await else {
        return problem(StatusCode::PAYLOAD_TOO_LARGE, "The body is too long.");
    };
    let path = parts.uri.path().trim_end_matches('/').to_owned();
    let body: Value = match (body.is_empty(), serde_json::from_slice(&body)) {
        (true, _) => Value::Null,
        (false, Ok(value)) => value,
        // A file, mostly.
        (false, Err(_)) if !is_json(&parts.headers) => {
            Value::String(String::from_utf8_lossy(&body).into_owned())
        }
        (false, Err(_)) => return problem(StatusCode::BAD_REQUEST, "The body is not JSON."),
    };
    // HEAD is GET, of which HTTP sends the head alone.
    let method = if parts.method == Method::HEAD { Method::GET } else { parts.method };
    if let Some(response) = redfish_protocol::before(&method, &path, &parts.headers) {
        return redfish_protocol::dressed(response, &path, None);
    }
    let mut asked = Asked {
        method,
        raw_path: parts.uri.path().to_owned(),
        path,
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body,
        etag: service.etag(),
        is_on: service.chassis.0.power().await.unwrap_or_default(),
    };
    let response = match service.oddities.before(&mut asked) {
        Some(response) => response,
        None => usual(&service, &faults, &asked).await,
    };
    service.oddities.after((&asked.method, &asked.path, &asked.headers), response).await
}

fn is_json(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_none_or(|kind| kind.as_bytes().starts_with(b"application/json"))
}

/// The answer of a service that is not odd, with what belongs to every answer.
async fn usual(service: &Service, faults: &Faults, asked: &Asked) -> Response {
    let answered = answered(service, faults, asked).await;
    let kind = answered.extensions().get::<Shown>().map(|Shown(kind)| kind.clone());
    redfish_protocol::dressed(answered, &asked.path, kind.as_deref())
}

/// The `@odata.type` of what an answer shows.
#[derive(Clone, Debug)]
struct Shown(String);

async fn answered(service: &Service, faults: &Faults, asked: &Asked) -> Response {
    let Asked { method, path, body, headers, .. } = asked;
    if let Some(response) = public(service, method, path, body) {
        return response;
    }
    if !authorised(service, headers) {
        return problem(StatusCode::UNAUTHORIZED, "Log in first.");
    }
    let is_session = path.starts_with("/redfish/v1/SessionService/Sessions/");
    if service.password.manner() == TakesPasswords::First && path != accounts::OWN && !is_session {
        return change_first();
    }
    if service.password.manner() == TakesPasswords::Long && path == "/redfish/v1/AccountService" {
        return found(&json!({
            "@odata.id": "/redfish/v1/AccountService",
            "Accounts": { "@odata.id": "/redfish/v1/AccountService/Accounts" },
            "MinPasswordLength": accounts::LONG,
        }));
    }
    if faults.refuse && *method != Method::GET {
        return problem(StatusCode::CONFLICT, "The BMC was told to refuse.");
    }
    if faults.ignore && *method != Method::GET {
        return StatusCode::NO_CONTENT.into_response();
    }
    if path == redfish_tree::STREAM {
        return service.events.stream(service.chassis.0.clone(), headers);
    }
    if *method == Method::PATCH
        && path == accounts::OWN
        && let Some(password) = body["Password"].as_str()
        && let Err(why) = service.password.tell(Secret::new(password))
    {
        return problem(StatusCode::BAD_REQUEST, why);
    }
    if !service.options.is_bare
        && let Some(response) = service.manners.answer((method, path, &asked.query), body, asked.is_on)
    {
        if service.manners.restarts() {
            let down_until = Some(Instant::now() + UPDATE_RESTART);
            service.faults.set(Faults { down_until, ..service.faults.get() });
        }
        return response;
    }
    private(service, method, path, body, headers).await
}

/// Nothing is answered before the password is changed (DSP0268, Base.PasswordChangeRequired).
fn change_first() -> Response {
    let body = json!({ "error": { "code": "Base.1.8.GeneralError", "message": "See ExtendedInfo.", "@Message.ExtendedInfo": [{
        "MessageId": "Base.1.8.PasswordChangeRequired",
        "Message": "The password provided for this account must be changed before access is granted.",
        "MessageArgs": [accounts::OWN],
    }] } });
    (StatusCode::FORBIDDEN, axum::Json(body)).into_response()
}

/// What strangers may see and do.
fn public(service: &Service, method: &Method, path: &str, body: &Value) -> Option<Response> {
    match (method.as_str(), path) {
        ("GET", "/redfish") => Some(found(&json!({ "v1": "/redfish/v1/" }))),
        ("GET", "/redfish/v1") => {
            let mut root = system::root(!service.options.no_sessions);
            let more = if service.options.is_bare { Value::Null } else { service.manners.of_root() };
            for (name, value) in
                [&more, &service.options.root_says].into_iter().filter_map(Value::as_object).flatten()
            {
                root[name] = value.clone();
            }
            Some(found(&root))
        }
        ("POST", "/redfish/v1/SessionService/Sessions" | "/redfish/v1/SessionService/Sessions/Members")
            if !service.options.no_sessions =>
        {
            Some(log_in(service, body))
        }
        _ => None,
    }
}

fn log_in(service: &Service, body: &Value) -> Response {
    service.attempts.fetch_add(1, Ordering::Relaxed);
    let good =
        body["UserName"] == service.username.as_str() && body["Password"] == service.password.get().reveal();
    if !service.lets_in(good) {
        return problem(StatusCode::UNAUTHORIZED, "The user name or password is wrong.");
    }
    let mut sessions = service.sessions();
    if sessions.len() >= service.faults.get().sessions_max.unwrap_or(SESSIONS_MAX) {
        return problem(StatusCode::SERVICE_UNAVAILABLE, "No session is free.");
    }
    let (token, id) = (Uuid::new_v4().to_string(), Uuid::new_v4().to_string());
    sessions.insert(token.clone(), id.clone());
    service.logins.fetch_add(1, Ordering::Relaxed);
    let path = format!("/redfish/v1/SessionService/Sessions/{id}");
    let body = system::session(&path, &id, &service.username);
    let location = match service.options.session_path {
        SessionPath::Location => Some(path),
        SessionPath::OtherHost => Some(format!("https://bmc.example{path}")),
        SessionPath::Body => None,
    };
    let location = location.map(|path| [("Location", path)]);
    (StatusCode::CREATED, [("X-Auth-Token", token)], location, axum::Json(body)).into_response()
}

fn authorised(service: &Service, headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(token) = text("x-auth-token") {
        return service.sessions().contains_key(token);
    }
    let Some(basic) = text("authorization").and_then(|value| value.strip_prefix("Basic ")) else {
        return false;
    };
    let wanted = format!("{}:{}", service.username, service.password.get().reveal());
    let good = service.lets_in(basic == BASE64_STANDARD.encode(wanted));
    if !good {
        service.attempts.fetch_add(1, Ordering::Relaxed);
    }
    good
}

async fn private(
    service: &Service,
    method: &Method,
    path: &str,
    body: &Value,
    headers: &HeaderMap,
) -> Response {
    let chassis = service.chassis.0.as_ref();
    if let Some(id) = path.strip_prefix("/redfish/v1/SessionService/Sessions/") {
        let known = service.sessions().values().any(|session| session == id);
        return match method.as_str() {
            "GET" if known => found(&system::session(path, id, &service.username)),
            "DELETE" if known => {
                service.sessions().retain(|_, session| session != id);
                StatusCode::NO_CONTENT.into_response()
            }
            _ => problem(StatusCode::NOT_FOUND, "There is no such session."),
        };
    }
    match (method.as_str(), path) {
        ("GET", system::SYSTEM) => match system::show(chassis, service.uuid()).await {
            Ok(mut body) => {
                if !service.options.is_bare {
                    service.manners.add_to(path, &mut body);
                }
                with_etag(found(&service.as_who(body)), &service.etag())
            }
            Err(error) => failed(&error),
        },
        ("PATCH", system::SYSTEM) => {
            let hidden = service.hidden_writes.swap(0, Ordering::Relaxed);
            service.writes.fetch_add(hidden, Ordering::Relaxed);
            if headers.get(header::IF_MATCH).is_some_and(|tag| tag.as_bytes() != service.etag().as_bytes()) {
                return problem(StatusCode::PRECONDITION_FAILED, "Somebody else has written meanwhile.");
            }
            service.writes.fetch_add(1, Ordering::Relaxed);
            done(system::set_boot(chassis, body).await)
        }
        ("POST", system::RESET) => {
            let outcome = system::reset(chassis, body).await;
            if outcome.is_ok() && system::is_start(body) && !service.options.is_bare {
                service.manners.started();
            }
            done(outcome)
        }
        ("GET", _) => match system::still(path, !service.options.no_sessions, &service.options.macs) {
            Some(mut body) => {
                if !service.options.is_bare {
                    service.manners.add_to(path, &mut body);
                }
                found(&service.as_who(body))
            }
            None => problem(StatusCode::NOT_FOUND, "There is no such resource."),
        },
        _ => problem(StatusCode::METHOD_NOT_ALLOWED, "That cannot be done to this resource."),
    }
}

fn found(body: &Value) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json")];
    let mut response = (headers, Body::from(body.to_string())).into_response();
    if let Some(kind) = body["@odata.type"].as_str() {
        response.extensions_mut().insert(Shown(kind.to_owned()));
    }
    response
}

fn with_etag(mut response: Response, etag: &str) -> Response {
    let value = HeaderValue::from_str(etag).expect("an ETag of ours is plain text");
    response.headers_mut().insert(header::ETAG, value);
    response
}

fn done(outcome: Result<(), system::Refusal>) -> Response {
    match outcome {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(system::Refusal::BadRequest(why)) => problem(StatusCode::BAD_REQUEST, &why),
        Err(system::Refusal::Conflict(why)) => problem(StatusCode::CONFLICT, &why),
        Err(system::Refusal::Machine(error)) => failed(&error),
    }
}

fn failed(error: &anyhow::Error) -> Response {
    warn!(error = format!("{error:#}"), "the machine refused its Redfish BMC");
    problem(StatusCode::INTERNAL_SERVER_ERROR, &format!("{error:#}"))
}

pub(in super::super) fn problem(status: StatusCode, why: &str) -> Response {
    let body = json!({ "error": {
        "code": "Base.1.8.GeneralError",
        "message": why,
        "@Message.ExtendedInfo": [{ "MessageId": "Base.1.8.GeneralError", "Message": why }],
    }});
    (status, axum::Json(body)).into_response()
}
