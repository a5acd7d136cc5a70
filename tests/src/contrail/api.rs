//! Edges: the stand-in's HTTP: the VNC API, and beside it, at an address of its own, the fault switches.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Query, State},
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
};
use uuid::Uuid;

use super::{
    fault::{Fault, Treatment},
    home,
    kind::Kind,
    refusal::Refusal,
    request::{Request, perform},
    store::{HREF_BASE, Store},
    switch::wanted,
    token::{Denial, Tokens},
};

/// Calls that are remembered for tests.
const CALLS_MAX: usize = 10_000;
/// Calls that wait for whoever is told of them; what comes beyond is not told.
const HEARD_MAX: usize = 65_536;

/// A call at the moment at which it came.
#[derive(Clone, Debug)]
pub struct Heard {
    /// When.
    pub at: Instant,
    /// Its method.
    pub method: Method,
    /// Its path, without the query.
    pub path: String,
}

/// What the stand-in's parts share.
pub struct Shared {
    store: Mutex<Store>,
    fault: Mutex<Fault>,
    tokens: Mutex<Option<Tokens>>,
    calls: Mutex<Vec<String>>,
    told: Mutex<Option<mpsc::Sender<Heard>>>,
    changed: watch::Sender<u64>,
    snapshot: Option<PathBuf>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// Starts from these objects.
    pub fn new(store: Store, snapshot: Option<PathBuf>) -> Self {
        Self {
            store: Mutex::new(store),
            fault: Mutex::default(),
            tokens: Mutex::default(),
            calls: Mutex::default(),
            told: Mutex::default(),
            changed: watch::Sender::new(0),
            snapshot,
        }
    }

    /// A copy of the objects as they are now.
    pub fn store(&self) -> Store {
        lock(&self.store).clone()
    }

    /// Told of every change.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Switches a fault on or off.
    pub fn set_fault(&self, fault: Fault) {
        *lock(&self.fault) = fault;
    }

    /// The fault that is on.
    pub fn fault(&self) -> Fault {
        *lock(&self.fault)
    }

    /// From now on lets in only who has one of these tokens; none: everybody.
    pub fn set_tokens(&self, tokens: Option<Tokens>) {
        *lock(&self.tokens) = tokens;
    }

    /// Tokens that are let in; none: everybody is.
    pub fn tokens(&self) -> Option<Tokens> {
        lock(&self.tokens).clone()
    }

    /// Calls so far, as `METHOD /path`; and forgets them.
    pub fn take_calls(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.calls))
    }

    /// Calls from now on, each with its moment. One listener at a time.
    pub fn tell_calls(&self) -> mpsc::Receiver<Heard> {
        let (told, heard) = mpsc::channel(HEARD_MAX);
        *lock(&self.told) = Some(told);
        heard
    }

    fn remember(&self, method: &Method, path: &str) {
        if let Some(told) = lock(&self.told).as_ref() {
            let _ =
                told.try_send(Heard { at: Instant::now(), method: method.clone(), path: path.to_owned() });
        }
        let mut calls = lock(&self.calls);
        if calls.len() < CALLS_MAX {
            calls.push(format!("{method} {path}"));
        }
    }

    /// Does a request to the objects.
    pub fn perform(&self, request: &Request) -> Result<Option<Value>, Refusal> {
        let mut store = lock(&self.store);
        let answer = perform(&mut store, request)?;
        if request.changes() {
            self.save(&store)?;
            self.changed.send_modify(|count| *count += 1);
        }
        Ok(answer)
    }

    fn save(&self, store: &Store) -> Result<(), Refusal> {
        let Some(path) = &self.snapshot else { return Ok(()) };
        let written = serde_json::to_vec(store).map_err(std::io::Error::other).and_then(|bytes| {
            let next = path.with_extension("next");
            std::fs::write(&next, bytes)?;
            std::fs::rename(&next, path)
        });
        written.map_err(|error| Refusal::new(503, format!("snapshot {}: {error}", path.display())))
    }
}

/// Accepts connections, unless the stand-in is to look as if nobody listened.
pub struct ApiListener {
    inner: TcpListener,
    shared: Arc<Shared>,
}

impl axum::serve::Listener for ApiListener {
    type Io = TcpStream;
    type Addr = std::net::SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let accepted = axum::serve::Listener::accept(&mut self.inner).await;
            if self.shared.fault() != Fault::Refuse {
                return accepted;
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.inner.local_addr()
    }
}

/// Serves the VNC API until told to stop.
pub async fn serve(
    listener: TcpListener,
    shared: Arc<Shared>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let listener = ApiListener { inner: listener, shared: shared.clone() };
    let router = Router::new().fallback(answer).with_state(shared);
    axum::serve(listener, router).with_graceful_shutdown(stop).await
}

