//! Decisions: the sensors of a virtual BMC, and the records that describe them.

use std::collections::BTreeMap;

use protocol::ipmi::{
    call::Call,
    message::CompletionCode,
    sdr::{
        self, GetPart, Info, Part, RepositoryInfo, Reserve,
        formula::{Curve, Factors, Format, Formula},
        record::{Body, Entity, EventOnly, FruLocator, McLocator, Record, Sensor, SensorKey},
        unit::Unit,
    },
    sensor::{GetReading, GetThresholds, Reading, Thresholds},
};

/// Address of the BMC on the management bus.
const BMC: u8 = 0x20;

/// What a sensor says when it is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SensorState {
    /// Raw byte of its number.
    pub raw: u8,
    /// States.
    pub states: u16,
    /// Thresholds.
    pub thresholds: Thresholds,
    /// It says nothing while the server is off.
    pub needs_power: bool,
}

/// The sensors.
#[derive(Debug, Default)]
pub struct Sensors {
    records: Vec<Record>,
    /// What they say, by their numbers.
    pub states: BTreeMap<u8, SensorState>,
    reservation: u16,
}

/// A number's sensor: its number, name, kind, base unit, factors M and exponent of the result, what it says.
struct Analogue(u8, &'static str, u8, u8, i16, i8, SensorState);

const LIMITS: Thresholds = Thresholds { lower: [None; 3], upper: [Some(90), Some(95), Some(100)] };
const RAIL: Thresholds =
    Thresholds { lower: [Some(187), Some(183), None], upper: [Some(213), Some(217), None] };

const NODE2: Analogue = Analogue(0x30, "Node2 Temp", 1, 1, 1, 0, saying(33, LIMITS, false));

const fn saying(raw: u8, thresholds: Thresholds, needs_power: bool) -> SensorState {
    SensorState { raw, states: 0, thresholds, needs_power }
}

impl Sensors {
    pub(super) fn example() -> Self {
        let mut sensors = Self::default();
        for analogue in [
            Analogue(0x30, "CPU1 Temp", 1, 1, 1, 0, saying(47, LIMITS, false)),
            Analogue(0x31, "Inlet Temp", 1, 1, 1, 0, saying(0xf6, Thresholds::default(), false)),
            Analogue(0x40, "P12V", 2, 4, 6, -2, saying(201, RAIL, false)),
            Analogue(0x41, "FAN1", 4, 18, 75, 0, saying(100, Thresholds::default(), true)),
            Analogue(0x42, "PSU1 Input", 0x0b, 6, 2, 0, saying(106, Thresholds::default(), true)),
        ] {
            sensors.add_analogue(&analogue);
        }
        // Read over the bus, by the controller that owns it.
        let mut node2 = analogue(&NODE2);
        node2.key.owner = super::SATELLITE;
        sensors.add(Body::Sensor(node2));
        sensors.add_discrete(0x50, "PSU1 Status", 0x08, 1, 0x0001);
        sensors.add_discrete(0x51, "PSU2 Status", 0x08, 2, 0x0009);
        sensors.add_shared(0x60, "Drive ", 2);
        sensors.add(Body::EventOnly(EventOnly {
            key: key(0x71),
            entity: Entity { id: 7, instance: 1 },
            sensor_type: 0x10,
            event_type: 0x6f,
            name: "SEL".into(),
        }));
        sensors.add(Body::FruLocator(FruLocator {
            address: BMC,
            device: 1,
            is_logical: true,
            channel: 0,
            entity: Entity { id: 10, instance: 1 },
            name: "PSU1".into(),
        }));
        sensors.add(Body::McLocator(McLocator {
            address: super::SATELLITE,
            channel: 0,
            capabilities: 0x01,
            entity: Entity { id: 46, instance: 2 },
            name: "Node 2".into(),
        }));
        sensors
    }

    pub(super) fn of_satellite() -> Self {
        let mut sensors = Self::default();
        let mut node2 = analogue(&NODE2);
        node2.key.owner = super::SATELLITE;
        sensors.add(Body::Sensor(node2));
        sensors.states.insert(NODE2.0, NODE2.6);
        sensors
    }

    /// What the sensor of this name says; none: there is no such sensor here, or several share the name.
    pub fn named(&mut self, name: &str) -> Option<&mut SensorState> {
        let of_name = self.records.iter().find_map(|record| match &record.body {
            Body::Sensor(sensor) if sensor.name == name && sensor.shared == 1 => Some(sensor.key.number),
            _ => None,
        })?;
        self.states.get_mut(&of_name)
    }

    /// The records that describe them.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    fn add(&mut self, body: Body) {
        let id = self.records.len() as u16 + 1;
        self.records.push(Record { id, body });
    }

    fn add_analogue(&mut self, of: &Analogue) {
        self.add(Body::Sensor(analogue(of)));
        self.states.insert(of.0, of.6);
    }

    fn add_discrete(&mut self, number: u8, name: &str, sensor_type: u8, instance: u8, states: u16) {
        self.add(Body::Sensor(compact(number, name, sensor_type, Entity { id: 10, instance }, 1)));
        self.states.insert(number, SensorState { states, ..SensorState::default() });
    }

    fn add_shared(&mut self, first: u8, name: &str, shared: u8) {
        self.add(Body::Sensor(compact(first, name, 0x0d, Entity { id: 4, instance: 1 }, shared)));
        for number in first..first + shared {
            self.states.insert(number, SensorState { states: 0x0001, ..SensorState::default() });
        }
    }

    pub(super) fn answer(
        &mut self,
        call: &Call,
        answer_bytes_max: usize,
        on: bool,
    ) -> Option<Result<Vec<u8>, CompletionCode>> {
        call.serve(|_: Info| Ok(self.info()))
            .or_else(|| {
                call.serve(|_: Reserve| {
                    self.reservation += 1;
                    Ok(self.reservation)
                })
            })
            .or_else(|| call.serve(|part: GetPart| self.part(part, answer_bytes_max)))
            .or_else(|| call.serve(|GetReading(number)| self.reading(number, on)))
            .or_else(|| call.serve(|GetThresholds(number)| Ok(self.state(number)?.thresholds)))
    }

    fn info(&self) -> RepositoryInfo {
        RepositoryInfo {
            records: self.records.len() as u16,
            free_bytes: 0,
            last_added: 1,
            last_erased: 0,
            support: 2,
        }
    }

    fn part(&self, part: GetPart, answer_bytes_max: usize) -> Result<Part, CompletionCode> {
        let index = match part.id {
            sdr::FIRST => Some(0),
            sdr::LAST => self.records.len().checked_sub(1),
            id => self.records.iter().position(|record| record.id == id),
        };
        let index = index.filter(|index| *index < self.records.len()).ok_or(CompletionCode(0xcb))?;
        let bytes = self.records[index].build();
        let from = usize::from(part.offset);
        if part.offset != 0 && part.reservation != self.reservation {
            return Err(CompletionCode(0xc5));
        }
        let wanted = if part.count == 0xff { bytes.len() } else { usize::from(part.count) };
        if wanted > answer_bytes_max {
            return Err(CompletionCode(0xca));
        }
        let bytes = bytes.get(from..(from + wanted).min(bytes.len())).ok_or(CompletionCode(0xc9))?;
        let next = self.records.get(index + 1).map_or(sdr::LAST, |record| record.id);
        Ok(Part { next, bytes: bytes.to_vec() })
    }

    fn state(&self, number: u8) -> Result<SensorState, CompletionCode> {
        self.states.get(&number).copied().ok_or(CompletionCode(0xcb))
    }

    fn reading(&self, number: u8, on: bool) -> Result<Reading, CompletionCode> {
        let state = self.state(number)?;
        let is_unavailable = state.needs_power && !on;
        let raw = if is_unavailable { 0 } else { state.raw };
        Ok(Reading { raw, is_scanned: true, is_unavailable, states: state.states })
    }
}

