//! Edges: maintenance that another tool sets on a server in use: told, the tenant reads it, nothing is switched on, and what was
//! asked meanwhile is done when it ends.

use std::time::Duration;

use anyhow::ensure;
use api_types::Server;

use super::{
    super::step::wait_for,
    Lab, Steps, VICTIM, boots,
    ending::{create, ended, ironic, told_of, victim},
    node, said_of, said_on_console, wait_server,
};

/// How long a word may take to be shown: Ironic is polled.
const SHOWN_WAIT_MAX: Duration = Duration::from_secs(30);
/// For how long nothing may happen to a server that was given back.
const QUIET: Duration = Duration::from_secs(6);
/// How long the tenant's system may take to run.
const UP_WAIT_MAX: Duration = Duration::from_secs(120);
/// What it says on its console when it does.
const UP: &str = "bms: instance ";
/// Why, as the other tool says it.
const WHY: &str = "replacing PSU, ticket 1";

/// Plays it; the server is available before and after.
pub(super) async fn play(lab: &Lab, steps: &mut Steps) -> anyhow::Result<()> {
    let server = steps
        .step("put a server in use into maintenance, in Ironic", async {
            let before = said_on_console(lab, VICTIM, UP)?;
            let server = create(lab, "kept1").await?;
            let server = wait_server(lab, &server, "active").await?;
            up(lab, before).await?;
            ironic(lab)?.set_maintenance(victim(lab).await?, Some(WHY)).await?;
            shown(lab, &server).await?;
            Ok(server)
        })
        .await?;
    steps.step("refuse what would switch it on", refused(lab, &server)).await?;
    let booted = boots(lab, VICTIM);
    steps.step("give it back: it waits, and stays off", waits(lab, &server, booted)).await?;
    steps
        .step("end the maintenance: it is cleaned and available by itself", async {
            ironic(lab)?.set_maintenance(victim(lab).await?, None).await?;
            ended(lab, &server).await?;
            let booted = boots(lab, VICTIM) - booted;
            ensure!(booted == 1, "{} was booted {booted} times for one clean", VICTIM.name);
            told_of(lab, "maintenance ended").await
        })
        .await
}

/// The tenant's system runs: before that it hears no request to switch off.
async fn up(lab: &Lab, before: usize) -> anyhow::Result<()> {
    wait_for("the tenant's system to run", UP_WAIT_MAX, async |seen| {
        let said = said_on_console(lab, VICTIM, UP)? - before;
        *seen = format!("{UP:?} said {said} times");
        Ok((said > 0).then_some(()))
    })
    .await
}

async fn shown(lab: &Lab, server: &Server) -> anyhow::Result<()> {
    wait_for("the tenant to be told of the operator", SHOWN_WAIT_MAX, async |seen| {
        let now: Server = lab.tenant.json(&format!("server show {}", server.id)).await?;
        *seen = format!("{now:?}");
        ensure!(!seen.contains("PSU"), "the tenant is told the operator's reason: {seen}");
        Ok(now.next.contains("the operator is working on this server").then_some(()))
    })
    .await?;
    told_of(lab, &format!("in maintenance: {WHY}")).await
}

async fn refused(lab: &Lab, server: &Server) -> anyhow::Result<()> {
    lab.tenant.run(&format!("server stop {} --wait", server.id)).await?;
    let off: Server = lab.tenant.json(&format!("server show {}", server.id)).await?;
    ensure!(
        off.status.as_str() == "off" && off.next.contains("the operator, who is working on this server"),
        "{off:?}"
    );
    let words = lab.tenant.refused(&format!("server start {}", server.id)).await?;
    ensure!(words.contains("the operator is working on kept1") && !words.contains("PSU"), "{words}");
    let words = lab.admin.refused(&format!("node power on {}", VICTIM.name)).await?;
    ensure!(words.contains(WHY) && words.contains("maintenance off"), "{words}");
    Ok(())
}

async fn waits(lab: &Lab, server: &Server, booted: usize) -> anyhow::Result<()> {
    lab.tenant.run(&format!("server delete {}", server.id)).await?;
    // That nothing happens can only be seen by looking for a while.
    tokio::time::sleep(QUIET).await;
    let now: Server = lab.tenant.json(&format!("server show {}", server.id)).await?;
    let reason = now.reason.clone().unwrap_or_default();
    ensure!(now.status.as_str() == "deleting" && reason.contains("the operator is working"), "{now:?}");
    let node = node(lab, VICTIM).await?;
    ensure!(
        node.provision_state == "active" && node.power.as_str() == "off" && boots(lab, VICTIM) == booted,
        "{} is {}, power {}: {}",
        VICTIM.name,
        node.provision_state,
        node.power,
        said_of(&node)
    );
    Ok(())
}
