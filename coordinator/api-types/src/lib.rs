//! What the REST API under `/v1` says and takes, shared by the server, its pages and `bmsctl`.

mod agent;
mod audit;
mod brownfield;
mod catalogue;
mod discovery;
mod disk;
mod network;
mod problem;
mod state;
pub mod unwatched;

use protocol::secret::Secret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

pub use agent::*;
pub use audit::*;
pub use brownfield::*;
pub use catalogue::*;
pub use discovery::*;
pub use disk::*;
pub use network::*;
pub use problem::Problem;
pub use state::{PowerState, ServerStatus};

pub use domain::import::{Fault, FieldChange};

/// Most items of one page of a list.
pub const PAGE_ITEMS_MAX: u32 = 1000;

/// A list of things.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct List<T> {
    /// The things.
    pub items: Vec<T>,
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The things.
    pub items: Vec<T>,
    /// Where the next page begins, for `?marker=`; none: this is the last one.
    #[serde(default)]
    pub next: Option<String>,
}

/// A server of the inventory, for administrators.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Node {
    /// Its id, also its Ironic node's.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Its rack.
    pub rack: String,
    /// Ironic's resource class.
    pub resource_class: String,
    /// The pool that gave it; none: the import file did.
    #[serde(default)]
    pub pool: Option<String>,
    /// `bios` or `uefi`.
    pub boot_mode: String,
    /// Ironic's provision state; empty when Ironic has not been heard of it yet.
    pub provision_state: String,
    /// Since when it is in this state (RFC 3339).
    #[serde(default)]
    pub state_since: Option<String>,
    /// What it waits for; none: it is at rest.
    #[serde(default)]
    pub waiting_for: Option<String>,
    /// What comes next, or what somebody may do next.
    #[serde(default)]
    pub next: String,
    /// Its power.
    pub power: PowerState,
    /// Why the power is unreachable or unknown.
    pub power_reason: Option<String>,
    /// Why nobody watches its power; none: its agent does.
    #[serde(default)]
    pub not_watched: Option<NotWatched>,
    /// The network its ports should be on.
    pub network_wanted: Option<String>,
    /// The network they were last seen on.
    pub network_observed: Option<String>,
    /// What it waits for, or what went wrong last.
    pub reason: Option<String>,
    /// Ironic's `last_error`.
    pub last_error: Option<String>,
    /// Whether Ironic has it in maintenance.
    pub maintenance: bool,
    /// Why.
    #[serde(default)]
    pub maintenance_reason: Option<String>,
    /// Whether a tenant's server is on it.
    #[serde(default)]
    pub deployed: bool,
    /// Nova's id of the tenant's server on it.
    pub instance: Option<Uuid>,
    /// Its BMC.
    pub bmc: Bmc,
    /// Its interfaces.
    pub ports: Vec<NodePort>,
    /// What inspection found.
    pub hardware: Option<Hardware>,
}

impl Node {
    /// Whether its BMC has refused so many log-ins that it is asked seldom.
    pub fn is_refused_by_its_bmc(&self) -> bool {
        self.is_not_watched(protocol::watch::NotWatched::CredentialsRefused)
    }

    /// Whether it is in doubt whose BMC answers at its address.
    pub fn has_another_machines_bmc(&self) -> bool {
        self.is_not_watched(protocol::watch::NotWatched::OtherMachine)
    }

    fn is_not_watched(&self, why: protocol::watch::NotWatched) -> bool {
        self.not_watched.as_ref().is_some_and(|it| it.why == why.as_str())
    }
}

/// Why a server's power is not watched: nobody would see it go off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NotWatched {
    /// `credentials_refused`: the BMC refused so many log-ins that it is tried seldom. `other_machine`: another machine answers
    /// at its address, or may: nothing that it says counts, and the server is not switched.
    pub why: String,
    /// The same in words, with what is done next.
    pub reason: String,
    /// Since when (RFC 3339).
    pub since: Option<String>,
}

