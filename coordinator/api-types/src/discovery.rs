//! Values: what the REST API says and takes of machines that nobody has enrolled yet.

use protocol::secret::Secret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{BmcProtocol, BootMode, word::words};

/// A machine that was discovered and is not enrolled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Discovery {
    /// Id of the machine until it is enrolled.
    pub id: Uuid,
    /// The rack whose agent found it.
    pub rack: String,
    /// Whether an administrator has ignored it.
    pub ignored: bool,
    /// How it was found: by one of these, or by both.
    pub found_by: Vec<FoundBy>,
    /// Hardware UUID. Absent: not known yet.
    pub uuid: Option<String>,
    /// Manufacturer; empty: not known.
    pub manufacturer: String,
    /// Product; empty: not known.
    pub product: String,
    /// Serial number, as the machine itself reports it; empty: not known.
    pub serial: String,
    /// How its firmware starts an operating system. Absent: it has not booted yet.
    pub boot_mode: Option<BootMode>,
    /// Number of processors; 0: not known yet.
    pub cpus: u32,
    /// Memory in MiB; 0: not known yet.
    pub memory_mib: u64,
    /// Sizes of its disks in bytes.
    pub disks: Vec<u64>,
    /// Its BMC. Absent: no scan has found it.
    pub bmc: Option<DiscoveredBmc>,
    /// Its network interfaces. Empty: it has not booted yet.
    pub nics: Vec<DiscoveredNic>,
    /// What is missing before it can be enrolled with a name alone, and how to get it, as sentences.
    pub missing: Vec<String>,
    /// When it was first found (RFC 3339).
    pub first_seen: Option<String>,
    /// When it was last found (RFC 3339).
    pub last_seen: Option<String>,
}

words! {
    /// A way in which a machine is found.
    FoundBy {
        /// A scan found its BMC.
        Bmc = "bmc",
        /// It booted on the discovery network.
        Boot = "boot";
        /// One that this client does not know: the coordinator is newer, and sends none such itself.
        else Unknown = "unknown"
    }
}

/// A BMC that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DiscoveredBmc {
    /// What it speaks.
    pub protocol: BmcProtocol,
    /// IP address of the BMC.
    pub address: String,
    /// UDP port (IPMI) or TCP port (Redfish).
    pub port: u16,
    /// SHA-256 of the TLS certificate that it showed, which is required again once the server is enrolled. Absent: no TLS.
    pub certificate_sha256: Option<String>,
    /// The user that it accepted; its password is never shown. Absent: none.
    pub username: Option<String>,
    /// Why it accepted no credential, as a sentence; empty: it accepted one, or none was tried.
    pub problem: String,
}

/// An interface of a machine that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DiscoveredNic {
    /// Its name.
    pub name: String,
    /// Its MAC address.
    pub mac: String,
    /// Name of the switch that it heard by LLDP: a claim of the machine. Absent: it heard none.
    pub switch: Option<String>,
    /// Name of that switch's port, a claim as well.
    pub port: Option<String>,
    /// Whether it has a link.
    pub carrier: bool,
    /// Whether the machine booted over it.
    pub booted: bool,
}

/// A request to enroll a discovered machine.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptDiscovery {
    /// Name for the node: 1 to 63 letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// Address of its BMC, such as `ipmi://198.51.100.11` or `https://198.51.100.11:8443`. Absent: where it was found.
    #[serde(default)]
    pub bmc: Option<String>,
    /// User of its BMC, with `bmc_password`. Absent: the one that the BMC accepted.
    #[serde(default)]
    pub bmc_username: Option<String>,
    /// Password of that user.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub bmc_password: Option<Secret>,
    /// Switch ports of network interfaces that heard none by LLDP.
    #[serde(default)]
    pub ports: Vec<AcceptPort>,
    /// Resource class. Absent: `baremetal`.
    #[serde(default)]
    pub resource_class: Option<String>,
}

/// The switch port of an interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptPort {
    /// The interface's name.
    pub nic: String,
    /// The switch.
    pub switch: String,
    /// Its port.
    pub port: String,
}

