//! Values: the hardware that the ramdisk finds in a server, and what a BMC says it is.

use serde::{Deserialize, Serialize};

use crate::{boot::BootMode, mac::MacAddr};

/// Everything the ramdisk found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HardwareReport {
    /// Vendor, product and serial number as the firmware states them (SMBIOS type 1).
    pub system: SystemIdentity,
    /// Firmware mode in which the ramdisk was booted.
    pub boot_mode: BootMode,
    /// Processors.
    pub cpu: Cpu,
    /// Memory that the kernel can use, in MiB.
    pub memory_mib: u64,
    /// Disks, without removable and read-only ones.
    pub disks: Vec<Disk>,
    /// Ethernet interfaces.
    pub nics: Vec<Nic>,
}

/// Who made it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemIdentity {
    /// Manufacturer; empty when the firmware does not say.
    pub manufacturer: String,
    /// Product name.
    pub product: String,
    /// Serial number.
    pub serial: String,
    /// Hardware UUID (SMBIOS type 1) as the kernel writes it; empty when the firmware has none.
    #[serde(default)]
    pub uuid: String,
}

/// All processors together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cpu {
    /// Logical processors.
    pub count: u32,
    /// Architecture as `uname -m` writes it, such as `x86_64`.
    pub architecture: String,
    /// Model name.
    pub model: String,
    /// Feature flags.
    pub flags: Vec<String>,
}

/// One disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// Device node, such as `/dev/vda`.
    pub name: String,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Whether it turns.
    pub rotational: bool,
    /// Model, serial number and world-wide name; empty when unknown.
    pub model: String,
    /// Serial number.
    pub serial: String,
    /// World-wide name.
    pub wwn: String,
}

/// One Ethernet interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nic {
    /// The kernel's name for it.
    pub name: String,
    /// Its address.
    pub mac: MacAddr,
    /// IPv4 address that the ramdisk got, empty when none.
    pub ipv4: String,
    /// Whether it has a link.
    pub carrier: bool,
    /// Speed in Mbit/s, 0 when unknown.
    pub speed_mbps: u32,
    /// Driver's name.
    pub driver: String,
    /// PCI identity, such as `0x1af4`, empty when not on PCI.
    pub vendor: String,
    /// PCI product.
    pub product: String,
    /// Whether the server was booted over it.
    pub booted: bool,
    /// The switch port at its other end, if one was heard.
    #[serde(default)]
    pub neighbour: Option<Neighbour>,
}

/// What a switch says of itself and of the port at which it is heard (LLDP, IEEE 802.1AB).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Neighbour {
    /// System name; empty when it does not say.
    pub switch: String,
    /// Chassis id, such as its MAC address.
    pub switch_id: String,
    /// The port by the name of its interface, such as `xe-0/0/0`.
    pub port: String,
    /// Port description; empty when it does not say.
    pub port_description: String,
}

/// What a BMC says of itself and its server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BmcIdentity {
    /// Manufacturer (IPMI Get Device ID, Redfish `Manufacturer`); may be empty.
    pub manufacturer: String,
    /// Product or model; may be empty.
    pub product: String,
    /// Firmware version of the BMC.
    pub firmware: String,
    /// System GUID or Redfish UUID; may be empty.
    pub guid: String,
    /// Redfish `SerialNumber`; may be empty, and is by IPMI.
    #[serde(default)]
    pub serial: String,
}
