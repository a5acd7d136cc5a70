//! Values: what the API answers when it does not do what it was asked (RFC 9457).

use domain::import::Fault;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A problem, in the form of RFC 9457 (`application/problem+json`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A short word for the kind of problem, such as `not-found`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The same in words.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// What is wrong here, and what to do.
    pub detail: String,
    /// Everything that is wrong with an import file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Fault>,
    /// In how many seconds the same may be tried again; it stands in `Retry-After`, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u32>,
}
