//! Edges: what the framework promises its administrators and tenants, each promise played once on a lab.
//!
//! Every promise begins and ends with the same lab: three servers that are available, and the main story's image, flavors
//! and network. So they can be played in any order, and one alone.

mod brownfield;
mod discovery;
mod flavors;
mod images;
mod inventory;
mod life_cycle;
mod monitoring;
mod networks;
mod odd_bmcs;
mod rescue;
mod ui;

use anyhow::bail;
use api_types::Node;

use super::{Lab, site::SERVERS, step::Steps, story};

/// The promises, in the order in which they are played.
pub const ALL: [&str; 12] = [
    READY,
    "images",
    "flavors",
    "life_cycle",
    "rescue",
    MONITORING,
    "ui",
    "discovery",
    "networks",
    "odd_bmcs",
    "brownfield",
    "inventory",
];
/// Only what every promise begins with.
const READY: &str = "ready";
/// Monitoring.
const MONITORING: &str = "monitoring";

/// Plays the promises of these names; all of them for no names.
pub async fn play(lab: &Lab, steps: &mut Steps, names: &[String]) -> anyhow::Result<()> {
    ready(lab, steps).await?;
    let all = ALL.map(str::to_owned);
    for name in if names.is_empty() { &all[..] } else { names } {
        match name.as_str() {
            READY => {}
            MONITORING => monitoring::play(lab, steps).await?,
            "brownfield" => brownfield::play(lab, steps).await?,
            "discovery" => discovery::play(lab, steps).await?,
            "images" => images::play(lab, steps).await?,
            "flavors" => flavors::play(lab, steps).await?,
            "inventory" => inventory::play(lab, steps).await?,
            "life_cycle" => life_cycle::play(lab, steps).await?,
            "networks" => networks::play(lab, steps).await?,
            "odd_bmcs" => odd_bmcs::play(lab, steps).await?,
            "rescue" => rescue::play(lab, steps).await?,
            "ui" => ui::play(lab, steps).await?,
            other => bail!("no promise is called {other}; there are {}", ALL.join(", ")),
        }
    }
    Ok(())
}

/// Brings the lab to where every promise begins. What is so already is left.
async fn ready(lab: &Lab, steps: &mut Steps) -> anyhow::Result<()> {
    let nodes: Vec<Node> = lab.admin.json("node list").await?;
    let is_available =
        |name: &str| nodes.iter().any(|node| node.name == name && node.provision_state == "available");
    let missing: Vec<_> =
        SERVERS.iter().map(|server| server.name).filter(|name| !is_available(name)).collect();
    if !missing.is_empty() {
        let missing = missing.join(" ");
        let import = format!("node import {} --wait", lab.site.servers_file().display());
        steps.step("enroll the servers", lab.admin.run(&import)).await?;
        steps.step("inspect them", lab.admin.run(&format!("node inspect {missing} --wait"))).await?;
        steps.step("make them available", lab.admin.run(&format!("node provide {missing} --wait"))).await?;
    }
    steps.step("make image, flavors and network", story::catalogue(lab)).await.map(drop)
}
