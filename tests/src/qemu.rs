//! Edges: a virtual server: one QEMU process while it has power, none while it has not.
//!
//! The machine keeps what hardware keeps without power: disk, firmware variables, boot setting. Every boot and every
//! loss of power is written to a log with its time, for the stories to compare with what was seen on the networks.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, bail};
use async_trait::async_trait;
use protocol::{
    boot::{BootDevice, BootMode, Persistence},
    mac::MacAddr,
};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
    process::{Child, Command},
    sync::Mutex,
};
use uuid::Uuid;

use crate::{
    bmc::chassis::{BootSetting, Chassis},
    netns::Netns,
    power_event::PowerEvent,
};

/// How long QEMU's monitor may take to answer.
const MONITOR_WAIT_MAX: Duration = Duration::from_secs(5);

/// What a virtual server's disk and network cards are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Devices {
    /// What only virtual machines have.
    #[default]
    Virtio,
    /// What physical servers have: a SATA disk behind AHCI, and Intel's 82574L.
    Physical,
}

/// What a virtual server is made of.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MachineConfig {
    /// Its name, also its serial number.
    pub name: String,
    /// Where it keeps disk, firmware variables, console log and sockets.
    pub dir: PathBuf,
    /// Namespace of its tap; none: no namespace.
    pub netns: Option<String>,
    /// Its tap, made by somebody else; none: no network card.
    pub tap: Option<String>,
    /// Address of its network card.
    pub mac: MacAddr,
    /// Further network cards, over which it never boots.
    #[serde(default)]
    pub further: Vec<FurtherCard>,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// Size of its one disk in bytes; the file is sparse.
    pub disk_bytes: u64,
    /// Firmware.
    pub firmware: BootMode,
    /// Its disk and its network cards.
    #[serde(default)]
    pub devices: Devices,
    /// QEMU's accelerator: `tcg,thread=multi` or `kvm`.
    pub accelerator: String,
    /// Its hardware UUID; none: its firmware has none.
    #[serde(default)]
    pub uuid: Option<Uuid>,
}

/// A network card beside the first one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FurtherCard {
    /// Its tap.
    pub tap: String,
    /// Its address.
    pub mac: MacAddr,
}

/// A virtual server.
#[derive(Debug)]
pub struct Machine {
    config: MachineConfig,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    running: Option<Child>,
    boot: Option<BootSetting>,
}

