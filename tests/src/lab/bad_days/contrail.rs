//! Edges: Contrail's API is away: power-ons wait with the reason shown, isolation is made up for as soon as it is back.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use api_types::Server;

use super::{
    super::{
        rack::Rack,
        step::wait_for,
        story::{pull_plug, wait_isolated},
    },
    Lab, Steps, VICTIM, boots, node, said_of, tenant_network, wait_state,
};
use crate::contrail::{Fault, config::tenant_bridge};

/// How long the reason may take to be shown.
const REASON_WAIT_MAX: Duration = Duration::from_secs(30);

/// Inspects the server while the API is away at first.
pub(super) async fn play(lab: &Lab, steps: &mut Steps) -> anyhow::Result<()> {
    let before = boots(lab, VICTIM);
    set(lab, Fault::Unavailable).await?;
    let waited = steps
        .step("let a power-on wait while Contrail's API is away, and say so", async {
            lab.admin.run(&format!("node inspect {}", VICTIM.name)).await?;
            wait_reason(lab, "power-on waits").await?;
            ensure!(boots(lab, VICTIM) == before, "{} was powered on without proof", VICTIM.name);
            Ok(())
        })
        .await;
    set(lab, Fault::None).await?;
    waited?;
    steps
        .step("inspect it when the API is back", async {
            wait_state(lab, VICTIM.name, "manageable").await?;
            let now = node(lab, VICTIM).await?;
            ensure!(now.hardware.is_some(), "nothing was found: {}", said_of(&now));
            ensure!(now.reason.is_none(), "still shown: {:?}", now.reason);
            let booted = boots(lab, VICTIM) - before;
            ensure!(booted == 1, "{} was booted {booted} times", VICTIM.name);
            Ok(())
        })
        .await
}

/// Pulls a deployed server's plug while the API is away.
pub(super) async fn while_isolating(lab: &Lab, steps: &mut Steps, server: &Server) -> anyhow::Result<()> {
    let network = tenant_network(lab).await?;
    set(lab, Fault::Refuse).await?;
    let waited = steps
        .step("pull its plug while Contrail's API is away", async {
            let off = pull_plug(lab, VICTIM)?;
            wait_reason(lab, "did not answer").await?;
            let tap = Rack::tap(VICTIM.name);
            let link = lab.site.rack().fabric.run("ip", &["-o", "link", "show", &tap]).await?;
            let bridge = tenant_bridge(network);
            ensure!(link.contains(&bridge), "{} is not on {bridge}: nothing is shown by this", server.name);
            Ok(off)
        })
        .await;
    set(lab, Fault::None).await?;
    let (off, back) = (waited?, Instant::now());
    steps
        .step("isolate it when the API is back", async {
            wait_isolated(lab, VICTIM, network, off).await?;
            wait_for("the node to be seen on the cleaning network", REASON_WAIT_MAX, async |seen| {
                let now = node(lab, VICTIM).await?;
                *seen = format!("{:?}, power {}: {}", now.network_observed, now.power, said_of(&now));
                let there = now.network_observed.as_deref() == Some("cleaning") && now.reason.is_none();
                Ok(there.then_some(()))
            })
            .await
        })
        .await?;
    steps.measured("from the API's return to isolated", back.elapsed());
    Ok(())
}

async fn wait_reason(lab: &Lab, words: &str) -> anyhow::Result<()> {
    wait_for(format!("{words:?} to be shown of {}", VICTIM.name), REASON_WAIT_MAX, async |seen| {
        let now = node(lab, VICTIM).await?;
        *seen = format!("{}, power {}: {}", now.provision_state, now.power, said_of(&now));
        Ok(now.reason.is_some_and(|reason| reason.contains(words)).then_some(()))
    })
    .await
}

/// How the stand-in fails from now on.
pub(super) async fn set(lab: &Lab, fault: Fault) -> anyhow::Result<()> {
    let url = format!("http://{}/fault", lab.site.contrail_admin());
    let http = openstack::client::http_client(None)?;
    let answer = http.put(url).json(&fault).send().await.context("setting the stand-in's fault")?;
    answer.error_for_status()?;
    Ok(())
}
