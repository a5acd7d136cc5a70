//! Decisions: whether an authority of the site has signed a BMC's certificate for the address at which the BMC is reached.

use std::{sync::Arc, time::Duration};

use protocol::shown_certificate::ShownCertificate;
use rustls::{
    RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject};

/// The authorities (DER) in a file of PEM.
pub fn authorities_of(pem: &str) -> Result<Vec<Vec<u8>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match found {
        Ok(found) if found.is_empty() => {
            Err("it holds no certificate; write the authority's as PEM".to_owned())
        }
        Ok(found) => Ok(found.iter().map(|der| der.to_vec()).collect()),
        Err(error) => Err(format!("it is no PEM: {error}")),
    }
}

/// Whether one of these authorities (DER) vouches for it: its signature, its dates, and a name that is this address. What cannot be read
/// is vouched for by nobody.
pub(super) fn is_vouched_for(
    authorities: &[Vec<u8>],
    shown: &ShownCertificate,
    address: &str,
    now_s: u64,
) -> bool {
    if authorities.is_empty() {
        return false;
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(authorities.iter().map(|der| CertificateDer::from(der.as_slice())));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let Ok(verifier) = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build() else {
        return false;
    };
    let Ok(name) = ServerName::try_from(address) else { return false };
    let behind: Vec<_> = shown.behind().iter().map(|der| CertificateDer::from(der.as_slice())).collect();
    let own = CertificateDer::from(shown.own());
    let now = UnixTime::since_unix_epoch(Duration::from_secs(now_s));
    verifier.verify_server_cert(&own, &behind, &name, &[], now).is_ok()
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

    use super::*;

    const ADDRESS: &str = "198.51.100.11";

    fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    }

    fn shown(by: &CertifiedIssuer<'static, KeyPair>, address: &str) -> ShownCertificate {
        let params = CertificateParams::new(vec![address.to_owned()]).unwrap();
        let made = params.signed_by(&KeyPair::generate().unwrap(), by).unwrap();
        ShownCertificate::new(vec![made.der().to_vec()], false).unwrap()
    }

    #[test]
    fn only_an_authority_of_the_site_vouches_and_only_for_the_address() {
        let (ours, theirs) = (authority("ours"), authority("theirs"));
        let roots = [ours.der().to_vec()];
        let now_s = 1_800_000_000;
        let check = |shown: &ShownCertificate, now_s: u64, expected: bool| {
            assert_eq!(is_vouched_for(&roots, shown, ADDRESS, now_s), expected, "at {now_s}");
        };
        check(&shown(&ours, ADDRESS), now_s, true);
        check(&shown(&ours, "198.51.100.12"), now_s, false);
        check(&shown(&theirs, ADDRESS), now_s, false);
        // 1970, before it is good.
        check(&shown(&ours, ADDRESS), 5, false);
        check(&ShownCertificate::new(vec![vec![1, 2]], false).unwrap(), now_s, false);
        assert_eq!(authorities_of(&ours.pem()), Ok(roots.to_vec()));
        assert!(authorities_of("nothing").is_err());
        assert!(!is_vouched_for(&[], &shown(&ours, ADDRESS), ADDRESS, now_s));
    }
}
