//! Edges: sensors, power draw and event log by IPMI: what a BMC describes is read once and kept while it is good.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use async_trait::async_trait;
use protocol::{
    error_chain::chain,
    health::{BmcClock, Limits, Milli, NAME_CHARS_MAX, SENSORS_MAX, Says, Sensor, Severity, TEXT_CHARS_MAX},
    ipmi::{
        call::Command,
        dcmi::GetPowerReading,
        message::CompletionCode,
        sdr::{self, record::Sensor as Record},
        sel::{
            GetTime, Info, RECORD_BYTES, Reserve,
            follow::{Ask, Place, Read},
        },
        severity,
    },
    quirk::Quirk,
    text::bounded,
};

use super::{
    CallError, IpmiBmc,
    sensors::{Described, SensorLimits, Shown, Unreadable},
};
use crate::bmc::{
    BmcError, Line,
    clock::judge,
    hardware::{HardwareReader, Memory, NotRead},
    readings::{LogReading, SensorReading},
};

/// So long limits of sensors, and that there is no power meter, are not asked for again.
const KEPT_FOR: Duration = Duration::from_secs(3600);

/// What is kept of one BMC.
#[derive(Debug, Default)]
pub struct HardwareMemory {
    described: Option<Arc<Described>>,
    limits: Kept<HashMap<(u8, u8), SensorLimits>>,
    /// It has no power meter.
    no_meter: Kept<()>,
    log: Place,
}

/// Something that is good for a while.
#[derive(Debug)]
struct Kept<T>(Option<(Instant, T)>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Kept<T> {
    fn get(&self) -> Option<&T> {
        self.0.as_ref().filter(|(since, _)| since.elapsed() < KEPT_FOR).map(|(_, kept)| kept)
    }

    fn put(&mut self, kept: T) {
        self.0 = Some((Instant::now(), kept));
    }
}

impl From<CallError> for NotRead {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Bmc(error) => NotRead::Bmc(error),
            error => NotRead::HasNone(chain(&error)),
        }
    }
}

#[async_trait]
impl HardwareReader for IpmiBmc {
    async fn read_sensors(&self, line: &Line, memory: &mut Memory) -> Result<SensorReading, NotRead> {
        let memory = &mut memory.ipmi;
        self.refuse_if_dear().await?;
        let described = self.still_described(line, memory).await?;
        let mut limits = memory.limits.get().cloned();
        let known_limits = limits.is_some();
        let mut sensors = Vec::new();
        for record in described.sensors.iter().take(SENSORS_MAX) {
            let place = described.place(self, line, record);
            let key = (record.key.owner, record.key.number);
            if !known_limits {
                limits.get_or_insert_default().insert(key, place.limits().await?);
            }
            let limits = limits.as_ref().and_then(|all| all.get(&key)).copied().unwrap_or_default();
            sensors.push(match place.read().await {
                Ok(shown) => told(record, shown, limits),
                Err(Unreadable::Says(why)) => silent(record, &why),
                Err(Unreadable::Call(CallError::Bmc(error))) => return Err(error.into()),
                Err(Unreadable::Call(error)) => silent(record, &chain(&error)),
            });
        }
        if let Some(limits) = limits.filter(|_| !known_limits) {
            memory.limits.put(limits);
        }
        let left_out = u32::try_from(described.sensors.len() - sensors.len()).unwrap_or(u32::MAX);
        let draw_w = self.draw(line, memory).await?;
        Ok(SensorReading { sensors, left_out, draw_w })
    }

    async fn read_log(
        &self,
        line: &Line,
        memory: &mut Memory,
        now: SystemTime,
    ) -> Result<LogReading, NotRead> {
        self.refuse_if_dear().await?;
        let clock = match said(self.on(line, &GetTime).await)? {
            Ok(time) => judge(time.when(), now),
            Err(_) => BmcClock::Unknown,
        };
        let Read { records, course, info, .. } = self.follow(line, &mut memory.ipmi.log).await?;
        let names =
            memory.ipmi.described.as_ref().map(|described| described.names.clone()).unwrap_or_default();
        Ok(LogReading {
            entries: records.iter().map(|record| names.entry(record)).collect(),
            course,
            records: info.entries.into(),
            is_full: info.has_overflowed || usize::from(info.free_bytes) < RECORD_BYTES,
            clock,
        })
    }
}

impl IpmiBmc {
    /// Where every request is a log-in, a hundred sensors a minute would be a hundred log-ins.
    async fn refuse_if_dear(&self) -> Result<(), NotRead> {
        match self.quirks().await?.has(Quirk::SessionNotKept) {
            true => Err(NotRead::HasNone(
                "its BMC keeps no session (quirk session-not-kept), so that every request is a log-in; its sensors and its \
                 log are not read"
                    .to_owned(),
            )),
            false => Ok(()),
        }
    }

