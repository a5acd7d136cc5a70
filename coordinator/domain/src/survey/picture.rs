//! Values: what everybody said at one moment.

use protocol::id::ServerId;
use uuid::Uuid;

use crate::{
    adoption::FoundInterface,
    records::{Server, TenantPortRecord, TenantServer},
    rim::WantedNetwork,
};

/// A node as Ironic says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IronicNode {
    /// Its uuid.
    pub id: ServerId,
    /// Its name.
    pub name: String,
    /// Provision state.
    pub state: String,
    /// `power on`, `power off`; none: not known.
    pub power: Option<String>,
    /// `instance_uuid`.
    pub instance: Option<Uuid>,
}

/// A server as Nova says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NovaServer {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Its status, such as `ACTIVE`.
    pub status: String,
    /// The node that it is on.
    pub node: Option<ServerId>,
}

/// A server of the inventory with where its ports belong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The server.
    pub server: Server,
    /// Where each port belongs, in their order; none: they are left as found.
    pub places: Option<Vec<WantedNetwork>>,
    /// Whether the rack's agent is here: otherwise its power is not known.
    pub agent_is_here: bool,
}

/// A tenant's server with its ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// The server.
    pub server: TenantServer,
    /// Its ports.
    pub ports: Vec<TenantPortRecord>,
}

/// What everybody said. None: it was not looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picture {
    /// The inventory.
    pub known: Vec<Known>,
    /// Tenants' servers.
    pub tenants: Vec<Tenant>,
    /// Ironic's nodes.
    pub ironic: Option<Vec<IronicNode>>,
    /// Nova's servers.
    pub nova: Option<Vec<NovaServer>>,
    /// Contrail's interfaces.
    pub interfaces: Option<Vec<FoundInterface>>,
}
