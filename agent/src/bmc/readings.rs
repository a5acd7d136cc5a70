//! Values: what was read of a BMC's sensors and of its event log.

use protocol::health::{BmcClock, LogCourse, LogEntry, Sensor};

/// Sensors as they were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SensorReading {
    /// At most [`protocol::health::SENSORS_MAX`].
    pub sensors: Vec<Sensor>,
    /// How many more there are.
    pub left_out: u32,
    /// Power draw in W; none: it measures none.
    pub draw_w: Option<u32>,
}

/// New entries of the event log as they were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogReading {
    /// Oldest first.
    pub entries: Vec<LogEntry>,
    /// How they follow those before.
    pub course: LogCourse,
    /// Entries in the log now.
    pub records: u32,
    /// Whether it is full.
    pub is_full: bool,
    /// What its clock is worth.
    pub clock: BmcClock,
}
