//! Edges: a switch port that nobody knows: the gate names it, and the server is never powered on.

use anyhow::ensure;

use super::{Lab, Steps, VICTIM, boots, file_of, import_text, node, said_of, wait_state};

/// A port that the switch does not have.
const NO_PORT: &str = "xe-0/0/99";

/// Plays it; the server is manageable afterwards, with its right port.
pub(super) async fn play(lab: &Lab, steps: &mut Steps) -> anyhow::Result<()> {
    steps.step("refuse to power on a server behind an unknown switch port", refused(lab)).await?;
    steps.step("correct the port by a second import", corrected(lab)).await
}

async fn refused(lab: &Lab) -> anyhow::Result<()> {
    import_text(lab, &file_of(VICTIM).replace(&VICTIM.switch_port(), NO_PORT)).await?;
    wait_state(lab, VICTIM.name, "manageable").await?;
    let before = boots(lab, VICTIM);
    let words = lab.admin.refused(&format!("node inspect {} --wait", VICTIM.name)).await?;
    let shown = said_of(&node(lab, VICTIM).await?);
    ensure!(words.contains(NO_PORT), "the refusal does not name the port: {words}");
    ensure!(shown.contains(NO_PORT), "the node does not name the port: {shown}");
    ensure!(boots(lab, VICTIM) == before, "{} was powered on", VICTIM.name);
    Ok(())
}

async fn corrected(lab: &Lab) -> anyhow::Result<()> {
    import_text(lab, &file_of(VICTIM)).await?;
    lab.admin.run(&format!("node manage {} --wait", VICTIM.name)).await.map(drop)
}
