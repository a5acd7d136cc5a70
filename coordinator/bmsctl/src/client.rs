//! Edges: the REST API as `bmsctl` calls it.

use std::time::Duration;

use anyhow::{Context, bail};
use futures::StreamExt;
use http::Method;
use protocol::secret::Secret;
use serde::{Serialize, de::DeserializeOwned};

use super::args::Connection;
use api_types::Problem;
use openstack::{Credentials, Scope, Session, client};
use tokio_tungstenite::tungstenite::handshake::client::generate_key;

/// How long the coordinator may take for an answer that is not a stream.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(60);
/// Largest answer that is read.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// A logged-in connection to the coordinator.
pub struct Client {
    http: reqwest::Client,
    /// To it the time in which a body is sent is no silence.
    uploads: reqwest::Client,
    url: String,
    token: Secret,
}

/// What the API refused, with its own words.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.detail)]
pub struct Refused(pub Problem);

impl Client {
    /// Logs in to Keystone, or takes the token of `OS_TOKEN`.
    pub async fn connect(connection: &Connection) -> anyhow::Result<Self> {
        let http = client::http_client(connection.cacert.as_deref())?;
        let uploads = client::upload_client(connection.cacert.as_deref())?;
        let url = connection.url.trim_end_matches('/').to_owned();
        let token = match std::env::var("OS_TOKEN") {
            Ok(token) if !token.is_empty() => Secret::new(token),
            _ => login(connection).await?,
        };
        Ok(Self { http, uploads, url, token })
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url)).header("X-Auth-Token", self.token.reveal())
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> anyhow::Result<reqwest::Response> {
        let answer = request.send().await.with_context(|| {
            format!("the coordinator at {} does not answer (BMS_URL, BMS_CACERT)", self.url)
        })?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let body = read(answer).await?;
        match serde_json::from_slice(&body) {
            Ok(problem) => Err(Refused(problem).into()),
            Err(_) => bail!("{}: {status} {}", self.url, String::from_utf8_lossy(&body).trim()),
        }
    }

    /// GET.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        let answer = self.send(self.request(Method::GET, path).timeout(REQUEST_TIME_MAX)).await?;
        decode(answer).await
    }

    /// GET of a text.
    pub async fn text(&self, path: &str) -> anyhow::Result<String> {
        let answer = self.send(self.request(Method::GET, path).timeout(REQUEST_TIME_MAX)).await?;
        String::from_utf8(read(answer).await?).context("the coordinator's answer is not text")
    }

    /// GET of a text of this kind.
    pub async fn text_as(&self, path: &str, accept: &str) -> anyhow::Result<String> {
        let request = self.request(Method::GET, path).header(http::header::ACCEPT, accept);
        let answer = self.send(request.timeout(REQUEST_TIME_MAX)).await?;
        String::from_utf8(read(answer).await?).context("the coordinator's answer is not text")
    }

    /// POST of JSON.
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> anyhow::Result<T> {
        let answer = self.send(self.request(Method::POST, path).timeout(REQUEST_TIME_MAX).json(body)).await?;
        decode(answer).await
    }

    /// POST of anything else.
    pub async fn upload<T: DeserializeOwned>(
        &self,
        path: &str,
        length: u64,
        body: reqwest::Body,
    ) -> anyhow::Result<T> {
        let request = self
            .uploads
            .post(format!("{}{path}", self.url))
            .header("X-Auth-Token", self.token.reveal())
            .header(http::header::CONTENT_LENGTH, length)
            .body(body);
        decode(self.send(request).await?).await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> anyhow::Result<()> {
        self.send(self.request(Method::DELETE, path).timeout(REQUEST_TIME_MAX)).await.map(drop)
    }

    /// A WebSocket (RFC 6455). The answer's own words where there is none.
    pub async fn websocket(&self, path: &str) -> anyhow::Result<reqwest::Upgraded> {
        let mut request = self.uploads.get(format!("{}{path}", self.url)).version(http::Version::HTTP_11);
        let wanted = [
            ("connection", "Upgrade".to_owned()),
            ("upgrade", "websocket".to_owned()),
            ("sec-websocket-version", "13".to_owned()),
            ("sec-websocket-key", generate_key()),
        ];
        for (name, value) in wanted {
            request = request.header(name, value);
        }
        let request = request.header("X-Auth-Token", self.token.reveal());
        let answer = tokio::time::timeout(REQUEST_TIME_MAX, request.send()).await;
        let answer = answer.ok().and_then(Result::ok).with_context(|| {
            format!("the coordinator at {} does not answer (BMS_URL, BMS_CACERT)", self.url)
        })?;
        if answer.status() == http::StatusCode::SWITCHING_PROTOCOLS {
            return answer.upgrade().await.context("the coordinator did not open the console");
        }
        let status = answer.status();
        match serde_json::from_slice(&read(answer).await?) {
            Ok(problem) => Err(Refused(problem).into()),
            Err(_) => bail!("{}: {status} instead of a console", self.url),
        }
    }

    /// Lines of an answer as they come, until it ends.
    pub async fn lines(
        &self,
        path: &str,
        accept: &str,
        mut each: impl FnMut(&str) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let answer = self.send(self.request(Method::GET, path).header("Accept", accept)).await?;
        let mut stream = answer.bytes_stream();
        let mut buffer = Vec::new();
        while let Some(chunk) = stream.next().await {
            buffer.extend_from_slice(&chunk.context("the answer was interrupted")?);
            if buffer.len() > ANSWER_BYTES_MAX {
                bail!("the coordinator sent a line that never ends");
            }
            while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = buffer.drain(..=end).collect();
                each(String::from_utf8_lossy(&line).trim_end())?;
            }
        }
        Ok(())
    }

    /// An event stream (text/event-stream) until it ends: each event's id and data. `last`: the id after which to go on.
    pub async fn follow(
        &self,
        path: &str,
        last: Option<&str>,
        mut each: impl FnMut(&str, &str) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut request = self.request(Method::GET, path).header("Accept", "text/event-stream");
        if let Some(last) = last {
            request = request.header("Last-Event-ID", last);
        }
        let answer = self.send(request).await?;
        let mut stream = answer.bytes_stream();
        let (mut buffer, mut id, mut kind) = (Vec::new(), String::new(), String::new());
        while let Some(chunk) = stream.next().await {
            buffer.extend_from_slice(&chunk.context("the event stream was interrupted")?);
            if buffer.len() > ANSWER_BYTES_MAX {
                bail!("the coordinator sent a line that never ends");
            }
            while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = buffer.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line);
                match line.trim_end().split_once(':') {
                    Some(("id", value)) => id = value.trim().to_owned(),
                    Some(("event", value)) => kind = value.trim().to_owned(),
                    // The last word: why it goes no further.
                    Some(("data", value)) if kind == "ended" => return Err(ended(value.trim_start())),
                    Some(("data", value)) => each(&id, value.trim_start())?,
                    // Comments, which show that the stream lives.
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

fn ended(why: &str) -> anyhow::Error {
    match serde_json::from_str::<Problem>(why) {
        Ok(problem) => Refused(problem).into(),
        Err(_) => anyhow::anyhow!("the coordinator ended the event stream"),
    }
}

async fn login(connection: &Connection) -> anyhow::Result<Secret> {
    let missing =
        |name| format!("no credentials: set {name} (or OS_TOKEN); `bmsctl --help` lists the variables");
    let scope = match (&connection.os_system_scope, &connection.os_project_name) {
        (Some(_), _) => Scope::System,
        (None, Some(name)) => {
            Scope::Project { name: name.clone(), domain: connection.os_project_domain_name.clone() }
        }
        (None, None) => bail!(missing("OS_PROJECT_NAME or OS_SYSTEM_SCOPE=all")),
    };
    let password = std::env::var("OS_PASSWORD").ok().filter(|password| !password.is_empty());
    let credentials = Credentials {
        auth_url: connection.os_auth_url.clone().with_context(|| missing("OS_AUTH_URL"))?,
        username: connection.os_username.clone().with_context(|| missing("OS_USERNAME"))?,
        user_domain: connection.os_user_domain_name.clone(),
        password: Secret::new(password.with_context(|| missing("OS_PASSWORD"))?),
        scope,
        region: None,
        interface: "public".to_owned(),
    };
    let session = Session::new(client::http_client(None)?, credentials);
    Ok(session.issued().await?.token.clone())
}

async fn read(answer: reqwest::Response) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::new();
    let mut stream = answer.bytes_stream();
    while let Some(chunk) = stream.next().await {
        body.extend_from_slice(&chunk.context("the coordinator's answer was cut off")?);
        if body.len() > ANSWER_BYTES_MAX {
            bail!("the coordinator's answer is larger than {ANSWER_BYTES_MAX} bytes");
        }
    }
    Ok(body)
}

async fn decode<T: DeserializeOwned>(answer: reqwest::Response) -> anyhow::Result<T> {
    let body = read(answer).await?;
    let body: &[u8] = if body.is_empty() { b"null" } else { &body };
    serde_json::from_slice(body).context(
        "the coordinator's answer is not what this bmsctl expects; check that both have the same version",
    )
}
