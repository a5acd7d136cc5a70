//! Values: the records behind the areas: power supplies, their outputs, ways to manage the unit (FRU sections 16 to 18).

use super::{
    super::{Malformed, wire::Reader},
    checksum,
};

/// Records that are read of one inventory.
pub const RECORDS_MAX: usize = 64;
/// Bytes of a record's header (FRU section 16.1).
pub const HEADER_BYTES: usize = 5;
/// "This is the last record".
const LAST: u8 = 0x80;
/// The format's version.
const VERSION: u8 = 0x02;

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MultiRecord {
    /// Type 00h.
    PowerSupply(PowerSupply),
    /// Type 01h: what it gives.
    DcOutput(DcOutput),
    /// Type 03h.
    ManagementAccess {
        /// What the text is (FRU table 18-6): 1 a URL, 2 a name, 3 an address, 7 a unique id.
        kind: u8,
        /// The text.
        text: String,
    },
    /// What has no use here, by its type.
    Other {
        /// The type.
        kind: u8,
        /// Its bytes, at most 255.
        bytes: Vec<u8>,
    },
}

/// A power supply (FRU section 18.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PowerSupply {
    /// What it can give, in W; 12 bits.
    pub capacity_w: u16,
    /// Peak, in VA; 0xffff is unspecified.
    pub peak_va: u16,
    /// Low end of its input range, in units of 10 mV.
    pub input_low_10mv: u16,
    /// High end.
    pub input_high_10mv: u16,
    /// Whether it can be exchanged while on.
    pub is_hot_swap: bool,
}

/// What a power supply gives (FRU section 18.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DcOutput {
    /// Number of the output, 4 bits.
    pub number: u8,
    /// Whether it is there in standby.
    pub is_standby: bool,
    /// Nominal voltage, in units of 10 mV.
    pub nominal_10mv: i16,
    /// Smallest current, in mA.
    pub current_min_ma: u16,
    /// Largest current, in mA.
    pub current_max_ma: u16,
}

impl MultiRecord {
    fn parse(kind: u8, bytes: &[u8]) -> Result<Self, Malformed> {
        match kind {
            0x00 => PowerSupply::parse(bytes).map(MultiRecord::PowerSupply),
            0x01 => DcOutput::parse(bytes).map(MultiRecord::DcOutput),
            0x03 => {
                let (kind, text) =
                    bytes.split_first().ok_or(Malformed::new("FRU management access record", "is empty"))?;
                let text: String = text.iter().map(|byte| char::from(*byte)).collect();
                Ok(MultiRecord::ManagementAccess {
                    kind: *kind,
                    text: text.trim_end_matches('\0').to_owned(),
                })
            }
            kind => Ok(MultiRecord::Other { kind, bytes: bytes.to_vec() }),
        }
    }

    fn build(&self) -> (u8, Vec<u8>) {
        match self {
            MultiRecord::PowerSupply(supply) => (0x00, supply.build()),
            MultiRecord::DcOutput(output) => (0x01, output.build()),
            MultiRecord::ManagementAccess { kind, text } => {
                let letters = text.chars().take(0xfe).map(|letter| u8::try_from(letter).unwrap_or(b'?'));
                (0x03, [*kind].into_iter().chain(letters).collect())
            }
            MultiRecord::Other { kind, bytes } => (*kind, bytes[..bytes.len().min(0xff)].to_vec()),
        }
    }
}

impl PowerSupply {
    fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new("FRU power supply record", bytes);
        let (capacity, peak_va) = (reader.u16()?, reader.u16()?);
        let _inrush = reader.u16()?;
        let (input_low_10mv, input_high_10mv) = (reader.u16()?, reader.u16()?);
        // Second input range, frequencies, tolerated gap.
        reader.take(7)?;
        let flags = reader.u8()?;
        Ok(Self {
            capacity_w: capacity & 0x0fff,
            peak_va,
            input_low_10mv,
            input_high_10mv,
            is_hot_swap: flags & 0x08 != 0,
        })
    }

    fn build(&self) -> Vec<u8> {
        let mut bytes = vec![];
        for value in
            [self.capacity_w & 0x0fff, self.peak_va, 0xffff, self.input_low_10mv, self.input_high_10mv]
        {
            bytes.extend(value.to_le_bytes());
        }
        bytes.extend([0, 0, 0, 0, 47, 63, 20]);
        bytes.push(u8::from(self.is_hot_swap) << 3);
        // Peak with hold-up time, combined wattage, tachometer's limit.
        bytes.extend([0; 6]);
        bytes
    }
}

