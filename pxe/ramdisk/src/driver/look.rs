//! Edges: the PCI devices that the kernel shows, with what has become of each.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{faults::PciDevice, index::Index};
use crate::system::read_line;

const PCI: &str = "/sys/bus/pci/devices";

/// All PCI devices, by place.
pub fn pci_devices(index: &Index) -> Vec<PciDevice> {
    let (interfaces, disks) = (devices_of("/sys/class/net"), devices_of("/sys/class/block"));
    let mut found: Vec<_> =
        children(PCI).into_iter().filter_map(|path| describe(&path, &interfaces, &disks, index)).collect();
    found.sort_by(|one, other| one.address.cmp(&other.address));
    found
}

fn describe(link: &Path, interfaces: &[PathBuf], disks: &[PathBuf], index: &Index) -> Option<PciDevice> {
    let path = fs::canonicalize(link).ok()?;
    let number = |name: &str| read_line(path.join(name)).trim_start_matches("0x").to_owned();
    let driver = fs::read_link(path.join("driver")).unwrap_or_default();
    let name_of = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let below = |places: &[PathBuf]| places.iter().any(|place| place.starts_with(&path));
    let modules = index.meant(&read_line(path.join("modalias")));
    Some(PciDevice {
        address: name_of(&path),
        class: read_line(path.join("class")),
        vendor: number("vendor"),
        device: number("device"),
        driver: name_of(&driver),
        has_interface: below(interfaces),
        has_disk: below(disks),
        modules: modules.into_iter().map(str::to_owned).collect(),
    })
}

/// Where the devices of a class sit.
fn devices_of(class: &str) -> Vec<PathBuf> {
    children(class).iter().filter_map(|path| fs::canonicalize(path).ok()).collect()
}

fn children(directory: &str) -> Vec<PathBuf> {
    fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}
