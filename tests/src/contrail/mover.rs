//! Edges: the stand-in's switch: bridges, and the taps that are moved between them as the leaves' commits say.
//!
//! ```text
//!   tap of a server --- untagged frames ----------------- filter -- its bridge, or br-nowhere
//!               \------ frames with tag T -- VLAN device -- filter -- bridge of another network
//! ```
//!
//! A tap is never on a network without the filter that it has there: it leaves the old one first, then filters change, then it
//! joins the new one.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    commits::{CommitTime, Commits, attached},
    config::{Config, FixedNetwork, TENANT_BRIDGE_PREFIX, tenant_bridge},
    filter::{self, Filter},
    store::{Object, Store},
    switch::{Attached, Network, PortName},
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
    commits: Arc<Commits>,
    /// The rules that are in force; none: none were made.
    rules: tokio::sync::Mutex<Option<String>>,
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

/// Where a tap belongs.
struct Plan<'a> {
    port: &'a PortName,
    tap: &'a str,
    attached: Attached,
    /// Its untagged frames. A port that has tagged frames only has a link all the same.
    to: Option<Place>,
    tagged: BTreeMap<u16, Place>,
}

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
            commits: Arc::new(Commits::new(CommitTime { commit_ms: switch.commit_ms })),
            rules: tokio::sync::Mutex::default(),
            vlans: tokio::sync::Mutex::default(),
        })
    }

    /// Moves so far.
    pub fn moves(&self) -> Vec<Move> {
        self.moves.lock().map(|moves| moves.clone()).unwrap_or_default()
    }

    /// The commits of its leaves.
    pub fn commits(&self) -> &Arc<Commits> {
        &self.commits
    }

    /// Makes the world as the leaves' commits say; what cannot be done now is done the next time.
    pub async fn apply(&self, store: &Store) -> anyhow::Result<()> {
        let running = self.commits.step(store);
        let taps = self.taps.iter();
        let plans: Vec<_> =
            taps.filter_map(|(port, tap)| Some(self.plan(port, tap, attached(&running, port)?))).collect();
        let links = self.links().await?;
        let bridges = self.bridges(store, &plans);
        for bridge in bridges.iter().filter(|bridge| !links.contains_key(*bridge)) {
            self.make_bridge(bridge).await?;
        }
        let followed = self.follow_all(&plans, &links).await;
        // Also those of an earlier run that was killed.
        let mut ours = self.made();
        ours.extend(links.into_keys().filter(|link| link.starts_with(TENANT_BRIDGE_PREFIX)));
        for bridge in ours.difference(&bridges) {
            self.delete_bridge(bridge).await;
        }
        followed?;
        self.commits.wired();
        Ok(())
    }

    /// The bridges of all networks that there are, and of those on which a port still is.
    fn bridges(&self, store: &Store, plans: &[Plan<'_>]) -> BTreeSet<String> {
        let mut bridges: BTreeSet<String> =
            tenant_networks(store, &self.fixed).map(|it| tenant_bridge(it.id)).collect();
        bridges.extend(self.fixed.iter().map(|network| network.bridge.clone()));
        let places = plans.iter().flat_map(|plan| plan.to.iter().chain(plan.tagged.values()));
        bridges.extend(places.map(|(bridge, _)| bridge.clone()));
        bridges.insert(NOWHERE.to_owned());
        bridges
    }

    fn plan<'a>(&self, port: &'a PortName, tap: &'a str, attached: Attached) -> Plan<'a> {
        let tagged: BTreeMap<u16, Place> =
            attached.tagged.iter().map(|(vlan, unit)| (*vlan, self.bridge(&unit.network))).collect();
        let to = match &attached.untagged {
            Some(unit) => Some(self.bridge(&unit.network)),
            None if tagged.is_empty() => None,
            None => Some((NOWHERE.to_owned(), true)),
        };
        Plan { port, tap, attached, to, tagged }
    }

    /// Brings all taps, untagged frames and tagged ones, to where they belong.
    async fn follow_all(&self, plans: &[Plan<'_>], links: &BTreeMap<String, Link>) -> anyhow::Result<()> {
        let mut vlans = self.vlans.lock().await;
        let mut left = BTreeSet::new();
        for plan in plans {
            if leave(&mut vlans, plan.tap, links.get(plan.tap), &plan.tagged).await {
                left.insert(plan.tap);
            }
        }
        self.filter(plans, links).await?;
        let mut followed = Ok(());
        for plan in plans {
            let Some(link) = links.get(plan.tap) else { continue };
            // One port that cannot be moved is no reason to leave the others where they are.
            let done = self.follow(&mut vlans, plan, link, left.contains(plan.tap)).await;
            followed = followed.and(done);
        }
        followed
    }

    /// Puts other rules in force, if others are called for. Taps that move have left their bridges before.
    async fn filter(&self, plans: &[Plan<'_>], links: &BTreeMap<String, Link>) -> anyhow::Result<()> {
        let filters: Vec<_> = plans.iter().flat_map(Plan::filters).collect();
        let rules = filter::table(RULES, &filters);
        let mut in_force = self.rules.lock().await;
        if in_force.as_ref() == Some(&rules) {
            return Ok(());
        }
        for plan in plans {
            if links.get(plan.tap).is_some_and(|link| link.master.is_some() && !plan.is_settled(link)) {
                self.move_tap(plan.tap, None).await?;
            }
        }
        self.ns.run("nft", &[&rules]).await.context("making the switch's rules (package nftables)")?;
        *in_force = Some(rules);
        Ok(())
    }

    /// Brings one tap to where it belongs; `left` says whether tagged frames of it have left a network just now.
    async fn follow(
        &self,
        vlans: &mut BTreeMap<(String, u16), Vlan>,
        plan: &Plan<'_>,
        link: &Link,
        left: bool,
    ) -> anyhow::Result<()> {
        let settled = plan.is_settled(link);
        if !settled {
            self.move_tap(plan.tap, plan.to.as_ref()).await?;
        }
        let joined = self.join(vlans, plan.tap, &plan.tagged).await?;
        if !settled || left || joined {
            let untagged = plan.attached.untagged.as_ref();
            self.record(Move {
                at_us: now_us(),
                port: plan.port.clone(),
                tap: plan.tap.to_owned(),
                from: link.master.clone(),
                to: plan.to.as_ref().map(|(bridge, _)| bridge.clone()),
                network: untagged.map(|unit| unit.network.fq_name.clone()),
                tagged: plan.tagged.iter().map(|(vlan, (bridge, _))| (*vlan, bridge.clone())).collect(),
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
        if self.rules.lock().await.take().is_some()
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

impl Plan<'_> {
    /// Whether the untagged frames are where they belong.
    fn is_settled(&self, link: &Link) -> bool {
        match &self.to {
            Some((bridge, _)) => link.up && link.master.as_ref() == Some(bridge),
            None => !link.up && link.master.is_none(),
        }
    }

    /// Its filters, each with the interface by which the frames come in.
    fn filters(&self) -> impl Iterator<Item = (String, &Filter)> {
        let untagged = self.attached.untagged.iter().map(|unit| (self.tap.to_owned(), unit));
        let tagged = self.attached.tagged.values().map(|unit| (vlan_device(self.tap, unit.vlan), unit));
        untagged.chain(tagged).filter_map(|(interface, unit)| Some((interface, unit.filter.as_ref()?)))
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
