//! Values: the records of sensors and of what else is on the management bus (chapter 43).

use super::{
    super::{
        Malformed,
        field::{build_name, read_name},
        wire::Reader,
    },
    formula::{self, Formula},
    unit::Unit,
};

/// Bytes before a record's own: id, version, type, length.
pub const HEADER_BYTES: usize = 5;
/// Version of the records, nibbles as the specification has them.
const RECORD_VERSION: u8 = 0x51;

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its id.
    pub id: u16,
    /// What it describes.
    pub body: Body,
}

/// What a record describes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Types 01h and 02h: a sensor that can be read.
    Sensor(Sensor),
    /// Type 03h: a sensor that only sends events.
    EventOnly(EventOnly),
    /// Type 11h: a device with an inventory of its own.
    FruLocator(FruLocator),
    /// Type 12h: another management controller.
    McLocator(McLocator),
    /// What has no use here, by its type.
    Other {
        /// The type.
        kind: u8,
        /// Its bytes.
        bytes: Vec<u8>,
    },
}

/// Which sensor of whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SensorKey {
    /// The controller's address on the bus, or a number of system software.
    pub owner: u8,
    /// Logical unit of the owner and channel to it, as on the wire; 0 is the BMC itself.
    pub lun: u8,
    /// Number.
    pub number: u8,
}

/// What a sensor belongs to (table 43-13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entity {
    /// Kind, such as 3 for a processor.
    pub id: u8,
    /// Which one of them.
    pub instance: u8,
}

/// A sensor that can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sensor {
    /// Which sensor.
    pub key: SensorKey,
    /// Of what.
    pub entity: Entity,
    /// Kind (table 42-3).
    pub sensor_type: u8,
    /// Kind of its events and states (table 42-1).
    pub event_type: u8,
    /// Unit of its number.
    pub unit: Unit,
    /// How its number is computed; none: it has states only.
    pub formula: Option<Formula>,
    /// By how much its raw byte must come back behind an upper and a lower threshold before it counts as back; 0: by nothing, or it is
    /// not known.
    pub hysteresis: [u8; 2],
    /// Whether the record is a full one, with factors and thresholds; otherwise a compact one.
    pub is_full: bool,
    /// How many sensors with numbers in a row share the record, at least 1.
    pub shared: u8,
    /// What the first of them has behind its name, where several share the record.
    pub suffix: u8,
    /// Name.
    pub name: String,
}

/// A sensor that only sends events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventOnly {
    /// Which sensor.
    pub key: SensorKey,
    /// Of what.
    pub entity: Entity,
    /// Kind (table 42-3).
    pub sensor_type: u8,
    /// Kind of its events (table 42-1).
    pub event_type: u8,
    /// Name.
    pub name: String,
}

/// A device with an inventory of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FruLocator {
    /// The controller's address on the bus.
    pub address: u8,
    /// Number of the inventory at that controller, where it is a logical one; otherwise an address on a bus.
    pub device: u8,
    /// Whether "Read FRU Data" reads it.
    pub is_logical: bool,
    /// Channel to the controller, 4 bits; 0 is the management bus.
    pub channel: u8,
    /// Of what.
    pub entity: Entity,
    /// Name.
    pub name: String,
}

/// Another management controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct McLocator {
    /// Its address on the bus.
    pub address: u8,
    /// Channel to it, 4 bits.
    pub channel: u8,
    /// What it can do (table 43-9): bit 0 sensors, 1 SDR, 2 SEL, 3 FRU, 7 chassis.
    pub capabilities: u8,
    /// Of what.
    pub entity: Entity,
    /// Name.
    pub name: String,
}

const FULL: u8 = 0x01;
const COMPACT: u8 = 0x02;
const EVENT_ONLY: u8 = 0x03;
const FRU_LOCATOR: u8 = 0x11;
const MC_LOCATOR: u8 = 0x12;

/// Length of a record with its header, by the header.
pub fn length(header: &[u8; HEADER_BYTES]) -> usize {
    HEADER_BYTES + usize::from(header[4])
}

