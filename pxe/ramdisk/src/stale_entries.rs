//! Edges: boot entries of UEFI firmware that lead to a file on a partition (UEFI specification 2.10, sections 3.1.3 and 10.3.5): with the
//! disks erased they lead nowhere, and are what is left of whoever had the server. What leads to the network, into the firmware itself
//! or to a disk as a whole is the firmware's, and stays.

use std::{fs, io};

use protocol::{boot::BootMode, hex};

use crate::efi::{self, EFIVARS, GLOBAL, read_variable, write_variable};

/// Bytes of a load option before its description: attributes and the length of its path.
const HEAD_BYTES: usize = 6;
/// Bytes of a path's node before its data: type, subtype and length.
const NODE_HEAD_BYTES: usize = 4;
/// Type and subtype of a partition, and of a file on it.
const PARTITION: [u8; 2] = [4, 1];
const FILE: [u8; 2] = [4, 4];

/// Removes them, and gives the names of those that are gone; nothing to do for BIOS.
pub fn remove() -> io::Result<Vec<String>> {
    match efi::boot_mode() {
        BootMode::Bios => return Ok(Vec::new()),
        BootMode::Uefi => efi::mount_variables()?,
    }
    let (mut numbers, mut names) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(EFIVARS)? {
        let entry = entry?;
        let Some(number) = number_of(&entry.file_name().to_string_lossy()) else { continue };
        let option = read_variable(&format!("Boot{number:04X}"))?;
        if leads_to_a_partition(&option) {
            fs::remove_file(entry.path())?;
            numbers.push(number);
            names.push(format!("Boot{number:04X} {}", description(&option)));
        }
    }
    if !numbers.is_empty() {
        let order = read_variable("BootOrder").unwrap_or_default();
        write_variable("BootOrder", &without(&numbers, &order))?;
    }
    Ok(names)
}

/// The number of an entry's variable.
fn number_of(name: &str) -> Option<u16> {
    let number = name.strip_prefix("Boot")?.strip_suffix(GLOBAL)?.strip_suffix('-')?;
    hex::decode_array(number).map(u16::from_be_bytes)
}

fn without(numbers: &[u16], order: &[u8]) -> Vec<u8> {
    let all = order.chunks_exact(2).map(|pair| [pair[0], pair[1]]);
    all.filter(|pair| !numbers.contains(&u16::from_le_bytes(*pair))).flatten().collect()
}

/// The units of its description, and what stands behind it; none: it has no end.
fn halves(option: &[u8]) -> Option<(Vec<u16>, &[u8])> {
    let text = option.get(HEAD_BYTES..)?;
    let units = text.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    let units: Vec<_> = units.take_while(|unit| *unit != 0).collect();
    let behind = text.get((units.len() + 1) * 2..)?;
    Some((units, behind))
}

fn description(option: &[u8]) -> String {
    halves(option).map(|(units, _)| String::from_utf16_lossy(&units)).unwrap_or_default()
}

/// Whether its path goes over a partition to a file. What is no load option leads nowhere, and stays.
fn leads_to_a_partition(option: &[u8]) -> bool {
    let Some((_, behind)) = halves(option) else { return false };
    let length = usize::from(u16::from_le_bytes([option[4], option[5]]));
    let mut path = behind.get(..length).unwrap_or_default();
    let (mut has_partition, mut has_file) = (false, false);
    while let [kind, subtype, low, high, ..] = *path {
        has_partition |= [kind, subtype] == PARTITION;
        has_file |= has_partition && [kind, subtype] == FILE;
        let length = usize::from(u16::from_le_bytes([low, high])).max(NODE_HEAD_BYTES);
        path = path.get(length..).unwrap_or_default();
    }
    has_file
}

#[cfg(test)]
mod tests {
    use super::*;

    fn option(description: &str, nodes: &[(u8, u8, &[u8])]) -> Vec<u8> {
        let node = |(kind, subtype, data): &(u8, u8, &[u8])| {
            let length = (data.len() as u16 + 4).to_le_bytes();
            [&[*kind, *subtype, length[0], length[1]], *data].concat()
        };
        let path: Vec<u8> = nodes.iter().flat_map(node).chain([0x7f, 0xff, 4, 0]).collect();
        let mut option = vec![1, 0, 0, 0];
        option.extend((path.len() as u16).to_le_bytes());
        option.extend(description.encode_utf16().chain([0]).flat_map(u16::to_le_bytes));
        option.extend(path);
        option
    }

    #[test]
    fn only_what_leads_to_a_file_on_a_partition_goes() {
        let check =
            |option: &[u8], expected: bool| assert_eq!(leads_to_a_partition(option), expected, "{option:?}");
        let (root, pci, drive) = ((2, 1, &[0; 8][..]), (1, 1, &[0, 1][..]), (4, 1, &[0; 38][..]));
        let file = (4, 4, &b"\\\0E\0F\0I\0\0\0"[..]);
        let debian = option("debian", &[drive, file]);
        assert_eq!(description(&debian), "debian");
        check(&debian, true);
        check(&option("by its whole path", &[root, pci, drive, file]), true);
        // The network, a disk as a whole, the firmware's own menu.
        check(&option("UEFI PXEv4", &[root, pci, (3, 11, &[0; 33]), (3, 12, &[0; 23])]), false);
        check(&option("UEFI QEMU HARDDISK", &[root, pci, (3, 18, &[0; 6])]), false);
        check(&option("UiApp", &[(4, 7, &[0; 16]), (4, 6, &[0; 16])]), false);
        check(&option("a stick's file without a partition", &[root, pci, file]), false);
        check(&[], false);
        check(&debian[..debian.len() - 20], false);
        check(&debian[..20], false);
    }

    #[test]
    fn an_entry_that_is_gone_is_in_no_order() {
        assert_eq!(number_of(&format!("Boot00A1-{GLOBAL}")), Some(0xa1));
        assert_eq!(number_of(&format!("BootOrder-{GLOBAL}")), None);
        assert_eq!(number_of("Boot0001-another"), None);
        assert_eq!(without(&[0xa1], &[1, 0, 0xa1, 0, 2, 0]), [1, 0, 2, 0]);
    }
}
