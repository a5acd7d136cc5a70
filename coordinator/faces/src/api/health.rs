//! Edges: the health of servers' hardware in the API: sensors, event logs, and who has dealt with an entry.

use std::sync::Arc;

use api_types::{
    Acknowledge, AcknowledgedCount, NodeLog, NodeLogEntry, NodeSensor, NodeSensors, clock_words,
};
use axum::{Json, extract::State};
use domain::{
    events::EventKind,
    health::{Acknowledged, KnownEntry, KnownSensor},
};
use protocol::health::{Limits, Milli, Says};
use store::{DealtWith, LOG_ENTRIES_MAX};

use super::{
    Api,
    auth::User,
    request::{JsonBody, Path},
    time::time,
};
use crate::problem::Problem;

/// Lists a node's sensors as its agent told them last, those that are not well first.
#[utoipa::path(get, path = "/v1/nodes/{node}/sensors", params(("node" = String, Path, description = "name or id")),
    responses((status = 200, body = NodeSensors)))]
pub async fn sensors(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
) -> Result<Json<NodeSensors>, Problem> {
    let server = api.find_node(&name).await?;
    let hardware = api.inventory.hardware(server.id).await?.unwrap_or_default();
    let mut known: Vec<_> = api.inventory.sensors(server.id).await?.into_values().collect();
    known.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.sensor.name.cmp(&b.sensor.name)));
    Ok(Json(NodeSensors {
        items: known.into_iter().map(sensor_view).collect(),
        changed_at: hardware.read_us.and_then(time),
        unread: hardware.unread,
        draw_w: hardware.draw_w,
        left_out: hardware.left_out,
    }))
}

/// Shows a node's event log as far as it is kept here: 30 days, and the newest 1000 entries.
#[utoipa::path(get, path = "/v1/nodes/{node}/sel", params(("node" = String, Path, description = "name or id")),
    responses((status = 200, body = NodeLog)))]
pub async fn log(State(api): State<Arc<Api>>, Path(name): Path<String>) -> Result<Json<NodeLog>, Problem> {
    let server = api.find_node(&name).await?;
    let standing = api.inventory.hardware(server.id).await?.and_then(|known| known.log);
    let limit = u32::try_from(LOG_ENTRIES_MAX).unwrap_or(u32::MAX);
    let entries = api.inventory.log_entries(server.id, limit).await?;
    Ok(Json(NodeLog {
        items: entries.into_iter().map(entry_view).collect(),
        records: standing.map(|log| log.records),
        is_full: standing.is_some_and(|log| log.is_full),
        clock: standing.and_then(|log| clock_words(log.clock)),
    }))
}

/// Acknowledges log entries of a node: somebody has dealt with what they say, and they are no reasons of its health any more.
#[utoipa::path(post, path = "/v1/nodes/{node}/sel/acknowledge",
    params(("node" = String, Path, description = "name or id")), request_body = Acknowledge,
    responses((status = 200, body = AcknowledgedCount), (status = 400, body = Problem)))]
pub async fn acknowledge(
    State(api): State<Arc<Api>>,
    user: User,
    Path(name): Path<String>,
    JsonBody(wanted): JsonBody<Acknowledge>,
) -> Result<Json<AcknowledgedCount>, Problem> {
    let server = api.find_node(&name).await?;
    if wanted.entries.len() as u64 > LOG_ENTRIES_MAX {
        let why =
            format!("has more than {LOG_ENTRIES_MAX} numbers; leave it out to acknowledge all open entries");
        return Err(Problem::bad_at("entries", why));
    }
    let which = match wanted.entries.is_empty() {
        true => DealtWith::All,
        false => DealtWith::These(wanted.entries),
    };
    let word = Acknowledged { at_us: api.inventory.clock().now_us(), by: user.name().to_owned() };
    let acknowledged = api.inventory.acknowledge(server.id, &which, &word).await?;
    if acknowledged > 0 {
        let text = format!("{} acknowledged {acknowledged} entries of the event log", user.name());
        api.inventory.record_told(server.id, EventKind::Hardware, text, None).await;
    }
    Ok(Json(AcknowledgedCount { acknowledged }))
}

fn sensor_view(known: KnownSensor) -> NodeSensor {
    let KnownSensor { sensor, severity, by_site, since_us } = known;
    let reading = sensor.words();
    let (value, unit, limits) = match sensor.says {
        Says::Number { value, unit, limits, .. } => (Some(value), Some(unit), limits),
        Says::States(_) | Says::Nothing(_) => (None, None, Limits::default()),
    };
    let number = |milli: Option<Milli>| milli.map(Milli::value);
    NodeSensor {
        key: sensor.key,
        name: sensor.name,
        kind: sensor.kind.into(),
        health: severity.into(),
        by_site,
        since: time(since_us),
        reading,
        value: number(value),
        unit,
        lower_critical: number(limits.lower_critical),
        lower_warning: number(limits.lower_warning),
        upper_warning: number(limits.upper_warning),
        upper_critical: number(limits.upper_critical),
    }
}

fn entry_view(known: KnownEntry) -> NodeLogEntry {
    let open = known.is_open();
    let KnownEntry { number, entry, seen_us, ended_us, acknowledged, .. } = known;
    NodeLogEntry {
        number,
        id: entry.id,
        at: entry.at_s.and_then(|at_s| time(at_s.saturating_mul(1_000_000))),
        seen: time(seen_us),
        sensor: entry.sensor,
        kind: entry.kind.into(),
        text: entry.text,
        severity: entry.severity.into(),
        open,
        ended: ended_us.and_then(time),
        acknowledged: acknowledged.as_ref().and_then(|word| time(word.at_us)),
        acknowledged_by: acknowledged.map(|word| word.by),
    }
}
