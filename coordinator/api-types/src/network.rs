//! Values: what the REST API says and takes of networks, and of the proofs of isolation.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{BootStage, IsolatedNetwork};

pub use domain::{
    records::AskedBy,
    rim::{SecurityGroup, SiteObject, SiteObjectState, TenantNetwork, UsedAddress},
};

/// A network that a server is to be on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAttachment {
    /// Network, by name or id.
    pub network: String,
    /// The address that the server must have there; none: Contrail's IPAM chooses.
    #[serde(default)]
    pub address: Option<String>,
    /// VLAN tag of its frames; none: untagged.
    #[serde(default)]
    pub vlan: Option<u16>,
}

/// A network that a server is on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Attachment {
    /// Network's name.
    pub network: String,
    /// Address that Contrail's IPAM gave.
    pub address: String,
    /// VLAN tag; none: untagged.
    pub vlan: Option<u16>,
    /// uuid of the port (virtual-machine-interface).
    pub port: Uuid,
}

/// A network with its addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NetworkDetail {
    /// The network.
    #[serde(flatten)]
    pub network: TenantNetwork,
    /// Addresses in use.
    pub addresses: Vec<UsedAddress>,
    /// How many addresses are left.
    pub free: u64,
}

/// What a site needs of us in Contrail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SiteSetup {
    /// The objects, and what was done about each.
    pub objects: Vec<SiteObject>,
}

/// The proof of one move of one port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Proof {
    /// When it was asked for (RFC 3339); of repeated failures, the last time.
    pub at: String,
    /// The port's name.
    pub port: String,
    /// Its MAC address.
    pub mac: String,
    /// On whose behalf.
    pub asked_by: AskedBy,
    /// Where it was to be.
    pub wanted: String,
    /// Where it was read back.
    pub observed: Option<String>,
    /// Whether that is where it was to be.
    pub holds: bool,
    /// Why it could not be moved or read back.
    pub error: Option<String>,
    /// Milliseconds until it was read back.
    pub took_ms: u64,
    /// How often the same was tried.
    pub tries: u64,
    /// When the gate read it back once more before the power-on (RFC 3339).
    pub confirmed: Option<String>,
    /// What was heard of the port afterwards.
    pub seen: Vec<Sighting>,
}

/// Something that was heard of a port on one of the isolated networks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Sighting {
    /// When (RFC 3339).
    pub at: String,
    /// Where.
    pub network: IsolatedNetwork,
    /// What, for a person.
    pub what: String,
    /// The stage of a network boot that it was. Absent: it was something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_stage: Option<BootStage>,
    /// Whether that is where the port was put.
    pub agrees: bool,
}
