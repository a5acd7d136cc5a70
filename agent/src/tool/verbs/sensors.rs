//! Edges: `sensors`: every sensor that a BMC describes, read where it is.

use std::collections::HashMap;

use protocol::ipmi::{
    bridge::Target,
    call::Command,
    sdr::{
        formula::{Curve, Formula},
        record::{Body, McLocator, Record, Sensor},
    },
    sensor::{Crossed, GetFactors, GetReading, GetThresholds, Reading, Thresholds},
    severity::{self, Severity},
    words,
};
use serde_json::{Value, json};

use super::super::{failure::Failure, output::Answer};
use crate::bmc::{BmcError, CallError, IpmiBmc};

/// One sensor with what it says.
pub(super) struct Seen {
    pub(super) sensor: Sensor,
    /// None: it says nothing, and why.
    pub(super) reading: Result<Shown, String>,
}

/// A reading as people read it.
pub(super) struct Shown {
    /// Its number; none: it has states only.
    pub(super) value: Option<f64>,
    /// States, or how the number is.
    pub(super) states: Vec<String>,
    /// How bad it is.
    pub(super) severity: Severity,
    limits: Limits,
}

/// Limits as numbers: non-critical, critical, non-recoverable.
#[derive(Default)]
struct Limits {
    lower: [Option<f64>; 3],
    upper: [Option<f64>; 3],
}

pub(super) async fn run(bad: bool, bmc: &IpmiBmc) -> Result<Answer, Failure> {
    let seen = all(bmc, true).await?;
    let shown = seen.iter().filter(|seen| !bad || seen.severity() > Severity::Ok);
    let (rows, json): (Vec<Vec<String>>, Vec<Value>) = shown.map(|seen| (seen.row(), seen.json())).unzip();
    Ok(Answer { header: &["sensor", "reading", "state", "limits"], rows, json: Value::Array(json) })
}

/// All sensors. A BMC that goes silent ends it; a sensor that cannot be read is told as such.
pub(super) async fn all(bmc: &IpmiBmc, with_limits: bool) -> Result<Vec<Seen>, Failure> {
    let (records, _) = bmc.sensor_records().await?;
    let controllers = controllers(&records);
    let mut seen = vec![];
    for record in &records {
        let Body::Sensor(sensor) = &record.body else { continue };
        for sensor in sensor.each() {
            let at = Place { bmc, target: controllers.get(&sensor.key.owner).copied() };
            let reading = match at.read(&sensor, with_limits).await {
                Ok(reading) => Ok(reading),
                Err(NotRead::Says(why)) => Err(why),
                Err(NotRead::Call(CallError::Bmc(error))) => return Err(error.into()),
                Err(NotRead::Call(error)) => Err(protocol::error_chain::chain(&error)),
            };
            seen.push(Seen { sensor, reading });
        }
    }
    Ok(seen)
}

/// How the other controllers of the chassis are reached.
fn controllers(records: &[Record]) -> HashMap<u8, Target> {
    let locators = records.iter().filter_map(|record| match &record.body {
        Body::McLocator(McLocator { address, channel, .. }) => {
            Some((*address, Target { channel: *channel, address: *address, lun: 0 }))
        }
        Body::Sensor(_) | Body::EventOnly(_) | Body::FruLocator(_) | Body::Other { .. } => None,
    });
    locators.collect()
}

/// Where a sensor is read.
struct Place<'a> {
    bmc: &'a IpmiBmc,
    /// None: at the BMC itself, unless somebody owns it who is not described.
    target: Option<Target>,
}

/// Why a sensor has no reading.
enum NotRead {
    Says(String),
    Call(CallError),
}

impl From<CallError> for NotRead {
    fn from(error: CallError) -> Self {
        NotRead::Call(error)
    }
}