    async fn on<C: Command>(&self, line: &Line, command: &C) -> Result<C::Answer, CallError> {
        let _turn = line.spare_turn().await;
        self.call(command).await
    }

    /// What it describes: as it was read, if it has not changed.
    async fn still_described(
        &self,
        line: &Line,
        memory: &mut HardwareMemory,
    ) -> Result<Arc<Described>, NotRead> {
        // Who refuses to say whether anything has changed has changed nothing.
        let info = said(self.on(line, &sdr::Info).await)?.unwrap_or_default();
        if let Some(described) = memory.described.as_ref().filter(|described| described.info == info) {
            return Ok(Arc::clone(described));
        }
        memory.limits = Kept::default();
        let described = Arc::new(self.describe(line, info).await?);
        memory.described = Some(Arc::clone(&described));
        Ok(described)
    }

    async fn draw(&self, line: &Line, memory: &mut HardwareMemory) -> Result<Option<u32>, BmcError> {
        if memory.no_meter.get().is_some() {
            return Ok(None);
        }
        match self.on(line, &GetPowerReading).await {
            Ok(reading) if reading.is_active => Ok(Some(reading.now_w.into())),
            Ok(_) => Ok(None),
            Err(CallError::Bmc(error)) => Err(error),
            Err(_) => {
                memory.no_meter.put(());
                Ok(None)
            }
        }
    }

    async fn follow(&self, line: &Line, place: &mut Place) -> Result<Read, NotRead> {
        let mut turn = place.turn();
        while let Some(ask) = turn.ask() {
            match ask {
                Ask::Info => turn.informed(self.on(line, &Info).await?),
                Ask::Reserve => turn.reserved(said(self.on(line, &Reserve).await)?),
                Ask::Entry(entry) => {
                    let answer = said(self.on(line, &entry).await)?;
                    turn.read(answer).map_err(|code| {
                        NotRead::HasNone(format!(
                            "the BMC refuses to give its event log: {:#04x}, {}",
                            code.0,
                            code.meaning()
                        ))
                    })?;
                }
            }
        }
        let read;
        (read, *place) = turn.finished();
        Ok(read)
    }
}

/// A refusal is an answer here; what cannot be read is a refusal; silence stays an error.
fn said<T>(answer: Result<T, CallError>) -> Result<Result<T, CompletionCode>, BmcError> {
    match answer {
        Ok(answer) => Ok(Ok(answer)),
        Err(CallError::Refused { code, .. }) => Ok(Err(code)),
        Err(CallError::Bmc(error)) => Err(error),
        Err(CallError::Malformed { .. } | CallError::Walk(_) | CallError::TooLong { .. }) => {
            Ok(Err(CompletionCode::BAD_LENGTH))
        }
    }
}

fn told(record: &Record, shown: Shown, limits: SensorLimits) -> Sensor {
    let says = match (shown.value.and_then(Milli::of), record.formula) {
        (Some(value), Some(formula)) => {
            let raw = record.hysteresis[0].max(record.hysteresis[1]);
            Says::Number {
                value,
                unit: record.unit.to_string(),
                limits: in_thousandths(limits),
                hysteresis: Milli::of(formula.distance(raw)).unwrap_or_default(),
            }
        }
        _ => Says::States(shown.states),
    };
    Sensor { severity: shown.severity, says, ..named(record) }
}

fn silent(record: &Record, why: &str) -> Sensor {
    Sensor { says: Says::Nothing(bounded(why, TEXT_CHARS_MAX).into_owned()), ..named(record) }
}

fn named(record: &Record) -> Sensor {
    let key = record.key;
    Sensor {
        key: format!("{:02x}/{:x}/{:02x}", key.owner, key.lun, key.number),
        name: bounded(&record.name, NAME_CHARS_MAX).into_owned(),
        kind: severity::kind(record.sensor_type),
        severity: Severity::Ok,
        says: Says::States(vec![]),
    }
}

fn in_thousandths(limits: SensorLimits) -> Limits {
    let SensorLimits { lower, upper } = limits;
    let milli = |limit: Option<f64>| limit.and_then(Milli::of);
    Limits {
        lower_critical: milli(lower[1].or(lower[2])),
        lower_warning: milli(lower[0]),
        upper_warning: milli(upper[0]),
        upper_critical: milli(upper[1].or(upper[2])),
    }
}
