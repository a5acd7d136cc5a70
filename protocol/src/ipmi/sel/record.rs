//! Values: the records of the event log (chapter 32).

use super::{RECORD_BYTES, Time};

/// A record of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its id.
    pub id: u16,
    /// What it holds.
    pub body: Body,
}

/// What a record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// Type 02h: a sensor's event.
    Event {
        /// When.
        time: Time,
        /// What.
        event: Event,
    },
    /// Types C0h to DFh: of a maker's own, with a time.
    Oem {
        /// Type.
        kind: u8,
        /// When.
        time: Time,
        /// Maker's enterprise number.
        manufacturer: u32,
        /// Its bytes.
        data: [u8; 6],
    },
    /// All other types: bytes without a time.
    Other {
        /// Type.
        kind: u8,
        /// Its bytes.
        data: [u8; 13],
    },
}

/// A sensor's event (section 29.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Who says it: a controller's address on the bus, or system software.
    pub generator: u16,
    /// Version of the event's format.
    pub format: u8,
    /// Kind of the sensor (table 42-3).
    pub sensor_type: u8,
    /// The sensor's number at its generator.
    pub sensor: u8,
    /// Whether it begins; otherwise it ends.
    pub asserted: bool,
    /// Kind of the event (table 42-1), 7 bits.
    pub event_type: u8,
    /// The event's data.
    pub data: [u8; 3],
}

/// Type of the record of a sensor's event.
const SYSTEM_EVENT: u8 = 0x02;

impl Record {
    /// From bytes; every 16 bytes are some record.
    pub fn parse(bytes: &[u8; RECORD_BYTES]) -> Self {
        let [i0, i1, kind, t0, t1, t2, t3, rest @ ..] = *bytes;
        let time = Time(u32::from_le_bytes([t0, t1, t2, t3]));
        let body = match (kind, rest) {
            (SYSTEM_EVENT, [g0, g1, format, sensor_type, sensor, kind, data @ ..]) => Body::Event {
                time,
                event: Event {
                    generator: u16::from_le_bytes([g0, g1]),
                    format,
                    sensor_type,
                    sensor,
                    asserted: kind & 0x80 == 0,
                    event_type: kind & 0x7f,
                    data,
                },
            },
            (0xc0..=0xdf, [m0, m1, m2, data @ ..]) => {
                Body::Oem { kind, time, manufacturer: u32::from_le_bytes([m0, m1, m2, 0]), data }
            }
            (kind, _) => {
                let mut data = [0; 13];
                data.copy_from_slice(&bytes[3..]);
                Body::Other { kind, data }
            }
        };
        Self { id: u16::from_le_bytes([i0, i1]), body }
    }

    /// To bytes.
    pub fn build(&self) -> [u8; RECORD_BYTES] {
        let mut bytes = self.id.to_le_bytes().to_vec();
        match &self.body {
            Body::Event { time, event } => {
                bytes.push(SYSTEM_EVENT);
                bytes.extend(time.0.to_le_bytes());
                bytes.extend(event.generator.to_le_bytes());
                bytes.extend([event.format, event.sensor_type, event.sensor]);
                bytes.push(u8::from(!event.asserted) << 7 | event.event_type & 0x7f);
                bytes.extend(event.data);
            }
            Body::Oem { kind, time, manufacturer, data } => {
                bytes.push(*kind);
                bytes.extend(time.0.to_le_bytes());
                bytes.extend(&manufacturer.to_le_bytes()[..3]);
                bytes.extend(data);
            }
            Body::Other { kind, data } => {
                bytes.push(*kind);
                bytes.extend(data);
            }
        }
        bytes.try_into().expect("each of the three bodies has 13 bytes behind its type")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::When, *};

    proptest! {
        #[test]
        fn every_record_comes_back(bytes: [u8; RECORD_BYTES]) {
            prop_assert_eq!(Record::parse(&bytes).build(), bytes);
        }
    }

    #[test]
    fn a_record_is_read_as_the_specification_has_it() {
        // Record 3: 2026-01-01 00:00:00, the BMC, temperature sensor 0x30, upper critical going high.
        let bytes = [3, 0, 2, 0x00, 0xb9, 0x55, 0x69, 0x20, 0, 4, 1, 0x30, 1, 0x59, 0x60, 0x5f];
        let Body::Event { time, event } = Record::parse(&bytes).body else { panic!("no event") };
        assert_eq!(time.when(), When::Unix(1_767_225_600));
        assert_eq!((event.generator, event.sensor_type, event.sensor), (0x20, 1, 0x30));
        assert!(event.asserted);
        assert_eq!(Time(60).when(), When::SinceStart(60));
        assert_eq!(Time(u32::MAX).when(), When::Unknown);
    }
}
