//! Edges: the real ramdisk on a virtual server, told what to do by the agent's real control: it says hello, reports its
//! hardware, writes raw and qcow2 images with a configuration drive, erases, and switches itself off. The disk is looked
//! at from outside.
#![allow(clippy::print_stdout)] // Figures for who reads the test's output.

mod ramdisk_common;

use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::FileExt,
    path::Path,
    process::{Command, Stdio},
};

use agent::ramdisk::Event;
use protocol::{
    boot::BootMode,
    hardware::Disk,
    id::CommandId,
    step::{EraseOrder, ImageFormat, METHOD_LEFT_OUT, Step, StepOutput},
};
use ramdisk_common::{DISK_BYTES, Machine, Rack, SMALL_DISK_BYTES, plan, said};

const IMAGE_BYTES: usize = 64 << 20;

/// A disk image with an MBR, a quarter of it noise, the rest holes.
fn noise() -> Vec<u8> {
    let mut image = vec![0; IMAGE_BYTES];
    let mut state = 1u64;
    for piece in image.chunks_mut(1 << 20).step_by(4) {
        for byte in piece {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *byte = (state >> 56) as u8;
        }
    }
    image[446..512].fill(0);
    image[450] = 0x83;
    image[454..458].copy_from_slice(&2048u32.to_le_bytes());
    image[458..462].copy_from_slice(&100_000u32.to_le_bytes());
    image[510..512].copy_from_slice(&[0x55, 0xaa]);
    image
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_inspected_deployed_and_erased() {
    let mut rack = Rack::new();
    let image = noise();
    fs::write(rack.images.path().join("raw"), &image).unwrap();
    let convert = Command::new("qemu-img")
        .args(["convert", "-c", "-f", "raw", "-O", "qcow2", "raw", "qcow2"])
        .current_dir(rack.images.path())
        .status();
    assert!(convert.unwrap().success());

    let mut server = Machine::new();
    server.disk().write_all_at(&vec![0xaa; 80 << 20], 0).unwrap(); // what an earlier tenant left
    server.boot(&rack.boot, &rack.arguments(), BootMode::Bios);
    let (session, hardware) = rack.ready(&mut server).await;
    assert_eq!(hardware.system.manufacturer, "Maker");
    assert_eq!(hardware.system.serial, "S-1");
    assert_eq!(hardware.boot_mode, BootMode::Bios);
    assert_eq!(hardware.cpu.count, 1);
    assert!((400..512).contains(&hardware.memory_mib), "{}", hardware.memory_mib);
    let [disk] = &hardware.disks[..] else { panic!("{:?}", hardware.disks) };
    assert_eq!(
        (disk.name.as_str(), disk.size_bytes, disk.serial.as_str()),
        ("/dev/vda", DISK_BYTES, "disk-1")
    );
    let [nic] = &hardware.nics[..] else { panic!("{:?}", hardware.nics) };
    assert!(nic.carrier && nic.booted && nic.ipv4.starts_with("10.0.2."), "{nic:?}");
    assert_eq!((nic.driver.as_str(), nic.vendor.as_str()), ("virtio_net", "0x1af4"));

    let drive = vec![0x5a; 300_000];
    for (name, format) in [("raw", ImageFormat::Raw), ("qcow2", ImageFormat::Qcow2)] {
        server.disk().write_all_at(&[0xbb; 4096], 3 << 20).unwrap();
        let written = rack.step(session, Step::WriteImage(rack.image(name, format))).await;
        let StepOutput::ImageWritten { written_bytes, virtual_bytes, .. } = written else {
            panic!("{written:?}")
        };
        assert_eq!((written_bytes, virtual_bytes), (IMAGE_BYTES as u64 / 4, IMAGE_BYTES as u64));
        let mut found = vec![0; IMAGE_BYTES];
        server.disk().read_exact_at(&mut found, 0).unwrap();
        assert!(found == image, "{name}: the disk is not the image");
        rack.step(session, Step::WriteConfigDrive { content: drive.clone() }).await;
        rack.step(session, Step::InstallBootEntry).await;
    }
    let mut sector = [0; 512];
    server.disk().read_exact_at(&mut sector, 0).unwrap();
    let start = u64::from(u32::from_le_bytes(sector[470..474].try_into().unwrap())) * 512;
    let mut found = vec![0; drive.len()];
    server.disk().read_exact_at(&mut found, start).unwrap();
    assert!(found == drive && start > DISK_BYTES - (4 << 20), "the configuration drive is not at {start}");

    let StepOutput::Erased { disks } = rack.step(session, Step::EraseMetadata(EraseOrder::default())).await
    else {
        panic!()
    };
    assert!(disks[0].verified_bytes >= 2 << 20, "{disks:?}");
    let StepOutput::Erased { disks } = rack.step(session, Step::EraseDisks(EraseOrder::default())).await
    else {
        panic!()
    };
    assert_eq!((disks[0].erased_bytes, disks[0].verified_bytes), (DISK_BYTES, DISK_BYTES), "{disks:?}");
    rack.step(session, Step::PowerOff).await;
    server.wait_off().await;
    let left = fs::read(server.dir.path().join("disk.raw")).unwrap();
    assert!(left.iter().all(|byte| *byte == 0), "the disk is not empty");
    println!("console:\n{}", server.console());
    assert!(matches!(rack.events.recv().await, Some(Event::Gone { .. })));
    rack.control.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_ramdisk_switches_itself_off() {
    let rack = Rack::new();
    let arguments = rack.arguments();
    rack.control.revoke(rack.id);
    let mut server = Machine::new();
    server.boot(&rack.boot, &arguments, BootMode::Bios);
    server.wait_off().await;
    let console = server.console();
    assert!(console.contains("refused us: the token is unknown"), "{console}");
    rack.control.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_killed_in_the_middle_of_an_image_and_of_an_erase_is_found_again() {
    let mut rack = Rack::new();
    let image = noise();
    fs::write(rack.images.path().join("raw"), &image).unwrap();
    let mut server = Machine::new();
    server.disk().write_all_at(&vec![0xaa; 80 << 20], 0).unwrap();
    server.boot(&rack.boot, &rack.arguments(), BootMode::Bios);
    let (session, _) = rack.ready(&mut server).await;
    let write = Step::WriteImage(rack.image("raw", ImageFormat::Raw));
    for (step, begins) in [(write, ": WriteImage"), (Step::EraseDisks(EraseOrder::default()), ": EraseDisks")]
    {
        // The coordinator asks for the same command again.
        let command = CommandId::random();
        let control = rack.control.clone();
        let asked = step.clone();
        let first = tokio::spawn(async move { control.run_step(session, command, asked, |_| ()).await });
        said(&server, begins, 1).await;
        rack.restart(vec![(rack.id, plan())]).await;
        let before = first.await.unwrap();
        println!("before the restart: {before:?}");
        let again = rack.control.run_step(session, command, step, |_| ()).await.unwrap();
        let (resumed, _) = rack.ready(&mut server).await;
        assert_eq!(resumed, session, "the same session goes on");
        let given = server.console().matches(begins).count();
        println!("given {given} times: {again:?}");
        match again {
            StepOutput::ImageWritten { .. } => {
                let mut found = vec![0; IMAGE_BYTES];
                server.disk().read_exact_at(&mut found, 0).unwrap();
                assert!(found == image, "the disk is not the image");
            }
            StepOutput::Erased { disks } => {
                assert_eq!(disks[0].verified_bytes, DISK_BYTES, "{disks:?}");
                assert_eq!(given, 1, "an erase needs nobody and goes on");
            }
            other => panic!("{other:?}"),
        }
    }
    rack.step(session, Step::PowerOff).await;
    server.wait_off().await;
    let left = fs::read(server.dir.path().join("disk.raw")).unwrap();
    assert!(left.iter().all(|byte| *byte == 0), "the disk is not empty");
    println!("console:\n{}", server.console());
    rack.control.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ramdisk_whose_boot_was_called_off_switches_itself_off() {
    let mut rack = Rack::new();
    let mut server = Machine::new();
    server.boot(&rack.boot, &rack.arguments(), BootMode::Bios);
    rack.ready(&mut server).await;
    // Only a ramdisk that has read its welcome has a session to take up.
    said(&server, "welcomes us", 1).await;
    rack.restart(vec![]).await;
    server.wait_off().await;
    let console = server.console();
    assert!(console.contains("the end: the agent refused us: the session cannot be taken up"), "{console}");
    rack.control.stop().await;
}

/// In one boot: a disk that refuses writes, one that cannot be read back, an NVMe disk with hidden paths, and a disk that appears after the erase began.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_disk_is_accounted_for_whatever_it_is_and_whenever_it_comes() {
    let mut rack = Rack::new();
    let mut server = Machine::new();
    server.add_drive("protected", ",readonly=on");
    server.add_drive("shared", "");
    server.add_drive("late", "");
    server.add_broken_drive("broken", 4 << 20);
    server.add_devices(&[
        "virtio-blk-pci,drive=protected,serial=disk-2",
        "virtio-blk-pci,drive=broken,serial=disk-5",
        "nvme-subsys,id=subsystem,nqn=subsystem",
        "nvme,serial=disk-3,subsys=subsystem",
        "nvme-ns,drive=shared,nsid=1,shared=on",
        "pcie-root-port,id=spare,chassis=1,slot=1",
    ]);
    server.boot(&rack.boot, &rack.arguments(), BootMode::Bios);
    let (session, hardware) = rack.ready(&mut server).await;
    let found: Vec<_> = hardware.disks.iter().map(|disk| (disk.name.as_str(), disk.read_only)).collect();
    assert_eq!(
        found,
        [("/dev/nvme0n1", false), ("/dev/vda", false), ("/dev/vdb", true), ("/dev/vdc", false)]
    );

    let late = Disk { serial: "disk-4".into(), size_bytes: SMALL_DISK_BYTES as u64, ..Disk::default() };
    let expected: Vec<_> = hardware.disks.iter().cloned().chain([late.clone()]).collect();
    let step = Step::EraseDisks(EraseOrder { expected: expected.clone(), left_out: vec![] });
    let control = rack.control.clone();
    let erase =
        tokio::spawn(
            async move { control.run_step(session, CommandId::random(), step, |_| ()).await.unwrap() },
        );
    said(&server, "for disks: ", 1).await;
    server.plug_in(&serde_json::json!({
        "driver": "virtio-blk-pci", "drive": "late", "serial": "disk-4", "bus": "spare", "id": "plugged",
    }));
    let StepOutput::Erased { disks } = erase.await.unwrap() else { panic!() };
    let told: Vec<_> = disks
        .iter()
        .map(|erased| (erased.disk.as_ref().unwrap().serial.as_str(), erased.failure.as_str()))
        .collect();
    let refused = "it is read-only: it refuses writes, or is write-protected";
    let unread = "read /dev/vdc at bytes 4194304 to 5242879: Input/output error (os error 5)";
    let expected_words =
        [("disk-3", ""), ("disk-1", ""), ("disk-2", refused), ("disk-5", unread), ("disk-4", "")];
    assert_eq!(told, expected_words);
    for erased in disks.iter().filter(|erased| erased.failure.is_empty()) {
        assert_eq!(erased.verified_bytes, erased.disk.as_ref().unwrap().size_bytes, "{erased:?}");
    }

    let order = EraseOrder { expected, left_out: vec![late] };
    let StepOutput::Erased { disks } = rack.step(session, Step::EraseMetadata(order)).await else { panic!() };
    let left_out: Vec<_> = disks.iter().filter(|erased| erased.method == METHOD_LEFT_OUT).collect();
    assert_eq!(left_out.iter().map(|erased| erased.name.as_str()).collect::<Vec<_>>(), ["/dev/vdd"]);
    // A coordinator of before compares with nothing: it must not take this for a success.
    let step = Step::EraseDisks(EraseOrder::default());
    let refused = rack.control.run_step(session, CommandId::random(), step, |_| ()).await.unwrap_err();
    assert!(refused.message.contains("/dev/vdb (serial disk-2, 8.3 MB) is not erased"), "{refused}");
    rack.step(session, Step::PowerOff).await;
    server.wait_off().await;
    for (name, byte) in [("protected", 0xaa), ("shared", 0), ("late", 0)] {
        assert!(server.left_on(name).iter().all(|left| *left == byte), "{name}");
    }
    rack.control.stop().await;
}

/// A GPT with nothing but an EFI system partition.
fn efi_image(path: &Path) {
    File::create(path).unwrap().set_len(8 << 20).unwrap();
    let mut sfdisk = Command::new("sfdisk").arg("-q").arg(path).stdin(Stdio::piped()).spawn().unwrap();
    sfdisk.stdin.take().unwrap().write_all(b"label: gpt\nstart=2048, size=4096, type=uefi\n").unwrap();
    assert!(sfdisk.wait().unwrap().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_disk_comes_first_in_the_boot_order_of_uefi() {
    let mut rack = Rack::new();
    efi_image(&rack.images.path().join("efi"));
    let mut server = Machine::new();
    server.boot(&rack.boot, &rack.arguments(), BootMode::Uefi);
    let (session, hardware) = rack.ready(&mut server).await;
    assert_eq!(hardware.boot_mode, BootMode::Uefi);
    rack.step(session, Step::WriteImage(rack.image("efi", ImageFormat::Raw))).await;
    rack.step(session, Step::WriteConfigDrive { content: vec![0x5a; 70_000] }).await;
    for _ in 0..2 {
        rack.step(session, Step::InstallBootEntry).await; // the second time it finds its own entry
    }
    rack.step(session, Step::PowerOff).await;
    server.wait_off().await;
    let verified =
        Command::new("sfdisk").arg("--verify").arg(server.dir.path().join("disk.raw")).output().unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    let vars = fs::read(server.dir.path().join("vars.fd")).unwrap();
    let loader: Vec<u8> = "\\EFI\\BOOT\\BOOTX64.EFI".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(
        vars.windows(loader.len()).any(|window| window == loader),
        "no entry in the firmware's variables"
    );
    rack.control.stop().await;
}
