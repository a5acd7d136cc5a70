//! Edges: the promise of one inventory: all servers in one list, with filters and history, out to a file and in again.
//!
//! No server is booted for it.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use api_types::{Event, EventKind, ImportedNode, Node, WhyNotWatched};

use super::super::{
    Lab,
    rack::bmc_address,
    site::{BMC_PASSWORD, RACK, SERVERS, SWITCH},
    step::{Steps, wait_for},
};

/// Servers whose BMCs say nothing.
const SILENT: u8 = 4;
/// How long an import of them may take: one after the other they would take two minutes.
const SILENT_WAIT_MAX: Duration = Duration::from_secs(45);
/// How long it may take until a BMC has said who it is.
const RECOGNISED_WAIT_MAX: Duration = Duration::from_secs(30);
/// How long their reasons may take to be shown.
const REASON_WAIT_MAX: Duration = Duration::from_secs(60);

/// Plays it.
pub async fn play(lab: &Lab, steps: &mut Steps) -> anyhow::Result<()> {
    steps.step("list the servers by state, rack, class and power", filters(lab)).await?;
    steps.step("show what inspection found, the links and the history", details(lab)).await?;
    steps.step("export as YAML, JSON and CSV, and import each: nothing changes", round_trip(lab)).await?;
    steps.step("show what an import would change, and change nothing", dry_run(lab)).await?;
    steps.step("rename a server by its file, and back", rename(lab)).await?;
    steps
        .step("exchange two BMCs by a file: each is found out, and nothing is switched", exchanged(lab))
        .await?;
    steps.step("refuse files and filters that are wrong, as a whole", refusals(lab)).await?;
    let took = steps.step("import servers with silent BMCs, not one after the other", silent(lab)).await?;
    steps.measured(format!("answer to an import of {SILENT} servers with silent BMCs"), took);
    Ok(())
}

async fn names(lab: &Lab, filter: &str) -> anyhow::Result<Vec<String>> {
    let nodes: Vec<Node> = lab.admin.json(&format!("node list {filter}")).await?;
    Ok(nodes.into_iter().map(|node| node.name).collect())
}

async fn filters(lab: &Lab) -> anyhow::Result<()> {
    let all: Vec<&str> = SERVERS.iter().map(|plan| plan.name).collect();
    let reversed: Vec<&str> = all.iter().rev().copied().collect();
    let class = |class: &str| -> Vec<&str> {
        let of_class = SERVERS.iter().filter(|plan| plan.resource_class() == class);
        of_class.map(|plan| plan.name).collect()
    };
    let uefi = class("baremetal-uefi");
    for (filter, expected) in [
        ("", &all),
        ("--sort -name", &reversed),
        ("--state available", &all),
        ("--state clean-failed,error", &Vec::new()),
        ("--deployed", &Vec::new()),
        ("--deployed=false", &all),
        ("--rack rack1 --power off", &all),
        ("--rack rack9", &Vec::new()),
        ("--flavor metal-uefi", &uefi),
        ("--maintenance", &Vec::new()),
    ] {
        let seen = names(lab, filter).await?;
        ensure!(&seen == expected, "node list {filter} shows {seen:?}, not {expected:?}");
    }
    Ok(())
}

async fn details(lab: &Lab) -> anyhow::Result<()> {
    for plan in &SERVERS {
        let node: Node = lab.admin.json(&format!("node show {}", plan.name)).await?;
        let port = node.ports.first().context("no port is shown")?;
        ensure!((port.switch.as_str(), &port.port) == (SWITCH, &plan.switch_port()), "its link is {port:?}");
        ensure!(port.carrier == Some(true), "inspection has seen the link: {port:?}");
        ensure!(port.network_observed.as_deref() == Some("cleaning"), "it is parked: {port:?}");
        ensure!(node.hardware.is_some(), "{} shows no hardware", plan.name);
        ensure!(node.state_since.is_some() && node.waiting_for.is_none(), "{node:?}");
        ensure!(node.next.contains("tenant"), "what comes next: {}", node.next);
        let history: Vec<Event> = lab.admin.json(&format!("node history {} --limit 1000", plan.name)).await?;
        for (kind, words) in [
            (EventKind::Enrolled, plan.name),
            (EventKind::State, "inspect"),
            (EventKind::State, "available"),
            (EventKind::Asked, "provide"),
        ] {
            let told = history
                .iter()
                .any(|event| event.kind == kind && event.text.contains(words) && !event.at.is_empty());
            ensure!(told, "the history of {} has no {kind:?} of {words}: {history:?}", plan.name);
        }
    }
    Ok(())
}