impl Record {
    /// From a whole record's bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new("sensor data record", bytes);
        let id = reader.u16()?;
        let [_version, kind, _length] = reader.array()?;
        let body = match kind {
            FULL => Body::Sensor(full(&mut reader)?),
            COMPACT => Body::Sensor(compact(&mut reader)?),
            EVENT_ONLY => Body::EventOnly(event_only(&mut reader)?),
            FRU_LOCATOR => Body::FruLocator(fru_locator(&mut reader)?),
            MC_LOCATOR => Body::McLocator(mc_locator(&mut reader)?),
            _ => Body::Other { kind, bytes: reader.rest().to_vec() },
        };
        Ok(Self { id, body })
    }

    /// To bytes. Of a sensor's masks and limits, which nobody here uses, zeroes are written.
    pub fn build(&self) -> Vec<u8> {
        let (kind, body) = match &self.body {
            Body::Sensor(sensor) if sensor.is_full => (FULL, sensor.build_full()),
            Body::Sensor(sensor) => (COMPACT, sensor.build_compact()),
            Body::EventOnly(sensor) => (EVENT_ONLY, sensor.build()),
            Body::FruLocator(locator) => (FRU_LOCATOR, locator.build()),
            Body::McLocator(locator) => (MC_LOCATOR, locator.build()),
            Body::Other { kind, bytes } => (*kind, bytes.clone()),
        };
        let mut bytes = self.id.to_le_bytes().to_vec();
        bytes.extend([RECORD_VERSION, kind, body.len().min(0xff) as u8]);
        bytes.extend(body);
        bytes
    }
}

fn key(reader: &mut Reader<'_>) -> Result<SensorKey, Malformed> {
    let [owner, lun, number] = reader.array()?;
    Ok(SensorKey { owner, lun, number })
}

fn entity(reader: &mut Reader<'_>) -> Result<Entity, Malformed> {
    let [id, instance] = reader.array()?;
    Ok(Entity { id, instance })
}

/// What full and compact records begin with, and the three bytes of units that follow.
fn sensor(reader: &mut Reader<'_>) -> Result<Sensor, Malformed> {
    let (key, entity) = (key(reader)?, entity(reader)?);
    let [_initialisation, _capabilities, sensor_type, event_type] = reader.array()?;
    reader.take(6)?;
    let unit = Unit { shape: 0, base: 0, modifier: 0 };
    Ok(Sensor {
        key,
        entity,
        sensor_type,
        event_type,
        unit,
        formula: None,
        hysteresis: [0; 2],
        is_full: false,
        shared: 1,
        suffix: 0,
        name: String::new(),
    })
}

fn full(reader: &mut Reader<'_>) -> Result<Sensor, Malformed> {
    let head = sensor(reader)?;
    let (unit, formula) = formula::parse(reader)?;
    // Analogue flags, nominal value and limits, thresholds, then hysteresis, reserved, OEM.
    reader.take(12)?;
    let [upper, lower, _, _, _] = reader.array()?;
    // FFh was meant for "none" by some.
    let hysteresis = [upper, lower].map(|raw| if raw == u8::MAX { 0 } else { raw });
    Ok(Sensor { unit, formula, hysteresis, is_full: true, name: read_name(reader)?, ..head })
}

fn compact(reader: &mut Reader<'_>) -> Result<Sensor, Malformed> {
    let head = sensor(reader)?;
    // Units, sharing, hysteresis, reserved, OEM.
    let [shape, base, modifier, sharing, suffix, ..] = reader.array::<11>()?;
    let unit = Unit { shape: shape & 0x3f, base, modifier };
    let (shared, suffix) = ((sharing & 0x0f).max(1), suffix & 0x7f);
    Ok(Sensor { unit, shared, suffix, name: read_name(reader)?, ..head })
}

fn event_only(reader: &mut Reader<'_>) -> Result<EventOnly, Malformed> {
    let (key, entity) = (key(reader)?, entity(reader)?);
    // Sharing, reserved, OEM behind the two types.
    let [sensor_type, event_type, ..] = reader.array::<6>()?;
    Ok(EventOnly { key, entity, sensor_type, event_type, name: read_name(reader)? })
}

