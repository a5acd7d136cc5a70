//! Values: what the API answers when it does not do what it was asked (RFC 9457), and who is told how much of it.
//!
//! What must stay true: whatever tells of what is below a tenant's server is marked where it is made (`from.rs`), and is put in other
//! words for whoever may not read it (`answer.rs`).

mod answer;
mod from;

use std::{borrow::Cow, fmt, ops::Deref};

use api_types as types;
use api_types::{Fault, FieldFault};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

pub(crate) use answer::for_tenants;

/// A problem on its way out: what is said of it, and for whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What the client reads. Boxed, because problems go through every function.
    #[serde(flatten)]
    pub said: Box<types::Problem>,
    /// Set when its detail tells of what is below a tenant's server: Ironic, Contrail's switches, racks, a service's inside. Then it
    /// is for those who see all, and others are told what it means to them.
    #[serde(skip)]
    below: Option<Box<Below>>,
}

/// What is told instead of a detail that is not for tenants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Below {
    /// In words; none: what the problem's status means to a tenant.
    words: Option<String>,
}

impl Deref for Problem {
    type Target = types::Problem;
    fn deref(&self) -> &types::Problem {
        &self.said
    }
}

impl PartialSchema for Problem {
    fn schema() -> RefOr<Schema> {
        types::Problem::schema()
    }
}

impl ToSchema for Problem {
    fn name() -> Cow<'static, str> {
        types::Problem::name()
    }
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        types::Problem::schemas(schemas);
    }
}

impl Problem {
    /// A problem of a kind, with what to do about it.
    pub fn new(status: StatusCode, kind: &str, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Problem").to_owned();
        let said = Box::new(types::Problem {
            kind: kind.to_owned(),
            title,
            status: status.as_u16(),
            detail: detail.into(),
            fields: Vec::new(),
            faults: Vec::new(),
            retry_after_s: None,
        });
        Problem { said, below: None }
    }

    /// Marks what only those who see all are told word for word.
    fn below(self) -> Self {
        Problem { below: Some(Box::default()), ..self }
    }

    /// What is told to somebody who does not see what is below a tenant's server. `request_id`: by it an operator finds all of it.
    pub(crate) fn for_tenants(self, request_id: &str) -> Self {
        let Some(below) = &self.below else { return self };
        let by_status = match self.status {
            503 => "a service that this needs does not answer; try again in a moment",
            409 => {
                "the server's machine is busy, or its state does not allow this now; try again in a moment"
            }
            _ => "the infrastructure below the server refused this",
        };
        let what = below.words.as_deref().unwrap_or(by_status);
        let detail = format!("{what}; if this persists, give the operator the request id {request_id}");
        // What is said of a field is said of what is below, too.
        let fields = self.said.fields.into_iter();
        let fields = fields.map(|one| FieldFault { message: detail.clone(), ..one }).collect();
        Problem { said: Box::new(types::Problem { detail, fields, ..*self.said }), below: None }
    }

    /// Says of a field what is wrong with it; `field` as [`FieldFault::field`] has it.
    pub fn at(mut self, field: impl Into<String>, message: impl fmt::Display) -> Self {
        self.said.fields.push(FieldFault { field: field.into(), message: message.to_string() });
        self
    }

    /// Says that a field names what was not found, or what it may not name now. A service that is away, or a caller who may not ask
    /// it, is no fault of a field.
    pub fn about(self, field: impl Into<String>) -> Self {
        match self.status {
            400 | 404 | 409 if self.below.is_none() => {
                let message = self.detail.clone();
                self.at(field, message)
            }
            _ => self,
        }
    }

    /// Says when the same may be tried again.
    pub fn again_in(self, seconds: u32) -> Self {
        let said = Box::new(types::Problem { retry_after_s: Some(seconds), ..*self.said });
        Problem { said, ..self }
    }

    /// There is no such thing, or the caller may not know of it.
    pub fn not_found(what: &str, name: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", format!("there is no {what} {name:?}"))
    }

    /// The request makes no sense, and no field of it alone; `detail` says what to do.
    pub fn bad(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", detail)
    }

    /// A field of the request makes no sense: what is wrong with it, and what to write instead.
    pub fn bad_at(field: &str, message: impl fmt::Display) -> Self {
        Self::bad(said_of(field, &message)).at(field, message)
    }

    /// Fields of the request make no sense together, or are wrong in the same way.
    pub fn bad_at_each(fields: &[&str], message: &str) -> Self {
        let problem = Self::bad(said_of(&fields.join(", "), message));
        fields.iter().fold(problem, |problem, field| problem.at(*field, message))
    }

    /// The fields are those of something inside of the body, in this place.
    pub fn within(mut self, place: &str) -> Self {
        for fault in &mut self.said.fields {
            fault.field = format!("{place}.{}", fault.field);
        }
        self
    }

    /// The state of things does not allow it.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", detail)
    }

    /// The state of things does not allow what a field asks for.
    pub fn conflict_at(field: &str, message: impl fmt::Display) -> Self {
        Self::conflict(said_of(field, &message)).at(field, message)
    }

    /// Only administrators may say something in this field.
    pub fn forbidden_at(field: &str) -> Self {
        let detail = "only an administrator can do this; ask one, or leave out the fields that only administrators can set";
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail).at(field, detail)
    }

    /// An import file with its faults.
    pub fn faults(faults: Vec<Fault>) -> Self {
        let detail = format!("the file has {} faults; nothing was changed", faults.len());
        let problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "import-refused", detail);
        let mut problem =
            faults.iter().fold(problem, |problem, fault| problem.at(&fault.path, &fault.message));
        problem.said.faults = faults;
        problem
    }
}

/// A sentence on a field, for people: it names a list, and not the place in it.
fn said_of(field: &str, message: impl fmt::Display) -> String {
    let name = field.split_once('[').map_or(field, |(list, _)| list);
    format!("{name}: {message}")
}
