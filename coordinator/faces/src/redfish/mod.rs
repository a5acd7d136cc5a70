//! Edges: the servers as Redfish systems, for Ironic.
//!
//! ```text
//!   Ironic --GET--> facts (the last streamed reading, the hardware report); a BMC is asked only for what waits for a start
//!          --PATCH Boot--> kept and echoed
//!          --PATCH, POST of what the BMC has--> Hardware::order (permitted by the server's state), answered when it is done
//!          --POST Reset--> port::Hardware::power (the gate), answered when that has decided
//! ```
//!
//! What must stay true: a user sees one server, its own; Ironic never learns a BMC's password; a refusal's sentence
//! reaches Ironic's `last_error` unchanged; no request waits longer than [`RESET_WAIT_MAX`].
//!
//! A server's user name on the facade ends with the server's id (`bms-6ae0...`, or the id alone), so that a session can be
//! opened without a search through all servers.

pub mod bmc;
pub mod boot;
pub mod controls;
pub mod path;
pub mod resource;
pub mod sensors;
pub mod session;
pub mod storage;
pub mod update;

mod answer;
mod change;
mod opened;
mod orders;
mod query;
mod select;
mod show;
mod witness;

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Bytes, to_bytes},
    extract::{Request, State},
    response::Response,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{
    firmware::update::Update,
    rim::{FacadeServer, Hardware, PowerRequest},
};
use http::{HeaderMap, Method, StatusCode, header::AUTHORIZATION};
use protocol::{
    bmc_order::BmcOrder,
    hex,
    id::ServerId,
    power::{PowerOffHow, PowerReading},
    secret::Secret,
};
use serde::Deserialize;
use tracing::{debug, info, warn};
use uuid::Uuid;

use self::{
    answer::{Failed, RedfishAnswer},
    boot::BootOverride,
    opened::query_of,
    path::Resource,
    query::Query,
    session::{Holder, Sessions, fingerprint, same},
    update::SimpleUpdate,
};
pub use witness::witness_ironic;

use crate::audit::Asked;

/// Longest time that a Reset is waited for; the gate decides before.
pub const RESET_WAIT_MAX: Duration = protocol::power_budget::FACADE_ANSWER_MAX;
/// Largest request body.
pub const BODY_BYTES_MAX: usize = 64 << 10;
/// Boot overrides that are remembered; the facade serves no more servers than that.
pub const OVERRIDES_MAX: usize = 100_000;

/// The facade's state: sessions, boot overrides and the power changes that are under way. All of it may be lost:
/// Ironic opens a new session when told 401 and writes the override before every boot.
pub struct RedfishFacade {
    hardware: Arc<dyn Hardware>,
    sessions: Mutex<Sessions>,
    overrides: Mutex<HashMap<ServerId, BootOverride>>,
    switching_on: Arc<Mutex<HashSet<ServerId>>>,
    reset_wait: Duration,
}

/// The body of a request for a session.
#[derive(Deserialize)]
struct SessionRequest {
    #[serde(rename = "UserName")]
    user: String,
    #[serde(rename = "Password")]
    password: Secret,
}

/// The body of a Reset.
#[derive(Deserialize)]
struct ResetRequest {
    #[serde(rename = "ResetType")]
    kind: String,
}

/// A server whose credentials the request has shown.
struct Principal {
    server: FacadeServer,
    user: String,
}

impl RedfishFacade {
    /// A facade over the core.
    pub fn new(hardware: Arc<dyn Hardware>) -> Arc<Self> {
        Self::with_reset_wait(hardware, RESET_WAIT_MAX)
    }

    /// The same with another bound on a Reset, for tests.
    pub fn with_reset_wait(hardware: Arc<dyn Hardware>, reset_wait: Duration) -> Arc<Self> {
        Arc::new(Self {
            hardware,
            sessions: Mutex::default(),
            overrides: Mutex::default(),
            switching_on: Arc::default(),
            reset_wait,
        })
    }

    /// Its routes: everything, so that every wrong path gets a Redfish error too.
    pub fn router(self: &Arc<Self>) -> Router {
        Router::new().fallback(handle).with_state(self.clone())
    }

