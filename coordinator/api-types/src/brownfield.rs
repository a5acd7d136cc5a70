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
    /// Whether nothing was changed.
    pub dry_run: bool,
}

/// One server of an adoption file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AdoptedNode {
    /// Its id; of a dry run, absent for a new one.
    pub id: Option<Uuid>,
    /// Its name.
    pub name: String,
    /// Whether it is new in the inventory.
    pub created: bool,
    /// What differs of a server that was there.
    #[serde(default)]
    pub changes: Vec<FieldChange>,
    /// Whether it is adopted already, or being so, just as the file says: nothing is done.
    pub unchanged: bool,
    /// Name of the tenant's server.
    pub server: String,
    /// Its project's id.
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
    /// The physical server.
    pub node: Uuid,
    /// Its name.
    pub name: String,
    /// The tenant's server.
    pub server: Uuid,
    /// Its name.
    pub server_name: String,
    /// Its project's id.
    pub project_id: String,
    /// How far it has come: `asked`, `verifying`, `adopting`, `done`, `failed`.
    pub stage: Stage,
    /// What it waits for, or why it failed.
    pub reason: Option<String>,
    /// When it was asked for (RFC 3339).
    pub asked: Option<String>,
    /// What comes next, or what somebody may do next.
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
