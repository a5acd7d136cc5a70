//! Values: the certificate of an erased disk, as it is kept.

use protocol::{
    hardware::Disk,
    id::{RackId, ServerId},
};
use uuid::Uuid;

/// A certificate, and by what it is found again. What counts is what stands in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EraseCertificate {
    /// Rises with each one that is kept; 0 until it is.
    pub number: u64,
    /// Its id.
    pub id: Uuid,
    /// The server that the disk was in.
    pub server: ServerId,
    /// Its name at that time.
    pub server_name: String,
    /// Its rack at that time.
    pub rack: RackId,
    /// The disk's number in the server's register.
    pub disk_number: u32,
    /// The disk, as its ramdisk saw it.
    pub disk: Disk,
    /// How it was erased, in the ramdisk's word.
    pub method: String,
    /// When the erase had ended, by the agent's clock, in microseconds since 1970.
    pub ended_us: u64,
    /// When the certificate was kept, by ours.
    pub received_us: u64,
    /// Our id of the tenant's server that the clean ended; none: none is known.
    pub tenancy: Option<Uuid>,
    /// That tenant's Keystone project.
    pub project_id: Option<String>,
    /// The certificate as it is given away, JSON.
    pub file: String,
}

/// Which certificates to read, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EraseCertificateFilter {
    /// Of the server with this id, or with this name then.
    pub node: Option<String>,
    /// Of disks with this serial number.
    pub serial: Option<String>,
    /// Of disks with this world-wide name.
    pub wwn: Option<String>,
    /// Kept at this time or later, in microseconds since 1970.
    pub since_us: Option<u64>,
    /// Kept before this time.
    pub until_us: Option<u64>,
    /// Those before the one with this number.
    pub before: Option<u64>,
    /// At most so many; none: as many as an answer holds.
    pub limit: Option<u32>,
}