fn analogue(Analogue(number, name, kind, base, m, r_exponent, _): &Analogue) -> Sensor {
    let factors = Factors { m: *m, b: 0, b_exponent: 0, r_exponent: *r_exponent };
    // Temperatures may be below zero.
    let format = if *base == 1 { Format::TwosComplement } else { Format::Unsigned };
    Sensor {
        key: key(*number),
        entity: Entity { id: 7, instance: 1 },
        sensor_type: *kind,
        event_type: 0x01,
        unit: Unit { shape: 0, base: *base, modifier: 0 },
        formula: Some(Formula { format, curve: Curve::Linear, factors }),
        hysteresis: [0; 2],
        is_full: true,
        shared: 1,
        suffix: 0,
        name: (*name).to_owned(),
    }
}

fn key(number: u8) -> SensorKey {
    SensorKey { owner: BMC, lun: 0, number }
}

fn compact(number: u8, name: &str, sensor_type: u8, entity: Entity, shared: u8) -> Sensor {
    Sensor {
        key: key(number),
        entity,
        sensor_type,
        event_type: 0x6f,
        unit: Unit { shape: 0, base: 0, modifier: 0 },
        formula: None,
        hysteresis: [0; 2],
        is_full: false,
        shared,
        suffix: u8::from(shared > 1),
        name: name.to_owned(),
    }
}
