//! Values: the tables of chapter 42: what kinds of sensors there are, and what their events and states mean, in plain words.

use super::sel::record::Event;

/// Names of the kinds of sensors (table 42-3), from 0.
const SENSOR_TYPES: [&str; 0x2d] = [
    "reserved",
    "temperature",
    "voltage",
    "current",
    "fan",
    "chassis intrusion",
    "platform security",
    "processor",
    "power supply",
    "power unit",
    "cooling device",
    "other units",
    "memory",
    "drive slot",
    "POST memory resize",
    "system firmware progress",
    "event logging",
    "watchdog 1",
    "system event",
    "critical interrupt",
    "button or switch",
    "module or board",
    "microcontroller",
    "add-in card",
    "chassis",
    "chip set",
    "other FRU",
    "cable or interconnect",
    "terminator",
    "system boot",
    "boot error",
    "operating system boot",
    "operating system stop",
    "slot or connector",
    "ACPI power state",
    "watchdog 2",
    "platform alert",
    "entity presence",
    "monitor chip",
    "LAN",
    "management subsystem",
    "battery",
    "session audit",
    "version change",
    "FRU state",
];

/// The name of a kind of sensor.
pub fn sensor_type(code: u8) -> &'static str {
    match code {
        0xc0..=0xff => "maker's own kind",
        _ => SENSOR_TYPES.get(usize::from(code)).unwrap_or(&"reserved"),
    }
}

/// Crossings of thresholds (table 42-2, type 01h), two for each threshold.
const THRESHOLDS: [&str; 12] = [
    "lower non-critical going low",
    "lower non-critical going high",
    "lower critical going low",
    "lower critical going high",
    "lower non-recoverable going low",
    "lower non-recoverable going high",
    "upper non-critical going low",
    "upper non-critical going high",
    "upper critical going low",
    "upper critical going high",
    "upper non-recoverable going low",
    "upper non-recoverable going high",
];

/// Generic states (table 42-2), for the event types 02h to 0Ch.
const GENERIC: [&[&str]; 11] = [
    &["idle", "active", "busy"],
    &["state deasserted", "state asserted"],
    &["predictive failure deasserted", "predictive failure asserted"],
    &["limit not exceeded", "limit exceeded"],
    &["performance met", "performance lags"],
    &[
        "ok",
        "non-critical from ok",
        "critical from less severe",
        "non-recoverable from less severe",
        "non-critical from more severe",
        "critical from non-recoverable",
        "non-recoverable",
        "monitor",
        "informational",
    ],
    &["device absent", "device present"],
    &["device disabled", "device enabled"],
    &[
        "running",
        "in test",
        "power off",
        "on line",
        "off line",
        "off duty",
        "degraded",
        "power save",
        "install error",
    ],
    &[
        "fully redundant",
        "redundancy lost",
        "redundancy degraded",
        "non-redundant, sufficient, from redundant",
        "non-redundant, sufficient, from insufficient",
        "non-redundant, insufficient",
        "redundancy degraded from full",
        "redundancy degraded from none",
    ],
    &["D0", "D1", "D2", "D3"],
];