/// A BMC, without its password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Bmc {
    /// `ipmi` or `redfish`.
    pub protocol: String,
    /// Address.
    pub address: String,
    /// Port.
    pub port: u16,
    /// User.
    pub username: String,
    /// Who it says it is, as that was last proved to be this server's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// What the site says of it besides, as fields of an import file, such as `ipmi_priv_level OPERATOR`; keys are not shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<String>,
}

/// An interface of a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodePort {
    /// Its name.
    pub name: String,
    /// Its MAC address.
    pub mac: String,
    /// The switch it is plugged into.
    pub switch: String,
    /// The switch's port.
    pub port: String,
    /// Whether it may boot from the network.
    #[serde(default)]
    pub pxe_enabled: bool,
    /// The network it should be on.
    #[serde(default)]
    pub network_wanted: Option<String>,
    /// The network it was last seen on.
    #[serde(default)]
    pub network_observed: Option<String>,
    /// When (RFC 3339).
    #[serde(default)]
    pub observed_at: Option<String>,
    /// Whether inspection found a link; none: it was not looked at.
    #[serde(default)]
    pub carrier: Option<bool>,
    /// The link's speed in Mbit/s, as inspection found it.
    #[serde(default)]
    pub speed_mbps: Option<u32>,
}

/// What inspection found, in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Hardware {
    /// Manufacturer and product.
    pub system: String,
    /// Serial number.
    pub serial: String,
    /// Logical processors.
    pub cpus: u32,
    /// Processor model.
    pub cpu_model: String,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Disks: name and size in bytes.
    pub disks: Vec<HardwareDisk>,
    /// Ethernet interfaces with their links.
    pub nics: Vec<HardwareNic>,
}

/// A disk that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HardwareDisk {
    /// Device node.
    pub name: String,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Model.
    pub model: String,
    /// Serial number.
    pub serial: String,
}

/// An interface that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HardwareNic {
    /// Kernel's name.
    pub name: String,
    /// MAC address.
    pub mac: String,
    /// Whether it has a link.
    pub carrier: bool,
    /// Speed in Mbit/s, 0 when unknown.
    pub speed_mbps: u32,
}

/// The answer to an import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Imported {
    /// The servers, in the file's order.
    pub nodes: Vec<ImportedNode>,
    /// Whether nothing was changed.
    pub dry_run: bool,
}

/// One imported server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImportedNode {
    /// Its id; of a dry run, absent for a new one.
    pub id: Option<Uuid>,
    /// Its name.
    pub name: String,
    /// Whether it is new; otherwise it was there and was brought to what the file says.
    pub created: bool,
    /// What differs of a server that was there; nothing: it is as the file says.
    #[serde(default)]
    pub changes: Vec<FieldChange>,
    /// What one should know before it is done, such as that the BMCs of two servers are exchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What an administrator may ask of a node: Ironic's own provision verbs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NodeVerb {
    /// enroll -> manageable.
    Manage,
    /// Look at the hardware: manageable -> manageable.
    Inspect,
    /// Clean, then available.
    Provide,
    /// Stop what is waiting for a ramdisk.
    Abort,
    /// Do `steps` of the ramdisk: manageable -> manageable.
    Clean,
    /// Let Ironic keep its hands off it, for a `reason`.
    MaintenanceOn,
    /// The end of that.
    MaintenanceOff,
    /// Power on, if its state allows it.
    PowerOn,
    /// Switch off.
    PowerOff,
    /// Off, and on again.
    Reboot,
    /// Take it away from its tenant: the tenant's server ends, the node is cleaned.
    Reclaim,
    /// What answers as its BMC is its own: its board or BMC was replaced, or nothing else can prove it.
    AcceptBmc,
    /// Ask its BMC now, and not only when a refused log-in's pause is over.
    RetryBmc,
}

/// A verb for a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeAction {
    /// The verb.
    pub action: NodeVerb,
    /// Why, for `maintenance_on`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The steps of `clean`, in order: `erase_devices_metadata`, `erase_devices`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<String>,
}

