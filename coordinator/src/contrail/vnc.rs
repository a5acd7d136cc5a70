//! Edges: the VNC API over HTTP, one call a method. It knows objects, not servers.
//!
//! Answers that mean "later" are repeated a bounded number of times and then become `Unavailable`. Every success is 200;
//! error bodies are plain text and are only shown, never interpreted.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use protocol::secret::Secret;
use reqwest::{Client, Method};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tracing::debug;
use uuid::Uuid;

use crate::{
    metrics::{self, Asked},
    port::FabricError,
};

/// Tries of one call before it is reported as unavailable.
pub const TRIES: u32 = 4;
/// Pause before the second try; doubled each time.
pub const RETRY_PAUSE: Duration = Duration::from_millis(150);
/// Longest wait for one answer.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for a connection.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Largest answer that is read.
pub const ANSWER_MAX: usize = 16 << 20;
/// Longest reason that is shown, in characters.
pub const REASON_MAX: usize = 400;

/// Where tokens for the API come from (Keystone); a site without authentication has none.
#[async_trait]
pub trait Tokens: Send + Sync {
    /// A token to send. `rejected` is the one that the API has just refused, so that it is not given again.
    async fn token(&self, rejected: Option<&Secret>) -> Result<Secret, FabricError>;
}

/// A client of one VNC API.
pub struct Vnc {
    http: Client,
    url: String,
    tokens: Option<Arc<dyn Tokens>>,
}

/// What a creation met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Created {
    /// It is made, under this uuid.
    New(Uuid),
    /// One of this name or uuid exists, or it clashes otherwise; what the API said.
    Conflict(String),
}

/// Whether a reference is added or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefChange {
    /// Add it.
    Add,
    /// Remove it.
    Delete,
}

struct Answer {
    status: u16,
    text: String,
}

enum Trouble {
    /// Worth another try at once.
    Soon(String),
    /// Worth another try by the caller, later.
    Later(String),
    /// Not ours to judge.
    Failed(FabricError),
}

