//! Edges: the real ramdisk on a virtual server, told what to do by the agent's real control: it says hello, reports its
//! hardware, writes raw and qcow2 images with a configuration drive, erases, and switches itself off. The disk is looked
//! at from outside.
#![allow(clippy::print_stdout)] // Figures for who reads the test's output.

mod ramdisk_common;

use std::{
    fs::{self, File},
    io::{Cursor, Write},
    os::unix::fs::FileExt,
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use agent::ramdisk::Event;
use protocol::{
    boot::BootMode,
    erase::{ErasePolicy, Verified},
    hardware::Disk,
    id::{CommandId, RamdiskSessionId},
    root_device::RootDeviceHints,
    step::{EraseOrder, ErasedDisk, ImageFormat, METHOD_LEFT_OUT, Step, StepOutput, StepProgress},
};
use ramdisk_common::{DISK_BYTES, Machine, Rack, SMALL_DISK_BYTES, STEP_SILENCE, WAIT_MAX, plan, said};

const IMAGE_BYTES: usize = 64 << 20;
const LARGE_SECTOR: u64 = 4096;
/// All of an image for the slow disk is in the kernel's memory when it is flushed: that is one request.
const SLOW_IMAGE_BYTES: usize = 2 << 20;
const SLOW_BYTES_PER_SECOND: usize = 90_000;
/// 40 s for the disk whose erase is aborted.
const ABORTED_BYTES_PER_SECOND: usize = 200_000;
/// C12A7328-F81F-11D2-BA4B-00A0C93EC93B as it stands on disk.
const EFI_SYSTEM: [u8; 16] =
    [0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b];

/// A disk image with an MBR, a quarter of it noise, the rest holes.
fn noise() -> Vec<u8> {
    noise_of(IMAGE_BYTES, 4)
}

/// The same of this size, with noise in every `nth` MiB.
fn noise_of(bytes: usize, nth: usize) -> Vec<u8> {
    let mut image = vec![0; bytes];
    let mut state = 1u64;
    for piece in image.chunks_mut(1 << 20).step_by(nth) {
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
        let written = rack.step(session, Step::write_image(rack.image(name, format))).await;
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
    server.add_drive("slow", &format!(",throttling.bps-write={ABORTED_BYTES_PER_SECOND}"));
    server.add_devices(&["pcie-root-port,id=spare,chassis=1,slot=1"]);
    server.boot(&rack.boot, &rack.arguments(), BootMode::Bios);
    let (session, _) = rack.ready(&mut server).await;
    let write = Step::write_image(rack.image("raw", ImageFormat::Raw));
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
    an_erase_is_stopped_when_its_session_ends(&rack, &mut server, session).await;
    let left = fs::read(server.dir.path().join("disk.raw")).unwrap();
    assert!(left.iter().all(|byte| *byte == 0), "the disk is not empty");
    println!("console:\n{}", server.console());
    rack.control.stop().await;
}

/// The disk takes no command for zeroes, and its writes take far longer than the answer may.
async fn an_erase_is_stopped_when_its_session_ends(
    rack: &Rack,
    server: &mut Machine,
    session: RamdiskSessionId,
) {
    server.plug_in(&serde_json::json!({
        "driver": "virtio-blk-pci", "drive": "slow", "serial": "disk-slow", "bus": "spare", "id": "plugged",
        "discard": false, "write-zeroes": false,
    }));
    let slow = Disk { serial: "disk-slow".into(), size_bytes: SMALL_DISK_BYTES as u64, ..Disk::default() };
    let step = Step::EraseDisks(EraseOrder { expected: vec![slow], ..EraseOrder::default() });
    let (control, words) = (rack.control.clone(), Arc::new(AtomicUsize::new(0)));
    let heard = Arc::clone(&words);
    let count = move |progress: StepProgress| {
        heard.fetch_add(usize::from(progress.done_bytes > 0), Relaxed);
    };
    let erase =
        tokio::spawn(async move { control.run_step(session, CommandId::random(), step, count).await });
    let start = Instant::now();
    while words.load(Relaxed) < 2 {
        assert!(start.elapsed() < WAIT_MAX, "the erase does not begin: {}", server.console());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    rack.control.revoke(rack.id);
    rack.control.wound_down(rack.id).await;
    let StepOutput::Erased { disks } = erase.await.unwrap().unwrap() else { panic!() };
    let of =
        |serial: &str| disks.iter().find(|erased| erased.disk.as_ref().unwrap().serial == serial).unwrap();
    assert_eq!(of("disk-slow").failure, "its erase was aborted", "{disks:?}");
    server.wait_off().await;
    assert_eq!(server.left_on("slow").last(), Some(&0xaa), "the whole disk was written");
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

/// What is said of a disk that cannot be purged, with what it offers, and of one that was.
async fn what_a_drive_does_by_itself(
    rack: &Rack,
    server: &Machine,
    session: RamdiskSessionId,
    there: &[Disk],
) {
    let expected = there.to_vec();
    let step =
        Step::EraseMetadata(EraseOrder { quick: true, expected: expected.clone(), ..EraseOrder::default() });
    let StepOutput::Erased { disks } = rack.step(session, step).await else { panic!() };
    let of = |serial: &str| {
        let is_it = |erased: &&ErasedDisk| erased.disk.as_ref().is_some_and(|disk| disk.serial == serial);
        disks.iter().find(is_it).unwrap_or_else(|| panic!("{serial}: {disks:?}"))
    };
    let (nvme, plain) = (of("disk-3"), of("disk-1"));
    assert_eq!(
        (nvme.method.as_str(), nvme.failure.as_str(), nvme.policy),
        ("nvme_format", "", None),
        "{nvme:?}"
    );
    assert_eq!((nvme.verified, nvme.verified_bytes), (Verified::All, SMALL_DISK_BYTES as u64), "{nvme:?}");
    let refused: Vec<_> = nvme.refused.iter().map(|refused| refused.method.as_str()).collect();
    assert_eq!(refused, ["nvme_format_crypto"], "{nvme:?}");
    assert_eq!((plain.method.as_str(), plain.refused.len()), ("metadata", 0), "{plain:?}");
    assert!(server.left_on("shared").iter().all(|left| *left == 0), "the format left something");

    let purge = EraseOrder { policy: ErasePolicy::Purge, expected, ..EraseOrder::default() };
    let StepOutput::Erased { disks } = rack.step(session, Step::EraseDisks(purge)).await else { panic!() };
    let said = |serial: &str, part: &str| {
        let mut all =
            disks.iter().filter(|erased| erased.disk.as_ref().is_some_and(|disk| disk.serial == serial));
        let erased = all.next().unwrap();
        assert_eq!((erased.policy, erased.erased_bytes), (Some(ErasePolicy::Purge), 0), "{erased:?}");
        assert!(erased.failure.contains(part), "{serial}: {}", erased.failure);
    };
    said(
        "disk-1",
        "no method that counts as purge worked on it; methods that it offers: discard, write zeroes, overwrite",
    );
    said(
        "disk-3",
        "overwrite, NVMe format (erase of user data); NVMe sanitize (block erase): the drive does not offer it;",
    );
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
    let mut found: Vec<_> =
        hardware.disks.iter().map(|disk| (disk.serial.as_str(), disk.read_only)).collect();
    found.sort_unstable();
    assert_eq!(found, [("disk-1", false), ("disk-2", true), ("disk-3", false), ("disk-5", false)]);
    let name_of = |serial: &str| name_of(&hardware.disks, serial);
    what_a_drive_does_by_itself(&rack, &server, session, &hardware.disks).await;

    let late = Disk { serial: "disk-4".into(), size_bytes: SMALL_DISK_BYTES as u64, ..Disk::default() };
    let expected: Vec<_> = hardware.disks.iter().cloned().chain([late.clone()]).collect();
    let step = Step::EraseDisks(EraseOrder { expected: expected.clone(), ..EraseOrder::default() });
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
    let mut told: Vec<_> = disks
        .iter()
        .map(|erased| (erased.disk.as_ref().unwrap().serial.as_str(), erased.failure.as_str()))
        .collect();
    told.sort_unstable();
    let refused = "it is read-only: it refuses writes, or is write-protected";
    let unread =
        format!("read {} at bytes 4194304 to 5242879: Input/output error (os error 5)", name_of("disk-5"));
    let expected_words =
        [("disk-1", ""), ("disk-2", refused), ("disk-3", ""), ("disk-4", ""), ("disk-5", unread.as_str())];
    assert_eq!(told, expected_words);
    for erased in disks.iter().filter(|erased| erased.failure.is_empty()) {
        assert_eq!(erased.verified_bytes, erased.disk.as_ref().unwrap().size_bytes, "{erased:?}");
    }

    let order = EraseOrder { expected, left_out: vec![late], ..EraseOrder::default() };
    let StepOutput::Erased { disks } = rack.step(session, Step::EraseMetadata(order)).await else { panic!() };
    let left_out: Vec<_> = disks.iter().filter(|erased| erased.method == METHOD_LEFT_OUT).collect();
    assert_eq!(left_out.iter().map(|erased| erased.name.as_str()).collect::<Vec<_>>(), ["/dev/vdd"]);
    // A coordinator of before compares with nothing: it must not take this for a success.
    let step = Step::EraseDisks(EraseOrder::default());
    let refused = rack.control.run_step(session, CommandId::random(), step, |_| ()).await.unwrap_err();
    let protected = format!("{} (serial disk-2, 8.3 MB, at pci-0000:00:", name_of("disk-2"));
    assert!(refused.message.contains(&protected), "{refused}");
    assert!(refused.message.contains(") is not erased: it is read-only"), "{refused}");
    rack.step(session, Step::PowerOff).await;
    server.wait_off().await;
    for (name, byte) in [("protected", 0xaa), ("shared", 0), ("late", 0)] {
        assert!(server.left_on(name).iter().all(|left| *left == byte), "{name}");
    }
    rack.control.stop().await;
}

/// What the kernel calls a disk: it names them in the order in which it finds them, and that differs from boot to boot.
fn name_of<'a>(disks: &'a [Disk], serial: &str) -> &'a str {
    &disks.iter().find(|disk| disk.serial == serial).unwrap().name
}

/// A GPT with nothing but an EFI system partition.
fn efi_image(path: &Path) {
    File::create(path).unwrap().set_len(8 << 20).unwrap();
    let mut sfdisk = Command::new("sfdisk").arg("-q").arg(path).stdin(Stdio::piped()).spawn().unwrap();
    sfdisk.stdin.take().unwrap().write_all(b"label: gpt\nstart=2048, size=4096, type=uefi\n").unwrap();
    assert!(sfdisk.wait().unwrap().success());
}

/// The same for a disk with sectors of 4096 bytes, by a program that is not ours.
fn efi_image_for_large_sectors(path: &Path) {
    let mut image = Cursor::new(vec![0; 7 << 20]);
    let mut gpt = gptman::GPT::new_from(&mut image, LARGE_SECTOR, [1; 16]).unwrap();
    gpt[1] = gptman::GPTPartitionEntry {
        partition_type_guid: EFI_SYSTEM,
        unique_partition_guid: [2; 16],
        starting_lba: 256,
        ending_lba: 767,
        attribute_bits: 0,
        partition_name: "boot".into(),
    };
    gptman::GPT::write_protective_mbr_into(&mut image, LARGE_SECTOR).unwrap();
    gpt.write_into(&mut image).unwrap();
    fs::write(path, image.into_inner()).unwrap();
}

/// What is not as it must be is refused with the disks' names, before a byte is written; then the image for large sectors is written, and
/// what is on the disk is read by a program that is not ours.
async fn the_disk_that_is_meant_is_the_one_that_is_written(
    rack: &mut Rack,
    server: &Machine,
    session: RamdiskSessionId,
    disks: &[Disk],
) {
    let other_sectors = format!(
        "the image's GPT was made for sectors of 512 bytes, but {} (serial disk-4k, 8.3 MB, at pci-0000:00:",
        name_of(disks, "disk-4k")
    );
    let large_sectors = format!("for sectors of 4096 bytes, but {} (serial disk-1", name_of(disks, "disk-1"));
    let to = |hint: &str, text: &str| RootDeviceHints([(hint.to_owned(), text.to_owned())].into());
    for (image, root_device, words) in [
        ("efi", to("serial", "DISK-4K"), other_sectors.as_str()),
        ("efi", to("serial", "disk-4k"), "has sectors of 4096 bytes"),
        ("large", RootDeviceHints::default(), large_sectors.as_str()),
        (
            "efi",
            to("model", "s== X25-M"),
            "no disk matches the root device hints model \"s== X25-M\"; there are: /dev/vd",
        ),
        ("efi", to("size", "many"), "the root device hint size = \"many\" is no whole number"),
    ] {
        let image = rack.image(image, ImageFormat::Raw);
        let step = Step::WriteImage { image, root_device };
        let refused = rack.control.run_step(session, CommandId::random(), step, |_| ()).await.unwrap_err();
        assert!(refused.message.contains(words), "{refused}");
    }
    assert!(server.left_on("large").iter().all(|byte| *byte == 0xaa), "something was written");

    let image = rack.image("large", ImageFormat::Raw);
    let step = Step::WriteImage { image, root_device: to("serial", "s== disk-4k") };
    let StepOutput::ImageWritten { disk, .. } = rack.step(session, step).await else { panic!() };
    assert_eq!(disk, name_of(disks, "disk-4k"));
    rack.step(session, Step::WriteConfigDrive { content: vec![0x5a; 70_000] }).await;
    rack.step(session, Step::InstallBootEntry).await;
    let left = server.left_on("large");
    let gpt = gptman::GPT::read_from(&mut Cursor::new(&left), LARGE_SECTOR).unwrap();
    assert_eq!(gpt.header.backup_lba, left.len() as u64 / LARGE_SECTOR - 1);
    let used: Vec<_> = gpt.iter().filter(|(_, entry)| entry.is_used()).collect();
    let [(1, boot), (2, drive)] = used[..] else { panic!("{used:?}") };
    assert_eq!((boot.starting_lba, drive.partition_name.as_str()), (256, "config-2"));
    let start = (drive.starting_lba * LARGE_SECTOR) as usize;
    assert!(left[start..start + 70_000].iter().all(|byte| *byte == 0x5a), "the configuration drive");
}

/// One request to a disk may take longer than a silence is borne.
async fn a_slow_disk_is_waited_for(rack: &Rack, session: RamdiskSessionId) {
    fs::write(rack.images.path().join("slow"), noise_of(SLOW_IMAGE_BYTES, 1)).unwrap();
    let image = rack.image("slow", ImageFormat::Raw);
    let root_device = RootDeviceHints([("serial".to_owned(), "disk-slow".to_owned())].into());
    let start = Instant::now();
    rack.step(session, Step::WriteImage { image, root_device }).await;
    assert!(start.elapsed() > STEP_SILENCE, "the disk was not slow: {:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_disk_comes_first_in_the_boot_order_of_uefi() {
    let mut rack = Rack::new();
    efi_image(&rack.images.path().join("efi"));
    efi_image_for_large_sectors(&rack.images.path().join("large"));
    let mut server = Machine::new();
    server.add_drive("large", "");
    server.add_drive("slow", &format!(",throttling.bps-write={SLOW_BYTES_PER_SECOND}"));
    server.add_devices(&["virtio-blk-pci,drive=slow,serial=disk-slow"]);
    let sectors = "logical_block_size=4096,physical_block_size=4096";
    server.add_devices(&[&format!("virtio-blk-pci,drive=large,serial=disk-4k,{sectors}")]);
    server.boot(&rack.boot, &rack.arguments(), BootMode::Uefi);
    let (session, hardware) = rack.ready(&mut server).await;
    assert_eq!(hardware.boot_mode, BootMode::Uefi);
    // Names are given as the kernel comes by the disks.
    let mut sectors: Vec<_> = hardware
        .disks
        .iter()
        .map(|disk| (disk.serial.as_str(), disk.sector_bytes, disk.physical_sector_bytes))
        .collect();
    sectors.sort_unstable();
    assert_eq!(sectors, [("disk-1", 512, 512), ("disk-4k", 4096, 4096), ("disk-slow", 512, 512)]);
    the_disk_that_is_meant_is_the_one_that_is_written(&mut rack, &server, session, &hardware.disks).await;
    a_slow_disk_is_waited_for(&rack, session).await;
    rack.step(session, Step::write_image(rack.image("efi", ImageFormat::Raw))).await;
    rack.step(session, Step::WriteConfigDrive { content: vec![0x5a; 70_000] }).await;
    for _ in 0..2 {
        rack.step(session, Step::InstallBootEntry).await; // the second time it finds its own entry
    }
    rack.step(session, Step::Sync).await;
    let verified =
        Command::new("sfdisk").arg("--verify").arg(server.dir.path().join("disk.raw")).output().unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    let vars = fs::read(server.dir.path().join("vars.fd")).unwrap();
    let loader: Vec<u8> = "\\EFI\\BOOT\\BOOTX64.EFI".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(
        vars.windows(loader.len()).any(|window| window == loader),
        "no entry in the firmware's variables"
    );
    // With the disk the entry is gone that leads to it, and no other.
    rack.step(session, Step::EraseDisks(EraseOrder::default())).await;
    rack.step(session, Step::PowerOff).await;
    server.wait_off().await;
    let removed: Vec<_> = server
        .console()
        .lines()
        .filter_map(|line| line.split_once("boot entry removed: "))
        .map(|(_, entry)| entry.trim().to_owned())
        .collect();
    assert!(
        matches!(&removed[..], [one] if one.starts_with("Boot") && one.ends_with(" Deployed disk")),
        "{removed:?}"
    );
    rack.control.stop().await;
}
