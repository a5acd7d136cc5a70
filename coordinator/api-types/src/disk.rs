//! Values: the disks of a server in the API.

use domain::disks::Standing;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::word::words;

/// A disk that an inspection has seen, and how it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeDisk {
    /// Number of the disk on its server, which never changes.
    pub number: u32,
    /// Device name when it was last seen.
    pub name: String,
    /// Size in bytes; until it is erased, the largest size that was seen.
    pub size_bytes: u64,
    /// Model; empty when unknown.
    pub model: String,
    /// Serial number; empty when unknown.
    pub serial: String,
    /// World-wide name; empty when unknown.
    pub wwn: String,
    /// Whether it is removable.
    pub removable: bool,
    /// Whether it refused writes when it was last seen.
    pub read_only: bool,
    /// What it is connected by: `nvme`, `sata`, `sas`, `scsi`, `usb`, `mmc`, `virtio`; empty when unknown.
    #[serde(default)]
    pub transport: String,
    /// Bytes of a sector as partition tables count them; 0: not known.
    #[serde(default)]
    pub sector_bytes: u32,
    /// Where it was plugged in when it was last seen; empty when unknown.
    #[serde(default)]
    pub place: String,
    /// Firmware revision; empty when unknown.
    #[serde(default)]
    pub firmware: String,
    /// Whether the disk expects to fail (SMART): `good` or `failing`; empty: it does not say.
    #[serde(default)]
    pub health: String,
    /// What it is and what is the matter with it, in words: `4096-byte sectors`, `2 paths`, `member of an md array`, `root disk`,
    /// why it is locked or failing.
    #[serde(default)]
    pub remarks: Vec<String>,
    /// How it stands with the next clean.
    pub standing: DiskStanding,
    /// When an inspection first saw it (RFC 3339).
    pub first_seen: String,
    /// When an inspection last saw it (RFC 3339).
    pub last_seen: String,
    /// Its last erase. Absent: it was never erased.
    pub erased: Option<DiskErasure>,
    /// Who has left it out of cleans, and why. Absent: nobody.
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
    /// How it was erased: `metadata`, `discard`, `zeroes` or `overwrite`.
    pub method: String,
    /// Number of bytes erased.
    pub erased_bytes: u64,
    /// Number of bytes read back and found empty.
    pub verified_bytes: u64,
}

/// An exception: cleans leave a disk out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DiskException {
    /// When it was made (RFC 3339).
    pub at: String,
    /// Name of the user who made it.
    pub by: String,
    /// Why, in that user's words.
    pub reason: String,
}

/// A request to leave a disk out of cleans.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewDiskException {
    /// Why, in 1 to 255 characters, for whoever reads the record of a clean.
    pub reason: String,
}
