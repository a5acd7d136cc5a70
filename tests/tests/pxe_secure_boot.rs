//! Edges: firmware with Secure Boot and Microsoft's keys, in QEMU, boots our ramdisk over the network from the real boot service: shim, GRUB,
//! its own server's configuration, kernel and ramdisk, as far as the ramdisk's hello to the real control of ramdisks.

mod pxe_common;

use std::{
    fs,
    net::SocketAddrV4,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use agent::{
    image::{Cache, ImageStream, Upstream, UpstreamError},
    ramdisk::{Control, ControlConfig, Event, Listener},
};
use anyhow::Context;
use async_trait::async_trait;
use protocol::{
    boot::{BootLoader, BootMode, BootPlan, BootPurpose, BootStage},
    id::{CommandId, ServerId},
    mac::MacAddr,
    network::BootNetwork,
    ramdisk::BootArguments,
    step::Step,
};
use pxe::{BootFilePaths, BootFiles, BootTicket};
use pxe_common::{AGENT, World};
use ramdisk::pack::{self, SignedLoaders, Sources};
use tokio::sync::{mpsc, oneshot};

const SERVER: MacAddr = MacAddr([0x52, 0x54, 0, 0, 0, 0x21]);
const NETWORK: BootNetwork = BootNetwork::Provisioning;
const RAMDISK_PORT: u16 = 8444;

/// Emulated UEFI on a busy machine needs most of it.
const BOOT_WAIT: Duration = Duration::from_secs(180);

/// A QEMU process that ends with the test.
struct Qemu(Child);

impl Drop for Qemu {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// No image is written here.
struct NoImages;

#[async_trait]
impl Upstream for NoImages {
    async fn fetch(&self, _: &str, _: u64) -> Result<ImageStream, UpstreamError> {
        Err(UpstreamError { reason: "there are none".to_owned() })
    }
}

/// The ramdisk for any server, as a site has it, and the signed loaders.
fn files() -> anyhow::Result<BootFiles> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let cache = workspace.join(".lab/cache");
    let packed = pack::pack_physical(&workspace, &cache, &Sources::default())?;
    let SignedLoaders { shim, grub } = pack::pack_signed_loaders(&cache)?;
    let paths = BootFilePaths {
        kernel: packed.kernel,
        initrd: packed.initrd,
        rescue: None,
        parts: Some(packed.dir),
        virtual_servers: None,
        manifest: None,
        signed: Some((shim, grub)),
        snponly: "/usr/lib/ipxe/snponly.efi".into(),
        undionly: "/usr/lib/ipxe/undionly.kpxe".into(),
    };
    BootFiles::read(&paths).context("reading boot files (package ipxe)")
}

/// The agent's control of ramdisks on the world's network, until the sender is dropped.
async fn control(world: &World) -> anyhow::Result<(Control, mpsc::Receiver<Event>, oneshot::Sender<()>)> {
    let (sender, events) = mpsc::channel(16);
    let (stop, stopped) = oneshot::channel::<()>();
    let (started, control) = oneshot::channel();
    let (ns, state_dir) = (world.agent.clone(), world.path("control"));
    fs::create_dir(&state_dir)?;
    let config = ControlConfig {
        listeners: vec![Listener {
            network: NETWORK,
            interface: "prov0".into(),
            address: SocketAddrV4::new(AGENT, RAMDISK_PORT),
            prefix_len: 24,
        }],
        state_dir: state_dir.clone(),
        boots: Vec::new(),
        resume_wait: BOOT_WAIT,
        step_silence: BOOT_WAIT,
    };
    // Sockets belong to the namespace of the thread that opens them.
    std::thread::spawn(move || {
        ns.enter_thread().expect("the namespace was made before");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime needs nothing special").block_on(async {
            let cache = Cache::open(state_dir.join("cache"), 1 << 30, Arc::new(NoImages)).expect("a cache");
            let _ = started.send(Control::start(config, Arc::new(cache), sender));
            let _ = stopped.await;
        });
    });
    Ok((control.await.context("the control's thread ended")??, events, stop))
}

