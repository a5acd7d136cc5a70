//! Edges: `bmsctl node health`, `sensors` and `sel`.

use api_types::{
    Acknowledge, AcknowledgedCount, HardwareHealth, HealthReason, Node, NodeLog, NodeLogEntry, NodeSensor,
    NodeSensorHistory, NodeSensors, Page, ReasonSource,
};
use clap::Subcommand;

use super::{args::Output, client::Client, output, path::path};

/// What is done with the event log of a server.
#[derive(Debug, Subcommand)]
pub enum Sel {
    /// List the entries that are kept: 30 days, and the newest 1000.
    List {
        /// Name or id of the server.
        node: String,
        /// Only entries that are reasons of the server's health.
        #[arg(long)]
        open: bool,
    },
    /// Acknowledge entries: what they say is dealt with, and is no reason of the server's health any more.
    #[command(
        after_help = "Example: bmsctl node sel ack srv1 17\n\nThis changes nothing in the BMC. An entry that the BMC reports \
            as ended, such as a power supply that has its input back, needs no acknowledgement."
    )]
    Ack {
        /// Name or id of the server.
        node: String,
        /// Numbers of the entries. Without any: all that are open.
        entries: Vec<u64>,
    },
}

/// Shows why servers are not well.
pub async fn health(client: &Client, output: Output, node: Option<&str>) -> anyhow::Result<()> {
    let nodes = match node {
        Some(node) => vec![client.get::<Node>(&path(&["nodes", node])?).await?],
        None => not_well(client).await?,
    };
    if output == Output::Json {
        return output::json(&nodes);
    }
    let rows: Vec<_> = nodes.iter().flat_map(rows_of).collect();
    output::list(output, &rows, &["name", "health", "since", "source", "reason"], Clone::clone)
}

/// All servers whose hardware is not well, or of which nobody knows.
async fn not_well(client: &Client) -> anyhow::Result<Vec<Node>> {
    let (mut nodes, mut next) = (Vec::new(), None::<String>);
    loop {
        let marker = next.map(|marker| format!("?marker={marker}")).unwrap_or_default();
        let page: Page<Node> = client.get(&format!("/v1/nodes{marker}")).await?;
        nodes.extend(page.items.into_iter().filter(|node| node.health != HardwareHealth::Ok));
        next = page.next;
        if next.is_none() {
            return Ok(nodes);
        }
    }
}

/// A line for each reason; one for a server without any.
fn rows_of(node: &Node) -> Vec<Vec<String>> {
    let row = |health: HardwareHealth, since: Option<&str>, source: &str, text: &str| {
        let since = since.unwrap_or_default().to_owned();
        vec![node.name.clone(), health.to_string(), since, source.to_owned(), text.to_owned()]
    };
    let of_reason = |reason: &HealthReason| {
        let source = match (reason.source, reason.entry) {
            (ReasonSource::LogEntry, Some(number)) => format!("log entry {number}"),
            (ReasonSource::LogEntry, None) => "log entry".to_owned(),
            (ReasonSource::Sensor | ReasonSource::Log | ReasonSource::Unknown, _) => {
                reason.source.to_string()
            }
        };
        row(reason.severity, reason.since.as_deref(), &source, &reason.text)
    };
    let mut rows: Vec<_> = match &node.health_not_known {
        Some(why) => vec![row(node.health, None, "", why)],
        None => Vec::new(),
    };
    rows.extend(node.health_reasons.iter().map(of_reason));
    if rows.is_empty() {
        rows.push(row(node.health, None, "", "nothing is wrong"));
    }
    rows
}

/// Lists a server's sensors.
pub async fn sensors(client: &Client, output: Output, node: &str, bad: bool) -> anyhow::Result<()> {
    let mut sensors: NodeSensors = client.get(&path(&["nodes", node, "sensors"])?).await?;
    if bad {
        sensors.items.retain(|sensor| sensor.health != HardwareHealth::Ok);
    }
    if output == Output::Json {
        return output::json(&sensors);
    }
    if let Some(why) = &sensors.unread {
        output::say(output, format_args!("cannot be read: {why}"));
    }
    if let Some(draw_w) = sensors.draw_w {
        output::say(output, format_args!("power draw: {draw_w} W"));
    }
    if sensors.left_out > 0 {
        output::say(output, format_args!("and {} more, which are not kept", sensors.left_out));
    }
    let header = ["sensor", "kind", "health", "reading", "limits", "since"];
    output::list(output, &sensors.items, &header, |sensor| {
        let health =
            if sensor.by_site { format!("{} (site)", sensor.health) } else { sensor.health.to_string() };
        vec![
            sensor.name.clone(),
            sensor.kind.to_string(),
            health,
            sensor.reading.clone(),
            limits(sensor),
            sensor.since.clone().unwrap_or_default(),
        ]
    })
}

