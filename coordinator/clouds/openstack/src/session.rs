//! Edges: one identity towards OpenStack: its token, the catalogue that came with it, and one request at a time.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use counters::Asked;
use domain::rim::{Caller, Service};
use http::StatusCode;
use jiff::Timestamp;
use protocol::secret::Secret;
use serde::de::DeserializeOwned;

use super::{
    answer::{read_body, sensitive, unavailable},
    call::{Body, Call},
    client::REQUEST_TIME_MAX,
    credentials::{Credentials, Scope},
    error::{self, Error},
    login::{IssuedToken, login},
};

/// A token is renewed this long before it expires.
pub const TOKEN_MARGIN: Duration = Duration::from_secs(300);

/// Its type in the catalogue.
fn catalogue_type(service: Service) -> &'static str {
    match service {
        Service::Keystone => "identity",
        Service::Ironic => "baremetal",
        Service::Glance => "image",
        Service::Nova => "compute",
        Service::Placement => "placement",
    }
}

/// Its name as a label.
fn word(service: Service) -> &'static str {
    match service {
        Service::Keystone => "keystone",
        Service::Ironic => "ironic",
        Service::Glance => "glance",
        Service::Nova => "nova",
        Service::Placement => "placement",
    }
}

/// The version at the end of an endpoint, which we add ourselves because sites differ in giving it.
fn version_path(service: Service) -> &'static str {
    match service {
        Service::Keystone => "/v3",
        Service::Ironic => "/v1",
        Service::Glance => "/v2",
        Service::Nova | Service::Placement => "",
    }
}

/// One identity towards OpenStack. Clones share the token.
#[derive(Clone)]
pub struct Session(Arc<Inner>);

struct Inner {
    http: reqwest::Client,
    /// For bodies of any length; none: the same.
    uploads: Option<reqwest::Client>,
    credentials: Credentials,
    issued: tokio::sync::Mutex<Option<Arc<IssuedToken>>>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Session").field(&self.0.credentials).finish()
    }
}

impl Session {
    /// A session that will log in when it is first used.
    pub fn new(http: reqwest::Client, credentials: Credentials) -> Self {
        Self::with_uploads(http, None, credentials)
    }

    /// The same, with a client of [`super::client::upload_client`] for bodies of any length.
    pub fn with_uploads(
        http: reqwest::Client,
        uploads: Option<reqwest::Client>,
        credentials: Credentials,
    ) -> Self {
        Self(Arc::new(Inner { http, uploads, credentials, issued: tokio::sync::Mutex::new(None) }))
    }

    /// The current token with what Keystone said of it; renewed when it is about to expire.
    pub async fn issued(&self) -> Result<Arc<IssuedToken>, Error> {
        let mut slot = self.0.issued.lock().await;
        if let Some(issued) = slot.as_ref()
            && Timestamp::now().duration_until(issued.expires_at).unsigned_abs() > TOKEN_MARGIN
            && Timestamp::now() < issued.expires_at
        {
            return Ok(Arc::clone(issued));
        }
        // The lock is held on purpose: of many requests that find the token old, one logs in.
        let issued = Arc::new(login(&self.0.http, &self.0.credentials).await?);
        *slot = Some(Arc::clone(&issued));
        Ok(issued)
    }

    /// Logs somebody else in at the same Keystone; the session stays as it is.
    pub(crate) async fn login_as(
        &self,
        user: &str,
        domain: &str,
        password: &Secret,
        scope: Scope,
    ) -> Result<IssuedToken, Error> {
        let credentials = Credentials {
            username: user.to_owned(),
            user_domain: domain.to_owned(),
            password: password.clone(),
            scope,
            ..self.0.credentials.clone()
        };
        login(&self.0.http, &credentials).await
    }

    /// Forgets a token that a service did not accept, unless it was replaced meanwhile.
    pub async fn forget(&self, refused: &Secret) {
        let mut slot = self.0.issued.lock().await;
        if slot.as_ref().is_some_and(|issued| issued.token == *refused) {
            *slot = None;
        }
    }

    /// Base URL of a service, without version and without a slash at its end.
    pub async fn endpoint(&self, service: Service) -> Result<String, Error> {
        let url = if service == Service::Keystone {
            self.0.credentials.auth_url.clone()
        } else {
            let issued = self.issued().await?;
            let wanted = &self.0.credentials;
            issued.endpoint(catalogue_type(service), &wanted.interface, wanted.region.as_deref()).ok_or_else(
                || Error::Unavailable {
                    service,
                    operation: format!("find {service}"),
                    message: format!(
                        "the catalogue has no {} endpoint of type {}; create one or name another region",
                        wanted.interface,
                        catalogue_type(service)
                    ),
                },
            )?
        };
        Ok(trim_version(&url, version_path(service)).to_owned())
    }

    /// Sends one request and gives its answer with the body unread. A token that is refused is renewed once, but only
    /// for the session's own user and only when the body can be sent again.
    pub(crate) async fn open(&self, call: Call<'_>) -> Result<reqwest::Response, Error> {
        let service = call.service;
        let opened = self.open_once_or_twice(call).await;
        let how = match &opened {
            Ok(_) | Err(Error::NotFound { .. }) => Asked::Ok,
            Err(Error::Unavailable { .. } | Error::Unintelligible { .. }) => Asked::Unavailable,
            Err(
                Error::Locked { .. }
                | Error::Conflict { .. }
                | Error::Unauthorized { .. }
                | Error::Refused { .. },
            ) => Asked::Refused,
        };
        counters::asked(word(service), how);
        opened
    }

