//! Edges: requests to one Redfish service: ETags, bounded bodies, errors with reasons. What is sent again is decided in `again.rs`.

use std::time::{Duration, Instant};

use protocol::{
    error_chain::{self, chain},
    redfish::{BODY_BYTES_MAX, ErrorBody, ROOT},
    secret::Secret,
    spec::BmcEndpoint,
};
use reqwest::{
    Method, RequestBuilder, Response,
    header::{CONNECTION, ETAG, IF_MATCH, RETRY_AFTER},
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tracing::debug;

use super::{
    super::{Account, BmcOptions, LogIns, account::Pause},
    again::{AfterAnswer, Shown, after_answer, may_repeat_after_break},
    login::{Login, TOKEN},
    pin, roots,
};

/// Whole time for one request; Redfish services are slow.
const REQUEST_MAX: Duration = Duration::from_secs(20);
/// So many broken connections make a service one that wants a new connection for each request.
const BROKEN_MAX: u32 = 2;

/// Why there is no good answer.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    Unreachable(String),
    /// The connection broke while the answer was awaited: it is not known whether it was done.
    Lost(String),
    /// The log-in is refused, and not tried again before this pause is over.
    LogIn {
        reason: String,
        pause: Pause,
    },
    Refused {
        status: Option<u16>,
        reason: String,
    },
    NotUnderstood(String),
}

impl Fault {
    pub(super) fn refused(reason: impl Into<String>) -> Self {
        Fault::Refused { status: None, reason: reason.into() }
    }
}

/// A resource as it was found.
pub(super) struct Found<T> {
    pub(super) body: T,
    pub(super) etag: Option<String>,
}

/// One service.
pub(super) struct Http {
    client: reqwest::Client,
    pub(super) base: String,
    pub(super) username: String,
    pub(super) password: Secret,
    pub(super) login: Login,
    pub(super) account: Account,
    pub(super) log_ins: LogIns,
    /// Why the last log-in was refused.
    pub(super) last_refusal: String,
    options: BmcOptions,
    last_request: Option<Instant>,
    /// Connections that broke.
    broken: u32,
}

impl Http {
    /// Says why not when the TLS settings make no sense.
    pub(super) fn new(
        base: &str,
        endpoint: &BmcEndpoint,
        certificate_sha256: Option<&str>,
        options: BmcOptions,
        log_ins: LogIns,
    ) -> Result<Self, String> {
        // An error means that there is a provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let tls = match certificate_sha256 {
            Some(fingerprint) => pin::tls_config(fingerprint)?,
            None => authorities(base).map_err(|error| format!("TLS cannot be set up: {}", chain(&error)))?,
        };
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .connect_timeout(options.first_wait * options.tries.max(1))
            .timeout(REQUEST_MAX)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| format!("TLS cannot be set up: {}", chain(&error)))?;
        Ok(Self {
            client,
            base: base.to_owned(),
            username: endpoint.username.clone(),
            password: endpoint.password.clone(),
            login: Login::No,
            account: log_ins.account(),
            log_ins,
            last_refusal: String::new(),
            options,
            last_request: None,
            broken: 0,
        })
    }

    pub(super) async fn get<T: DeserializeOwned>(&mut self, path: &str) -> Result<Found<T>, Fault> {
        let response = self.send(Method::GET, path, None, None).await?;
        let etag = response.headers().get(ETAG).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let body = read_body(response).await?;
        let body = serde_json::from_slice(&body)
            .map_err(|error| Fault::NotUnderstood(format!("GET {path}: no Redfish resource: {error}")))?;
        Ok(Found { body, etag })
    }

    pub(super) async fn post(&mut self, path: &str, body: &Value) -> Result<(), Fault> {
        self.send(Method::POST, path, Some(body), None).await.map(|_| ())
    }

    pub(super) async fn patch(&mut self, path: &str, body: &Value, etag: Option<&str>) -> Result<(), Fault> {
        self.send(Method::PATCH, path, Some(body), etag).await.map(|_| ())
    }

    /// One request with our credentials. A session that the service has forgotten is made anew; a refusal is tried again as the
    /// account allows.
    async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        etag: Option<&str>,
    ) -> Result<Response, Fault> {
        let mut repeats = 0;
        loop {
            // User and password with every request: each is a log-in of its own.
            let shown = match &self.login {
                Login::Token { .. } => Shown::Session,
                Login::Basic { .. } | Login::No => Shown::Credentials,
            };
            self.ensure_login().await?;
            let response = self.send_once(method.clone(), path, body, etag).await?;
            let status = response.status();
            let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
            match after_answer(status, retry_after, shown, repeats) {
                AfterAnswer::LogInRefused => self.refused_by_request(&method, path),
                AfterAnswer::LogInAgain => {
                    debug!(service = self.base, "Redfish session lost, logging in again");
                    self.login = Login::No;
                }
                AfterAnswer::Repeat(pause) => {
                    repeats += 1;
                    tokio::time::sleep(pause).await;
                }
                AfterAnswer::Take => {
                    // Anybody may read the root: that it was answered says nothing of us.
                    if matches!(self.login, Login::Basic { .. }) && status.is_success() && path != ROOT {
                        self.account.accepted();
                    }
                    return good(method, path, response).await;
                }
            }
        }
    }

    async fn send_once(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        etag: Option<&str>,
    ) -> Result<Response, Fault> {
        let (user, password) = (self.username.clone(), self.password.clone());
        let token = match &self.login {
            Login::Token { token, .. } => Some(token.clone()),
            Login::Basic { .. } | Login::No => None,
        };
        let with_all = |mut request: RequestBuilder| {
            if let Some(body) = body {
                request = request.json(body);
            }
            if let Some(etag) = etag {
                request = request.header(IF_MATCH, etag);
            }
            match &token {
                Some(token) => request.header(TOKEN, token.reveal()),
                None => request.basic_auth(&user, Some(password.reveal())),
            }
        };
        self.deliver(method, path, with_all).await
    }

    /// Sends a request. One whose connection breaks is sent again on a new one, unless it would switch something twice; a service
    /// that breaks connections again and again gets one for each request.
    pub(super) async fn deliver(
        &mut self,
        method: Method,
        path: &str,
        with: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Response, Fault> {
        let request = with(self.request(method.clone(), path).await);
        let error = match request.send().await {
            Ok(response) => return Ok(response),
            Err(error) => error,
        };
        if !is_broken(&error) {
            return Err(unreachable(error));
        }
        self.broken = self.broken.saturating_add(1);
        let is_logged_in = matches!(self.login, Login::Token { .. } | Login::Basic { .. });
        if !may_repeat_after_break(&method, is_logged_in) {
            return Err(Fault::Lost(chain(&error.without_url())));
        }
        debug!(service = self.base, "Redfish connection broken, asking again");
        with(self.request(method, path).await).send().await.map_err(unreachable)
    }

    async fn request(&mut self, method: Method, path: &str) -> RequestBuilder {
        if let Some(last) = self.last_request {
            tokio::time::sleep_until((last + self.options.min_gap).into()).await;
        }
        self.last_request = Some(Instant::now());
        let request = self.client.request(method, format!("{}{path}", self.base));
        if self.broken >= BROKEN_MAX { request.header(CONNECTION, "close") } else { request }
    }

    /// A person asks for a log-in now.
    pub(super) fn try_now(&mut self) {
        self.account.try_now(Instant::now());
    }
}