/// The fault switches and what the switch is told, for tests and the lab.
pub fn admin(shared: Arc<Shared>) -> Router {
    let set = |State(shared): State<Arc<Shared>>, Json(fault): Json<Fault>| async move {
        shared.set_fault(fault);
        Json(shared.fault())
    };
    let fault = get(|State(shared): State<Arc<Shared>>| async move { Json(shared.fault()) }).put(set);
    let ports = get(|State(shared): State<Arc<Shared>>| async move {
        let ports = wanted(&shared.store()).into_iter();
        Json(json!(
            ports
                .map(|(port, it)| json!({ "port": port, "network": it.untagged, "tagged": it.tagged }))
                .collect::<Vec<_>>()
        ))
    });
    let set = |State(shared): State<Arc<Shared>>, Json(tokens): Json<Option<Tokens>>| async move {
        shared.set_tokens(tokens);
        Json(shared.tokens())
    };
    let tokens = get(|State(shared): State<Arc<Shared>>| async move { Json(shared.tokens()) }).put(set);
    Router::new().route("/fault", fault).route("/tokens", tokens).route("/ports", ports).with_state(shared)
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    Query(query): Query<BTreeMap<String, String>>,
    body: Bytes,
) -> Response {
    shared.remember(&method, uri.path());
    let treatment = lock(&shared.fault).treat();
    match treatment {
        Treatment::Answer | Treatment::DoAndFail => {}
        Treatment::Delay(delay_ms) => tokio::time::sleep(Duration::from_millis(delay_ms)).await,
        Treatment::Fail(status) => return refuse(&Refusal::new(status, "the stand-in was told to fail")),
        // A connection that was open before; the client is told to close it.
        Treatment::Drop => {
            let gone = refuse(&Refusal::new(503, "the stand-in was told to be away"));
            return ([(header::CONNECTION, "close")], gone).into_response();
        }
    }
    let request = parse(&method, uri.path(), query, &body);
    if let Some(tokens) = shared.tokens() {
        let token = headers.get("x-auth-token").and_then(|value| value.to_str().ok());
        if let Err(denial) = tokens.judge(token, request.as_ref().ok()) {
            return deny(&denial);
        }
    }
    if method == Method::GET && uri.path() == "/" {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        return Json(home::page(&host.map_or(HREF_BASE.to_owned(), |host| format!("http://{host}"))))
            .into_response();
    }
    let result = request.and_then(|request| shared.perform(&request));
    if treatment == Treatment::DoAndFail {
        return refuse(&Refusal::new(504, "the stand-in did it and was told to fail"));
    }
    match result {
        Ok(Some(body)) => Json(body).into_response(),
        Ok(None) => StatusCode::OK.into_response(),
        Err(refusal) => refuse(&refusal),
    }
}

/// Errors are plain text called HTML; codes for which the real server has no handler come as an HTML page.
fn refuse(refusal: &Refusal) -> Response {
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let text = match refusal.status {
        412 => PAGE.replace("{text}", &refusal.text),
        _ => refusal.text.clone(),
    };
    (status, [(header::CONTENT_TYPE, "text/html; charset=UTF-8")], text).into_response()
}

/// A page as web frameworks make one, with its text somewhere inside.
const PAGE: &str = "<!DOCTYPE HTML PUBLIC \"-//IETF//DTD HTML 2.0//EN\">
<html>
  <head>
    <title>Error: 412 Precondition Failed</title>
    <style type=\"text/css\">
      html {background-color: #eee; font-family: sans-serif;}
      body {background-color: #fff; border: 1px solid #ddd; padding: 15px; margin: 15px;}
      pre {background-color: #eee; border: 1px solid #ddd; padding: 5px;}
    </style>
  </head>
  <body>
    <h1>Error: 412 Precondition Failed</h1>
    <p>The requested URL caused an error:</p>
    <pre>{text}</pre>
  </body>
</html>
";

/// What somebody without the right token hears.
fn deny(denial: &Denial) -> Response {
    match denial {
        Denial::Unknown => {
            let body = json!({ "error": { "code": 401, "title": "Unauthorized",
                "message": "The request you have made requires authentication." } });
            let ask = [(header::WWW_AUTHENTICATE, "Keystone uri=\"http://127.0.0.1:5000\"")];
            (StatusCode::UNAUTHORIZED, ask, Json(body)).into_response()
        }
        Denial::Bodiless => {
            let head = [(header::CONTENT_TYPE, "text/plain"), (header::CONTENT_LENGTH, "21")];
            (StatusCode::FORBIDDEN, head, axum::body::Body::new(Nothing::default())).into_response()
        }
        Denial::Refused(refusal) => refuse(refusal),
    }
}

/// A body that was promised and never comes: the head goes out, then the connection ends.
#[derive(Default)]
struct Nothing {
    head_is_out: bool,
}

impl axum::body::HttpBody for Nothing {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
        if self.head_is_out {
            return Poll::Ready(None);
        }
        self.head_is_out = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Reads a request off its URL.
fn parse(
    method: &Method,
    path: &str,
    query: BTreeMap<String, String>,
    body: &[u8],
) -> Result<Request, Refusal> {
    let unknown = || Refusal::new(404, format!("Not found: '{path}'"));
    let json = || -> Result<Value, Refusal> { serde_json::from_slice(body).map_err(|_| Refusal::tripped()) };
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    match (method.as_str(), parts.as_slice()) {
        ("POST", ["fqname-to-id"]) => json().map(Request::NameToId),
        ("POST", ["id-to-fqname"]) => json().map(Request::IdToName),
        ("POST", ["ref-update"]) => json().map(Request::RefUpdate),
        ("POST", [plural]) => {
            let kind = Kind::of_plural(plural).ok_or_else(unknown)?;
            json().map(|body| Request::Create(kind, body))
        }
        ("GET", [plural]) => {
            Kind::of_plural(plural).map(|kind| Request::List(kind, query)).ok_or_else(unknown)
        }
        (_, [plural]) if Kind::of_plural(plural).is_some() => Err(Refusal::new(405, "Method not allowed.")),
        (verb, [name, id]) => {
            let kind = Kind::of(name).ok_or_else(unknown)?;
            let id = Uuid::parse_str(id).map_err(|_| Refusal::unknown(id))?;
            match verb {
                "GET" => Ok(Request::Read(kind, id, query)),
                "PUT" => json().map(|body| Request::Update(kind, id, body)),
                "DELETE" => Ok(Request::Delete(kind, id)),
                _ => Err(Refusal::new(405, "Method not allowed.")),
            }
        }
        _ => Err(unknown()),
    }
}
