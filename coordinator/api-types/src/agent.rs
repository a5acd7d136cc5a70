//! Values: rack agents and their certificates in the API.

use domain::records::Origin;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::word::words;

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

words! {
    /// What a certificate is worth.
    CertificateState {
        /// It opens the rack.
        Good = "good",
        /// The one that follows it was used: it opens nothing any more.
        Replaced = "replaced",
        /// An administrator revoked it.
        Revoked = "revoked",
        /// Its time is over.
        Ended = "ended";
        /// A state that this client does not know: the coordinator is newer, and sends none such itself.
        else Unknown = "unknown"
    }
}

words! {
    /// How a certificate came to be known.
    CertificateOrigin {
        /// `bms-coordinator issue-agent` wrote it.
        Issued = "issued",
        /// It was given on the agent's stream.
        Renewed = "renewed",
        /// It was given before certificates were stored, and was the first of its rack to be used since.
        TakenUp = "taken_up";
        /// An origin that this client does not know: the coordinator is newer, and sends none such itself.
        else Unknown = "unknown"
    }
}

impl From<Origin> for CertificateOrigin {
    fn from(origin: Origin) -> Self {
        match origin {
            Origin::Issued => CertificateOrigin::Issued,
            Origin::Renewed => CertificateOrigin::Renewed,
            Origin::TakenUp => CertificateOrigin::TakenUp,
        }
    }
}

/// A certificate of a rack's agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgentCertificate {
    /// SHA-256 of it, in 64 hexadecimal digits.
    pub fingerprint: String,
    /// What it is worth now.
    pub state: CertificateState,
    /// Whether the agent's stream was opened by it.
    pub in_use: bool,
    /// How it came to be known.
    pub origin: CertificateOrigin,
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
