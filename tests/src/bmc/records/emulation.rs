//! Decisions: the same records as commands of `ipmi_sim`, so that a BMC that nobody here wrote keeps what ours keeps.

use std::fmt::Write;

use protocol::ipmi::sdr::record::{Body, Sensor};

use super::{Records, SATELLITE, sensors::SensorState};

/// Address of the BMC on the management bus.
const BMC: u8 = 0x20;

/// The commands, to stand before the controller is enabled.
pub fn commands(records: &Records) -> String {
    let mut said = String::new();
    // The unit's own bits: a device with sensors only.
    let satellite = format!("mc_add {SATELLITE:#04x} 0x21 no-device-sdrs 0 0 0 0x01 0 2");
    if let Some(behind) = &records.satellite {
        line(&mut said, &satellite);
        sensors(&mut said, behind, SATELLITE);
        line(&mut said, &format!("mc_enable {SATELLITE:#04x}"));
    }
    for record in records.sensors.records() {
        line(&mut said, &format!("main_sdr_add {BMC:#04x} {}", bytes(&record.build())));
    }
    sensors(&mut said, records, BMC);
    for (device, data) in &records.inventories.0 {
        let size = data.len();
        line(&mut said, &format!("mc_add_fru_data {BMC:#04x} {device} {size} data {}", bytes(data)));
    }
    for record in records.log.records() {
        let record = record.build();
        line(&mut said, &format!("sel_add {BMC:#04x} {:#04x} {}", record[2], bytes(&record[3..])));
    }
    said
}

fn sensors(said: &mut String, records: &Records, owner: u8) {
    for record in records.sensors.records() {
        let Body::Sensor(shared) = &record.body else { continue };
        for sensor in shared.each().filter(|sensor| sensor.key.owner == owner) {
            if let Some(state) = records.sensors.states.get(&sensor.key.number) {
                one(said, &sensor, state);
            }
        }
    }
}

fn one(said: &mut String, sensor: &Sensor, state: &SensorState) {
    let place = format!("{:#04x} 0 {:#04x}", sensor.key.owner, sensor.key.number);
    line(said, &format!("sensor_add {place} {:#04x} {:#04x}", sensor.sensor_type, sensor.event_type));
    let bits = "0".repeat(15);
    line(
        said,
        &format!("sensor_set_event_support {place} disable scanning none {bits} {bits} {bits} {bits}"),
    );
    if sensor.formula.is_none() {
        for bit in (0..15).filter(|bit| state.states & 1 << bit != 0) {
            line(said, &format!("sensor_set_bit {place} {bit} 1 0"));
        }
        return;
    }
    line(said, &format!("sensor_set_value {place} {:#04x} 0", state.raw));
    let limits = state.thresholds;
    // From the sixth to the first: upper, then lower, the worst first.
    let all: Vec<Option<u8>> = limits.upper.into_iter().rev().chain(limits.lower.into_iter().rev()).collect();
    let there: String = all.iter().map(|limit| if limit.is_some() { '1' } else { '0' }).collect();
    let values: Vec<u8> = all.iter().map(|limit| limit.unwrap_or(0)).collect();
    if there.contains('1') {
        line(said, &format!("sensor_set_threshold {place} readable {there} {}", bytes(&values)));
    }
}

fn bytes(bytes: &[u8]) -> String {
    let words: Vec<String> = bytes.iter().map(|byte| format!("{byte:#04x}")).collect();
    words.join(" ")
}

fn line(said: &mut String, text: &str) {
    writeln!(said, "{text}").expect("a string has room");
}
