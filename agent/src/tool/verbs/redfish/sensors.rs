//! Edges: `sensors` by Redfish.

use protocol::redfish::read::{
    Health,
    sensor::{Bound, Reading},
};
use serde_json::{Value, json};

use super::{
    super::super::{failure::Failure, output::Answer},
    table,
};
use crate::bmc::RedfishBmc;

pub(in super::super) async fn run(bad: bool, bmc: &RedfishBmc) -> Result<Answer, Failure> {
    let found = bmc.sensors().await?;
    let shown: Vec<&Reading> =
        found.items.iter().filter(|reading| !bad || reading.health() > Health::Ok).collect();
    let rows = shown.iter().map(|reading| row(reading)).collect();
    let json = shown.iter().map(|reading| as_json(reading)).collect();
    Ok(table(&["sensor", "reading", "state", "limits"], rows, json, &found.missing))
}

fn row(reading: &Reading) -> Vec<String> {
    let words = words(reading);
    let state = match reading.status.state.as_deref().filter(|state| *state != "Enabled") {
        Some(state) => format!("{}, {state}", reading.health().name()),
        None => reading.health().name().to_owned(),
    };
    vec![reading.name.clone(), words, state, limits(reading)]
}

/// The number with its unit.
pub(super) fn words(reading: &Reading) -> String {
    match reading.value {
        None => "-".to_owned(),
        Some(value) if reading.unit.is_empty() => round(value).to_string(),
        Some(value) => format!("{} {}", round(value), reading.unit),
    }
}

fn limits(reading: &Reading) -> String {
    let of = |bound: Bound| bound.critical.or(bound.caution).map(|limit| round(limit).to_string());
    match (of(reading.lower), of(reading.upper)) {
        (None, None) => String::new(),
        (Some(lower), None) => format!("from {lower}"),
        (None, Some(upper)) => format!("to {upper}"),
        (Some(lower), Some(upper)) => format!("{lower} to {upper}"),
    }
}

fn as_json(reading: &Reading) -> Value {
    json!({
        "name": reading.name,
        "value": reading.value.map(round),
        "unit": reading.unit,
        "severity": reading.health().name(),
        "state": reading.status.state,
        "lower": reading.lower,
        "upper": reading.upper,
    })
}

/// No sensor is better than three digits behind the point.
fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
