//! Values: what is kept of the certificate of one BMC.

use protocol::{
    certificate::Validity,
    certificate_parts::{CertificateParts, name_text},
    hex,
};
use serde::{Deserialize, Serialize};

use crate::certificate::Fingerprint;

/// A certificate's DER, written as hexadecimal digits where it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Der(pub Vec<u8>);

impl From<Der> for String {
    fn from(der: Der) -> Self {
        hex::encode(der.0)
    }
}

impl TryFrom<String> for Der {
    type Error = &'static str;
    fn try_from(digits: String) -> Result<Self, Self::Error> {
        hex::decode(&digits).map(Self).ok_or("is not made of pairs of hexadecimal digits")
    }
}

/// So many certificates that were pinned before are remembered.
pub const REPLACED_MAX: usize = 8;

/// What is kept of the certificate of one BMC.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BmcCertificates {
    /// The pinned one, once it was shown; none: nothing is known of it but its SHA-256.
    pub known: Option<Der>,
    /// The one that it shows instead of the pinned one.
    pub question: Option<Question>,
    /// SHA-256 of those that were pinned before, the newest last: a file from before does not bring one back. `REPLACED_MAX` at most.
    #[serde(default)]
    pub replaced: Vec<String>,
}

/// Another certificate than the pinned one, about which somebody is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// It.
    pub shown: Der,
    /// SHA-256 of the one that was pinned then. When another one is pinned by now, nothing is asked any more.
    pub instead_of: String,
    /// Since when, in microseconds since 1970.
    pub since_us: u64,
    /// Why no rule has accepted it.
    pub why: String,
    /// Who has refused it; none: nobody has answered.
    #[serde(default)]
    pub refused_by: Option<String>,
}

impl Question {
    /// SHA-256 of the certificate in question.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.shown.0)
    }

    /// What is to be known of it, for a person.
    pub fn words(&self, name: &str, place: &str) -> String {
        let shown = CertificateFacts::of(&self.shown.0);
        let what =
            format!("the BMC of {name} at {place} shows another certificate than the pinned one: {shown}");
        let held = "nothing is sent to it, its power state is unknown and power changes are refused";
        match &self.refused_by {
            None => format!(
                "{what}; {}; {held} until an administrator accepts it (bmsctl bmc certificate show {name}, then accept or refuse)",
                self.why
            ),
            Some(who) => format!(
                "{what}, which {who} has refused; {held} until it shows the pinned one again: restore its certificate, or accept this one \
                 (bmsctl bmc certificate accept {name})"
            ),
        }
    }
}

/// What is to be known of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// SHA-256 of all of it.
    pub fingerprint: Fingerprint,
    /// Whose it is, as it says itself; none: it cannot be read.
    pub subject: Option<String>,
    /// Who vouches for it, as it says itself; none: it cannot be read.
    pub issuer: Option<String>,
    /// SHA-256 of its public key, with the key's kind; none: it cannot be read.
    pub key: Option<Fingerprint>,
    /// From when until when it is good; none: it cannot be read.
    pub validity: Option<Validity>,
}

impl CertificateFacts {
    /// Of a certificate (DER).
    pub fn of(certificate: &[u8]) -> Self {
        let parts = CertificateParts::of(certificate);
        Self {
            fingerprint: Fingerprint::of(certificate),
            subject: parts.map(|parts| name_text(parts.subject)),
            issuer: parts.map(|parts| name_text(parts.issuer)),
            key: parts.map(|parts| Fingerprint::of(parts.key_info)),
            validity: Validity::of(certificate),
        }
    }
}

impl std::fmt::Display for CertificateFacts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = self.subject.as_deref().filter(|name| !name.is_empty()).unwrap_or("without a name");
        write!(f, "{name}, SHA-256 {}", self.fingerprint)
    }
}
