//! Values: what the REST API says and takes of machines that nobody has enrolled yet.

use protocol::secret::Secret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{BmcProtocol, BootMode, word::words};

/// A machine that was found and that nobody has enrolled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Discovery {
    /// Its id, until it is enrolled.
    pub id: Uuid,
    /// The rack whose agent found it.
    pub rack: String,
    /// An administrator does not want to hear of it.
    pub ignored: bool,
    /// How it was found: by one of these, or by both.
    pub found_by: Vec<FoundBy>,
    /// Its hardware UUID.
    pub uuid: Option<String>,
    /// Manufacturer.
    pub manufacturer: String,
    /// Product.
    pub product: String,
    /// Serial number, as the machine itself says.
    pub serial: String,
    /// How its firmware starts an operating system; none: it has not booted yet.
    pub boot_mode: Option<BootMode>,
    /// Processors.
    pub cpus: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Sizes of its disks in bytes.
    pub disks: Vec<u64>,
    /// Its BMC.
    pub bmc: Option<DiscoveredBmc>,
    /// Its interfaces.
    pub nics: Vec<DiscoveredNic>,
    /// What is missing before it can be accepted by a name alone, and how to get it.
    pub missing: Vec<String>,
    /// When it was found first (RFC 3339).
    pub first_seen: Option<String>,
    /// When it was found last.
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
    /// Address.
    pub address: String,
    /// Port.
    pub port: u16,
    /// SHA-256 of the certificate that it showed; it is expected again once the server is enrolled.
    pub certificate_sha256: Option<String>,
    /// The user that it accepted; the password is never shown.
    pub username: Option<String>,
    /// Why it accepted no credential.
    pub problem: String,
}

/// An interface of a machine that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DiscoveredNic {
    /// Its name.
    pub name: String,
    /// Its MAC address.
    pub mac: String,
    /// The switch that was heard on it (LLDP), as the machine itself says: a claim.
    pub switch: Option<String>,
    /// The switch's port, a claim as well.
    pub port: Option<String>,
    /// Whether it has a link.
    pub carrier: bool,
    /// Whether the machine booted over it.
    pub booted: bool,
}

/// What an administrator says of a machine that is accepted.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptDiscovery {
    /// The server's name.
    pub name: String,
    /// Where its BMC is, such as `ipmi://198.51.100.11`; none: where it was found.
    #[serde(default)]
    pub bmc: Option<String>,
    /// User of its BMC; none: the one that it accepted.
    #[serde(default)]
    pub bmc_username: Option<String>,
    /// Password of that user.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub bmc_password: Option<Secret>,
    /// Switch ports of interfaces on which no switch was heard.
    #[serde(default)]
    pub ports: Vec<AcceptPort>,
    /// Resource class; none: `baremetal`.
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

/// A rule that accepts machines without a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DiscoveryRule {
    /// Its name.
    pub name: String,
    /// Only machines of this rack; none: of any.
    pub rack: Option<String>,
    /// Only machines whose BMC is in one of these ranges; none: anywhere.
    pub ranges: Vec<String>,
    /// Only machines of this manufacturer, such as `Dell*`; none: of any.
    pub manufacturer: Option<String>,
    /// Only this product; none: any.
    pub product: Option<String>,
    /// The switch ports that it may give. A machine that claims another one waits for a person.
    pub switch_ports: Vec<String>,
    /// What they are called.
    pub node_name: String,
    /// Their resource class.
    pub resource_class: String,
    /// User of BMCs that have accepted no credential yet; the password is never shown.
    pub bmc_username: Option<String>,
}

/// A request for a rule that accepts machines without a person, as soon as both their BMC and their interfaces are known. All that
/// is said of a machine must hold.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDiscoveryRule {
    /// Its name: letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// Only machines of this rack.
    #[serde(default)]
    pub rack: Option<String>,
    /// Only machines whose BMC is in one of these ranges, such as `198.51.100.0/27`.
    #[serde(default)]
    pub ranges: Vec<String>,
    /// Only machines of this manufacturer; `*` stands for any text.
    #[serde(default)]
    pub manufacturer: Option<String>,
    /// Only this product; `*` stands for any text.
    #[serde(default)]
    pub product: Option<String>,
    /// The switch ports that it may give, 1 to 100: `leaf1`, `leaf1:xe-0/0/7` or `leaf1:xe-0/0/10-20`. What a machine says of its own
    /// switch port is a claim; one that claims another port waits for a person.
    #[serde(default)]
    pub switch_ports: Vec<String>,
    /// What they are called: a text with `{serial}`, `{rack}`, `{bmc}` or `{uuid}`; none: `{rack}-{serial}`.
    #[serde(default)]
    pub node_name: Option<String>,
    /// Their resource class; none: `baremetal`.
    #[serde(default)]
    pub resource_class: Option<String>,
    /// User of BMCs that have accepted no credential yet. Only with `ranges`; scans within them try it too.
    #[serde(default)]
    pub bmc_username: Option<String>,
    /// Password of that user.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub bmc_password: Option<Secret>,
}

/// A scan to be made.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewScan {
    /// Whose agent scans.
    pub rack: String,
    /// Ranges of addresses, such as `198.51.100.0/27` or `198.51.100.10-198.51.100.20`.
    pub ranges: Vec<String>,
    /// Where Redfish is looked for, such as `https:443`; none: `https:443`.
    #[serde(default)]
    pub redfish: Vec<String>,
    /// What is tried at each BMC that is nobody's, each once and in this order. None: no log-in is tried.
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
    /// Of which rack.
    pub rack: String,
    /// When it began (RFC 3339).
    pub began: Option<String>,
    /// Whether it goes on.
    pub running: bool,
    /// Addresses asked.
    pub done: u32,
    /// Addresses in all.
    pub total: u32,
    /// Servers that are enrolled already and whose BMCs answered.
    pub enrolled: Vec<String>,
    /// BMCs that answered and are pending.
    pub pending: u32,
    /// Why it was not done to its end.
    pub fault: Option<String>,
}

/// A discovery network to be opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewWindow {
    /// Of which rack.
    pub rack: String,
    /// For how many seconds.
    pub seconds: u32,
}

/// A rack's discovery network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Window {
    /// Of which rack.
    pub rack: String,
    /// Whether machines that nobody knows are answered there now.
    pub open: bool,
    /// Until when (RFC 3339).
    pub until: Option<String>,
    /// Machines that were found there.
    pub machines: u32,
    /// Why it is closed.
    pub reason: Option<String>,
}
