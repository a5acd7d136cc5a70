//! Edges: a virtual Redfish BMC: one system, one chassis, one manager, sessions; over HTTP or TLS.

use std::{
    collections::HashMap,
    net::{SocketAddr, TcpListener as StdTcpListener},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context;
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use protocol::{hex, mac::MacAddr, secret::Secret};
use rustls::sign::SigningKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::{
    net::TcpListener,
    task::{AbortHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;
use tracing::{debug, warn};
use uuid::Uuid;

use super::{
    Credentials, FaultSwitch, Faults,
    accounts::{self, Password, TakesPasswords},
    chassis::Chassis,
    der, ipmi_guard,
    redfish_events::Events,
    redfish_manners::{Manner, Manners, Told},
    redfish_odd::{Asked, Odd, Oddities},
    redfish_protocol, redfish_system as system, redfish_tree, small_key,
};

/// Sessions at a time.
pub const SESSIONS_MAX: usize = 8;
/// Longest request body.
const BODY_BYTES_MAX: usize = 1 << 20;

/// A certificate with its key.
#[derive(Debug)]
pub struct Tls {
    /// Certificate, DER.
    pub certificate: CertificateDer<'static>,
    /// Key.
    pub key: Arc<dyn SigningKey>,
    /// The versions of TLS that are spoken.
    pub versions: &'static [&'static rustls::SupportedProtocolVersion],
}

impl Tls {
    /// A fresh certificate signed by itself, as BMCs have; of this machine too, for whoever trusts it.
    pub fn self_signed() -> anyhow::Result<Self> {
        let names = ["bmc.invalid", "127.0.0.1"].map(str::to_owned);
        let made = rcgen::generate_simple_self_signed(names)?;
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).map_err(anyhow::Error::msg)?;
        // The certificate is not read: BMCs do not look at theirs either.
        let key = rustls::crypto::ring::sign::any_supported_type(&key)?;
        Ok(Self { certificate: made.cert.der().clone(), key, versions: rustls::ALL_VERSIONS })
    }

    /// One with an RSA key of 1024 bits.
    pub fn with_small_key() -> Self {
        let certificate = small_key::certificate().into();
        Self { certificate, key: small_key::key(), versions: rustls::ALL_VERSIONS }
    }

    /// The same with the certificate in version 1 of X.509, as firmware of some years makes it. Its own signature is of the other
    /// version, which nobody looks at.
    pub fn self_signed_version_1() -> anyhow::Result<Self> {
        let made = Self::self_signed()?;
        let certificate = der::version_1(&made.certificate).context("the certificate's DER")?;
        Ok(Self { certificate: certificate.into(), ..made })
    }

    /// The same once more, for another service.
    pub fn again(&self) -> Self {
        Self { certificate: self.certificate.clone(), key: Arc::clone(&self.key), versions: self.versions }
    }

    /// SHA-256 of the certificate, as the agent's pin wants it.
    pub fn fingerprint(&self) -> String {
        hex::encode(Sha256::digest(&self.certificate))
    }
}

/// What this service is like.
#[derive(Debug, Default)]
pub struct RedfishOptions {
    /// TLS; none: plain HTTP.
    pub tls: Option<Tls>,
    /// No session service: basic authentication only.
    pub no_sessions: bool,
    /// Where a new session's path is told.
    pub session_path: SessionPath,
    /// Interfaces that the system shows.
    pub macs: Vec<MacAddr>,
    /// Hardware UUID that the system shows; none: some UUID of its own.
    pub uuid: Option<Uuid>,
    /// In which ways it is odd.
    pub odd: Vec<Odd>,
    /// Who it says it is; none: the virtual BMC of the lab.
    pub who: Option<RedfishWho>,
    /// In which manners it does what goes beyond power and boot device.
    pub manners: Vec<Manner>,
    /// There is nothing beyond power, boot device and sessions.
    pub is_bare: bool,
    /// What the root says to everybody besides.
    pub root_says: Value,
}

/// Who a service says it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedfishWho {
    /// `Manufacturer` of the system.
    pub manufacturer: String,
    /// `Model` of the system.
    pub model: String,
    /// `FirmwareVersion` of the manager.
    pub firmware: String,
}

/// Where the path of a new session is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SessionPath {
    /// In `Location`, as DSP0266 (section 13.3.4.2) wants it.
    #[default]
    Location,
    /// In `Location`, behind the name of a host that nobody else knows.
    OtherHost,
    /// In the body only.
    Body,
}

/// What came in since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RedfishStats {
    /// Sessions asked for, and requests with basic authentication that failed.
    pub attempts: u64,
    /// Sessions made.
    pub logins: u64,
    /// Requests in all.
    pub requests: u64,
}

/// A running virtual BMC; it ends when this is dropped.
#[derive(Debug)]
pub struct RedfishBmc {
    /// Where it listens.
    pub addr: SocketAddr,
    /// How it misbehaves.
    pub faults: FaultSwitch,
    /// The password by which it lets its user in.
    pub password: Password,
    service: Arc<Service>,
    task: AbortHandle,
}

