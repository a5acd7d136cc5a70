//! Decisions: records of the event log in words, with the names and numbers of the sensors that they are of.

use std::collections::HashMap;

use protocol::{
    health::{LogEntry, NAME_CHARS_MAX, SensorKind, Severity, TEXT_CHARS_MAX},
    ipmi::{
        device::maker,
        sdr::record::{Body as SensorBody, Record as SensorRecord, Sensor},
        sel::{
            Time, When,
            record::{Body, Event, Record},
        },
        severity, words,
    },
    text::bounded,
};

/// What is known of the sensors: names, and how their numbers are read.
#[derive(Clone, Debug, Default)]
pub struct SensorNames(HashMap<(u8, u8), (String, Option<Sensor>)>);

/// A record in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// By the BMC's clock; none: the record has no time.
    pub at: Option<Time>,
    /// Name of its sensor; empty: it is of none.
    pub sensor: String,
    /// Kind of the sensor.
    pub kind: String,
    /// What happened.
    pub event: String,
}

impl SensorNames {
    /// Of all that a BMC describes.
    pub fn of(records: &[SensorRecord]) -> Self {
        let mut names = HashMap::new();
        for record in records {
            match &record.body {
                SensorBody::Sensor(sensor) => sensor.each().for_each(|sensor| {
                    let key = (sensor.key.owner, sensor.key.number);
                    names.insert(key, (sensor.name.clone(), Some(sensor)));
                }),
                SensorBody::EventOnly(sensor) => {
                    names.insert((sensor.key.owner, sensor.key.number), (sensor.name.clone(), None));
                }
                SensorBody::FruLocator(_) | SensorBody::McLocator(_) | SensorBody::Other { .. } => {}
            }
        }
        Self(names)
    }

    /// A record in words.
    pub fn tell(&self, record: &Record) -> Told {
        let makers_own = "maker's own".to_owned();
        match &record.body {
            Body::Event { time, event } => {
                let known = self.0.get(&(event.generator as u8, event.sensor));
                let sensor =
                    known.map_or_else(|| format!("sensor {:#04x}", event.sensor), |(name, _)| name.clone());
                let kind = words::sensor_type(event.sensor_type).to_owned();
                let event = words_of(event, known.and_then(|(_, sensor)| sensor.as_ref()));
                Told { at: Some(*time), sensor, kind, event }
            }
            Body::Oem { kind, time, manufacturer, data } => {
                let who = maker(*manufacturer).map_or_else(|| manufacturer.to_string(), str::to_owned);
                let event = format!("record {kind:#04x} of {who}: {}", protocol::hex::encode(data));
                Told { at: Some(*time), sensor: String::new(), kind: makers_own, event }
            }
            Body::Other { kind, data } => {
                let event = format!("record {kind:#04x}: {}", protocol::hex::encode(data));
                Told { at: None, sensor: String::new(), kind: makers_own, event }
            }
        }
    }

    /// A record as it is reported.
    pub fn entry(&self, record: &Record) -> LogEntry {
        let told = self.tell(record);
        let (kind, severity, condition, ends) = match &record.body {
            Body::Event { event, .. } => judged(event),
            Body::Oem { .. } | Body::Other { .. } => (SensorKind::Other, Severity::Ok, String::new(), false),
        };
        LogEntry {
            id: record.id.to_string(),
            fingerprint: protocol::hex::encode(record.build()),
            at_s: told.at.and_then(|at| match at.when() {
                When::Unix(seconds) => Some(seconds.into()),
                When::SinceStart(_) | When::Unknown => None,
            }),
            sensor: bounded(&told.sensor, NAME_CHARS_MAX).into_owned(),
            kind,
            text: bounded(&told.event, TEXT_CHARS_MAX).into_owned(),
            severity,
            condition,
            ends,
        }
    }
}

/// What an event is about, how bad it is, and what it is a case of.
fn judged(event: &Event) -> (SensorKind, Severity, String, bool) {
    let Event { generator, sensor_type, sensor, asserted, event_type, data, .. } = *event;
    let offset = data[0] & 0x0f;
    let severity = if asserted { severity::of_state(event_type, sensor_type, offset) } else { Severity::Ok };
    let condition = format!("{generator:04x}/{sensor:02x}/{event_type:02x}/{offset:x}");
    (severity::kind(sensor_type), severity, condition, !asserted)
}

/// With the reading and the limit that it crossed, where the event carries them.
fn words_of(event: &Event, sensor: Option<&Sensor>) -> String {
    let words = event.words();
    let Some((sensor, formula)) = sensor.and_then(|sensor| Some((sensor, sensor.formula?))) else {
        return words;
    };
    let value = |raw: u8| {
        formula.value(raw).map(|value| format!("{} {}", (value * 1000.0).round() / 1000.0, sensor.unit))
    };
    match event.crossing().map(|(reading, limit)| (value(reading), limit.and_then(value))) {
        Some((Some(reading), Some(limit))) => format!("{words}: {reading}, limit {limit}"),
        Some((Some(reading), None)) => format!("{words}: {reading}"),
        Some((None, _)) | None => words,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_says_how_bad_it_is_and_what_ends_it() {
        let check = |sensor_type, event_type, asserted, data, severity, kind| {
            let event =
                Event { generator: 0x20, format: 4, sensor_type, sensor: 9, asserted, event_type, data };
            let time = Time(1_767_225_600);
            let entry = SensorNames::default().entry(&Record { id: 3, body: Body::Event { time, event } });
            assert_eq!((entry.severity, entry.kind, entry.ends), (severity, kind, !asserted), "{entry:?}");
            assert_eq!((entry.at_s, entry.sensor.as_str()), (Some(1_767_225_600), "sensor 0x09"));
            entry.condition
        };
        let began = check(8, 0x6f, true, [3, 0, 0], Severity::Critical, SensorKind::PowerSupply);
        let ended = check(8, 0x6f, false, [3, 0xff, 1], Severity::Ok, SensorKind::PowerSupply);
        assert_eq!(began, ended);
        check(0x0c, 0x6f, true, [0xa1, 0, 4], Severity::Critical, SensorKind::Memory);
        // Told by the sensor itself for as long as it lasts.
        check(1, 1, true, [0x59, 0x60, 0x5f], Severity::Ok, SensorKind::Temperature);
    }
}
