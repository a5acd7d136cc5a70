//! Edges: every sensor that a BMC describes, read where it is.

use std::collections::HashMap;

use protocol::ipmi::{
    bridge::Target,
    call::Command,
    sdr::{
        RepositoryInfo,
        formula::{Curve, Formula},
        record::{Body, McLocator, Record, Sensor},
    },
    sensor::{Crossed, GetFactors, GetReading, GetThresholds, Reading, Thresholds},
    severity::{self, Severity},
    words,
};

use super::{CallError, IpmiBmc, entries::SensorNames};
use crate::bmc::{BmcError, Line};

/// What a BMC describes.
#[derive(Clone, Debug)]
pub struct Described {
    /// Its sensors, each with a number of its own.
    pub sensors: Vec<Sensor>,
    /// Their names, and those of what only sends events.
    pub names: SensorNames,
    /// By what it is known whether the description is still good.
    pub(super) info: RepositoryInfo,
    controllers: HashMap<u8, Target>,
}

/// A reading as people read it.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// Its number; none: it has states only.
    pub value: Option<f64>,
    /// States, or how the number is.
    pub states: Vec<String>,
    /// How bad it is.
    pub severity: Severity,
}

/// A sensor's own limits as numbers: non-critical, critical, non-recoverable.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SensorLimits {
    /// Below them it is bad.
    pub lower: [Option<f64>; 3],
    /// Above them it is bad.
    pub upper: [Option<f64>; 3],
}

/// Why a sensor has no reading.
#[derive(Debug)]
pub enum Unreadable {
    /// It says nothing now.
    Says(String),
    /// It was not answered for.
    Call(CallError),
}

impl From<CallError> for Unreadable {
    fn from(error: CallError) -> Self {
        Unreadable::Call(error)
    }
}

impl IpmiBmc {
    /// What the BMC describes.
    pub async fn describe(&self, line: &Line, info: RepositoryInfo) -> Result<Described, CallError> {
        let (records, _) = self.sensor_records_on(line).await?;
        let described = records.iter().filter_map(|record| match &record.body {
            Body::Sensor(sensor) => Some(sensor),
            Body::EventOnly(_) | Body::FruLocator(_) | Body::McLocator(_) | Body::Other { .. } => None,
        });
        Ok(Described {
            sensors: described.flat_map(Sensor::each).collect(),
            names: SensorNames::of(&records),
            info,
            controllers: controllers(&records),
        })
    }
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

/// A sensor where it is read.
pub struct SensorPlace<'a> {
    bmc: &'a IpmiBmc,
    line: &'a Line,
    sensor: &'a Sensor,
    /// None: at the BMC itself, unless somebody owns it who is not described.
    target: Option<Target>,
}

impl Described {
    /// Where one of its sensors is read.
    pub fn place<'a>(&self, bmc: &'a IpmiBmc, line: &'a Line, sensor: &'a Sensor) -> SensorPlace<'a> {
        SensorPlace { bmc, line, sensor, target: self.controllers.get(&sensor.key.owner).copied() }
    }
}

impl SensorPlace<'_> {
    async fn call<C: Command>(&self, command: &C) -> Result<C::Answer, CallError> {
        let _turn = self.line.spare_turn().await;
        match self.target {
            None => self.bmc.call(command).await,
            Some(target) => self.bmc.call_behind(target, command).await,
        }
    }

    /// What the sensor says now.
    pub async fn read(&self) -> Result<Shown, Unreadable> {
        let Sensor { key, formula, event_type, .. } = self.sensor;
        if !key.is_of_bmc() && self.target.is_none() {
            let owner = key.owner;
            return Err(Unreadable::Says(format!(
                "belongs to controller {owner:#04x}, which is not described"
            )));
        }
        let reading = self.call(&GetReading(key.number)).await?;
        if !reading.is_there() {
            return Err(Unreadable::Says("no reading now".to_owned()));
        }
        match formula {
            Some(formula) if *event_type == words::THRESHOLD => {
                Ok(number(self.factors(*formula, reading.raw).await?, reading))
            }
            _ => Ok(discrete(self.sensor, reading)),
        }
    }

    /// The factors for this very reading, where they differ from reading to reading.
    async fn factors(&self, formula: Formula, raw: u8) -> Result<Formula, CallError> {
        match formula.curve {
            Curve::NonLinear => {
                let factors = self.call(&GetFactors { number: self.sensor.key.number, raw }).await?;
                Ok(formula.with(factors))
            }
            _ => Ok(formula),
        }
    }

    /// Its limits. A sensor of states has none, and a BMC that refuses them has none either.
    pub async fn limits(&self) -> Result<SensorLimits, CallError> {
        let Some(formula) = self.sensor.formula.filter(|_| self.sensor.event_type == words::THRESHOLD) else {
            return Ok(SensorLimits::default());
        };
        let Thresholds { lower, upper } = match self.call(&GetThresholds(self.sensor.key.number)).await {
            Ok(thresholds) => thresholds,
            Err(CallError::Bmc(error @ BmcError::Unreachable { .. })) => return Err(error.into()),
            Err(_) => Thresholds::default(),
        };
        let value = |raw: Option<u8>| raw.and_then(|raw| formula.value(raw));
        Ok(SensorLimits { lower: lower.map(value), upper: upper.map(value) })
    }
}

fn number(formula: Formula, reading: Reading) -> Shown {
    let crossed = Crossed::of(reading.states);
    let severity = match crossed {
        Crossed::Nothing => Severity::Ok,
        Crossed::NonCritical => Severity::Warning,
        Crossed::Critical | Crossed::NonRecoverable => Severity::Critical,
    };
    Shown { value: formula.value(reading.raw), states: vec![crossed.name().to_owned()], severity }
}

fn discrete(sensor: &Sensor, reading: Reading) -> Shown {
    let (event_type, sensor_type) = (sensor.event_type, sensor.sensor_type);
    Shown {
        value: None,
        states: words::states(event_type, sensor_type, reading.states),
        severity: severity::of_states(event_type, sensor_type, reading.states),
    }
}
