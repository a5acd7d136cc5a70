//! Edges: the stand-in's switch: bridges, and the taps that are moved between them as the objects say.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    path::PathBuf,
    sync::Mutex,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    config::{Config, FixedNetwork, TENANT_BRIDGE_PREFIX, tenant_bridge},
    store::{Object, Store},
    switch::{Network, PortName, wanted},
};
use crate::netns::Netns;

/// Moves that are remembered.
const MOVES_MAX: usize = 10_000;

/// A move that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// When it was done, in microseconds since 1970.
    pub at_us: u64,
    /// Which port.
    pub port: PortName,
    /// What is plugged into it.
    pub tap: String,
    /// Bridge it was on.
    pub from: Option<String>,
    /// Bridge it is on now; none: on no network, link down.
    pub to: Option<String>,
    /// The network's name.
    pub network: Option<Vec<String>>,
}

/// The switch: cables and bridges in one namespace.
pub struct Mover {
    ns: Netns,
    taps: BTreeMap<PortName, String>,
    fixed: Vec<FixedNetwork>,
    log: PathBuf,
    moves: Mutex<Vec<Move>>,
    made: Mutex<BTreeSet<String>>,
}

struct Link {
    master: Option<String>,
    up: bool,
}

impl Mover {
    /// The switch of this configuration, if it has one. Nothing is touched yet.
    pub fn new(config: &Config) -> Option<Self> {
        let switch = config.switch.as_ref()?;
        let taps = config.ports.iter().filter_map(|port| Some((port.name(), port.tap.clone()?))).collect();
        Some(Self {
            ns: Netns(switch.namespace.clone()),
            taps,
            fixed: switch.networks.clone(),
            log: switch.log.clone(),
            moves: Mutex::default(),
            made: Mutex::default(),
        })
    }

    /// Moves so far.
    pub fn moves(&self) -> Vec<Move> {
        self.moves.lock().map(|moves| moves.clone()).unwrap_or_default()
    }

    /// Makes the world as the objects say; what cannot be done now is done the next time.
    pub async fn apply(&self, store: &Store) -> anyhow::Result<()> {
        let links = self.links().await?;
        let mut bridges: BTreeSet<String> =
            tenant_networks(store, &self.fixed).map(|it| tenant_bridge(it.id)).collect();
        bridges.extend(self.fixed.iter().map(|network| network.bridge.clone()));
        for bridge in bridges.iter().filter(|bridge| !links.contains_key(*bridge)) {
            self.make_bridge(bridge).await?;
        }
        let wanted = wanted(store);
        for (port, tap) in &self.taps {
            let Some(link) = links.get(tap) else { continue };
            let network = wanted.get(port).cloned().flatten();
            let to = network.as_ref().map(|network| self.bridge(network));
            let settled = match &to {
                Some((bridge, _)) => link.up && link.master.as_ref() == Some(bridge),
                None => !link.up && link.master.is_none(),
            };
            if !settled {
                self.move_tap(tap, to.as_ref()).await?;
                let (from, to) = (link.master.clone(), to.map(|(bridge, _)| bridge));
                self.record(port.clone(), tap.clone(), from, to, network.map(|network| network.fq_name));
            }
        }
        // Also those of an earlier run that was killed.
        let mut ours = self.made();
        ours.extend(links.into_keys().filter(|link| link.starts_with(TENANT_BRIDGE_PREFIX)));
        for bridge in ours.difference(&bridges) {
            self.delete_bridge(bridge).await;
        }
        Ok(())
    }

    /// Deletes the bridges that were made here.
    pub async fn clean_up(&self) {
        for bridge in self.made() {
            self.delete_bridge(&bridge).await;
        }
    }

    fn made(&self) -> BTreeSet<String> {
        self.made.lock().map(|made| made.clone()).unwrap_or_default()
    }

    fn bridge(&self, network: &Network) -> (String, bool) {
        match self.fixed.iter().find(|fixed| fixed.fq_name == network.fq_name) {
            Some(fixed) => (fixed.bridge.clone(), fixed.isolated),
            None => (tenant_bridge(network.id), false),
        }
    }

    /// The link goes down and up again, as it does on a switch, so that what is plugged in notices.
    async fn move_tap(&self, tap: &str, to: Option<&(String, bool)>) -> anyhow::Result<()> {
        let lines = match to {
            Some((bridge, isolated)) => {
                let isolated = if *isolated { "on" } else { "off" };
                format!(
                    "link set {tap} down\nlink set {tap} master {bridge}\n\
                     link set {tap} type bridge_slave isolated {isolated}\nlink set {tap} up\n"
                )
            }
            None => format!("link set {tap} down\nlink set {tap} nomaster\n"),
        };
        self.ns.ip_batch(&lines).await.with_context(|| format!("moving {tap} to {to:?}"))
    }

    async fn make_bridge(&self, bridge: &str) -> anyhow::Result<()> {
        let lines = format!(
            "link add {bridge} type bridge stp_state 0 forward_delay 0 mcast_snooping 0\n\
             link set {bridge} addrgenmode none\nlink set {bridge} up\n"
        );
        self.ns.ip_batch(&lines).await.with_context(|| format!("making bridge {bridge}"))?;
        if let Ok(mut made) = self.made.lock() {
            made.insert(bridge.to_owned());
        }
        Ok(())
    }

    async fn delete_bridge(&self, bridge: &str) {
        if let Err(error) = self.ns.ip(&["link", "del", bridge]).await {
            tracing::warn!(bridge, error = format!("{error:#}"), "bridge not deleted");
        }
        if let Ok(mut made) = self.made.lock() {
            made.remove(bridge);
        }
    }

    fn record(
        &self,
        port: PortName,
        tap: String,
        from: Option<String>,
        to: Option<String>,
        network: Option<Vec<String>>,
    ) {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let at_us = u64::try_from(since.as_micros()).unwrap_or(u64::MAX);
        let done = Move { at_us, port, tap, from, to, network };
        tracing::info!(tap = done.tap, from = ?done.from, to = ?done.to, "tap moved");
        let line = serde_json::to_string(&done).unwrap_or_default();
        let written = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)
            .and_then(|mut file| writeln!(file, "{line}"));
        if let Err(error) = written {
            tracing::warn!(log = %self.log.display(), %error, "move not logged");
        }
        if let Ok(mut moves) = self.moves.lock()
            && moves.len() < MOVES_MAX
        {
            moves.push(done);
        }
    }

    async fn links(&self) -> anyhow::Result<BTreeMap<String, Link>> {
        let output = tokio::process::Command::new("ip")
            .args(["-n", &self.ns.0, "-j", "link", "show"])
            .output()
            .await?;
        let text = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "ip -n {} link show: {}", self.ns.0, text.trim());
        let rows: Vec<Value> = serde_json::from_slice(&output.stdout).context("reading the list of links")?;
        let link = |row: &Value| {
            let name = row["ifname"].as_str()?.to_owned();
            let up = row["flags"].as_array().is_some_and(|flags| flags.iter().any(|flag| flag == "UP"));
            Some((name, Link { master: row["master"].as_str().map(str::to_owned), up }))
        };
        Ok(rows.iter().filter_map(link).collect())
    }
}

/// Networks that need a bridge of their own: those of tenants.
pub fn tenant_networks<'a>(
    store: &'a Store,
    fixed: &'a [FixedNetwork],
) -> impl Iterator<Item = &'a Object> + 'a {
    store.of_kind("virtual-network").filter(|network| !fixed.iter().any(|it| it.fq_name == network.fq_name))
}
