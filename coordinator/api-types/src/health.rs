//! Values: the health of a server's hardware in the API: the word with its reasons, sensors, the event log.

use domain::health::{Source, Word};
use protocol::health::{BmcClock, SensorKind as Kind, Severity};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::word::words;

words! {
    /// The health of a server's hardware.
    HardwareHealth {
        /// Nothing is wrong with it.
        Ok = "ok",
        /// It is to be looked at soon.
        Warning = "warning",
        /// It is to be looked at now.
        Critical = "critical";
        /// Nobody knows: its sensors cannot be read, were not read yet, or nobody is there to read them. A client takes a word
        /// that it does not know for this one.
        else Unknown = "unknown"
    }
}

// A coordinator of before says nothing of health.
#[allow(clippy::derivable_impls, reason = "the words are made by a macro")]
impl Default for HardwareHealth {
    fn default() -> Self {
        HardwareHealth::Unknown
    }
}

impl From<Word> for HardwareHealth {
    fn from(word: Word) -> Self {
        match word {
            Word::Ok => HardwareHealth::Ok,
            Word::Warning => HardwareHealth::Warning,
            Word::Critical => HardwareHealth::Critical,
            Word::Unknown => HardwareHealth::Unknown,
        }
    }
}

impl From<Severity> for HardwareHealth {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Ok => HardwareHealth::Ok,
            Severity::Warning => HardwareHealth::Warning,
            Severity::Critical => HardwareHealth::Critical,
        }
    }
}

words! {
    /// What a sensor, or an entry of the event log, is about.
    SensorKind {
        /// How warm something is.
        Temperature = "temperature",
        /// A voltage.
        Voltage = "voltage",
        /// A current.
        Current = "current",
        /// A fan.
        Fan = "fan",
        /// Power that is drawn or supplied.
        Power = "power",
        /// A power supply.
        PowerSupply = "power_supply",
        /// A processor.
        Processor = "processor",
        /// Memory.
        Memory = "memory",
        /// A drive or its slot.
        Drive = "drive",
        /// The chassis and who opened it.
        Chassis = "chassis",
        /// Anything else.
        Other = "other";
        /// One that this client does not know: the coordinator is newer, and sends none such itself.
        else Unknown = "unknown"
    }
}

impl From<Kind> for SensorKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Temperature => SensorKind::Temperature,
            Kind::Voltage => SensorKind::Voltage,
            Kind::Current => SensorKind::Current,
            Kind::Fan => SensorKind::Fan,
            Kind::Power => SensorKind::Power,
            Kind::PowerSupply => SensorKind::PowerSupply,
            Kind::Processor => SensorKind::Processor,
            Kind::Memory => SensorKind::Memory,
            Kind::Drive => SensorKind::Drive,
            Kind::Chassis => SensorKind::Chassis,
            Kind::Other => SensorKind::Other,
        }
    }
}

words! {
    /// What a reason of a server's health comes from.
    ReasonSource {
        /// A sensor: it ends when the sensor recovers.
        Sensor = "sensor",
        /// An entry of the event log: it ends when the BMC says so, or when somebody acknowledges it.
        LogEntry = "log_entry",
        /// The event log as a whole: it ends when the log is cleared.
        Log = "log";
        /// Something that this client does not know: the coordinator is newer, and sends none such itself.
        else Unknown = "unknown"
    }
}

impl From<&Source> for ReasonSource {
    fn from(source: &Source) -> Self {
        match source {
            Source::Sensor(_) => ReasonSource::Sensor,
            Source::Entry(_) => ReasonSource::LogEntry,
            Source::Log => ReasonSource::Log,
        }
    }
}

/// Why a server's hardware is not well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HealthReason {
    /// How bad it is.
    pub severity: HardwareHealth,
    /// What says so.
    pub source: ReasonSource,
    /// Number of the log entry. Absent: it is no log entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<u64>,
    /// What is wrong, as a sentence: the sensor with its reading and limit, or what the event log says.
    pub text: String,
    /// Since when (RFC 3339).
    pub since: Option<String>,
}