async fn export(lab: &Lab, format: &str) -> anyhow::Result<(String, String)> {
    let text = lab.admin.run(&format!("node export --format {format}")).await?;
    ensure!(!text.contains(BMC_PASSWORD), "the {format} file tells a password");
    let path = lab.site.run().join(format!("exported.{format}"));
    tokio::fs::write(&path, &text).await?;
    Ok((path.display().to_string(), text))
}

async fn import(lab: &Lab, arguments: &str) -> anyhow::Result<Vec<ImportedNode>> {
    lab.admin.json(&format!("node import {arguments}")).await
}

/// All nodes, without the moments at which their ports were looked at last.
async fn as_they_are(lab: &Lab) -> anyhow::Result<Vec<Node>> {
    let mut nodes: Vec<Node> = lab.admin.json("node list").await?;
    for port in nodes.iter_mut().flat_map(|node| &mut node.ports) {
        port.observed_at = None;
    }
    Ok(nodes)
}

async fn round_trip(lab: &Lab) -> anyhow::Result<()> {
    let before = as_they_are(lab).await?;
    for format in ["yaml", "json", "csv"] {
        let (file, _) = export(lab, format).await?;
        for imported in [import(lab, &format!("{file} --dry-run")).await?, import(lab, &file).await?] {
            let same = imported.iter().all(|node| !node.created && node.changes.is_empty());
            ensure!(same && imported.len() == SERVERS.len(), "{format}: {imported:?}");
        }
    }
    let after = as_they_are(lab).await?;
    ensure!(before == after, "an import of what is there changed {before:?} to {after:?}");
    Ok(())
}

async fn dry_run(lab: &Lab) -> anyhow::Result<()> {
    let before = lab.admin.run("node export").await?;
    let (_, text) = export(lab, "yaml").await?;
    ensure!(text.contains("memory_mb: 512"), "the file has another memory: {text}");
    let path = write(lab, "changed.yaml", &text.replacen("memory_mb: 512", "memory_mb: 1024", 1)).await?;
    let imported = import(lab, &format!("{path} --dry-run")).await?;
    let changes: Vec<_> = imported
        .iter()
        .flat_map(|node| &node.changes)
        .map(|change| format!("{} {} -> {}", change.field, change.old, change.new))
        .collect();
    ensure!(changes == ["properties.memory_mb 512 -> 1024"], "{changes:?}");
    let table = lab.admin.run(&format!("node import {path} --dry-run")).await?;
    ensure!(table.contains("would be changed") && table.contains("512 -> 1024"), "{table}");
    ensure!(lab.admin.run("node export").await? == before, "a dry run changed something");
    Ok(())
}

/// A server that was renamed is recognised by its MAC address, and keeps its id.
async fn rename(lab: &Lab) -> anyhow::Result<()> {
    let plan = &SERVERS[1];
    let before: Node = lab.admin.json(&format!("node show {}", plan.name)).await?;
    let (original, text) = export(lab, "csv").await?;
    let renamed = write(lab, "renamed.csv", &text.replace(plan.name, "kept-by-its-mac")).await?;
    let imported = import(lab, &renamed).await?;
    let changed: Vec<_> = imported.iter().filter(|node| !node.changes.is_empty()).collect();
    ensure!(changed.len() == 1 && !changed[0].created && changed[0].id == Some(before.id), "{imported:?}");
    let now: Node = lab.admin.json("node show kept-by-its-mac").await?;
    ensure!((now.id, &now.provision_state) == (before.id, &before.provision_state), "{now:?}");
    import(lab, &original).await?;
    let back: Node = lab.admin.json(&format!("node show {}", plan.name)).await?;
    ensure!(back.id == before.id && back.reason.is_none(), "{back:?}");
    Ok(())
}

/// Two servers get each other's BMC: each is recognised as the other's, until they are changed back.
async fn exchanged(lab: &Lab) -> anyhow::Result<()> {
    let original = lab.site.servers_file();
    let text = tokio::fs::read_to_string(&original).await?;
    let [one, other] = [0, 1].map(|number| format!("ipmi_address: {},", bmc_address(number)));
    ensure!(text.contains(&one) && text.contains(&other), "the file has other addresses: {text}");
    let swapped = text.replace(&one, "there").replace(&other, &one).replace("there", &other);
    let swapped = write(lab, "exchanged.yaml", &swapped).await?;
    let shown = lab.admin.run(&format!("node import {swapped} --dry-run")).await?;
    ensure!(shown.contains("are exchanged"), "{shown}");
    lab.admin.run(&format!("node import {swapped}")).await?;
    for (plan, whose) in [(&SERVERS[0], SERVERS[1].name), (&SERVERS[1], SERVERS[0].name)] {
        let name = plan.name;
        wait_for(format!("{name} to be held"), RECOGNISED_WAIT_MAX, async |seen| {
            let node: Node = lab.admin.json(&format!("node show {name}")).await?;
            *seen = format!("{:?}", node.not_watched);
            let said =
                node.not_watched.filter(|it| it.why == WhyNotWatched::OtherMachine).map(|it| it.reason);
            Ok(said.filter(|said| said.contains(&format!("that is {whose}"))))
        })
        .await?;
        let words = lab.admin.refused(&format!("node power on {name}")).await?;
        ensure!(words.contains("another machine answers"), "{words}");
        let words = lab.admin.refused(&format!("node bmc accept {name}")).await?;
        ensure!(words.contains(&format!("is {whose}")), "{words}");
    }
    lab.admin.run(&format!("node import {}", original.display())).await?;
    for plan in &SERVERS {
        let name = plan.name;
        wait_for(format!("{name} to be recognised"), RECOGNISED_WAIT_MAX, async |seen| {
            let node: Node = lab.admin.json(&format!("node show {name}")).await?;
            *seen = format!("{:?}, power {}", node.not_watched, node.power);
            Ok((node.not_watched.is_none() && node.power.as_str() == "off").then_some(()))
        })
        .await?;
    }
    Ok(())
}