/// States that a kind of sensor has of its own (table 42-3, event type 6Fh).
fn specific(sensor_type: u8) -> &'static [&'static str] {
    match sensor_type {
        0x05 => &[
            "chassis opened",
            "drive bay opened",
            "I/O card area opened",
            "processor area opened",
            "LAN cable unplugged",
            "unauthorised dock",
            "fan area opened",
        ],
        0x06 => &[
            "front panel lock-out violated",
            "wrong user password before boot",
            "wrong set-up password before boot",
            "wrong network boot password",
            "other password wrong before boot",
            "wrong password out of band",
        ],
        0x07 => &[
            "internal error",
            "thermal trip",
            "self test failed",
            "hang in POST",
            "failed to start",
            "configuration error",
            "uncorrectable machine check",
            "present",
            "disabled",
            "terminator present",
            "throttled",
            "uncorrectable machine check exception",
            "correctable machine check",
        ],
        0x08 => &[
            "present",
            "failed",
            "predictive failure",
            "input lost",
            "input lost or out of range",
            "input out of range but present",
            "configuration error",
            "inactive, in standby",
        ],
        0x09 => &[
            "off",
            "power cycle",
            "240 VA power-down",
            "interlock power-down",
            "mains lost",
            "soft power control failed",
            "failed",
            "predictive failure",
        ],
        0x0c => &[
            "correctable error",
            "uncorrectable error",
            "parity error",
            "scrub failed",
            "device disabled",
            "correctable error limit reached",
            "present",
            "configuration error",
            "spare",
            "throttled",
            "critical overtemperature",
        ],
        0x0d => &[
            "drive present",
            "drive fault",
            "predictive failure",
            "hot spare",
            "parity check in progress",
            "in critical array",
            "in failed array",
            "rebuild in progress",
            "rebuild aborted",
        ],
        0x0f => &["POST error", "firmware hang", "firmware progress"],
        0x10 => &[
            "correctable memory error logging disabled",
            "event logging of a type disabled",
            "log cleared",
            "all event logging disabled",
            "log full",
            "log almost full",
            "correctable machine check logging disabled",
        ],
        0x11 => &[
            "BIOS reset",
            "operating system reset",
            "operating system shut down",
            "operating system power down",
            "operating system power cycle",
            "NMI",
            "expired",
            "pre-time-out interrupt",
        ],
        0x12 => &[
            "system reconfigured",
            "operating system boot event",
            "undetermined hardware failure",
            "entry added to auxiliary log",
            "platform event filter action",
            "clock synchronised",
        ],
        0x13 => &[
            "front panel NMI",
            "bus time-out",
            "I/O channel check NMI",
            "software NMI",
            "PCI parity error",
            "PCI system error",
            "EISA fail-safe time-out",
            "bus correctable error",
            "bus uncorrectable error",
            "fatal NMI",
            "bus fatal error",
            "bus degraded",
        ],
        0x14 => &[
            "power button pressed",
            "sleep button pressed",
            "reset button pressed",
            "FRU latch open",
            "FRU service request",
        ],
        0x19 => &["soft power control failure", "thermal trip"],
        0x1b => &["connected", "configuration error"],
        0x1d => &[
            "started by power-up",
            "started by hard reset",
            "started by warm reset",
            "network boot requested by user",
            "automatic boot to diagnostics",
            "operating system started hard reset",
            "operating system started warm reset",
            "restart",
        ],
        0x1e => &[
            "no bootable media",
            "non-bootable disk",
            "network boot server not found",
            "invalid boot sector",
            "boot selection timed out",
        ],
        0x1f => &[
            "A: booted",
            "C: booted",
            "network boot completed",
            "diagnostic boot completed",
            "CD-ROM booted",
            "ROM booted",
            "booted, device not specified",
            "installation started",
            "installation completed",
            "installation aborted",
            "installation failed",
        ],
        0x20 => &[
            "stopped while loading",
            "stopped at run time",
            "shut down gracefully",
            "shut down softly by the platform event filter",
            "soft shut-down started by agent",
            "agent not responding",
        ],
        0x21 => &[
            "fault",
            "identify",
            "device installed",
            "ready for installation",
            "ready for removal",
            "power off",
            "removal requested",
            "interlock asserted",
            "disabled",
            "holds spare device",
        ],
        0x22 => &[
            "S0/G0 working",
            "S1 sleeping",
            "S2 sleeping",
            "S3 sleeping",
            "S4 hibernating",
            "S5/G2 soft off",
            "S4/S5 soft off",
            "G3 mechanical off",
            "sleeping",
            "G1 sleeping",
            "S5 by override",
            "legacy on",
            "legacy off",
            "unknown",
        ],
        0x23 => &[
            "expired",
            "hard reset",
            "power down",
            "power cycle",
            "reserved",
            "reserved",
            "reserved",
            "reserved",
            "timer interrupt",
        ],
        0x24 => &["page alert", "LAN alert", "event trap", "SNMP trap"],
        0x25 => &["present", "absent", "disabled"],
        0x27 => &["heartbeat lost", "heartbeat"],
        0x28 => &[
            "sensor access degraded",
            "controller access degraded",
            "management controller off line",
            "management controller unavailable",
            "sensor failure",
            "FRU failure",
        ],
        0x29 => &["battery low", "battery failed", "battery present"],
        0x2a => &[
            "session opened",
            "session closed",
            "invalid user or password",
            "account disabled after failures",
        ],
        0x2b => &[
            "hardware changed",
            "firmware changed",
            "hardware incompatible",
            "firmware incompatible",
            "hardware version unsupported",
            "firmware version unsupported",
            "hardware changed successfully",
            "software changed successfully",
        ],
        0x2c => &[
            "not installed",
            "inactive",
            "activation requested",
            "activation in progress",
            "active",
            "deactivation requested",
            "deactivation in progress",
            "communication lost",
        ],
        _ => &[],
    }
}

