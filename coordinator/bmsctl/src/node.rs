//! Edges: `bmsctl node`.

use std::{io::Read, path::Path};

use anyhow::Context;
use api_types::{
    BmcPassword, Event, Imported, List, Node, NodeAction, NodePort, NodeVerb, Page, PowerState, unwatched,
};
use domain::url_text::query;

use super::{
    args::{Bmc, FileFormat, Maintenance, NodeCommand as Command, NodeFilter, Nodes, Output, Power, Wait},
    bmc_health, brownfield,
    client::Client,
    disk, factory_passwords, health,
    output::{self, Cell, Look},
    path::path,
    proof,
    since::since,
};

/// Runs one of its commands.
pub async fn run(client: &Client, output: Output, command: Command) -> anyhow::Result<()> {
    match command {
        Command::List(filter) => list(client, output, &filter).await,
        Command::History { node, limit } => history(client, output, &node, limit).await,
        Command::Export { format, rack } => {
            let rack = rack.map(|rack| format!("&{}", query(&[("rack", &rack)]))).unwrap_or_default();
            let text = client.text(&format!("/v1/nodes/export?format={}{rack}", word(format))).await?;
            output::file(text.trim_end());
            Ok(())
        }
        Command::Show { node, proof: true } => proof::show(client, output, &node).await,
        Command::Show { node, proof: false } => show(client, output, &node).await,
        Command::Import { file, rack, resource_class, dry_run, bmc_of_servers_in_use, format, wait } => {
            let pairs = [("rack", rack.as_str()), ("resource_class", &resource_class)];
            let format = word(format.unwrap_or_else(|| format_of(&file)));
            let query = format!(
                "{}&dry_run={dry_run}&bmc_of_servers_in_use={bmc_of_servers_in_use}&format={format}",
                query(&pairs)
            );
            import(client, output, &file, &query, wait).await
        }
        Command::Adopt(adopt) => brownfield::adopt(client, output, adopt).await,
        Command::Survey(of) => brownfield::survey(client, output, of).await,
        Command::Manage(nodes) => act(client, output, nodes, plain(NodeVerb::Manage)).await,
        Command::Inspect(nodes) => act(client, output, nodes, plain(NodeVerb::Inspect)).await,
        Command::Provide(nodes) => act(client, output, nodes, plain(NodeVerb::Provide)).await,
        Command::Abort(nodes) => act(client, output, nodes, plain(NodeVerb::Abort)).await,
        Command::Clean { nodes, steps } => {
            act(client, output, nodes, NodeAction { steps, ..plain(NodeVerb::Clean) }).await
        }
        Command::Health { node } => health::health(client, output, node.as_deref()).await,
        Command::Sensors { node, bad: _, history: Some(sensor) } => {
            health::history(client, output, &node, &sensor).await
        }
        Command::Sensors { node, bad, history: None } => health::sensors(client, output, &node, bad).await,
        Command::Sel(command) => health::sel(client, output, command).await,
        Command::Disk(command) => disk::run(client, output, command).await,
        Command::Maintenance(Maintenance::On { nodes, reason }) => {
            let action = NodeAction { reason: Some(reason), ..plain(NodeVerb::MaintenanceOn) };
            act(client, output, nodes, action).await
        }
        Command::Maintenance(Maintenance::Off(nodes)) => {
            act(client, output, nodes, plain(NodeVerb::MaintenanceOff)).await
        }
        Command::Power(Power::On(nodes)) => act(client, output, nodes, plain(NodeVerb::PowerOn)).await,
        Command::Power(Power::Off(nodes)) => act(client, output, nodes, plain(NodeVerb::PowerOff)).await,
        Command::Power(Power::Reboot(nodes)) => act(client, output, nodes, plain(NodeVerb::Reboot)).await,
        Command::Bmc(Bmc::Health { nodes }) => bmc_health::health(client, output, &nodes).await,
        Command::Bmc(Bmc::Accept(nodes)) => act(client, output, nodes, plain(NodeVerb::AcceptBmc)).await,
        Command::Bmc(Bmc::FactoryPasswords(command)) => factory_passwords::run(client, output, command).await,
        Command::Bmc(Bmc::Retry(nodes)) => {
            for name in &nodes.nodes {
                // Answered only when the BMC has; what it refused is the error.
                let action = plain(NodeVerb::RetryBmc);
                let _: Option<Node> = client.post(&path(&["nodes", name, "actions"])?, &action).await?;
                output::say(output, format_args!("{name}: its BMC answered"));
            }
            Ok(())
        }
        Command::Reclaim(nodes) => act(client, output, nodes, plain(NodeVerb::Reclaim)).await,
        Command::Delete(nodes) => {
            for name in &nodes.nodes {
                client.delete(&path(&["nodes", name])?).await?;
                output::say(output, format_args!("{name} was deleted"));
            }
            Ok(())
        }
    }
}

