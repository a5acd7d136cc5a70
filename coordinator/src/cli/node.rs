//! Edges: `bmsctl node`.

use std::{io::Read, path::Path};

use anyhow::Context;

use super::{
    args::{Node as Command, Nodes, Output, Wait},
    client::Client,
    output::{self, Look},
};
use crate::api::types::{Imported, List, Node, NodeAction, NodeVerb};

/// Runs one of its commands.
pub async fn run(client: &Client, output: Output, command: Command) -> anyhow::Result<()> {
    match command {
        Command::List => list(client, output).await,
        Command::Show { node } => show(client, output, &node).await,
        Command::Import { file, rack, resource_class, dry_run, wait } => {
            let query = format!("rack={rack}&resource_class={resource_class}&dry_run={dry_run}");
            import(client, output, &file, &query, wait).await
        }
        Command::Manage(nodes) => act(client, output, nodes, NodeVerb::Manage).await,
        Command::Inspect(nodes) => act(client, output, nodes, NodeVerb::Inspect).await,
        Command::Provide(nodes) => act(client, output, nodes, NodeVerb::Provide).await,
        Command::Abort(nodes) => act(client, output, nodes, NodeVerb::Abort).await,
        Command::Delete(nodes) => {
            for name in &nodes.nodes {
                client.delete(&format!("/v1/nodes/{name}")).await?;
                output::say(output, format_args!("{name} is forgotten"));
            }
            Ok(())
        }
    }
}

async fn list(client: &Client, output: Output) -> anyhow::Result<()> {
    let nodes: List<Node> = client.get("/v1/nodes").await?;
    let header = ["name", "rack", "state", "power", "network", "class", "reason"];
    output::list(output, &nodes.items, &header, |node| {
        vec![
            node.name.clone(),
            node.rack.clone(),
            node.provision_state.clone(),
            node.power.clone(),
            node.network_observed.clone().unwrap_or_default(),
            node.resource_class.clone(),
            node.reason.clone().or_else(|| node.last_error.clone()).unwrap_or_default(),
        ]
    })
}

async fn show(client: &Client, output: Output, name: &str) -> anyhow::Result<()> {
    let node: Node = client.get(&format!("/v1/nodes/{name}")).await?;
    let ports: Vec<_> =
        node.ports.iter().map(|p| format!("{} {} on {}:{}", p.name, p.mac, p.switch, p.port)).collect();
    let optional = |text: &Option<String>| text.clone().unwrap_or_default();
    let mut fields = vec![
        ("name", node.name.clone()),
        ("id", node.id.to_string()),
        ("rack", node.rack.clone()),
        ("state", node.provision_state.clone()),
        ("power", [node.power.clone(), optional(&node.power_reason)].join(" ").trim().to_owned()),
        ("network wanted", optional(&node.network_wanted)),
        ("network observed", optional(&node.network_observed)),
        ("reason", optional(&node.reason)),
        ("last error", optional(&node.last_error)),
        ("resource class", node.resource_class.clone()),
        ("boot mode", node.boot_mode.clone()),
        ("instance", node.instance.map(|id| id.to_string()).unwrap_or_default()),
        (
            "bmc",
            format!("{} {}@{}:{}", node.bmc.protocol, node.bmc.username, node.bmc.address, node.bmc.port),
        ),
        ("ports", ports.join(", ")),
    ];
    if let Some(hardware) = &node.hardware {
        fields.push(("system", format!("{} {}", hardware.system, hardware.serial)));
        fields.push(("processors", format!("{} x {}", hardware.cpus, hardware.cpu_model)));
        fields.push(("memory", format!("{} MiB", hardware.memory_mib)));
        let disks: Vec<_> = hardware
            .disks
            .iter()
            .map(|d| format!("{} {} MiB {}", d.name, d.size_bytes >> 20, d.serial))
            .collect();
        fields.push(("disks", disks.join(", ")));
    }
    output::one(output, &node, fields)
}

async fn import(client: &Client, output: Output, file: &Path, query: &str, wait: Wait) -> anyhow::Result<()> {
    let mut text = String::new();
    if file == Path::new("-") {
        std::io::stdin().read_to_string(&mut text).context("reading standard input")?;
    } else {
        text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    }
    let path = format!("/v1/nodes/import?{query}");
    let imported: Imported = client.upload(&path, text.len() as u64, text.into()).await?;
    if wait.wait && !imported.dry_run {
        for node in &imported.nodes {
            follow(client, &node.name, wait, NodeVerb::Manage).await?;
        }
    }
    output::list(output, &imported.nodes, &["name", "id", "what"], |node| {
        let what = match (imported.dry_run, node.created) {
            (true, true) => "would be enrolled",
            (true, false) => "would be updated",
            (false, true) => "enrolled",
            (false, false) => "updated",
        };
        vec![node.name.clone(), node.id.map(|id| id.to_string()).unwrap_or_default(), what.to_owned()]
    })
}

async fn act(client: &Client, output: Output, nodes: Nodes, verb: NodeVerb) -> anyhow::Result<()> {
    for name in &nodes.nodes {
        let _: Option<Node> =
            client.post(&format!("/v1/nodes/{name}/actions"), &NodeAction { action: verb }).await?;
    }
    for name in &nodes.nodes {
        if nodes.wait.wait {
            let node = follow(client, name, nodes.wait, verb).await?;
            output::say(output, format_args!("{name} is {}", node.provision_state));
        } else {
            output::say(output, format_args!("{name}: asked; `bmsctl node show {name}` tells how it stands"));
        }
    }
    Ok(())
}

async fn follow(client: &Client, name: &str, wait: Wait, verb: NodeVerb) -> anyhow::Result<Node> {
    output::wait(name, wait.timeout, async || {
        let node: Node = client.get(&format!("/v1/nodes/{name}")).await?;
        Ok(settled(node, verb))
    })
    .await
}

/// Whether a verb has come to its end. The API changes the state before it answers the request, so a node that is in a
/// resting state has been there already.
fn settled(node: Node, verb: NodeVerb) -> Look<Node> {
    let error = || {
        node.last_error
            .clone()
            .or_else(|| node.reason.clone())
            .unwrap_or_else(|| "no reason was given".into())
    };
    let state = node.provision_state.as_str();
    let there = match verb {
        NodeVerb::Manage => matches!(state, "manageable" | "available" | "active"),
        NodeVerb::Inspect => state == "manageable",
        NodeVerb::Provide => state == "available",
        NodeVerb::Abort => !state.ends_with("wait"),
    };
    if there {
        Look::Done(node)
    } else if verb != NodeVerb::Abort && (state.ends_with("failed") || state == "error") {
        Look::Failed(format!("{state}: {}", error()))
    } else if matches!(verb, NodeVerb::Manage) && state == "enroll" && node.last_error.is_some() {
        Look::Failed(error())
    } else {
        let reason = node.reason.as_deref().map(|reason| format!(" ({reason})")).unwrap_or_default();
        Look::Going(format!("{state}, power {}{reason}", node.power))
    }
}