    async fn answer(&self, request: Request) -> Result<RedfishAnswer, Failed> {
        let resource = Resource::parse(request.uri().path()).ok_or_else(Failed::not_found)?;
        let method = request.method().clone();
        let is_read = matches!(method, Method::GET | Method::HEAD);
        let query = if is_read { query_of(&request)? } else { Query::default() };
        match (&method, &resource) {
            (&Method::GET | &Method::HEAD, Resource::Versions) => {
                return Ok(RedfishAnswer::Found(resource::versions()));
            }
            // What it leads to is not for strangers.
            (&Method::GET | &Method::HEAD, Resource::Root) if query.expand.is_none() => {
                return Ok(RedfishAnswer::Found(query.part_of(resource::root())));
            }
            (&Method::POST, Resource::Sessions) => return self.open_session(request).await,
            _ => {}
        }
        let principal = self.principal(request.headers()).await?;
        if let Some(asked) = request.extensions().get::<Asked>() {
            asked.is_ironics();
        }
        if resource.server().is_some_and(|id| id != principal.server.id) {
            // Not "forbidden": whose server exists is nobody else's business.
            return Err(Failed::not_found());
        }
        match (&method, resource) {
            (&Method::GET | &Method::HEAD, resource @ Resource::System(_)) => {
                let principal = self.settled(principal).await;
                self.show(&resource, &principal, query).await.map(RedfishAnswer::Found)
            }
            (&Method::GET | &Method::HEAD, Resource::TaskMonitor(task)) => {
                self.monitor(principal.server.id, task).await
            }
            (&Method::GET | &Method::HEAD, resource) => {
                self.show(&resource, &principal, query).await.map(RedfishAnswer::Found)
            }
            (&Method::DELETE, Resource::Session(id)) => {
                match lock(&self.sessions).close(&id, principal.server.id) {
                    true => Ok(RedfishAnswer::Done),
                    false => Err(Failed::not_found()),
                }
            }
            (&Method::PATCH, Resource::System(_)) => self.patch_system(request, &principal).await,
            (&Method::PATCH, Resource::SecureBoot(id)) => self.patch_secure_boot(request, id).await,
            (&Method::PATCH, Resource::BiosSettings(id)) => self.patch_bios(request, id).await,
            (&Method::PATCH, Resource::PowerLimit(id)) => self.patch_limit(request, id).await,
            (&Method::POST, Resource::Action(id, action)) => self.act(request, id, &action).await,
            (&Method::POST, Resource::Reset(id)) => self.reset(request, id).await,
            (&Method::POST, Resource::SimpleUpdate) => self.update(request, principal.server.id).await,
            _ => Err(Failed::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "Base.1.18.OperationNotAllowed",
                format!("{method} is not possible on {}", request.uri().path()),
            )),
        }
    }

    /// A server whose power is not known once more, after its agent has had a moment to come back: in the second after a restart
    /// of ours, Ironic would fail whatever it is about.
    async fn settled(&self, principal: Principal) -> Principal {
        let id = principal.server.id;
        if !matches!(principal.server.power, Some(PowerReading::Unreachable { .. })) {
            return principal;
        }
        self.hardware.await_agent(id).await;
        match self.hardware.server(id).await {
            Some(server) => Principal { server, ..principal },
            None => principal,
        }
    }

    async fn open_session(&self, request: Request) -> Result<RedfishAnswer, Failed> {
        let asked: SessionRequest = read_body(request).await?;
        let holder = self.check_password(&asked.user, asked.password.reveal()).await?;
        let token = Secret::new(hex::encode(rand::random::<[u8; 32]>()));
        let id = hex::encode(rand::random::<[u8; 8]>());
        lock(&self.sessions).open(id.clone(), &token, holder, Instant::now());
        let body = resource::session(&id, &asked.user);
        Ok(RedfishAnswer::Opened { body, location: resource::session_path(&id), token })
    }

    /// Whose credentials the request shows, by session token or by Basic.
    async fn principal(&self, headers: &HeaderMap) -> Result<Principal, Failed> {
        let holder = match headers.get("x-auth-token") {
            Some(token) => {
                let token = token.to_str().map_err(|_| Failed::unauthorized())?;
                let holder =
                    lock(&self.sessions).find(token, Instant::now()).ok_or_else(Failed::unauthorized)?;
                let now = self.hardware.facade_credentials(holder.server).await;
                let (user, password) = now.ok_or_else(Failed::unauthorized)?;
                if !same(&fingerprint(&user, password.reveal()), &holder.credentials) {
                    return Err(Failed::unauthorized());
                }
                holder
            }
            None => {
                let (user, password) = basic(headers).ok_or_else(Failed::unauthorized)?;
                self.check_password(&user, password.reveal()).await?
            }
        };
        let (user, _) =
            self.hardware.facade_credentials(holder.server).await.ok_or_else(Failed::unauthorized)?;
        let server = self.hardware.server(holder.server).await.ok_or_else(Failed::unauthorized)?;
        Ok(Principal { server, user })
    }

    async fn check_password(&self, user: &str, password: &str) -> Result<Holder, Failed> {
        let server = server_of_user(user).ok_or_else(Failed::unauthorized)?;
        let shown = fingerprint(user, password);
        let Some((name, secret)) = self.hardware.facade_credentials(server).await else {
            return Err(Failed::unauthorized());
        };
        if !same(&shown, &fingerprint(&name, secret.reveal())) {
            warn!(%server, "wrong password on the redfish facade");
            return Err(Failed::unauthorized());
        }
        Ok(Holder { server, credentials: shown })
    }

    /// Has the server's firmware updated; how far that is, its task tells.
    async fn update(&self, request: Request, id: ServerId) -> Result<RedfishAnswer, Failed> {
        let written = request.extensions().get::<Asked>().cloned();
        let asked: SimpleUpdate = read_body(request).await?;
        if let Some(written) = written {
            written.does("SimpleUpdate");
        }
        let component = asked.component(&self.hardware.facts(id).await).map_err(|why| {
            Failed::new(StatusCode::BAD_REQUEST, "Base.1.18.ActionParameterValueError", why)
        })?;
        info!(server = %id, component, "ironic asks for an update of firmware");
        match self.hardware.update_firmware(id, component, asked.image).await {
            Ok(task) => Ok(RedfishAnswer::GoesOn { body: None, monitor: update::monitor_path(task) }),
            Err(refusal) => {
                warn!(server = %id, reason = %refusal, "update of firmware refused");
                Err(Failed::refused(&refusal))
            }
        }
    }

    async fn monitor(&self, id: ServerId, task: Uuid) -> Result<RedfishAnswer, Failed> {
        let update = self.update_of(id, task).await?;
        let body = update::task(&update);
        Ok(match update::goes_on(&update) {
            true => RedfishAnswer::GoesOn { body: Some(body), monitor: update::monitor_path(task) },
            false => RedfishAnswer::Found(body),
        })
    }

    async fn update_of(&self, id: ServerId, task: Uuid) -> Result<Update, Failed> {
        let all = self.hardware.firmware_updates(id).await;
        all.into_iter().find(|update| update.id == task).ok_or_else(Failed::not_found)
    }

    async fn reset(&self, request: Request, id: ServerId) -> Result<RedfishAnswer, Failed> {
        let written = request.extensions().get::<Asked>().cloned();
        let asked: ResetRequest = read_body(request).await?;
        if let Some(written) = written {
            written.does(&asked.kind);
        }
        if asked.kind == orders::NMI {
            return self.order(id, BmcOrder::Interrupt).await;
        }
        let power = match asked.kind.as_str() {
            "On" | "ForceOn" => PowerRequest::On,
            "ForceOff" => PowerRequest::Off(PowerOffHow::Hard),
            "GracefulShutdown" => PowerRequest::Off(PowerOffHow::Soft),
            "ForceRestart" | "GracefulRestart" => PowerRequest::Restart,
            other => {
                let text = format!(
                    "ResetType {other:?} is not one of {}, {}",
                    resource::RESET_TYPES.join(", "),
                    orders::NMI
                );
                let code = "Base.1.18.ActionParameterNotSupported";
                return Err(Failed::new(StatusCode::BAD_REQUEST, code, text));
            }
        };
        info!(server = %id, reset = %asked.kind, "ironic asks for a power change");
        let turn = match power {
            PowerRequest::On | PowerRequest::Restart => Some(Turn::take(&self.switching_on, id)?),
            // Switching off is always allowed, also in the middle of a power-on that hangs.
            PowerRequest::Off(_) => None,
        };
        let hardware = self.hardware.clone();
        // A task of its own: it must not end half-way when Ironic hangs up or the wait is over.
        let task = tokio::spawn(async move {
            let outcome = hardware.power(id, power).await;
            drop(turn);
            outcome
        });
        match tokio::time::timeout(self.reset_wait, task).await {
            Ok(Ok(Ok(()))) => {
                if let Some(boot) = lock(&self.overrides).get_mut(&id)
                    && power == PowerRequest::On
                {
                    *boot = boot.used();
                }
                Ok(RedfishAnswer::Done)
            }
            Ok(Ok(Err(refusal))) => {
                warn!(server = %id, reset = %asked.kind, reason = %refusal, "power change refused");
                Err(Failed::refused(&refusal))
            }
            Ok(Err(error)) => {
                warn!(server = %id, %error, "power change ended unexpectedly");
                Err(Failed::internal())
            }
            Err(_) => Err(Failed::too_slow(self.reset_wait)),
        }
    }
}

