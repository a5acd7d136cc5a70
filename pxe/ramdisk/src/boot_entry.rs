//! Edges: the firmware's boot order on UEFI (UEFI specification 2.10, sections 3.1.3 and 10.3).

use std::{fs, io};

use protocol::{boot::BootMode, hex};

use crate::{
    boot_partition::BootPartition,
    disk::{DiskError, OpenDisk, Place, gpt, table::HEAD_BYTES},
    efi::{self, EFIVARS, GLOBAL, delete_variable, read_variable, write_variable},
};

const ACTIVE: u32 = 1;
/// By this we know our entry again.
const DESCRIPTION: &str = "Deployed disk";
/// What every image has that boots without an entry of its own.
const LOADER: &str = "\\EFI\\BOOT\\BOOTX64.EFI";

/// Puts the disk first into the boot order; nothing to do for BIOS, which boots the disk by itself.
pub fn install(disk: &OpenDisk) -> Result<(), DiskError> {
    match efi::boot_mode() {
        BootMode::Bios => return Ok(()),
        BootMode::Uefi => {}
    }
    let mut head = vec![0; HEAD_BYTES];
    disk.read(0, &mut head)?;
    let partition = gpt::efi_system(&head, disk.sector_bytes())?.map(BootPartition::of_gpt);
    let partition = partition.or_else(|| BootPartition::of_boot_record(&head)).ok_or_else(|| {
        DiskError::Unfit(format!(
            "{} has no EFI system partition: this image cannot boot by UEFI",
            disk.name()
        ))
    })?;
    let failed = |source| DiskError::Io {
        operation: "set the boot order for",
        disk: disk.name().to_owned(),
        place: Place::Anywhere,
        source,
    };
    write_variables(&load_option(&partition)).map_err(failed)
}

fn write_variables(option: &[u8]) -> io::Result<()> {
    efi::mount_variables()?;
    let (number, doubles) = choose(&entries()?)?;
    // Doubles go first: firmware has little room for variables.
    for double in &doubles {
        delete_variable(&format!("Boot{double:04X}"))?;
    }
    write_variable(&format!("Boot{number:04X}"), option)?;
    let order = read_variable("BootOrder").unwrap_or_default();
    write_variable("BootOrder", &put_first(number, &doubles, &order))
}

/// The firmware's entries: their numbers, and whether they are ours.
fn entries() -> io::Result<Vec<(u16, bool)>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(EFIVARS)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let number = name.strip_prefix("Boot").and_then(|rest| rest.strip_suffix(GLOBAL)?.strip_suffix('-'));
        let Some(number) = number.and_then(hex::decode_array).map(u16::from_be_bytes) else { continue };
        let value = read_variable(&format!("Boot{number:04X}")).unwrap_or_default();
        let is_ours = value.get(6..).is_some_and(|rest| rest.starts_with(&utf16(DESCRIPTION)));
        entries.push((number, is_ours));
    }
    Ok(entries)
}

/// The number for our entry: that of an old one of ours, or else the first that is free; and those of ours that are too many.
fn choose(entries: &[(u16, bool)]) -> io::Result<(u16, Vec<u16>)> {
    let mut ours: Vec<u16> =
        entries.iter().filter(|(_, is_ours)| *is_ours).map(|(number, _)| *number).collect();
    ours.sort_unstable();
    if !ours.is_empty() {
        return Ok((ours.remove(0), ours));
    }
    let free = (0..=u16::MAX).find(|number| entries.iter().all(|(taken, _)| taken != number));
    free.map(|free| (free, ours)).ok_or_else(|| io::Error::other("every boot entry is in use"))
}

fn put_first(number: u16, gone: &[u16], order: &[u8]) -> Vec<u8> {
    let first = number.to_le_bytes();
    let stays = |entry: &&[u8]| **entry != first && gone.iter().all(|gone| **entry != gone.to_le_bytes());
    let others = order.chunks_exact(2).filter(stays);
    first.into_iter().chain(others.flatten().copied()).collect()
}

/// Text as the firmware has it: UTF-16, terminated.
fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}

/// EFI_LOAD_OPTION: attributes, length of the path, description, path.
fn load_option(partition: &BootPartition) -> Vec<u8> {
    let mut drive = Vec::new();
    drive.extend(partition.number.to_le_bytes());
    drive.extend(partition.first.to_le_bytes());
    drive.extend(partition.sectors.to_le_bytes());
    drive.extend(partition.signature);
    drive.extend(partition.kinds);
    let path = [node(4, 1, &drive), node(4, 4, &utf16(LOADER)), node(0x7f, 0xff, &[])].concat();
    let mut option = ACTIVE.to_le_bytes().to_vec();
    option.extend((path.len() as u16).to_le_bytes());
    option.extend(utf16(DESCRIPTION));
    option.extend(path);
    option
}

/// One node of a device path: type, subtype, length with this header, data.
fn node(kind: u8, subtype: u8, data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u16 + 4).to_le_bytes();
    [&[kind, subtype, length[0], length[1]], data].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_comes_first_once() {
        let check = |order: &[u8], expected: &[u8]| assert_eq!(put_first(5, &[7], order), expected);
        check(&[], &[5, 0]);
        check(&[1, 0, 2, 0], &[5, 0, 1, 0, 2, 0]);
        check(&[1, 0, 5, 0, 2, 0], &[5, 0, 1, 0, 2, 0]);
        check(&[7, 0, 5, 0, 2, 0, 7, 1], &[5, 0, 2, 0, 7, 1]);
    }

    #[test]
    fn an_entry_of_ours_is_replaced_and_never_doubled() {
        let check = |entries: &[(u16, bool)], number: u16, doubles: &[u16]| {
            assert_eq!(choose(entries).unwrap(), (number, doubles.to_vec()), "{entries:?}");
        };
        check(&[], 0, &[]);
        check(&[(0, false), (2, false)], 1, &[]);
        check(&[(0, false), (2, true)], 2, &[]);
        check(&[(9, true), (0, false), (2, true), (4, true)], 2, &[4, 9]);
        let full: Vec<_> = (0..=u16::MAX).map(|number| (number, false)).collect();
        assert!(choose(&full).is_err());
    }

    #[test]
    fn a_load_option_has_the_lengths_it_says() {
        let option = load_option(&BootPartition {
            number: 2,
            first: 2048,
            sectors: 2048,
            signature: [9; 16],
            kinds: [2, 2],
        });
        let description = utf16(DESCRIPTION).len();
        let path = u16::from_le_bytes([option[4], option[5]]) as usize;
        assert_eq!(option.len(), 6 + description + path);
        assert_eq!(&option[6 + description..][..4], &[4, 1, 42, 0]);
        assert_eq!(&option[option.len() - 4..], &[0x7f, 0xff, 4, 0]);
    }
}