impl Place<'_> {
    async fn call<C: Command>(&self, command: &C) -> Result<C::Answer, CallError> {
        match self.target {
            None => self.bmc.call(command).await,
            Some(target) => self.bmc.call_behind(target, command).await,
        }
    }

    async fn read(&self, sensor: &Sensor, with_limits: bool) -> Result<Shown, NotRead> {
        if !sensor.key.is_of_bmc() && self.target.is_none() {
            let owner = sensor.key.owner;
            return Err(NotRead::Says(format!("belongs to controller {owner:#04x}, which is not described")));
        }
        let reading = self.call(&GetReading(sensor.key.number)).await?;
        if !reading.is_there() {
            return Err(NotRead::Says("no reading now".to_owned()));
        }
        match sensor.formula {
            Some(formula) if sensor.event_type == words::THRESHOLD => {
                let formula = self.factors(sensor, formula, reading.raw).await?;
                let limits =
                    if with_limits { self.limits(sensor, formula).await? } else { Limits::default() };
                Ok(number(formula, reading, limits))
            }
            _ => Ok(discrete(sensor, reading)),
        }
    }

    /// The factors for this very reading, where they differ from reading to reading.
    async fn factors(&self, sensor: &Sensor, formula: Formula, raw: u8) -> Result<Formula, CallError> {
        match formula.curve {
            Curve::NonLinear => {
                let factors = self.call(&GetFactors { number: sensor.key.number, raw }).await?;
                Ok(formula.with(factors))
            }
            _ => Ok(formula),
        }
    }

    /// A BMC that refuses them has none.
    async fn limits(&self, sensor: &Sensor, formula: Formula) -> Result<Limits, CallError> {
        let Thresholds { lower, upper } = match self.call(&GetThresholds(sensor.key.number)).await {
            Ok(thresholds) => thresholds,
            Err(CallError::Bmc(error @ BmcError::Unreachable { .. })) => return Err(error.into()),
            Err(_) => Thresholds::default(),
        };
        let value = |raw: Option<u8>| raw.and_then(|raw| formula.value(raw));
        Ok(Limits { lower: lower.map(value), upper: upper.map(value) })
    }
}

fn number(formula: Formula, reading: Reading, limits: Limits) -> Shown {
    let crossed = Crossed::of(reading.states);
    let severity = match crossed {
        Crossed::Nothing => Severity::Ok,
        Crossed::NonCritical => Severity::Warning,
        Crossed::Critical | Crossed::NonRecoverable => Severity::Critical,
    };
    Shown { value: formula.value(reading.raw), states: vec![crossed.name().to_owned()], severity, limits }
}

fn discrete(sensor: &Sensor, reading: Reading) -> Shown {
    let (event_type, sensor_type) = (sensor.event_type, sensor.sensor_type);
    Shown {
        value: None,
        states: words::states(event_type, sensor_type, reading.states),
        severity: severity::of_states(event_type, sensor_type, reading.states),
        limits: Limits::default(),
    }
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
                (self.words(), shown.states.join(", "), shown.limits.words())
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
                    json["limits"] = shown.limits.json();
                }
            }
        }
        json
    }
}

/// What the three limits of a side are called.
const LIMIT_NAMES: [&str; 3] = ["non_critical", "critical", "non_recoverable"];

impl Limits {
    /// Those that there are.
    fn json(&self) -> Value {
        let side = |name: &'static str, limits: [Option<f64>; 3]| {
            LIMIT_NAMES.iter().zip(limits).filter_map(move |(limit, value)| {
                Some((format!("{name}_{limit}"), Value::from(round(value?))))
            })
        };
        Value::Object(side("lower", self.lower).chain(side("upper", self.upper)).collect())
    }

    /// The critical ones, or what there is.
    fn words(&self) -> String {
        let of = |limits: [Option<f64>; 3]| {
            limits[1].or(limits[0]).or(limits[2]).map(|limit| round(limit).to_string())
        };
        match (of(self.lower), of(self.upper)) {
            (None, None) => String::new(),
            (Some(lower), None) => format!("from {lower}"),
            (None, Some(upper)) => format!("to {upper}"),
            (Some(lower), Some(upper)) => format!("{lower} to {upper}"),
        }
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
