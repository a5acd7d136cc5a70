//! A virtual server with the real ramdisk in it, and the agent's real control of it.
#![allow(dead_code, unreachable_pub, clippy::print_stdout)] // Each test uses its part; figures for who reads the output.

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
    hardware::HardwareReport,
    id::{CommandId, RamdiskSessionId, ServerId},
    network::BootNetwork,
    ramdisk::BootArguments,
    step::{ImageFormat, ImageRef, Step, StepOutput},
};
use ramdisk::pack::BootFiles;
use ring::digest;
use tokio::sync::mpsc;

pub const DISK_BYTES: u64 = 512 << 20;
pub const SMALL_DISK_BYTES: usize = 8 << 20;
pub const WAIT_MAX: Duration = Duration::from_secs(120);
/// A ramdisk speaks several times as often, and slow disks in these tests keep it busy for longer.
pub const STEP_SILENCE: Duration = Duration::from_secs(20);
const NETWORK: BootNetwork = BootNetwork::Provisioning;
/// Of the interface that the server is booted over.
pub const MAC: &str = "52:54:00:12:34:56";

/// Image files in a directory, as the coordinator would send them.
pub struct Directory(PathBuf);

#[async_trait]
impl Upstream for Directory {
    async fn fetch(&self, id: &str, offset: u64) -> Result<ImageStream, UpstreamError> {
        let bytes = fs::read(self.0.join(id)).map_err(|e| UpstreamError { reason: e.to_string() })?;
        let chunks: Vec<_> =
            bytes[offset as usize..].chunks(1 << 20).map(|c| Ok(c.to_vec().into())).collect();
        Ok(Box::pin(tokio_stream::iter(chunks)))
    }
}

pub struct Machine {
    pub dir: tempfile::TempDir,
    pub qemu: Option<Child>,
    pub started: Instant,
    /// Arguments of QEMU for its first disk and its network.
    pub usual: Vec<String>,
    /// Those for what it has beside the usual.
    pub further: Vec<String>,
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
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let disk = File::create(dir.path().join("disk.raw")).unwrap();
        disk.set_len(DISK_BYTES).unwrap();
        let drive =
            format!("file={},if=none,id=d,format=raw,discard=unmap", dir.path().join("disk.raw").display());
        let (disk, nic) =
            ("virtio-blk-pci,drive=d,serial=disk-1", format!("virtio-net-pci,netdev=n,mac={MAC}"));
        let usual = ["-drive", &drive, "-device", disk, "-netdev", "user,id=n", "-device", &nic];
        let usual = usual.map(str::to_owned).to_vec();
        Self { dir, qemu: None, started: Instant::now(), usual, further: Vec::new() }
    }

    /// Makes a disk file that is full of what an earlier tenant left, and gives its drive to QEMU.
    pub fn add_drive(&mut self, name: &str, options: &str) {
        let path = self.dir.path().join(format!("{name}.raw"));
        fs::write(&path, vec![0xaa; SMALL_DISK_BYTES]).unwrap();
        let drive = format!("file={},if=none,id={name},format=raw{options}", path.display());
        self.further.extend(["-drive".to_owned(), drive]);
    }

    /// One more way to the disk of this name, for a device of its own: NAME-again.
    pub fn add_path(&mut self, name: &str) {
        let path = self.dir.path().join(format!("{name}.raw"));
        let drive = format!("file={},if=none,id={name}-again,format=raw,file.locking=off", path.display());
        self.further.extend(["-drive".to_owned(), drive]);
    }

    /// Writes on a disk before its server is booted.
    pub fn write_on(&self, name: &str, offset: u64, bytes: &[u8]) {
        let file = File::options().write(true).open(self.dir.path().join(format!("{name}.raw"))).unwrap();
        file.write_all_at(bytes, offset).unwrap();
    }

    /// The same with a place that cannot be read.
    pub fn add_broken_drive(&mut self, name: &str, bad_byte: u64) {
        self.add_faulty_drive(name, bad_byte, &["read"]);
    }

    /// The same with a place at which these kinds of requests fail (QEMU's blkdebug).
    pub fn add_faulty_drive(&mut self, name: &str, bad_byte: u64, kinds: &[&str]) {
        let path = self.dir.path().join(format!("{name}.raw"));
        fs::write(&path, vec![0xaa; SMALL_DISK_BYTES]).unwrap();
        let error = |kind: &&str| serde_json::json!({"event": "none", "iotype": kind, "errno": 5, "sector": bad_byte / 512});
        let errors: Vec<_> = kinds.iter().map(error).collect();
        let file = serde_json::json!({"driver": "file", "filename": path});
        let debug = serde_json::json!({"driver": "blkdebug", "image": file, "inject-error": errors});
        let drive = serde_json::json!({"driver": "raw", "node-name": name, "file": debug});
        self.further.extend(["-blockdev".to_owned(), drive.to_string()]);
    }

    pub fn add_devices(&mut self, devices: &[&str]) {
        self.further.extend(devices.iter().flat_map(|device| ["-device".to_owned(), (*device).to_owned()]));
    }

    pub fn left_on(&self, name: &str) -> Vec<u8> {
        fs::read(self.dir.path().join(format!("{name}.raw"))).unwrap()
    }

    /// Plugs a device in while the server runs, by QEMU's monitor.
    pub fn plug_in(&self, device: &serde_json::Value) {
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

    pub fn console(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.dir.path().join("console.log")).unwrap_or_default())
            .into_owned()
    }

    pub fn disk(&self) -> File {
        File::options().read(true).write(true).open(self.dir.path().join("disk.raw")).unwrap()
    }

    /// Boots the kernel and the initrd directly; the user network's own DHCP server gives the address.
    pub fn boot(&mut self, boot: &BootFiles, arguments: &BootArguments, firmware: BootMode) {
        if firmware == BootMode::Uefi {
            self.give_firmware("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd");
        }
        let words = format!("console=ttyS0 quiet {arguments}");
        let (kernel, initrd) = (boot.kernel.display().to_string(), boot.initrd.display().to_string());
        self.further.extend(["-kernel", &kernel, "-initrd", &initrd, "-append", &words].map(str::to_owned));
        self.start("q35");
    }

    /// UEFI's code, and its variables as they are at first.
    pub fn give_firmware(&mut self, code: &str, variables: &str) {
        let own = self.dir.path().join("vars.fd");
        fs::copy(variables, &own).unwrap();
        let code = format!("if=pflash,format=raw,unit=0,readonly=on,file={code}");
        let own = format!("if=pflash,format=raw,unit=1,file={}", own.display());
        self.further.extend(["-drive", &code, "-drive", &own].map(str::to_owned));
    }

    pub fn start(&mut self, machine: &str) {
        let argument = |name: &str| self.dir.path().join(name).display().to_string();
        self.started = Instant::now();
        let mut qemu = Command::new("qemu-system-x86_64");
        let qemu = qemu
            .args([
                "-nodefaults",
                "-no-user-config",
                "-M",
                machine,
                "-accel",
                "tcg,thread=multi",
                "-cpu",
                "max",
            ])
            .args(["-m", "512", "-display", "none", "-no-reboot"])
            .args(["-smbios", "type=1,manufacturer=Maker,product=Box,serial=S-1"])
            .args(["-serial", &format!("file:{}", argument("console.log"))])
            .args(&self.usual)
            .args(["-qmp", &format!("unix:{},server=on,wait=off", argument("qmp.sock"))])
            .args(&self.further)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        self.qemu = Some(qemu);
    }

    pub async fn wait_off(&mut self) {
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

pub struct Rack {
    pub control: Control,
    pub events: mpsc::Receiver<Event>,
    pub images: tempfile::TempDir,
    pub boot: BootFiles,
    pub id: ServerId,
}

pub fn plan() -> BootPlan {
    BootPlan { purpose: BootPurpose::Deploy, network: NETWORK }
}

/// The agent's control of ramdisks, which keeps its state beside the images.
pub fn control(
    images: &Path,
    port: u16,
    boots: Vec<(ServerId, BootPlan)>,
) -> (Control, mpsc::Receiver<Event>) {
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
        step_silence: STEP_SILENCE,
    };
    (Control::start(config, Arc::new(cache), sender).unwrap(), events)
}

