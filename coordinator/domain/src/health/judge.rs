//! Decisions: the health of a server's hardware in one word, and why.

use protocol::health::{Limits, Milli, Says, Sensor, Severity};

use super::{Hardware, KnownEntry, KnownSensor, LimitRule};

/// The health of a server's hardware.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Word {
    /// Nothing is wrong with it.
    Ok,
    /// It is to be looked at soon.
    Warning,
    /// It is to be looked at now.
    Critical,
    /// Nobody knows.
    Unknown,
}

impl Word {
    /// All of them.
    pub const ALL: [Self; 4] = [Word::Ok, Word::Warning, Word::Critical, Word::Unknown];

    /// In a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Word::Ok => "ok",
            Word::Warning => "warning",
            Word::Critical => "critical",
            Word::Unknown => "unknown",
        }
    }
}

/// What a reason comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A sensor, by its key.
    Sensor(String),
    /// An entry of the event log, by its number.
    Entry(u64),
    /// The event log as a whole.
    Log,
}

/// Why a server's hardware is not well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// How bad it is.
    pub severity: Severity,
    /// What says so.
    pub source: Source,
    /// In words.
    pub text: String,
    /// Since when.
    pub since_us: u64,
}

/// The health of a server's hardware, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// In one word.
    pub word: Word,
    /// Why it is not known; none: it is.
    pub not_known: Option<String>,
    /// What is wrong, the worst first; where the health is not known, what was wrong last.
    pub reasons: Vec<Reason>,
}

/// The health of a server. `away`: why nobody could have told of a change.
pub fn health(hardware: Option<&Hardware>, mut reasons: Vec<Reason>, away: Option<&str>) -> Health {
    if hardware.and_then(|known| known.log).is_some_and(|log| log.is_full) {
        reasons.push(Reason {
            severity: Severity::Warning,
            source: Source::Log,
            text: "the event log is full, and what happens next may be lost: clear it".to_owned(),
            since_us: hardware.and_then(|known| known.read_us).unwrap_or(0),
        });
    }
    reasons.sort_by(|a, b| b.severity.cmp(&a.severity).then(a.since_us.cmp(&b.since_us)));
    let not_known = match (away, hardware) {
        (Some(away), _) => Some(away.to_owned()),
        (None, Some(Hardware { unread: Some(why), .. })) => Some(why.clone()),
        (None, Some(Hardware { read_us: Some(_), .. })) => None,
        (None, Some(_) | None) => Some("its sensors have not been read yet".to_owned()),
    };
    let word = match (&not_known, reasons.first().map(|reason| reason.severity)) {
        (Some(_), _) => Word::Unknown,
        (None, Some(Severity::Critical)) => Word::Critical,
        (None, Some(Severity::Warning)) => Word::Warning,
        (None, Some(Severity::Ok) | None) => Word::Ok,
    };
    Health { word, not_known, reasons }
}

/// What is wrong with a sensor; none: nothing. `rule`: the site's for it.
pub fn of_sensor(known: &KnownSensor, rule: Option<&LimitRule>) -> Option<Reason> {
    (known.severity > Severity::Ok).then(|| Reason {
        severity: known.severity,
        source: Source::Sensor(known.sensor.key.clone()),
        text: sensor_words(&known.sensor, known.severity, rule.filter(|_| known.by_site)),
        since_us: known.since_us,
    })
}

/// What an entry of the event log says is wrong; none: nothing, or it is dealt with.
pub fn of_entry(known: &KnownEntry) -> Option<Reason> {
    known.is_open().then(|| Reason {
        severity: known.entry.severity,
        source: Source::Entry(known.number),
        text: format!("event log: {}", entry_words(known)),
        since_us: known.seen_us,
    })
}

/// An entry in words.
pub(super) fn entry_words(known: &KnownEntry) -> String {
    match known.entry.sensor.as_str() {
        "" => known.entry.text.clone(),
        sensor => format!("{sensor}: {}", known.entry.text),
    }
}

/// What a sensor says, and the limit beyond which that is.
pub(super) fn sensor_words(sensor: &Sensor, severity: Severity, rule: Option<&LimitRule>) -> String {
    let words = format!("{}: {}", sensor.name, sensor.words());
    let Says::Number { value, limits, .. } = &sensor.says else { return words };
    let (limits, whose) = match rule {
        Some(rule) => (of_rule(rule), "the site's"),
        None => (*limits, "its"),
    };
    let (lower, upper) = match severity {
        Severity::Critical => (limits.lower_critical, limits.upper_critical),
        Severity::Warning => (limits.lower_warning, limits.upper_warning),
        Severity::Ok => return words,
    };
    // The nearer one: it may have come back behind it by less than its hysteresis.
    let distance = |limit: Option<Milli>| limit.map_or(i64::MAX, |limit| limit.distance(*value).0);
    let (limit, side) = if distance(lower) < distance(upper) { (lower, "lower") } else { (upper, "upper") };
    match limit {
        None => words,
        Some(limit) => format!("{words} ({whose} {side} {} limit is {limit})", severity.name()),
    }
}

