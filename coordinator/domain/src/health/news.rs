//! Decisions: what of a change is an event: one for what got worse, one for what got better, however many sensors a report has.

use protocol::health::Severity;

use super::{KnownEntry, KnownSensor, SiteLimits, judge};

/// Sensors or entries that one event names; of more it says how many.
pub const NAMED_MAX: usize = 5;

/// What of a report of sensors people are told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SensorNews {
    /// What got worse, in words.
    pub worse: Option<String>,
    /// What got better, in words.
    pub better: Option<String>,
}

impl SensorNews {
    /// Of sensors as they were known and as they are; none: it was not known.
    pub fn of(changes: &[(Option<Severity>, KnownSensor)], limits: &SiteLimits) -> Self {
        let (mut worse, mut better) = (Vec::new(), Vec::new());
        for (before, now) in changes {
            let before = before.unwrap_or(Severity::Ok);
            let words = || {
                judge::sensor_words(
                    &now.sensor,
                    now.severity,
                    limits.rule(&now.sensor).filter(|_| now.by_site),
                )
            };
            if now.severity > before {
                worse.push((now.severity, format!("{} ({})", words(), now.severity.name())));
            } else if now.severity < before {
                better.push((now.severity, format!("{} ({})", words(), now.severity.name())));
            }
        }
        worse.sort_by_key(|(severity, _)| std::cmp::Reverse(*severity));
        let worse: Vec<_> = worse.into_iter().map(|(_, words)| words).collect();
        let better: Vec<_> = better.into_iter().map(|(_, words)| words).collect();
        Self {
            worse: listed(&worse).map(|list| format!("hardware got worse: {list}")),
            better: listed(&better).map(|list| format!("hardware is better: {list}")),
        }
    }
}

/// What of new entries people are told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogNews {
    /// What somebody should look at, in words.
    pub bad: Option<String>,
}

impl LogNews {
    /// Of new entries of this server.
    pub fn of(entries: &[KnownEntry], name: &str) -> Self {
        let mut bad: Vec<&KnownEntry> = entries.iter().filter(|known| known.is_open()).collect();
        bad.sort_by_key(|known| std::cmp::Reverse(known.entry.severity));
        let words: Vec<String> = bad
            .iter()
            .map(|known| format!("{} ({})", judge::entry_words(known), known.entry.severity.name()))
            .collect();
        let remedy = format!("; when it is dealt with: bmsctl node sel ack {name}");
        Self { bad: listed(&words).map(|list| format!("event log: {list}{remedy}")) }
    }
}

fn listed(words: &[String]) -> Option<String> {
    let more = words.len().saturating_sub(NAMED_MAX);
    let named = words.iter().take(NAMED_MAX).map(String::as_str).collect::<Vec<_>>().join("; ");
    match (named.is_empty(), more) {
        (true, _) => None,
        (false, 0) => Some(named),
        (false, more) => Some(format!("{named}; and {more} more")),
    }
}

#[cfg(test)]
mod tests {
    use protocol::health::{LogEntry, Says, Sensor, SensorKind};

    use super::*;

    fn sensor(name: &str, severity: Severity) -> KnownSensor {
        let sensor = Sensor {
            key: name.into(),
            name: name.into(),
            kind: SensorKind::Fan,
            severity,
            says: Says::States(vec!["failed".into()]),
        };
        KnownSensor { sensor, severity, by_site: false, since_us: 0 }
    }

    #[test]
    fn a_report_is_one_event_for_each_direction_however_much_is_in_it() {
        let limits = SiteLimits::default();
        let check =
            |changes: &[(Option<Severity>, KnownSensor)], worse: Option<&str>, better: Option<&str>| {
                let news = SensorNews::of(changes, &limits);
                assert_eq!((news.worse.as_deref(), news.better.as_deref()), (worse, better));
            };
        use Severity::{Critical, Ok, Warning};
        check(&[(None, sensor("F1", Ok)), (Some(Warning), sensor("F2", Warning))], None, None);
        check(
            &[
                (None, sensor("F1", Warning)),
                (Some(Ok), sensor("F2", Critical)),
                (Some(Critical), sensor("F3", Warning)),
            ],
            Some("hardware got worse: F2: failed (critical); F1: failed (warning)"),
            Some("hardware is better: F3: failed (warning)"),
        );
        let many: Vec<_> = (0..9).map(|_| (None, sensor("F", Warning))).collect();
        let news = SensorNews::of(&many, &limits);
        assert!(news.worse.is_some_and(|text| text.ends_with("; and 4 more")));
    }

    #[test]
    fn entries_that_are_open_are_told_with_what_to_do() {
        let entry = |severity, is_old| KnownEntry {
            number: 7,
            entry: LogEntry {
                id: "7".into(),
                fingerprint: "7".into(),
                at_s: None,
                sensor: "DIMM A1".into(),
                kind: SensorKind::Memory,
                text: "uncorrectable error".into(),
                severity,
                condition: String::new(),
                ends: false,
            },
            seen_us: 1,
            is_old,
            ended_us: None,
            acknowledged: None,
        };
        let check = |entries: &[KnownEntry], expected: Option<&str>| {
            assert_eq!(LogNews::of(entries, "srv1").bad.as_deref(), expected);
        };
        check(&[entry(Severity::Ok, false), entry(Severity::Critical, true)], None);
        let text = "event log: DIMM A1: uncorrectable error (critical); when it is dealt with: bmsctl node sel ack srv1";
        check(&[entry(Severity::Critical, false)], Some(text));
    }
}