impl Drop for Http {
    /// Gives the session back, if there is still a runtime to do it: services have few.
    fn drop(&mut self) {
        let Login::Token { token, path: Some(path) } = &self.login else { return };
        let request = self.client.delete(format!("{}{path}", self.base)).header(TOKEN, token.reveal());
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = request.send().await {
                    debug!(error = chain(&error), "Redfish session not deleted");
                }
            });
        }
    }
}

/// Whom to trust where no certificate is pinned.
fn authorities(base: &str) -> Result<rustls::ClientConfig, rustls::Error> {
    if base.starts_with("https:") { roots::system().map(|shared| (*shared).clone()) } else { roots::none() }
}

/// Whether the connection was there, and broke before an answer came.
fn is_broken(error: &reqwest::Error) -> bool {
    error.is_request() && !error.is_connect() && !error.is_timeout()
}

async fn good(method: Method, path: &str, response: Response) -> Result<Response, Fault> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let reason = said(&response_text(response).await);
    Err(Fault::Refused {
        status: Some(status.as_u16()),
        reason: format!("{method} {path}: HTTP {status}{reason}"),
    })
}

/// What an error body says, with a colon in front; nothing when it says nothing.
pub(super) fn said(body: &[u8]) -> String {
    let text = serde_json::from_slice::<ErrorBody>(body).ok().and_then(|error| error.text());
    text.map(|text| format!(": {text}")).unwrap_or_default()
}

pub(super) async fn response_text(response: Response) -> Vec<u8> {
    // An error without a readable body is still an error; its status says enough.
    read_body(response).await.unwrap_or_default()
}

pub(super) async fn read_body(mut response: Response) -> Result<Vec<u8>, Fault> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        if body.len() + chunk.len() > BODY_BYTES_MAX {
            return Err(Fault::NotUnderstood(format!("a body of more than {BODY_BYTES_MAX} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

#[allow(clippy::needless_pass_by_value, reason = "it is used as a function in map_err")]
fn unreachable(error: reqwest::Error) -> Fault {
    if error.is_decode() || error.is_body() || error.is_builder() {
        return Fault::NotUnderstood(chain(&error));
    }
    // The connection ended by TLS: then somebody is there, and nobody need look at a cable.
    if let Some(tls) = error_chain::find(&error) {
        return Fault::NotUnderstood(format!("TLS fails: {tls}; {}", tls_remedy(tls)));
    }
    Fault::Unreachable(chain(&error.without_url()))
}

fn tls_remedy(error: &rustls::Error) -> &'static str {
    match error {
        rustls::Error::InvalidCertificate(rustls::CertificateError::ApplicationVerificationFailure) => {
            "its certificate is not the one whose SHA-256 is in the server's entry: compare them, and correct the entry"
        }
        rustls::Error::InvalidCertificate(_) => {
            "its certificate is not trusted here: put the certificate's SHA-256 into the server's entry"
        }
        _ => {
            "it may support only TLS versions or cipher suites that are no longer safe: update its firmware, or use IPMI"
        }
    }
}
