//! Values: a certificate, and what is to be known of it.

mod fingerprint;

use protocol::certificate::Validity;

pub use fingerprint::{Fingerprint, InvalidFingerprint};

/// A certificate, and what is to be known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The certificate as PEM.
    pub pem: String,
    /// Its fingerprint.
    pub fingerprint: Fingerprint,
    /// From when until when it is good.
    pub validity: Validity,
}
