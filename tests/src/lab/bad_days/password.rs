//! Edges: a BMC that refuses the password: a few attempts within a budget, a reason, and then quiet, until somebody corrects it.

use std::time::Duration;

use anyhow::{Context, ensure};

use super::{
    super::{
        server,
        site::{BMC_PASSWORD, SERVERS, ServerPlan},
        step::wait_for,
    },
    Lab, Steps, file_of, forget, import_text, node, wait_state,
};

/// The server with the BMC that counts.
const COUNTED: &ServerPlan = &SERVERS[1];
/// Log-ins of an agent's budget, and the one that somebody asked for.
const LOG_INS_MAX: u64 = 4;
/// How long nobody may try again: many times the agent's polling interval.
const QUIET: Duration = Duration::from_secs(6);
/// How long the reason may take to be shown.
const REASON_WAIT_MAX: Duration = Duration::from_secs(30);

/// Plays it; nothing is left of the server afterwards.
pub(super) async fn play(lab: &Lab, steps: &mut Steps) -> anyhow::Result<()> {
    steps.step("try a wrong BMC password within its budget", tried_within_budget(lab)).await?;
    steps
        .step("correct it by a second import", async {
            import_text(lab, &file_of(COUNTED)).await?;
            wait_state(lab, COUNTED.name, "manageable").await?;
            let node = node(lab, COUNTED).await?;
            ensure!(node.reason.is_none(), "still shown: {:?}", node.reason);
            ensure!(node.power.as_str() == "off", "its power is {} ({:?})", node.power, node.power_reason);
            forget(lab, COUNTED).await
        })
        .await
}

async fn tried_within_budget(lab: &Lab) -> anyhow::Result<()> {
    let before = attempts(lab)?;
    import_text(lab, &file_of(COUNTED).replace(BMC_PASSWORD, "not-the-secret")).await?;
    let reason = wait_for("a reason that says so", REASON_WAIT_MAX, async |seen| {
        let node = node(lab, COUNTED).await?;
        *seen = format!("{:?}", node.reason);
        Ok(node.reason)
    })
    .await?;
    ensure!(
        reason.contains("refused user admin") && reason.contains("bmsctl node bmc retry"),
        "the reason does not say what to do: {reason}"
    );
    ensure!(!reason.contains("not-the-secret"), "the reason tells the password");
    // That nothing happens can only be seen by looking for a while.
    tokio::time::sleep(QUIET).await;
    let tried = attempts(lab)? - before;
    ensure!(
        (1..=LOG_INS_MAX).contains(&tried),
        "the BMC saw {tried} log-ins with the wrong password, not 1 to {LOG_INS_MAX}"
    );
    Ok(())
}

fn attempts(lab: &Lab) -> anyhow::Result<u64> {
    let path = server::counters(&lab.site.server(COUNTED.name));
    let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    Ok(text.trim().parse()?)
}