impl RedfishBmc {
    /// What came in so far.
    pub fn stats(&self) -> RedfishStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        RedfishStats {
            attempts: read(&self.service.attempts),
            logins: read(&self.service.logins),
            requests: read(&self.service.requests),
        }
    }

    /// Sessions that are open.
    pub fn sessions(&self) -> usize {
        self.service.sessions().len()
    }

    /// Forget every session, as a BMC does that restarts.
    pub fn forget_sessions(&self) {
        self.service.sessions().clear();
    }

    /// Other oddities from now on.
    pub fn set_odd(&self, odd: Vec<Odd>) {
        self.service.oddities.set(odd);
    }

    /// From the next connection on it shows this certificate and speaks these versions of TLS.
    pub fn set_tls(&self, tls: Tls) -> anyhow::Result<()> {
        *self.service.tls.lock().expect("no holder panics") = Some(configured(tls)?);
        Ok(())
    }

    /// From now on the system is another machine, as it is when another BMC gets this one's address.
    pub fn become_machine(&self, uuid: Uuid) {
        *self.service.uuid.lock().expect("no holder panics") = uuid;
    }

    /// What it was told beside power and boot device.
    pub fn told(&self) -> Told {
        self.service.manners.told()
    }

    /// A document of its tree, as it is now.
    pub fn document(&self, path: &str) -> Option<Value> {
        self.service.manners.document(path)
    }

    /// Something happens that its stream of events tells.
    pub fn tell(&self, message_id: &str, message: &str) {
        self.service.events.tell(message_id, message);
    }

    /// All streams of events end.
    pub fn cut_streams(&self) {
        self.service.events.cut();
    }

    /// Streams of events that were begun so far.
    pub fn streams(&self) -> u64 {
        self.service.events.streams()
    }

    /// What the server does when its mains power comes back.
    pub fn restore_policy(&self) -> String {
        let system = self.document(system::SYSTEM).unwrap_or_default();
        system["PowerRestorePolicy"].as_str().unwrap_or_default().to_owned()
    }

    /// Answer the next write as if somebody else had written in between.
    pub fn change_behind_the_back(&self) {
        self.service.hidden_writes.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for RedfishBmc {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Debug)]
struct Service {
    username: String,
    password: Password,
    chassis: Machine,
    faults: FaultSwitch,
    options: RedfishOptions,
    oddities: Oddities,
    manners: Manners,
    events: Arc<Events>,
    uuid: Mutex<Uuid>,
    /// None: plain HTTP.
    tls: Mutex<Option<Arc<rustls::ServerConfig>>>,
    /// Log-ins that have failed, and until when the user is locked for it.
    failed: Mutex<(u64, Option<Instant>)>,
    /// Token to session id.
    sessions: Mutex<HashMap<String, String>>,
    /// Part of the system's ETag.
    writes: AtomicU64,
    hidden_writes: AtomicU64,
    attempts: AtomicU64,
    logins: AtomicU64,
    requests: AtomicU64,
}

struct Machine(Arc<dyn Chassis>);

/// How long it is silent when it restarts with new firmware.
const UPDATE_RESTART: Duration = Duration::from_millis(300);

impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Chassis")
    }
}

impl Service {
    fn sessions(&self) -> std::sync::MutexGuard<'_, HashMap<String, String>> {
        self.sessions.lock().expect("no holder panics")
    }

    fn uuid(&self) -> Uuid {
        *self.uuid.lock().expect("no holder panics")
    }

    /// A resource as a BMC of this maker shows it.
    fn as_who(&self, mut body: Value) -> Value {
        if let Some(who) = &self.options.who {
            let said = [
                ("Manufacturer", &who.manufacturer),
                ("Model", &who.model),
                ("FirmwareVersion", &who.firmware),
            ];
            for (name, said) in said {
                if let Some(value) = body.get_mut(name).filter(|_| !said.is_empty()) {
                    *value = json!(said);
                }
            }
        }
        body
    }

    /// Whether a request is lost with its connection. After a restart, sessions are forgotten.
    fn cuts(&self, is_again: bool) -> bool {
        let faults = self.faults.get();
        if let Some(until) = faults.down_until {
            if Instant::now() < until {
                return true;
            }
            self.faults.is_up();
            self.sessions().clear();
        }
        (is_again && faults.one_request_a_connection) || ipmi_guard::chance() < faults.loss_percent
    }

    /// Whether a log-in with this user and password is let in. A locked user is not, and is not told.
    fn lets_in(&self, is_right: bool) -> bool {
        let (faults, now) = (self.faults.get(), Instant::now());
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if failed.1.is_some_and(|until| now < until) || self.faults.refuses_log_in() {
            return false;
        }
        failed.0 = if is_right { 0 } else { failed.0 + 1 };
        failed.1 = faults.lock_out.filter(|lock| failed.0 >= lock.after).map(|lock| now + lock.pause);
        is_right
    }

    fn etag(&self) -> String {
        format!("W/\"{}\"", self.writes.load(Ordering::Relaxed))
    }
}

