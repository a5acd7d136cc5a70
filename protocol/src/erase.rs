//! Values: how a disk is erased, which ways count for which policy, and what was read back.
//!
//! Which method counts for which policy follows NIST SP 800-88 revision 1, and IEEE 2883 where that is stricter: what only promises to
//! overwrite what can be addressed is a clear; what also reaches spare, remapped and cached places is a purge.

use serde::{Deserialize, Serialize};

/// How thorough an erase of every byte is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErasePolicy {
    /// Nothing that can be addressed is left (NIST 800-88 clear).
    #[default]
    Clear,
    /// Nothing is left that a laboratory could find (NIST 800-88 purge): by the drive's own commands only.
    Purge,
}

/// How much is read back after an erase of every byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadBack {
    /// Samples, spread evenly; of a small disk, all of it.
    #[default]
    Sampled,
    /// Every byte.
    Full,
}

/// How much was read back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verified {
    /// A ramdisk that is too old to say, or the disk failed.
    #[default]
    Unsaid,
    /// Nothing was.
    Nothing,
    /// Samples.
    Sampled,
    /// All that was erased.
    All,
}

/// A method that was tried on a disk, or would have been, and why it is not the one by which the disk was erased.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedMethod {
    /// [`EraseMethod::as_str`].
    pub method: String,
    /// For a person.
    pub why: String,
}

/// A way in which a disk is erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EraseMethod {
    /// Only the places where labels and tables stand.
    Metadata,
    /// Discard, read back as a whole.
    Discard,
    /// Secure discard (eMMC).
    SecureDiscard,
    /// The disk's own command for writing zeroes, never anything else in its place.
    DeviceZeroes,
    /// Zeroes written byte for byte.
    Overwrite,
    /// NVMe Sanitize, block erase.
    NvmeSanitizeBlock,
    /// NVMe Sanitize, crypto erase.
    NvmeSanitizeCrypto,
    /// NVMe Sanitize, overwrite.
    NvmeSanitizeOverwrite,
    /// NVMe Format with crypto erase (SES 2).
    NvmeFormatCrypto,
    /// NVMe Format with an erase of user data (SES 1).
    NvmeFormat,
    /// ATA SANITIZE DEVICE, BLOCK ERASE EXT.
    AtaSanitizeBlock,
    /// ATA SANITIZE DEVICE, CRYPTO SCRAMBLE EXT.
    AtaSanitizeCrypto,
    /// ATA SANITIZE DEVICE, OVERWRITE EXT.
    AtaSanitizeOverwrite,
    /// ATA SECURITY ERASE UNIT, enhanced.
    AtaSecurityEnhanced,
    /// ATA SECURITY ERASE UNIT, normal.
    AtaSecurity,
    /// SCSI SANITIZE, block erase.
    ScsiSanitizeBlock,
    /// SCSI SANITIZE, cryptographic erase.
    ScsiSanitizeCrypto,
    /// SCSI SANITIZE, overwrite.
    ScsiSanitizeOverwrite,
    /// SCSI FORMAT UNIT.
    ScsiFormat,
}

impl EraseMethod {
    /// All of them.
    pub const ALL: [EraseMethod; 19] = [
        Self::Metadata,
        Self::Discard,
        Self::SecureDiscard,
        Self::DeviceZeroes,
        Self::Overwrite,
        Self::NvmeSanitizeBlock,
        Self::NvmeSanitizeCrypto,
        Self::NvmeSanitizeOverwrite,
        Self::NvmeFormatCrypto,
        Self::NvmeFormat,
        Self::AtaSanitizeBlock,
        Self::AtaSanitizeCrypto,
        Self::AtaSanitizeOverwrite,
        Self::AtaSecurityEnhanced,
        Self::AtaSecurity,
        Self::ScsiSanitizeBlock,
        Self::ScsiSanitizeCrypto,
        Self::ScsiSanitizeOverwrite,
        Self::ScsiFormat,
    ];

