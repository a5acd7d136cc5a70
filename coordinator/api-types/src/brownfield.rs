//! Values: adoptions and surveys.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

pub use domain::{
    adoption::Stage,
    survey::{Finding, FindingKind, NotSeen, Severity},
};

use crate::FieldChange;

/// The answer to an adoption file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Adopted {
    /// The servers, in the file's order.
    pub nodes: Vec<AdoptedNode>,
    /// Whether this was a dry run: nothing was changed.
    pub dry_run: bool,
}

/// One server of an adoption file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AdoptedNode {
    /// Id of the node. Absent: it is new, and this was a dry run.
    pub id: Option<Uuid>,
    /// Name of the node.
    pub name: String,
    /// Whether the node is new in the inventory.
    pub created: bool,
    /// What differs from the inventory, field by field.
    #[serde(default)]
    pub changes: Vec<FieldChange>,
    /// Whether it is already adopted, or being adopted, just as the file says: nothing was done.
    pub unchanged: bool,
    /// Name of the tenant's server.
    pub server: String,
    /// Keystone's id of the project.
    pub project_id: String,
    /// Its networks, each with the interface that was found.
    pub networks: Vec<AdoptedNetwork>,
}

/// A network of a server that is adopted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AdoptedNetwork {
    /// Its name.
    pub network: String,
    /// The server's address there.
    pub address: String,
    /// The server's port.
    pub port: String,
    /// uuid of the interface (virtual-machine-interface) that was found; none: it is to be made.
    pub interface: Option<Uuid>,
}

/// How an adoption stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Adoption {
    /// Id of the physical server.
    pub node: Uuid,
    /// Its name.
    pub name: String,
    /// Id of the tenant's server.
    pub server: Uuid,
    /// Name of the tenant's server.
    pub server_name: String,
    /// Keystone's id of its project.
    pub project_id: String,
    /// How far it is.
    pub stage: Stage,
    /// What it is waiting for, or why it failed, as a sentence. Absent: nothing.
    pub reason: Option<String>,
    /// When it was requested (RFC 3339).
    pub asked: Option<String>,
    /// What happens next, or what somebody can do next, as a sentence.
    pub next: String,
}

/// Contradictions between Ironic, Nova, Contrail and what was seen. Nothing was changed for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Survey {
    /// How many servers were looked at.
    pub servers: usize,
    /// The contradictions, the worst first.
    pub findings: Vec<Finding>,
    /// Services that did not answer: what they would have said was not compared.
    pub not_seen: Vec<NotSeen>,
}
