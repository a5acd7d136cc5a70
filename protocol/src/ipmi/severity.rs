//! Values: how bad a state of a sensor is (tables 42-2 and 42-3), for a server's health in one word.

use super::words::{SENSOR_SPECIFIC, THRESHOLD};
use crate::health::SensorKind;
pub use crate::health::Severity;

/// How bad it is that a discrete sensor shows this state. What is not known to be bad is a mere fact.
pub fn of_state(event_type: u8, sensor_type: u8, offset: u8) -> Severity {
    let (critical, warning): (&[u8], &[u8]) = match event_type {
        // Told by the thresholds that are crossed now, not by events.
        THRESHOLD => (&[], &[]),
        // Predictive failure, limit exceeded, performance lags.
        0x04..=0x06 => (&[], &[1]),
        // Severities.
        0x07 => (&[2, 3, 5, 6], &[1, 4]),
        // Degraded, install error.
        0x0a => (&[8], &[6]),
        // Redundancy: insufficient, or less than full.
        0x0b => (&[5], &[1, 2, 3, 4, 6, 7]),
        SENSOR_SPECIFIC => of_kind(sensor_type),
        _ => (&[], &[]),
    };
    match offset {
        offset if critical.contains(&offset) => Severity::Critical,
        offset if warning.contains(&offset) => Severity::Warning,
        _ => Severity::Ok,
    }
}

/// The critical and the alarming states that a kind of sensor has of its own.
fn of_kind(sensor_type: u8) -> (&'static [u8], &'static [u8]) {
    match sensor_type {
        // Intrusion.
        0x05 => (&[], &[0, 1, 2, 3, 6]),
        // Processor.
        0x07 => (&[0, 1, 2, 3, 4, 6, 11], &[5, 8, 10, 12]),
        // Power supply.
        0x08 => (&[1, 3], &[2, 4, 5, 6]),
        // Power unit.
        0x09 => (&[5, 6], &[4, 7]),
        // Memory.
        0x0c => (&[1, 10], &[2, 3, 4, 5, 7]),
        // Drive slot.
        0x0d => (&[1, 6], &[2, 5, 8]),
        // Firmware: error, hang.
        0x0f => (&[0, 1], &[]),
        // Logging: full, almost full.
        0x10 => (&[], &[3, 4, 5]),
        // Buses.
        0x13 => (&[4, 5, 8, 9, 10], &[0, 1, 2, 7, 11]),
        // Chip set: thermal trip.
        0x19 => (&[1], &[0]),
        // Cable.
        0x1b => (&[], &[1]),
        // Slot.
        0x21 => (&[0], &[]),
        // Management: sensor or FRU failure, controller away.
        0x28 => (&[], &[0, 1, 2, 3, 4, 5]),
        // Battery.
        0x29 => (&[1], &[0]),
        _ => (&[], &[]),
    }
}

/// What a kind of sensor (table 42-3) is about.
pub fn kind(sensor_type: u8) -> SensorKind {
    match sensor_type {
        0x01 => SensorKind::Temperature,
        0x02 => SensorKind::Voltage,
        0x03 => SensorKind::Current,
        0x04 | 0x0a => SensorKind::Fan,
        0x05 | 0x06 | 0x18 => SensorKind::Chassis,
        0x07 => SensorKind::Processor,
        0x08 => SensorKind::PowerSupply,
        0x09 => SensorKind::Power,
        0x0c => SensorKind::Memory,
        0x0d => SensorKind::Drive,
        _ => SensorKind::Other,
    }
}

/// The worst of several states.
pub fn of_states(event_type: u8, sensor_type: u8, bits: u16) -> Severity {
    (0..15)
        .filter(|offset| bits & 1 << offset != 0)
        .map(|offset| of_state(event_type, sensor_type, offset))
        .max()
        .unwrap_or(Severity::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_bad_is_told_from_mere_facts() {
        let check = |event_type, sensor_type, bits, expected| {
            assert_eq!(of_states(event_type, sensor_type, bits), expected, "{sensor_type:#x} {bits:#b}");
        };
        check(SENSOR_SPECIFIC, 0x08, 0b1, Severity::Ok);
        check(SENSOR_SPECIFIC, 0x08, 0b1001, Severity::Critical);
        check(SENSOR_SPECIFIC, 0x0d, 0b1, Severity::Ok);
        check(SENSOR_SPECIFIC, 0x0d, 0b101, Severity::Warning);
        check(0x0b, 0x08, 0b1, Severity::Ok);
        check(0x0b, 0x08, 0b10, Severity::Warning);
        check(0x07, 0x01, 0b100, Severity::Critical);
        check(THRESHOLD, 0x01, u16::MAX, Severity::Ok);
    }
}
