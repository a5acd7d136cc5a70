//! What the REST API under `/v1` says and takes, shared by the server, its pages and `bmsctl`.

mod agent;
mod audit;
mod bmc;
mod bmc_certificate;
mod bmc_health;
mod boot;
mod boots;
mod brownfield;
mod catalogue;
mod console;
mod console_log;
mod discovery;
mod disk;
mod erase_certificate;
mod factory_password;
mod firmware;
mod health;
mod image_cache;
mod network;
mod problem;
mod sensor_history;
mod state;
pub mod unwatched;
mod word;

use protocol::secret::Secret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

pub use agent::*;
pub use audit::*;
pub use bmc::*;
pub use bmc_certificate::*;
pub use bmc_health::*;
pub use boot::*;
pub use boots::*;
pub use brownfield::*;
pub use catalogue::*;
pub use console::*;
pub use console_log::*;
pub use discovery::*;
pub use disk::*;
pub use erase_certificate::*;
pub use factory_password::*;
pub use firmware::*;
pub use health::*;
pub use image_cache::*;
pub use network::*;
pub use problem::{FieldFault, Problem};
pub use sensor_history::*;
pub use state::{BmcProtocol, PowerState, ServerStatus, WhyNotWatched};
pub use word::UnknownWord;

pub use domain::{
    events::EventKind,
    import::{Fault, FieldChange},
};

/// Most items of one page of a list.
pub const PAGE_ITEMS_MAX: u32 = 1000;

/// A complete list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct List<T> {
    /// The items.
    pub items: Vec<T>,
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The items of this page.
    pub items: Vec<T>,
    /// Where the next page begins: send it as `marker`. Absent: this is the last page.
    #[serde(default)]
    pub next: Option<String>,
}

/// A physical server of the inventory; for administrators and auditors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Node {
    /// The node's id, which is also its Ironic node's.
    pub id: Uuid,
    /// The node's name, unique in the inventory.
    pub name: String,
    /// The rack in which it is.
    pub rack: String,
    /// The resource class by which flavors select it (Ironic's `resource_class`).
    pub resource_class: String,
    /// The pool that gave it its resource class. Absent: the import file did.
    #[serde(default)]
    pub pool: Option<String>,
    /// How its firmware starts an operating system.
    pub boot_mode: BootMode,
    /// Ironic's provision state, such as `available` or `clean failed`. Empty: Ironic has no node for it yet.
    pub provision_state: String,
    /// Since when it has been in this provision state (RFC 3339).
    #[serde(default)]
    pub state_since: Option<String>,
    /// What it is waiting for, as a sentence. Absent: it is at rest.
    #[serde(default)]
    pub waiting_for: Option<String>,
    /// What happens next, or what somebody can do next, as a sentence.
    #[serde(default)]
    pub next: String,
    /// Whether it is on, as its BMC last reported.
    pub power: PowerState,
    /// Why its power is unreachable or unknown, as a sentence. Absent: the power is known.
    pub power_reason: Option<String>,
    /// How far its last network boot came. Absent: it has none that counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<BootProgress>,
    /// The health of its hardware.
    #[serde(default)]
    pub health: HardwareHealth,
    /// Why its health is not known, as a sentence. Absent: it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_not_known: Option<String>,
    /// What is wrong with its hardware, the worst first; where its health is not known, what was wrong last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub health_reasons: Vec<HealthReason>,
    /// Why nobody would notice if it lost power. Absent: its agent watches it.
    #[serde(default)]
    pub not_watched: Option<NotWatched>,
    /// The network on which its booting port should be: `provisioning`, `cleaning`, `none`, or `tenant` and the id of the
    /// tenant's port. Absent: nothing was decided yet.
    pub network_wanted: Option<String>,
    /// The network on which its booting port was last seen in Contrail. Absent: it was not looked at yet.
    pub network_observed: Option<String>,
    /// What went wrong last, or what holds it up, as a sentence. Absent: nothing.
    pub reason: Option<String>,
    /// Ironic's `last_error`. Absent: Ironic reports none.
    pub last_error: Option<String>,
    /// What should be known of it and holds nothing up, as sentences with what to do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Whether the node is in maintenance in Ironic.
    pub maintenance: bool,
    /// Why the node is in maintenance. Absent: it is not, or nobody said why.
    #[serde(default)]
    pub maintenance_reason: Option<String>,
    /// Whether a tenant's server is on it.
    #[serde(default)]
    pub deployed: bool,
    /// Nova's id of the tenant's server on it. Absent: there is none.
    pub instance: Option<Uuid>,
    /// Its BMC.
    pub bmc: Bmc,
    /// Its network interfaces, in the order of the import file.
    pub ports: Vec<NodePort>,
    /// What its last inspection found. Absent: it was not inspected yet.
    pub hardware: Option<Hardware>,
}

