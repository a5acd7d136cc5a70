//! Values: certificates of erased disks, in the API.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// A certificate of an erased disk, as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EraseCertificate {
    /// Id of the certificate.
    pub id: Uuid,
    /// Id of the node that the disk was in; the node may be deleted by now.
    pub node_id: Uuid,
    /// The node's name at that time.
    pub node: String,
    /// The node's rack at that time.
    pub rack: String,
    /// Number of the disk among the node's disks.
    pub disk_number: u32,
    /// Model of the disk; empty: unknown.
    pub model: String,
    /// Serial number of the disk; empty: unknown.
    pub serial: String,
    /// World-wide name of the disk; empty: unknown.
    pub wwn: String,
    /// Size of the disk in bytes.
    pub size_bytes: u64,
    /// How it was erased.
    pub method: String,
    /// When the erase ended, by the clock of the rack's agent (RFC 3339).
    pub ended_at: String,
    /// When the certificate was countersigned and kept (RFC 3339).
    pub received_at: String,
    /// Id of the tenant's server that the clean ended. Absent: none is known.
    #[serde(default)]
    pub tenancy: Option<Uuid>,
    /// Keystone project of that server. Absent: none is known.
    #[serde(default)]
    pub project_id: Option<String>,
}

/// A certificate of an erased disk as it was signed. Who has the authority's certificate can check it without us.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EraseCertificateFile {
    /// `bms-erase-certificate/1`.
    pub format: String,
    /// What the rack's agent states: a JSON Web Signature in compact form (RFC 7515, ES256), with the agent's certificate in `x5c`.
    pub statement: String,
    /// The authority's receipt for it: the SHA-256 of the statement, when it arrived, by whose word disks were left out, and which tenancy
    /// ended; signed in the same way. Absent: nobody has countersigned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<String>,
}
