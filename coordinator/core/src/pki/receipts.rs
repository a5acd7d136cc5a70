//! Edges: the key by which the authority signs receipts for statements about erased disks, and its certificate. It signs nothing else, and
//! listens nowhere; the authority's own key signs certificates alone.

use std::time::Duration;

use protocol::erase_certificate::{DOCUMENT_SIGNING, RECEIPTS_NAME, SigningKey};
use rcgen::{ExtendedKeyUsagePurpose, KeyPair};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use super::{Authority, DAY_S, PkiError, Term, first_certificate, make_failed, read, read_certificate, save};
use domain::certificate::Fingerprint;

/// How long its certificate lasts. What was signed meanwhile holds for ever; it is renewed in its last third.
pub const RECEIPTS_LAST: Duration = Duration::from_secs(2 * 365 * DAY_S);

impl Authority {
    /// The certificate of the authority itself, DER.
    pub fn certificate(&self) -> Result<CertificateDer<'static>, PkiError> {
        first_certificate(&self.certificate_path(), &self.pem)
    }

    /// The key for receipts, with its certificate; made at its first use and when it is to be renewed. `now_us`: microseconds since 1970.
    pub fn receipts_key(&self, now_us: u64) -> Result<SigningKey, PkiError> {
        // One file for both, and another one for another authority: a crash leaves a whole pair or none.
        let of = Fingerprint::of(&self.certificate()?).short();
        let path = self.dir.join(format!("receipts-{of}.pem"));
        let is_good = |pem: &String| {
            let kept = read_certificate(&path, pem.clone());
            kept.is_ok_and(|kept| !kept.validity.is_to_be_renewed(RECEIPTS_LAST, now_us / 1_000_000))
        };
        let kept = if path.exists() { Some(read(&path)?).filter(is_good) } else { None };
        let both = match kept {
            Some(both) => zeroize::Zeroizing::new(both),
            None => {
                let made = self.make_receipts(now_us)?;
                save(&path, made.as_bytes())?;
                made
            }
        };
        let bad = |reason: String| PkiError::Read { path: path.clone(), reason };
        let key = PrivateKeyDer::from_pem_slice(both.as_bytes()).map_err(|error| bad(error.to_string()))?;
        let chain = vec![first_certificate(&path, &both)?];
        SigningKey::new(key.secret_der(), chain).map_err(|error| bad(error.to_string()))
    }

    fn make_receipts(&self, now_us: u64) -> Result<zeroize::Zeroizing<String>, PkiError> {
        let key = KeyPair::generate().map_err(make_failed(RECEIPTS_NAME))?;
        let usage = ExtendedKeyUsagePurpose::Other(DOCUMENT_SIGNING.to_vec());
        let term = Term { now_us, lasts: RECEIPTS_LAST };
        let name = "receipts of the BMS Manager certificate authority";
        let certificate = self.sign(&key, name, &[RECEIPTS_NAME.to_owned()], usage, term)?;
        Ok(format!("{}{certificate}", key.serialize_pem()).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_US: u64 = 1_800_000_000_000_000;

    #[test]
    fn it_is_kept_renewed_in_its_last_third_and_made_anew_for_another_authority() {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::open_or_create(dir.path(), NOW_US).unwrap();
        let files = || {
            let names = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
            let mut all: Vec<_> = names
                .filter(|path| path.to_string_lossy().contains("receipts-"))
                .map(|path| std::fs::read_to_string(path).unwrap())
                .collect();
            all.sort();
            all
        };
        authority.receipts_key(NOW_US).unwrap();
        let first = files();
        assert_eq!(first.len(), 1);
        let life_us = u64::try_from(RECEIPTS_LAST.as_micros()).unwrap();
        authority.receipts_key(NOW_US + life_us / 2).unwrap();
        assert_eq!(files(), first);
        authority.receipts_key(NOW_US + life_us / 4 * 3).unwrap();
        assert_ne!(files(), first);
        std::fs::remove_file(dir.path().join("ca.pem")).unwrap();
        Authority::open_or_create(dir.path(), NOW_US).unwrap().receipts_key(NOW_US).unwrap();
        assert_eq!(files().len(), 2);
    }
}
