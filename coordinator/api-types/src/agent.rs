//! Values: rack agents and their certificates in the API.

use domain::records::Origin;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::word::words;

/// A rack's agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Agent {
    /// The rack of the agent.
    pub rack: String,
    /// Whether the agent is connected now.
    pub connected: bool,
    /// The address from which it is connected. Absent: it is not connected.
    pub address: Option<String>,
    /// Number of the last report from it that is stored.
    pub acknowledged: u64,
    /// When the coordinator last heard from it (RFC 3339). Absent: never.
    pub last_seen: Option<String>,
    /// Until when it can connect with the certificates that it has (RFC 3339). Absent: it has no valid one.
    pub certificate_ends: Option<String>,
    /// The certificates of the rack, newest first.
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
    /// SHA-256 of the certificate, in 64 hexadecimal digits.
    pub fingerprint: String,
    /// What it is worth now.
    pub state: CertificateState,
    /// Whether the agent is connected with it now.
    pub in_use: bool,
    /// How it came to be known.
    pub origin: CertificateOrigin,
    /// When it was issued (RFC 3339).
    pub given: Option<String>,
    /// When it was first used (RFC 3339). Absent: never.
    pub used: Option<String>,
    /// When it expires (RFC 3339).
    pub ends: Option<String>,
}

/// A request to revoke certificates of a rack.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Revocation {
    /// Fingerprint of the only certificate to revoke. Absent: all certificates of the rack.
    pub fingerprint: Option<String>,
}
