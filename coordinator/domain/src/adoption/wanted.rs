//! Values: what an administrator says runs on a server, and how far its adoption has come.

use std::net::IpAddr;

use protocol::id::ServerId;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What runs on a server, every name resolved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WantedInstance {
    /// Name of the tenant's server.
    pub name: String,
    /// Keystone project.
    pub project_id: String,
    /// Glance's image.
    pub image: String,
    /// Nova's flavor.
    pub flavor: String,
    /// Its networks, one for each interface, in order.
    pub networks: Vec<WantedNetworkOf>,
    /// Whether a port that Contrail does not have is to be made.
    pub make_ports: bool,
}

/// A network on which it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WantedNetworkOf {
    /// Contrail's network.
    pub network: Uuid,
    /// Its name.
    pub name: String,
    /// The address that the server has there.
    pub address: IpAddr,
}

/// How far an adoption has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Asked for: it is being enrolled.
    Asked,
    /// Ironic reads its power by the BMC.
    Verifying,
    /// Everything agrees; Ironic takes it.
    Adopting,
    /// A deployed server.
    Done,
    /// It ended with a reason; the server is as it was found.
    Failed,
}

impl Stage {
    /// Whether something is left to do.
    pub fn is_open(self) -> bool {
        match self {
            Stage::Asked | Stage::Verifying | Stage::Adopting => true,
            Stage::Done | Stage::Failed => false,
        }
    }
}

/// The adoption of one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adoption {
    /// Which server.
    pub server: ServerId,
    /// The tenant's server that it becomes, and Ironic's `instance_uuid`.
    pub tenant: Uuid,
    /// What runs there.
    pub wanted: WantedInstance,
    /// How far it has come.
    pub stage: Stage,
    /// What it waits for, or why it failed.
    pub reason: Option<String>,
    /// When it was asked for.
    pub asked_us: u64,
}

impl Adoption {
    /// uuid of the port that is made for a network when there is none: it follows from the tenant's server, so that a repeat
    /// finds it.
    pub fn made_port(&self, position: usize) -> Uuid {
        crate::tenancy::port_of(self.tenant, position)
    }
}
