//! Edges: which disks there are, and waiting for them.

use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use protocol::hardware;

use super::{
    Disk, SECTOR,
    kind::{Kind, Shown, kind},
    known, mark, paths, place,
    settle::{EXPECTED_MAX, Look, Settling, missing},
    transport::transport,
};
use crate::{driver::seek, identify::Asked, say, system::read_line};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Bytes before the serial number in SCSI's page 0x80 (SPC-4, 7.8.18).
const SERIAL_PAGE_HEAD: usize = 4;

/// All disks of the server, by name, with what each has said of itself since it appeared; one that is reached over several paths once.
pub fn all() -> Vec<Disk> {
    known::with_answers(grouped())
}

/// The same, each asked once more: whether it is locked or failing may have changed.
pub fn all_asked_again() -> Vec<Disk> {
    known::forget();
    all()
}

fn grouped() -> Vec<Disk> {
    let described = devices().into_iter().map(|disk| {
        let described = disk.describe();
        (disk, described)
    });
    let groups = paths::group(described.collect()).into_iter();
    let first = |group: Vec<(Disk, hardware::Disk)>| {
        let paths = u32::try_from(group.len()).unwrap_or(u32::MAX);
        group.into_iter().next().map(|(disk, _)| Disk { paths, ..disk })
    };
    groups.filter_map(first).collect()
}

/// The block devices that are disks.
fn devices() -> Vec<Disk> {
    let shown: Vec<_> = names("/sys/block").into_iter().map(show).collect();
    let disks = shown.iter().filter(|device| kind(device, &shown) == Kind::Disk);
    let disk = |device: &Shown| Disk {
        read_only: flag(&device.name, "ro"),
        name: device.name.clone(),
        size_bytes: device.sectors.saturating_mul(SECTOR),
        removable: device.removable,
        paths: 1,
        asked: Asked::default(),
    };
    disks.map(disk).collect()
}

/// Waits until the kernel has found the disks that it finds by itself, for a bounded time.
pub fn settled() {
    let (start, mut settling) = (Instant::now(), Settling::default());
    while !settling.is_over(start.elapsed(), look()) {
        thread::sleep(LOOK_EVERY);
    }
}

/// Waits until these disks are there too, for a bounded time; says which are not.
pub fn wait_for(expected: &[hardware::Disk]) {
    settled();
    let start = Instant::now();
    let mut told = false;
    loop {
        let there: Vec<_> = all().iter().map(Disk::describe).collect();
        let missing: Vec<_> = missing(expected, &there).iter().map(ToString::to_string).collect();
        if missing.is_empty() {
            return;
        }
        let missing = missing.join(", ");
        if start.elapsed() >= EXPECTED_MAX {
            return say!("going on without disks that did not appear: {missing}");
        }
        if !told {
            say!("waiting up to {} s for disks: {missing}", EXPECTED_MAX.as_secs());
        }
        told = true;
        thread::sleep(LOOK_EVERY);
    }
}

fn names(directory: &str) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

fn flag(name: &str, file: &str) -> bool {
    read_line(Path::new("/sys/block").join(name).join(file)) == "1"
}

fn show(name: String) -> Shown {
    let directory = Path::new("/sys/block").join(&name);
    let place = fs::canonicalize(&directory).unwrap_or_default();
    Shown {
        sectors: read_line(directory.join("size")).parse().unwrap_or(0),
        removable: flag(&name, "removable"),
        hidden: flag(&name, "hidden"),
        is_virtual: place.starts_with("/sys/devices/virtual/block"),
        name,
    }
}

fn look() -> Look {
    let nvme_state = |name: &String| read_line(Path::new("/sys/class/nvme").join(name).join("state"));
    let starting = ["new", "resetting", "connecting"];
    Look {
        names: devices().into_iter().map(|disk| disk.name).collect(),
        drivers_starting: seek::idle_for().is_none(),
        nvme_starting: names("/sys/class/nvme").iter().any(|name| starting.contains(&&*nvme_state(name))),
        scsi: !names("/sys/class/scsi_host").is_empty(),
    }
}

impl Disk {
    /// What tells it from others and what is the matter with it, as the kernel knows it and as it has said itself.
    pub fn describe(&self) -> hardware::Disk {
        self.asked.add_to(self.shown())
    }

