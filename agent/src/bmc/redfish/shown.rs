//! Values: which certificate a BMC has shown, kept until somebody tells it on, once for each.

use std::sync::{Mutex, MutexGuard, PoisonError};

use protocol::shown_certificate::{CHAIN_MAX, ShownCertificate};
use ring::digest::{SHA256, digest};
use rustls_pki_types::CertificateDer;

/// SHA-256 of a certificate.
pub(crate) type Fingerprint = [u8; 32];

/// The SHA-256 of a certificate.
pub(super) fn fingerprint(certificate: &CertificateDer<'_>) -> Fingerprint {
    let mut found = Fingerprint::default();
    found.copy_from_slice(digest(&SHA256, certificate).as_ref());
    found
}

/// The certificate that one BMC shows.
#[derive(Debug, Default)]
pub(super) struct Shown(Mutex<Memory>);

#[derive(Debug, Default)]
struct Memory {
    /// The chain of the handshake that has begun: nobody has proved yet to have its key.
    begun: Vec<Vec<u8>>,
    /// The one that was last proved, and whether it was the expected one.
    last: Option<(Fingerprint, bool)>,
    /// It, until it is told.
    news: Option<ShownCertificate>,
}

impl Shown {
    /// A handshake shows this.
    pub(super) fn begun(&self, own: &CertificateDer<'_>, behind: &[CertificateDer<'_>]) {
        let chain = std::iter::once(own).chain(behind).take(CHAIN_MAX);
        self.memory().begun = chain.map(|one| one.to_vec()).collect();
    }

    /// Whoever showed it has proved to have its key.
    pub(super) fn proved(&self, own: &CertificateDer<'_>, is_expected: bool) {
        let mut memory = self.memory();
        let begun = std::mem::take(&mut memory.begun);
        let this = (fingerprint(own), is_expected);
        if memory.last.replace(this) == Some(this) {
            return;
        }
        // Another handshake may have begun meanwhile: then only its own certificate is known of this one.
        let chain =
            if begun.first().is_some_and(|first| **first == **own) { begun } else { vec![own.to_vec()] };
        // One that is too long for the report is told without what stands behind it, or not at all.
        let shown = ShownCertificate::new(chain, is_expected);
        memory.news = shown.or_else(|_| ShownCertificate::new(vec![own.to_vec()], is_expected)).ok();
    }

    /// What was shown and not told yet.
    pub(super) fn news(&self) -> Option<ShownCertificate> {
        self.memory().news.take()
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn der(number: u8) -> CertificateDer<'static> {
        CertificateDer::from(vec![number; 3])
    }

    #[test]
    fn each_certificate_is_told_once_and_none_whose_key_is_not_proved() {
        let shown = Shown::default();
        shown.begun(&der(1), &[der(9)]);
        assert_eq!(shown.news(), None, "anybody can show what he once saw");
        shown.proved(&der(1), true);
        let told = shown.news().unwrap();
        assert_eq!((told.own(), told.behind().len(), told.is_expected), (&[1, 1, 1][..], 1, true));
        shown.begun(&der(1), &[der(9)]);
        shown.proved(&der(1), true);
        assert_eq!(shown.news(), None, "it was told");
        // Another one, while a second handshake has begun.
        shown.begun(&der(2), &[]);
        shown.begun(&der(3), &[]);
        shown.proved(&der(2), false);
        let told = shown.news().unwrap();
        assert_eq!((told.own(), told.is_expected), (&[2, 2, 2][..], false));
    }
}
