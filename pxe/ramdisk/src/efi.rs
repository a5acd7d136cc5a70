//! Edges: whether UEFI firmware has started us, and its variables (UEFI specification 2.10, section 3.3).

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use nix::mount::{MsFlags, mount};
use protocol::boot::BootMode;

/// Where the kernel shows UEFI firmware.
const EFI: &str = "/sys/firmware/efi";
/// And its variables.
pub const EFIVARS: &str = "/sys/firmware/efi/efivars";
/// The namespace of the firmware's own variables.
pub const GLOBAL: &str = "8be4df61-93ca-11d2-aa0d-00e098032b8c";
/// Kept over restarts, and readable before and after the operating system has taken over.
const ATTRIBUTES: u32 = 7;

/// The firmware's mode in which we were booted.
pub fn boot_mode() -> BootMode {
    if Path::new(EFI).exists() { BootMode::Uefi } else { BootMode::Bios }
}

/// Whether the firmware lets nothing start that is not signed (`SecureBoot`, UEFI specification 2.10, section 3.3).
pub fn is_secure_boot() -> bool {
    let is_on = |value: Vec<u8>| value.last() == Some(&1);
    boot_mode() == BootMode::Uefi && mount_variables().is_ok() && read_variable("SecureBoot").is_ok_and(is_on)
}

/// Makes the variables readable; readable already is fine.
pub fn mount_variables() -> io::Result<()> {
    match mount(Some("efivarfs"), EFIVARS, Some("efivarfs"), MsFlags::empty(), None::<&str>) {
        Ok(()) | Err(nix::Error::EBUSY) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn variable(name: &str) -> PathBuf {
    PathBuf::from(EFIVARS).join(format!("{name}-{GLOBAL}"))
}

/// A variable's value without its attributes.
pub fn read_variable(name: &str) -> io::Result<Vec<u8>> {
    let value = fs::read(variable(name))?;
    Ok(value.get(4..).unwrap_or_default().to_vec())
}

/// Removes a variable; the kernel lets everybody do so with boot entries. Gone already is gone.
pub fn delete_variable(name: &str) -> io::Result<()> {
    match fs::remove_file(variable(name)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Writes a variable.
pub fn write_variable(name: &str, value: &[u8]) -> io::Result<()> {
    // The kernel takes attributes and value in one write.
    fs::write(variable(name), [&ATTRIBUTES.to_le_bytes()[..], value].concat())
}
