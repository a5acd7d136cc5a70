//! Values: what is kept of a server's sensors and of its event log.

use protocol::health::{BmcClock, LogEntry, Sensor, Severity};
use serde::{Deserialize, Serialize};

/// What is known of a server's hardware as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hardware {
    /// When its sensors were told last.
    pub read_us: Option<u64>,
    /// Why nothing can be read; none: it can, or nothing was tried yet.
    pub unread: Option<String>,
    /// Its power draw in W; none: not known.
    pub draw_w: Option<u32>,
    /// Sensors that it has beyond those that are kept.
    pub left_out: u32,
    /// How its event log stands; none: it was not read yet.
    pub log: Option<LogStanding>,
    /// Its event log was read to its end once: what is entered from now on has just happened.
    pub log_followed: bool,
}

/// How an event log stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogStanding {
    /// Entries that the BMC holds.
    pub records: u32,
    /// Whether it is full.
    pub is_full: bool,
    /// What its clock is worth.
    pub clock: BmcClock,
}

/// A sensor as it was told last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownSensor {
    /// What was told.
    pub sensor: Sensor,
    /// How bad that is, by the site's limits where it has any, and otherwise by its own.
    pub severity: Severity,
    /// Whether that is by the site's limits.
    pub by_site: bool,
    /// Since when it is as bad.
    pub since_us: u64,
}

/// An entry of an event log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownEntry {
    /// Number of the entry on its server, which never changes.
    pub number: u64,
    /// What was told.
    pub entry: LogEntry,
    /// When it was told.
    pub seen_us: u64,
    /// It stood in the log before we looked: whatever it says is no news.
    pub is_old: bool,
    /// When its condition ended; none: it has not.
    pub ended_us: Option<u64>,
    /// Who has dealt with it; none: nobody.
    pub acknowledged: Option<Acknowledged>,
}

impl KnownEntry {
    /// Whether it is a reason to look at the server.
    pub fn is_open(&self) -> bool {
        self.entry.severity > Severity::Ok
            && !self.is_old
            && self.ended_us.is_none()
            && self.acknowledged.is_none()
    }
}

/// An operator has dealt with what a log entry says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {
    /// When.
    pub at_us: u64,
    /// The user's name.
    pub by: String,
}