/// Serves on an address; port 0 takes a free one.
pub fn serve(
    addr: SocketAddr,
    credentials: Credentials,
    chassis: Arc<dyn Chassis>,
    tls: Option<Tls>,
) -> anyhow::Result<RedfishBmc> {
    let listener =
        StdTcpListener::bind(addr).with_context(|| format!("binding the virtual BMC to {addr}"))?;
    serve_on(listener, credentials, chassis, RedfishOptions { tls, ..RedfishOptions::default() })
}

/// Serves on an address by plain HTTP, as the BMC of a machine with this hardware UUID.
pub fn serve_as(
    addr: SocketAddr,
    credentials: Credentials,
    chassis: Arc<dyn Chassis>,
    uuid: Uuid,
) -> anyhow::Result<RedfishBmc> {
    let listener =
        StdTcpListener::bind(addr).with_context(|| format!("binding the virtual BMC to {addr}"))?;
    serve_on(listener, credentials, chassis, RedfishOptions { uuid: Some(uuid), ..RedfishOptions::default() })
}

/// Serves on a socket that was made elsewhere, such as in a network namespace.
pub fn serve_on(
    listener: StdTcpListener,
    credentials: Credentials,
    chassis: Arc<dyn Chassis>,
    mut options: RedfishOptions,
) -> anyhow::Result<RedfishBmc> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let addr = listener.local_addr()?;
    let tls = options.tls.take().map(configured).transpose()?;
    let faults = FaultSwitch::default();
    let uuid = Mutex::new(options.uuid.unwrap_or_else(Uuid::new_v4));
    let password = Password::new(credentials.password);
    let service = Arc::new(Service {
        uuid,
        username: credentials.username,
        password: password.clone(),
        tls: Mutex::new(tls),
        failed: Mutex::default(),
        chassis: Machine(chassis),
        faults: faults.clone(),
        oddities: Oddities::new(std::mem::take(&mut options.odd)),
        manners: Manners::new(std::mem::take(&mut options.manners)),
        events: Arc::default(),
        options,
        sessions: Mutex::default(),
        writes: AtomicU64::new(1),
        hidden_writes: AtomicU64::new(0),
        attempts: AtomicU64::new(0),
        logins: AtomicU64::new(0),
        requests: AtomicU64::new(0),
    });
    let router = Router::new().fallback(answer).with_state(service.clone());
    let task = tokio::spawn(accept(listener, Arc::clone(&service), router)).abort_handle();
    Ok(RedfishBmc { addr, faults, password, service, task })
}

fn configured(tls: Tls) -> anyhow::Result<Arc<rustls::ServerConfig>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let shown = rustls::sign::CertifiedKey::new(vec![tls.certificate], tls.key);
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(tls.versions)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(shown)));
    Ok(Arc::new(config))
}

async fn accept(listener: TcpListener, service: Arc<Service>, router: Router) {
    // Connections end with the service: the set is dropped with this task.
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    warn!(%error, "virtual Redfish BMC could not accept");
                    continue;
                }
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
        };
        let acceptor = service.tls.lock().expect("no holder panics").clone().map(TlsAcceptor::from);
        let (service, router, asked) = (Arc::clone(&service), router.clone(), AtomicU64::new(0));
        let service = hyper::service::service_fn(move |request| {
            let is_again = asked.fetch_add(1, Ordering::Relaxed) > 0;
            answer_or_cut(Arc::clone(&service), router.clone(), is_again, request)
        });
        connections.spawn(async move {
            let builder = Builder::new(TokioExecutor::new());
            let served = match acceptor {
                None => builder.serve_connection(TokioIo::new(stream), service).await,
                Some(acceptor) => match acceptor.accept(stream).await {
                    Ok(stream) => builder.serve_connection(TokioIo::new(stream), service).await,
                    Err(error) => {
                        debug!(%error, "TLS handshake failed");
                        return;
                    }
                },
            };
            if let Err(error) = served {
                debug!(error, "connection to the virtual Redfish BMC ended");
            }
        });
    }
}

/// Why a connection is closed without an answer.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the virtual BMC closes the connection")]
struct Cut;

/// Answers one request, if the faults let its connection live.
async fn answer_or_cut(
    service: Arc<Service>,
    router: Router,
    is_again: bool,
    request: hyper::Request<Incoming>,
) -> Result<Response, Cut> {
    if service.cuts(is_again) {
        return Err(Cut);
    }
    router.oneshot(request.map(Body::new)).await.map_err(|error| match error {})
}

async fn answer(State(service): State<Arc<Service>>, request: Request) -> Response {
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

pub(super) fn problem(status: StatusCode, why: &str) -> Response {
    let body = json!({ "error": {
        "code": "Base.1.8.GeneralError",
        "message": why,
        "@Message.ExtendedInfo": [{ "MessageId": "Base.1.8.GeneralError", "Message": why }],
    }});
    (status, axum::Json(body)).into_response()
}