/// The event type of sensors that have states of their own.
pub const SENSOR_SPECIFIC: u8 = 0x6f;
/// The event type of thresholds.
pub const THRESHOLD: u8 = 0x01;

/// What an offset (4 bits) of this event type means at this kind of sensor; none: the maker alone knows.
pub fn state(event_type: u8, sensor_type: u8, offset: u8) -> Option<&'static str> {
    let table: &[&str] = match event_type {
        THRESHOLD => &THRESHOLDS,
        0x02..=0x0c => GENERIC[usize::from(event_type - 2)],
        SENSOR_SPECIFIC => specific(sensor_type),
        _ => &[],
    };
    table.get(usize::from(offset)).copied()
}

/// The states of a discrete sensor's reading (section 35.14), in words; those without one by their number.
pub fn states(event_type: u8, sensor_type: u8, bits: u16) -> Vec<String> {
    (0..15)
        .filter(|offset| bits & 1 << offset != 0)
        .map(|offset| match state(event_type, sensor_type, offset) {
            Some(words) => words.to_owned(),
            None => format!("state {offset}"),
        })
        .collect()
}

impl Event {
    /// What happened, in words, without the sensor's name.
    pub fn words(&self) -> String {
        let offset = self.data[0] & 0x0f;
        let said = match state(self.event_type, self.sensor_type, offset) {
            Some(words) => words.to_owned(),
            None => format!("event {offset:#x} of type {:#04x}", self.event_type),
        };
        if self.asserted { said } else { format!("{said} (ended)") }
    }

    /// Reading and threshold that crossed, raw, where the event carries them (table 29-6).
    pub fn crossing(&self) -> Option<(u8, Option<u8>)> {
        let [head, reading, threshold] = self.data;
        let carries = |shift: u8| head >> shift & 3 == 1;
        (self.event_type == THRESHOLD && carries(6)).then(|| (reading, carries(4).then_some(threshold)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_told_in_words() {
        let check = |sensor_type, event_type, asserted, data, expected: &str| {
            let event =
                Event { generator: 0x20, format: 4, sensor_type, sensor: 1, asserted, event_type, data };
            assert_eq!(event.words(), expected);
        };
        check(0x01, 0x01, true, [0x59, 0x60, 0x5f], "upper critical going high");
        check(0x01, 0x01, false, [0x59, 0x60, 0x5f], "upper critical going high (ended)");
        check(0x08, 0x6f, true, [0x03, 0, 0], "input lost");
        check(0x0c, 0x6f, true, [0xa1, 0, 4], "uncorrectable error");
        check(0x08, 0x0b, true, [0x01, 0, 0], "redundancy lost");
        check(0x21, 0x03, true, [0x01, 0, 0], "state asserted");
        check(0xc1, 0x70, true, [0x05, 0, 0], "event 0x5 of type 0x70");
    }

    #[test]
    fn every_code_has_some_words() {
        for code in 0..=u8::MAX {
            assert!(!sensor_type(code).is_empty());
            for offset in 0..16 {
                let _ = (state(code, 0x09, offset), state(SENSOR_SPECIFIC, code, offset));
            }
        }
        assert_eq!(states(SENSOR_SPECIFIC, 0x08, 0x0009), ["present", "input lost"]);
        assert_eq!(states(0x71, 0xc0, 0x8004), ["state 2"], "bit 15 is none");
    }
}
