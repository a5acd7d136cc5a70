//! Values: rack agents and their certificates in the API.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A rack's agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Agent {
    /// Its rack.
    pub rack: String,
    /// Whether it is connected now.
    pub connected: bool,
    /// Where its stream comes from; none: it has none.
    pub address: Option<String>,
    /// Number of the last report that is stored.
    pub acknowledged: u64,
    /// When it was last heard of (RFC 3339); none: it never came.
    pub last_seen: Option<String>,
    /// Until when its best certificate opens the rack (RFC 3339); none: it has no valid one.
    pub certificate_ends: Option<String>,
    /// The certificates that are known of the rack, newest first.
    pub certificates: Vec<AgentCertificate>,
}

/// A certificate of a rack's agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgentCertificate {
    /// SHA-256 of it, in 64 hexadecimal digits.
    pub fingerprint: String,
    /// `good`, `replaced` (the one that follows it was used), `revoked` or `ended`.
    pub state: String,
    /// Whether the agent's stream was opened by it.
    pub in_use: bool,
    /// `issued`, `renewed`, or `taken_up`: it is of before they were kept.
    pub origin: String,
    /// When it was given (RFC 3339).
    pub given: Option<String>,
    /// When it was used first (RFC 3339).
    pub used: Option<String>,
    /// When it ends (RFC 3339).
    pub ends: Option<String>,
}

/// Which certificates of a rack are to be revoked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Revocation {
    /// Only the one with this fingerprint; none: all of the rack.
    pub fingerprint: Option<String>,
}
