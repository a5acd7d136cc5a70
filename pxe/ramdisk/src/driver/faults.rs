//! Decisions: what of a server's hardware stays unused, and why, in words with the numbers by which a driver is looked for.

use std::collections::BTreeMap;

use protocol::hardware::PERHAPS_UNUSED;

/// Most sentences that one server is told of.
pub const FAULTS_MAX: usize = 64;
/// Longest sentence, in characters.
pub const FAULT_CHARS_MAX: usize = 240;

/// What the kernel shows of one PCI function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PciDevice {
    /// Its place, such as `0000:03:00.0`.
    pub address: String,
    /// Class, subclass and interface as sysfs writes them, such as `0x020000`.
    pub class: String,
    /// Vendor, four digits.
    pub vendor: String,
    /// Device, four digits.
    pub device: String,
    /// Driver's name; empty: nothing drives it.
    pub driver: String,
    /// Whether a network interface sits on it, or below.
    pub has_interface: bool,
    /// Whether a disk sits on it, or below.
    pub has_disk: bool,
    /// Whether there is a driver that is not loaded yet or has refused it: modules by name.
    pub modules: Vec<String>,
}

impl PciDevice {
    fn is_network(&self) -> bool {
        self.class.starts_with("0x02")
    }

    fn is_storage(&self) -> bool {
        self.class.starts_with("0x01")
    }

    /// Numbers and place, as a person looks for them.
    fn place(&self) -> String {
        format!("{}:{} ({})", self.vendor, self.device, self.address)
    }

    /// SATA and IDE: every board has such a controller, and many use it for nothing.
    fn is_often_empty(&self) -> bool {
        ["0x0101", "0x0106"].iter().any(|class| self.class.starts_with(class))
    }

    /// Why it is of no use; none: it is, or is nothing that a server boots or stores by, or need not be in a server that has a disk.
    pub fn fault(&self, has_a_disk: bool) -> Option<String> {
        let what = match (self.is_network(), self.is_storage()) {
            (true, _) => "NIC",
            (_, true) => "storage",
            (false, false) => return None,
        };
        let place = self.place();
        let is_missed = !(self.is_often_empty() && has_a_disk);
        if self.driver.is_empty() && self.modules.is_empty() && !is_missed {
            return Some(format!(
                "{PERHAPS_UNUSED}{place}, a disk controller without a driver; most boards have one with nothing behind it"
            ));
        }
        if self.driver.is_empty() {
            return Some(match self.modules.first() {
                Some(module) => format!("{what} driver {module} did not take {place}"),
                None => format!("no {what} driver for {place}"),
            });
        }
        if self.is_network() && !self.has_interface {
            return Some(format!("no interface of {place}, driver {}", self.driver));
        }
        (self.is_storage() && !self.has_disk && is_missed)
            .then(|| format!("no disk behind {place}, driver {}", self.driver))
    }
}

/// Everything that keeps a part of the server from being used: devices first, then the modules that failed, each with what it said.
pub fn faults(devices: &[PciDevice], failed: &BTreeMap<String, String>) -> Vec<String> {
    let has_a_disk = devices.iter().any(|device| device.has_disk);
    let devices = devices.iter().filter_map(|device| device.fault(has_a_disk));
    let modules = failed.iter().map(|(module, said)| format!("module {module}: {said}"));
    let cut = |text: String| text.chars().filter(|c| !c.is_control()).take(FAULT_CHARS_MAX).collect();
    devices.chain(modules).map(cut).take(FAULTS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(class: &str, vendor: &str, number: &str, driver: &str) -> PciDevice {
        let [class, vendor, device, driver] = [class, vendor, number, driver].map(str::to_owned);
        PciDevice { address: "0000:03:00.0".into(), class, vendor, device, driver, ..PciDevice::default() }
    }

    #[test]
    fn what_is_not_used_is_named_by_its_numbers() {
        let check = |device: PciDevice, expected: Option<&str>| {
            assert_eq!(device.fault(true).as_deref(), expected, "{device:?}");
        };
        let x710 = device("0x020000", "8086", "1572", "");
        check(x710.clone(), Some("no NIC driver for 8086:1572 (0000:03:00.0)"));
        let refused = PciDevice { modules: vec!["i40e".into()], ..x710.clone() };
        check(refused, Some("NIC driver i40e did not take 8086:1572 (0000:03:00.0)"));
        let driven = PciDevice { driver: "i40e".into(), ..x710 };
        check(driven.clone(), Some("no interface of 8086:1572 (0000:03:00.0), driver i40e"));
        check(PciDevice { has_interface: true, ..driven }, None);
        let sas = device("0x010700", "1000", "0097", "");
        check(sas.clone(), Some("no storage driver for 1000:0097 (0000:03:00.0)"));
        let driven = PciDevice { driver: "mpt3sas".into(), ..sas };
        check(driven.clone(), Some("no disk behind 1000:0097 (0000:03:00.0), driver mpt3sas"));
        check(PciDevice { has_disk: true, ..driven }, None);
        check(device("0x030000", "1234", "1111", ""), None);
        let bare = device("0x010601", "8086", "2922", "");
        let told = bare.fault(true).unwrap();
        assert!(told.starts_with("perhaps unused: 8086:2922 (0000:03:00.0), a disk controller"), "{told}");
        assert_eq!(bare.fault(false).as_deref(), Some("no storage driver for 8086:2922 (0000:03:00.0)"));
        let refused = PciDevice { modules: vec!["ahci".into()], ..bare };
        assert_eq!(
            refused.fault(true).as_deref(),
            Some("storage driver ahci did not take 8086:2922 (0000:03:00.0)")
        );
        let ahci = device("0x010601", "8086", "2922", "ahci");
        check(ahci.clone(), None);
        assert_eq!(
            ahci.fault(false).as_deref(),
            Some("no disk behind 8086:2922 (0000:03:00.0), driver ahci")
        );
    }

    #[test]
    fn words_of_the_kernel_are_bounded() {
        let long = "x\u{1b}".repeat(1000);
        let failed = (0..100).map(|number| (format!("m{number}"), long.clone())).collect();
        let told = faults(&[device("0x020000", "8086", "1572", "")], &failed);
        assert_eq!(told.len(), FAULTS_MAX);
        assert!(told[0].starts_with("no NIC driver") && told[1].starts_with("module m0: xx"), "{told:?}");
        assert!(told.iter().all(|text| text.chars().count() <= FAULT_CHARS_MAX && !text.contains('\u{1b}')));
    }
}
