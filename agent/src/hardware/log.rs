//! Decisions: what of a reading of a server's event log is news.

use std::time::{Duration, Instant};

use protocol::health::{BmcClock, ENTRIES_MAX, LogChange, LogCourse, LogEntry, Severity};

use crate::bmc::readings::LogReading;

/// Entries of one server that are told within [`MINUTE`]; of more, the worst are told and the rest is counted.
pub const ENTRIES_PER_MINUTE_MAX: usize = ENTRIES_MAX;
/// What [`ENTRIES_PER_MINUTE_MAX`] is about.
pub const MINUTE: Duration = Duration::from_secs(60);
/// A clock that is off is told again when it has moved by so many seconds.
const CLOCK_STEP_S: u64 = 300;

/// What was told of one server's log.
#[derive(Debug, Default)]
pub struct LogNews {
    told: Option<Standing>,
    minute: Option<(Instant, usize)>,
    is_anew: bool,
}

/// How a log stood when it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Standing {
    is_first: bool,
    is_full: bool,
    clock: BmcClock,
}

impl LogNews {
    /// How the log stands is told with the next reading, whatever it is.
    pub fn tell_anew(&mut self) {
        self.is_anew = true;
    }

    /// What of a reading is news; none: nothing.
    pub fn take(&mut self, reading: LogReading, now: Instant) -> Option<LogChange> {
        let LogReading { entries, course, records, is_full, clock } = reading;
        let standing = Standing { is_first: course == LogCourse::First, is_full, clock };
        let is_news = match course {
            LogCourse::Cleared | LogCourse::Overwritten => true,
            LogCourse::Follows | LogCourse::First => {
                self.is_anew || self.told.is_none_or(|told| told.differs(standing))
            }
        };
        if entries.is_empty() && !is_news {
            return None;
        }
        let room = self.room(now);
        let (entries, left_out) = bounded(entries, room);
        if let Some((_, told)) = &mut self.minute {
            *told += entries.len();
        }
        (self.told, self.is_anew) = (Some(standing), false);
        Some(LogChange { entries, left_out, course, records, is_full, clock })
    }

    fn room(&mut self, now: Instant) -> usize {
        let is_over = self.minute.is_none_or(|(since, _)| now.saturating_duration_since(since) >= MINUTE);
        if is_over {
            self.minute = Some((now, 0));
        }
        self.minute.map_or(0, |(_, told)| ENTRIES_PER_MINUTE_MAX.saturating_sub(told))
    }
}

impl Standing {
    fn differs(self, now: Self) -> bool {
        let clock = match (self.clock, now.clock) {
            (BmcClock::Off { by_s: before }, BmcClock::Off { by_s }) => before.abs_diff(by_s) >= CLOCK_STEP_S,
            (before, now) => before != now,
        };
        clock || (self.is_first, self.is_full) != (now.is_first, now.is_full)
    }
}

/// At most so many entries in their order, and how many were left out: the mildest, and of these the oldest.
fn bounded(entries: Vec<LogEntry>, room: usize) -> (Vec<LogEntry>, u32) {
    let over = entries.len().saturating_sub(room);
    // An end is as good to know as its beginning was bad.
    let weight = |entry: &LogEntry| if entry.ends { Severity::Warning } else { entry.severity };
    let mut by_weight: Vec<usize> = (0..entries.len()).collect();
    by_weight.sort_by_key(|at| weight(&entries[*at]));
    let mut is_left_out = vec![false; entries.len()];
    by_weight.into_iter().take(over).for_each(|at| is_left_out[at] = true);
    let kept = entries.into_iter().zip(is_left_out).filter(|(_, is_left_out)| !is_left_out);
    (kept.map(|(entry, _)| entry).collect(), u32::try_from(over).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use protocol::health::SensorKind;

    use super::*;

    fn entry(number: usize, severity: Severity) -> LogEntry {
        LogEntry {
            id: number.to_string(),
            fingerprint: number.to_string(),
            at_s: None,
            sensor: String::new(),
            kind: SensorKind::Other,
            text: String::new(),
            severity,
            condition: String::new(),
            ends: false,
        }
    }

    fn reading(entries: Vec<LogEntry>, course: LogCourse) -> LogReading {
        let records = entries.len() as u32;
        LogReading { entries, course, records, is_full: false, clock: BmcClock::Right }
    }

    #[test]
    fn entries_are_told_and_a_log_that_rests_is_not() {
        let now = crate::test_clock::start();
        let mut news = LogNews::default();
        let mut check = |reading: LogReading, expected: Option<usize>| {
            assert_eq!(news.take(reading, now).map(|change| change.entries.len()), expected);
        };
        check(reading(vec![entry(1, Severity::Ok)], LogCourse::First), Some(1));
        // That it was read to its end is news: what comes now has just happened.
        check(reading(vec![], LogCourse::Follows), Some(0));
        check(reading(vec![], LogCourse::Follows), None);
        check(reading(vec![entry(2, Severity::Ok)], LogCourse::Follows), Some(1));
        check(reading(vec![], LogCourse::Cleared), Some(0));
        check(reading(vec![], LogCourse::Follows), None);
        let off = |by_s| LogReading { clock: BmcClock::Off { by_s }, ..reading(vec![], LogCourse::Follows) };
        check(off(4000), Some(0));
        check(off(4200), None);
        check(off(4300), Some(0));
    }

    #[test]
    fn a_flood_is_told_by_its_worst_and_counted() {
        let mut now = crate::test_clock::start();
        let mut news = LogNews::default();
        let flood = |bad: usize| {
            let entries = (0..500)
                .map(|number| entry(number, if number == bad { Severity::Critical } else { Severity::Ok }));
            reading(entries.collect(), LogCourse::Follows)
        };
        let change = news.take(flood(3), now).unwrap();
        let ids: Vec<_> = change.entries.iter().map(|entry| entry.id.as_str()).collect();
        assert_eq!((ids.len(), ids[0], ids[1], change.left_out), (ENTRIES_PER_MINUTE_MAX, "3", "437", 436));
        now += Duration::from_secs(30);
        let change = news.take(flood(3), now).unwrap();
        assert_eq!((change.entries.len(), change.left_out), (0, 500), "nothing more in this minute");
        now += MINUTE;
        assert_eq!(news.take(flood(3), now).unwrap().entries.len(), ENTRIES_PER_MINUTE_MAX);
    }
}
