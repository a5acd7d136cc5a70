//! Edges: `sel`: the event log in words.

use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;
use protocol::ipmi::sel::{Clear, GetTime, Info, Reserve, SetTime, Time, When, record::Record};
use serde_json::{Value, json};

use super::super::{args::SelVerb, failure::Failure, output::Answer};
use crate::bmc::{IpmiBmc, SensorNames, Told};

/// How long a BMC may take to clear its log.
const CLEARED_WITHIN: Duration = Duration::from_secs(30);
/// Between two looks meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(200);

pub(super) async fn run(verb: &SelVerb, bmc: &IpmiBmc) -> Result<Answer, Failure> {
    match verb {
        SelVerb::List { last, .. } => list(*last, bmc).await,
        SelVerb::Info => info(bmc).await,
        SelVerb::Clear => clear(bmc).await,
        SelVerb::SetTime => set_time(bmc).await,
    }
}

async fn info(bmc: &IpmiBmc) -> Result<Answer, Failure> {
    let (info, clock) = (bmc.call(&Info).await?, bmc.call(&GetTime).await?);
    Ok(Answer::fields(vec![
        ("entries", info.entries.to_string()),
        ("free bytes", info.free_bytes.to_string()),
        ("last added", time(Time(info.last_added))),
        ("last erased", time(Time(info.last_erased))),
        ("records lost", if info.has_overflowed { "yes: the log was full" } else { "no" }.to_owned()),
        ("clock", time(clock)),
    ]))
}

async fn clear(bmc: &IpmiBmc) -> Result<Answer, Failure> {
    let entries = bmc.call(&Info).await?.entries;
    let reservation = bmc.call(&Reserve).await?;
    let began = Instant::now();
    let mut done = bmc.call(&Clear { reservation, begin: true }).await?;
    while !done {
        if began.elapsed() > CLEARED_WITHIN {
            let seconds = CLEARED_WITHIN.as_secs();
            return Err(Failure::NotSo(format!("the BMC is still clearing its log after {seconds} s")));
        }
        tokio::time::sleep(LOOK_EVERY).await;
        done = bmc.call(&Clear { reservation, begin: false }).await?;
    }
    let words = format!("cleared: {entries} records removed");
    Ok(Answer::fact(&["log"], words, json!({ "cleared": entries })))
}

async fn set_time(bmc: &IpmiBmc) -> Result<Answer, Failure> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now = Time(u32::try_from(since.as_secs()).unwrap_or(u32::MAX - 1));
    bmc.call(&SetTime(now)).await?;
    let clock = time(bmc.call(&GetTime).await?);
    Ok(Answer::fact(&["clock"], clock.clone(), json!({ "clock": clock })))
}

async fn list(last: Option<usize>, bmc: &IpmiBmc) -> Result<Answer, Failure> {
    let records = bmc.log().await?;
    // Names make it readable; without them there are numbers.
    let names = match bmc.sensor_records().await {
        Ok((records, _)) => SensorNames::of(&records),
        Err(_) => SensorNames::default(),
    };
    let from = records.len().saturating_sub(last.unwrap_or(usize::MAX));
    let (rows, json): (Vec<Vec<String>>, Vec<Value>) =
        records[from..].iter().map(|record| shown(record, &names)).unzip();
    Ok(Answer { header: &["id", "time", "sensor", "kind", "event"], rows, json: Value::Array(json) })
}

fn shown(record: &Record, names: &SensorNames) -> (Vec<String>, Value) {
    let id = format!("{:#06x}", record.id);
    let Told { at, sensor, kind, event } = names.tell(record);
    let at = at.map_or_else(|| "-".to_owned(), time);
    let json = json!({ "id": record.id, "time": at, "sensor": sensor, "kind": kind, "event": event });
    (vec![id, at, sensor, kind, event], json)
}

/// A time of the BMC's clock.
pub(super) fn time(time: Time) -> String {
    match time.when() {
        When::Unix(seconds) => Timestamp::from_second(seconds.into())
            .map_or_else(|_| seconds.to_string(), |at| at.strftime("%Y-%m-%d %H:%M:%S").to_string()),
        When::SinceStart(seconds) => format!("{seconds} s after the BMC's start"),
        When::Unknown => "unknown".to_owned(),
    }
}
