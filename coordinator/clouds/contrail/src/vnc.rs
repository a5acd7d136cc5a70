//! Edges: the VNC API, one call a method. It knows objects, not servers.
//!
//! ```text
//!   vnc  objects: read, list page by page, create, change, delete, refer
//!    |-- pages   which page comes next, and when a list is whole (pure)
//!    |-- answer  what an answer means (pure)
//!    `-- wire    tokens, tries, several servers
//!         `-- trust  certificates
//! ```
//!
//! Answers that mean "later" are repeated a bounded number of times and then become `Unavailable`; a status 500 that lasts is a
//! refusal. That is safe: each call here may be done twice, and a creation is read back before it is repeated. Every
//! success is 200; error bodies are plain text and are only shown, never interpreted.

pub mod answer;
pub mod pages;
pub mod trust;
pub mod wire;

use std::{path::Path, sync::Arc};

pub use answer::REASON_MAX;
use answer::{HttpAnswer, refused, words};
use pages::{Next, Pages};
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
pub use trust::ClientError;
use uuid::Uuid;
pub use wire::{ANSWER_MAX, TRIES, Tokens};

use crate::object::RefChange;
use wire::{Call, Wire};

use domain::rim::FabricError;

/// A client of one VNC API.
pub struct Vnc {
    wire: Wire,
}

/// What a creation met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Created {
    /// It is made, under this uuid.
    New(Uuid),
    /// One of this name or uuid exists, or it clashes otherwise; what the API said.
    Conflict(String),
}

impl Vnc {
    /// A client of the API behind the servers at these URLs; `ca_file` holds the certificates (PEM) to trust instead of the
    /// system's.
    pub fn new(
        urls: &[String],
        ca_file: Option<&Path>,
        tokens: Option<Arc<dyn Tokens>>,
    ) -> Result<Self, ClientError> {
        Ok(Self { wire: Wire::new(urls, ca_file, tokens)? })
    }

    /// Where the API is, for people.
    pub fn place(&self) -> String {
        self.wire.place()
    }

    /// Reads some fields of one object; none when it does not exist.
    pub async fn get<T: DeserializeOwned>(
        &self,
        kind: &str,
        id: Uuid,
        fields: &str,
    ) -> Result<Option<T>, FabricError> {
        self.read(kind, id, &[("fields", fields.to_owned())]).await
    }

    /// Reads all of one object but its children, as it is shown; none when it does not exist.
    pub async fn get_whole(&self, kind: &str, id: Uuid) -> Result<Option<Value>, FabricError> {
        let query = [("exclude_children", "true".to_owned())];
        self.read(kind, id, &query).await
    }

    async fn read<T: DeserializeOwned>(
        &self,
        kind: &str,
        id: Uuid,
        query: &[(&str, String)],
    ) -> Result<Option<T>, FabricError> {
        let path = format!("/{kind}/{id}");
        let answer = self.wire.call(&Call { query, ..Call::new(Method::GET, &path) }).await?;
        match answer.status {
            200 => self.parse(kind, &answer, Some(kind)).map(Some),
            404 => Ok(None),
            _ => Err(self.refused(format!("read {kind} {id}"), &answer)),
        }
    }

    /// Reads a collection, with details, page by page. The API ignores filters it does not know, so the caller checks the
    /// rows.
    pub async fn list<T: DeserializeOwned>(
        &self,
        kind: &str,
        query: &[(&str, String)],
    ) -> Result<Vec<T>, FabricError> {
        let mut pages = Pages::new(kind);
        loop {
            let mut all = vec![("detail", "true".to_owned())];
            all.extend_from_slice(query);
            all.extend(pages.query());
            let path = format!("/{kind}s");
            let answer = self.wire.call(&Call { query: &all, ..Call::new(Method::GET, &path) }).await?;
            match answer.status {
                200 => {}
                404 => return Ok(Vec::new()), // the parent asked for does not exist
                _ => return Err(self.refused(format!("list {kind}s"), &answer)),
            }
            match pages.take(self.parse(kind, &answer, None)?) {
                Ok(Next::Page) => {}
                Ok(Next::Done) => break,
                Err(error) => return Err(self.strange(kind, &error.to_string())),
            }
        }
        let rows = pages.rows().into_iter().map(serde_json::from_value);
        rows.collect::<Result<_, _>>().map_err(|error| self.strange(kind, &error.to_string()))
    }