/// A rule by which discovered machines are enrolled without an administrator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DiscoveryRule {
    /// Name of the rule.
    pub name: String,
    /// Only machines of this rack; none: of any.
    pub rack: Option<String>,
    /// Only machines whose BMC is in one of these ranges; none: anywhere.
    pub ranges: Vec<String>,
    /// Only machines of this manufacturer, such as `Dell*`; none: of any.
    pub manufacturer: Option<String>,
    /// Only this product; none: any.
    pub product: Option<String>,
    /// Switch ports on which machines are enrolled by it. A machine that claims another one waits for an administrator.
    pub switch_ports: Vec<String>,
    /// Name for the nodes: a text with `{serial}`, `{rack}`, `{bmc}` or `{uuid}`.
    pub node_name: String,
    /// Resource class for the nodes.
    pub resource_class: String,
    /// User of BMCs that have accepted no credential yet; the password is never shown.
    pub bmc_username: Option<String>,
}

/// A request for a rule by which discovered machines are enrolled without an administrator, once both their BMC and their
/// network interfaces are known. All that it says of a machine must hold.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDiscoveryRule {
    /// Name of the rule: 1 to 80 letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// Only machines of this rack. Absent: of any.
    #[serde(default)]
    pub rack: Option<String>,
    /// Only machines whose BMC is in one of these address ranges, such as `198.51.100.0/27`. Empty: in any.
    #[serde(default)]
    pub ranges: Vec<String>,
    /// Only machines of this manufacturer; `*` stands for any text. Absent: of any.
    #[serde(default)]
    pub manufacturer: Option<String>,
    /// Only this product; `*` stands for any text. Absent: any.
    #[serde(default)]
    pub product: Option<String>,
    /// The switch ports that it may give, 1 to 100: `leaf1`, `leaf1:xe-0/0/7` or `leaf1:xe-0/0/10-20`. What a machine says of its own
    /// switch port is a claim; one that claims another port waits for a person.
    #[serde(default)]
    pub switch_ports: Vec<String>,
    /// Name for the nodes: a text with `{serial}`, `{bmc}` or `{uuid}`, and `{rack}` if wanted. Absent: `{rack}-{serial}`.
    #[serde(default)]
    pub node_name: Option<String>,
    /// Resource class for the nodes. Absent: `baremetal`.
    #[serde(default)]
    pub resource_class: Option<String>,
    /// User of BMCs that have accepted no credential yet, with `bmc_password`. Only with `ranges`, in which scans try it too.
    /// Absent: none.
    #[serde(default)]
    pub bmc_username: Option<String>,
    /// Password of that user.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub bmc_password: Option<Secret>,
}

/// A request to scan address ranges for BMCs.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewScan {
    /// The rack whose agent scans.
    pub rack: String,
    /// Ranges of addresses, such as `198.51.100.0/27` or `198.51.100.10-198.51.100.20`.
    pub ranges: Vec<String>,
    /// How Redfish is tried, such as `https:443` or `http:8000`. Empty: `https:443`.
    #[serde(default)]
    pub redfish: Vec<String>,
    /// Credentials to try once, in this order, at each BMC that belongs to no enrolled node. Empty: no login is tried.
    #[serde(default)]
    pub credentials: Vec<ScanCredential>,
}

/// A user and a password to be tried.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScanCredential {
    /// User.
    pub username: String,
    /// Password.
    #[schema(value_type = String)]
    pub password: Secret,
}

/// A scan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Scan {
    /// Its id.
    pub id: Uuid,
    /// The rack whose agent scans.
    pub rack: String,
    /// When it began (RFC 3339).
    pub began: Option<String>,
    /// Whether it is still running.
    pub running: bool,
    /// Number of addresses tried so far.
    pub done: u32,
    /// Number of addresses in all.
    pub total: u32,
    /// Names of enrolled nodes whose BMCs answered.
    pub enrolled: Vec<String>,
    /// Number of BMCs that answered and are not enrolled.
    pub pending: u32,
    /// Why it ended early, as a sentence. Absent: it has not.
    pub fault: Option<String>,
}

/// A request to open a rack's discovery network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewWindow {
    /// The rack.
    pub rack: String,
    /// For how many seconds it stays open.
    pub seconds: u32,
}

/// A rack's discovery network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Window {
    /// The rack.
    pub rack: String,
    /// Whether machines that are not enrolled can boot there now.
    pub open: bool,
    /// Until when it is open (RFC 3339).
    pub until: Option<String>,
    /// Number of machines that were found there.
    pub machines: u32,
    /// Why it was closed, as a sentence. Absent: it is open.
    pub reason: Option<String>,
}