impl Vnc {
    /// A client of the API at this URL.
    pub fn new(url: &str, tokens: Option<Arc<dyn Tokens>>) -> Result<Self, FabricError> {
        let _ = rustls::crypto::ring::default_provider().install_default(); // an error means: there is one already
        let http = Client::builder()
            .timeout(CALL_TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .build()
            .map_err(|error| unavailable(url, chain(&error)))?;
        Ok(Self { http, url: url.trim_end_matches('/').to_owned(), tokens })
    }

    /// Where the API is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Reads some fields of one object; none when it does not exist.
    pub async fn get<T: DeserializeOwned>(
        &self,
        kind: &str,
        id: Uuid,
        fields: &str,
    ) -> Result<Option<T>, FabricError> {
        let query = [("fields", fields.to_owned())];
        let answer = self.send(Method::GET, &format!("/{kind}/{id}"), &query, None).await?;
        match answer.status {
            200 => self.parse(kind, &answer, Some(kind)).map(Some),
            404 => Ok(None),
            _ => Err(refused(format!("read {kind} {id}"), &answer)),
        }
    }

    /// Reads all of one object but its children, as it is shown; none when it does not exist.
    pub async fn get_whole(&self, kind: &str, id: Uuid) -> Result<Option<Value>, FabricError> {
        let query = [("exclude_children", "true".to_owned())];
        let answer = self.send(Method::GET, &format!("/{kind}/{id}"), &query, None).await?;
        match answer.status {
            200 => self.parse(kind, &answer, Some(kind)).map(Some),
            404 => Ok(None),
            _ => Err(refused(format!("read {kind} {id}"), &answer)),
        }
    }

    /// Reads a collection, with details. The API ignores filters it does not know, so the caller checks the rows.
    pub async fn list<T: DeserializeOwned>(
        &self,
        kind: &str,
        query: &[(&str, String)],
    ) -> Result<Vec<T>, FabricError> {
        let mut all = vec![("detail", "true".to_owned())];
        all.extend_from_slice(query);
        let answer = self.send(Method::GET, &format!("/{kind}s"), &all, None).await?;
        match answer.status {
            200 => {
                let rows: Vec<Value> = self.parse(kind, &answer, Some(&format!("{kind}s")))?;
                let unwrapped = rows.into_iter().map(|mut row| row[kind].take()).map(serde_json::from_value);
                unwrapped.collect::<Result<_, _>>().map_err(|error| self.strange(kind, &error.to_string()))
            }
            404 => Ok(Vec::new()), // the parent asked for does not exist
            _ => Err(refused(format!("list {kind}s"), &answer)),
        }
    }

    /// Creates an object.
    pub async fn create(&self, kind: &str, body: Value) -> Result<Created, FabricError> {
        let answer = self.send(Method::POST, &format!("/{kind}s"), &[], Some(&json!({ kind: body }))).await?;
        match answer.status {
            200 => {
                let made: Value = self.parse(kind, &answer, Some(kind))?;
                let id = made["uuid"].as_str().and_then(|text| Uuid::parse_str(text).ok());
                id.map(Created::New).ok_or_else(|| self.strange(kind, "no uuid in the answer"))
            }
            409 => Ok(Created::Conflict(shorten(&answer.text))),
            _ => Err(refused(format!("create {kind} {}", name_of(&body)), &answer)),
        }
    }

    /// Changes top-level fields of an object; each named field is replaced whole.
    pub async fn update(&self, kind: &str, id: Uuid, body: Value) -> Result<(), FabricError> {
        let path = format!("/{kind}/{id}");
        let answer = self.send(Method::PUT, &path, &[], Some(&json!({ kind: body }))).await?;
        match answer.status {
            200 => Ok(()),
            404 => Err(FabricError::NotFound { what: "object to change", name: format!("{kind} {id}") }),
            _ => Err(refused(format!("change {kind} {id}"), &answer)),
        }
    }

    /// Deletes an object. One that is not there is deleted already.
    pub async fn delete(&self, kind: &str, id: Uuid) -> Result<(), FabricError> {
        let answer = self.send(Method::DELETE, &format!("/{kind}/{id}"), &[], None).await?;
        match answer.status {
            200 | 404 => Ok(()),
            _ => Err(refused(format!("delete {kind} {id}"), &answer)),
        }
    }

    /// uuid of the object of this name; none when there is no such.
    pub async fn id_of(&self, kind: &str, name: &[String]) -> Result<Option<Uuid>, FabricError> {
        let body = json!({ "type": kind, "fq_name": name });
        let answer = self.send(Method::POST, "/fqname-to-id", &[], Some(&body)).await?;
        match answer.status {
            200 => self.parse(kind, &answer, Some("uuid")).map(Some),
            404 => Ok(None),
            _ => Err(refused(format!("look up {kind} {}", name.join(":")), &answer)),
        }
    }

    /// Adds or removes one reference that says nothing of its own.
    pub async fn change_ref(
        &self,
        change: RefChange,
        from: (&str, Uuid),
        to: (&str, Uuid),
    ) -> Result<(), FabricError> {
        self.change_ref_with(change, from, to, &Value::Null).await
    }

    /// Adds or removes one reference; an added one says `attr`.
    pub async fn change_ref_with(
        &self,
        change: RefChange,
        (kind, id): (&str, Uuid),
        (to_kind, to_id): (&str, Uuid),
        attr: &Value,
    ) -> Result<(), FabricError> {
        let operation = match change {
            RefChange::Add => "ADD",
            RefChange::Delete => "DELETE",
        };
        let body = json!({
            "type": kind, "uuid": id, "ref-type": to_kind, "ref-uuid": to_id, "ref-fq-name": null,
            "operation": operation, "attr": attr,
        });
        let answer = self.send(Method::POST, "/ref-update", &[], Some(&body)).await?;
        match answer.status {
            200 => Ok(()),
            // One end is gone, and the reference with it.
            404 if change == RefChange::Delete => Ok(()),
            _ => Err(refused(format!("{operation} reference {kind} {id} to {to_kind} {to_id}"), &answer)),
        }
    }

    fn parse<T: DeserializeOwned>(
        &self,
        kind: &str,
        answer: &Answer,
        key: Option<&str>,
    ) -> Result<T, FabricError> {
        let mut value: Value =
            serde_json::from_str(&answer.text).map_err(|error| self.strange(kind, &error.to_string()))?;
        let inner = match key {
            Some(key) => {
                value.get_mut(key).map(Value::take).ok_or_else(|| self.strange(kind, "unknown root key"))?
            }
            None => value,
        };
        serde_json::from_value(inner).map_err(|error| self.strange(kind, &error.to_string()))
    }

    fn strange(&self, kind: &str, why: &str) -> FabricError {
        FabricError::Refused {
            operation: format!("answer a call about {kind}"),
            reason: format!("the answer of {} cannot be read: {why}", self.url),
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
        body: Option<&Value>,
    ) -> Result<Answer, FabricError> {
        let answer = self.send_and_repeat(method, path, query, body).await;
        let how = match &answer {
            // What is not there, or there already, is an answer as any other.
            Ok(answer) if matches!(answer.status, 200 | 404 | 409) => Asked::Ok,
            Ok(_) => Asked::Refused,
            Err(_) => Asked::Unavailable,
        };
        metrics::asked("contrail", how);
        answer
    }

    async fn send_and_repeat(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
        body: Option<&Value>,
    ) -> Result<Answer, FabricError> {
        let mut pause = RETRY_PAUSE;
        let mut attempt = 1;
        loop {
            match self.authorised(&method, path, query, body).await {
                Ok(answer) => {
                    debug!(%method, path, status = answer.status, "called the vnc api");
                    return Ok(answer);
                }
                Err(Trouble::Soon(reason)) if attempt < TRIES => {
                    debug!(%method, path, attempt, reason, "vnc api is not ready");
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                    attempt += 1;
                }
                Err(Trouble::Soon(reason) | Trouble::Later(reason)) => {
                    return Err(unavailable(&self.url, reason));
                }
                Err(Trouble::Failed(error)) => return Err(error),
            }
        }
    }

    /// One call with a token; a refused token is renewed once.
    async fn authorised(
        &self,
        method: &Method,
        path: &str,
        query: &[(&str, String)],
        body: Option<&Value>,
    ) -> Result<Answer, Trouble> {
        let Some(tokens) = &self.tokens else {
            return self.once(method, path, query, body, None).await;
        };
        let token = tokens.token(None).await.map_err(Trouble::Failed)?;
        let answer = self.once(method, path, query, body, Some(&token)).await?;
        if answer.status != 401 {
            return Ok(answer);
        }
        let fresh = tokens.token(Some(&token)).await.map_err(Trouble::Failed)?;
        self.once(method, path, query, body, Some(&fresh)).await
    }

    async fn once(
        &self,
        method: &Method,
        path: &str,
        query: &[(&str, String)],
        body: Option<&Value>,
        token: Option<&Secret>,
    ) -> Result<Answer, Trouble> {
        let mut request = self.http.request(method.clone(), format!("{}{path}", self.url)).query(query);
        if let Some(body) = body {
            request = request.json(body);
        }
        if let Some(token) = token {
            request = request.header("X-Auth-Token", token.reveal());
        }
        let mut response = request.send().await.map_err(|error| {
            // A call that timed out may be waiting behind others: repeating it at once would make that worse.
            if error.is_timeout() { Trouble::Later(chain(&error)) } else { Trouble::Soon(chain(&error)) }
        })?;
        let status = response.status().as_u16();
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| Trouble::Soon(chain(&error)))? {
            if bytes.len() + chunk.len() > ANSWER_MAX {
                return Err(Trouble::Later(format!(
                    "its answer to {path} is longer than {ANSWER_MAX} bytes"
                )));
            }
            bytes.extend_from_slice(&chunk);
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        match status {
            502 | 503 => Err(Trouble::Soon(format!("status {status} {}", shorten(&text)))),
            504 => Err(Trouble::Later(format!("status {status} {}", shorten(&text)))),
            _ => Ok(Answer { status, text }),
        }
    }
}

fn unavailable(url: &str, reason: String) -> FabricError {
    FabricError::Unavailable { url: url.to_owned(), reason }
}

fn refused(operation: String, answer: &Answer) -> FabricError {
    FabricError::Refused { operation, reason: format!("status {}: {}", answer.status, shorten(&answer.text)) }
}

fn shorten(text: &str) -> String {
    text.trim().chars().take(REASON_MAX).collect()
}

fn name_of(body: &Value) -> String {
    let parts = body["fq_name"].as_array().into_iter().flatten().filter_map(Value::as_str);
    parts.collect::<Vec<_>>().join(":")
}

/// The whole chain of causes: the client's own text stops short of the one that says something.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