impl Node {
    /// Whether its BMC has refused so many log-ins that it is asked seldom.
    pub fn is_refused_by_its_bmc(&self) -> bool {
        self.is_not_watched(WhyNotWatched::CredentialsRefused)
    }

    /// Whether it is in doubt whose BMC answers at its address.
    pub fn has_another_machines_bmc(&self) -> bool {
        self.is_not_watched(WhyNotWatched::OtherMachine)
    }

    fn is_not_watched(&self, why: WhyNotWatched) -> bool {
        self.not_watched.as_ref().is_some_and(|it| it.why == why)
    }
}

/// Why a server's power is not watched: nobody would see it go off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NotWatched {
    /// What keeps its agent from watching it.
    pub why: WhyNotWatched,
    /// The cause as a sentence, with what happens next.
    pub reason: String,
    /// Since when nobody watches it (RFC 3339).
    pub since: Option<String>,
}

/// A BMC, without its password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Bmc {
    /// What it speaks.
    pub protocol: BmcProtocol,
    /// The IP address or host name of the BMC.
    pub address: String,
    /// Its UDP port (IPMI) or TCP port (Redfish).
    pub port: u16,
    /// The user with which the agent logs in.
    pub username: String,
    /// How the BMC last identified itself, when that was proved to be this server's. Absent: that was never proved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// What the site says of it besides, as fields of an import file, such as `ipmi_priv_level OPERATOR`; keys are not shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<String>,
    /// What is known of its user's password, without the password.
    #[serde(default)]
    pub password: BmcPassword,
    /// Whether something in it or in the firmware's settings differs from before the last tenancy, or was not read, and waits for an
    /// administrator to accept it.
    #[serde(default)]
    pub has_changes: bool,
    /// SHA-256 of the certificate that it shows instead of the pinned one, about which an administrator is asked. Absent: there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_in_question: Option<String>,
}

