//! Values: what a server's sensors, its power meter and its event log say, and what of it is news.
//!
//! An agent reads all of it every minute and reports what has changed. Every list and every text has a bound; what a bound
//! leaves out is counted.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Sensors of one server that are told; a BMC that describes more is told by these.
pub const SENSORS_MAX: usize = 512;
/// Entries of the event log in one change.
pub const ENTRIES_MAX: usize = 64;
/// States of one sensor; IPMI knows 15 (section 42.1).
pub const STATES_MAX: usize = 15;
/// Characters of a name, a key, a unit, a state or the like that are kept.
pub const NAME_CHARS_MAX: usize = 80;
/// Characters of a log entry's text, or of a reason, that are kept.
pub const TEXT_CHARS_MAX: usize = 300;

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// As it should be, or a mere fact.
    Ok,
    /// To be looked at soon.
    Warning,
    /// To be looked at now.
    Critical,
}

impl Severity {
    /// All of them, the best first.
    pub const ALL: [Self; 3] = [Severity::Ok, Severity::Warning, Severity::Critical];

    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Ok => "ok",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }
}

macro_rules! sensor_kinds {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// What a sensor, or an entry of the event log, is about.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum SensorKind {
            $($(#[$doc])* #[serde(rename = $word)] $name,)*
        }

        impl SensorKind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(SensorKind::$name),*];

            /// In a word.
            pub fn as_str(self) -> &'static str {
                match self { $(SensorKind::$name => $word,)* }
            }
        }
    };
}

sensor_kinds! {
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
    Other = "other",
}

/// A number in thousandths of its unit: raw bytes of sensors carry no more, and thousandths can be compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Milli(pub i64);

impl Milli {
    /// The nearest one; none: it is no number, or beyond all sensors.
    pub fn of(value: f64) -> Option<Self> {
        let milli = (value * 1000.0).round();
        (milli.abs() < 1e15).then_some(Self(milli as i64))
    }

    /// As a number.
    pub fn value(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// How far apart two are.
    pub fn distance(self, other: Self) -> Self {
        Self(i64::try_from(self.0.abs_diff(other.0)).unwrap_or(i64::MAX))
    }
}

impl fmt::Display for Milli {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value().fmt(f)
    }
}

/// A sensor's own limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Below it is critical.
    pub lower_critical: Option<Milli>,
    /// Below it is to be looked at.
    pub lower_warning: Option<Milli>,
    /// Above it is to be looked at.
    pub upper_warning: Option<Milli>,
    /// Above it is critical.
    pub upper_critical: Option<Milli>,
}

/// What a sensor says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Says {
    /// A number.
    Number {
        /// It.
        value: Milli,
        /// Its unit, such as `°C`; empty: a mere number.
        unit: String,
        /// Its limits.
        limits: Limits,
        /// By how much it must come back behind a limit before it counts as back.
        hysteresis: Milli,
    },
    /// States that hold now, in words; none: none of those that it knows.
    States(Vec<String>),
    /// Nothing now, and why.
    Nothing(String),
}

/// One sensor with what it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sensor {
    /// By what it is known again on its BMC.
    pub key: String,
    /// Its name; several may have the same.
    pub name: String,
    /// What it is about.
    pub kind: SensorKind,
    /// How bad it is, by what the BMC says.
    pub severity: Severity,
    /// What it says.
    pub says: Says,
}

impl Sensor {
    /// What it says, in words.
    pub fn words(&self) -> String {
        match &self.says {
            Says::Number { value, unit, .. } if unit.is_empty() => value.to_string(),
            Says::Number { value, unit, .. } => format!("{value} {unit}"),
            Says::States(states) if states.is_empty() => "no state".to_owned(),
            Says::States(states) => states.join(", "),
            Says::Nothing(why) => why.clone(),
        }
    }
}

/// An entry of the event log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry {
    /// Its id in the log; a cleared log gives it again.
    pub id: String,
    /// What it is, whole, in few characters: with the id it tells an entry from every other one.
    pub fingerprint: String,
    /// When it was entered, in seconds since 1970 by the BMC's clock; none: the BMC did not know the time.
    pub at_s: Option<u64>,
    /// Name of the sensor that it is of; empty: it is of none.
    pub sensor: String,
    /// What it is about.
    pub kind: SensorKind,
    /// In words.
    pub text: String,
    /// How bad it is.
    pub severity: Severity,
    /// What it is a case of: an entry that says that it ended has the same. Empty: it has no end.
    pub condition: String,
    /// Whether it says that its condition ended.
    pub ends: bool,
}

/// How the entries of a change follow those that were told before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogCourse {
    /// Right behind them.
    Follows,
    /// The agent reads this log for the first time since it started: they may have been told before.
    First,
    /// The log was cleared; these were entered since.
    Cleared,
    /// The log has written over entries that nobody had read.
    Overwritten,
}

/// What a BMC's clock is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BmcClock {
    /// It is right.
    Right,
    /// It is ahead of the agent's by so many seconds, or behind it.
    Off {
        /// Seconds; below 0: behind.
        by_s: i64,
    },
    /// It counts from the BMC's start: nobody told it the time.
    SinceStart,
    /// It does not say.
    Unknown,
}

/// New entries of the event log, and how it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogChange {
    /// The entries, oldest first.
    pub entries: Vec<LogEntry>,
    /// How many more there were.
    pub left_out: u32,
    /// How they follow those before.
    pub course: LogCourse,
    /// Entries in the log now.
    pub records: u32,
    /// Whether it is full, so that what happens next may be lost.
    pub is_full: bool,
    /// What its clock is worth.
    pub clock: BmcClock,
}

/// Sensors that have changed, as they are now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SensorChange {
    /// The sensors.
    pub sensors: Vec<Sensor>,
    /// Whether they are all that there are.
    pub complete: bool,
    /// Power draw in W; none: as it was told last, or not known.
    pub draw_w: Option<u32>,
    /// How many more have changed, or, where they are complete, how many more there are.
    pub left_out: u32,
}

/// What has changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HardwareChange {
    /// Sensors or the power draw.
    Sensors(SensorChange),
    /// The event log.
    Log(LogChange),
    /// Nothing of it can be read any more, and why. Sensors that are told next say that they can.
    Unread {
        /// Why.
        reason: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_kept_in_thousandths_and_shown_as_people_write_them() {
        let check = |value: f64, expected: Option<(i64, &str)>| {
            let milli = Milli::of(value);
            let expected = expected.map(|(milli, words)| (milli, words.to_owned()));
            assert_eq!(milli.map(|milli| (milli.0, milli.to_string())), expected, "{value}");
        };
        check(47.0, Some((47_000, "47")));
        check(12.06, Some((12_060, "12.06")));
        check(-0.0004, Some((0, "0")));
        check(-10.5, Some((-10_500, "-10.5")));
        check(f64::NAN, None);
        check(f64::INFINITY, None);
        check(1e30, None);
    }

    #[test]
    fn every_kind_has_a_word_of_its_own() {
        let words: std::collections::BTreeSet<_> = SensorKind::ALL.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(words.len(), SensorKind::ALL.len());
        for kind in SensorKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }
}