fn plain(action: NodeVerb) -> NodeAction {
    NodeAction { action, reason: None, steps: Vec::new(), certificate_sha256: None }
}

fn word(format: FileFormat) -> &'static str {
    match format {
        FileFormat::Yaml => "yaml",
        FileFormat::Json => "json",
        FileFormat::Csv => "csv",
    }
}

/// How a file of this name is written.
fn format_of(file: &Path) -> FileFormat {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("csv") => FileFormat::Csv,
        Some("json") => FileFormat::Json,
        Some(_) | None => FileFormat::Yaml,
    }
}

/// Reads all pages of the list.
async fn read_all(client: &Client, filter: &NodeFilter) -> anyhow::Result<Vec<Node>> {
    let mut pairs: Vec<(&str, String)> = Vec::new();
    let texts = [
        ("state", &filter.state),
        ("rack", &filter.rack),
        ("flavor", &filter.flavor),
        ("resource_class", &filter.resource_class),
        ("sort", &filter.sort),
    ];
    pairs.extend(texts.into_iter().filter_map(|(name, text)| Some((name, text.clone()?))));
    pairs.extend(filter.power.map(|power| ("power", power.to_string())));
    pairs.extend(filter.health.map(|health| ("health", health.to_string())));
    let flags = [("deployed", filter.deployed), ("maintenance", filter.maintenance)];
    pairs.extend(flags.into_iter().filter_map(|(name, flag)| Some((name, flag?.to_string()))));
    let mut nodes = Vec::new();
    loop {
        let shown: Vec<_> = pairs.iter().map(|(name, text)| (*name, text.as_str())).collect();
        let mut page: Page<Node> = client.get(&format!("/v1/nodes?{}", query(&shown))).await?;
        nodes.append(&mut page.items);
        let Some(next) = page.next else { return Ok(nodes) };
        pairs.retain(|(name, _)| *name != "marker");
        pairs.push(("marker", next));
    }
}

async fn list(client: &Client, output: Output, filter: &NodeFilter) -> anyhow::Result<()> {
    let nodes = read_all(client, filter).await?;
    let header =
        ["name", "rack", "state", "since", "power", "health", "network", "class", "waiting for or reason"];
    let now = jiff::Timestamp::now();
    output::list(output, &nodes, &header, |node| {
        let kept = node.maintenance.then(|| {
            format!("in maintenance: {}", node.maintenance_reason.as_deref().unwrap_or("no reason was given"))
        });
        let unwatched = unwatched::in_list(node);
        let said = [&unwatched, &node.reason, &node.waiting_for, &kept, &node.last_error];
        vec![
            node.name.clone(),
            node.rack.clone(),
            node.provision_state.clone(),
            since(node.state_since.as_deref(), now),
            if node.not_watched.is_some() { "NOT WATCHED".to_owned() } else { node.power.to_string() },
            node.health.to_string(),
            node.network_observed.clone().unwrap_or_default(),
            node.resource_class.clone(),
            said.into_iter().flatten().next().cloned().unwrap_or_default(),
        ]
    })
}

