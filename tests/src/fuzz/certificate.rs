//! Decisions: names and public key in the certificate of a BMC.

use protocol::certificate_parts::{CertificateParts, name_text};

/// Each is a piece of the certificate, and a name is text for people.
pub fn run(data: &[u8]) {
    if let Some(CertificateParts { issuer, subject, key_info }) = CertificateParts::of(data) {
        for part in [issuer, subject, key_info] {
            assert!(data.windows(part.len()).any(|window| window == part));
        }
        assert!(!name_text(subject).contains(char::is_control));
    }
}
