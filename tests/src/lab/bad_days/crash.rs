//! Edges: programs that are killed in the middle of something.

use std::time::Duration;

use anyhow::ensure;
use coordinator::api::types::Server;

use super::{
    super::{
        step::wait_for,
        story::{FLAVOR, IMAGE, NETWORK},
        up,
    },
    Lab, Steps, VICTIM, boots, node, said_of, said_on_console, wait_server,
};

/// How long the ramdisk may take to begin its work.
const BEGIN_WAIT_MAX: Duration = Duration::from_secs(90);
/// How long a failure may take to be shown.
const FAILURE_WAIT_MAX: Duration = Duration::from_secs(60);
/// What the ramdisk says when it begins to write an image, and to erase the disks.
const WRITES: &str = ": WriteImage";
const ERASES: &str = ": EraseDisks";

/// Kills the coordinator while the ramdisk writes the image; gives the server, which is active all the same.
pub(super) async fn coordinator_in_deploy(lab: &Lab, steps: &mut Steps) -> anyhow::Result<Server> {
    let before = (boots(lab, VICTIM), said_on_console(lab, VICTIM, WRITES)?);
    let server: Server = steps
        .step("kill the coordinator while the ramdisk writes an image", async {
            let line = format!("server create crash1 --flavor {FLAVOR} --image {IMAGE} --network {NETWORK}");
            let server = lab.tenant.json(&line).await?;
            wait_words(lab, WRITES, before.1).await?;
            lab.processes.kill("coordinator")?;
            Ok(server)
        })
        .await?;
    steps
        .step("start it again: the server becomes active", async {
            up::coordinator(lab).await?;
            let server = wait_server(lab, &server, "active").await?;
            let booted = boots(lab, VICTIM) - before.0;
            ensure!(
                booted == 2,
                "{} was booted {booted} times, not to the ramdisk and its disk",
                VICTIM.name
            );
            let written = said_on_console(lab, VICTIM, WRITES)? - before.1;
            ensure!(written == 1, "the image was written {written} times");
            Ok(server)
        })
        .await
}

/// Gives the server back and kills the agent while the ramdisk erases the disk. The ramdisk does not go on without its
/// agent, so the clean fails: nobody gets the server, it is off and on the cleaning network until it is cleaned anew.
pub(super) async fn agent_in_clean(lab: &Lab, steps: &mut Steps, server: &Server) -> anyhow::Result<()> {
    let before = (boots(lab, VICTIM), said_on_console(lab, VICTIM, ERASES)?);
    steps
        .step("kill the agent while the ramdisk erases the disk", async {
            lab.tenant.run(&format!("server delete {}", server.id)).await?;
            wait_words(lab, ERASES, before.1).await?;
            lab.processes.kill("agent")
        })
        .await?;
    steps
        .step("start it again: the clean has failed, with the reason", async {
            up::agent(lab).await?;
            wait_clean_failed(lab).await?;
            let booted = boots(lab, VICTIM) - before.0;
            ensure!(booted == 1, "{} was booted {booted} times for one clean", VICTIM.name);
            Ok(())
        })
        .await?;
    steps
        .step("clean it anew: the server becomes available", async {
            lab.admin.run(&format!("node manage {} --wait", VICTIM.name)).await?;
            lab.admin.run(&format!("node provide {} --wait", VICTIM.name)).await
        })
        .await
        .map(drop)
}

async fn wait_clean_failed(lab: &Lab) -> anyhow::Result<()> {
    wait_for("the failed clean to be shown", FAILURE_WAIT_MAX, async |seen| {
        let now = node(lab, VICTIM).await?;
        *seen = format!(
            "{}, power {}, on {:?}: {}",
            now.provision_state,
            now.power,
            now.network_observed,
            said_of(&now)
        );
        let told = said_of(&now).contains("is not connected any more");
        let safe = now.power == "off" && now.network_observed.as_deref() == Some("cleaning");
        Ok((now.provision_state == "clean failed" && told && safe).then_some(()))
    })
    .await
}

async fn wait_words(lab: &Lab, words: &str, before: usize) -> anyhow::Result<()> {
    wait_for(format!("the ramdisk of {} to say {words:?}", VICTIM.name), BEGIN_WAIT_MAX, async |seen| {
        let now = said_on_console(lab, VICTIM, words)?;
        *seen = format!("said {now} times, {before} before");
        Ok((now > before).then_some(()))
    })
    .await
}
