//! Edges: one virtual server of the lab: its machine and its BMC, in one program inside the fabric's namespace.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use protocol::secret::Secret;
use serde::{Deserialize, Serialize};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    bmc::{self, Credentials, chassis::Chassis, ipmi_sim::IpmiSimConfig},
    farm::{Farm, Running},
    qemu::{Machine, MachineConfig},
};

/// Which BMC a virtual server has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BmcKind {
    /// OpenIPMI's `ipmi_sim`: IPMI 2.0 with cipher suite 3, written by nobody here.
    IpmiSim,
    /// Our virtual BMC: IPMI 2.0 with cipher suites 3 and 17.
    Ipmi,
    /// Our virtual Redfish service.
    Redfish,
}

/// A virtual server, as its program reads it from a file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ServerConfig {
    /// The machine.
    pub machine: MachineConfig,
    /// Its BMC.
    pub bmc: BmcKind,
    /// What is odd about its BMC, and where that is switched: one group of one. Then this is who it is, and where it listens.
    #[serde(default)]
    pub odd: Option<Farm>,
    /// Where the BMC listens.
    pub address: SocketAddr,
    /// The BMC's user.
    pub username: String,
    /// The BMC's password; of the lab, and written in its files.
    pub password: Secret,
}

/// How often the counter file is brought up to date.
const COUNT_EVERY: Duration = Duration::from_millis(200);

/// File that holds how many log-ins our virtual IPMI BMC has seen begin.
pub fn counters(dir: &Path) -> PathBuf {
    dir.join("bmc.attempts")
}

/// Runs one virtual server until SIGTERM; then its power goes too.
pub async fn run(path: &Path) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let config: ServerConfig = serde_json::from_str(&text)?;
    let mut stop = signal(SignalKind::terminate())?;
    let state = config.machine.dir.clone();
    let uuid = config.machine.uuid.unwrap_or_else(uuid::Uuid::new_v4);
    let machine: Arc<dyn Chassis> = Arc::new(Machine::new(config.machine)?);
    let credentials = Credentials { username: config.username, password: config.password };
    if let Some(farm) = &config.odd {
        let running = Running::before(Arc::clone(&machine), uuid, farm).await?;
        stop.recv().await;
        drop(running);
        return machine.power_off().await;
    }
    match config.bmc {
        BmcKind::IpmiSim => {
            let sim = IpmiSimConfig {
                addr: config.address,
                netns: None,
                dir: state.join("ipmi_sim"),
                credentials,
                uuid,
            };
            let running = bmc::ipmi_sim::start(sim, Arc::clone(&machine)).await?;
            stop.recv().await;
            running.stop().await?;
        }
        BmcKind::Ipmi => {
            let running = bmc::ipmi::serve_as(config.address, credentials, Arc::clone(&machine), uuid)?;
            let file = counters(&state);
            let mut shown = None;
            let count = async {
                loop {
                    let attempts = running.stats().attempts;
                    if shown.replace(attempts) != Some(attempts) {
                        tokio::fs::write(&file, attempts.to_string()).await?;
                    }
                    tokio::time::sleep(COUNT_EVERY).await;
                }
            };
            let counted: anyhow::Result<()> = tokio::select! {
                _ = stop.recv() => Ok(()),
                failed = count => failed,
            };
            drop(running);
            counted.with_context(|| format!("counting in {}", file.display()))?;
        }
        BmcKind::Redfish => {
            let running = bmc::redfish::serve_as(config.address, credentials, Arc::clone(&machine), uuid)?;
            stop.recv().await;
            drop(running);
        }
    }
    machine.power_off().await
}
