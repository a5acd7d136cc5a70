//! Decisions: an RSA key of 1024 bits, as BMCs of some years have. TLS libraries sign with none so small, so it is computed here, for tests
//! alone: nothing is secret about this key.

use std::sync::Arc;

use num_bigint::BigUint;
use protocol::hex;
use rustls::{
    Error, SignatureAlgorithm, SignatureScheme,
    sign::{Signer, SigningKey},
};
use sha2::{Digest, Sha256};

/// The modulus, and the private exponent.
const MODULUS: &str = "df2c64cf22c28b9662e6c143b996b7d68d8c320febca29ba19c3ead5449f3fbfb1f045dc196253f1e12af92ef4dcbf1abc3a\
    ceda7d5108245241fa517364a7c0379a4a81226d40285c7aa64f713ff64b97c204a9f24087eec9ba5f4d5ce222aee127f3da\
    f50ac44c7c82e2694aa7d33bf9ef554ae2e37d8e80d807ab0980932b";
const EXPONENT: &str = "98b43caa4ae38935b6a8a4371e0715f575d726ee23eda98d9051b11e8a9cd8b6e71f3bfdf5548591ecfb4593aeb259050724\
    ca23503a20f31161d9d0dfbf50d3fb2e3bef4ada2be44aa56066713701a73fbbf9e2a42e9e829f832293779353a957f520bb\
    3a23cb2088be5586741f927e04423b1fdb8ad49c6305f42137e02211";
/// A certificate of the key, signed by itself, DER.
const CERTIFICATE: &str = "3082020a30820173a003020102021464bcf7e804c4c7d47f0bc6c56c02a7697fb4557c300d06092a864886f70d01010b0500\
    30163114301206035504030c0b626d632e696e76616c69643020170d3236313133303037343835335a180f32313236313130\
    363037343835335a30163114301206035504030c0b626d632e696e76616c696430819f300d06092a864886f70d0101010500\
    03818d0030818902818100df2c64cf22c28b9662e6c143b996b7d68d8c320febca29ba19c3ead5449f3fbfb1f045dc196253\
    f1e12af92ef4dcbf1abc3aceda7d5108245241fa517364a7c0379a4a81226d40285c7aa64f713ff64b97c204a9f24087eec9\
    ba5f4d5ce222aee127f3daf50ac44c7c82e2694aa7d33bf9ef554ae2e37d8e80d807ab0980932b0203010001a3533051301d\
    0603551d0e0416041423abf8fa46b3ba34166fa3b8e2b84273e195639f301f0603551d2304183016801423abf8fa46b3ba34\
    166fa3b8e2b84273e195639f300f0603551d130101ff040530030101ff300d06092a864886f70d01010b0500038181002741\
    25c1efc2df47d40557f02ff8724d9ee90a11dd85766ac6b2738e1c06020b61a81e4e97ea74098c98f4ae19504d390d24b08f\
    5bdfabbf73d38f8fc182549f448f18f842887b5a85b80f7d6ceb05b26aa0b290f0c59008e85681e74f7e61883b344444c49f\
    82edbd288f27bb763cb9e162ba95f6050b0501660615168386ab";
/// Bytes of the modulus.
const BYTES: usize = 128;
/// What stands before a SHA-256 digest in a signature by PKCS #1 (RFC 8017, section 9.2).
const SHA256_PREFIX: &str = "3031300d060960864801650304020105000420";

/// The certificate.
pub(super) fn certificate() -> Vec<u8> {
    hex::decode(CERTIFICATE).expect("it is hexadecimal")
}

/// The key.
pub(super) fn key() -> Arc<dyn SigningKey> {
    Arc::new(SmallKey)
}

#[derive(Debug)]
struct SmallKey;

impl SigningKey for SmallKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        // By its own preference, as a service of some years does.
        let known = [SignatureScheme::RSA_PSS_SHA256, SignatureScheme::RSA_PKCS1_SHA256];
        let scheme = known.into_iter().find(|scheme| offered.contains(scheme))?;
        Some(Box::new(By(scheme)))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::RSA
    }
}

#[derive(Debug)]
struct By(SignatureScheme);

impl Signer for By {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let digest = Sha256::digest(message);
        let encoded = if self.0 == SignatureScheme::RSA_PSS_SHA256 { pss(&digest) } else { pkcs1(&digest) };
        let number = |digits: &str| BigUint::parse_bytes(digits.as_bytes(), 16).expect("it is hexadecimal");
        let signed =
            BigUint::from_bytes_be(&encoded).modpow(&number(EXPONENT), &number(MODULUS)).to_bytes_be();
        Ok([vec![0; BYTES - signed.len()], signed].concat())
    }

    fn scheme(&self) -> SignatureScheme {
        self.0
    }
}

/// RFC 8017, section 9.2.
fn pkcs1(digest: &[u8]) -> Vec<u8> {
    let info = [&hex::decode(SHA256_PREFIX).expect("it is hexadecimal"), digest].concat();
    [&[0, 1][..], &vec![0xff; BYTES - 3 - info.len()], &[0], &info].concat()
}

/// RFC 8017, section 9.1.1, with a salt of zeros.
fn pss(digest: &[u8]) -> Vec<u8> {
    const SALT: [u8; 32] = [0; 32];
    let hash = Sha256::digest([&[0; 8], digest, &SALT].concat());
    let mut block = [vec![0; BYTES - 2 * 32 - 2], vec![1], SALT.to_vec()].concat();
    let mask = (0_u32..).flat_map(|count| Sha256::digest([hash.as_slice(), &count.to_be_bytes()].concat()));
    block.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
    // The modulus has 1024 bits, the block one fewer.
    block[0] &= 0x7f;
    [&block, hash.as_slice(), &[0xbc]].concat()
}
