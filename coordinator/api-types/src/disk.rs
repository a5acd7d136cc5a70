//! Values: the disks of a server in the API.

use domain::disks::Standing;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::word::words;

/// A disk that an inspection has seen, and how it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeDisk {
    /// Its number among the disks of its server; it stays.
    pub number: u32,
    /// Device node when it was seen last.
    pub name: String,
    /// Size in bytes; as long as it is not erased, the largest that was seen.
    pub size_bytes: u64,
    /// Model; empty when unknown.
    pub model: String,
    /// Serial number; empty when unknown.
    pub serial: String,
    /// World-wide name; empty when unknown.
    pub wwn: String,
    /// Whether it can be pulled out.
    pub removable: bool,
    /// Whether it took no writes when it was seen last.
    pub read_only: bool,
    /// How it stands with the next clean.
    pub standing: DiskStanding,
    /// When an inspection saw it first (RFC 3339).
    pub first_seen: String,
    /// When one saw it last (RFC 3339).
    pub last_seen: String,
    /// Its last erase.
    pub erased: Option<DiskErasure>,
    /// By whose word it is left out.
    pub exception: Option<DiskException>,
}

words! {
    /// How a disk stands with the next clean.
    DiskStanding {
        /// The last inspection did not see it, and it may hold what a tenant left: no clean succeeds without it.
        Missing = "missing",
        /// The next clean erases it.
        ToBeErased = "to be erased",
        /// It was erased, and no tenant has had it since.
        Erased = "erased",
        /// An administrator has left it out of every clean.
        LeftOut = "left out";
        /// One that this client does not know: the coordinator is newer, and sends none such itself.
        else Unknown = "unknown"
    }
}

impl From<Standing> for DiskStanding {
    fn from(standing: Standing) -> Self {
        match standing {
            Standing::Missing => DiskStanding::Missing,
            Standing::Owed => DiskStanding::ToBeErased,
            Standing::Settled => DiskStanding::Erased,
            Standing::LeftOut => DiskStanding::LeftOut,
        }
    }
}

/// An erase of a disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DiskErasure {
    /// When (RFC 3339).
    pub at: String,
    /// `metadata`, `discard`, `zeroes` or `overwrite`.
    pub method: String,
    /// Bytes covered.
    pub erased_bytes: u64,
    /// Bytes read back and found empty.
    pub verified_bytes: u64,
}

/// An administrator's word that cleans leave a disk out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DiskException {
    /// When (RFC 3339).
    pub at: String,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// Why a disk is to be left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewDiskException {
    /// Why, in 1 to 255 characters, for whoever reads the record of a clean.
    pub reason: String,
}
