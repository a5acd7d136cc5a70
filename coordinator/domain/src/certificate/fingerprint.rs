//! Values: the fingerprint of a certificate: SHA-256 of its DER, as `openssl x509 -fingerprint -sha256` prints it.

use std::fmt;

use protocol::hex;
use sha2::{Digest, Sha256};

/// Digits that are enough for a person to tell two of them apart.
const SHOWN_DIGITS: usize = 16;

/// A certificate's fingerprint. As text: 64 hexadecimal digits; colons between them are taken, and not written.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of a certificate, by its DER.
    pub fn of(der: &[u8]) -> Self {
        Self(Sha256::digest(der).into())
    }

    /// Its beginning, for texts that name several.
    pub fn short(&self) -> String {
        let mut text = self.to_string();
        text.truncate(SHOWN_DIGITS);
        text
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is no fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a fingerprint: a fingerprint has 64 hexadecimal digits, as `bmsctl agent show RACK` prints them"
)]
pub struct InvalidFingerprint(String);

impl std::str::FromStr for Fingerprint {
    type Err = InvalidFingerprint;
    fn from_str(text: &str) -> Result<Self, InvalidFingerprint> {
        let bytes = hex::decode_array(&text.replace(':', ""));
        bytes.map(Self).ok_or_else(|| InvalidFingerprint(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_read_as_it_is_printed_here_and_elsewhere() {
        let one = Fingerprint::of(&[1, 2, 3]);
        let text = one.to_string();
        assert_eq!(text.len(), 64);
        assert!(text.starts_with(&one.short()));
        let pairs: Vec<_> = text.as_bytes().chunks(2).map(|pair| String::from_utf8_lossy(pair)).collect();
        for good in [text.clone(), pairs.join(":").to_uppercase()] {
            assert_eq!(good.parse(), Ok(one), "{good}");
        }
        for bad in ["", "ab", &text[1..], &format!("{text}0"), &text.replace(&text[..1], "x")] {
            assert!(bad.parse::<Fingerprint>().is_err(), "{bad}");
        }
    }
}
