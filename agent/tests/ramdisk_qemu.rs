//! Edges: the real ramdisk on a virtual server, told what to do by the agent's real control: it says hello, reports its
//! hardware, writes raw and qcow2 images with a configuration drive, erases, and switches itself off. The disk is looked
//! at from outside.
#![allow(clippy::print_stdout)] // Figures for who reads the test's output.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, SocketAddrV4},
    os::unix::{fs::FileExt, net::UnixStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use agent::{
    image::{Cache, ImageStream, Upstream, UpstreamError},
    ramdisk::{Control, ControlConfig, Event, Listener},
};
use async_trait::async_trait;
use protocol::{
    boot::{BootMode, BootPlan, BootPurpose},
    hardware::{Disk, HardwareReport},
    id::{CommandId, RamdiskSessionId, ServerId},
    network::BootNetwork,
    ramdisk::BootArguments,
    step::{EraseOrder, ImageFormat, ImageRef, METHOD_LEFT_OUT, Step, StepOutput},
};
use ring::digest;
use tokio::sync::mpsc;

const DISK_BYTES: u64 = 512 << 20;
const SMALL_DISK_BYTES: usize = 8 << 20;
const IMAGE_BYTES: usize = 64 << 20;
const WAIT_MAX: Duration = Duration::from_secs(120);
const NETWORK: BootNetwork = BootNetwork::Provisioning;

/// Image files in a directory, as the coordinator would send them.
struct Directory(PathBuf);

#[async_trait]
impl Upstream for Directory {
    async fn fetch(&self, id: &str, offset: u64) -> Result<ImageStream, UpstreamError> {
        let bytes = fs::read(self.0.join(id)).map_err(|e| UpstreamError { reason: e.to_string() })?;
        let chunks: Vec<_> =
            bytes[offset as usize..].chunks(1 << 20).map(|c| Ok(c.to_vec().into())).collect();
        Ok(Box::pin(tokio_stream::iter(chunks)))
    }
}

struct Machine {
    dir: tempfile::TempDir,
    qemu: Option<Child>,
    started: Instant,
    /// Arguments of QEMU for what it has beside the usual.
    further: Vec<String>,
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Some(mut qemu) = self.qemu.take() {
            let _ = qemu.kill();
            let _ = qemu.wait();
        }
        if std::thread::panicking() {
            eprintln!("console:\n{}", self.console());
        }
    }
}