async fn refusals(lab: &Lab) -> anyhow::Result<()> {
    let before = as_they_are(lab).await?;
    let (_, text) = export(lab, "csv").await?;
    // One good change and one fault: nothing of it is taken.
    let (good, bad) = (SERVERS[0].mac().to_string(), SERVERS[2].mac().to_string());
    let broken = text.replace(&bad, "52:54:00").replace("512", "1024");
    let broken = write(lab, "broken.csv", &broken).await?;
    let words = lab.admin.refused(&format!("node import {broken}")).await?;
    ensure!(words.contains("line 5: nodes[2].ports[0].mac_address"), "{words}");
    // A stored password is not sent to another address.
    let elsewhere = text.replace(&bmc_address(0).to_string(), "198.51.100.99");
    ensure!(elsewhere.contains(&good), "the file has no {good}");
    let elsewhere = write(lab, "elsewhere.csv", &elsewhere).await?;
    let words = lab.admin.refused(&format!("node import {elsewhere}")).await?;
    ensure!(words.contains("its password must be given"), "{words}");
    for (line, said) in [
        ("node list --state asleep", "is not known; known are"),
        ("node list --sort colour", "write name, state"),
        ("node list --flavor unheard-of", "there is no flavor"),
        ("node show unheard-of", "there is no node"),
        ("node history unheard-of", "there is no node"),
    ] {
        let words = lab.admin.refused(line).await?;
        ensure!(words.contains(said), "{line}: {words}");
    }
    for line in ["node list", "node export", &format!("node import {broken}")] {
        let words = lab.tenant.refused(line).await?;
        ensure!(words.contains("administrator"), "{line} by a tenant: {words}");
    }
    let after = as_they_are(lab).await?;
    ensure!(before == after, "something refused changed {before:?} to {after:?}");
    Ok(())
}

/// BMCs that do not answer hold neither each other nor the caller up; each says so on its server.
async fn silent(lab: &Lab) -> anyhow::Result<Duration> {
    let mut file = String::from("nodes:\n");
    let names: Vec<String> = (0..SILENT).map(|number| format!("silent{number}")).collect();
    for (number, name) in (0..).zip(&names) {
        file.push_str(&format!(
            "- name: {name}\n  driver: ipmi\n  rack: {RACK}\n  driver_info: {{ipmi_address: 198.51.100.{address}, \
             ipmi_username: u, ipmi_password: p}}\n  ports:\n  - {{name: eth0, mac_address: \"52:54:00:0b:99:{number:02x}\", \
             switch_name: {SWITCH}, port_name: xe-0/9/{number}, pxe_enabled: true}}\n",
            address = 200 + number,
        ));
    }
    let path = write(lab, "silent.yaml", &file).await?;
    let began = Instant::now();
    let imported = import(lab, &path).await?;
    let took = began.elapsed();
    ensure!(imported.iter().all(|node| node.created && node.id.is_some()), "{imported:?}");
    let told = wait_for("every silent BMC to be told of", REASON_WAIT_MAX, async |seen| {
        // In its history: the reason that is shown may be another of its faults by now.
        for name in &names {
            let history = lab.admin.run(&format!("node history {name}")).await?;
            if !history.contains("did not answer") {
                *seen = format!("{name}: {history}");
                return Ok(None);
            }
        }
        Ok(Some(()))
    })
    .await;
    lab.admin.run(&format!("node delete {}", names.join(" "))).await?;
    told?;
    ensure!(took < SILENT_WAIT_MAX, "the import took {} s", took.as_secs());
    Ok(took)
}

async fn write(lab: &Lab, name: &str, text: &str) -> anyhow::Result<String> {
    let path = lab.site.run().join(name);
    tokio::fs::write(&path, text).await?;
    Ok(path.display().to_string())
}
