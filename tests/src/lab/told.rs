//! Edges: what is told of a tenancy afterwards: to its tenant all of it, in its own words; to another tenant nothing; and to
//! administrators who asked for what.

use anyhow::ensure;
use api_types::{AuditEntry, Event, Node, Server};

use super::{Lab, site::ServerPlan};

/// What every tenancy of the story is told to its tenant to be.
const TOLD: [&str; 7] = [
    "asked for",
    "being installed",
    "ready for use",
    "power is on",
    "taken off its network while it is off",
    "its disks are being erased",
    "given back",
];

/// Compares what tenant, other tenant and administrator read of a server that is given back.
pub async fn check(lab: &Lab, server: &Server, plan: &ServerPlan) -> anyhow::Result<()> {
    let mine: Vec<Event> = lab.tenant.json(&format!("events --server {}", server.id)).await?;
    for words in TOLD {
        ensure!(mine.iter().any(|event| event.text == words), "the tenant is not told {words:?}: {mine:?}");
    }
    for event in &mine {
        let below = event.node.is_some() || event.rack.is_some() || event.text.contains(plan.name);
        ensure!(!below && event.server == Some(server.id), "the tenant is told too much: {event:?}");
    }
    let others: Vec<Event> = lab.other.json("events").await?;
    let strange = others.iter().find(|event| event.server == Some(server.id));
    ensure!(strange.is_none(), "another tenant is told {strange:?}");

    let of = async |object: String| -> anyhow::Result<Vec<AuditEntry>> {
        lab.admin.json(&format!("audit list --object {object} --limit 1000")).await
    };
    let asked = of(server.id.to_string()).await?;
    let made = asked.iter().find(|entry| entry.route == "/v1/servers" && entry.status == Some(202));
    ensure!(made.is_some_and(|entry| entry.source.is_some()), "nobody is known to have made it: {asked:?}");
    let node: Node = lab.admin.json(&format!("node show {}", plan.name)).await?;
    let switched = of(node.id.to_string()).await?;
    ensure!(
        switched
            .iter()
            .any(|entry| entry.user.as_deref() == Some("ironic") && entry.action.as_deref() == Some("On")),
        "Ironic is not known to have switched it on: {switched:?}"
    );
    let refused = lab.tenant.refused("audit list").await?;
    ensure!(refused.contains("administrator"), "{refused}");
    Ok(())
}
