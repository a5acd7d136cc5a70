//! Values: what the coordinator adds to an agent's statement: when it came, by whose words disks were left out, whose tenancy ended.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{hardware::Disk, id::ServerId};

/// The countersignature's content. Every time is the coordinator's clock's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// [`super::VERSION`] of whoever wrote it.
    pub version: u32,
    /// The certificate's id.
    pub id: Uuid,
    /// SHA-256 of the statement's JWS, as its text stands in the file; lower-case hexadecimal.
    pub statement_sha256: String,
    /// When the statement arrived, was checked, and was kept.
    pub received_at: Timestamp,
    /// The server, as the inventory knows it.
    pub server: ServerId,
    /// The disk's number in the server's register.
    pub disk_number: u32,
    /// Disks of the server that the clean left out, and by whose words.
    pub left_out: Vec<LeftOut>,
    /// The tenancy that the clean ended; none: none is known.
    pub tenancy: Option<StatedTenancy>,
    /// Version of the coordinator.
    pub coordinator_version: String,
}

/// A disk that was left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Its number in the register.
    pub number: u32,
    /// Which one.
    pub disk: Disk,
    /// Whose word it was.
    pub by: String,
    /// Why, in that user's words.
    pub reason: String,
    /// When it was said.
    pub at: Timestamp,
}

/// A tenancy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatedTenancy {
    /// Our id of the tenant's server.
    pub id: Uuid,
    /// Nova's id, which is Ironic's `instance_uuid`; none: Nova had none of it.
    pub instance: Option<Uuid>,
    /// The Keystone project.
    pub project_id: String,
    /// The tenant's name for it.
    pub name: String,
    /// When the tenant asked for it.
    pub asked_at: Timestamp,
}
