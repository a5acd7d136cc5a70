//! Values: the stand-in's refusals, with the status codes and texts that were seen on the real server.

use uuid::Uuid;

/// A refusal: status and text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// Body, plain text.
    pub text: String,
}

impl Refusal {
    /// A refusal with this status and text.
    pub fn new(status: u16, text: impl Into<String>) -> Self {
        Self { status, text: text.into() }
    }

    /// An object of this uuid does not exist.
    pub fn no_id(id: impl std::fmt::Display) -> Self {
        Self::new(404, format!("ID {id} does not exist"))
    }

    /// An object of this name does not exist (name look-up).
    pub fn no_name(name: &[String]) -> Self {
        Self::new(404, format!("Name {} not found", quoted(name)))
    }

    /// The parent does not exist.
    pub fn no_parent(name: &[String]) -> Self {
        Self::new(404, format!("Name{} not found", quoted(name)))
    }

    /// The uuid is taken.
    pub fn uuid_exists(id: Uuid, name: &[String]) -> Self {
        Self::new(409, format!("{id} already exists with fq_name: {}", quoted(name)))
    }

    /// The server tripped over what it did not expect, and says no more.
    pub fn tripped() -> Self {
        Self::new(500, "Internal Server Error")
    }

    /// The name is taken.
    pub fn exists(name: &[String], id: Uuid) -> Self {
        Self::new(409, format!("{} already exists with uuid: {id}", quoted(name)))
    }

    /// Others refer to it.
    pub fn referred(urls: &[String]) -> Self {
        Self::new(409, format!("Delete when resource still referred: {}", quoted(urls)))
    }

    /// It has children.
    pub fn children(urls: &[String]) -> Self {
        Self::new(409, format!("Delete when children still present: {}", quoted(urls)))
    }
}

/// A list as Python prints it.
pub fn quoted(parts: &[String]) -> String {
    let inner: Vec<_> = parts.iter().map(|part| format!("'{part}'")).collect();
    format!("[{}]", inner.join(", "))
}
