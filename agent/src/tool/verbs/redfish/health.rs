//! Edges: `health` by Redfish: whether anything is wrong with a server, in one word and its reasons.

use std::time::Instant;

use protocol::redfish::read::{Health, Status};
use serde_json::json;

use super::{
    super::super::{failure::Failure, output::Answer},
    sensors,
};
use crate::bmc::{Bmc, Inventory, Power, RedfishBmc};

pub(in super::super) async fn run(bmc: &RedfishBmc) -> Result<Answer, Failure> {
    let began = Instant::now();
    let is_on = bmc.power_status().await? == Power::On;
    let first_ms = began.elapsed().as_secs_f64() * 1000.0;
    let (found, readings) = (bmc.inventory().await?, bmc.sensors().await?);
    let mut reasons = of_parts(&found);
    for reading in readings.items.iter().filter(|reading| reading.health() > Health::Ok) {
        reasons.push((reading.health(), format!("{}: {}", reading.name, sensors::words(reading))));
    }
    // What could not be read may hide what is wrong.
    let missing = found.missing.iter().chain(&readings.missing);
    reasons.extend(missing.map(|reason| (Health::Warning, format!("not read: {reason}"))));
    reasons.sort_by_key(|reason| std::cmp::Reverse(reason.0));
    let worst = reasons.first().map_or(Health::Ok, |(health, _)| *health);
    let power = if is_on { "on" } else { "off" };
    let mut rows: Vec<Vec<String>> =
        reasons.iter().map(|(health, why)| vec![health.name().to_owned(), why.clone()]).collect();
    if rows.is_empty() {
        rows.push(vec!["ok".to_owned(), format!("nothing is wrong; power {power}")]);
    }
    let reasons: Vec<_> =
        reasons.iter().map(|(health, why)| json!({ "severity": health.name(), "reason": why })).collect();
    let json =
        json!({ "health": worst.name(), "power": power, "reasons": reasons, "first_answer_ms": first_ms });
    Ok(Answer { header: &["health", "reason"], rows, json })
}

fn of_parts(found: &Inventory) -> Vec<(Health, String)> {
    let mut parts: Vec<(&str, &str, &Status)> = Vec::new();
    parts.extend(found.processors.iter().map(|it| ("processor", it.name.as_str(), &it.status)));
    parts.extend(found.memory.iter().map(|it| ("memory", it.name.as_str(), &it.status)));
    parts.extend(found.interfaces.iter().map(|it| ("interface", it.name.as_str(), &it.status)));
    for storage in &found.storage {
        parts.push(("storage", &storage.name, &storage.status));
        parts.extend(storage.drives.iter().map(|it| ("drive", it.name.as_str(), &it.status)));
        parts.extend(storage.volumes.iter().map(|it| ("volume", it.name.as_str(), &it.status)));
    }
    let soon =
        found.storage.iter().flat_map(|storage| &storage.drives).filter(|it| it.fails_soon == Some(true));
    let soon = soon.map(|it| (Health::Warning, format!("drive {}: it expects to fail", it.name)));
    let ill = parts.iter().filter_map(|(kind, name, status)| {
        let health = status.health.filter(|health| *health > Health::Ok)?;
        Some((health, format!("{kind} {name}: {}", status.words())))
    });
    ill.chain(soon).collect()
}
