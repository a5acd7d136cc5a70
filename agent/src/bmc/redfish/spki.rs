//! Decisions: the public key in a certificate, whatever else stands there. BMCs of some years have certificates of X.509 version 1,
//! which TLS libraries refuse to read; where one certificate is pinned, nothing but its key is wanted of it.

use protocol::der::{BIT_STRING, Element, SEQUENCE, behind_version};
use rustls::{
    CertificateError, DigitallySignedStruct, Error,
    client::danger::HandshakeSignatureValid,
    crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key},
};
use rustls_pki_types::SubjectPublicKeyInfoDer;

/// What stands between version and key: serial number, signature, issuer, validity, subject.
const BEFORE_THE_KEY: usize = 5;

/// The `SubjectPublicKeyInfo` (RFC 5280, section 4.1.2.7) of a certificate in DER, as it stands there; none when it is not
/// found.
pub fn key_info(certificate: &[u8]) -> Option<&[u8]> {
    let mut rest = behind_version(certificate)?;
    for _ in 0..BEFORE_THE_KEY {
        rest = Element::read(rest)?.rest;
    }
    Element::tagged(rest, SEQUENCE).map(|info| info.whole)
}

/// Algorithm and key of a `SubjectPublicKeyInfo`.
fn algorithm_and_key(info: &[u8]) -> Option<(&[u8], &[u8])> {
    let algorithm = Element::tagged(Element::tagged(info, SEQUENCE)?.content, SEQUENCE)?;
    let key = Element::tagged(algorithm.rest, BIT_STRING)?;
    // The first byte counts unused bits, of which a key has none.
    key.content.strip_prefix(&[0]).map(|key| (algorithm.content, key))
}

fn unreadable() -> Error {
    Error::InvalidCertificate(CertificateError::BadEncoding)
}

/// Whether the handshake of TLS 1.3 was signed with the certificate's key.
pub(super) fn verify_tls13(
    message: &[u8],
    certificate: &[u8],
    signed: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    let info = SubjectPublicKeyInfoDer::from(key_info(certificate).ok_or_else(unreadable)?);
    verify_tls13_signature_with_raw_key(message, &info, signed, algorithms)
}

/// The same of TLS 1.2, where a scheme does not name the key's curve.
pub(super) fn verify_tls12(
    message: &[u8],
    certificate: &[u8],
    signed: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    let (algorithm, key) = key_info(certificate).and_then(algorithm_and_key).ok_or_else(unreadable)?;
    let of_scheme = algorithms.mapping.iter().filter(|(scheme, _)| *scheme == signed.scheme);
    let mut fitting = of_scheme
        .flat_map(|(_, candidates)| candidates.iter())
        .filter(|candidate| candidate.public_key_alg_id().as_ref() == algorithm);
    match fitting.any(|candidate| candidate.verify_signature(key, message, signed.signature()).is_ok()) {
        true => Ok(HandshakeSignatureValid::assertion()),
        false => Err(Error::InvalidCertificate(CertificateError::BadSignature)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_key_is_found_in_both_versions() {
        let made = rcgen::generate_simple_self_signed(vec!["bmc.invalid".to_owned()]).unwrap();
        let info = key_info(made.cert.der()).expect("a certificate of version 3");
        let (_, key) = algorithm_and_key(info).expect("it has a key");
        assert!(made.cert.der().windows(key.len()).any(|bytes| bytes == key));
        // Version 1: the same without the element that names the version.
        let element = |tag, content: &[u8]| [&[tag, content.len() as u8], content].concat();
        let fields = [0x02, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE].map(|tag| element(tag, &[7]));
        let own = element(SEQUENCE, &[element(SEQUENCE, &[5]), element(BIT_STRING, &[0, 9, 9])].concat());
        let first = element(SEQUENCE, &element(SEQUENCE, &[fields.concat(), own.clone()].concat()));
        assert_eq!(key_info(&first), Some(&own[..]));
        assert_eq!(algorithm_and_key(&own), Some((&[5][..], &[9, 9][..])));
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = key_info(&bytes).and_then(algorithm_and_key);
        }
    }
}
