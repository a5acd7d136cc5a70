//! Decisions: which parts a server needs for the NIC by which it boots, by the numbers that its boot loader tells.

use std::collections::BTreeMap;

use super::drivers::NICS;
use crate::driver::index::Index;

/// Modules that a NIC's kernel driver asks for by name, when it has found its device.
const ASKED_FOR: [(&str, &str); 1] = [("mlx4_core", "mlx4_en")];
/// A virtual NIC: its vendor and devices, the driver of its bus, and its own.
const VIRTIO: (&str, [&str; 2], [&str; 2]) = ("1af4", ["1000", "1041"], ["virtio_pci", "virtio_net"]);

/// Lines of `VENDOR:DEVICE PART...`, sorted, each part behind what it needs.
pub(super) fn table(index: &Index) -> String {
    let mut lines: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let mut add = |numbers: String, modules: &[&str]| {
        let parts = lines.entry(numbers).or_default();
        for part in modules.iter().flat_map(|module| index.order(module)) {
            if !parts.contains(&part) {
                parts.push(part);
            }
        }
    };
    for module in NICS {
        let further = ASKED_FOR.iter().filter(|(core, _)| *core == module).map(|(_, asked)| *asked);
        let modules: Vec<_> = [module].into_iter().chain(further).collect();
        index
            .aliases(module)
            .iter()
            .filter_map(|alias| numbers(alias))
            .for_each(|numbers| add(numbers, &modules));
    }
    let (vendor, devices, modules) = VIRTIO;
    devices.iter().for_each(|device| add(format!("{vendor}:{device}"), &modules));
    lines.retain(|_, parts| !parts.is_empty());
    lines.iter().map(|(numbers, parts)| format!("{numbers} {}\n", parts.join(" "))).collect()
}

/// Vendor and device of a pattern that names both (`pci:v00008086d000010D3sv*...`).
fn numbers(alias: &str) -> Option<String> {
    let rest = alias.strip_prefix("pci:v0000")?;
    let (vendor, rest) = rest.split_at_checked(4)?;
    let device = rest.strip_prefix("d0000")?.get(..4)?;
    let are_digits = vendor.bytes().chain(device.bytes()).all(|byte| byte.is_ascii_hexdigit());
    are_digits.then(|| format!("{vendor}:{device}").to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nics_numbers_lead_to_all_that_it_needs() {
        let index = Index::parse(
            "module e1000e\nneeds ptp\nalias pci:v00008086d000010D3sv*sd*bc*sc*i*\nalias pci:v00008086d*sv*sd*bc02sc00i*\n\
             module ptp\nmodule ahci\nalias pci:v00008086d00002922sv*sd*bc*sc*i*\n\
             module mlx4_core\nalias pci:v000015B3d00001003sv*sd*bc*sc*i*\nmodule mlx4_en\nneeds mlx4_core\n\
             module virtio_net\nmodule virtio_pci\n",
        );
        let expected = "15b3:1003 mlx4_core mlx4_en\n1af4:1000 virtio_pci virtio_net\n1af4:1041 virtio_pci virtio_net\n\
                        8086:10d3 ptp e1000e\n";
        assert_eq!(table(&index), expected);
    }
}
