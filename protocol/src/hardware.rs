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
    /// Every disk, removable and read-only ones too, but for removable drives without a medium.
    pub disks: Vec<Disk>,
    /// Ethernet interfaces.
    pub nics: Vec<Nic>,
    /// What of the hardware stays unused, and why, in words: `no NIC driver for 8086:1572 (0000:03:00.0)`.
    #[serde(default)]
    pub faults: Vec<String>,
    /// The kernel's modules that were loaded for it.
    #[serde(default)]
    pub modules: Vec<String>,
    /// Whether the firmware let nothing start that is not signed.
    #[serde(default)]
    pub secure_boot: bool,
}

impl HardwareReport {
    /// The disks that an image may be written to: what a server is said to have, whatever stick or card is plugged in.
    pub fn image_disks(&self) -> impl Iterator<Item = &Disk> {
        self.disks.iter().filter(|disk| disk.takes_image())
    }
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
    /// Device node, such as `/dev/vda`. It may be another one at the next boot.
    pub name: String,
    /// Size in bytes; 0 when the disk does not say.
    pub size_bytes: u64,
    /// Whether it turns.
    pub rotational: bool,
    /// Model, serial number and world-wide name; empty when unknown.
    pub model: String,
    /// Serial number.
    pub serial: String,
    /// World-wide name.
    pub wwn: String,
    /// Whether the kernel takes it, or its medium, for one that can be pulled out (USB sticks, cards).
    #[serde(default)]
    pub removable: bool,
    /// Whether it takes no writes.
    #[serde(default)]
    pub read_only: bool,
    /// What it is connected by: `nvme`, `sata`, `sas`, `scsi`, `usb`, `mmc`, `virtio`; empty when unknown.
    #[serde(default)]
    pub transport: String,
}

impl Disk {
    /// Whether it can be told from every other disk, wherever it is plugged in.
    pub fn has_identity(&self) -> bool {
        !self.wwn.is_empty() || !self.serial.is_empty()
    }

    /// Whether two reports may speak of the same disk: by the world-wide name where both have one, else by serial number and
    /// model. Disks that have neither are alike when model and size are: how many there are of them is then all one can know.
    pub fn is_like(&self, other: &Self) -> bool {
        let both = |one: &str, two: &str| !one.is_empty() && !two.is_empty();
        if both(&self.wwn, &other.wwn) {
            return self.wwn == other.wwn;
        }
        if both(&self.serial, &other.serial) {
            return self.serial == other.serial
                && (self.model == other.model || !both(&self.model, &other.model));
        }
        let unnamed = !self.has_identity() && !other.has_identity();
        unnamed && self.model == other.model && self.size_bytes == other.size_bytes
    }

    /// Whether an image may be written to it: it stays where it is, and takes writes.
    pub fn takes_image(&self) -> bool {
        !self.removable && !self.read_only && self.size_bytes > 0
    }

    /// What tells it from others, in words: world-wide name, serial number, model, size.
    pub fn identity(&self) -> String {
        let named = [("WWN", &self.wwn), ("serial", &self.serial), ("model", &self.model)];
        let named = named.into_iter().filter(|(_, text)| !text.is_empty());
        let mut words: Vec<_> = named.map(|(what, text)| format!("{what} {text}")).collect();
        words.push(size_in_words(self.size_bytes));
        words.join(", ")
    }
}

/// Its device node and what tells it from others, for a sentence.
impl std::fmt::Display for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.name, self.identity())
    }
}

/// A disk's size as its label has it, in powers of ten.
fn size_in_words(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB")];
    match UNITS.into_iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, word)) => format!("{}.{} {word}", bytes / unit, bytes % unit / (unit / 10)),
        None => format!("{bytes} bytes"),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(wwn: &str, serial: &str, model: &str, size_bytes: u64) -> Disk {
        let (wwn, serial, model) = (wwn.into(), serial.into(), model.into());
        Disk { wwn, serial, model, size_bytes, ..Disk::default() }
    }

    #[test]
    fn a_disk_is_recognised_by_the_best_name_that_both_reports_have() {
        let check = |one: Disk, two: Disk, expected: bool| {
            assert_eq!((one.is_like(&two), two.is_like(&one)), (expected, expected), "{one} {two}");
        };
        check(disk("w1", "s", "m", 1), disk("w1", "", "", 2), true);
        // Two name spaces of one NVMe drive.
        check(disk("w1", "s", "m", 1), disk("w2", "s", "m", 1), false);
        check(disk("w1", "s", "m", 1), disk("", "s", "m", 1), true);
        check(disk("", "s", "m", 1), disk("", "s", "", 1), true);
        check(disk("", "s", "m", 1), disk("", "s", "n", 1), false);
        check(disk("", "", "m", 1), disk("", "", "m", 1), true);
        check(disk("", "", "m", 1), disk("", "", "m", 2), false);
        // What has a name is not what has none, however big.
        check(disk("", "s", "m", 1), disk("", "", "m", 1), false);
    }

    #[test]
    fn a_disk_is_described_by_what_is_printed_on_it() {
        let check = |disk: Disk, expected: &str| assert_eq!(disk.to_string(), expected);
        let sda = Disk { name: "/dev/sda".into(), ..disk("naa.5", "Z1", "ST4", 480_103_981_056) };
        check(sda, "/dev/sda (WWN naa.5, serial Z1, model ST4, 480.1 GB)");
        check(Disk { name: "/dev/vda".into(), ..disk("", "", "", 4096) }, "/dev/vda (4096 bytes)");
    }
}
