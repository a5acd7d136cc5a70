//! Values: what is kept of a tenant's server.

use std::net::IpAddr;

use protocol::id::ServerId;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::TenantReason;

/// How far a tenant's server has come, in our own words; Nova's and Ironic's states say more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TenantServerState {
    /// Asked for; nothing made yet.
    Requested,
    /// Being deployed.
    Building,
    /// In use.
    Active,
    /// Being given back.
    Deleting,
    /// Failed; `reason` says why.
    Error,
}

impl TenantServerState {
    /// The state in a word.
    pub fn word(self) -> &'static str {
        match self {
            TenantServerState::Requested => "requested",
            TenantServerState::Building => "building",
            TenantServerState::Active => "active",
            TenantServerState::Deleting => "being given back",
            TenantServerState::Error => "in error",
        }
    }
}

/// A tenant's server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantServer {
    /// Our id for it.
    pub id: Uuid,
    /// Nova's uuid, which is Ironic's `instance_uuid`; none until Nova has made it, and for ever when it was adopted.
    pub instance: Option<Uuid>,
    /// Keystone project that it belongs to, without dashes.
    pub project_id: String,
    /// Its name.
    pub name: String,
    /// Nova's flavor.
    pub flavor: String,
    /// Glance's image.
    pub image: String,
    /// Contrail's virtual-network.
    pub network: Uuid,
    /// Contrail's virtual-machine-interface; none until it is made.
    pub port: Option<Uuid>,
    /// Its address.
    pub address: Option<IpAddr>,
    /// The server that it runs on.
    pub node: Option<ServerId>,
    /// How far it has come.
    pub state: TenantServerState,
    /// Why it is as it is.
    pub reason: Option<TenantReason>,
    /// When it was asked for.
    pub created_us: u64,
}

impl TenantServer {
    /// Whether it was in use before Ironic knew of it: Nova has no server of it, and Ironic's `instance_uuid` is our id.
    pub fn is_adopted(&self) -> bool {
        self.instance.is_none() && self.node.is_some()
    }

    /// The `instance_uuid` under which a node of Ironic carries it; none: none does yet.
    pub fn held_as(&self) -> Option<Uuid> {
        self.instance.or_else(|| self.is_adopted().then_some(self.id))
    }
}

/// A port of a tenant's server, made or about to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantPortRecord {
    /// uuid of the virtual-machine-interface.
    pub id: Uuid,
    /// Contrail's virtual-network.
    pub network: Uuid,
    /// The address that was asked for; none: Contrail chooses.
    pub asked_address: Option<IpAddr>,
    /// The address that Contrail gave; none until it has.
    pub address: Option<IpAddr>,
    /// VLAN tag of its frames; none: untagged.
    pub vlan: Option<u16>,
    /// Its security groups.
    pub security_groups: Vec<Uuid>,
}
