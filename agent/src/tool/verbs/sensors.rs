//! Edges: `sensors`: every sensor that a BMC describes, read where it is.

use protocol::{
    error_chain::chain,
    ipmi::{
        sdr::{RepositoryInfo, record::Sensor},
        severity::Severity,
        words,
    },
};
use serde_json::{Value, json};

use super::super::{failure::Failure, output::Answer};
use crate::bmc::{CallError, IpmiBmc, Line, SensorLimits, Shown, Unreadable};

/// One sensor with what it says.
pub(super) struct Seen {
    pub(super) sensor: Sensor,
    /// None: it says nothing, and why.
    pub(super) reading: Result<Shown, String>,
    limits: SensorLimits,
}

pub(super) async fn run(bad: bool, bmc: &IpmiBmc) -> Result<Answer, Failure> {
    let seen = all(bmc, true).await?;
    let shown = seen.iter().filter(|seen| !bad || seen.severity() > Severity::Ok);
    let (rows, json): (Vec<Vec<String>>, Vec<Value>) = shown.map(|seen| (seen.row(), seen.json())).unzip();
    Ok(Answer { header: &["sensor", "reading", "state", "limits"], rows, json: Value::Array(json) })
}

/// All sensors. A BMC that goes silent ends it; a sensor that cannot be read is told as such.
pub(super) async fn all(bmc: &IpmiBmc, with_limits: bool) -> Result<Vec<Seen>, Failure> {
    let line = Line::default();
    let described = bmc.describe(&line, RepositoryInfo::default()).await?;
    let mut seen = vec![];
    for sensor in &described.sensors {
        let place = described.place(bmc, &line, sensor);
        let reading = match place.read().await {
            Ok(reading) => Ok(reading),
            Err(Unreadable::Says(why)) => Err(why),
            Err(Unreadable::Call(CallError::Bmc(error))) => return Err(error.into()),
            Err(Unreadable::Call(error)) => Err(chain(&error)),
        };
        let limits = match with_limits && reading.is_ok() {
            true => place.limits().await?,
            false => SensorLimits::default(),
        };
        seen.push(Seen { sensor: sensor.clone(), reading, limits });
    }
    Ok(seen)
}

impl Seen {
    pub(super) fn severity(&self) -> Severity {
        self.reading.as_ref().map_or(Severity::Ok, |reading| reading.severity)
    }

    /// The number with its unit, or the states.
    pub(super) fn words(&self) -> String {
        match &self.reading {
            Err(why) => why.clone(),
            Ok(Shown { value: Some(value), .. }) => with_unit(*value, &self.sensor.unit.to_string()),
            Ok(Shown { states, .. }) => states.join(", "),
        }
    }

    fn row(&self) -> Vec<String> {
        let (reading, state, limits) = match &self.reading {
            Err(why) => ("-".to_owned(), why.clone(), String::new()),
            Ok(shown) if shown.value.is_some() => {
                (self.words(), shown.states.join(", "), limit_words(self.limits))
            }
            Ok(shown) => {
                let states =
                    if shown.states.is_empty() { "no state".to_owned() } else { shown.states.join(", ") };
                (shown.severity.name().to_owned(), states, String::new())
            }
        };
        vec![self.sensor.name.clone(), reading, state, limits]
    }

    fn json(&self) -> Value {
        let key = self.sensor.key;
        let mut json = json!({
            "name": self.sensor.name,
            "owner": key.owner,
            "number": key.number,
            "kind": words::sensor_type(self.sensor.sensor_type),
            "severity": self.severity().name(),
        });
        match &self.reading {
            Err(why) => json["unreadable"] = why.as_str().into(),
            Ok(shown) => {
                json["states"] = shown.states.clone().into();
                if let Some(value) = shown.value {
                    json["value"] = round(value).into();
                    json["unit"] = self.sensor.unit.to_string().into();
                    json["limits"] = limits_json(self.limits);
                }
            }
        }
        json
    }
}

/// What the three limits of a side are called.
const LIMIT_NAMES: [&str; 3] = ["non_critical", "critical", "non_recoverable"];

/// Those that there are.
fn limits_json(limits: SensorLimits) -> Value {
    let side = |name: &'static str, limits: [Option<f64>; 3]| {
        LIMIT_NAMES
            .iter()
            .zip(limits)
            .filter_map(move |(limit, value)| Some((format!("{name}_{limit}"), Value::from(round(value?)))))
    };
    Value::Object(side("lower", limits.lower).chain(side("upper", limits.upper)).collect())
}

/// The critical ones, or what there is.
fn limit_words(limits: SensorLimits) -> String {
    let of = |limits: [Option<f64>; 3]| {
        limits[1].or(limits[0]).or(limits[2]).map(|limit| round(limit).to_string())
    };
    match (of(limits.lower), of(limits.upper)) {
        (None, None) => String::new(),
        (Some(lower), None) => format!("from {lower}"),
        (None, Some(upper)) => format!("to {upper}"),
        (Some(lower), Some(upper)) => format!("{lower} to {upper}"),
    }
}

/// Raw bytes carry no more than three digits behind the point.
fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

fn with_unit(value: f64, unit: &str) -> String {
    let value = round(value);
    if unit.is_empty() { value.to_string() } else { format!("{value} {unit}") }
}
