//! Values: random sensors and event logs for the tests of the wire.

use proptest::{collection::vec, option, prelude::*, sample::select};
use protocol::health::{
    BmcClock, HardwareChange, Limits, LogChange, LogCourse, LogEntry, Milli, Says, Sensor, SensorChange,
    SensorKind, Severity,
};

use super::text;

fn milli() -> impl Strategy<Value = Milli> {
    any::<i64>().prop_map(Milli)
}

fn limits() -> impl Strategy<Value = Limits> {
    (option::of(milli()), option::of(milli()), option::of(milli()), option::of(milli())).prop_map(
        |(lower_critical, lower_warning, upper_warning, upper_critical)| Limits {
            lower_critical,
            lower_warning,
            upper_warning,
            upper_critical,
        },
    )
}

fn says() -> impl Strategy<Value = Says> {
    prop_oneof![
        (milli(), text(), limits(), milli()).prop_map(|(value, unit, limits, hysteresis)| Says::Number {
            value,
            unit,
            limits,
            hysteresis
        }),
        vec(text(), 0..4).prop_map(Says::States),
        text().prop_map(Says::Nothing),
    ]
}

fn sensor() -> impl Strategy<Value = Sensor> {
    (text(), text(), select(SensorKind::ALL), select(Severity::ALL.to_vec()), says())
        .prop_map(|(key, name, kind, severity, says)| Sensor { key, name, kind, severity, says })
}

fn entry() -> impl Strategy<Value = LogEntry> {
    let about = (text(), select(SensorKind::ALL), text(), select(Severity::ALL.to_vec()));
    (text(), text(), option::of(any::<u64>()), about, text(), any::<bool>()).prop_map(
        |(id, fingerprint, at_s, (sensor, kind, text, severity), condition, ends)| LogEntry {
            id,
            fingerprint,
            at_s,
            sensor,
            kind,
            text,
            severity,
            condition,
            ends,
        },
    )
}

fn log() -> impl Strategy<Value = LogChange> {
    let courses = vec![LogCourse::Follows, LogCourse::First, LogCourse::Cleared, LogCourse::Overwritten];
    let clock = prop_oneof![
        Just(BmcClock::Right),
        any::<i64>().prop_map(|by_s| BmcClock::Off { by_s }),
        Just(BmcClock::SinceStart),
        Just(BmcClock::Unknown),
    ];
    (vec(entry(), 0..3), any::<[u32; 2]>(), select(courses), any::<bool>(), clock).prop_map(
        |(entries, [left_out, records], course, is_full, clock)| LogChange {
            entries,
            left_out,
            course,
            records,
            is_full,
            clock,
        },
    )
}

pub fn change() -> impl Strategy<Value = HardwareChange> {
    let sensors = (vec(sensor(), 0..4), any::<bool>(), option::of(any::<u32>()), any::<u32>()).prop_map(
        |(sensors, complete, draw_w, left_out)| {
            HardwareChange::Sensors(SensorChange { sensors, complete, draw_w, left_out })
        },
    );
    prop_oneof![
        sensors,
        log().prop_map(HardwareChange::Log),
        text().prop_map(|reason| HardwareChange::Unread { reason }),
    ]
}
