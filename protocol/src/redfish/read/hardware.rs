//! Values: processors, memory, storage.

use serde::Serialize;

use super::Status;
use crate::redfish::node::Node;

/// A processor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Processor {
    /// Its socket or name.
    pub name: String,
    /// `CPU`, `GPU`, …
    pub kind: Option<String>,
    /// Maker.
    pub maker: Option<String>,
    /// Model.
    pub model: Option<String>,
    /// Cores.
    pub cores: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
    /// Highest clock rate, in MHz.
    pub mhz: Option<u64>,
    /// How it is.
    pub status: Status,
}

impl From<Node<'_>> for Processor {
    fn from(node: Node<'_>) -> Self {
        Self {
            name: name(node, &["Socket", "Name", "Id"]),
            kind: node.text("ProcessorType"),
            maker: node.text("Manufacturer"),
            model: node.text("Model"),
            cores: node.count("TotalCores"),
            threads: node.count("TotalThreads"),
            mhz: node.count("MaxSpeedMHz"),
            status: node.status(),
        }
    }
}

/// A memory module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MemoryModule {
    /// Its slot or name.
    pub name: String,
    /// `DDR5`, …
    pub kind: Option<String>,
    /// Size, in MiB.
    pub mib: Option<u64>,
    /// Clock rate, in MHz.
    pub mhz: Option<u64>,
    /// Maker.
    pub maker: Option<String>,
    /// Part number.
    pub part: Option<String>,
    /// Serial number.
    pub serial: Option<String>,
    /// How it is.
    pub status: Status,
}

impl From<Node<'_>> for MemoryModule {
    fn from(node: Node<'_>) -> Self {
        Self {
            name: name(node, &["DeviceLocator", "Name", "Id"]),
            kind: node.text("MemoryDeviceType"),
            mib: node.count("CapacityMiB"),
            mhz: node.count("OperatingSpeedMhz"),
            maker: node.text("Manufacturer"),
            part: node.text("PartNumber"),
            serial: node.text("SerialNumber"),
            status: node.status(),
        }
    }
}

/// What holds disks: a controller with what is behind it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Storage {
    /// Name.
    pub name: String,
    /// The controller's model; none: it has none, or says none.
    pub model: Option<String>,
    /// The controller's firmware.
    pub firmware: Option<String>,
    /// How it is.
    pub status: Status,
    /// Its disks.
    pub drives: Vec<Drive>,
    /// What is made of them.
    pub volumes: Vec<Volume>,
}

impl Storage {
    /// Without what is behind it. Disks of the older `SimpleStorage` stand in it.
    pub fn of(node: Node<'_>) -> Self {
        let inline = node.list("StorageControllers");
        let controller = inline.first();
        Self {
            name: name(node, &["Name", "Id"]),
            model: controller.and_then(|controller| controller.text("Model")),
            firmware: controller.and_then(|controller| controller.text("FirmwareVersion")),
            status: node.status(),
            drives: node.list("Devices").into_iter().map(Drive::from).collect(),
            volumes: Vec::new(),
        }
    }
}

/// A disk.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Drive {
    /// Name.
    pub name: String,
    /// Maker.
    pub maker: Option<String>,
    /// Model.
    pub model: Option<String>,
    /// Serial number.
    pub serial: Option<String>,
    /// Size, in bytes.
    pub bytes: Option<u64>,
    /// `SSD`, `HDD`, …
    pub media: Option<String>,
    /// `NVMe`, `SATA`, …
    pub protocol: Option<String>,
    /// Firmware.
    pub firmware: Option<String>,
    /// Whether it expects to fail.
    pub fails_soon: Option<bool>,
    /// What is left of its life, in percent.
    pub life_left: Option<f64>,
    /// How it is.
    pub status: Status,
}

impl From<Node<'_>> for Drive {
    fn from(node: Node<'_>) -> Self {
        Self {
            name: name(node, &["Name", "Id"]),
            maker: node.text("Manufacturer"),
            model: node.text("Model"),
            serial: node.text("SerialNumber"),
            bytes: node.count("CapacityBytes"),
            media: node.text("MediaType"),
            protocol: node.text("Protocol"),
            firmware: node.text("Revision").or(node.text("FirmwareVersion")),
            fails_soon: node.flag("FailurePredicted"),
            life_left: node.number("PredictedMediaLifeLeftPercent"),
            status: node.status(),
        }
    }
}

/// What an operating system sees as one disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Volume {
    /// Name.
    pub name: String,
    /// `RAID1`, `Mirrored`, …
    pub raid: Option<String>,
    /// Size, in bytes.
    pub bytes: Option<u64>,
    /// How it is.
    pub status: Status,
}

impl From<Node<'_>> for Volume {
    fn from(node: Node<'_>) -> Self {
        Self {
            name: name(node, &["DisplayName", "Name", "Id"]),
            raid: node.text("RAIDType").or(node.text("VolumeType")),
            bytes: node.count("CapacityBytes"),
            status: node.status(),
        }
    }
}

/// The first of these properties that says something.
pub(super) fn name(node: Node<'_>, names: &[&str]) -> String {
    names.iter().find_map(|name| node.text(name)).unwrap_or_else(|| "without a name".to_owned())
}