fn of_rule(rule: &LimitRule) -> Limits {
    let milli = |limit: Option<f64>| limit.and_then(Milli::of);
    Limits {
        lower_critical: milli(rule.lower_critical),
        lower_warning: milli(rule.lower_warning),
        upper_warning: milli(rule.upper_warning),
        upper_critical: milli(rule.upper_critical),
    }
}

#[cfg(test)]
mod tests {
    use protocol::health::{BmcClock, SensorKind};

    use super::{super::LogStanding, *};

    fn reason(severity: Severity, since_us: u64) -> Reason {
        Reason { severity, source: Source::Sensor("1".into()), text: since_us.to_string(), since_us }
    }

    #[test]
    fn the_word_is_the_worst_reasons_and_nobody_guesses() {
        let read = Hardware { read_us: Some(1), ..Hardware::default() };
        let unread = Hardware { unread: Some("it has none".into()), ..read };
        let full = LogStanding { records: 512, is_full: true, clock: BmcClock::Right };
        let full = Hardware { log: Some(full), ..read.clone() };
        let check = |hardware: Option<&Hardware>, reasons: &[Reason], away, word, not_known: Option<&str>| {
            let health = health(hardware, reasons.to_vec(), away);
            assert_eq!((health.word, health.not_known.as_deref()), (word, not_known));
            assert!(health.reasons.is_sorted_by(|a, b| a.severity >= b.severity));
            assert!(health.reasons.len() >= reasons.len(), "none is hidden");
        };
        let (bad, worse) = (reason(Severity::Warning, 2), reason(Severity::Critical, 3));
        check(Some(&read), &[], None, Word::Ok, None);
        check(Some(&read), std::slice::from_ref(&bad), None, Word::Warning, None);
        check(Some(&read), &[bad.clone(), worse.clone()], None, Word::Critical, None);
        check(Some(&full), &[], None, Word::Warning, None);
        check(
            Some(&read),
            std::slice::from_ref(&worse),
            Some("the agent is away"),
            Word::Unknown,
            Some("the agent is away"),
        );
        check(Some(&unread), &[worse], None, Word::Unknown, Some("it has none"));
        check(None, &[], None, Word::Unknown, Some("its sensors have not been read yet"));
        check(
            Some(&Hardware::default()),
            &[bad],
            None,
            Word::Unknown,
            Some("its sensors have not been read yet"),
        );
    }

    #[test]
    fn a_reason_names_the_sensor_its_reading_and_the_limit() {
        let limits = Limits {
            lower_warning: Some(Milli(5000)),
            upper_warning: Some(Milli(90_000)),
            upper_critical: Some(Milli(95_000)),
            ..Limits::default()
        };
        let rule = LimitRule { sensor: "x".into(), upper_critical: Some(42.5), ..LimitRule::default() };
        let check = |value, severity, rule: Option<&LimitRule>, expected: &str| {
            let (unit, hysteresis) = ("°C".to_owned(), Milli(0));
            let says = Says::Number { value: Milli(value), unit, limits, hysteresis };
            let (key, name) = ("1".into(), "CPU1 Temp".into());
            let sensor = Sensor { key, name, kind: SensorKind::Temperature, severity, says };
            let known = KnownSensor { sensor, severity, by_site: rule.is_some(), since_us: 7 };
            let text = of_sensor(&known, rule).map(|reason| reason.text);
            assert_eq!(text.as_deref(), Some(expected).filter(|text| !text.is_empty()));
        };
        check(96_500, Severity::Critical, None, "CPU1 Temp: 96.5 °C (its upper critical limit is 95)");
        check(89_000, Severity::Warning, None, "CPU1 Temp: 89 °C (its upper warning limit is 90)");
        check(4000, Severity::Warning, None, "CPU1 Temp: 4 °C (its lower warning limit is 5)");
        let site = "CPU1 Temp: 43 °C (the site's upper critical limit is 42.5)";
        check(43_000, Severity::Critical, Some(&rule), site);
        check(43_000, Severity::Ok, None, "");
    }
}
