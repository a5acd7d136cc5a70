//! Values: what the API answers when it does not do what it was asked (RFC 9457).

use domain::import::Fault;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A problem, in the form of RFC 9457 (`application/problem+json`); `fields`, `faults` and `retry_after_s` are extension members
/// (its section 3.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A short word for the kind of problem, such as `not-found`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The HTTP status in words.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// What is wrong here, and what to do, for a person. Programs find the fields in `fields`, not in this sentence.
    pub detail: String,
    /// The fields of the request that are refused, each with what is wrong with it. Absent: the problem is not one of a field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldFault>,
    /// Everything that is wrong with an import file. The same faults are in `fields`, without the lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Fault>,
    /// In how many seconds the same may be tried again; it stands in `Retry-After`, too. Absent: nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u32>,
}

/// A field of a request that is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldFault {
    /// Which field: the name of a query parameter or header, or the place in the body or in the file as a dotted path, with
    /// indices from 0, such as `name`, `networks[1].vlan` or `nodes[0].ports[1].mac_address`. Empty: the request
    /// as a whole.
    pub field: String,
    /// What is wrong with it, and what to write instead.
    pub message: String,
}