fn power_on(world: &World) -> anyhow::Result<Qemu> {
    let vars = world.path("vars.fd");
    fs::copy("/usr/share/OVMF/OVMF_VARS_4M.ms.fd", &vars).context("copying firmware (package ovmf)")?;
    fs::File::create(world.path("disk.raw"))?.set_len(8 << 20)?;
    let mut qemu = Command::new("ip");
    qemu.args(["netns", "exec", &world.rack.0, "qemu-system-x86_64", "-nodefaults", "-no-user-config"])
        .args(["-M", "q35,smm=on", "-accel", "tcg,thread=multi", "-cpu", "max", "-m", "768"])
        .args(["-display", "none", "-no-reboot"])
        // As OVMF wants it: its variables are written in system management mode only.
        .args(["-global", "driver=cfi.pflash01,property=secure,value=on"])
        .args(["-drive", "if=pflash,format=raw,unit=0,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.ms.fd"])
        .args(["-drive", &format!("if=pflash,format=raw,unit=1,file={}", vars.display())])
        .args(["-serial", &format!("file:{}", world.path("console").display())])
        .args(["-netdev", "tap,id=n,ifname=tap0,script=no,downscript=no"])
        .args(["-device", &format!("virtio-net-pci,netdev=n,mac={SERVER},bootindex=0,romfile=")])
        .args(["-drive", &format!("file={},if=none,id=d,format=raw", world.path("disk.raw").display())])
        .args(["-device", "ide-hd,drive=d,bus=ide.0,serial=sata-1"]);
    let child = qemu.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
    Ok(Qemu(child.context("starting QEMU (package qemu-system-x86)")?))
}

/// What the server wrote to its serial console, for a failed test.
fn console(world: &World) -> String {
    String::from_utf8_lossy(&fs::read(world.path("console")).unwrap_or_default()).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_secure_boot_the_ramdisk_is_booted_over_the_network_and_its_drivers_are_loaded()
-> anyhow::Result<()> {
    let files = tokio::task::spawn_blocking(files).await??;
    let mut world = World::start("signed", files).await?;
    world
        .rack
        .ip_batch("tuntap add dev tap0 mode tap\nlink set tap0 master br0 up\n")
        .await
        .context("making the server's tap")?;
    let (control, mut events, _stop) = control(&world).await?;
    let (id, plan) = (ServerId::random(), BootPlan { purpose: BootPurpose::Inspect, network: NETWORK });
    let arguments = BootArguments {
        agent: SocketAddrV4::new(AGENT, RAMDISK_PORT).into(),
        fingerprint: control.fingerprint().to_owned(),
        token: control.issue(id, plan.clone()),
        mac: Some(SERVER),
        address: None,
        lldp_seconds: None,
        parts_port: Some(80),
    };
    let ticket = BootTicket {
        boot_id: 1,
        command_line: format!("console=ttyS0 quiet {arguments}"),
        boot_mode: BootMode::Uefi,
        loader: BootLoader::Shim,
        plan,
        own: None,
    };
    world.plans.give(SERVER, ticket);
    let mut server = power_on(&world)?;

    let stages = world.stages_until(BootStage::Initrd, BOOT_WAIT).await;
    let stages = stages.with_context(|| console(&world))?;
    assert_eq!(stages, BootStage::ALL);
    let ready = tokio::time::timeout(BOOT_WAIT, events.recv()).await;
    let Some(Event::Ready { session, hardware, .. }) = ready.with_context(|| console(&world))? else {
        panic!("no hello: {}", console(&world));
    };
    assert!(hardware.secure_boot, "the firmware does not say that it checks signatures");
    let disks: Vec<_> = hardware.disks.iter().map(|disk| disk.serial.as_str()).collect();
    let drivers: Vec<_> = hardware.nics.iter().map(|nic| nic.driver.as_str()).collect();
    assert_eq!((disks, drivers), (vec!["sata-1"], vec!["virtio_net"]), "{hardware:?}");
    assert_eq!(hardware.faults, [""; 0]);

    let off = control.run_step(session, CommandId::random(), Step::PowerOff, |_| ()).await;
    off.map_err(|failure| anyhow::anyhow!("{failure}"))?;
    let ended = async {
        while server.0.try_wait()?.is_none() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok::<_, std::io::Error>(())
    };
    tokio::time::timeout(BOOT_WAIT, ended).await.with_context(|| console(&world))??;
    control.stop().await;
    Ok(())
}