/// One power-on of a server at a time.
struct Turn {
    all: Arc<Mutex<HashSet<ServerId>>>,
    server: ServerId,
}

impl Turn {
    fn take(all: &Arc<Mutex<HashSet<ServerId>>>, server: ServerId) -> Result<Self, Failed> {
        match lock(all).insert(server) {
            true => Ok(Self { all: all.clone(), server }),
            false => Err(Failed::busy()),
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        lock(&self.all).remove(&self.server);
    }
}

async fn handle(State(facade): State<Arc<RedfishFacade>>, request: Request) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = match facade.answer(request).await {
        Ok(answer) => answer.into_response(),
        Err(failed) => failed.into_response(),
    };
    debug!(%method, path, status = response.status().as_u16(), "redfish request answered");
    response
}

async fn read_body<T: for<'de> Deserialize<'de>>(request: Request) -> Result<T, Failed> {
    let bytes = to_bytes(request.into_body(), BODY_BYTES_MAX).await.map_err(|_| {
        let text = format!("the body could not be read, or is larger than {BODY_BYTES_MAX} bytes");
        Failed::new(StatusCode::PAYLOAD_TOO_LARGE, "Base.1.18.GeneralError", text)
    })?;
    // An action without parameters may come without a body.
    let bytes = if bytes.is_empty() { Bytes::from_static(b"{}") } else { bytes };
    serde_json::from_slice(&bytes).map_err(|error| {
        let text = format!("the body is not what this resource takes: {error}");
        Failed::new(StatusCode::BAD_REQUEST, "Base.1.18.MalformedJSON", text)
    })
}

/// The server whose user this is: the id at the end of the name.
pub fn server_of_user(user: &str) -> Option<ServerId> {
    const UUID_TEXT: usize = 36;
    user.len().checked_sub(UUID_TEXT).and_then(|start| user.get(start..))?.parse().ok()
}

fn basic(headers: &HeaderMap) -> Option<(String, Secret)> {
    let (scheme, text) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(text.trim()).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    Some((user.to_owned(), Secret::new(password)))
}

/// The tables hold no invariant across a panic, so a poisoned lock is as good as another.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_names_its_server() {
        let id = ServerId::random();
        let check =
            |user: &str, expected: Option<ServerId>| assert_eq!(server_of_user(user), expected, "{user}");
        check(&id.to_string(), Some(id));
        check(&format!("bms-{id}"), Some(id));
        check("admin", None);
        check("", None);
        check("äöüäöüäöüäöüäöüäöüäöüäöüäöüäöüäöüäöüä", None);
    }
}
