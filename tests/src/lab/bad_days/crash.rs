//! Edges: programs that are killed in the middle of something.

use std::time::Duration;

use anyhow::{bail, ensure};
use api_types::Server;

use super::{
    super::{
        step::wait_for,
        story::{FLAVOR, IMAGE, NETWORK},
        up,
    },
    Lab, Steps, VICTIM, boots, node, said_of, said_on_console, wait_server,
};
use crate::{image, qemu::Machine};

/// How long the ramdisk may take to begin its work.
const BEGIN_WAIT_MAX: Duration = Duration::from_secs(90);
/// How long a clean may still take once its agent is there again.
const CLEAN_WAIT_MAX: Duration = Duration::from_secs(90);
/// What the ramdisk says when it begins to write an image, and to erase the disks.
const WRITES: &str = ": WriteImage";
const ERASES: &str = ": EraseDisks";
/// And when it has found its agent again.
const RESUMES: &str = " goes on after ";

/// Kills the coordinator while the ramdisk writes the image; gives the server, which is active all the same.
pub(super) async fn coordinator_in_deploy(lab: &Lab, steps: &mut Steps) -> anyhow::Result<Server> {
    let before = (boots(lab, VICTIM), said_on_console(lab, VICTIM, WRITES)?);
    let server: Server = steps
        .step("kill the coordinator while the ramdisk writes an image", async {
            let line = format!("server create crash1 --flavor {FLAVOR} --image {IMAGE} --network {NETWORK}");
            let server = lab.tenant.json(&line).await?;
            wait_words(lab, WRITES, before.1).await?;
            wait_idle(lab).await?;
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

/// Gives the server back and kills the agent while the ramdisk erases the disk. The ramdisk goes on, finds the agent again,
/// and the server becomes available by itself: booted once, off the tenant's network all the time, its disk empty.
pub(super) async fn agent_in_clean(lab: &Lab, steps: &mut Steps, server: &Server) -> anyhow::Result<()> {
    let before = (boots(lab, VICTIM), said_on_console(lab, VICTIM, ERASES)?);
    let resumed = said_on_console(lab, VICTIM, RESUMES)?;
    let moved = steps
        .step("kill the agent while the ramdisk erases the disk", async {
            lab.tenant.run(&format!("server delete {}", server.id)).await?;
            wait_words(lab, ERASES, before.1).await?;
            lab.processes.kill("agent")?;
            lab.moves_of(VICTIM.name)
        })
        .await?;
    steps
        .step("start it again: the server becomes available by itself", async {
            up::agent(lab).await?;
            wait_cleaned(lab).await?;
            let booted = boots(lab, VICTIM) - before.0;
            ensure!(booted == 1, "{} was booted {booted} times for one clean", VICTIM.name);
            let resumed = said_on_console(lab, VICTIM, RESUMES)? - resumed;
            ensure!(resumed == 1, "the ramdisk found its agent again {resumed} times");
            ensure!(lab.moves_of(VICTIM.name)? == moved, "the switch moved {} after the kill", VICTIM.name);
            let disk = Machine::disk(&lab.site.server(VICTIM.name));
            ensure!(!image::holds_secret(&disk)?, "{} still holds the tenant's bytes", disk.display());
            Ok(())
        })
        .await
}

/// Waits until the clean has ended well, with the server on the cleaning network all the time.
async fn wait_cleaned(lab: &Lab) -> anyhow::Result<()> {
    wait_for("the clean to end", CLEAN_WAIT_MAX, async |seen| {
        let now = node(lab, VICTIM).await?;
        let (state, network) = (now.provision_state.as_str(), now.network_observed.as_deref());
        *seen = format!("{state}, power {}, on {network:?}: {}", now.power, said_of(&now));
        if state == "clean failed" || network.is_some_and(|network| network != "cleaning") {
            bail!("{seen}");
        }
        Ok((state == "available").then_some(()))
    })
    .await
}

/// Waits until Ironic waits. In the moment in which it talks to the ramdisk's API it asks three times without a pause and then
/// fails the deploy for good; no setting of its own makes it more patient.
async fn wait_idle(lab: &Lab) -> anyhow::Result<()> {
    wait_for("Ironic to wait for the ramdisk".to_owned(), BEGIN_WAIT_MAX, async |seen| {
        let now = node(lab, VICTIM).await?;
        *seen = now.provision_state.clone();
        Ok((now.provision_state == "wait call-back").then_some(()))
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