/// A tenant's server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Server {
    /// Its id.
    pub id: Uuid,
    /// Nova's id for it, once Nova has made it.
    pub instance: Option<Uuid>,
    /// Its name.
    pub name: String,
    /// The project it belongs to.
    pub project_id: String,
    /// Flavor.
    pub flavor: String,
    /// Image.
    pub image: String,
    /// Network's name.
    pub network: String,
    /// Address that Contrail's IPAM gave it.
    pub address: String,
    /// All its networks, in order.
    #[serde(default)]
    pub networks: Vec<Attachment>,
    /// Security groups, by name.
    #[serde(default)]
    pub security_groups: Vec<String>,
    /// What it is doing.
    pub status: ServerStatus,
    /// Whether it is in rescue, switched off in it, or failed on its way there or back: its own disk can be booted again.
    #[serde(default)]
    pub in_rescue: bool,
    /// What it waits for, or why it failed.
    pub reason: Option<String>,
    /// Since when it has this status (RFC 3339).
    #[serde(default)]
    pub state_since: Option<String>,
    /// What it waits for; none: it is at rest.
    #[serde(default)]
    pub waiting_for: Option<String>,
    /// What comes next.
    #[serde(default)]
    pub next: String,
    /// The physical server, for administrators only.
    pub node: Option<Uuid>,
    /// With which `rescue@ADDRESS` logs in: only in the answer to the request for a rescue that gave none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub rescue_password: Option<Secret>,
}

/// A request for a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewServer {
    /// Its name: 1 to 63 letters, digits and `-`.
    pub name: String,
    /// Flavor, by name or id.
    pub flavor: String,
    /// Image, by name or id.
    pub image: String,
    /// Network, by name or id: short for `networks` with this one.
    #[serde(default)]
    pub network: Option<String>,
    /// Networks, one for each network interface, in order: the first is for the interface that boots from the network.
    #[serde(default)]
    pub networks: Vec<NewAttachment>,
    /// Security groups of the project, by name or id; they hold on every network.
    #[serde(default)]
    pub security_groups: Vec<String>,
    /// Name of a Nova key pair.
    #[serde(default)]
    pub key_name: Option<String>,
    /// User data, as text; at most 64 KiB.
    #[serde(default)]
    pub user_data: Option<String>,
}

/// What a tenant may ask of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServerVerb {
    /// Switch on, on the tenant's network.
    Start,
    /// Let its system shut down; `hard`: switch off. It leaves the network.
    Stop,
    /// Restart by its reset line; `hard`: off, and on again.
    Reboot,
    /// Write `image` onto it anew; instance and address stay.
    Rebuild,
    /// Boot a rescue system on the server's own networks; its user `rescue` logs in by SSH with `password`.
    Rescue,
    /// Boot its own disk again.
    Unrescue,
}

/// A verb for a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerAction {
    /// The verb.
    pub action: ServerVerb,
    /// Do not ask its system first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hard: bool,
    /// The image of `rebuild`, by name or id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The password of `rescue`, 8 to 128 printable characters; without it one is made, which the answer to this request tells, and
    /// no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub password: Option<Secret>,
}

/// A request for a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewNetwork {
    /// Its name: 1 to 63 letters, digits, `-` and `_`.
    pub name: String,
    /// Its IPv4 subnet, such as `192.0.2.0/24`.
    pub subnet: String,
}

/// Something that happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// Rises with time; `?after=` goes on from here.
    pub id: u64,
    /// When (RFC 3339).
    pub at: String,
    /// To which physical server; for administrators only.
    pub node: Option<Uuid>,
    /// That server's name, while it is in the inventory; for administrators only.
    #[serde(default)]
    pub node_name: Option<String>,
    /// In which rack; for administrators only.
    pub rack: Option<String>,
    /// To which tenant's server.
    #[serde(default)]
    pub server: Option<Uuid>,
    /// That server's name when it happened.
    #[serde(default)]
    pub server_name: Option<String>,
    /// Whose server that was; for administrators only.
    #[serde(default)]
    pub project_id: Option<String>,
    /// What kind.
    pub kind: String,
    /// In words: for administrators all that is known, for a tenant what it means to its server.
    pub text: String,
}
