//! Decisions: JSON Web Signatures in their compact form (RFC 7515), by ES256 (RFC 7518, section 3.4) and with the signer's certificate
//! in the header (`x5c`). The algorithm is ours to choose, never the header's.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, UnparsedPublicKey},
};
use rustls_pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::canonical;
use crate::certificate::POINT_BYTES;

/// The one algorithm.
const ALGORITHM: &str = "ES256";
/// Bytes of its signatures.
const SIGNATURE_BYTES: usize = 64;
/// Most certificates of a header: the signer's own, and those between it and the authority.
const CHAIN_MAX: usize = 4;
/// How the `SubjectPublicKeyInfo` of a P-256 key begins (RFC 5480, section 2); its point follows.
const P256_KEY_INFO: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// A private key of P-256, with the certificates that vouch for it.
pub struct SigningKey {
    pair: EcdsaKeyPair,
    chain: Vec<CertificateDer<'static>>,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").finish_non_exhaustive()
    }
}

/// Why there is no signature by a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key is not one of P-256 in PKCS #8, by which certificates of erased disks are signed")]
pub struct InvalidKey;

impl SigningKey {
    /// A key in PKCS #8 (DER), and the chain of its certificates, its own first.
    pub fn new(pkcs8: &[u8], chain: Vec<CertificateDer<'static>>) -> Result<Self, InvalidKey> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8, &SystemRandom::new());
        Ok(Self { pair: pair.map_err(|_| InvalidKey)?, chain })
    }

    /// Signs a value, as its canonical JSON. `kind` is what it is: nothing that was signed as one thing passes for another.
    pub fn sign(&self, kind: &str, value: &impl Serialize) -> Result<String, InvalidKey> {
        let chain: Vec<_> = self.chain.iter().map(|one| STANDARD.encode(one)).collect();
        let header = json!({"alg": ALGORITHM, "typ": kind, "x5c": chain});
        let value = serde_json::to_value(value).map_err(|_| InvalidKey)?;
        let [header, payload] = [header, value].map(|part| URL_SAFE_NO_PAD.encode(canonical(&part)));
        let signed = format!("{header}.{payload}");
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).map_err(|_| InvalidKey)?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// A JWS whose parts are what they should be; whether its signature fits, and whose it is, is another question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jws<'a> {
    /// What it says that it is.
    pub kind: String,
    /// The certificates of its header, the signer's own first; at least one.
    pub chain: Vec<CertificateDer<'static>>,
    /// What was signed.
    pub payload: Vec<u8>,
    signed: &'a str,
    signature: [u8; SIGNATURE_BYTES],
}

/// Why a text is no JWS of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// It ends too early.
    CutOff,
    /// It has bytes that no such text has.
    Damaged,
    /// It is one by another algorithm, or without certificates.
    Foreign,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    typ: String,
    #[serde(default)]
    x5c: Vec<String>,
    #[serde(default)]
    crit: Option<Value>,
}

impl<'a> Jws<'a> {
    /// Reads one.
    pub fn read(text: &'a str) -> Result<Self, Malformed> {
        let (signed, signature) = text.rsplit_once('.').ok_or(Malformed::CutOff)?;
        let (header, payload) = signed.split_once('.').ok_or(Malformed::CutOff)?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| Malformed::Damaged);
        let shortest = URL_SAFE_NO_PAD.encode([0; SIGNATURE_BYTES]).len();
        if signature.len() < shortest {
            return Err(Malformed::CutOff);
        }
        let signature: [u8; SIGNATURE_BYTES] =
            decode(signature)?.try_into().map_err(|_| Malformed::Damaged)?;
        let payload = decode(payload)?;
        let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| Malformed::Damaged)?;
        let is_ours =
            header.alg == ALGORITHM && header.crit.is_none() && (1..=CHAIN_MAX).contains(&header.x5c.len());
        if !is_ours {
            return Err(Malformed::Foreign);
        }
        let chain = header.x5c.iter().map(|one| STANDARD.decode(one).map(CertificateDer::from));
        let chain = chain.collect::<Result<_, _>>().map_err(|_| Malformed::Damaged)?;
        Ok(Self { kind: header.typ, chain, payload, signed, signature })
    }

    /// The signer's certificate, as it says itself.
    pub fn signer(&self) -> &CertificateDer<'static> {
        &self.chain[0]
    }

    /// Whether the signature is over these bytes, by the key of this certificate.
    pub fn is_signed_by(&self, key_info: &[u8]) -> bool {
        let point = key_info.strip_prefix(&P256_KEY_INFO[..]).filter(|point| point.len() == POINT_BYTES);
        point.is_some_and(|point| {
            let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
            key.verify(self.signed.as_bytes(), &self.signature).is_ok()
        })
    }
}
