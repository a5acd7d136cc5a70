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
    /// Disk format of the file: `raw` or `qcow2`.
    pub format: String,
    /// Size of the file in bytes.
    pub size_bytes: u64,
    /// Glance's status, such as `active`.
    pub status: String,
    /// Glance's visibility: `public`, `private`, `shared` or `community`.
    pub visibility: String,
    /// Keystone's id of the project that owns it.
    #[serde(default)]
    pub project_id: Option<String>,
    /// The firmware that can start it.
    pub boot_mode: ImageFirmware,
    /// Size in GiB of the smallest disk on which it fits; 0: not known.
    #[serde(default)]
    pub min_disk_gb: u64,
    /// Bytes of the disks' sectors for which its partition table was made; other disks cannot start it. Absent: any, or nobody looked.
    #[serde(default)]
    pub sector_bytes: Option<u32>,
    /// SHA-512 of the file, in hexadecimal. Absent: Glance has none.
    pub sha512: Option<String>,
    /// When it was created (RFC 3339).
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
    /// The resource class of the servers that it selects.
    pub resource_class: String,
    /// Number of processors, for people only: it selects nothing.
    pub cpus: u32,
    /// Memory in MiB, for people only.
    pub memory_mib: u64,
    /// Disk in GiB, for people only.
    pub disk_gb: u64,
    /// The manufacturer whose servers alone it selects, as the trait spells it. Absent: any.
    #[serde(default)]
    pub manufacturer: Option<String>,
    /// Number of network interfaces that its servers have at least.
    #[serde(default = "one")]
    pub nics: u32,
    /// Whether every project can use it.
    #[serde(default)]
    pub public: bool,
    /// Ids of the projects that can use it when it is not public; for administrators, and only of a single flavor.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub projects: Vec<String>,
    /// Number of servers that are available for it now.
    #[serde(default)]
    pub free: u32,
    /// Numbers of its servers that are not available; for administrators only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub others: Option<OtherServers>,
}

fn one() -> u32 {
    1
}

/// Numbers of a flavor's servers that are not available.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OtherServers {
    /// Servers that carry a tenant's server, or are being deployed for one.
    pub used: u32,
    /// Servers that are being cleaned between two tenants.
    pub cleaning: u32,
    /// Servers that failed or are in maintenance: an administrator must look at them.
    pub broken: u32,
    /// Servers that are not yet available for the first time.
    pub preparing: u32,
}

/// A request for a flavor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewFlavor {
    /// Name of the flavor.
    pub name: String,
    /// The resource class of the servers that it selects.
    pub resource_class: String,
    /// Number of processors to show, at least 1.
    pub cpus: u32,
    /// Memory to show in MiB, at least 1.
    pub memory_mib: u64,
    /// Disk to show in GiB.
    pub disk_gb: u64,
    /// Select only servers of this manufacturer, as inspection found it. Absent: any.
    #[serde(default)]
    pub manufacturer: Option<String>,
    /// Select only servers with at least this many network interfaces, 1 to 8. Absent: one is enough.
    #[serde(default)]
    pub nics: Option<u32>,
    /// Names or ids of the projects that can use it. Empty: every project.
    #[serde(default)]
    pub projects: Vec<String>,
}

/// A pool: servers that fulfil all its conditions get its resource class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Pool {
    /// Name of the pool.
    pub name: String,
    /// Its place in the order, from 1: the first pool that takes a server decides.
    pub position: u32,
    /// The resource class that its servers get.
    pub resource_class: String,
    /// Its conditions, such as `cpus>=2`; all of them must hold.
    #[serde(rename = "match")]
    pub conditions: Vec<String>,
    /// Names of the servers in it.
    pub servers: Vec<String>,
}

/// A request for a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPool {
    /// Name of the pool: 1 to 80 letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// The resource class that its servers get.
    pub resource_class: String,
    /// 1 to 20 conditions such as `cpus>=2`; all of them must hold.
    #[serde(rename = "match")]
    pub conditions: Vec<String>,
    /// Name of the pool before which it is tried. Absent: after all others.
    #[serde(default)]
    pub before: Option<String>,
}

/// A request to put servers into their pools.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PoolMoves {
    /// Only say what would happen; change nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// A pool to try out, as if it had been created; only for a dry run.
    #[serde(default)]
    pub pool: Option<NewPool>,
}

/// A server that belongs in another pool than it is in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PoolMove {
    /// Name of the server.
    pub node: String,
    /// The pool in which it was. Absent: none.
    pub from: Option<String>,
    /// The resource class that it had.
    pub from_class: String,
    /// The pool in which it belongs. Absent: none.
    pub to: Option<String>,
    /// The resource class that it gets there.
    pub to_class: String,
    /// Why it stays where it is for now, as a sentence. Absent: it is moved, or would be.
    pub held: Option<String>,
}
