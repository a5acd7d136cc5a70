//! Decisions: sensors, power draw and event logs in Redfish resources, as tolerant as the rest: what is missing or of the wrong type
//! is passed over (schemas Thermal, Power, LogEntry).

use jiff::Timestamp;
use protocol::{
    health::{Limits, LogEntry, Milli, NAME_CHARS_MAX, Says, Sensor, SensorKind, Severity, TEXT_CHARS_MAX},
    redfish::node::Node,
    text::bounded,
};

/// Members of one list that are read.
pub const MEMBERS_MAX: usize = 512;

/// How the members of a list are sensors.
struct Kind {
    /// The list's name.
    list: &'static str,
    /// Property with the number; none: it has a state only.
    reading: Option<&'static str>,
    /// Unit, unless the member says one.
    unit: &'static str,
    /// What it is about.
    kind: SensorKind,
}

const THERMAL: [Kind; 2] = [
    Kind {
        list: "Temperatures", reading: Some("ReadingCelsius"), unit: "°C", kind: SensorKind::Temperature
    },
    Kind { list: "Fans", reading: Some("Reading"), unit: "rpm", kind: SensorKind::Fan },
];

const POWER: [Kind; 2] = [
    Kind { list: "Voltages", reading: Some("ReadingVolts"), unit: "V", kind: SensorKind::Voltage },
    Kind { list: "PowerSupplies", reading: None, unit: "", kind: SensorKind::PowerSupply },
];

/// The temperatures and fans of a Thermal resource at this path.
pub fn thermal(path: &str, body: Node<'_>) -> Vec<Sensor> {
    THERMAL.iter().flat_map(|kind| sensors(path, body, kind)).collect()
}

/// The voltages and power supplies of a Power resource at this path.
pub fn power(path: &str, body: Node<'_>) -> Vec<Sensor> {
    POWER.iter().flat_map(|kind| sensors(path, body, kind)).collect()
}

/// The power draw in a Power resource, in W.
pub fn draw_w(body: Node<'_>) -> Option<u32> {
    let draws = members(body, "PowerControl").filter_map(|one| one.number("PowerConsumedWatts"));
    // Several are parts of the first one, where a service has them.
    draws.filter(|draw| (0.0..1e6).contains(draw)).map(|draw| draw.round() as u32).next()
}

/// The entries of a log's page, in its order.
pub fn entries(body: Node<'_>) -> Vec<LogEntry> {
    members(body, "Members").filter_map(entry).collect()
}

fn members<'a>(body: Node<'a>, name: &str) -> impl Iterator<Item = Node<'a>> {
    body.list(name).into_iter().filter(|one| one.fields().is_some()).take(MEMBERS_MAX)
}

fn sensors(path: &str, body: Node<'_>, kind: &Kind) -> Vec<Sensor> {
    let of = |(at, one): (usize, Node<'_>)| {
        let (state, health) = (one.at("Status").text("State"), one.at("Status").text("Health"));
        // What is not there is no sensor.
        if matches!(state.as_deref(), Some("Absent" | "UnavailableOffline" | "Disabled")) {
            return None;
        }
        let id = one.text("MemberId").unwrap_or_else(|| at.to_string());
        let name = ["Name", "FanName", "MemberId"].into_iter().find_map(|name| one.text(name));
        let name = name.unwrap_or_else(|| format!("{} {id}", kind.list));
        Some(Sensor {
            key: short(&format!("{path}#{}/{id}", kind.list)),
            name: short(&name),
            kind: kind.kind,
            severity: severity(health.as_deref()),
            says: says(one, kind, [state, health]),
        })
    };
    members(body, kind.list).enumerate().filter_map(of).collect()
}

fn says(one: Node<'_>, kind: &Kind, states: [Option<String>; 2]) -> Says {
    let Some(reading) = kind.reading else {
        let words = states.into_iter().flatten();
        return Says::States(words.map(|word| short(&word.to_lowercase())).collect());
    };
    let number = |name: &str| one.number(name).and_then(Milli::of);
    match number(reading) {
        None => Says::Nothing("no reading now".to_owned()),
        Some(value) => Says::Number {
            value,
            unit: match one.text("ReadingUnits").as_deref() {
                Some("Percent") => "%".to_owned(),
                Some("RPM") | None => kind.unit.to_owned(),
                Some(unit) => short(unit),
            },
            limits: Limits {
                lower_critical: number("LowerThresholdCritical").or(number("LowerThresholdFatal")),
                lower_warning: number("LowerThresholdNonCritical"),
                upper_warning: number("UpperThresholdNonCritical"),
                upper_critical: number("UpperThresholdCritical").or(number("UpperThresholdFatal")),
            },
            hysteresis: Milli(0),
        },
    }
}

