//! Values: a disk in the register of its server.

use protocol::hardware::Disk;
use serde::{Deserialize, Serialize};

/// A disk that an inspection has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownDisk {
    /// Its number among the disks of its server; it stays.
    pub number: u32,
    /// As it was seen last. As long as it is not settled its size is the largest that was seen.
    pub disk: Disk,
    /// When an inspection saw it first.
    pub first_seen_us: u64,
    /// When one saw it last.
    pub seen_us: u64,
    /// Whether the last inspection saw it.
    pub present: bool,
    /// Whether every byte of it was erased since a tenant could write to it last.
    pub settled: bool,
    /// Its last erase.
    pub erased: Option<Erasure>,
    /// By whose word it is left out.
    pub exception: Option<Exception>,
}

/// What was done to a disk, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    /// When, in microseconds since 1970.
    pub at_us: u64,
    /// How, in the ramdisk's word.
    pub method: String,
    /// Bytes covered.
    pub erased_bytes: u64,
    /// Bytes read back and found empty.
    pub verified_bytes: u64,
}

/// An administrator's word that a clean leaves a disk out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exception {
    /// When, in microseconds since 1970.
    pub at_us: u64,
    /// The user's name.
    pub by: String,
    /// Why, in that user's words.
    pub reason: String,
}

/// How a disk stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The last inspection did not see it, and it may hold what a tenant left: no clean succeeds without it.
    Missing,
    /// The next clean erases it.
    Owed,
    /// It was erased, and no tenant has had it since.
    Settled,
    /// A clean leaves it out by somebody's word.
    LeftOut,
}

impl KnownDisk {
    /// How it stands.
    pub fn standing(&self) -> Standing {
        match (&self.exception, self.present, self.settled) {
            (Some(_), _, _) => Standing::LeftOut,
            (None, true, true) => Standing::Settled,
            (None, true, false) => Standing::Owed,
            (None, false, _) => Standing::Missing,
        }
    }
}

impl Standing {
    /// The word used in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Standing::Missing => "missing",
            Standing::Owed => "to be erased",
            Standing::Settled => "erased",
            Standing::LeftOut => "left out",
        }
    }
}

/// By number, and by what is printed on it: device nodes change with every boot.
impl std::fmt::Display for KnownDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "disk {} ({})", self.number, self.disk.identity_and_place())
    }
}