/// Shows how a number has moved.
pub async fn history(client: &Client, output: Output, node: &str, sensor: &str) -> anyhow::Result<()> {
    let history: NodeSensorHistory =
        client.get(&path(&["nodes", node, "sensors", sensor, "history"])?).await?;
    if output == Output::Json {
        return output::json(&history);
    }
    let unit = if history.unit.is_empty() { String::new() } else { format!(" in {}", history.unit) };
    output::say(
        output,
        format_args!(
            "{}{unit}, {} min a line; between two lines it had not moved, or was not read",
            history.name,
            history.span_s / 60
        ),
    );
    output::list(output, &history.points, &["from", "lowest", "mean", "highest"], |point| {
        let number = |value: f64| value.to_string();
        vec![point.at.clone(), number(point.low), number(point.mean), number(point.high)]
    })
}

/// The critical limits, or what there is.
fn limits(sensor: &NodeSensor) -> String {
    let lower = sensor.lower_critical.or(sensor.lower_warning);
    let upper = sensor.upper_critical.or(sensor.upper_warning);
    match (lower, upper) {
        (None, None) => String::new(),
        (Some(lower), None) => format!("from {lower}"),
        (None, Some(upper)) => format!("to {upper}"),
        (Some(lower), Some(upper)) => format!("{lower} to {upper}"),
    }
}

/// Runs one of the log's commands.
pub async fn sel(client: &Client, output: Output, command: Sel) -> anyhow::Result<()> {
    match command {
        Sel::List { node, open } => list(client, output, &node, open).await,
        Sel::Ack { node, entries } => {
            let at = path(&["nodes", &node, "sel", "acknowledge"])?;
            let done: AcknowledgedCount = client.post(&at, &Acknowledge { entries }).await?;
            output::say(output, format_args!("{} entries of {node} acknowledged", done.acknowledged));
            Ok(())
        }
    }
}

async fn list(client: &Client, output: Output, node: &str, open: bool) -> anyhow::Result<()> {
    let mut log: NodeLog = client.get(&path(&["nodes", node, "sel"])?).await?;
    if open {
        log.items.retain(|entry| entry.open);
    }
    if output == Output::Json {
        return output::json(&log);
    }
    if let Some(clock) = &log.clock {
        output::say(output, format_args!("{clock}: take the times of entries with care"));
    }
    if log.is_full {
        output::say(output, format_args!("the log is full, and what happens next may be lost: clear it"));
    }
    let header = ["number", "time", "severity", "sensor", "event", "standing"];
    output::list(output, &log.items, &header, |entry| {
        vec![
            entry.number.to_string(),
            entry.at.as_ref().or(entry.seen.as_ref()).cloned().unwrap_or_default(),
            entry.severity.to_string(),
            entry.sensor.clone(),
            entry.text.clone(),
            standing(entry),
        ]
    })
}

fn standing(entry: &NodeLogEntry) -> String {
    match (&entry.acknowledged_by, &entry.ended) {
        (Some(by), _) => format!("acknowledged by {by}"),
        (None, Some(at)) => format!("ended {at}"),
        (None, None) if entry.open => "OPEN".to_owned(),
        (None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_reason_is_a_line_and_a_server_without_one_says_so() {
        let node = |health: &str, not_known: Option<&str>, reasons: serde_json::Value| -> Node {
            serde_json::from_value(json!({
                "id": uuid::Uuid::nil(), "name": "srv2", "rack": "rack1", "provision_state": "active", "deployed": true,
                "power": "on", "power_reason": null, "maintenance": false, "next": "", "ports": [],
                "resource_class": "", "boot_mode": "bios",
                "bmc": {"protocol": "ipmi", "address": "198.51.100.12", "port": 623, "username": "admin"},
                "health": health, "health_not_known": not_known, "health_reasons": reasons,
            }))
            .unwrap()
        };
        let reasons = json!([
            {"severity": "critical", "source": "log_entry", "entry": 7, "text": "DIMM A1: uncorrectable error", "since": "T"},
            {"severity": "warning", "source": "sensor", "text": "FAN1: 300 rpm", "since": "T"},
        ]);
        let check = |node: Node, expected: &[[&str; 4]]| {
            let rows: Vec<Vec<String>> = rows_of(&node).into_iter().map(|row| row[1..].to_vec()).collect();
            assert_eq!(rows, expected);
        };
        check(node("ok", None, json!([])), &[["ok", "", "", "nothing is wrong"]]);
        let two = [
            ["critical", "T", "log entry 7", "DIMM A1: uncorrectable error"],
            ["warning", "T", "sensor", "FAN1: 300 rpm"],
        ];
        check(node("critical", None, reasons.clone()), &two);
        let away = [["unknown", "", "", "the agent is away"], two[0], two[1]];
        check(node("unknown", Some("the agent is away"), reasons), &away);
    }
}