    /// What it is connected by.
    pub fn transport(&self) -> &'static str {
        transport(&self.name, &self.place())
    }

    /// What the kernel knows of it.
    fn shown(&self) -> hardware::Disk {
        let line = |file: &str| read_line(self.sysfs().join(file));
        let first =
            |texts: &[String]| texts.iter().find(|text| !text.is_empty()).cloned().unwrap_or_default();
        let place = self.place();
        let transport = transport(&self.name, &place);
        let (vendor, model) = (line("device/vendor"), first(&[line("device/model"), line("device/name")]));
        hardware::Disk {
            name: self.path(),
            size_bytes: self.size_bytes,
            rotational: line("queue/rotational") == "1",
            serial: self.serial(&first(&[
                line("device/serial"),
                line("serial"),
                self.scsi_serial(),
                self.usb_serial(),
            ])),
            wwn: first(&[line("device/wwid"), line("wwid")]),
            removable: self.removable,
            read_only: self.read_only,
            hctl: place::hctl(&place).to_owned(),
            by_path: place::by_path(&place, &line("device/sas_address")),
            sector_bytes: u32::try_from(self.sector_bytes()).unwrap_or(0),
            physical_sector_bytes: line("queue/physical_block_size").parse().unwrap_or(0),
            paths: self.paths,
            marks: mark::by_name(&self.name, &vendor, &model, transport),
            // On PCI it is the number of a company, and in front of a SATA disk the word for its bus.
            vendor: if vendor.starts_with("0x") { String::new() } else { vendor },
            model,
            transport: transport.to_owned(),
            ..hardware::Disk::default()
        }
    }

    /// Its directory among the devices. That of an NVMe disk with several controllers is the one over which it is reached first.
    fn place(&self) -> String {
        let place = fs::canonicalize(self.sysfs()).unwrap_or_default();
        let head = self.name.rsplit_once('n').filter(|_| self.name.starts_with("nvme"));
        let path = head.and_then(|(subsystem, name_space)| {
            let is_path = |name: &&String| {
                name.strip_prefix(subsystem)
                    .is_some_and(|rest| rest.starts_with('c') && rest.ends_with(&format!("n{name_space}")))
            };
            names("/sys/block").iter().find(is_path).cloned()
        });
        let path = path.map(|path| fs::canonicalize(Path::new("/sys/block").join(path)).unwrap_or_default());
        // The path's last part is named as the path; the disk's own name says which name space it is.
        let place = path.map_or(place, |path| path.with_file_name(&self.name));
        place.to_string_lossy().into_owned()
    }

    /// What the USB device around it calls itself: sticks and enclosures answer no question about the disk inside.
    fn usb_serial(&self) -> String {
        let place = fs::canonicalize(self.sysfs()).unwrap_or_default();
        let device = place.ancestors().find(|at| at.join("idVendor").exists());
        device.map(|device| read_line(device.join("serial"))).unwrap_or_default()
    }

    /// The parts of an eMMC share the serial number of the whole, and each of them is erased for itself.
    fn serial(&self, of_the_device: &str) -> String {
        let part = self
            .name
            .strip_prefix("mmcblk")
            .map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
        match part {
            Some(part) if !part.is_empty() && !of_the_device.is_empty() => format!("{of_the_device}-{part}"),
            Some(_) | None => of_the_device.to_owned(),
        }
    }

    fn scsi_serial(&self) -> String {
        let page = fs::read(self.sysfs().join("device/vpd_pg80")).unwrap_or_default();
        let text = page.get(SERIAL_PAGE_HEAD..).unwrap_or_default();
        text.iter().filter(|byte| byte.is_ascii_graphic()).map(|byte| char::from(*byte)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_an_emmc_are_told_apart() {
        let check = |name: &str, serial: &str, expected: &str| {
            let disk = Disk { name: name.into(), ..Disk::default() };
            assert_eq!(disk.serial(serial), expected, "{name}");
        };
        check("mmcblk0", "0x1f", "0x1f");
        check("mmcblk0boot1", "0x1f", "0x1f-boot1");
        check("mmcblk12gp0", "0x1f", "0x1f-gp0");
        check("mmcblk0boot1", "", "");
        check("sda", "Z1", "Z1");
    }
}
