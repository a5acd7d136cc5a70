//! Edges: the image's partitions and the file system of its EFI system partition.

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, ensure};

use super::{SECTOR, run};

const IMAGE_BYTES: u64 = 64 << 20;
/// First sector of the partition for GRUB's core, which has no file system.
pub(super) const CORE_START: u64 = 2048;
/// Its size.
pub(super) const CORE_SECTORS: u64 = 2048;
/// First sector of the EFI system partition.
pub(super) const ESP_START: u64 = CORE_START + CORE_SECTORS;
const ESP_SECTORS: u64 = 120_832;
const STATE_START: u64 = ESP_START + ESP_SECTORS;
const STATE_SECTORS: u64 = 2048;

/// Makes the table, with fixed identifiers so that equal parts make equal images.
pub(super) fn partition(path: &Path, disk: &File) -> anyhow::Result<()> {
    disk.set_len(IMAGE_BYTES)?;
    let script = format!(
        "label: gpt\nlabel-id: 6D3F2A70-55A5-4C1B-9B6F-000000000001\n\
         start={CORE_START}, size={CORE_SECTORS}, type=21686148-6449-6E6F-744E-656564454649, \
         uuid=6D3F2A70-55A5-4C1B-9B6F-000000000002, name=bios-grub\n\
         start={ESP_START}, size={ESP_SECTORS}, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, \
         uuid=6D3F2A70-55A5-4C1B-9B6F-000000000003, name=esp\n\
         start={STATE_START}, size={STATE_SECTORS}, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, \
         uuid=6D3F2A70-55A5-4C1B-9B6F-000000000004, name=bms-state\n"
    );
    let mut sfdisk = Command::new("sfdisk")
        .args(["--quiet", "--no-reread", "--no-tell-kernel"])
        .arg(path)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("starting sfdisk (package fdisk)")?;
    sfdisk.stdin.take().context("sfdisk has no input")?.write_all(script.as_bytes())?;
    let output = sfdisk.wait_with_output()?;
    ensure!(output.status.success(), "sfdisk failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Makes the file system with kernel, initrd and the EFI boot loader; returns its file.
pub(super) fn file_system(dir: &Path, kernel: &Path, initrd: &Path, efi: &Path) -> anyhow::Result<PathBuf> {
    let esp = dir.join("esp.fat");
    let file = File::create(&esp)?;
    file.set_len(ESP_SECTORS * SECTOR as u64)?;
    drop(file);
    run(Command::new("mkfs.vfat").args(["-F", "16", "-n", "TENANT", "-i", "20261122"]).arg(&esp))?;
    run(Command::new("mmd").arg("-i").arg(&esp).args(["::/EFI", "::/EFI/BOOT", "::/tenant"]))?;
    for (from, to) in
        [(efi, "::/EFI/BOOT/BOOTX64.EFI"), (kernel, "::/tenant/kernel"), (initrd, "::/tenant/initrd")]
    {
        run(Command::new("mcopy").arg("-i").arg(&esp).arg(from).arg(to))?;
    }
    Ok(esp)
}
