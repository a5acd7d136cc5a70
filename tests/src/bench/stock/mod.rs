//! Edges: the stock stack beside us: real Ironic, ironic-python-agent, dnsmasq and ipmi_sim take a server of the same kind
//! through the same life, with their own defaults, in a network namespace of their own.
//!
//! ```text
//!   enroll -> inspect -> provide -> deploy -> delete        timed from the request to Ironic's final state
//!               `----------`----------`---------`---------- each boots the agent's ramdisk
//! ```
//!
//! Where the two cannot be the same, the stock stack has the easier part: see `tests/openstack/stock/README.md`.

mod client;
mod ramdisk;
mod stack;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, bail};
use protocol::boot::BootDevice;
use serde_json::json;

use super::{Interrupted, cycle::Samples};
use crate::{
    accelerator,
    lab::{
        site::{BMC_PASSWORD, BMC_USER},
        step::Steps,
    },
    openstack,
    qemu::Machine,
};
use client::Client;
use ramdisk::Ramdisk;
use stack::Stack;

/// The stack as a peer.
pub const NAME: &str = "stock Ironic + IPA + dnsmasq";
/// The node.
const NODE: &str = "stock";
/// How long one part of the cycle may take; the longest takes two minutes on an idle machine without KVM.
const PART_WAIT_MAX: Duration = Duration::from_secs(900);
/// Between two looks at the node, which cost Ironic some 11 ms each.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// Measures those of the named figures that the stock stack has. What was measured before a failure counts.
pub(super) async fn run(root: &Path, wanted: &[&'static str]) -> (Samples, anyhow::Result<()>) {
    let stack = Stack::of(root);
    let stop = Arc::new(AtomicBool::new(false));
    // A bench that was killed may have left its stack.
    if let Err(error) = stack.down().await {
        return (Samples::new(), Err(error.context("stopping what an earlier bench left")));
    }
    let mut life = Life {
        stack: stack.clone(),
        steps: Steps::default(),
        samples: Samples::new(),
        wanted: wanted.to_vec(),
        stop: Arc::clone(&stop),
    };
    let root = root.to_owned();
    let mut work = tokio::spawn(async move {
        let result = life.whole(&root).await;
        (life, result)
    });
    let ended = tokio::select! {
        ended = &mut work => ended,
        _ = tokio::signal::ctrl_c() => {
            // It ends by itself at once, and nothing is started behind our back.
            stop.store(true, Ordering::Relaxed);
            work.await
        }
    };
    let (samples, mut result) = match ended {
        Ok((life, result)) => (life.samples, result),
        Err(error) => (Samples::new(), Err(error.into())),
    };
    if stop.load(Ordering::Relaxed) {
        result = Err(Interrupted.into());
    } else if result.is_err()
        && let Ok(kept) = stack.keep_logs()
    {
        result = result.with_context(|| format!("logs: {}", kept.display()));
    }
    let down = stack.down().await.context("stopping the stock stack");
    (samples, result.and(down))
}

struct Life {
    stack: Stack,
    steps: Steps,
    samples: Samples,
    wanted: Vec<&'static str>,
    stop: Arc<AtomicBool>,
}

impl Life {
    fn wants(&self, names: &[&str]) -> bool {
        self.wanted.iter().any(|wanted| names.contains(wanted))
    }

    async fn whole(&mut self, root: &Path) -> anyhow::Result<()> {
        let venv = root.join(".lab/venv");
        let prepare = async { tokio::task::spawn_blocking(move || openstack::ensure_venv(&venv)).await? };
        self.steps.step("stock: make the virtual environment", prepare).await?;
        let ramdisk = Ramdisk::of(root)?;
        if !ramdisk.is_built() {
            self.steps.note("stock: its ramdisk is built once, which takes some two to four minutes");
        }
        let (building, place, stop) = (ramdisk.clone(), root.to_owned(), Arc::clone(&self.stop));
        let build = async { tokio::task::spawn_blocking(move || building.build(&place, &stop)).await? };
        self.steps.step("stock: have a ramdisk with ironic-python-agent", build).await?;
        self.samples.entry("initrd").or_default().push(ramdisk.bytes()? as f64);
        if !self.wants(&["inspect", "provide", "deploy", "delete", "power-on-to-ramdisk"]) {
            return Ok(());
        }
        let accelerator = accelerator::find(&root.join(".lab/cache")).await?;
        self.steps.note(format_args!("stock: its server runs on {accelerator}"));
        self.steps.step("stock: lay its cables", self.stack.cables()).await?;
        self.in_namespace(ramdisk, accelerator).await
    }

    /// Lives on a thread in the namespace: sockets and programs that are made there stay there.
    async fn in_namespace(&mut self, ramdisk: Ramdisk, accelerator: String) -> anyhow::Result<()> {
        let ns = self.stack.ns.clone();
        let mut life = Life {
            stack: self.stack.clone(),
            steps: std::mem::take(&mut self.steps),
            samples: std::mem::take(&mut self.samples),
            wanted: self.wanted.clone(),
            stop: Arc::clone(&self.stop),
        };
        let thread = move || {
            ns.within(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                let stop = Arc::clone(&life.stop);
                let result = runtime.block_on(async {
                    tokio::select! {
                        result = life.live(&ramdisk, &accelerator) => result,
                        () = stopped(&stop) => Err(Interrupted.into()),
                    }
                });
                Ok((life, result))
            })
        };
        let (life, result) = tokio::task::spawn_blocking(thread).await??;
        *self = life;
        result
    }

    async fn live(&mut self, ramdisk: &Ramdisk, accelerator: &str) -> anyhow::Result<()> {
        let stack = self.stack.clone();
        let client = Client::new(stack.api_url())?;
        let start = stack.start(ramdisk, accelerator, &client);
        self.steps.step("stock: start Ironic, dnsmasq and the server's BMC", start).await?;
        client.create_node(&node()).await?;
        client.create_port(NODE, stack::MAC).await?;
        self.part(&client, "enroll", "manage", "manageable").await?;
        if self.wants(&["inspect"]) {
            self.part(&client, "inspect", "inspect", "manageable").await?;
        }
        if !self.wants(&["provide", "deploy", "delete", "power-on-to-ramdisk"]) {
            return Ok(());
        }
        self.part(&client, "provide", "provide", "available").await?;
        if !self.wants(&["deploy", "delete"]) {
            return Ok(());
        }
        let info = json!({
            "image_source": stack.http_url("tenant.raw"),
            "image_type": "whole-disk",
            "image_disk_format": "raw",
            "image_os_hash_algo": "sha256",
            "image_os_hash_value": self.steps.step("stock: publish the image", stack.publish_image()).await?,
        });
        client.set_instance_info(NODE, &info).await?;
        self.part(&client, "deploy", "active", "active").await?;
        if self.wants(&["delete"]) {
            self.part(&client, "delete", "deleted", "available").await?;
        }
        Ok(())
    }

    /// One request, timed until the node is at rest in the state that was wanted.
    async fn part(
        &mut self,
        client: &Client,
        name: &'static str,
        target: &str,
        state: &str,
    ) -> anyhow::Result<()> {
        let stack = self.stack.clone();
        let server = stack.server();
        let began_us = now_us()?;
        let mut looked_up = None;
        let began = Instant::now();
        let work = async {
            client.provision(NODE, target).await?;
            loop {
                let seen = client.look(NODE).await?;
                if looked_up.is_none()
                    && seen.looked_up
                    && let Some(booted_us) = booted(&server, began_us)
                {
                    looked_up = Some((now_us()? - booted_us) as f64 / 1e6);
                }
                if seen.arrived(state)? {
                    return Ok(());
                }
                stack.expect_alive()?;
                if began.elapsed() > PART_WAIT_MAX {
                    bail!("waited {} s for {state}; last seen: {seen:?}", PART_WAIT_MAX.as_secs());
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        self.steps.step(format_args!("stock: {name}"), work).await?;
        self.samples.entry(name).or_default().push(began.elapsed().as_secs_f64());
        if let Some(took) = looked_up {
            self.steps.measured("from power-on to the agent's lookup", Duration::from_secs_f64(took));
            self.samples.entry("power-on-to-ramdisk").or_default().push(took);
        }
        Ok(())
    }
}

/// Returns when the bench is to stop.
async fn stopped(stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn node() -> serde_json::Value {
    json!({
        "name": NODE,
        "driver": "ipmi",
        "inspect_interface": "agent",
        "properties": {"cpu_arch": "x86_64", "capabilities": "boot_mode:bios"},
        "driver_info": {
            "ipmi_address": stack::BMC.to_string(),
            "ipmi_username": BMC_USER,
            "ipmi_password": BMC_PASSWORD,
            // ipmi_sim has no other that counts as safe.
            "ipmi_cipher_suite": "3",
        },
    })
}

/// When the server last booted from the network, if that was after `since_us`.
fn booted(server: &Path, since_us: u64) -> Option<u64> {
    let events = Machine::events(server);
    let booted = events.iter().rev().find(|event| event.boot == Some(BootDevice::Pxe));
    booted.map(|event| event.at_us).filter(|at_us| *at_us >= since_us)
}

fn now_us() -> anyhow::Result<u64> {
    Ok(u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros())?)
}