/// An interface of a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodePort {
    /// Name of the interface, such as `eth0`.
    pub name: String,
    /// MAC address.
    pub mac: String,
    /// Name of the switch (physical router) to which it is connected.
    pub switch: String,
    /// Name of the switch's port.
    pub port: String,
    /// Whether it may boot from the network.
    #[serde(default)]
    pub pxe_enabled: bool,
    /// The network on which it should be, in the same words as for the node. Absent: nothing was decided yet.
    #[serde(default)]
    pub network_wanted: Option<String>,
    /// The network on which it was last seen in Contrail. Absent: it was not looked at yet.
    #[serde(default)]
    pub network_observed: Option<String>,
    /// When it was last looked at in Contrail (RFC 3339).
    #[serde(default)]
    pub observed_at: Option<String>,
    /// Whether the last inspection found a link. Absent: no inspection has looked at it.
    #[serde(default)]
    pub carrier: Option<bool>,
    /// Speed of the link in Mbit/s, as the last inspection found it. Absent: not known.
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
    /// The disks.
    pub disks: Vec<HardwareDisk>,
    /// Which disk the next image goes to, and by what; or why there is none. Absent: the coordinator is too old to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_disk: Option<RootDisk>,
    /// Ethernet interfaces with their links.
    pub nics: Vec<HardwareNic>,
    /// What of the hardware stays unused, and why, such as `no NIC driver for 8086:1572 (0000:03:00.0)`.
    #[serde(default)]
    pub faults: Vec<String>,
    /// Whether the firmware let nothing start that is not signed.
    #[serde(default)]
    pub secure_boot: bool,
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
    /// What it is connected by: `nvme`, `sata`, `sas`, `scsi`, `usb`, `mmc`, `virtio`; empty when unknown.
    #[serde(default)]
    pub transport: String,
    /// World-wide name; empty when unknown.
    #[serde(default)]
    pub wwn: String,
    /// Bytes of a sector as partition tables count them; 0: not known. An image whose table counts otherwise is refused.
    #[serde(default)]
    pub sector_bytes: u32,
    /// Bytes of a sector inside the disk; 0: not known.
    #[serde(default)]
    pub physical_sector_bytes: u32,
    /// Where it is plugged in, such as `pci-0000:00:1f.2-ata-1` or `2:0:0:0`; empty when unknown.
    #[serde(default)]
    pub place: String,
    /// How many paths lead to it; 0: not known.
    #[serde(default)]
    pub paths: u32,
    /// What it is beside a disk, or what is the matter with it, such as `member of an md array`.
    #[serde(default)]
    pub marks: Vec<String>,
    /// Firmware revision; empty when unknown.
    #[serde(default)]
    pub firmware: String,
    /// Whether the disk expects to fail (SMART): `good` or `failing`; empty: it does not say.
    #[serde(default)]
    pub health: String,
    /// How much of its life is used, in percent; it may be above 100. Absent: it does not say.
    #[serde(default)]
    pub used_percent: Option<u8>,
    /// What it says of itself that bears on its use, such as why it is `locked` or `failing`.
    #[serde(default)]
    pub says: Vec<String>,
}

/// Which disk an image goes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RootDisk {
    /// Its device node; absent: no disk will do.
    pub name: Option<String>,
    /// In a sentence: which one, and by what; or why there is none.
    pub text: String,
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
    /// Speed in Mbit/s; 0: not known.
    pub speed_mbps: u32,
}

/// The answer to an import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Imported {
    /// The servers, in the file's order.
    pub nodes: Vec<ImportedNode>,
    /// Whether this was a dry run: nothing was changed.
    pub dry_run: bool,
}

/// One imported server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImportedNode {
    /// Id of the node. Absent: it is new, and this was a dry run.
    pub id: Option<Uuid>,
    /// Its name.
    pub name: String,
    /// Whether the node is new in the inventory.
    pub created: bool,
    /// What differs from the inventory, field by field. Empty: nothing, or the node is new.
    #[serde(default)]
    pub changes: Vec<FieldChange>,
    /// What one should know before it is done, such as that the BMCs of two servers are exchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// An action on a node.
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
    /// Put it into maintenance (a `reason` is required).
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
    /// The certificate that its BMC shows instead of the pinned one is pinned from now on.
    AcceptCertificate,
    /// It is not asked about again, and the BMC stays out of reach until it shows the pinned one.
    RefuseCertificate,
}

/// A request for an action on a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeAction {
    /// The action.
    pub action: NodeVerb,
    /// Why, in 1 to 255 characters; needed for `maintenance_on`, ignored otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The steps of `clean`, in order: `erase_devices_metadata`, `erase_devices`. Only for `clean`, which needs at least one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<String>,
    /// SHA-256 of the certificate that was looked at, for `accept_certificate` and `refuse_certificate`: if the BMC shows another one by
    /// now, nothing is done. Absent: whichever it shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_sha256: Option<String>,
}

