//! Decisions: whether a handshake is signed with a certificate's key, whatever else stands there. BMCs of some years have certificates of X.509 version 1,
//! which TLS libraries refuse to read; where one certificate is pinned, nothing but its key is wanted of it.

use std::sync::Arc;

use protocol::{
    certificate_parts::key_info,
    der::{BIT_STRING, Element, SEQUENCE},
};
use ring::signature::{
    RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
    UnparsedPublicKey, VerificationAlgorithm,
};
use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key},
};
use rustls_pki_types::SubjectPublicKeyInfoDer;

/// Tags of an OBJECT IDENTIFIER and of an INTEGER.
const OBJECT_ID: u8 = 0x06;
const INTEGER: u8 = 0x02;
/// The OBJECT IDENTIFIER `rsaEncryption` (RFC 8017, section A.1).
const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
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

/// Bits of the smallest RSA key that the usual algorithms check.
const USUAL_BITS_MIN: usize = 2048;
/// Bits of the smallest RSA key that is taken at all, where its certificate is pinned.
const SMALL_BITS_MIN: usize = 1024;

/// A handshake that is signed with an RSA key too small for the way in which it is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its certificate has an RSA key of {bits} bits, which is too small")]
pub(super) struct SmallKey {
    bits: usize,
}

impl From<SmallKey> for Error {
    fn from(small: SmallKey) -> Self {
        Error::Other(OtherError(Arc::new(small)))
    }
}

/// Whether a signature is by RSA-PSS.
pub(super) fn is_pss(scheme: SignatureScheme) -> bool {
    matches!(
        scheme,
        SignatureScheme::RSA_PSS_SHA256 | SignatureScheme::RSA_PSS_SHA384 | SignatureScheme::RSA_PSS_SHA512
    )
}

/// Whether the handshake of TLS 1.3 was signed with the certificate's key.
pub(super) fn verify_tls13(
    message: &[u8],
    certificate: &[u8],
    signed: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    let info = key_info(certificate).ok_or_else(unreadable)?;
    if let Some(small) = small_key(info) {
        return Err(small.into());
    }
    verify_tls13_signature_with_raw_key(message, &SubjectPublicKeyInfoDer::from(info), signed, algorithms)
}

/// The same of TLS 1.2, where a scheme does not name the key's curve, and where RSA keys may be small.
pub(super) fn verify_tls12(
    message: &[u8],
    certificate: &[u8],
    signed: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    let info = key_info(certificate).ok_or_else(unreadable)?;
    let (algorithm, key) = algorithm_and_key(info).ok_or_else(unreadable)?;
    let is_good = match small_key(info) {
        Some(small) => is_signed_by_small(signed.scheme, key, message, signed.signature()).ok_or(small)?,
        None => algorithms
            .mapping
            .iter()
            .filter(|(scheme, _)| *scheme == signed.scheme)
            .flat_map(|(_, candidates)| candidates.iter())
            .filter(|candidate| candidate.public_key_alg_id().as_ref() == algorithm)
            .any(|candidate| candidate.verify_signature(key, message, signed.signature()).is_ok()),
    };
    match is_good {
        true => Ok(HandshakeSignatureValid::assertion()),
        false => Err(Error::InvalidCertificate(CertificateError::BadSignature)),
    }
}

/// Whether this is the signature of a small RSA key; none: that cannot be told.
fn is_signed_by_small(scheme: SignatureScheme, key: &[u8], message: &[u8], signature: &[u8]) -> Option<bool> {
    let algorithm: &dyn VerificationAlgorithm = match scheme {
        SignatureScheme::RSA_PKCS1_SHA256 => &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
        SignatureScheme::RSA_PKCS1_SHA512 => &RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
        _ => return None,
    };
    let bits = modulus_bits(key)?;
    (bits >= SMALL_BITS_MIN)
        .then(|| UnparsedPublicKey::new(algorithm, key).verify(message, signature).is_ok())
}

/// The key, if it is one of RSA and small.
fn small_key(info: &[u8]) -> Option<SmallKey> {
    let (algorithm, key) = algorithm_and_key(info)?;
    let is_rsa = Element::tagged(algorithm, OBJECT_ID).is_some_and(|id| id.content == RSA_ENCRYPTION);
    let bits = modulus_bits(key).filter(|bits| is_rsa && *bits < USUAL_BITS_MIN)?;
    Some(SmallKey { bits })
}

/// Bits of an `RSAPublicKey`'s modulus (RFC 8017, section A.1.1).
fn modulus_bits(key: &[u8]) -> Option<usize> {
    let modulus = Element::tagged(Element::tagged(key, SEQUENCE)?.content, INTEGER)?.content;
    let significant = modulus.iter().position(|byte| *byte != 0)?;
    let zeros = modulus[significant].leading_zeros() as usize;
    Some((modulus.len() - significant) * 8 - zeros)
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
