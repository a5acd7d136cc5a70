//! Values: what sensors and event logs say, to and from the wire.

use super::{InvalidMessage, known, present, unspecified};
use crate::{
    grpc as wire,
    health::{
        BmcClock, ENTRIES_MAX, HardwareChange, Limits, LogChange, LogCourse, LogEntry, Milli, SENSORS_MAX,
        STATES_MAX, Says, Sensor, SensorChange, SensorKind, Severity,
    },
};

impl From<HardwareChange> for wire::HardwareChange {
    fn from(change: HardwareChange) -> Self {
        use wire::hardware_change::Change;
        let change = match change {
            HardwareChange::Sensors(change) => Change::Sensors(change.into()),
            HardwareChange::Log(change) => Change::Log(change.into()),
            HardwareChange::Unread { reason } => Change::Unread(wire::Unread { reason }),
        };
        Self { change: Some(change) }
    }
}

impl TryFrom<wire::HardwareChange> for HardwareChange {
    type Error = InvalidMessage;
    fn try_from(change: wire::HardwareChange) -> Result<Self, InvalidMessage> {
        use wire::hardware_change::Change;
        Ok(match present("HardwareChange.change", change.change)? {
            Change::Sensors(change) => HardwareChange::Sensors(change.try_into()?),
            Change::Log(change) => HardwareChange::Log(change.try_into()?),
            Change::Unread(wire::Unread { reason }) => HardwareChange::Unread { reason },
        })
    }
}

impl From<SensorChange> for wire::SensorChange {
    fn from(change: SensorChange) -> Self {
        let SensorChange { sensors, complete, draw_w, left_out } = change;
        Self { sensors: sensors.into_iter().map(Into::into).collect(), complete, draw_w, left_out }
    }
}

impl TryFrom<wire::SensorChange> for SensorChange {
    type Error = InvalidMessage;
    fn try_from(change: wire::SensorChange) -> Result<Self, InvalidMessage> {
        let wire::SensorChange { sensors, complete, draw_w, left_out } = change;
        at_most("SensorChange.sensors", sensors.len(), SENSORS_MAX)?;
        let sensors = sensors.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?;
        Ok(Self { sensors, complete, draw_w, left_out })
    }
}

impl From<Sensor> for wire::Sensor {
    fn from(sensor: Sensor) -> Self {
        let Sensor { key, name, kind, severity, says } = sensor;
        Self {
            key,
            name,
            kind: kind_out(kind).into(),
            severity: severity_out(severity).into(),
            says: Some(says.into()),
        }
    }
}

impl TryFrom<wire::Sensor> for Sensor {
    type Error = InvalidMessage;
    fn try_from(sensor: wire::Sensor) -> Result<Self, InvalidMessage> {
        Ok(Self {
            kind: kind_in("Sensor.kind", sensor.kind)?,
            severity: severity_in("Sensor.severity", sensor.severity)?,
            says: present("Sensor.says", sensor.says)?.try_into()?,
            key: sensor.key,
            name: sensor.name,
        })
    }
}

impl From<Says> for wire::sensor::Says {
    fn from(says: Says) -> Self {
        match says {
            Says::Number { value, unit, limits, hysteresis } => {
                let Limits { lower_critical, lower_warning, upper_warning, upper_critical } = limits;
                let milli = |limit: Option<Milli>| limit.map(|Milli(value)| value);
                Self::Number(wire::Number {
                    value: value.0,
                    unit,
                    lower_critical: milli(lower_critical),
                    lower_warning: milli(lower_warning),
                    upper_warning: milli(upper_warning),
                    upper_critical: milli(upper_critical),
                    hysteresis: hysteresis.0,
                })
            }
            Says::States(states) => Self::States(wire::States { states }),
            Says::Nothing(why) => Self::Nothing(why),
        }
    }
}

impl TryFrom<wire::sensor::Says> for Says {
    type Error = InvalidMessage;
    fn try_from(says: wire::sensor::Says) -> Result<Self, InvalidMessage> {
        Ok(match says {
            wire::sensor::Says::Number(number) => Says::Number {
                value: Milli(number.value),
                unit: number.unit,
                limits: Limits {
                    lower_critical: number.lower_critical.map(Milli),
                    lower_warning: number.lower_warning.map(Milli),
                    upper_warning: number.upper_warning.map(Milli),
                    upper_critical: number.upper_critical.map(Milli),
                },
                hysteresis: Milli(number.hysteresis),
            },
            wire::sensor::Says::States(wire::States { states }) => {
                at_most("States.states", states.len(), STATES_MAX)?;
                Says::States(states)
            }
            wire::sensor::Says::Nothing(why) => Says::Nothing(why),
        })
    }
}

impl From<LogChange> for wire::LogChange {
    fn from(change: LogChange) -> Self {
        use wire::log_change::{Clock, Course};
        let course = match change.course {
            LogCourse::Follows => Course::Follows,
            LogCourse::First => Course::First,
            LogCourse::Cleared => Course::Cleared,
            LogCourse::Overwritten => Course::Overwritten,
        };
        let clock = match change.clock {
            BmcClock::Right => None,
            BmcClock::Off { by_s } => Some(Clock::ClockOffS(by_s)),
            BmcClock::SinceStart => Some(Clock::ClockSinceStart(true)),
            BmcClock::Unknown => Some(Clock::ClockUnknown(true)),
        };
        Self {
            entries: change.entries.into_iter().map(Into::into).collect(),
            left_out: change.left_out,
            course: course.into(),
            records: change.records,
            is_full: change.is_full,
            clock,
        }
    }
}

