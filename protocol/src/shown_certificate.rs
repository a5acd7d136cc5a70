//! Values: what a BMC shows in a TLS handshake, bounded.

use serde::{Deserialize, Serialize};

/// Most certificates of a chain that are kept: the BMC's own, and those between it and its authority.
pub const CHAIN_MAX: usize = 4;
/// Longest certificate that is kept, in bytes.
pub const CERTIFICATE_BYTES_MAX: usize = 8 * 1024;

/// The certificate that a BMC showed, whose private key it proved to have by signing the handshake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownCertificate {
    /// Its DER, and those of the authorities that it showed behind it; at least one.
    chain: Vec<Vec<u8>>,
    /// Whether it was the one that is expected; otherwise nothing was said to whoever showed it.
    pub is_expected: bool,
}

/// Why a chain is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {CHAIN_MAX} certificates of 1 to {CERTIFICATE_BYTES_MAX} bytes")]
pub struct InvalidChain;

impl ShownCertificate {
    /// A chain of DER, the BMC's own first.
    pub fn new(chain: Vec<Vec<u8>>, is_expected: bool) -> Result<Self, InvalidChain> {
        let is_good = (1..=CHAIN_MAX).contains(&chain.len())
            && chain.iter().all(|one| (1..=CERTIFICATE_BYTES_MAX).contains(&one.len()));
        if is_good { Ok(Self { chain, is_expected }) } else { Err(InvalidChain) }
    }

    /// The BMC's own, as DER.
    pub fn own(&self) -> &[u8] {
        &self.chain[0]
    }

    /// What it showed behind its own, as DER.
    pub fn behind(&self) -> &[Vec<u8>] {
        &self.chain[1..]
    }

    /// All of them.
    pub fn chain(&self) -> &[Vec<u8>] {
        &self.chain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_is_bounded() {
        let check = |lengths: &[usize], expected: bool| {
            let chain = lengths.iter().map(|length| vec![1; *length]).collect();
            assert_eq!(ShownCertificate::new(chain, true).is_ok(), expected, "{lengths:?}");
        };
        check(&[1], true);
        check(&[CERTIFICATE_BYTES_MAX; CHAIN_MAX], true);
        check(&[], false);
        check(&[0], false);
        check(&[CERTIFICATE_BYTES_MAX + 1], false);
        check(&[1; CHAIN_MAX + 1], false);
    }
}