    async fn open_once_or_twice(&self, call: Call<'_>) -> Result<reqwest::Response, Error> {
        let Call { service, caller, method, path, operation, headers, body, streaming } = call;
        let url = format!("{}{path}", self.endpoint(service).await?);
        let mut body = Some(body);
        for attempt in 0..2 {
            let http = match &body {
                Some(Body::Stream(_)) => self.0.uploads.as_ref().unwrap_or(&self.0.http),
                Some(Body::None | Body::Json(_)) | None => &self.0.http,
            };
            let mut request = http.request(method.clone(), &url).headers(headers.clone());
            if !streaming {
                request = request.timeout(REQUEST_TIME_MAX);
            }
            let mut own = None;
            let token = match caller {
                Some(Caller::Service) => Some(own.insert(self.issued().await?).token.clone()),
                Some(Caller::Tenant(token)) => Some(token.clone()),
                None => None,
            };
            if let Some(token) = &token {
                request = request.header("X-Auth-Token", sensitive(service, &operation, token)?);
            }
            let mut again = None;
            request = match body.take().unwrap_or(Body::None) {
                Body::None => {
                    again = Some(Body::None);
                    request
                }
                Body::Json(value) => {
                    let request = request.json(&value);
                    again = Some(Body::Json(value));
                    request
                }
                Body::Stream(stream) => {
                    request.header(http::header::CONTENT_TYPE, "application/octet-stream").body(stream)
                }
            };
            let response = match request.send().await {
                Ok(response) => response,
                // A kept connection may be closed in the very moment in which it is used: what changes nothing is asked
                // once more (RFC 9110, section 9.2.2).
                Err(error) if attempt == 0 && method.is_safe() && broke_off(&error) => {
                    body = again;
                    continue;
                }
                Err(error) => return Err(unavailable(service, &operation, &error)),
            };
            let status = response.status();
            if status.is_success() {
                return Ok(response);
            }
            if status == StatusCode::UNAUTHORIZED
                && let Some(own) = own
            {
                self.forget(&own.token).await;
                if attempt == 0 && again.is_some() {
                    body = again;
                    continue;
                }
            }
            let answer = read_body(service, &operation, response).await.unwrap_or_default();
            return Err(error::from_answer(service, &operation, status.as_u16(), &answer));
        }
        Err(error::from_answer(service, &operation, 401, b"a new token was refused too"))
    }

    /// Sends one request and reads its answer.
    pub(crate) async fn send(&self, call: Call<'_>) -> Result<Bytes, Error> {
        let (service, operation) = (call.service, call.operation.clone());
        let response = self.open(call).await?;
        read_body(service, &operation, response).await
    }

    /// Sends one request and reads the JSON of its answer.
    pub(crate) async fn json<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<T, Error> {
        let (service, operation) = (call.service, call.operation.clone());
        let bytes = self.send(call).await?;
        serde_json::from_slice(&bytes).map_err(|e| Error::Unintelligible {
            service,
            operation,
            message: e.to_string(),
        })
    }
}

/// Whether a connection ended before its answer came; one that could not be made, or was silent, will be so again.
fn broke_off(error: &reqwest::Error) -> bool {
    !error.is_connect() && !error.is_timeout() && !error.is_builder()
}

fn trim_version<'a>(url: &'a str, version: &str) -> &'a str {
    let url = url.trim_end_matches('/');
    if version.is_empty() { url } else { url.strip_suffix(version).unwrap_or(url).trim_end_matches('/') }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use http::Method;

    use super::*;
    use crate::client::http_client;

    #[test]
    fn endpoints_with_and_without_version_are_the_same() {
        let check = |url, version, expected| assert_eq!(trim_version(url, version), expected);
        check("http://h:1/v3/", "/v3", "http://h:1");
        check("http://h:1/v3", "/v3", "http://h:1");
        check("http://h/identity", "/v3", "http://h/identity");
        check("http://h/compute/v2.1/", "", "http://h/compute/v2.1");
    }

    fn credentials(auth_url: &str) -> Credentials {
        Credentials {
            auth_url: auth_url.to_owned(),
            username: "u".into(),
            user_domain: "Default".into(),
            password: Secret::new("hunter2"),
            scope: Scope::System,
            region: None,
            interface: "public".into(),
        }
    }

    #[tokio::test]
    async fn a_connection_that_broke_off_is_no_silence_of_what_only_reads() {
        let check = async |method: Method, breaks: usize, asked: usize, good: bool| {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}", listener.local_addr().unwrap());
            let seen = Arc::new(AtomicUsize::new(0));
            let count = Arc::clone(&seen);
            tokio::spawn(async move {
                loop {
                    let (mut stream, _) = listener.accept().await.unwrap();
                    let mut head = [0; 4096];
                    assert_ne!(stream.read(&mut head).await.unwrap(), 0);
                    if count.fetch_add(1, Ordering::SeqCst) >= breaks {
                        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await.unwrap();
                    }
                }
            });
            let session = Session::new(http_client(None).unwrap(), credentials(&url));
            let mut call = Call::new(Service::Keystone, method.clone(), "/v3/x".to_owned(), "x".to_owned());
            call.caller = None;
            assert_eq!(session.send(call).await.is_ok(), good, "{method} {breaks}");
            assert_eq!(seen.load(Ordering::SeqCst), asked, "{method} {breaks}");
        };
        check(Method::GET, 0, 1, true).await;
        check(Method::GET, 1, 2, true).await;
        check(Method::GET, 2, 2, false).await;
        check(Method::POST, 1, 1, false).await;
    }

    #[test]
    fn credentials_are_not_shown() {
        let session = Session::new(http_client(None).unwrap(), credentials("http://h"));
        assert!(!format!("{session:?}").contains("hunter2"));
    }
}
