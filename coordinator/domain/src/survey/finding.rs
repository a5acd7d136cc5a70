//! Values: one contradiction between what the owners of facts say.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// A tenant's server is in danger, or in another's place: look at it first.
    Error,
    /// Something is wrong, and nothing is in danger by itself.
    Warning,
}

/// What contradicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// Ironic has an instance of which Nova knows nothing.
    InstanceUnknownToNova,
    /// Nova has a server on a node that Ironic says carries none, or another one.
    NovaServerOnOtherNode,
    /// Nova has a server on a node that Ironic does not have.
    NovaServerOnUnknownNode,
    /// Nova gave a server up that Ironic says is in use.
    NovaServerInError,
    /// A tenant's server is being given back, and does not come to its end.
    TenancyNotEnding,
    /// Ironic's power is not the one that the BMC reads.
    PowerDiffers,
    /// A switch port is on another network than its server's state calls for.
    PortElsewhere,
    /// A port does not have the address that was given to its server.
    AddressDiffers,
    /// A tenant's server has a port that Contrail does not have.
    PortMissing,
    /// Several interfaces of Contrail have one MAC address.
    MacTwice,
    /// A physical server's interface in Contrail that belongs to no server that is known.
    PortWithoutOwner,
    /// A node in Ironic that the inventory does not have.
    NodeUnknown,
    /// A server of the inventory of which Ironic has no node.
    NodeMissing,
    /// An entry of the file does not agree with what there is.
    EntryContradicts,
}

/// One contradiction: who says what, and what to do about it. An empty text: that one says nothing about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What kind.
    pub what: FindingKind,
    /// The server, by name; else the thing itself.
    pub server: String,
    /// What Ironic says.
    pub ironic: String,
    /// What Nova says.
    pub nova: String,
    /// What Contrail says.
    pub contrail: String,
    /// What was seen, and what the inventory or the file says.
    pub seen: String,
    /// What to do.
    pub remedy: String,
}

impl Finding {
    /// One of which nobody has said anything yet.
    pub fn new(severity: Severity, what: FindingKind, server: &str, remedy: impl Into<String>) -> Self {
        let none = String::new;
        let (server, remedy) = (server.to_owned(), remedy.into());
        Self { severity, what, server, ironic: none(), nova: none(), contrail: none(), seen: none(), remedy }
    }
}

/// A service that could not be looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NotSeen {
    /// `ironic`, `nova` or `contrail`.
    pub service: String,
    /// Why not.
    pub reason: String,
}
