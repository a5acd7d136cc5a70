//! Edges: `health`: whether anything is wrong with a server, in one word and its reasons.

use std::time::Instant;

use protocol::ipmi::{
    device::{SelfTest, SelfTestResult},
    front::GetCondition,
    sel::Info,
    severity::Severity,
};
use serde_json::json;

use super::{
    super::{failure::Failure, output::Answer},
    sensors,
};
use crate::bmc::{CallError, IpmiBmc};

/// A log with less room is told: what comes next may be lost.
const FREE_BYTES_MIN: u16 = 512;

pub(super) async fn run(bmc: &IpmiBmc) -> Result<Answer, Failure> {
    let began = Instant::now();
    let condition = bmc.call(&GetCondition).await?;
    let first_ms = began.elapsed().as_secs_f64() * 1000.0;
    let mut reasons: Vec<(Severity, String)> =
        condition.troubles().into_iter().map(|trouble| (Severity::Critical, trouble.to_owned())).collect();
    reasons.extend(self_test(bmc).await?);
    reasons.extend(of_sensors(bmc).await?);
    reasons.extend(log(bmc).await?);
    reasons.sort_by_key(|reason| std::cmp::Reverse(reason.0));
    let worst = reasons.first().map_or(Severity::Ok, |(severity, _)| *severity);
    let power = if condition.is_on() { "on" } else { "off" };
    let mut rows: Vec<Vec<String>> =
        reasons.iter().map(|(severity, why)| vec![severity.name().to_owned(), why.clone()]).collect();
    if rows.is_empty() {
        rows.push(vec!["ok".to_owned(), format!("nothing is wrong; power {power}")]);
    }
    let reasons: Vec<_> =
        reasons.iter().map(|(severity, why)| json!({ "severity": severity.name(), "reason": why })).collect();
    let json =
        json!({ "health": worst.name(), "power": power, "reasons": reasons, "first_answer_ms": first_ms });
    Ok(Answer { header: &["health", "reason"], rows, json })
}

/// What a BMC does not know is no fault of the server.
fn told<T>(answer: Result<T, CallError>) -> Result<Option<T>, Failure> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(CallError::Bmc(error)) => Err(error.into()),
        Err(_) => Ok(None),
    }
}

async fn self_test(bmc: &IpmiBmc) -> Result<Option<(Severity, String)>, Failure> {
    Ok(match told(bmc.call(&SelfTest).await)? {
        None
        | Some(SelfTestResult::Passed | SelfTestResult::NotImplemented | SelfTestResult::Other { .. }) => {
            None
        }
        Some(result @ SelfTestResult::Corrupted(_)) => {
            Some((Severity::Warning, format!("BMC's self test {result}")))
        }
        Some(result @ SelfTestResult::Fatal(_)) => {
            Some((Severity::Critical, format!("BMC's self test: {result}")))
        }
    })
}

async fn of_sensors(bmc: &IpmiBmc) -> Result<Vec<(Severity, String)>, Failure> {
    let seen = match sensors::all(bmc, false).await {
        Ok(seen) => seen,
        // No sensor records: nothing is known to be wrong.
        Err(Failure::Call(_)) => return Ok(vec![]),
        Err(failure) => return Err(failure),
    };
    let bad = seen.iter().filter(|seen| seen.severity() > Severity::Ok);
    Ok(bad.map(|seen| (seen.severity(), format!("{}: {}", seen.sensor.name, seen.words()))).collect())
}

async fn log(bmc: &IpmiBmc) -> Result<Option<(Severity, String)>, Failure> {
    let Some(info) = told(bmc.call(&Info).await)? else { return Ok(None) };
    Ok(match (info.has_overflowed, info.free_bytes) {
        (true, _) => {
            Some((Severity::Warning, "the event log was full, and records were lost; clear it".to_owned()))
        }
        (false, ..FREE_BYTES_MIN) => {
            Some((Severity::Warning, "the event log is almost full; clear it".to_owned()))
        }
        (false, _) => None,
    })
}