impl DcOutput {
    fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new("FRU DC output record", bytes);
        let head = reader.u8()?;
        let nominal = reader.array().map(i16::from_le_bytes)?;
        // Deviations and ripple.
        reader.take(6)?;
        Ok(Self {
            number: head & 0x0f,
            is_standby: head & 0x80 != 0,
            nominal_10mv: nominal,
            current_min_ma: reader.u16()?,
            current_max_ma: reader.u16()?,
        })
    }

    fn build(&self) -> Vec<u8> {
        let mut bytes = vec![self.number & 0x0f | u8::from(self.is_standby) << 7];
        bytes.extend(self.nominal_10mv.to_le_bytes());
        bytes.extend([0; 6]);
        bytes.extend(self.current_min_ma.to_le_bytes());
        bytes.extend(self.current_max_ma.to_le_bytes());
        bytes
    }
}

/// A record's header: its type, whether it is the last one, and its length; none: it is no header.
pub(super) fn header(bytes: &[u8]) -> Option<(u8, bool, usize)> {
    let header = bytes.first_chunk::<HEADER_BYTES>()?;
    (checksum(header) == 0).then_some((header[0], header[1] & LAST != 0, usize::from(header[2])))
}

/// All records, up to the first fault.
pub(super) fn parse_all(mut bytes: &[u8]) -> (Vec<MultiRecord>, Option<Malformed>) {
    let mut records = vec![];
    loop {
        let fault = |why| Some(Malformed::new("FRU multirecord", why));
        let Some((kind, is_last, length)) = header(bytes) else {
            return (records, fault("has a header with a wrong checksum"));
        };
        let Some(body) = bytes.get(HEADER_BYTES..HEADER_BYTES + length) else {
            return (records, fault("is too short"));
        };
        if checksum(body) != bytes[3] {
            return (records, fault("has a wrong checksum"));
        }
        match MultiRecord::parse(kind, body) {
            Ok(record) => records.push(record),
            Err(error) => return (records, Some(error)),
        }
        if is_last || records.len() >= RECORDS_MAX {
            return (records, None);
        }
        bytes = &bytes[HEADER_BYTES + length..];
    }
}

/// All records to bytes.
pub(super) fn build_all(records: &[MultiRecord]) -> Vec<u8> {
    let mut bytes = vec![];
    for (index, record) in records.iter().enumerate() {
        let (kind, body) = record.build();
        let last = if index + 1 == records.len() { LAST } else { 0 };
        let mut header = [kind, last | VERSION, body.len() as u8, checksum(&body), 0];
        header[4] = checksum(&header);
        bytes.extend(header);
        bytes.extend(body);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_every_kind_come_back() {
        let records = vec![
            MultiRecord::PowerSupply(PowerSupply {
                capacity_w: 750,
                peak_va: 900,
                input_low_10mv: 9000,
                input_high_10mv: 26400,
                is_hot_swap: true,
            }),
            MultiRecord::DcOutput(DcOutput {
                number: 1,
                is_standby: true,
                nominal_10mv: 1200,
                current_min_ma: 0,
                current_max_ma: 62000,
            }),
            MultiRecord::ManagementAccess { kind: 1, text: "https://bmc.example".into() },
            MultiRecord::Other { kind: 0xc0, bytes: vec![1, 2, 3] },
        ];
        let bytes = build_all(&records);
        assert_eq!(parse_all(&bytes), (records.clone(), None));
        let mut bent = bytes.clone();
        bent[HEADER_BYTES + 2] ^= 1;
        assert_eq!(
            parse_all(&bent),
            (vec![], Some(Malformed::new("FRU multirecord", "has a wrong checksum")))
        );
        let cut = &bytes[..bytes.len() - 1];
        assert_eq!(
            parse_all(cut),
            (records[..3].to_vec(), Some(Malformed::new("FRU multirecord", "is too short")))
        );
    }
}