fn fru_locator(reader: &mut Reader<'_>) -> Result<FruLocator, Malformed> {
    let [address, device, access, channel, _reserved, _type, _modifier] = reader.array()?;
    let entity = entity(reader)?;
    reader.u8()?;
    Ok(FruLocator {
        address,
        device,
        is_logical: access & 0x80 != 0,
        channel: channel >> 4,
        entity,
        name: read_name(reader)?,
    })
}

fn mc_locator(reader: &mut Reader<'_>) -> Result<McLocator, Malformed> {
    let [address, channel, _power, capabilities, _, _, _] = reader.array()?;
    let entity = entity(reader)?;
    reader.u8()?;
    Ok(McLocator { address, channel: channel & 0x0f, capabilities, entity, name: read_name(reader)? })
}

impl SensorKey {
    fn build(self) -> [u8; 3] {
        [self.owner, self.lun, self.number]
    }

    /// Whether the BMC itself reads it: any other controller is asked over the bus.
    pub fn is_of_bmc(self) -> bool {
        (self.owner, self.lun) == (super::super::message::BMC_ADDRESS, 0)
    }
}

impl Entity {
    fn build(self) -> [u8; 2] {
        [self.id, self.instance]
    }
}

impl Sensor {
    fn head(&self) -> Vec<u8> {
        let mut bytes = self.key.build().to_vec();
        bytes.extend(self.entity.build());
        bytes.extend([0, 0, self.sensor_type, self.event_type, 0, 0, 0, 0, 0, 0]);
        bytes
    }

    fn build_full(&self) -> Vec<u8> {
        let mut bytes = self.head();
        bytes.extend(formula::build(self.unit, self.formula));
        bytes.extend([0; 12]);
        bytes.extend(self.hysteresis);
        bytes.extend([0; 3]);
        bytes.extend(build_name(&self.name));
        bytes
    }

    fn build_compact(&self) -> Vec<u8> {
        let mut bytes = self.head();
        // 11b: it has no number.
        bytes.extend([self.unit.shape & 0x3f | 0xc0, self.unit.base, self.unit.modifier]);
        bytes.extend([self.shared & 0x0f, self.suffix & 0x7f]);
        bytes.extend([0; 6]);
        bytes.extend(build_name(&self.name));
        bytes
    }

    /// Each sensor that the record describes, with its own number and name.
    pub fn each(&self) -> impl Iterator<Item = Self> + '_ {
        (0..self.shared.max(1)).map(move |index| {
            let number = self.key.number.wrapping_add(index);
            let name = match self.shared {
                0 | 1 => self.name.clone(),
                _ => format!("{}{}", self.name, u16::from(self.suffix) + u16::from(index)),
            };
            Self { key: SensorKey { number, ..self.key }, shared: 1, name, ..self.clone() }
        })
    }
}

impl EventOnly {
    fn build(&self) -> Vec<u8> {
        let mut bytes = self.key.build().to_vec();
        bytes.extend(self.entity.build());
        bytes.extend([self.sensor_type, self.event_type, 1, 0, 0, 0]);
        bytes.extend(build_name(&self.name));
        bytes
    }
}

impl FruLocator {
    fn build(&self) -> Vec<u8> {
        let access = u8::from(self.is_logical) << 7;
        // Device type 10h: a logical inventory.
        let mut bytes = vec![self.address, self.device, access, self.channel << 4, 0, 0x10, 0];
        bytes.extend(self.entity.build());
        bytes.push(0);
        bytes.extend(build_name(&self.name));
        bytes
    }
}

impl McLocator {
    fn build(&self) -> Vec<u8> {
        let mut bytes = vec![self.address, self.channel & 0x0f, 0, self.capabilities, 0, 0, 0];
        bytes.extend(self.entity.build());
        bytes.push(0);
        bytes.extend(build_name(&self.name));
        bytes
    }
}
