//! Edges: requests to one Redfish service, within one deadline for a call. What is sent again, and when, is decided in `again.rs`.

use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::{
    Method, StatusCode,
    header::{CONNECTION, ETAG, IF_MATCH},
};
use protocol::{
    error_chain::{chain, find},
    quirk::Quirk,
    redfish::{ErrorBody, ROOT, origin::Origin},
    spec::BmcEndpoint,
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tracing::debug;

use super::{
    super::{
        Account, BmcOptions, LogIns,
        budget::{Budget, Meter},
        keys::Keys,
        quirks::Deviations,
    },
    again::{AfterAnswer, CALL_MAX, Left, Shown, Trouble, after_answer, may_repeat_after_break, trouble},
    answer::{Answer, NoAnswer},
    client::{self, Settings},
    console,
    fault::{Fault, Refused, is_broken},
    kept::{Kept, KeptSessions},
    login::{Login, TOKEN},
    request::Request,
    stream::Stream,
    tls,
    unanswered::WireError,
    wire::Wire,
};

/// Whole time for one request; Redfish services are slow.
const REQUEST_MAX: Duration = Duration::from_secs(20);
/// What a request has at least, however little is left of its call.
const REQUEST_MIN: Duration = Duration::from_secs(2);
/// So many broken connections make a service one that wants a new connection for each request.
const BROKEN_MAX: u32 = 2;
/// Pause between two requests to a service that loses them, or stops, when they come one upon the other.
const PAUSE: Duration = Duration::from_millis(250);
/// So many redirects are followed for one request.
const REDIRECTS_MAX: u32 = 3;
/// So many paths are remembered that have moved for good.
const MOVED_MAX: usize = 16;

/// A resource as it was found.
#[derive(Clone)]
pub(super) struct Found<T> {
    pub(super) body: T,
    pub(super) etag: Option<String>,
}

/// One service.
pub(super) struct Http {
    settings: Settings,
    /// None: it is not known yet how to connect.
    wire: Option<Wire>,
    pub(super) base: String,
    pub(super) origin: Origin,
    pub(super) username: String,
    pub(super) keys: Keys,
    pub(super) login: Login,
    pub(super) account: Account,
    pub(super) log_ins: LogIns,
    /// User and password go with each request.
    pub(super) without_session: bool,
    /// Where its sessions are written down.
    pub(super) kept: Kept,
    /// Sessions that an earlier run has left open; none: nobody has looked yet.
    pub(super) left: Option<Vec<String>>,
    /// Our password must be changed before anything else is answered, and the path of our account, if it was told.
    pub(super) password_due: Option<Option<String>>,
    /// Why the last log-in was refused.
    pub(super) last_refusal: String,
    options: BmcOptions,
    last_request: Option<Instant>,
    meter: Meter,
    /// When the call ends for which all this is asked.
    until: Instant,
    /// Until then something is asked again for it.
    again_until: Instant,
    /// Connections that broke.
    broken: u32,
    /// Paths that have moved for good, and whither.
    moved: Vec<(String, String)>,
}

impl Http {
    pub(super) fn new(
        endpoint: &BmcEndpoint,
        settings: Settings,
        keys: Keys,
        (options, budget): (BmcOptions, Budget),
        log_ins: LogIns,
        kept: &KeptSessions,
    ) -> Self {
        let base = client::base(endpoint, settings.is_tls);
        let kept = kept.of(&base, &endpoint.username);
        Self {
            base,
            left: None,
            without_session: false,
            kept,
            origin: Origin::new(settings.is_tls, &endpoint.address, endpoint.port),
            settings,
            wire: None,
            username: endpoint.username.clone(),
            keys,
            login: Login::No,
            account: log_ins.account(),
            log_ins,
            password_due: None,
            last_refusal: String::new(),
            options,
            last_request: None,
            meter: Meter::new(budget),
            until: Instant::now() + CALL_MAX,
            again_until: Instant::now() + CALL_MAX,
            broken: 0,
            moved: Vec::new(),
        }
    }

    /// What is known of this service is heeded from now on.
    pub(super) fn heed(&mut self, quirks: &Deviations) {
        if quirks.has(Quirk::ConnectionNotKept) {
            self.broken = BROKEN_MAX;
        }
        if quirks.has(Quirk::PauseBetweenRequests) {
            self.options.min_gap = self.options.min_gap.max(PAUSE);
        }
        if quirks.has(Quirk::OldTls) && !self.settings.is_old_tls {
            (self.settings.is_old_tls, self.wire) = (true, None);
        }
        self.without_session = quirks.has(Quirk::SessionNotKept);
    }

    /// A call begins: its time runs from now on, and for so long something is asked again for it.
    pub(super) fn begin_call(&mut self, again_for: Duration) {
        let now = Instant::now();
        (self.until, self.again_until) = (now + CALL_MAX, now + again_for);
    }

    /// Whether a session is open: as long as it is good, the same service answers.
    pub(super) fn has_session(&self) -> bool {
        matches!(self.login, Login::Token { .. })
    }

    /// What the call has left to ask again.
    pub(super) fn left(&self) -> Left {
        Left { pace: self.log_ins.pace, time: self.again_until.saturating_duration_since(Instant::now()) }
    }

    /// The answer to a GET, whatever is in it.
    pub(super) async fn ask(&mut self, path: &str) -> Result<Answer, Fault> {
        self.send(Method::GET, path, None, None).await
    }

    pub(super) async fn get<T: DeserializeOwned>(&mut self, path: &str) -> Result<Found<T>, Fault> {
        let answer = self.ask(path).await?;
        let body = answer.resource(path)?;
        Ok(Found { body, etag: answer.header(ETAG).map(str::to_owned) })
    }

    pub(super) async fn post(&mut self, path: &str, body: &Value) -> Result<Answer, Fault> {
        self.send(Method::POST, path, Some(body), None).await
    }

    pub(super) async fn patch(
        &mut self,
        path: &str,
        body: &Value,
        etag: Option<&str>,
    ) -> Result<Answer, Fault> {
        self.send(Method::PATCH, path, Some(body), etag).await
    }

    /// One request with our credentials. A session that the service has forgotten is made anew; a refusal is tried again as the
    /// account allows.
    pub(super) async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        etag: Option<&str>,
    ) -> Result<Answer, Fault> {
        let mut repeats = 0;
        loop {
            // User and password with every request: each is a log-in of its own.
            let shown = match &self.login {
                Login::Token { .. } => Shown::Session,
                Login::Basic { .. } | Login::No => Shown::Credentials,
            };
            self.ensure_login().await?;
            let answer = self.send_once(method.clone(), path, body, etag).await?;
            let status = answer.status;
            let said = if status.is_success() { None } else { Some(answer.error_body()) };
            match said.as_ref().map(ErrorBody::password_change) {
                Some(Some(account)) => self.password_due = Some(account.map(str::to_owned)),
                None if path != ROOT => self.password_due = None,
                Some(None) | None => {}
            }
            let trouble = said.and_then(|said| trouble(&method, status, &said));
            match after_answer((&method, shown, repeats), status, trouble, answer.wish(), self.left()) {
                AfterAnswer::LogInRefused => self.refused_by_request(&method, path),
                AfterAnswer::LogInAgain => {
                    debug!(service = self.base, "Redfish session lost, logging in again");
                    self.login = Login::No;
                    if method != Method::GET {
                        return answer.good(&method, path);
                    }
                }
                AfterAnswer::Repeat(pause) => {
                    repeats += 1;
                    tokio::time::sleep(pause).await;
                }
                AfterAnswer::Take => {
                    // Anybody may read the root: that it was answered says nothing of us.
                    if matches!(self.login, Login::Basic { .. }) && status.is_success() && path != ROOT {
                        self.let_in();
                    }
                    return answer.good(&method, path);
                }
            }
        }
    }

    pub(super) async fn send_once(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        etag: Option<&str>,
    ) -> Result<Answer, Fault> {
        let with_all = |this: &Self, mut request: Request| {
            if let Some(body) = body {
                request = request.json(body);
            }
            if let Some(etag) = etag {
                request = request.header(IF_MATCH, etag);
            }
            this.as_us(request)
        };
        self.deliver(method, path, with_all).await
    }

    /// The request with our credentials.
    fn as_us(&self, request: Request) -> Request {
        match &self.login {
            Login::Token { token, .. } => request.secret_header(TOKEN, token.reveal()),
            Login::Basic { .. } | Login::No => {
                request.basic_auth(&self.username, self.keys.current().reveal())
            }
        }
    }

    /// Asks that a connection becomes a WebSocket (RFC 6455, section 4.1): its stream, and what has come on it already.
    pub(super) async fn upgrade(&mut self, path: &str) -> Result<(Stream, Bytes), Fault> {
        let Apart { mut wire, mut request } = self.apart(Method::GET, path).await?;
        for (name, value) in console::headers() {
            request = request.header(name, &value);
        }
        let exchange = wire.begin(&request).await.map_err(|error| self.settings.fault_of(&error, 0))?;
        match exchange.status() {
            StatusCode::SWITCHING_PROTOCOLS => Ok(exchange.upgraded().await),
            StatusCode::UNAUTHORIZED => {
                self.refused_by_request(&Method::GET, path);
                Err(Fault::refused(format!("GET {path}: HTTP 401")))
            }
            status => {
                let reason = format!("GET {path}: HTTP {status} instead of a WebSocket");
                Err(Fault::Refused(Refused { status: Some(status), reason, trouble: None, wish: None }))
            }
        }
    }

    /// Sends a request, to where it is redirected on this service. One whose connection breaks is sent again on a new one, unless it
    /// would switch something twice; a service that breaks connections again and again gets one for each request.
    pub(super) async fn deliver(
        &mut self,
        method: Method,
        path: &str,
        with: impl Fn(&Self, Request) -> Request,
    ) -> Result<Answer, Fault> {
        let moved = self.moved.iter().find(|(from, _)| from == path).map(|(_, to)| to.clone());
        let mut at = moved.unwrap_or_else(|| path.to_owned());
        let (mut breaks, mut redirects) = (0, 0);
        loop {
            let request = self.request(method.clone(), &at).await;
            let request = with(self, request);
            match Answer::to(self.wire().await?, &request).await {
                Ok(answer) => match answer.redirect(&method) {
                    None => return Ok(answer),
                    Some(location) => {
                        redirects += 1;
                        let to = self.redirected((&method, &at), location, redirects)?;
                        if answer.has_moved_for_good() {
                            self.remember_moved(path, &to);
                        }
                        at = to;
                    }
                },
                Err(NoAnswer::TooLong) => {
                    return Err(Fault::NotUnderstood(format!("{method} {at}: the answer is too long")));
                }
                Err(NoAnswer::Failed(error)) => {
                    let is_another_way = self.fall_back(&error);
                    if !is_broken(&error) && !is_another_way {
                        return Err(self.settings.fault_of(&error, breaks));
                    }
                    self.broken = self.broken.saturating_add(u32::from(!is_another_way));
                    let is_logged_in = matches!(self.login, Login::Token { .. } | Login::Basic { .. });
                    if !is_another_way && !may_repeat_after_break(&method, is_logged_in) {
                        return Err(Fault::Lost(chain(&error)));
                    }
                    let Some(pause) = self.left().pause(Trouble::Broken, breaks, None) else {
                        return Err(self.settings.fault_of(&error, breaks + 1));
                    };
                    breaks += 1;
                    debug!(service = self.base, "Redfish connection broken, asking again");
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    /// TLS 1.3 asks more of a small RSA key than can be checked here; TLS 1.2 does not. With a pinned certificate that is as safe.
    fn fall_back(&mut self, error: &WireError) -> bool {
        let small = find::<rustls::Error>(error).and_then(tls::small_key);
        let is_new = small.is_some() && self.settings.small_key.is_none();
        if is_new {
            (self.settings.small_key, self.wire) = (small.copied(), None);
        }
        is_new
    }

    fn redirected(&self, from: (&Method, &str), location: &str, redirects: u32) -> Result<String, Fault> {
        let (method, path) = from;
        if redirects > REDIRECTS_MAX {
            return Err(Fault::refused(format!(
                "{method} {path}: it redirects again and again, at last to {location}"
            )));
        }
        self.origin.redirected(path, location).ok_or_else(|| {
            Fault::refused(format!(
                "{method} {path}: it redirects to {location}, which is another service than {}; if that is this BMC too, enter \
                 that address, port and protocol for the server",
                self.base
            ))
        })
    }

    fn remember_moved(&mut self, path: &str, to: &str) {
        self.moved.retain(|(from, _)| from != path);
        if self.moved.len() < MOVED_MAX {
            self.moved.push((path.to_owned(), to.to_owned()));
        }
    }

    /// A request that may be sent now.
    async fn request(&mut self, method: Method, path: &str) -> Request {
        let gap = self.options.min_gap;
        if let Some(last) = self.last_request.filter(|_| !gap.is_zero()) {
            tokio::time::sleep_until((last + gap).into()).await;
        }
        let wait = self.meter.wait(Instant::now());
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        let now = Instant::now();
        self.last_request = Some(now);
        let time = self.until.saturating_duration_since(now).clamp(REQUEST_MIN, REQUEST_MAX);
        let request = Request::new(method, path, time);
        if self.broken >= BROKEN_MAX { request.header(CONNECTION, "close") } else { request }
    }

    /// The connection; made when nobody has needed it yet.
    async fn wire(&mut self) -> Result<&mut Wire, Fault> {
        if self.wire.is_none() {
            self.wire = Some(client::build(&self.settings, self.options).await.map_err(Fault::refused)?);
        }
        self.wire.as_mut().ok_or_else(|| Fault::refused("its connection was given up"))
    }

    /// A request with our credentials on a connection of its own, beside all others, by whoever has more time for it than they have.
    /// Nothing of it is sent again.
    pub(super) async fn apart(&mut self, method: Method, path: &str) -> Result<Apart, Fault> {
        self.ensure_login().await?;
        let request = self.request(method, path).await;
        let wire = self.wire().await?.another();
        Ok(Apart { wire, request: self.as_us(request) })
    }

    /// Gives the session back, so that the next request logs in afresh.
    pub(super) async fn log_out(&mut self) {
        if let Login::Token { path: Some(path), .. } = &self.login {
            let path = path.clone();
            match self.send_once(Method::DELETE, &path, None, None).await {
                Ok(_) => self.kept.closed(&path).await,
                Err(fault) => debug!(service = self.base, ?fault, "Redfish session not deleted"),
            }
        }
        self.login = Login::No;
    }

    /// Our user was let in.
    pub(super) fn let_in(&mut self) {
        self.account.accepted();
        self.keys.accepted();
    }

    /// A person asks for a log-in now.
    pub(super) fn try_now(&mut self) {
        self.account.try_now(Instant::now());
    }
}

/// A request, and the connection on which it is to be sent.
pub(super) struct Apart {
    pub(super) wire: Wire,
    pub(super) request: Request,
}

impl Drop for Http {
    /// Gives the session back, if there is still a runtime to do it: services have few.
    fn drop(&mut self) {
        let Some(mut wire) = self.wire.take() else { return };
        let Login::Token { path: Some(path), .. } = &self.login else { return };
        let request = self.as_us(Request::new(Method::DELETE, path, REQUEST_MAX));
        let (kept, path) = (self.kept.clone(), path.clone());
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                match wire.begin(&request).await {
                    Ok(_) => kept.closed(&path).await,
                    Err(error) => debug!(error = chain(&error), "Redfish session not deleted"),
                }
            });
        }
    }
}
