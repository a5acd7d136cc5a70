//! Edges: `sel` by Redfish: its logs.

use jiff::Timestamp;
use protocol::redfish::read::log::Log;
use serde_json::json;

use super::{
    super::super::{args::SelVerb, failure::Failure, output::Answer},
    or_dash, table, value, yes,
};
use crate::bmc::RedfishBmc;

pub(in super::super) async fn run(verb: &SelVerb, bmc: &RedfishBmc) -> Result<Answer, Failure> {
    match verb {
        SelVerb::List { last, log } => list(*last, log.as_deref(), bmc).await,
        SelVerb::Info => info(bmc).await,
        SelVerb::Clear => {
            let log = chosen(None, bmc).await?;
            let entries = bmc.log_entries(&log).await?.items.len();
            bmc.clear_log(&log).await?;
            let words = format!("{} cleared: {entries} records removed", log.name);
            Ok(Answer::fact(&["log"], words, json!({ "log": log.id, "cleared": entries })))
        }
        SelVerb::SetTime => set_time(bmc).await,
    }
}

/// The BMC's clock is set to this machine's: its logs have no other.
pub(super) async fn set_time(bmc: &RedfishBmc) -> Result<Answer, Failure> {
    let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let clock = or_dash(bmc.set_manager_time(&now).await?.time.as_deref());
    Ok(Answer::fact(&["clock"], clock.clone(), json!({ "clock": clock })))
}

/// The log of this name or id, or that of hardware events.
async fn chosen(name: Option<&str>, bmc: &RedfishBmc) -> Result<Log, Failure> {
    let logs = bmc.logs().await?.items;
    let names = logs.iter().map(|log| log.id.clone()).collect::<Vec<_>>().join(", ");
    let mut meant = logs.into_iter().filter(|log| match name {
        Some(name) => log.id.eq_ignore_ascii_case(name) || log.name.eq_ignore_ascii_case(name),
        None => true,
    });
    meant.next().ok_or_else(|| match name {
        Some(name) => Failure::NotSo(format!("it has no log {name:?}; it has: {names}")),
        None => Failure::NotSo("it shows no logs".to_owned()),
    })
}

async fn list(last: Option<usize>, name: Option<&str>, bmc: &RedfishBmc) -> Result<Answer, Failure> {
    let log = chosen(name, bmc).await?;
    let found = bmc.log_entries(&log).await?;
    let skip = found.items.len().saturating_sub(last.unwrap_or(usize::MAX));
    let entries = || found.items.iter().skip(skip);
    let rows = entries().map(|entry| {
        let severity = entry.severity.map_or("-", |severity| severity.name());
        vec![entry.id.clone(), or_dash(entry.time.as_deref()), severity.to_owned(), entry.message.clone()]
    });
    Ok(table(
        &["ID", "time", "severity", "event"],
        rows.collect(),
        entries().map(value).collect(),
        &found.missing,
    ))
}

async fn info(bmc: &RedfishBmc) -> Result<Answer, Failure> {
    let found = bmc.logs().await?;
    let (mut rows, mut json) = (Vec::new(), Vec::new());
    for log in &found.items {
        let entries = bmc.log_entries(log).await.map(|entries| entries.items.len()).unwrap_or_default();
        let most = log.entries_max.map(|most| most.to_string());
        let clears = if log.clear.is_some() { "yes" } else { "no" };
        rows.push(vec![
            log.id.clone(),
            log.name.clone(),
            entries.to_string(),
            or_dash(most.as_deref()),
            yes(log.wraps),
            clears.to_owned(),
        ]);
        json.push(json!({ "id": log.id, "name": log.name, "entries": entries, "entries_max": log.entries_max, "wraps": log.wraps, "can_be_cleared": log.clear.is_some() }));
    }
    Ok(table(&["log", "name", "entries", "at most", "wraps", "clears"], rows, json, &found.missing))
}