async fn history(client: &Client, output: Output, name: &str, limit: u32) -> anyhow::Result<()> {
    let limit = limit.to_string();
    let events: List<Event> =
        client.get(&format!("/v1/events?{}", query(&[("node", name), ("limit", &limit)]))).await?;
    output::list(output, &events.items, &["time", "kind", "text"], |event| {
        vec![event.at.clone(), event.kind_word().to_owned(), event.text.clone()]
    })
}

async fn show(client: &Client, output: Output, name: &str) -> anyhow::Result<()> {
    let node: Node = client.get(&path(&["nodes", name])?).await?;
    let ports: Vec<_> = node.ports.iter().map(port_line).collect();
    let optional = |text: &Option<String>| text.clone().unwrap_or_default();
    let maintenance = match (node.maintenance, &node.maintenance_reason) {
        (false, _) => String::new(),
        (true, reason) => reason.clone().unwrap_or_else(|| "without a reason".to_owned()),
    };
    let (power, not_watched) = unwatched::in_full(&node);
    let mut fields = vec![
        ("name", node.name.clone()),
        ("id", node.id.to_string()),
        ("rack", node.rack.clone()),
        ("state", node.provision_state.clone()),
        ("since", optional(&node.state_since)),
        ("waiting for", optional(&node.waiting_for)),
        ("next", node.next.clone()),
        ("maintenance", maintenance),
        ("power", power),
        ("not watched", not_watched),
        ("health", health_line(&node)),
        ("network wanted", optional(&node.network_wanted)),
        ("network observed", optional(&node.network_observed)),
        ("reason", optional(&node.reason)),
        ("last error", optional(&node.last_error)),
        ("notes", node.notes.join("; ")),
        ("resource class", node.resource_class.clone()),
        ("boot mode", node.boot_mode.to_string()),
        ("instance", node.instance.map(|id| id.to_string()).unwrap_or_default()),
        (
            "bmc",
            format!("{} {}@{}:{}", node.bmc.protocol, node.bmc.username, node.bmc.address, node.bmc.port),
        ),
        ("bmc identity", optional(&node.bmc.identity)),
        ("bmc settings", node.bmc.settings.join(", ")),
        ("bmc password", password_line(&node.bmc.password)),
        ("ports", ports.join(", ")),
    ];
    if let Some(hardware) = &node.hardware {
        fields.push(("system", format!("{} {}", hardware.system, hardware.serial)));
        fields.push(("processors", format!("{} x {}", hardware.cpus, hardware.cpu_model)));
        fields.push(("memory", format!("{} MiB", hardware.memory_mib)));
        let disks: Vec<_> = disk::read(client, name).await?.iter().map(disk::line).collect();
        fields.push(("disks", disks.join("; ")));
        fields.push((
            "root disk",
            hardware.root_disk.as_ref().map(|root| root.text.clone()).unwrap_or_default(),
        ));
        fields.push(("unused hardware", hardware.faults.join("; ")));
    }
    output::one(output, &node, fields)
}

