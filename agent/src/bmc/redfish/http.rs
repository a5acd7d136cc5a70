//! Edges: requests to one Redfish service: sessions with basic authentication as fallback, ETags, bounded bodies, errors with reasons.

use std::time::{Duration, Instant};

use protocol::{
    redfish::{BODY_BYTES_MAX, ErrorBody, Link, ROOT, ServiceRoot, SessionService, resource::local_path},
    secret::Secret,
    spec::BmcEndpoint,
};
use reqwest::{
    Method, RequestBuilder, Response, StatusCode,
    header::{ETAG, HeaderName, IF_MATCH, LOCATION},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tracing::{debug, warn};

use super::{super::BmcOptions, pin, roots};

/// Whole time for one request; Redfish services are slow.
const REQUEST_MAX: Duration = Duration::from_secs(20);
/// The header of a session's token (DSP0266, section 13.3.4).
const TOKEN: HeaderName = HeaderName::from_static("x-auth-token");

/// Why there is no good answer.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    Unreachable(String),
    Credentials(String),
    Refused { status: Option<u16>, reason: String },
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

enum Login {
    /// Not tried yet.
    No,
    Token {
        token: Secret,
        /// The session's own path, to delete it.
        path: Option<String>,
    },
    /// The service has no sessions.
    Basic,
    /// Refused: not tried again.
    Rejected(String),
}

/// One service.
pub(super) struct Http {
    client: reqwest::Client,
    base: String,
    username: String,
    password: Secret,
    login: Login,
    options: BmcOptions,
    last_request: Option<Instant>,
}

impl Http {
    /// Says why not when the TLS settings make no sense.
    pub(super) fn new(
        base: &str,
        endpoint: &BmcEndpoint,
        certificate_sha256: Option<&str>,
        options: BmcOptions,
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
            options,
            last_request: None,
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

    /// One request with our credentials; a session that the service has forgotten is made anew once.
    async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        etag: Option<&str>,
    ) -> Result<Response, Fault> {
        let had_token = matches!(self.login, Login::Token { .. });
        let response = self.send_once(method.clone(), path, body, etag).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return good(method, path, response).await;
        }
        if had_token {
            debug!(service = self.base, "Redfish session lost, logging in again");
            self.login = Login::No;
            let response = self.send_once(method.clone(), path, body, etag).await?;
            if response.status() != StatusCode::UNAUTHORIZED {
                return good(method, path, response).await;
            }
        }
        Err(self.reject(format!("{method} {path}: HTTP 401")))
    }

    fn reject(&mut self, reason: String) -> Fault {
        warn!(service = self.base, reason, "Redfish credentials refused, not tried again");
        self.login = Login::Rejected(reason.clone());
        Fault::Credentials(reason)
    }

    async fn send_once(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        etag: Option<&str>,
    ) -> Result<Response, Fault> {
        if matches!(self.login, Login::No) {
            self.login = self.log_in().await?;
        }
        let mut request = self.request(method, path).await;
        if let Some(body) = body {
            request = request.json(body);
        }
        if let Some(etag) = etag {
            request = request.header(IF_MATCH, etag);
        }
        request = match &self.login {
            Login::Token { token, .. } => request.header(TOKEN, token.reveal()),
            Login::Basic => request.basic_auth(&self.username, Some(self.password.reveal())),
            Login::Rejected(reason) => return Err(Fault::Credentials(reason.clone())),
            Login::No => request,
        };
        request.send().await.map_err(unreachable)
    }

    async fn request(&mut self, method: Method, path: &str) -> RequestBuilder {
        if let Some(last) = self.last_request {
            tokio::time::sleep_until((last + self.options.min_gap).into()).await;
        }
        self.last_request = Some(Instant::now());
        self.client.request(method, format!("{}{path}", self.base))
    }

    /// A session where the service has them. The root is readable by anybody (DSP0266, section 13.2).
    async fn log_in(&mut self) -> Result<Login, Fault> {
        let root: ServiceRoot = match self.get_plain(ROOT).await? {
            Some(root) => root,
            None => return Ok(Login::Basic),
        };
        let sessions = match root.sessions() {
            Some(path) => Some(path.to_owned()),
            None => match root.session_service.as_ref().and_then(Link::path) {
                Some(path) => self
                    .get_plain::<SessionService>(path)
                    .await?
                    .and_then(|service| service.sessions?.path().map(str::to_owned)),
                None => None,
            },
        };
        let Some(path) = sessions else { return Ok(Login::Basic) };
        let body = json!({ "UserName": self.username, "Password": self.password.reveal() });
        let request = self.request(Method::POST, &path).await.json(&body);
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::BAD_REQUEST) {
            let reason = said(&response_text(response).await);
            return Err(self.reject(format!("POST {path}: HTTP {status}{reason}")));
        }
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        match header(TOKEN) {
            Some(token) if status.is_success() => Ok(Login::Token {
                token: Secret::new(token),
                path: header(LOCATION).and_then(|location| session_path(&self.base, location)),
            }),
            // No slot free, or a service whose sessions do not work: basic authentication needs none.
            _ => Ok(Login::Basic),
        }
    }

    /// A GET without credentials; none when the service wants them even here.
    async fn get_plain<T: DeserializeOwned>(&mut self, path: &str) -> Result<Option<T>, Fault> {
        let response = self.request(Method::GET, path).await.send().await.map_err(unreachable)?;
        if !response.status().is_success() {
            return Ok(None);
        }
        let body = read_body(response).await?;
        serde_json::from_slice(&body)
            .map(Some)
            .map_err(|error| Fault::NotUnderstood(format!("GET {path}: no Redfish resource: {error}")))
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

/// The session's path from a Location header, which may be absolute.
fn session_path(base: &str, location: &str) -> Option<String> {
    local_path(location.strip_prefix(base).unwrap_or(location)).map(str::to_owned)
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
fn said(body: &[u8]) -> String {
    let text = serde_json::from_slice::<ErrorBody>(body).ok().and_then(|error| error.text());
    text.map(|text| format!(": {text}")).unwrap_or_default()
}

async fn response_text(response: Response) -> Vec<u8> {
    // An error without a readable body is still an error; its status says enough.
    read_body(response).await.unwrap_or_default()
}

async fn read_body(mut response: Response) -> Result<Vec<u8>, Fault> {
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
    Fault::Unreachable(chain(&error.without_url()))
}

/// The error with its causes, which reqwest keeps to itself.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
