//! Edges: the stand-in's switch: bridges, and the taps that are moved between them as the objects say.
//!
//! ```text
//!   tap of a server --- untagged frames ----------------- its bridge, or br-nowhere
//!               \------ frames with tag T -- VLAN device -- bridge of another network
//! ```

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
use tokio::sync::OnceCell;

use super::{
    config::{Config, FixedNetwork, TENANT_BRIDGE_PREFIX, tenant_bridge},
    store::{Object, Store},
    switch::{Attached, Network, PortName, wanted},
};
use crate::{netns::Netns, vlan::VlanDevice};

/// Moves that are remembered.
const MOVES_MAX: usize = 10_000;
/// The bridge of ports whose untagged frames are on no network. It is down: nothing crosses it, and its ports have a link.
pub const NOWHERE: &str = "br-nowhere";
/// The table of the switch's rules.
const RULES: &str = "switch";

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
    /// Bridges that its tagged frames are on now, by VLAN.
    #[serde(default)]
    pub tagged: BTreeMap<u16, String>,
}

/// The switch: cables and bridges in one namespace.
pub struct Mover {
    ns: Netns,
    taps: BTreeMap<PortName, String>,
    fixed: Vec<FixedNetwork>,
    log: PathBuf,
    moves: Mutex<Vec<Move>>,
    made: Mutex<BTreeSet<String>>,
    rules: OnceCell<()>,
    /// By tap and VLAN.
    vlans: tokio::sync::Mutex<BTreeMap<(String, u16), Vlan>>,
}

struct Link {
    index: usize,
    master: Option<String>,
    up: bool,
}

/// A bridge, and whether its ports are isolated from each other.
type Place = (String, bool);