/// A tenant's server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Server {
    /// The server's id.
    pub id: Uuid,
    /// Nova's id of the server. Absent: Nova has not created it yet.
    pub instance: Option<Uuid>,
    /// The server's name, unique in its project.
    pub name: String,
    /// Keystone's id of the project that owns it.
    pub project_id: String,
    /// Name of its flavor, or its id where the name is not known.
    pub flavor: String,
    /// Name of its image, or its id where the name is not known.
    pub image: String,
    /// Name of its first network.
    pub network: String,
    /// Its IP address on the first network. Empty: it has none yet.
    pub address: String,
    /// All its networks, in the order of its network interfaces.
    #[serde(default)]
    pub networks: Vec<Attachment>,
    /// Names of its security groups, which apply on every network.
    #[serde(default)]
    pub security_groups: Vec<String>,
    /// What it is doing.
    pub status: ServerStatus,
    /// Whether it is in rescue, switched off in it, or failed on its way there or back: its own disk can be booted again.
    #[serde(default)]
    pub in_rescue: bool,
    /// What holds it up, or why it failed, as a sentence. Absent: nothing.
    pub reason: Option<String>,
    /// Since when it has had this status (RFC 3339).
    #[serde(default)]
    pub state_since: Option<String>,
    /// What it is waiting for, as a sentence. Absent: it is at rest.
    #[serde(default)]
    pub waiting_for: Option<String>,
    /// What happens next, or what you can do next, as a sentence.
    #[serde(default)]
    pub next: String,
    /// Id of the physical server on which it is; for administrators only. Absent: none yet, or you may not see it.
    pub node: Option<Uuid>,
    /// Password of the user `rescue`. Only in the answer to a `rescue` without a password; it is shown nowhere else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub rescue_password: Option<Secret>,
}

/// A request for a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewServer {
    /// The server's name: 1 to 63 letters, digits and `-`, not beginning with `-`.
    pub name: String,
    /// Name or id of the flavor.
    pub flavor: String,
    /// Name or id of the image.
    pub image: String,
    /// Name or id of its only network; the same as `networks` with this one. Give either.
    #[serde(default)]
    pub network: Option<String>,
    /// The networks, one for each network interface, 1 to 8. The first is for the interface that boots from the network.
    #[serde(default)]
    pub networks: Vec<NewAttachment>,
    /// Names or ids of up to 16 security groups of the project; they apply on every network. Empty: Contrail's default.
    #[serde(default)]
    pub security_groups: Vec<String>,
    /// Name of a Nova key pair. Absent: no key is installed.
    #[serde(default)]
    pub key_name: Option<String>,
    /// User data for the image, as text of at most 48 KiB. Absent: none.
    #[serde(default)]
    pub user_data: Option<String>,
}

/// An action on a tenant's server.
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

/// A request for an action on a tenant's server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerAction {
    /// The action.
    pub action: ServerVerb,
    /// Switch off at once instead of asking its operating system first; only for `stop` and `reboot`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hard: bool,
    /// Name or id of the image; needed for `rebuild`, refused otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Password of the user `rescue`, 8 to 128 printable ASCII characters; only for `rescue`. Absent: one is made and returned
    /// once.
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

/// An event: something that happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// Id of the event, which rises with time; send it as `after` to read on from here.
    pub id: u64,
    /// When it happened (RFC 3339).
    pub at: String,
    /// Id of the physical server that it is about; for administrators only. Absent: it is about none.
    pub node: Option<Uuid>,
    /// Name of that node, while it is in the inventory; for administrators only.
    #[serde(default)]
    pub node_name: Option<String>,
    /// The rack that it is about; for administrators only. Absent: it is about none.
    pub rack: Option<String>,
    /// Id of the tenant's server that it is about. Absent: it is about none.
    #[serde(default)]
    pub server: Option<Uuid>,
    /// Name of that tenant's server when it happened.
    #[serde(default)]
    pub server_name: Option<String>,
    /// Keystone's id of that server's project; for administrators only.
    #[serde(default)]
    pub project_id: Option<String>,
    /// What kind of event it is.
    pub kind: EventKind,
    /// Of kind `other`: the word that another version had for it. Absent otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_kind: Option<String>,
    /// What happened, as a sentence: for administrators with all details, for tenants with what it means to their server.
    pub text: String,
}

impl Event {
    /// The word of its kind.
    pub fn kind_word(&self) -> &str {
        self.other_kind.as_deref().unwrap_or(self.kind.as_str())
    }
}
