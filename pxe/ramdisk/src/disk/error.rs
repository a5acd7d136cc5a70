//! Values: what fails on a disk, and where; and the unit in which places on it are counted.

use std::io;

/// Unit in which sysfs counts, whatever the disk's own sector is.
pub const SECTOR: u64 = 512;

/// What was being done to a disk when it failed.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// Opening, reading, writing or flushing failed.
    #[error("{operation} {disk}{place}: {source}")]
    Io {
        /// What.
        operation: &'static str,
        /// Which disk.
        disk: String,
        /// Where on it.
        place: Place,
        /// What the kernel said.
        source: io::Error,
    },
    /// The disk does not read back as it was written.
    #[error("{disk}: {found}")]
    ReadBack {
        /// Which disk.
        disk: String,
        /// What was found instead.
        found: String,
    },
    /// The disk, or what stands on it, is not fit for what was asked.
    #[error("{0}")]
    Unfit(String),
}

/// Where on a disk something failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It is not known, or it is no matter of places.
    Anywhere,
    /// In this range of bytes.
    Range {
        /// The first one.
        start: u64,
        /// How many.
        length: u64,
    },
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Anywhere => Ok(()),
            Place::Range { start, length } => {
                write!(f, " at bytes {start} to {}", start.saturating_add(*length).saturating_sub(1))
            }
        }
    }
}