/// The frames of one tag of one port, on the bridge of their network.
struct Vlan {
    device: VlanDevice,
    place: Place,
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
            rules: OnceCell::new(),
            vlans: tokio::sync::Mutex::default(),
        })
    }

    /// Moves so far.
    pub fn moves(&self) -> Vec<Move> {
        self.moves.lock().map(|moves| moves.clone()).unwrap_or_default()
    }

    /// Makes the world as the objects say; what cannot be done now is done the next time.
    pub async fn apply(&self, store: &Store) -> anyhow::Result<()> {
        self.rules.get_or_try_init(|| self.make_rules()).await?;
        let links = self.links().await?;
        let mut bridges: BTreeSet<String> =
            tenant_networks(store, &self.fixed).map(|it| tenant_bridge(it.id)).collect();
        bridges.extend(self.fixed.iter().map(|network| network.bridge.clone()));
        bridges.insert(NOWHERE.to_owned());
        for bridge in bridges.iter().filter(|bridge| !links.contains_key(*bridge)) {
            self.make_bridge(bridge).await?;
        }
        let mut wanted = wanted(store);
        let mut vlans = self.vlans.lock().await;
        let mut followed = Ok(());
        for (port, tap) in &self.taps {
            let attached = wanted.remove(port).unwrap_or_default();
            // One port that cannot be moved is no reason to leave the others where they are.
            let done = self.follow(&mut vlans, port, tap, links.get(tap), attached).await;
            followed = followed.and(done);
        }
        drop(vlans);
        // Also those of an earlier run that was killed.
        let mut ours = self.made();
        ours.extend(links.into_keys().filter(|link| link.starts_with(TENANT_BRIDGE_PREFIX)));
        for bridge in ours.difference(&bridges) {
            self.delete_bridge(bridge).await;
        }
        followed
    }

    /// Brings one tap, untagged frames and tagged ones, to where it belongs.
    async fn follow(
        &self,
        vlans: &mut BTreeMap<(String, u16), Vlan>,
        port: &PortName,
        tap: &str,
        link: Option<&Link>,
        attached: Attached,
    ) -> anyhow::Result<()> {
        let tagged: BTreeMap<u16, Place> =
            attached.tagged.iter().map(|(vlan, network)| (*vlan, self.bridge(network))).collect();
        let left = leave(vlans, tap, link, &tagged).await;
        let Some(link) = link else { return Ok(()) };
        let to = self.place(&attached);
        let settled = match &to {
            Some((bridge, _)) => link.up && link.master.as_ref() == Some(bridge),
            None => !link.up && link.master.is_none(),
        };
        if !settled {
            self.move_tap(tap, to.as_ref()).await?;
        }
        let joined = self.join(vlans, tap, &tagged).await?;
        if !settled || left || joined {
            self.record(Move {
                at_us: now_us(),
                port: port.clone(),
                tap: tap.to_owned(),
                from: link.master.clone(),
                to: to.map(|(bridge, _)| bridge),
                network: attached.untagged.map(|network| network.fq_name),
                tagged: tagged.into_iter().map(|(vlan, (bridge, _))| (vlan, bridge)).collect(),
            });
        }
        Ok(())
    }

    /// Deletes what was made here.
    pub async fn clean_up(&self) {
        for (_, vlan) in std::mem::take(&mut *self.vlans.lock().await) {
            vlan.device.stop().await;
        }
        for bridge in self.made() {
            self.delete_bridge(&bridge).await;
        }
        if self.rules.initialized()
            && let Err(error) = self.ns.run("nft", &["delete", "table", "bridge", RULES]).await
        {
            tracing::warn!(error = format!("{error:#}"), "rules not deleted");
        }
    }

    fn made(&self) -> BTreeSet<String> {
        self.made.lock().map(|made| made.clone()).unwrap_or_default()
    }

    fn bridge(&self, network: &Network) -> Place {
        match self.fixed.iter().find(|fixed| fixed.fq_name == network.fq_name) {
            Some(fixed) => (fixed.bridge.clone(), fixed.isolated),
            None => (tenant_bridge(network.id), false),
        }
    }

    /// Where the tap itself goes, with its untagged frames. A port that has tagged frames only has a link all the same.
    fn place(&self, attached: &Attached) -> Option<Place> {
        match &attached.untagged {
            Some(network) => Some(self.bridge(network)),
            None if attached.tagged.is_empty() => None,
            None => Some((NOWHERE.to_owned(), true)),
        }
    }

    /// A bridge is one network, and carries no tags: what has one goes no further than the port where it came in.
    async fn make_rules(&self) -> anyhow::Result<()> {
        let rules = format!(
            "add table bridge {RULES}; delete table bridge {RULES}; add table bridge {RULES}; \
             add chain bridge {RULES} frames {{ type filter hook prerouting priority -300 ; policy accept ; }}; \
             add rule bridge {RULES} frames ether type {{ 8021q, 8021ad }} drop"
        );
        self.ns.run("nft", &[&rules]).await.context("making the switch's rules (package nftables)").map(drop)
    }

    /// Puts the tagged frames of a tap on the bridges where they are not yet; says whether there were any.
    async fn join(
        &self,
        vlans: &mut BTreeMap<(String, u16), Vlan>,
        tap: &str,
        tagged: &BTreeMap<u16, Place>,
    ) -> anyhow::Result<bool> {
        let mut joined = false;
        for (vlan, place) in tagged {
            let key = (tap.to_owned(), *vlan);
            if vlans.contains_key(&key) {
                continue;
            }
            let name = vlan_device(tap, *vlan);
            let device = VlanDevice::start(&self.ns, tap, *vlan, &name)
                .with_context(|| format!("attaching {tap} with VLAN {vlan}"))?;
            self.ns.ip_batch(&format!("link set {name} addrgenmode none\n")).await?;
            self.move_tap(&name, Some(place)).await?;
            vlans.insert(key, Vlan { device, place: place.clone() });
            joined = true;
        }
        Ok(joined)
    }

    /// The link goes down and up again, as it does on a switch, so that what is plugged in notices.
    async fn move_tap(&self, tap: &str, to: Option<&Place>) -> anyhow::Result<()> {
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
        let state = if bridge == NOWHERE { "down" } else { "up" };
        let lines = format!(
            "link add {bridge} type bridge stp_state 0 forward_delay 0 mcast_snooping 0\n\
             link set {bridge} addrgenmode none\nlink set {bridge} {state}\n"
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

    fn record(&self, done: Move) {
        tracing::info!(tap = done.tap, from = ?done.from, to = ?done.to, tagged = ?done.tagged, "tap moved");
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
            let index = usize::try_from(row["ifindex"].as_u64()?).ok()?;
            Some((name, Link { index, master: row["master"].as_str().map(str::to_owned), up }))
        };
        Ok(rows.iter().filter_map(link).collect())
    }
}

/// Name of the device that carries a tap's frames of one VLAN.
pub fn vlan_device(tap: &str, vlan: u16) -> String {
    format!("{tap}.{vlan}")
}

/// Takes the tagged frames of a tap off the bridges where they are not wanted; says whether there were any.
async fn leave(
    vlans: &mut BTreeMap<(String, u16), Vlan>,
    tap: &str,
    link: Option<&Link>,
    tagged: &BTreeMap<u16, Place>,
) -> bool {
    let stays = |vlan: u16, it: &Vlan| {
        tagged.get(&vlan) == Some(&it.place) && link.is_some_and(|link| it.device.serves(link.index))
    };
    let going: Vec<_> = vlans
        .iter()
        .filter(|((of, vlan), it)| of == tap && !stays(*vlan, it))
        .map(|(key, _)| key.clone())
        .collect();
    for key in &going {
        if let Some(vlan) = vlans.remove(key) {
            vlan.device.stop().await;
        }
    }
    !going.is_empty()
}

fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Networks that need a bridge of their own: those of tenants.
pub fn tenant_networks<'a>(
    store: &'a Store,
    fixed: &'a [FixedNetwork],
) -> impl Iterator<Item = &'a Object> + 'a {
    let networks = store.of_kind("virtual-network").filter(|network| !network.is_built_in());
    networks.filter(|network| !fixed.iter().any(|it| it.fq_name == network.fq_name))
}