impl Machine {
    /// The machine, without power, with its disk made when it has none yet.
    pub fn new(config: MachineConfig) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&config.dir)?;
        let disk = config.dir.join("disk.raw");
        if !disk.exists() {
            std::fs::File::create(&disk)?.set_len(config.disk_bytes)?;
        }
        if config.firmware == BootMode::Uefi && !config.dir.join("vars.fd").exists() {
            std::fs::copy("/usr/share/OVMF/OVMF_VARS_4M.fd", config.dir.join("vars.fd"))
                .context("copying the firmware's variables (package ovmf)")?;
        }
        Ok(Self { config, state: Mutex::default() })
    }

    /// Its disk as a file.
    pub fn disk(dir: &Path) -> PathBuf {
        dir.join("disk.raw")
    }

    /// What it wrote to its serial console since the lab started.
    pub fn console(dir: &Path) -> PathBuf {
        dir.join("console.log")
    }

    /// Its QEMU's pid, while it has power; for pulling the plug behind everybody's back.
    pub fn pid(dir: &Path) -> Option<i32> {
        std::fs::read_to_string(dir.join("qemu.pid")).ok()?.trim().parse().ok()
    }

    /// Boots and power losses so far.
    pub fn events(dir: &Path) -> Vec<PowerEvent> {
        let text = std::fs::read_to_string(dir.join("power.log")).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    fn log(&self, boot: Option<BootDevice>) -> anyhow::Result<()> {
        use std::io::Write;
        let at_us = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_micros() as u64;
        let mut file =
            std::fs::OpenOptions::new().create(true).append(true).open(self.config.dir.join("power.log"))?;
        writeln!(file, "{}", serde_json::to_string(&PowerEvent { at_us, boot })?)?;
        Ok(())
    }

    fn arguments(&self, device: BootDevice) -> Vec<String> {
        let MachineConfig {
            name, dir, tap, mac, further, memory_mib, firmware, devices, accelerator, ..
        } = &self.config;
        let (disk, nic) = match devices {
            Devices::Virtio => ("virtio-blk-pci", "virtio-net-pci"),
            Devices::Physical => ("ide-hd,bus=ide.0", "e1000e"),
        };
        let dir = dir.display();
        let mut arguments: Vec<String> = Vec::new();
        let mut add = |text: String| arguments.extend(text.split(' ').map(str::to_owned));
        add(format!("-name {name} -nodefaults -no-user-config -M q35 -accel {accelerator} -cpu max"));
        if let Some(uuid) = self.config.uuid {
            add(format!("-uuid {uuid}"));
        }
        add(format!("-smp 1 -m {memory_mib} -display none -pidfile {dir}/qemu.pid"));
        add(format!("-smbios type=1,manufacturer=BMS-Lab,product=Virtual-Server,serial={name}"));
        add(format!("-qmp unix:{dir}/qmp.sock,server=on,wait=off"));
        add(format!(
            "-chardev socket,id=console,path={dir}/console.sock,server=on,wait=off,logfile={dir}/console.log,logappend=on"
        ));
        add("-serial chardev:console".to_owned());
        let (nic_index, disk_index) = match device {
            BootDevice::Pxe => (0, 1),
            BootDevice::Disk => (1, 0),
        };
        // From the disk means from the disk alone: a server whose disk is empty must not fall back to the network.
        let nic_boot = match device {
            BootDevice::Pxe => format!(",bootindex={nic_index}"),
            BootDevice::Disk => String::new(),
        };
        add(format!(
            "-drive file={dir}/disk.raw,if=none,id=disk0,format=raw,cache=writeback,discard=unmap,detect-zeroes=unmap"
        ));
        add(format!("-device {disk},drive=disk0,serial={name}-disk0,bootindex={disk_index}"));
        if let Some(tap) = tap {
            add(format!("-netdev tap,id=net0,ifname={tap},script=no,downscript=no"));
            let rom = match (firmware, devices) {
                // Without its iPXE ROM the card is booted by the firmware's own PXE client, which needs TFTP.
                (BootMode::Uefi, Devices::Virtio) => ",romfile=",
                // For a physical one OVMF has no driver but what its ROM brings.
                (BootMode::Bios, _) | (BootMode::Uefi, Devices::Physical) => "",
            };
            add(format!("-device {nic},netdev=net0,mac={mac}{nic_boot}{rom}"));
        }
        for (card, number) in further.iter().zip(1..) {
            let FurtherCard { tap, mac } = card;
            add(format!("-netdev tap,id=net{number},ifname={tap},script=no,downscript=no"));
            add(format!("-device {nic},netdev=net{number},mac={mac},romfile="));
        }
        if *firmware == BootMode::Uefi {
            add("-drive if=pflash,format=raw,unit=0,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd"
                .to_owned());
            add(format!("-drive if=pflash,format=raw,unit=1,file={dir}/vars.fd"));
        }
        arguments
    }

    async fn start(&self, state: &mut State) -> anyhow::Result<()> {
        let device = state.boot.map_or(BootDevice::Disk, |setting| setting.device);
        if state.boot.is_some_and(|setting| setting.persistence == Persistence::Once) {
            state.boot = None;
        }
        let mut command = match &self.config.netns {
            Some(ns) => Netns(ns.clone()).command("qemu-system-x86_64"),
            None => Command::new("qemu-system-x86_64"),
        };
        let log = std::fs::File::create(self.config.dir.join("qemu.log"))?;
        let mut child = command
            .args(self.arguments(device))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("starting qemu-system-x86_64 (package qemu-system-x86)")?;
        self.log(Some(device))?;
        // The monitor's socket is there as soon as QEMU has accepted its arguments.
        let deadline = tokio::time::Instant::now() + MONITOR_WAIT_MAX;
        while UnixStream::connect(self.config.dir.join("qmp.sock")).await.is_err() {
            if child.try_wait()?.is_some() || tokio::time::Instant::now() > deadline {
                let said = std::fs::read_to_string(self.config.dir.join("qemu.log")).unwrap_or_default();
                bail!("{}: qemu did not start: {}", self.config.name, said.trim());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        state.running = Some(child);
        Ok(())
    }

    async fn stop(&self, state: &mut State) -> anyhow::Result<()> {
        if let Some(mut child) = state.running.take() {
            let alive = child.try_wait()?.is_none();
            child.kill().await?;
            if alive {
                self.log(None)?;
            }
        }
        self.forget_process();
        Ok(())
    }

    fn forget_process(&self) {
        for name in ["qemu.pid", "qmp.sock", "console.sock"] {
            let _ = std::fs::remove_file(self.config.dir.join(name));
        }
    }

    /// Whether QEMU runs; one that has ended by itself (the guest switched off, or it was killed) is collected.
    fn on(&self, state: &mut State) -> anyhow::Result<bool> {
        let Some(child) = &mut state.running else { return Ok(false) };
        if child.try_wait()?.is_none() {
            return Ok(true);
        }
        state.running = None;
        self.log(None)?;
        self.forget_process();
        Ok(false)
    }

    async fn monitor(&self, command: &str) -> anyhow::Result<()> {
        let talk = async {
            let stream = UnixStream::connect(self.config.dir.join("qmp.sock")).await?;
            let (read, mut write) = stream.into_split();
            let mut lines = BufReader::new(read).lines();
            lines.next_line().await?;
            for execute in ["qmp_capabilities", command] {
                write.write_all(format!("{{\"execute\":\"{execute}\"}}\n").as_bytes()).await?;
                lines.next_line().await?;
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(MONITOR_WAIT_MAX, talk).await.context("qemu's monitor did not answer")?
    }
}

#[async_trait]
impl Chassis for Machine {
    async fn power(&self) -> anyhow::Result<bool> {
        self.on(&mut *self.state.lock().await)
    }

    async fn power_on(&self) -> anyhow::Result<()> {
        let mut state = self.state.lock().await;
        if self.on(&mut state)? { Ok(()) } else { self.start(&mut state).await }
    }

    async fn power_off(&self) -> anyhow::Result<()> {
        self.stop(&mut *self.state.lock().await).await
    }

    async fn reset(&self) -> anyhow::Result<()> {
        let mut state = self.state.lock().await;
        if !self.on(&mut state)? {
            bail!("{}: reset of a server that is off", self.config.name);
        }
        self.stop(&mut state).await?;
        self.start(&mut state).await
    }

    async fn soft_off(&self) -> anyhow::Result<()> {
        self.monitor("system_powerdown").await
    }

    async fn set_boot(&self, setting: Option<BootSetting>) -> anyhow::Result<()> {
        self.state.lock().await.boot = setting;
        Ok(())
    }

    async fn boot(&self) -> anyhow::Result<Option<BootSetting>> {
        Ok(self.state.lock().await.boot)
    }
}