/// What is known of a BMC's password, in a line.
fn password_line(password: &BmcPassword) -> String {
    let rotated = password.rotated.as_ref().map(|at| format!("changed {at}"));
    let every = password.every_days.map(|days| format!("every {days} days"));
    let shown = password.shown.as_ref().map(|at| format!("read by somebody {at}"));
    let rotation = password.rotation.as_ref().map(|rotation| {
        let trouble = rotation.trouble.as_ref().map(|trouble| format!(": {trouble}")).unwrap_or_default();
        let again = rotation.not_before.as_ref().map(|at| format!(", goes on at {at}")).unwrap_or_default();
        format!("change {} because {}{again}{trouble}", rotation.stage, rotation.why)
    });
    [rotated, every, shown, rotation].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// The word, and the worst of its reasons.
fn health_line(node: &Node) -> String {
    let why = node.health_not_known.as_ref().or(node.health_reasons.first().map(|reason| &reason.text));
    let others = node.health_reasons.len().saturating_sub(1);
    let more = match (&node.health_not_known, others) {
        (Some(_), _) | (None, 0) => String::new(),
        (None, others) => format!("; and {others} more: `bmsctl node health {}`", node.name),
    };
    why.map_or_else(|| node.health.to_string(), |why| format!("{}: {why}{more}", node.health))
}

fn port_line(port: &NodePort) -> String {
    let link = match (port.carrier, port.speed_mbps) {
        (None, _) => String::new(),
        (Some(false), _) => ", no link".to_owned(),
        (Some(true), None) => ", link".to_owned(),
        (Some(true), Some(speed)) => format!(", link {speed} Mbit/s"),
    };
    let seen =
        port.network_observed.as_ref().map(|network| format!(", seen on {network}")).unwrap_or_default();
    format!("{} {} on {}:{}{link}{seen}", port.name, port.mac, port.switch, port.port)
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
        let what = match (imported.dry_run, node.created, node.changes.is_empty()) {
            (true, true, _) => "would be enrolled",
            (false, true, _) => "enrolled",
            (_, false, true) => "unchanged",
            (true, false, false) => "would be changed",
            (false, false, false) => "changed",
        };
        let shown = |text: &str| if text.is_empty() { "(none)".to_owned() } else { text.to_owned() };
        let changes = node
            .changes
            .iter()
            .map(|change| format!("  {}: {} -> {}", change.field, shown(&change.old), shown(&change.new)));
        let note = node.note.iter().map(|note| format!("  note: {note}"));
        let what = Cell::lines([what.to_owned()].into_iter().chain(changes).chain(note));
        vec![node.name.clone().into(), node.id.map(|id| id.to_string()).unwrap_or_default().into(), what]
    })
}

async fn act(client: &Client, output: Output, nodes: Nodes, action: NodeAction) -> anyhow::Result<()> {
    for name in &nodes.nodes {
        let _: Option<Node> = client.post(&path(&["nodes", name, "actions"])?, &action).await?;
    }
    for name in &nodes.nodes {
        if nodes.wait.wait {
            let node = follow(client, name, nodes.wait, action.action).await?;
            output::say(output, format_args!("{name} is {}, power {}", node.provision_state, node.power));
        } else {
            output::say(
                output,
                format_args!("{name}: requested; `bmsctl node show {name}` shows the progress"),
            );
        }
    }
    Ok(())
}

async fn follow(client: &Client, name: &str, wait: Wait, verb: NodeVerb) -> anyhow::Result<Node> {
    output::wait(name, wait.timeout, async || {
        let node: Node = client.get(&path(&["nodes", name])?).await?;
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
        NodeVerb::Clean => state == "manageable",
        NodeVerb::MaintenanceOn => node.maintenance,
        NodeVerb::MaintenanceOff => !node.maintenance,
        NodeVerb::PowerOn | NodeVerb::Reboot => node.power == PowerState::On && node.waiting_for.is_none(),
        NodeVerb::PowerOff => node.power == PowerState::Off && node.waiting_for.is_none(),
        NodeVerb::Reclaim => state == "available",
        NodeVerb::AcceptBmc => !node.has_another_machines_bmc(),
        NodeVerb::RetryBmc => !node.is_refused_by_its_bmc(),
        NodeVerb::AcceptCertificate | NodeVerb::RefuseCertificate => true,
    };
    if there {
        Look::Done(node)
    } else if verb == NodeVerb::Reclaim
        && matches!(state, "error" | "deploy failed" | "rescue failed" | "unrescue failed")
    {
        // From these it is taken back; one that Ironic fails to end is asked for again.
        Look::Going(format!("{state}, {}", node.waiting_for.as_deref().unwrap_or("to be taken back")))
    } else if verb != NodeVerb::Abort && (state.ends_with("failed") || state == "error") {
        Look::Failed(format!("{state}: {}", error()))
    } else if matches!(verb, NodeVerb::Manage) && state == "enroll" && node.last_error.is_some() {
        Look::Failed(error())
    } else {
        let said = node.reason.as_deref().or(node.waiting_for.as_deref());
        let reason = said.map(|reason| format!(" ({reason})")).unwrap_or_default();
        Look::Going(format!("{state}, power {}{reason}", node.power))
    }
}
