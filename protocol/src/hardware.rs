//! Values: the hardware that the ramdisk finds in a server, and what a BMC says it is.

use serde::{Deserialize, Serialize};

use crate::{boot::BootMode, mac::MacAddr};

/// How a sentence in [`HardwareReport::faults`] begins that is about something which most servers have for nothing.
pub const PERHAPS_UNUSED: &str = "perhaps unused: ";

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
    /// Version of the ramdisk that looked; empty: one that does not say.
    #[serde(default)]
    pub ramdisk_version: String,
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
    /// Vendor as SCSI has it; empty where the disk names none beside its model.
    #[serde(default)]
    pub vendor: String,
    /// Bytes of a sector, in which its partition table counts (`queue/logical_block_size`); 0: reported by a ramdisk that does not say.
    #[serde(default)]
    pub sector_bytes: u32,
    /// Bytes of a sector inside the disk (`queue/physical_block_size`); 0 as above.
    #[serde(default)]
    pub physical_sector_bytes: u32,
    /// SCSI address, host:channel:target:lun; empty for disks of other kinds.
    #[serde(default)]
    pub hctl: String,
    /// Its place as udev's `/dev/disk/by-path` names it, without the directory; empty when unknown.
    #[serde(default)]
    pub by_path: String,
    /// How many block devices lead to it, more than one by multipath; 0: not said.
    #[serde(default)]
    pub paths: u32,
    /// What it is beside a disk, or what is the matter with it.
    #[serde(default)]
    pub marks: Vec<DiskMark>,
    /// Firmware revision; empty: the disk was not asked, or did not say. This and the following are the disk's own answers.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub firmware: String,
    /// Whether it expects to fail (SMART).
    #[serde(default, skip_serializing_if = "is_unsaid")]
    pub health: DiskHealth,
    /// How much of its life is used, in percent; it may be above 100 (NVMe percentage used). None: not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_percent: Option<u8>,
    /// What bears on its use, each for a person: why it is `locked` or `failing`, and what an erase of it will meet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub says: Vec<String>,
}

fn is_unsaid(health: &DiskHealth) -> bool {
    *health == DiskHealth::Unsaid
}

/// What a disk answers when it is asked whether it expects to fail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiskHealth {
    /// It was not asked, or does not answer.
    #[default]
    Unsaid,
    /// It does not.
    Good,
    /// It does.
    Failing,
}

impl DiskHealth {
    /// Its word; empty: unsaid.
    pub fn as_str(self) -> &'static str {
        match self {
            DiskHealth::Unsaid => "",
            DiskHealth::Good => "good",
            DiskHealth::Failing => "failing",
        }
    }
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
            // A kernel cuts an ATA model off after 16 bytes; the disk itself says all of it.
            let (one, two) = (&self.model, &other.model);
            return self.serial == other.serial
                && (one.starts_with(two.as_str()) || two.starts_with(one.as_str()));
        }
        let unnamed = !self.has_identity() && !other.has_identity();
        unnamed && self.model == other.model && self.size_bytes == other.size_bytes
    }

    /// Whether an image may be written to it without anybody having named it: it stays where it is, takes writes, was made to hold a
    /// system, and does not say that it is about to fail.
    pub fn takes_image(&self) -> bool {
        let is_unfit = |mark: &DiskMark| match mark {
            DiskMark::EmmcBoot | DiskMark::BmcVirtual | DiskMark::Locked | DiskMark::Failing => true,
            DiskMark::Member(_) | DiskMark::Other(_) => false,
        };
        !self.removable && !self.read_only && self.size_bytes > 0 && !self.marks.iter().any(is_unfit)
    }

    /// What it is and what is the matter with it, in words: its marks, and what it says of itself, which gives a mark its reason.
    pub fn conditions(&self) -> Vec<String> {
        let has_reason = |mark: &&DiskMark| {
            let begins = format!("{mark}: ");
            self.says.iter().any(|words| words.starts_with(&begins))
        };
        let marks = self.marks.iter().filter(|mark| !has_reason(mark)).map(ToString::to_string);
        marks.chain(self.says.iter().cloned()).collect()
    }

    /// Why it is locked, for a sentence; none: it is not, as far as is known.
    pub fn locked(&self) -> Option<&str> {
        let reason = || self.says.iter().find_map(|words| words.strip_prefix("locked: "));
        self.marks
            .contains(&DiskMark::Locked)
            .then(|| reason().unwrap_or("it gives nothing without a password"))
    }

    /// The same with where it is plugged in, by which it is found in its chassis.
    pub fn identity_and_place(&self) -> String {
        let at = if self.place().is_empty() { "" } else { ", at " };
        format!("{}{at}{}", self.identity(), self.place())
    }

    /// Where it is plugged in: its SCSI address, or else its path; empty when unknown.
    pub fn place(&self) -> &str {
        if self.by_path.is_empty() { &self.hctl } else { &self.by_path }
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

/// Its device node, what tells it from others, and where it is plugged in, for a sentence.
impl std::fmt::Display for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.name, self.identity_and_place())
    }
}

