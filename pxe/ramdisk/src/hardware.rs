//! Edges: the hardware as the kernel describes it in /proc and /sys.

use std::{collections::HashMap, fs, net::Ipv4Addr, path::Path};

use protocol::{
    hardware::{Cpu, HardwareReport, Neighbour, Nic, SystemIdentity},
    mac::MacAddr,
};

use crate::{
    disk,
    driver::seek,
    efi, network,
    network::Interface,
    system::{read, read_line},
};

/// Looks at everything. `booted` is the interface we were booted over and its address; `heard` what switches said.
pub fn report(booted: (MacAddr, Ipv4Addr), heard: &HashMap<MacAddr, Neighbour>) -> HardwareReport {
    let dmi = |name: &str| read_line(Path::new("/sys/class/dmi/id").join(name));
    HardwareReport {
        system: SystemIdentity {
            manufacturer: dmi("sys_vendor"),
            product: dmi("product_name"),
            serial: dmi("product_serial"),
            uuid: dmi("product_uuid").to_ascii_lowercase(),
        },
        boot_mode: efi::boot_mode(),
        cpu: cpu(&read("/proc/cpuinfo").unwrap_or_default()),
        memory_mib: memory_mib(&read("/proc/meminfo").unwrap_or_default()),
        disks: disk::examined(),
        nics: network::interfaces()
            .iter()
            .map(|interface| Nic {
                neighbour: heard.get(&interface.mac).cloned(),
                ..describe_nic(interface, booted)
            })
            .collect(),
        faults: seek::faults(),
        modules: modules(&read("/proc/modules").unwrap_or_default()),
        secure_boot: efi::is_secure_boot(),
        ramdisk_version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// Their names, sorted.
fn modules(loaded: &str) -> Vec<String> {
    let mut names: Vec<_> =
        loaded.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect();
    names.sort();
    names
}

fn cpu(cpuinfo: &str) -> Cpu {
    let value = |key: &str| {
        let line = cpuinfo.lines().find(|line| line.starts_with(key))?;
        Some(line.split_once(':')?.1.trim())
    };
    Cpu {
        count: cpuinfo.lines().filter(|line| line.starts_with("processor")).count() as u32,
        architecture: std::env::consts::ARCH.to_owned(),
        model: value("model name").unwrap_or_default().to_owned(),
        flags: value("flags").unwrap_or_default().split_whitespace().map(str::to_owned).collect(),
    }
}

fn memory_mib(meminfo: &str) -> u64 {
    let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib: Option<u64> = total.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    kib.unwrap_or(0) / 1024
}

fn describe_nic(interface: &Interface, booted: (MacAddr, Ipv4Addr)) -> Nic {
    let base = |path: &Path| {
        let target = fs::read_link(path).unwrap_or_default();
        target.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    };
    let (vendor, product) = pci_identity(&interface.file("device"));
    let is_booted = interface.mac == booted.0;
    Nic {
        name: interface.name.clone(),
        mac: interface.mac,
        ipv4: if is_booted { booted.1.to_string() } else { String::new() },
        carrier: interface.carrier(),
        speed_mbps: read_line(interface.file("speed")).parse().unwrap_or(0),
        driver: base(&interface.file("device/driver")),
        vendor,
        product,
        booted: is_booted,
        neighbour: None,
    }
}

/// Vendor and device of the PCI function that the device is, or that its bus (such as virtio) sits on.
fn pci_identity(device: &Path) -> (String, String) {
    let path = fs::canonicalize(device).unwrap_or_default();
    path.ancestors()
        .find(|at| fs::read_link(at.join("subsystem")).is_ok_and(|bus| bus.ends_with("pci")))
        .map(|at| (read_line(at.join("vendor")), read_line(at.join("device"))))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_writes() {
        let found = cpu("processor\t: 0\nmodel name\t: Some CPU\nflags\t\t: fpu vme\n\nprocessor\t: 1\n");
        assert_eq!((found.count, found.model.as_str(), found.flags.len()), (2, "Some CPU", 2));
        assert_eq!(memory_mib("MemTotal:         487652 kB\nMemFree: 1 kB\n"), 476);
        assert_eq!(memory_mib(""), 0);
        assert_eq!(modules("nvme 1 2 - Live\nahci 3 0 - Live\n"), ["ahci", "nvme"]);
    }
}