impl Machine {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let disk = File::create(dir.path().join("disk.raw")).unwrap();
        disk.set_len(DISK_BYTES).unwrap();
        Self { dir, qemu: None, started: Instant::now(), further: Vec::new() }
    }

    /// Makes a disk file that is full of what an earlier tenant left, and gives its drive to QEMU.
    fn add_drive(&mut self, name: &str, options: &str) {
        let path = self.dir.path().join(format!("{name}.raw"));
        fs::write(&path, vec![0xaa; SMALL_DISK_BYTES]).unwrap();
        let drive = format!("file={},if=none,id={name},format=raw{options}", path.display());
        self.further.extend(["-drive".to_owned(), drive]);
    }

    /// The same with a place that cannot be read.
    fn add_broken_drive(&mut self, name: &str, bad_byte: u64) {
        let path = self.dir.path().join(format!("{name}.raw"));
        fs::write(&path, vec![0xaa; SMALL_DISK_BYTES]).unwrap();
        let error =
            serde_json::json!({"event": "none", "iotype": "read", "errno": 5, "sector": bad_byte / 512});
        let file = serde_json::json!({"driver": "file", "filename": path});
        let debug = serde_json::json!({"driver": "blkdebug", "image": file, "inject-error": [error]});
        let drive = serde_json::json!({"driver": "raw", "node-name": name, "file": debug});
        self.further.extend(["-blockdev".to_owned(), drive.to_string()]);
    }

    fn add_devices(&mut self, devices: &[&str]) {
        self.further.extend(devices.iter().flat_map(|device| ["-device".to_owned(), (*device).to_owned()]));
    }

    fn left_on(&self, name: &str) -> Vec<u8> {
        fs::read(self.dir.path().join(format!("{name}.raw"))).unwrap()
    }

    /// Plugs a device in while the server runs, by QEMU's monitor.
    fn plug_in(&self, device: &serde_json::Value) {
        let mut monitor = UnixStream::connect(self.dir.path().join("qmp.sock")).unwrap();
        monitor.set_read_timeout(Some(WAIT_MAX)).unwrap();
        let mut lines = BufReader::new(monitor.try_clone().unwrap()).lines();
        lines.next().unwrap().unwrap();
        let add = serde_json::json!({"execute": "device_add", "arguments": device});
        for command in [serde_json::json!({"execute": "qmp_capabilities"}), add] {
            writeln!(monitor, "{command}").unwrap();
            let answer = lines.next().unwrap().unwrap();
            assert!(answer.contains("return"), "{command}: {answer}");
        }
    }

    fn console(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.dir.path().join("console.log")).unwrap_or_default())
            .into_owned()
    }

    fn disk(&self) -> File {
        File::options().read(true).write(true).open(self.dir.path().join("disk.raw")).unwrap()
    }

    /// Boots the kernel and the initrd directly; the user network's own DHCP server gives the address.
    fn boot(&mut self, boot: &ramdisk::pack::BootFiles, arguments: &BootArguments, firmware: BootMode) {
        let dir = self.dir.path();
        let argument = |name: &str| dir.join(name).display().to_string();
        self.started = Instant::now();
        let mut qemu = Command::new("qemu-system-x86_64");
        match firmware {
            BootMode::Bios => {}
            BootMode::Uefi => {
                let vars = argument("vars.fd");
                fs::copy("/usr/share/OVMF/OVMF_VARS_4M.fd", &vars).unwrap();
                let code = "if=pflash,format=raw,unit=0,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd";
                qemu.args(["-drive", code, "-drive", &format!("if=pflash,format=raw,unit=1,file={vars}")]);
            }
        }
        let qemu = qemu
            .args([
                "-nodefaults",
                "-no-user-config",
                "-M",
                "q35",
                "-accel",
                "tcg,thread=multi",
                "-cpu",
                "max",
            ])
            .args(["-m", "512", "-display", "none", "-no-reboot"])
            .args(["-smbios", "type=1,manufacturer=Maker,product=Box,serial=S-1"])
            .args(["-serial", &format!("file:{}", argument("console.log"))])
            .args(["-drive", &format!("file={},if=none,id=d,format=raw,discard=unmap", argument("disk.raw"))])
            .args(["-device", "virtio-blk-pci,drive=d,serial=disk-1"])
            .args(["-netdev", "user,id=n", "-device", "virtio-net-pci,netdev=n,mac=52:54:00:12:34:56"])
            .args([
                "-kernel",
                &boot.kernel.display().to_string(),
                "-initrd",
                &boot.initrd.display().to_string(),
            ])
            .args(["-qmp", &format!("unix:{},server=on,wait=off", argument("qmp.sock"))])
            .args(&self.further)
            .args(["-append", &format!("console=ttyS0 quiet {arguments}")])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        self.qemu = Some(qemu);
    }

    async fn wait_off(&mut self) {
        let mut qemu = self.qemu.take().unwrap();
        let start = Instant::now();
        while qemu.try_wait().unwrap().is_none() {
            if start.elapsed() > WAIT_MAX {
                let _ = qemu.kill();
                panic!("the server stayed on");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

struct Rack {
    control: Control,
    events: mpsc::Receiver<Event>,
    images: tempfile::TempDir,
    boot: ramdisk::pack::BootFiles,
    id: ServerId,
}

fn plan() -> BootPlan {
    BootPlan { purpose: BootPurpose::Deploy, network: NETWORK }
}

/// The agent's control of ramdisks, which keeps its state beside the images.
fn control(images: &Path, port: u16, boots: Vec<(ServerId, BootPlan)>) -> (Control, mpsc::Receiver<Event>) {
    let upstream = Arc::new(Directory(images.to_owned()));
    let cache = Cache::open(images.join("cache"), 1 << 30, upstream).unwrap();
    let (sender, events) = mpsc::channel(16);
    let config = ControlConfig {
        listeners: vec![Listener {
            network: NETWORK,
            interface: "lo".into(),
            address: SocketAddrV4::new(Ipv4Addr::LOCALHOST, port),
            prefix_len: 8,
        }],
        state_dir: images.to_owned(),
        boots,
        resume_wait: WAIT_MAX,
    };
    (Control::start(config, Arc::new(cache), sender).unwrap(), events)
}

impl Rack {
    fn new() -> Self {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let boot = ramdisk::pack::pack(&workspace, &workspace.join(".lab/cache")).unwrap();
        let images = tempfile::tempdir().unwrap();
        let (control, events) = control(images.path(), 0, vec![]);
        Self { control, events, images, boot, id: ServerId::random() }
    }

    /// The agent is killed and started again, knowing of these boots.
    async fn restart(&mut self, boots: Vec<(ServerId, BootPlan)>) {
        let port = self.control.address(NETWORK).unwrap().port();
        self.control.stop().await;
        (self.control, self.events) = control(self.images.path(), port, boots);
    }

    fn arguments(&self) -> BootArguments {
        // 10.0.2.2 is this machine's loopback as the user network shows it.
        let port = self.control.address(NETWORK).unwrap().port();
        BootArguments {
            agent: ([10, 0, 2, 2], port).into(),
            fingerprint: self.control.fingerprint().to_owned(),
            token: self.control.issue(self.id, plan()),
            mac: Some("52:54:00:12:34:56".parse().unwrap()),
            address: None,
            lldp_seconds: None,
        }
    }

    async fn ready(&mut self, server: &mut Machine) -> (RamdiskSessionId, HardwareReport) {
        match tokio::time::timeout(WAIT_MAX, self.events.recv()).await {
            Ok(Some(Event::Ready { session, hardware, .. })) => {
                println!("hello after {:.1} s", server.started.elapsed().as_secs_f32());
                (session, *hardware)
            }
            other => panic!("no hello: {other:?}"),
        }
    }

    async fn step(&self, session: RamdiskSessionId, step: Step) -> StepOutput {
        let start = Instant::now();
        let what = format!("{step:.20?}");
        let outcome = self.control.run_step(session, CommandId::random(), step, |_| ()).await;
        println!("{:.30} took {:.2} s", what, start.elapsed().as_secs_f32());
        outcome.unwrap_or_else(|failure| panic!("{what}: {failure}"))
    }

    fn image(&self, name: &str, format: ImageFormat) -> ImageRef {
        let bytes = fs::read(self.images.path().join(name)).unwrap();
        let sha512 = protocol::hex::encode(digest::digest(&digest::SHA512, &bytes));
        ImageRef { id: name.into(), format, size_bytes: bytes.len() as u64, sha512 }
    }
}

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

/// Waits until the console says this so many times.
async fn said(server: &Machine, words: &str, times: usize) {
    let start = Instant::now();
    while server.console().matches(words).count() < times {
        assert!(start.elapsed() < WAIT_MAX, "the ramdisk does not say {words:?} {times} times");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
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
