//! Values: the certificates of BMCs, in the API.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is known of a BMC's certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BmcCertificate {
    /// Where the BMC is, such as `redfish://192.0.2.5:443`.
    pub place: String,
    /// SHA-256 of the only certificate that is accepted. Absent: none is pinned, and what counts is the trust of the agent's host.
    pub pinned: Option<String>,
    /// The pinned certificate. Absent: the BMC has not shown it yet.
    pub known: Option<Certificate>,
    /// The certificate that the BMC shows instead. Absent: none.
    pub question: Option<CertificateQuestion>,
}

/// A certificate that a BMC shows instead of the pinned one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CertificateQuestion {
    /// The certificate.
    pub certificate: Certificate,
    /// Since when (RFC 3339).
    pub since: Option<String>,
    /// Why no rule of the site has accepted it, as a sentence.
    pub why: String,
    /// Who has refused it. Absent: it is to be decided.
    pub refused_by: Option<String>,
}

/// What is to be known of a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Certificate {
    /// SHA-256 of all of it, 64 hexadecimal digits.
    pub sha256: String,
    /// Its owner, as it says itself. Absent: it cannot be read.
    pub subject: Option<String>,
    /// Its issuer, as it says itself. Absent: it cannot be read.
    pub issuer: Option<String>,
    /// SHA-256 of its public key (SubjectPublicKeyInfo). Absent: it cannot be read.
    pub key_sha256: Option<String>,
    /// From when it is good (RFC 3339). Absent: it cannot be read.
    pub begins: Option<String>,
    /// Until when it is good (RFC 3339). Absent: it cannot be read.
    pub ends: Option<String>,
}