impl Rack {
    /// Virtual servers boot in it.
    pub fn new() -> Self {
        Self::with(|workspace, cache| ramdisk::pack::pack(workspace, cache).unwrap())
    }

    pub fn with(pack: impl FnOnce(&Path, &Path) -> BootFiles) -> Self {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let boot = pack(&workspace, &workspace.join(".lab/cache"));
        let images = tempfile::tempdir().unwrap();
        let (control, events) = control(images.path(), 0, vec![]);
        Self { control, events, images, boot, id: ServerId::random() }
    }

    /// The agent is killed and started again, knowing of these boots.
    pub async fn restart(&mut self, boots: Vec<(ServerId, BootPlan)>) {
        let port = self.control.address(NETWORK).unwrap().port();
        self.control.stop().await;
        (self.control, self.events) = control(self.images.path(), port, boots);
    }

    pub fn arguments(&self) -> BootArguments {
        // 10.0.2.2 is this machine's loopback as the user network shows it.
        let port = self.control.address(NETWORK).unwrap().port();
        BootArguments {
            agent: ([10, 0, 2, 2], port).into(),
            fingerprint: self.control.fingerprint().to_owned(),
            token: self.control.issue(self.id, plan()),
            mac: Some(MAC.parse().unwrap()),
            address: None,
            lldp_seconds: None,
            parts_port: None,
        }
    }

    pub async fn ready(&mut self, server: &mut Machine) -> (RamdiskSessionId, HardwareReport) {
        match tokio::time::timeout(WAIT_MAX, self.events.recv()).await {
            Ok(Some(Event::Ready { session, hardware, .. })) => {
                println!("hello after {:.1} s", server.started.elapsed().as_secs_f32());
                (session, *hardware)
            }
            other => panic!("no hello: {other:?}"),
        }
    }

    pub async fn step(&self, session: RamdiskSessionId, step: Step) -> StepOutput {
        let start = Instant::now();
        let what = format!("{step:.20?}");
        let outcome = self.control.run_step(session, CommandId::random(), step, |_| ()).await;
        println!("{:.30} took {:.2} s", what, start.elapsed().as_secs_f32());
        outcome.unwrap_or_else(|failure| panic!("{what}: {failure}"))
    }

    pub fn image(&self, name: &str, format: ImageFormat) -> ImageRef {
        let bytes = fs::read(self.images.path().join(name)).unwrap();
        let sha512 = protocol::hex::encode(digest::digest(&digest::SHA512, &bytes));
        ImageRef { id: name.into(), format, size_bytes: bytes.len() as u64, sha512 }
    }
}

/// Waits until the console says this so many times.
pub async fn said(server: &Machine, words: &str, times: usize) {
    let start = Instant::now();
    while server.console().matches(words).count() < times {
        assert!(start.elapsed() < WAIT_MAX, "the ramdisk does not say {words:?} {times} times");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
