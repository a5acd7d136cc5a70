//! Values: what the REST API says of images, flavors and pools.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ImageFirmware;

/// An image of Glance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Image {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `raw` or `qcow2`.
    pub format: String,
    /// Size of the file in bytes.
    pub size_bytes: u64,
    /// Glance's status, such as `active`.
    pub status: String,
    /// `public`, `private`, `shared` or `community`.
    pub visibility: String,
    /// The project that owns it.
    #[serde(default)]
    pub project_id: Option<String>,
    /// By which firmware it starts.
    pub boot_mode: ImageFirmware,
    /// Smallest disk in GiB that it fits.
    #[serde(default)]
    pub min_disk_gb: u64,
    /// Hash of the file, SHA-512.
    pub sha512: Option<String>,
    /// When it was made (RFC 3339).
    #[serde(default)]
    pub created: Option<String>,
}

/// A flavor of Nova that selects physical servers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Flavor {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Ironic's resource class that it asks for.
    pub resource_class: String,
    /// Processors, for people.
    pub cpus: u32,
    /// Memory in MiB, for people.
    pub memory_mib: u64,
    /// Disk in GiB, for people.
    pub disk_gb: u64,
    /// The manufacturer whose servers it takes, as a trait spells it; none: any.
    #[serde(default)]
    pub manufacturer: Option<String>,
    /// How many network interfaces its servers have at least.
    #[serde(default = "one")]
    pub nics: u32,
    /// Whether every project may use it.
    #[serde(default)]
    pub public: bool,
    /// The projects that may use it when it is not public, by id; for administrators, and for one flavor only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub projects: Vec<String>,
    /// Servers that are ready for a tenant now.
    #[serde(default)]
    pub free: u32,
    /// How the others stand; for administrators only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub others: Option<OtherServers>,
}

fn one() -> u32 {
    1
}

/// How a flavor's servers stand that are not free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OtherServers {
    /// With a tenant, or on the way there.
    pub used: u32,
    /// Between two tenants.
    pub cleaning: u32,
    /// Failed or in maintenance: somebody must look at them.
    pub broken: u32,
    /// Not offered yet.
    pub preparing: u32,
}

/// A request for a flavor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewFlavor {
    /// Its name.
    pub name: String,
    /// Ironic's resource class.
    pub resource_class: String,
    /// Processors.
    pub cpus: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Disk in GiB.
    pub disk_gb: u64,
    /// Take servers of this manufacturer only, as inspection found it.
    #[serde(default)]
    pub manufacturer: Option<String>,
    /// Take servers with at least so many network interfaces, 2 to 8; none: one is enough.
    #[serde(default)]
    pub nics: Option<u32>,
    /// Projects that may use it, by name or id; none: every project.
    #[serde(default)]
    pub projects: Vec<String>,
}

/// A pool: servers that fulfil all its conditions get its resource class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// Its place in the order, from 1: the first pool that takes a server decides.
    pub position: u32,
    /// What a flavor asks for.
    pub resource_class: String,
    /// Conditions such as `cpus>=2`.
    #[serde(rename = "match")]
    pub conditions: Vec<String>,
    /// Servers that are in it, by name.
    pub servers: Vec<String>,
}

/// A request for a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPool {
    /// Its name: letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// What a flavor asks for.
    pub resource_class: String,
    /// Conditions such as `cpus>=2`; all of them must hold.
    #[serde(rename = "match")]
    pub conditions: Vec<String>,
    /// The pool before which it is asked; none: after all others.
    #[serde(default)]
    pub before: Option<String>,
}

/// Which servers should be put into their pools.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PoolMoves {
    /// Change nothing, only say what would happen.
    #[serde(default)]
    pub dry_run: bool,
    /// What would happen with this pool, too; of a dry run only.
    #[serde(default)]
    pub pool: Option<NewPool>,
}

/// A server that belongs into another pool than it is in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PoolMove {
    /// The server.
    pub node: String,
    /// The pool it was in.
    pub from: Option<String>,
    /// The class it had.
    pub from_class: String,
    /// The pool it belongs into.
    pub to: Option<String>,
    /// The class that it gets there.
    pub to_class: String,
    /// Why it stays where it is for now; none: it is moved, or would be.
    pub held: Option<String>,
}
