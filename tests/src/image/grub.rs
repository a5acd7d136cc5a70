//! Edges: GRUB for both firmwares, made by grub-mkimage and put in place by hand.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::ensure;

use super::{
    SECTOR,
    layout::{CORE_SECTORS, CORE_START},
    run,
};

/// What both loaders do. The partition is searched for because firmwares number disks differently.
const CONFIG: &str = "search --no-floppy --file /tenant/kernel --set=root\n\
    linux /tenant/kernel console=ttyS0 quiet panic=10\n\
    initrd /tenant/initrd\n\
    boot\n";
const MODULES: [&str; 6] = ["part_gpt", "fat", "search", "search_fs_file", "linux", "boot"];
const BOOT_IMAGE: &str = "/usr/lib/grub/i386-pc/boot.img";
/// Of the first sector, only this much is code; the partition table follows.
const BOOT_CODE_BYTES: usize = 440;
/// Place in boot.img of the first sector of core.img (GRUB's `GRUB_BOOT_MACHINE_KERNEL_SECTOR`).
const KERNEL_SECTOR: usize = 0x5c;
/// Place in core.img's first sector of the list of sectors that it loads: start, length, segment.
const BLOCK_LIST: usize = SECTOR - 12;
const LOAD_SEGMENT: u16 = 0x820;

/// The program that UEFI starts.
pub(super) fn efi_program(dir: &Path) -> anyhow::Result<PathBuf> {
    make_image(dir, "x86_64-efi", &[], "BOOTX64.EFI")
}

/// Writes boot.img into the first sector and core.img into its partition.
pub(super) fn install_bios(dir: &Path, disk: &File) -> anyhow::Result<()> {
    let core_path = make_image(dir, "i386-pc", &["biosdisk"], "core.img")?;
    let mut core = fs::read(&core_path)?;
    fs::remove_file(core_path)?;
    core.resize(core.len().next_multiple_of(SECTOR), 0);
    let sectors = (core.len() / SECTOR) as u64;
    ensure!(sectors <= CORE_SECTORS, "GRUB's core image of {sectors} sectors does not fit its partition");
    // The core's first sector loads the rest of it by this list.
    core[BLOCK_LIST..BLOCK_LIST + 8].copy_from_slice(&(CORE_START + 1).to_le_bytes());
    core[BLOCK_LIST + 8..BLOCK_LIST + 10].copy_from_slice(&(sectors as u16 - 1).to_le_bytes());
    core[BLOCK_LIST + 10..BLOCK_LIST + 12].copy_from_slice(&LOAD_SEGMENT.to_le_bytes());
    disk.write_all_at(&core, CORE_START * SECTOR as u64)?;
    let mut boot = fs::read(BOOT_IMAGE)?;
    boot[KERNEL_SECTOR..KERNEL_SECTOR + 8].copy_from_slice(&CORE_START.to_le_bytes());
    disk.write_all_at(&boot[..BOOT_CODE_BYTES], 0)?;
    Ok(())
}

fn make_image(dir: &Path, format: &str, more: &[&str], name: &str) -> anyhow::Result<PathBuf> {
    let (config, out) = (dir.join("grub.cfg"), dir.join(name));
    fs::write(&config, CONFIG)?;
    run(Command::new("grub-mkimage")
        .args(["-O", format, "-p", "/tenant", "-c"])
        .arg(&config)
        .arg("-o")
        .arg(&out)
        .args(MODULES)
        .args(more))?;
    Ok(out)
}
