//! Edges: the proof on the wire that servers which boot our ramdisk are filtered by their switch.
//!
//! ```text
//!   agent -- ping --> server        the filter stands against what servers send, so this arrives
//!   agent    <-- X -- server        the answer leaves the server, is heard at its tap, and comes no further
//! ```
//!
//! Our security group lets boots pass and no ping, whatever the style of the fabric. That the answer is heard at the tap shows that
//! it was the switch that stopped it.

use std::{convert::Infallible, time::Duration};

use anyhow::{Context, ensure};
use protocol::mac::MacAddr;
use serde_json::Value;

use super::{Lab, rack::Rack, site::SERVERS};
use crate::{
    netns::Netns,
    vlan::{Ear, ear::Seen},
};

/// Number of ICMP in IPv4 (RFC 792).
const ICMP: u8 = 1;
/// Pause between two rounds of pings.
const PAUSE: Duration = Duration::from_millis(100);

/// Does the work, during which servers boot on the network of this interface of the agent, and meanwhile sees that answers to
/// pings leave servers and never come to the agent.
pub async fn meanwhile<T>(
    lab: &Lab,
    interface: &str,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    let rack = lab.site.rack();
    let taps = SERVERS.iter().map(|plan| {
        let ear = Ear::open_for(&rack.fabric, &Rack::tap(plan.name), is_ping)?;
        anyhow::Ok((plan, ear))
    });
    let taps: Vec<_> = taps.collect::<anyhow::Result<_>>()?;
    let at_agent = Ear::open_for(&rack.agent, interface, is_ping)?;
    let done = tokio::select! {
        done = work => done?,
        never = ping_all(&rack.agent, interface) => match never? {},
    };
    let from = |ear: &Ear, mac: MacAddr| {
        ear.seen().iter().filter(|seen| !seen.outgoing && seen.source == mac).count()
    };
    let answered: usize = taps.iter().map(|(plan, ear)| from(ear, plan.mac())).sum();
    ensure!(answered > 0, "no server answered a ping over {interface}: nothing is proved");
    for plan in &SERVERS {
        let passed = from(&at_agent, plan.mac());
        ensure!(
            passed == 0,
            "{passed} answers of {} to pings came to the agent over {interface}: its switch port is not filtered. \
             See the references from its virtual-port-group (enterprise style) or its virtual-machine-interface to a \
             security group",
            plan.name
        );
    }
    Ok(done)
}

fn is_ping(seen: &Seen) -> bool {
    seen.protocol == Some(ICMP)
}

/// Pings every server that the agent's kernel knows at this interface, again and again.
async fn ping_all(agent: &Netns, interface: &str) -> anyhow::Result<Infallible> {
    loop {
        for address in neighbours(agent, interface).await? {
            // No answer comes, as it should be.
            let _ = agent.run("ping", &["-c1", "-W1", &address]).await;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Addresses of the servers to which the agent has spoken.
async fn neighbours(agent: &Netns, interface: &str) -> anyhow::Result<Vec<String>> {
    let text = agent.run("ip", &["-4", "-j", "neigh", "show", "dev", interface]).await?;
    let rows: Vec<Value> = serde_json::from_str(&text).context("reading the agent's neighbours")?;
    let of_server = |row: &Value| {
        let mac: MacAddr = row["lladdr"].as_str()?.parse().ok()?;
        let known = SERVERS.iter().any(|plan| plan.mac() == mac);
        known.then(|| row["dst"].as_str().map(str::to_owned))?
    };
    Ok(rows.iter().filter_map(of_server).collect())
}
