//! Values: what the REST API says and takes of networks, and of the proofs of isolation.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{BootStage, IsolatedNetwork};

pub use domain::{
    records::AskedBy,
    rim::{SecurityGroup, SiteObject, SiteObjectState, TenantNetwork, UsedAddress},
};

/// A network for one network interface of a new server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAttachment {
    /// Name or id of the network.
    pub network: String,
    /// The IP address that the server must get there. Absent: any free one.
    #[serde(default)]
    pub address: Option<String>,
    /// VLAN tag of its frames, 1 to 4093. Absent: they are untagged.
    #[serde(default)]
    pub vlan: Option<u16>,
}

/// A network of a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Attachment {
    /// Name of the network.
    pub network: String,
    /// IP address of the server there; empty: none yet.
    pub address: String,
    /// VLAN tag of its frames. Absent: they are untagged.
    pub vlan: Option<u16>,
    /// Id of the port (virtual-machine-interface).
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
    /// Number of free addresses.
    pub free: u64,
}

/// What a site needs of us in Contrail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SiteSetup {
    /// The objects, and what was done about each.
    pub objects: Vec<SiteObject>,
}

/// The proof of one move of one port: where it was to be, and where Contrail shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Proof {
    /// When the move was requested (RFC 3339); of repeated failures, the last time.
    pub at: String,
    /// Name of the port.
    pub port: String,
    /// Its MAC address.
    pub mac: String,
    /// What the move was for.
    pub asked_by: AskedBy,
    /// The network on which it should be.
    pub wanted: String,
    /// The network on which it was read back. Absent: it could not be read back.
    pub observed: Option<String>,
    /// Whether it was read back where it should be.
    pub holds: bool,
    /// Why it could not be moved or read back, as a sentence. Absent: it was.
    pub error: Option<String>,
    /// Time until it was read back, in milliseconds.
    pub took_ms: u64,
    /// Number of tries.
    pub tries: u64,
    /// When it was read back once more right before the power-on (RFC 3339). Absent: there was no power-on.
    pub confirmed: Option<String>,
    /// What was heard from the port on the isolated networks afterwards.
    pub seen: Vec<Sighting>,
}

/// Something that was heard from a port on one of the isolated networks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Sighting {
    /// When (RFC 3339).
    pub at: String,
    /// The network on which it was heard.
    pub network: IsolatedNetwork,
    /// What it was, for people.
    pub what: String,
    /// The stage of a network boot that it was. Absent: it was something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_stage: Option<BootStage>,
    /// Whether the port should be on that network.
    pub agrees: bool,
}