/// What a disk is beside a disk, or what is the matter with it; each is shown as its words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum DiskMark {
    /// A boot partition of an eMMC, for the firmware.
    EmmcBoot,
    /// A medium that the BMC pretends.
    BmcVirtual,
    /// It gives nothing without a password (ATA security, TCG).
    Locked,
    /// It says itself that it is about to fail (SMART).
    Failing,
    /// It, or a partition of it, is part of this.
    Member(Whole),
    /// In the words of a newer ramdisk.
    Other(String),
}

/// What disks are made part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whole {
    /// Linux's software RAID.
    Md,
    /// LVM.
    Lvm,
    /// A volume of the device mapper, seen in use.
    DeviceMapper,
    /// bcache.
    Bcache,
    /// ZFS.
    Zfs,
    /// Ceph (BlueStore).
    Ceph,
    /// The RAID of a firmware (Intel, DDF).
    FirmwareRaid,
}

impl Whole {
    const ALL: [(Self, &str); 7] = [
        (Self::Md, "member of an md array"),
        (Self::Lvm, "member of an LVM volume group"),
        (Self::DeviceMapper, "member of a device-mapper volume"),
        (Self::Bcache, "member of a bcache set"),
        (Self::Zfs, "member of a ZFS pool"),
        (Self::Ceph, "a Ceph OSD"),
        (Self::FirmwareRaid, "member of a firmware RAID"),
    ];
}

impl DiskMark {
    const PLAIN: [(Self, &str); 4] = [
        (Self::EmmcBoot, "eMMC boot partition"),
        (Self::BmcVirtual, "virtual medium of the BMC"),
        (Self::Locked, "locked"),
        (Self::Failing, "failing"),
    ];

    /// Its words.
    pub fn as_str(&self) -> &str {
        match self {
            DiskMark::Member(whole) => {
                Whole::ALL.iter().find(|(one, _)| one == whole).map_or("", |(_, words)| words)
            }
            DiskMark::Other(words) => words,
            DiskMark::EmmcBoot | DiskMark::BmcVirtual | DiskMark::Locked | DiskMark::Failing => {
                Self::PLAIN.iter().find(|(one, _)| one == self).map_or("", |(_, words)| words)
            }
        }
    }
}

impl From<String> for DiskMark {
    fn from(words: String) -> Self {
        let plain = Self::PLAIN.into_iter().find(|(_, known)| *known == words).map(|(mark, _)| mark);
        let whole = || Whole::ALL.into_iter().find(|(_, known)| *known == words).map(|(whole, _)| whole);
        plain.or_else(|| whole().map(DiskMark::Member)).unwrap_or(DiskMark::Other(words))
    }
}

impl From<DiskMark> for String {
    fn from(mark: DiskMark) -> String {
        mark.as_str().to_owned()
    }
}

impl std::fmt::Display for DiskMark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
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
        check(disk("", "s", "SAMSUNG MZ7LH960", 1), disk("", "s", "SAMSUNG MZ7LH960HAJR-00005", 1), true);
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
        let placed = Disk { name: "/dev/sda".into(), hctl: "2:0:0:0".into(), ..disk("", "Z1", "", 4096) };
        check(placed.clone(), "/dev/sda (serial Z1, 4096 bytes, at 2:0:0:0)");
        let by_path = "pci-0000:00:1f.2-ata-1".into();
        check(Disk { by_path, ..placed }, "/dev/sda (serial Z1, 4096 bytes, at pci-0000:00:1f.2-ata-1)");
    }

    #[test]
    fn every_mark_survives_its_words_and_those_of_others_do_too() {
        let plain = DiskMark::PLAIN.into_iter().map(|(mark, _)| mark);
        let members = Whole::ALL.into_iter().map(|(whole, _)| DiskMark::Member(whole));
        for mark in plain.chain(members).chain([DiskMark::Other("on fire".into())]) {
            assert!(!mark.as_str().is_empty(), "{mark:?}");
            assert_eq!(DiskMark::from(mark.to_string()), mark);
        }
    }

    #[test]
    fn an_image_goes_to_nothing_that_was_not_made_for_it() {
        let check = |disk: Disk, expected: bool| assert_eq!(disk.takes_image(), expected, "{disk:?}");
        let fixed = || disk("", "s", "m", 8);
        check(fixed(), true);
        check(Disk { marks: vec![DiskMark::Member(Whole::Md)], ..fixed() }, true);
        check(Disk { marks: vec![DiskMark::EmmcBoot], ..fixed() }, false);
        check(Disk { marks: vec![DiskMark::BmcVirtual], ..fixed() }, false);
        check(Disk { removable: true, ..fixed() }, false);
        check(Disk { read_only: true, ..fixed() }, false);
        check(Disk { size_bytes: 0, ..fixed() }, false);
        check(Disk { marks: vec![DiskMark::Locked], ..fixed() }, false);
        check(Disk { marks: vec![DiskMark::Failing], ..fixed() }, false);
    }

    #[test]
    fn a_mark_is_told_once_with_its_reason() {
        let check = |says: &[&str], expected: &[&str]| {
            let says = says.iter().map(|words| (*words).to_owned()).collect();
            let marks = vec![DiskMark::Locked, DiskMark::Member(Whole::Md)];
            assert_eq!(Disk { marks, says, ..Disk::default() }.conditions(), expected);
        };
        check(&[], &["locked", "member of an md array"]);
        check(&["locked: by Opal", "frozen"], &["member of an md array", "locked: by Opal", "frozen"]);
    }
}
