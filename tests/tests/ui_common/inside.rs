//! What the fake REST API shows of a server's inside, in the API's own types.

use api_types::{
    BmcAnswers, BmcHealth, HardwareHealth, HistoryPoint, NodeLog, NodeLogEntry, NodeSensor,
    NodeSensorHistory, NodeSensors, SensorKind,
};
use uuid::Uuid;

fn ago(minutes: i64) -> String {
    (jiff::Timestamp::now() - jiff::SignedDuration::from_mins(minutes)).to_string()
}

/// Two temperatures, and what is drawn.
pub fn sensors() -> NodeSensors {
    let sensor = |key: &str, name: &str, value: f64| NodeSensor {
        key: key.to_owned(),
        name: name.to_owned(),
        kind: SensorKind::Temperature,
        health: HardwareHealth::Ok,
        by_site: false,
        since: None,
        reading: format!("{value} °C"),
        value: Some(value),
        unit: Some("°C".to_owned()),
        lower_critical: None,
        lower_warning: None,
        upper_warning: Some(60.0),
        upper_critical: Some(90.0),
    };
    NodeSensors {
        items: vec![sensor("1", "CPU1", 55.0), sensor("2", "Inlet", 22.0)],
        changed_at: Some(ago(1)),
        unread: None,
        draw_w: Some(212),
        left_out: 0,
    }
}

/// A day in which a number rose twice.
pub fn history(key: &str) -> NodeSensorHistory {
    let (name, unit, low) = match key {
        "1" => ("CPU1", "°C", 48.0),
        "2" => ("Inlet", "°C", 21.0),
        _ => ("power draw", "W", 180.0),
    };
    let point = |hours: i64| {
        let mean = low + f64::from(i32::try_from((hours * 7) % 13).unwrap());
        HistoryPoint { at: ago(hours * 60), low: mean - 1.0, mean, high: mean + 2.0 }
    };
    NodeSensorHistory {
        key: key.to_owned(),
        name: name.to_owned(),
        unit: unit.to_owned(),
        span_s: 300,
        hours: 24,
        lower_critical: None,
        lower_warning: None,
        upper_warning: (key == "1").then_some(60.0),
        upper_critical: None,
        points: (1..24).rev().map(point).collect(),
    }
}

/// Seven entries, of which a page shows the newest.
pub fn log() -> NodeLog {
    let entry = |number: u64| NodeLogEntry {
        number,
        id: number.to_string(),
        at: Some(ago(60)),
        seen: Some(ago(59)),
        sensor: "DIMM A1".to_owned(),
        kind: SensorKind::Memory,
        text: format!("correctable error {number}"),
        severity: HardwareHealth::Warning,
        open: true,
        ended: None,
        acknowledged_by: None,
        acknowledged: None,
    };
    NodeLog { items: (1..=7).map(entry).collect(), records: Some(7), is_full: false, clock: None }
}

/// A BMC that answers.
pub fn bmc() -> BmcHealth {
    BmcHealth {
        id: Uuid::from_u128(1),
        node: "srv1".to_owned(),
        rack: "rack1".to_owned(),
        bmc: "ipmi://192.0.2.5:623".to_owned(),
        answers: BmcAnswers::Yes,
        reason: None,
        figures: None,
    }
}