fn entry(one: Node<'_>) -> Option<LogEntry> {
    let id = one.text("Id")?;
    // Whole: what is cut of a message is told.
    let message = one.at("Message").value().as_str().unwrap_or_default();
    let created = one.text("Created").unwrap_or_default();
    let ends = one.flag("Resolved") == Some(true);
    Some(LogEntry {
        id: short(&id),
        fingerprint: short(&format!("{created} {message}")),
        at_s: unix_s(&created),
        sensor: short(&one.text("SensorType").unwrap_or_default()),
        kind: SensorKind::Other,
        text: bounded(message, TEXT_CHARS_MAX).into_owned(),
        severity: if ends { Severity::Ok } else { severity(one.text("Severity").as_deref()) },
        condition: String::new(),
        ends: false,
    })
}

/// A time as Redfish writes it, in seconds since 1970; none: it is none.
pub fn unix_s(text: &str) -> Option<u64> {
    let at: Timestamp = text.parse().ok()?;
    u64::try_from(at.as_second()).ok()
}

/// A word of Redfish's for how bad something is; what is not known to be bad is a mere fact.
fn severity(word: Option<&str>) -> Severity {
    match word {
        Some("Critical") => Severity::Critical,
        Some("Warning") => Severity::Warning,
        Some(_) | None => Severity::Ok,
    }
}

fn short(text: &str) -> String {
    bounded(text, NAME_CHARS_MAX).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn sensors_are_read_with_their_limits_and_what_is_absent_is_none() {
        let body = json!({
            "Temperatures": [
                {"MemberId": "0", "Name": "CPU1 Temp", "ReadingCelsius": 96.5, "UpperThresholdNonCritical": 90,
                 "UpperThresholdCritical": 95, "Status": {"State": "Enabled", "Health": "Critical"}},
                {"Name": "Spare", "ReadingCelsius": 0, "Status": {"State": "Absent"}},
                {"Name": "Odd", "ReadingCelsius": "warm"},
                "no object",
            ],
            "Fans": [{"FanName": "FAN1", "Reading": 40, "ReadingUnits": "Percent", "Status": {"Health": "OK"}}],
        });
        let sensors = thermal("/t", Node::of(&body));
        let told: Vec<_> = sensors.iter().map(|one| (one.key.as_str(), one.severity, one.words())).collect();
        assert_eq!(
            told,
            [
                ("/t#Temperatures/0", Severity::Critical, "96.5 °C".to_owned()),
                ("/t#Temperatures/2", Severity::Ok, "no reading now".to_owned()),
                ("/t#Fans/0", Severity::Ok, "40 %".to_owned()),
            ]
        );
        let Says::Number { limits, .. } = &sensors[0].says else { panic!("{sensors:?}") };
        assert_eq!(limits.upper_critical, Some(Milli(95_000)));
        let body = json!({
            "PowerControl": [{"PowerConsumedWatts": 212.4}, {"PowerConsumedWatts": 90}],
            "PowerSupplies": [{"MemberId": "1", "Name": "PSU1", "Status": {"State": "Enabled", "Health": "Warning"}}],
        });
        assert_eq!(draw_w(Node::of(&body)), Some(212));
        let supplies = power("/p", Node::of(&body));
        assert_eq!(
            (supplies[0].severity, supplies[0].words()),
            (Severity::Warning, "enabled, warning".to_owned())
        );
    }

    #[test]
    fn entries_are_read_with_their_time_and_severity() {
        let body = json!({"Members": [
            {"Id": 7, "Created": "2026-01-01T00:00:00Z", "Severity": "Critical", "Message": "uncorrectable error"},
            {"Id": "8", "Created": "soon", "Severity": "OK", "Message": "log cleared"},
            {"Id": "9", "Severity": "Critical", "Message": "input lost", "Resolved": true},
            {"Message": "without an id"},
        ]});
        let told: Vec<_> = entries(Node::of(&body))
            .into_iter()
            .map(|one| (one.id, one.at_s, one.severity, one.text))
            .collect();
        let expected = [
            ("7", Some(1_767_225_600), Severity::Critical, "uncorrectable error"),
            ("8", None, Severity::Ok, "log cleared"),
            ("9", None, Severity::Ok, "input lost"),
        ];
        assert_eq!(told, expected.map(|(id, at, severity, text)| (id.into(), at, severity, text.into())));
    }

    fn value() -> impl Strategy<Value = Value> {
        let word = prop::sample::select(vec![
            "Temperatures",
            "Members",
            "Name",
            "Status",
            "Health",
            "State",
            "Critical",
            "Id",
            "ReadingCelsius",
            "Created",
        ]);
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            word.clone().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 64, 8, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map(word.clone().prop_map(str::to_owned), inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_json_is_taken(body in value()) {
            let node = Node::of(&body);
            let _ = (thermal("/t", node), power("/p", node), draw_w(node));
            prop_assert!(entries(node).len() <= MEMBERS_MAX);
        }
    }
}