/// A server's sensors as its agent told them last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NodeSensors {
    /// The sensors, those that are not well first.
    pub items: Vec<NodeSensor>,
    /// When something of them changed last (RFC 3339). Absent: they were not read yet.
    pub changed_at: Option<String>,
    /// Why they cannot be read. Absent: they can, or nobody has tried yet.
    pub unread: Option<String>,
    /// Power draw in W. Absent: it is not measured.
    pub draw_w: Option<u32>,
    /// Number of sensors that the BMC has beyond these.
    pub left_out: u32,
}

/// A sensor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NodeSensor {
    /// By what it is known on its BMC.
    pub key: String,
    /// Its name; several may have the same.
    pub name: String,
    /// What it is about.
    pub kind: SensorKind,
    /// How bad it is, by the site's limits where it has any for this sensor, and otherwise by its own.
    pub health: HardwareHealth,
    /// Whether the site's limits said so.
    pub by_site: bool,
    /// Since when it is as bad (RFC 3339).
    pub since: Option<String>,
    /// What it says, in words: a number with its unit, states, or why it says nothing.
    pub reading: String,
    /// Its number. Absent: it has states, or says nothing now.
    #[serde(default)]
    pub value: Option<f64>,
    /// The number's unit, such as `°C`. Absent: it has no number.
    #[serde(default)]
    pub unit: Option<String>,
    /// Its own lower critical limit. Absent: it has none.
    #[serde(default)]
    pub lower_critical: Option<f64>,
    /// Its own lower warning limit. Absent: it has none.
    #[serde(default)]
    pub lower_warning: Option<f64>,
    /// Its own upper warning limit. Absent: it has none.
    #[serde(default)]
    pub upper_warning: Option<f64>,
    /// Its own upper critical limit. Absent: it has none.
    #[serde(default)]
    pub upper_critical: Option<f64>,
}

/// A server's event log, as far as it is kept here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeLog {
    /// The newest entries, oldest first.
    pub items: Vec<NodeLogEntry>,
    /// Number of entries that the BMC holds. Absent: its log was not read yet.
    pub records: Option<u32>,
    /// Whether the BMC's log is full.
    pub is_full: bool,
    /// What is wrong with the BMC's clock, by which `at` is told. Absent: nothing is known to be.
    pub clock: Option<String>,
}

/// An entry of the event log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeLogEntry {
    /// Number of the entry on its server.
    pub number: u64,
    /// Its id in the BMC's log.
    pub id: String,
    /// When it was entered, by the BMC's clock (RFC 3339). Absent: the BMC did not know.
    pub at: Option<String>,
    /// When the agent told it (RFC 3339).
    pub seen: Option<String>,
    /// Name of its sensor; empty: it is of none.
    pub sensor: String,
    /// What it is about.
    pub kind: SensorKind,
    /// What it says.
    pub text: String,
    /// How bad that was.
    pub severity: HardwareHealth,
    /// Whether it is a reason of the server's health: it is bad, has not ended, is newer than our watch, and nobody has acknowledged it.
    pub open: bool,
    /// When it ended (RFC 3339). Absent: it has not, or has no end.
    pub ended: Option<String>,
    /// Who acknowledged it. Absent: nobody.
    pub acknowledged_by: Option<String>,
    /// When (RFC 3339).
    pub acknowledged: Option<String>,
}

/// A request to acknowledge log entries: somebody has dealt with what they say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Acknowledge {
    /// Numbers of the entries, at most 1000. Empty: all that are open.
    #[serde(default)]
    pub entries: Vec<u64>,
}

/// The answer to who acknowledged entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AcknowledgedCount {
    /// Number of entries that were open and are not any more.
    pub acknowledged: u64,
}

/// What is wrong with a BMC's clock, in words; none: nothing.
pub fn clock_words(clock: BmcClock) -> Option<String> {
    match clock {
        BmcClock::Right => None,
        BmcClock::Off { by_s } => {
            let side = if by_s < 0 { "behind" } else { "ahead of" };
            Some(format!("the BMC's clock is {} s {side} its agent's", by_s.unsigned_abs()))
        }
        BmcClock::SinceStart => Some("nobody has told the BMC the time".to_owned()),
        BmcClock::Unknown => Some("the BMC does not say what time it is".to_owned()),
    }
}
