//! Edges: how long each part of a server's life takes, on a lab of the bench's own, and what the programs need of memory.

use std::{
    collections::BTreeMap,
    future::Future,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context, ensure};
use api_types::{Event, EventKind, TenantNetwork};
use protocol::boot::BootDevice;

use crate::{
    lab::{
        Lab,
        site::{SERVERS, ServerPlan, Site, import_file_of},
        step::Steps,
        story::{self, FLAVOR, IMAGE, wait_state},
        up,
    },
    qemu::Machine,
};

/// The server that lives through it: BIOS, our virtual IPMI BMC.
const SERVER: &ServerPlan = &SERVERS[1];
/// The tenant's name for it.
const NAME: &str = "bench";
/// Where the lab of the bench is, beside that of `make lab`.
const PREFIX: &str = "bn";
/// First of its ports.
const BASE_PORT: u16 = 28000;

/// What was measured, by the bench's name, one figure a cycle or more.
pub type Samples = BTreeMap<&'static str, Vec<f64>>;

/// Starts a lab, lets one server live through some cycles, stops the lab. What was measured before a failure counts.
pub async fn run(root: &Path, cycles: usize) -> (Samples, anyhow::Result<()>) {
    let mut life = match Lab::at(Site::beside(root, "bench", PREFIX, BASE_PORT)) {
        Ok(lab) => Life { lab, steps: Steps::default(), samples: Samples::new() },
        Err(error) => return (Samples::new(), Err(error)),
    };
    let lab = life.lab.clone();
    // A bench that was killed may have left its lab.
    let mut result = up::down(&lab).await.context("stopping what an earlier bench left");
    if result.is_ok() {
        result = tokio::select! {
            result = life.live(cycles) => result,
            _ = tokio::signal::ctrl_c() => Err(super::Interrupted.into()),
        };
    }
    if result.is_err() {
        result = match keep_logs(&lab.site) {
            Ok(kept) => result.with_context(|| format!("logs: {}", kept.display())),
            Err(_) => result,
        };
    }
    let down = up::down(&lab).await.context("stopping the bench's lab");
    (life.samples, result.and(down))
}

/// Lets the logs outlive the lab; without them nobody finds out what went wrong.
fn keep_logs(site: &Site) -> std::io::Result<PathBuf> {
    let kept = site.lab_dir().join("bench-log");
    let _ = std::fs::remove_dir_all(&kept);
    std::fs::rename(site.run().join("log"), &kept)?;
    // There is none when OpenStack was not even started.
    let _ = std::fs::rename(site.run().join("openstack").join("log"), kept.join("openstack"));
    Ok(kept)
}

struct Life {
    lab: Lab,
    steps: Steps,
    samples: Samples,
}

impl Life {
    async fn live(&mut self, cycles: usize) -> anyhow::Result<()> {
        let lab = self.lab.clone();
        up::up(&lab, &mut self.steps).await?;
        let import = lab.site.run().join("bench.yaml");
        tokio::fs::write(&import, import_file_of(std::slice::from_ref(SERVER))).await?;
        let line = format!("node import {} --wait", import.display());
        self.steps.step("enroll one server", lab.admin.run(&line)).await?;
        let network = self.steps.step("make image, flavor and network", story::catalogue(&lab)).await?;
        for cycle in 0..cycles {
            if cycle > 0 {
                let again = async {
                    lab.admin.run(&format!("node manage {}", SERVER.name)).await?;
                    wait_state(&lab, SERVER.name, "manageable").await
                };
                self.steps.step("take it back for the next cycle", again).await?;
            }
            self.cycle(&lab, &network).await.with_context(|| format!("in cycle {}", cycle + 1))?;
        }
        self.memory(&lab)
    }

    async fn cycle(&mut self, lab: &Lab, network: &TenantNetwork) -> anyhow::Result<()> {
        let name = SERVER.name;
        self.timed("inspect", lab.admin.run(&format!("node inspect {name} --wait"))).await?;
        self.ramdisk_came(lab).await?;
        self.timed("provide", lab.admin.run(&format!("node provide {name} --wait"))).await?;
        self.ramdisk_came(lab).await?;
        let create = format!(
            "server create {NAME} --flavor {FLAVOR} --image {IMAGE} --network {} --wait",
            network.name
        );
        self.timed("deploy", lab.tenant.run(&create)).await?;
        let pulled = story::pull_plug(lab, SERVER)?;
        let isolated = story::wait_isolated(lab, SERVER, network.id, pulled).await?;
        self.steps.measured("from off to isolated", isolated);
        self.samples.entry("off-to-isolated").or_default().push(isolated.as_secs_f64());
        let start = format!("server start {NAME} --wait");
        self.steps.step("start it again", lab.tenant.run(&start)).await?;
        let delete = async {
            lab.tenant.run(&format!("server delete {NAME} --wait")).await?;
            wait_state(lab, name, "available").await
        };
        self.timed("delete", delete).await?;
        self.ramdisk_came(lab).await
    }

    async fn timed<T>(
        &mut self,
        name: &'static str,
        work: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<()> {
        let began = Instant::now();
        self.steps.step(name, work).await?;
        self.samples.entry(name).or_default().push(began.elapsed().as_secs_f64());
        Ok(())
    }

    /// From the power-on of the last boot from the network (the machine's own log) to its ramdisk (the coordinator's event).
    async fn ramdisk_came(&mut self, lab: &Lab) -> anyhow::Result<()> {
        let powered = Machine::events(&lab.site.server(SERVER.name));
        let booted = powered.iter().rev().find(|event| event.boot == Some(BootDevice::Pxe));
        let booted_us = i64::try_from(booted.context("it never booted from the network")?.at_us)?;
        let events: Vec<Event> = lab.admin.json(&format!("events --node {}", SERVER.name)).await?;
        let mut ready = Vec::new();
        for event in events.iter().filter(|event| event.kind == EventKind::RamdiskReady) {
            let at: jiff::Timestamp = event.at.parse().with_context(|| format!("the time of {event:?}"))?;
            ready.push(at.as_microsecond());
        }
        let first = ready.into_iter().filter(|at_us| *at_us >= booted_us).min();
        let took = first.context("its last boot from the network brought no ramdisk")? - booted_us;
        self.samples.entry("power-on-to-ramdisk").or_default().push(took as f64 / 1e6);
        Ok(())
    }

    fn memory(&mut self, lab: &Lab) -> anyhow::Result<()> {
        for (bench, program) in [("memory-agent", "agent"), ("memory-coordinator", "coordinator")] {
            let pid = lab.processes.pid(program).with_context(|| format!("{program} does not run"))?;
            let path = format!("/proc/{pid}/smaps_rollup");
            let text = std::fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
            let mib = pss_mib(&text).with_context(|| format!("{path} has no line Pss"))?;
            ensure!(mib > 0.0, "{path} says that {program} uses no memory");
            self.samples.entry(bench).or_default().push(mib);
        }
        Ok(())
    }
}

/// The proportional set size in a `smaps_rollup` (proc(5)).
fn pss_mib(smaps: &str) -> Option<f64> {
    let kib = smaps.lines().find_map(|line| line.strip_prefix("Pss:"))?.trim().strip_suffix("kB")?;
    Some(kib.trim().parse::<f64>().ok()? / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_the_line_of_all_pages() {
        let check = |text: &str, expected: Option<f64>| assert_eq!(pss_mib(text), expected, "{text}");
        check("Rss:   9216 kB\nPss:                2048 kB\nPss_Dirty: 1024 kB\n", Some(2.0));
        check("Rss: 9216 kB\n", None);
    }
}
