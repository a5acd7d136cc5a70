//! Edges: waiting until each service not only answers but works.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use openstack::{Session, client::http_client, ironic::Ironic};
use serde_json::Value;

use super::{OpenStack, Who};

/// Time for all services together: a busy machine takes a minute, an idle one twelve seconds.
const START_TIME_MAX: Duration = Duration::from_secs(240);
/// Time for one probe.
const PROBE_TIME_MAX: Duration = Duration::from_secs(10);
/// Pause between two probes.
const PROBE_PAUSE: Duration = Duration::from_millis(150);

/// What proves that a service works.
enum Proof {
    /// Any answer of HTTP.
    Answers(String),
    /// Ironic's conductor has registered its drivers; `/` answers before that.
    ConductorServes(Ironic),
    /// Nova's compute service counts as up.
    ComputeIsUp(Session, String),
}

/// Waits for all.
pub(super) async fn wait(openstack: &OpenStack, nova: bool) -> Result<()> {
    let http = http_client(None)?;
    let begin = Instant::now();
    let urls = openstack.endpoints.clone();
    let mut proofs = vec![
        ("keystone", Proof::Answers(urls.keystone)),
        ("glance", Proof::Answers(format!("{}/versions", urls.glance))),
        ("ironic", Proof::ConductorServes(Ironic::new(openstack.session(Who::System)?))),
    ];
    if nova {
        proofs.push(("placement", Proof::Answers(urls.placement)));
        proofs.push(("neutron-stand-in", Proof::Answers(urls.neutron)));
        proofs.push(("nova", Proof::ComputeIsUp(openstack.session(Who::Admin)?, urls.nova)));
    }
    for (name, proof) in proofs {
        loop {
            openstack.processes.check(name)?;
            let seen = match tokio::time::timeout(PROBE_TIME_MAX, proof.try_once(&http)).await {
                Ok(Ok(())) => break,
                Ok(Err(error)) => format!("{error:#}"),
                Err(_) => format!("no answer for {PROBE_TIME_MAX:?}"),
            };
            if begin.elapsed() > START_TIME_MAX {
                bail!(
                    "{name} does not work after {START_TIME_MAX:?}: {seen}\n{}",
                    openstack.processes.explain(name)
                );
            }
            tokio::time::sleep(PROBE_PAUSE).await;
        }
        tracing::info!(service = name, after_s = begin.elapsed().as_secs_f32(), "service works");
    }
    Ok(())
}

impl Proof {
    async fn try_once(&self, http: &reqwest::Client) -> Result<()> {
        match self {
            Proof::Answers(url) => {
                http.get(url).send().await.with_context(|| format!("{url} does not answer"))?;
            }
            Proof::ConductorServes(ironic) => {
                let drivers = ironic.list_drivers().await?;
                if !drivers.iter().any(|driver| driver == "redfish") {
                    bail!("no conductor serves the driver redfish yet; there are {drivers:?}");
                }
            }
            Proof::ComputeIsUp(session, nova) => {
                let url = format!("{nova}/os-services?binary=nova-compute");
                let token = session.issued().await?.token.clone();
                let answer = http.get(&url).header("X-Auth-Token", token.reveal()).send().await?;
                let services: Value = answer.error_for_status()?.json().await?;
                let state = &services["services"][0]["state"];
                if state != "up" {
                    bail!("nova-compute's state is {state}");
                }
            }
        }
        Ok(())
    }
}
