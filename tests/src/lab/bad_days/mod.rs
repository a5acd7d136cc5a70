//! Edges: the lab's bad days: wrong input, wrong passwords, services that are away, programs that are killed.
//!
//! ```text
//!   import      a file with faults                     nothing changes
//!   switch      a switch port that nobody knows        never powered on
//!   password    a BMC that refuses the log-in          one attempt
//!   contrail    its API away                           power-ons wait, isolation keeps trying
//!   hash        an image with other bytes than said     never booted, the reason told
//!   crash       coordinator and agent killed           the server ends where it should
//!   ending      given back while Ironic holds it,      taken back, cleaned and available by itself
//!               deleted in Nova by its tenant
//!   maintenance set in Ironic by another tool          told, nothing switched on, a delete waits
//!   glance      away when an image is to be written    waited for, and told
//! ```
//!
//! One server goes through all of it, so that it is booted as seldom as possible. Played after the story: its image,
//! flavor and network are there, and no nodes.

mod contrail;
mod crash;
mod ending;
mod glance;
mod hash;
mod import;
mod maintenance;
mod password;
mod switch;

use std::path::PathBuf;

use anyhow::{Context, bail};
use api_types::{Node, Server, TenantNetwork};
use uuid::Uuid;

use super::{
    Lab,
    site::{SERVERS, ServerPlan},
    step::{Steps, wait_for},
    story::wait_state,
};
use crate::qemu::Machine;

/// The server that goes through all of it.
const VICTIM: &ServerPlan = &SERVERS[0];
/// Those that can be played alone: `lab bad-days NAME`.
pub const ALONE: [&str; 4] = ["lock", "nova", "maintenance", "glance"];
/// How long a server may take to be deployed, crashes and all.
const DEPLOY_WAIT_MAX: std::time::Duration = std::time::Duration::from_secs(180);

/// Plays them all, in an order that saves boots.
pub async fn play(lab: &Lab, steps: &mut Steps) -> anyhow::Result<()> {
    import::play(lab, steps).await?;
    password::play(lab, steps).await?;
    switch::play(lab, steps).await?;
    contrail::play(lab, steps).await?;
    steps
        .step("clean the server and make it available", async {
            lab.admin.run(&format!("node provide {} --wait", VICTIM.name)).await
        })
        .await?;
    hash::play(lab, steps).await?;
    let web = crash::coordinator_in_deploy(lab, steps).await?;
    contrail::while_isolating(lab, steps, &web).await?;
    crash::agent_in_clean(lab, steps, &web).await?;
    for name in ALONE {
        play_alone(lab, steps, name).await?;
    }
    steps.step("forget the server", forget(lab, VICTIM)).await
}

/// Plays those of these names on a lab without servers: no story before it, and nothing is left after it.
pub async fn play_only(lab: &Lab, steps: &mut Steps, names: &[String]) -> anyhow::Result<()> {
    steps
        .step("enroll one server, clean it, and make image, flavor and network", async {
            import_text(lab, &file_of(VICTIM)).await?;
            wait_state(lab, VICTIM.name, "manageable").await?;
            for verb in ["inspect", "provide"] {
                lab.admin.run(&format!("node {verb} {} --wait", VICTIM.name)).await?;
            }
            super::story::catalogue(lab).await
        })
        .await?;
    for name in names {
        play_alone(lab, steps, name).await?;
    }
    steps.step("forget the server", forget(lab, VICTIM)).await
}

/// The server is available before and after.
async fn play_alone(lab: &Lab, steps: &mut Steps, name: &str) -> anyhow::Result<()> {
    match name {
        "lock" => ending::in_the_lock(lab, steps).await,
        "nova" => ending::outside(lab, steps).await,
        "maintenance" => maintenance::play(lab, steps).await,
        "glance" => glance::play(lab, steps).await,
        other => bail!("no bad day of one's own is called {other}; there are {}", ALONE.join(", ")),
    }
}

/// Imports a file of this text.
async fn import_text(lab: &Lab, text: &str) -> anyhow::Result<String> {
    let path = write_import(lab, text).await?;
    lab.admin.run(&format!("node import {}", path.display())).await
}

async fn write_import(lab: &Lab, text: &str) -> anyhow::Result<PathBuf> {
    let path = lab.site.run().join("bad-day.yaml");
    tokio::fs::write(&path, text).await?;
    Ok(path)
}

/// An import file of one server.
fn file_of(plan: &ServerPlan) -> String {
    format!("nodes:\n{}", plan.import_entry())
}

async fn node(lab: &Lab, plan: &ServerPlan) -> anyhow::Result<Node> {
    lab.admin.json(&format!("node show {}", plan.name)).await
}

/// What was said of a node, reason and error together.
fn said_of(node: &Node) -> String {
    format!("{} | {}", node.reason.as_deref().unwrap_or(""), node.last_error.as_deref().unwrap_or(""))
}

async fn forget(lab: &Lab, plan: &ServerPlan) -> anyhow::Result<()> {
    lab.admin.run(&format!("node delete {}", plan.name)).await.map(drop)
}

/// Boots so far, of a server that is watched.
fn boots(lab: &Lab, plan: &ServerPlan) -> usize {
    let events = Machine::events(&lab.site.server(plan.name));
    events.iter().filter(|event| event.boot.is_some()).count()
}

/// How often the server's ramdisk has said this on its console.
fn said_on_console(lab: &Lab, plan: &ServerPlan, words: &str) -> anyhow::Result<usize> {
    let path = Machine::console(&lab.site.server(plan.name));
    let bytes = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    Ok(String::from_utf8_lossy(&bytes).matches(words).count())
}

/// Waits for a tenant's server to be in a state.
async fn wait_server(lab: &Lab, server: &Server, status: &str) -> anyhow::Result<Server> {
    wait_for(format!("server {} to be {status}", server.name), DEPLOY_WAIT_MAX, async |seen| {
        let now: Server = lab.tenant.json(&format!("server show {}", server.id)).await?;
        let node = node(lab, VICTIM).await?;
        *seen =
            format!("{}, {:?}; node {}: {}", now.status, now.reason, node.provision_state, said_of(&node));
        Ok((now.status.as_str() == status).then_some(now))
    })
    .await
}

/// The network of the story's tenant.
async fn tenant_network(lab: &Lab) -> anyhow::Result<Uuid> {
    let networks: Vec<TenantNetwork> = lab.tenant.json("network list").await?;
    Ok(networks.first().context("the tenant has no network")?.id)
}
