//! Values: a sensor's reading and thresholds (sections 35.5, 35.9, 35.14).

use super::{
    Malformed,
    call::{Command, Kind, NETFN_SENSOR},
    sdr::formula::Factors,
    wire::Reader,
};

/// The commands of this family.
pub(super) const KINDS: &[&Kind] = &[GetReading::KIND, GetThresholds::KIND, GetFactors::KIND];

/// Get Sensor Reading, by the sensor's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GetReading(pub u8);

/// A reading as it is on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Raw byte of a number.
    pub raw: u8,
    /// Whether the sensor is scanned.
    pub is_scanned: bool,
    /// Whether the BMC has no reading now, such as of a fan in a server that is off.
    pub is_unavailable: bool,
    /// States 0 to 14; of thresholds, which ones are crossed now: see [`Crossed`].
    pub states: u16,
}

impl Reading {
    /// Whether there is a reading at all.
    pub fn is_there(&self) -> bool {
        self.is_scanned && !self.is_unavailable
    }
}

impl Command for GetReading {
    const KIND: &'static Kind = &Kind::reads("Get Sensor Reading", NETFN_SENSOR, 0x2d);
    type Answer = Reading;

    fn build(&self) -> Vec<u8> {
        vec![self.0]
    }

    fn parse(data: &[u8]) -> Result<Self, Malformed> {
        Reader::new("Get Sensor Reading request", data).u8().map(Self)
    }

    fn build_answer(reading: &Reading) -> Vec<u8> {
        // Events are enabled, too.
        let flags = 0x80 | u8::from(reading.is_scanned) << 6 | u8::from(reading.is_unavailable) << 5;
        let [low, high] = reading.states.to_le_bytes();
        vec![reading.raw, flags, low, high | 0x80]
    }

    fn parse_answer(data: &[u8]) -> Result<Reading, Malformed> {
        let mut reader = Reader::new("Get Sensor Reading answer", data);
        let [raw, flags] = reader.array()?;
        // Both bytes of states are optional.
        let states = match *reader.rest() {
            [] => 0,
            [low] => u16::from(low),
            [low, high, ..] => u16::from_le_bytes([low, high & 0x7f]),
        };
        Ok(Reading { raw, is_scanned: flags & 0x40 != 0, is_unavailable: flags & 0x20 != 0, states })
    }
}

/// How bad a number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Crossed {
    /// Within all thresholds.
    Nothing,
    /// A non-critical one.
    NonCritical,
    /// A critical one.
    Critical,
    /// A non-recoverable one.
    NonRecoverable,
}

impl Crossed {
    /// From the states of a sensor with thresholds (section 35.14, byte 3).
    pub fn of(states: u16) -> Self {
        // Lower and upper: bits 0 and 3 non-critical, 1 and 4 critical, 2 and 5 non-recoverable.
        match states & 0x3f {
            bits if bits & 0b10_0100 != 0 => Crossed::NonRecoverable,
            bits if bits & 0b01_0010 != 0 => Crossed::Critical,
            bits if bits & 0b00_1001 != 0 => Crossed::NonCritical,
            _ => Crossed::Nothing,
        }
    }

    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Crossed::Nothing => "ok",
            Crossed::NonCritical => "warning",
            Crossed::Critical => "critical",
            Crossed::NonRecoverable => "non-recoverable",
        }
    }
}

/// Get Sensor Thresholds, by the sensor's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GetThresholds(pub u8);

/// A sensor's thresholds, raw; none: it has no such one, or it cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Thresholds {
    /// Lower: non-critical, critical, non-recoverable.
    pub lower: [Option<u8>; 3],
    /// Upper, the same.
    pub upper: [Option<u8>; 3],
}

impl Command for GetThresholds {
    const KIND: &'static Kind = &Kind::reads("Get Sensor Thresholds", NETFN_SENSOR, 0x27);
    type Answer = Thresholds;

    fn build(&self) -> Vec<u8> {
        vec![self.0]
    }

    fn parse(data: &[u8]) -> Result<Self, Malformed> {
        Reader::new("Get Sensor Thresholds request", data).u8().map(Self)
    }

    fn build_answer(thresholds: &Thresholds) -> Vec<u8> {
        let all = thresholds.lower.iter().chain(&thresholds.upper);
        let mask =
            all.clone().enumerate().fold(0, |mask, (bit, value)| mask | u8::from(value.is_some()) << bit);
        let mut data = vec![mask];
        data.extend(all.map(|value| value.unwrap_or(0)));
        data
    }

    fn parse_answer(data: &[u8]) -> Result<Thresholds, Malformed> {
        let mut reader = Reader::new("Get Sensor Thresholds answer", data);
        let mask = reader.u8()?;
        let values: [u8; 6] = reader.array()?;
        let value = |bit: usize| (mask & 1 << bit != 0).then_some(values[bit]);
        Ok(Thresholds { lower: [value(0), value(1), value(2)], upper: [value(3), value(4), value(5)] })
    }
}

/// Get Sensor Reading Factors, of a sensor whose factors differ from reading to reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GetFactors {
    /// The sensor's number.
    pub number: u8,
    /// The raw byte that they are for.
    pub raw: u8,
}

impl Command for GetFactors {
    const KIND: &'static Kind = &Kind::reads("Get Sensor Reading Factors", NETFN_SENSOR, 0x23);
    type Answer = Factors;

    fn build(&self) -> Vec<u8> {
        vec![self.number, self.raw]
    }

    fn parse(data: &[u8]) -> Result<Self, Malformed> {
        let [number, raw] = Reader::new("Get Sensor Reading Factors request", data).array()?;
        Ok(Self { number, raw })
    }

    fn build_answer(factors: &Factors) -> Vec<u8> {
        // Before them: the next raw byte with other factors, which nobody asks for here.
        let mut data = vec![0xff];
        data.extend(factors.build());
        data
    }

    fn parse_answer(data: &[u8]) -> Result<Factors, Malformed> {
        let mut reader = Reader::new("Get Sensor Reading Factors answer", data);
        reader.u8()?;
        reader.array().map(Factors::parse)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::call::proof::check, *};

    #[test]
    fn commands_and_answers_come_back() {
        check(GetReading(9), Reading { raw: 1, is_scanned: true, is_unavailable: false, states: 0x0102 });
        check(GetThresholds(9), Thresholds { lower: [Some(1), None, Some(3)], upper: [None, Some(5), None] });
        let factors = Factors { m: -3, b: 500, b_exponent: -8, r_exponent: 7 };
        check(GetFactors { number: 9, raw: 1 }, factors);
    }

    #[test]
    fn thresholds_that_are_crossed_are_told_by_the_worst() {
        let check = |states, expected| assert_eq!(Crossed::of(states), expected, "{states:#b}");
        check(0, Crossed::Nothing);
        check(0xc0, Crossed::Nothing);
        check(0b001, Crossed::NonCritical);
        check(0b1000, Crossed::NonCritical);
        check(0b011, Crossed::Critical);
        check(0b111000, Crossed::NonRecoverable);
    }

    #[test]
    fn short_readings_are_taken() {
        let reading = GetReading::parse_answer(&[42, 0xc0]).unwrap();
        assert_eq!((reading.raw, reading.states, reading.is_there()), (42, 0, true));
        let reading = GetReading::parse_answer(&[0, 0x60, 0xc0]).unwrap();
        assert!(!reading.is_there(), "unavailable: {reading:?}");
        assert!(!GetReading::parse_answer(&[0, 0x80]).unwrap().is_there(), "not scanned");
    }
}
