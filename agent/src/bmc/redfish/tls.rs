//! Decisions: what a failed TLS handshake means to the person who has to do something about it. Every sentence names TLS.

use std::error::Error as _;

use rustls::{AlertDescription, CertificateError, Error};

use super::spki::SmallKey;

/// What to do about a service whose TLS is of another age.
pub(super) const TOO_OLD: &str = "it may support only what is no longer safe and not spoken here: TLS 1.1 and older, RSA key \
                                  exchange, or CBC cipher suites; update its firmware, choose TLS 1.2 or 1.3 with ECDHE and GCM \
                                  in its settings, or manage the server by IPMI";
/// What to do about a certificate that is not the pinned one.
const CHANGED: &str = "its certificate is not the one whose SHA-256 is in the server's entry: if it was renewed, compare its SHA-256 \
                       and correct the entry, or accept it (bmsctl bmc certificate accept)";
/// What to do about a certificate that no authority vouches for.
const NOT_TRUSTED: &str =
    "its certificate is not trusted here: put the certificate's SHA-256 into the server's entry";

/// The failure itself.
pub(super) fn words(error: &Error) -> String {
    match small_key(error) {
        Some(small) => small.to_string(),
        None => error.to_string(),
    }
}

/// What to do about it.
pub(super) fn remedy(error: &Error) -> &'static str {
    match error {
        Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure) => CHANGED,
        Error::InvalidCertificate(CertificateError::BadSignature) => {
            "its handshake is not signed with the key of its certificate: restart the BMC, and give it a new certificate"
        }
        Error::InvalidCertificate(_) => NOT_TRUSTED,
        Error::InvalidMessage(_) => {
            "it may not speak TLS there: check the port, or choose plain HTTP in the server's entry"
        }
        Error::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied,
        ) => {
            "it wants a certificate from us, which we have none of: switch client certificates off in its settings"
        }
        Error::AlertReceived(AlertDescription::UnrecognisedName) => {
            "it does not know the name that it is asked for: enter its address as it is in its certificate, or its IP address"
        }
        _ if small_key(error).is_some() => "give it a certificate whose RSA key has 2048 bits or more",
        _ => TOO_OLD,
    }
}

/// The key that was too small, if that is what failed.
pub(super) fn small_key(error: &Error) -> Option<&SmallKey> {
    match error {
        Error::Other(other) => other.source()?.downcast_ref(),
        _ => None,
    }
}
