//! Edges: real firmware boots from the boot service, in QEMU, as far as the ramdisk's download.

mod pxe_common;

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::Context;
use bytes::Bytes;
use protocol::{boot::BootStage, mac::MacAddr, network::BootNetwork};
use pxe::{BootFilePaths, BootFiles};
use pxe_common::World;

const SERVER: MacAddr = MacAddr([0x52, 0x54, 0, 0, 0, 0x21]);

/// Emulated UEFI on a busy machine needs most of it.
const BOOT_WAIT: Duration = Duration::from_secs(120);

/// A QEMU process that ends with the test.
struct Qemu(Child);

impl Drop for Qemu {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Real boot loaders; iPXE's own kernel image stands in for Linux, and a few bytes for the ramdisk.
fn files(kernel: &str) -> anyhow::Result<BootFiles> {
    let paths = BootFilePaths {
        kernel: kernel.into(),
        initrd: "/usr/lib/ipxe/undionly.kpxe".into(),
        rescue: None,
        parts: None,
        virtual_servers: None,
        manifest: None,
        signed: None,
        snponly: "/usr/lib/ipxe/snponly.efi".into(),
        undionly: "/usr/lib/ipxe/undionly.kpxe".into(),
    };
    let mut files = BootFiles::read(&paths).context("reading boot files (package ipxe)")?;
    files.initrd = Bytes::from_static(b"not a ramdisk").into();
    Ok(files)
}

async fn power_on(world: &World, firmware: &[&str], rom: &str) -> anyhow::Result<Qemu> {
    world
        .rack
        .ip_batch("tuntap add dev tap0 mode tap\nlink set tap0 master br0 up\n")
        .await
        .context("making the server's tap")?;
    let child = Command::new("ip")
        .args(["netns", "exec", &world.rack.0, "qemu-system-x86_64"])
        .args([
            "-nodefaults",
            "-no-user-config",
            "-M",
            "q35",
            "-accel",
            "tcg,thread=multi",
            "-smp",
            "1",
            "-m",
            "512",
        ])
        .args(["-display", "none", "-serial", &format!("file:{}", world.path("console").display())])
        .args(["-netdev", "tap,id=n,ifname=tap0,script=no,downscript=no"])
        .args(["-device", &format!("virtio-net-pci,netdev=n,mac={SERVER},bootindex=0{rom}")])
        .args(firmware)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .context("starting QEMU (package qemu-system-x86)")?;
    Ok(Qemu(child))
}

/// What the server wrote to its serial console, for a failed test.
fn console(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bios_server_with_ipxe_in_its_rom_boots() -> anyhow::Result<()> {
    let mut world = World::start("bios", files("/usr/lib/ipxe/ipxe.lkrn")?).await?;
    world.plans.permit(SERVER, 1, BootNetwork::Provisioning);
    let _server = power_on(&world, &[], "").await?;
    let stages = world.stages_until(BootStage::Initrd, BOOT_WAIT).await;
    let stages = stages.with_context(|| console(&world.path("console")))?;
    let expected = [
        BootStage::DhcpDiscover,
        BootStage::DhcpAck,
        BootStage::Script,
        BootStage::Kernel,
        BootStage::Initrd,
    ];
    assert_eq!(stages, expected);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_uefi_server_boots_by_way_of_tftp() -> anyhow::Result<()> {
    let mut world = World::start("uefi", files("/usr/lib/ipxe/snponly.efi")?).await?;
    world.plans.permit(SERVER, 1, BootNetwork::Provisioning);
    let vars = world.path("vars.fd");
    std::fs::copy("/usr/share/OVMF/OVMF_VARS_4M.fd", &vars).context("copying firmware (package ovmf)")?;
    let firmware = [
        "-drive",
        "if=pflash,format=raw,unit=0,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd",
        "-drive",
        &format!("if=pflash,format=raw,unit=1,file={}", vars.display()),
    ];
    let _server = power_on(&world, &firmware, ",romfile=").await?;
    let stages = world.stages_until(BootStage::Initrd, BOOT_WAIT).await;
    let stages = stages.with_context(|| console(&world.path("console")))?;
    let expected = [
        BootStage::DhcpDiscover,
        BootStage::DhcpAck,
        BootStage::Loader,
        BootStage::Script,
        BootStage::Kernel,
        BootStage::Initrd,
    ];
    assert_eq!(stages, expected);
    Ok(())
}
