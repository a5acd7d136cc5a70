//! Edges: the time from the answer by which a BMC's server counts as off to the request that takes it off its tenant's network.
//!
//! ```text
//!   virtual BMC -- "off", twice --> rack -- report, spooled --> core -- stored --> isolation -- VNC calls --> stand-in
//!                               ^                                                                       ^
//!            the clock starts with the second answer           and stops with the change of the tenant's interface
//! ```
//!
//! The rack, its clients and its uplink are the agent's, the core is the coordinator's, between them are gRPC and TLS with certificates on
//! both sides, and both keep on disk what they must. The servers go off by themselves, one here and one there, while all others are
//! polled. Deliberately absent: Ironic, which no isolation asks; upkeep of the BMCs; any distance between the programs.

mod agent;
mod delays;
mod outside;
mod site;

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use protocol::id::ServerId;
use rand::RngExt;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::{delays::Delays, outside::Outside, site::Site};
use super::{jobs::Measured, rack::AllTimes};
use crate::contrail::api::Heard;

/// Pauses between two servers that go off, in milliseconds: ten a second.
const PAUSES_MS: std::ops::Range<u64> = 20..180;
/// All servers are seen on within this time, and all that went off are isolated within this time.
const WAIT_MAX: Duration = Duration::from_secs(120);
/// How often it is looked whether that is so.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Lets so many of so many servers go off.
pub async fn measure(servers: usize, offs: usize) -> anyhow::Result<Measured> {
    ensure!((1..=servers).contains(&offs), "{offs} of {servers} servers cannot go off");
    let stop = CancellationToken::new();
    // Whatever comes of it, all that was started ends.
    let _stopped = stop.clone().drop_guard();
    let dir = tempfile::tempdir()?;
    let outside = Outside::start(servers).await.context("starting virtual BMCs and stand-in")?;
    let site = Site::start(dir.path(), &outside, stop.clone()).await.context("starting the core")?;
    let times = AllTimes::default();
    let agent = agent::start(dir.path(), &site.link, &times, stop.clone()).context("starting the agent")?;
    site.until_all_are_on(WAIT_MAX).await?;
    let isolated =
        tokio::spawn(until_isolated(outside.calls(), site.interfaces.values().copied().collect(), offs));
    // One here and one there.
    for at in 0..offs {
        outside.switch_off(at * servers / offs).await?;
        let pause = rand::rng().random_range(PAUSES_MS);
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    let changed = tokio::time::timeout(WAIT_MAX, isolated).await;
    let changed = changed.with_context(|| format!("not all {offs} were isolated within {WAIT_MAX:?}"))??;
    stop.cancel();
    agent.ended().await;
    Ok(delays(&changed, &site.interfaces, &times)?.measured())
}

/// When the tenants' interfaces were changed, until so many were.
async fn until_isolated(
    mut calls: mpsc::Receiver<Heard>,
    interfaces: Vec<Uuid>,
    offs: usize,
) -> HashMap<Uuid, Instant> {
    let mut changed = HashMap::new();
    while changed.len() < offs
        && let Some(call) = calls.recv().await
    {
        let id = changes_interface(&call).filter(|id| interfaces.contains(id));
        if let Some(id) = id {
            changed.entry(id).or_insert(call.at);
        }
    }
    changed
}

/// Which interface a call unbinds or deletes: whichever of the two takes this one off its port.
fn changes_interface(call: &Heard) -> Option<Uuid> {
    let id = call.path.strip_prefix("/virtual-machine-interface/")?;
    if matches!(call.method.as_str(), "PUT" | "DELETE") { Uuid::parse_str(id).ok() } else { None }
}

fn delays(
    changed: &HashMap<Uuid, Instant>,
    interfaces: &HashMap<ServerId, Uuid>,
    times: &AllTimes,
) -> anyhow::Result<Delays> {
    let times = times.lock().unwrap_or_else(PoisonError::into_inner);
    let mut delays = Delays::default();
    for (server, interface) in interfaces {
        let Some(at) = changed.get(interface) else { continue };
        let times = times.get(server).map(Arc::clone).context("a server has no BMC")?;
        let times = times.lock().unwrap_or_else(PoisonError::into_inner);
        let [first, second] = times.offs[..] else {
            anyhow::bail!("a server was isolated whose BMC has not said twice that it is off");
        };
        delays.add(at.saturating_duration_since(first), at.saturating_duration_since(second));
    }
    Ok(delays)
}

#[cfg(test)]
mod tests {
    use axum::http::Method;

    use super::*;

    #[test]
    fn what_takes_an_interface_off_is_known_by_its_call() {
        let check = |method: Method, path: &str, expected: Option<u128>| {
            let call = Heard { at: Instant::now(), method, path: path.to_owned() };
            assert_eq!(changes_interface(&call), expected.map(Uuid::from_u128), "{call:?}");
        };
        let path = format!("/virtual-machine-interface/{}", Uuid::from_u128(7));
        check(Method::PUT, &path, Some(7));
        check(Method::DELETE, &path, Some(7));
        check(Method::GET, &path, None);
        check(Method::PUT, "/virtual-machine-interface/7", None);
        check(Method::POST, "/virtual-machine-interfaces", None);
        check(Method::DELETE, &path.replace("interface", "network"), None);
    }

    /// The whole of it, small: what is told is what happened.
    #[tokio::test(flavor = "multi_thread")]
    async fn each_server_that_goes_off_is_isolated_and_measured() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let measured = measure(12, 4).await.unwrap();
        let of = |name: &str| measured[name];
        assert!(0.0 < of("seen_p50_ms") && of("seen_p50_ms") <= of("seen_p99_ms"), "{measured:?}");
        assert!(of("seen_p99_ms") <= of("seen_max_ms"), "{measured:?}");
        // The agent asks once more before it believes.
        assert!(of("first_p99_ms") >= 200.0 && of("first_p99_ms") > of("seen_p50_ms"), "{measured:?}");
        assert!(measure(2, 3).await.is_err(), "there are not so many");
    }
}