    /// Creates an object.
    pub async fn create(&self, kind: &str, body: Value) -> Result<Created, FabricError> {
        let (path, whole) = (format!("/{kind}s"), json!({ kind: body }));
        let read_back = body["uuid"].as_str().map(|id| format!("/{kind}/{id}"));
        let call = Call { body: Some(&whole), read_back, ..Call::new(Method::POST, &path) };
        let answer = self.wire.call(&call).await?;
        match answer.status {
            200 => {
                let made: Value = self.parse(kind, &answer, Some(kind))?;
                let named = |object: &Value| object["fq_name"].is_array();
                if named(&made) && named(&body) && made["fq_name"] != body["fq_name"] {
                    let other = format!("{} has that uuid", name_of(&made));
                    return Ok(Created::Conflict(other));
                }
                let id = made["uuid"].as_str().and_then(|text| Uuid::parse_str(text).ok());
                id.map(Created::New).ok_or_else(|| self.strange(kind, "no uuid in the answer"))
            }
            409 => Ok(Created::Conflict(words(&answer.text))),
            _ => Err(self.refused(format!("create {kind} {}", name_of(&body)), &answer)),
        }
    }

    /// Changes top-level fields of an object; each named field is replaced whole.
    pub async fn update(&self, kind: &str, id: Uuid, body: Value) -> Result<(), FabricError> {
        let (path, whole) = (format!("/{kind}/{id}"), json!({ kind: body }));
        let answer = self.wire.call(&Call { body: Some(&whole), ..Call::new(Method::PUT, &path) }).await?;
        match answer.status {
            200 => Ok(()),
            404 => Err(FabricError::NotFound { what: "object to change", name: format!("{kind} {id}") }),
            _ => Err(self.refused(format!("change {kind} {id}"), &answer)),
        }
    }

    /// Deletes an object. One that is not there is deleted already.
    pub async fn delete(&self, kind: &str, id: Uuid) -> Result<(), FabricError> {
        let answer = self.wire.call(&Call::new(Method::DELETE, &format!("/{kind}/{id}"))).await?;
        match answer.status {
            200 | 404 => Ok(()),
            _ => Err(self.refused(format!("delete {kind} {id}"), &answer)),
        }
    }

    /// uuid of the object of this name; none when there is no such.
    pub async fn id_of(&self, kind: &str, name: &[String]) -> Result<Option<Uuid>, FabricError> {
        let body = json!({ "type": kind, "fq_name": name });
        let answer = self.post("/fqname-to-id", &body).await?;
        match answer.status {
            200 => self.parse(kind, &answer, Some("uuid")).map(Some),
            404 => Ok(None),
            _ => Err(self.refused(format!("look up {kind} {}", name.join(":")), &answer)),
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
        let answer = self.post("/ref-update", &body).await?;
        match answer.status {
            200 => Ok(()),
            // One end is gone, and the reference with it.
            404 if change == RefChange::Delete => Ok(()),
            _ => {
                Err(self.refused(format!("{operation} reference {kind} {id} to {to_kind} {to_id}"), &answer))
            }
        }
    }

    /// A POST that makes nothing, so that it may be repeated.
    async fn post(&self, path: &str, body: &Value) -> Result<HttpAnswer, FabricError> {
        self.wire.call(&Call { body: Some(body), ..Call::new(Method::POST, path) }).await
    }

    fn refused(&self, operation: String, answer: &HttpAnswer) -> FabricError {
        refused(operation, answer, self.wire.known())
    }

    fn parse<T: DeserializeOwned>(
        &self,
        kind: &str,
        answer: &HttpAnswer,
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
            reason: format!("the answer of {} cannot be read: {why}", self.wire.place()),
        }
    }
}

fn name_of(body: &Value) -> String {
    let parts = body["fq_name"].as_array().into_iter().flatten().filter_map(Value::as_str);
    parts.collect::<Vec<_>>().join(":")
}