impl TryFrom<wire::LogChange> for LogChange {
    type Error = InvalidMessage;
    fn try_from(change: wire::LogChange) -> Result<Self, InvalidMessage> {
        use wire::log_change::{Clock, Course};
        at_most("LogChange.entries", change.entries.len(), ENTRIES_MAX)?;
        Ok(Self {
            entries: change.entries.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
            left_out: change.left_out,
            course: match known("LogChange.course", change.course)? {
                Course::Unspecified => return Err(unspecified("LogChange.course")),
                Course::Follows => LogCourse::Follows,
                Course::First => LogCourse::First,
                Course::Cleared => LogCourse::Cleared,
                Course::Overwritten => LogCourse::Overwritten,
            },
            records: change.records,
            is_full: change.is_full,
            clock: match change.clock {
                None => BmcClock::Right,
                Some(Clock::ClockOffS(by_s)) => BmcClock::Off { by_s },
                Some(Clock::ClockSinceStart(_)) => BmcClock::SinceStart,
                Some(Clock::ClockUnknown(_)) => BmcClock::Unknown,
            },
        })
    }
}

impl From<LogEntry> for wire::LogEntry {
    fn from(entry: LogEntry) -> Self {
        let LogEntry { id, fingerprint, at_s, sensor, kind, text, severity, condition, ends } = entry;
        let (kind, severity) = (kind_out(kind).into(), severity_out(severity).into());
        Self { id, fingerprint, at_s, sensor, kind, text, severity, condition, ends }
    }
}

impl TryFrom<wire::LogEntry> for LogEntry {
    type Error = InvalidMessage;
    fn try_from(entry: wire::LogEntry) -> Result<Self, InvalidMessage> {
        let wire::LogEntry { id, fingerprint, at_s, sensor, kind, text, severity, condition, ends } = entry;
        let kind = kind_in("LogEntry.kind", kind)?;
        let severity = severity_in("LogEntry.severity", severity)?;
        Ok(Self { id, fingerprint, at_s, sensor, kind, text, severity, condition, ends })
    }
}

fn at_most(field: &'static str, count: usize, most: usize) -> Result<(), InvalidMessage> {
    match count <= most {
        true => Ok(()),
        false => Err(InvalidMessage::new(field, format!("has {count} items; at most {most} are taken"))),
    }
}

fn severity_out(severity: Severity) -> wire::Severity {
    match severity {
        Severity::Ok => wire::Severity::Ok,
        Severity::Warning => wire::Severity::Warning,
        Severity::Critical => wire::Severity::Critical,
    }
}

fn severity_in(field: &'static str, severity: i32) -> Result<Severity, InvalidMessage> {
    Ok(match known(field, severity)? {
        wire::Severity::Unspecified => return Err(unspecified(field)),
        wire::Severity::Ok => Severity::Ok,
        wire::Severity::Warning => Severity::Warning,
        wire::Severity::Critical => Severity::Critical,
    })
}

fn kind_out(kind: SensorKind) -> wire::SensorKind {
    match kind {
        SensorKind::Temperature => wire::SensorKind::Temperature,
        SensorKind::Voltage => wire::SensorKind::Voltage,
        SensorKind::Current => wire::SensorKind::Current,
        SensorKind::Fan => wire::SensorKind::Fan,
        SensorKind::Power => wire::SensorKind::Power,
        SensorKind::PowerSupply => wire::SensorKind::PowerSupply,
        SensorKind::Processor => wire::SensorKind::Processor,
        SensorKind::Memory => wire::SensorKind::Memory,
        SensorKind::Drive => wire::SensorKind::Drive,
        SensorKind::Chassis => wire::SensorKind::Chassis,
        SensorKind::Other => wire::SensorKind::Other,
    }
}

/// A kind that a newer agent knows is some other one.
fn kind_in(field: &'static str, kind: i32) -> Result<SensorKind, InvalidMessage> {
    Ok(match wire::SensorKind::try_from(kind) {
        Ok(wire::SensorKind::Unspecified) => return Err(unspecified(field)),
        Ok(wire::SensorKind::Temperature) => SensorKind::Temperature,
        Ok(wire::SensorKind::Voltage) => SensorKind::Voltage,
        Ok(wire::SensorKind::Current) => SensorKind::Current,
        Ok(wire::SensorKind::Fan) => SensorKind::Fan,
        Ok(wire::SensorKind::Power) => SensorKind::Power,
        Ok(wire::SensorKind::PowerSupply) => SensorKind::PowerSupply,
        Ok(wire::SensorKind::Processor) => SensorKind::Processor,
        Ok(wire::SensorKind::Memory) => SensorKind::Memory,
        Ok(wire::SensorKind::Drive) => SensorKind::Drive,
        Ok(wire::SensorKind::Chassis) => SensorKind::Chassis,
        Ok(wire::SensorKind::Other) | Err(_) => SensorKind::Other,
    })
}