    /// Its word, in answers and evidence.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Metadata => "metadata",
            Self::Discard => "discard",
            Self::SecureDiscard => "secure_discard",
            Self::DeviceZeroes => "device_zeroes",
            Self::Overwrite => "overwrite",
            Self::NvmeSanitizeBlock => "nvme_sanitize_block",
            Self::NvmeSanitizeCrypto => "nvme_sanitize_crypto",
            Self::NvmeSanitizeOverwrite => "nvme_sanitize_overwrite",
            Self::NvmeFormatCrypto => "nvme_format_crypto",
            Self::NvmeFormat => "nvme_format",
            Self::AtaSanitizeBlock => "ata_sanitize_block",
            Self::AtaSanitizeCrypto => "ata_sanitize_crypto",
            Self::AtaSanitizeOverwrite => "ata_sanitize_overwrite",
            Self::AtaSecurityEnhanced => "ata_security_enhanced",
            Self::AtaSecurity => "ata_security",
            Self::ScsiSanitizeBlock => "scsi_sanitize_block",
            Self::ScsiSanitizeCrypto => "scsi_sanitize_crypto",
            Self::ScsiSanitizeOverwrite => "scsi_sanitize_overwrite",
            Self::ScsiFormat => "scsi_format",
        }
    }

    /// What it is called in sentences.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Metadata => "erase of labels and tables",
            Self::Discard => "discard",
            Self::SecureDiscard => "secure discard",
            Self::DeviceZeroes => "write zeroes",
            Self::Overwrite => "overwrite",
            Self::NvmeSanitizeBlock => "NVMe sanitize (block erase)",
            Self::NvmeSanitizeCrypto => "NVMe sanitize (crypto erase)",
            Self::NvmeSanitizeOverwrite => "NVMe sanitize (overwrite)",
            Self::NvmeFormatCrypto => "NVMe format (crypto erase)",
            Self::NvmeFormat => "NVMe format (erase of user data)",
            Self::AtaSanitizeBlock => "ATA sanitize (block erase)",
            Self::AtaSanitizeCrypto => "ATA sanitize (crypto scramble)",
            Self::AtaSanitizeOverwrite => "ATA sanitize (overwrite)",
            Self::AtaSecurityEnhanced => "ATA enhanced security erase",
            Self::AtaSecurity => "ATA security erase",
            Self::ScsiSanitizeBlock => "SCSI sanitize (block erase)",
            Self::ScsiSanitizeCrypto => "SCSI sanitize (crypto erase)",
            Self::ScsiSanitizeOverwrite => "SCSI sanitize (overwrite)",
            Self::ScsiFormat => "SCSI format unit",
        }
    }

    /// The method of this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == word)
    }

    /// The most thorough policy that it counts for; none: it does not erase every byte.
    pub fn counts_for(self) -> Option<ErasePolicy> {
        match self {
            Self::Metadata => None,
            Self::Discard
            | Self::SecureDiscard
            | Self::DeviceZeroes
            | Self::Overwrite
            | Self::NvmeFormat
            | Self::AtaSecurity
            | Self::ScsiFormat => Some(ErasePolicy::Clear),
            Self::NvmeSanitizeBlock
            | Self::NvmeSanitizeCrypto
            | Self::NvmeSanitizeOverwrite
            | Self::NvmeFormatCrypto
            | Self::AtaSanitizeBlock
            | Self::AtaSanitizeCrypto
            | Self::AtaSanitizeOverwrite
            | Self::AtaSecurityEnhanced
            | Self::ScsiSanitizeBlock
            | Self::ScsiSanitizeCrypto
            | Self::ScsiSanitizeOverwrite => Some(ErasePolicy::Purge),
        }
    }
}

impl ErasePolicy {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Purge => "purge",
        }
    }
}

impl ReadBack {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sampled => "sampled",
            Self::Full => "full",
        }
    }
}

impl std::fmt::Display for EraseMethod {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.sentence())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_is_known_by_its_word_and_only_drives_own_commands_purge() {
        for method in EraseMethod::ALL {
            assert_eq!(EraseMethod::parse(method.as_str()), Some(method));
        }
        let purges =
            EraseMethod::ALL.into_iter().filter(|method| method.counts_for() >= Some(ErasePolicy::Purge));
        assert!(purges.clone().all(|method| method.sentence().contains("sanitize")
            || method.sentence().contains("crypto")
            || method == EraseMethod::AtaSecurityEnhanced));
        assert_eq!(purges.count(), 11);
        assert_eq!(EraseMethod::parse("zeroes"), None, "an older ramdisk's word says too little");
    }
}
