//! Values: the repository of sensor data records, and its commands (chapter 33).
//!
//! [`record`] has the records, [`walk`] reads a whole repository, [`formula`] turns a reading into a number.

pub mod formula;
pub mod record;
pub mod unit;
pub mod walk;

use super::{
    Malformed,
    call::{Command, Kind, NETFN_STORAGE},
    wire::Reader,
};

/// The commands of this family.
pub(super) const KINDS: &[&Kind] = &[Info::KIND, Reserve::KIND, GetPart::KIND];

/// Id that asks for the first record.
pub const FIRST: u16 = 0x0000;
/// "There is no record behind this one".
pub const LAST: u16 = 0xffff;

/// Get SDR Repository Info.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info;

/// What there is to know of the repository.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RepositoryInfo {
    /// Records in it.
    pub records: u16,
    /// Bytes that are free; some values mean "unspecified".
    pub free_bytes: u16,
    /// When a record was last added, in seconds of the BMC's clock.
    pub last_added: u32,
    /// When one was last erased.
    pub last_erased: u32,
    /// What it can do (table 33-3), as on the wire.
    pub support: u8,
}

/// Version of the repository's commands, nibbles as the specification has them.
const REPOSITORY_VERSION: u8 = 0x51;

impl Command for Info {
    const KIND: &'static Kind = &Kind::reads("Get SDR Repository Info", NETFN_STORAGE, 0x20);
    type Answer = RepositoryInfo;

    fn parse(_: &[u8]) -> Result<Self, Malformed> {
        Ok(Self)
    }

    fn build_answer(info: &RepositoryInfo) -> Vec<u8> {
        let mut data = vec![REPOSITORY_VERSION];
        data.extend(info.records.to_le_bytes());
        data.extend(info.free_bytes.to_le_bytes());
        data.extend(info.last_added.to_le_bytes());
        data.extend(info.last_erased.to_le_bytes());
        data.push(info.support);
        data
    }

    fn parse_answer(data: &[u8]) -> Result<RepositoryInfo, Malformed> {
        let mut reader = Reader::new("Get SDR Repository Info answer", data);
        reader.u8()?;
        Ok(RepositoryInfo {
            records: reader.u16()?,
            free_bytes: reader.u16()?,
            last_added: reader.u32()?,
            last_erased: reader.u32()?,
            support: reader.u8()?,
        })
    }
}

/// Reserve SDR Repository: parts read with this number are of one record, unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserve;

impl Command for Reserve {
    const KIND: &'static Kind = &Kind::reads("Reserve SDR Repository", NETFN_STORAGE, 0x22);
    type Answer = u16;

    fn parse(_: &[u8]) -> Result<Self, Malformed> {
        Ok(Self)
    }

    fn build_answer(reservation: &u16) -> Vec<u8> {
        reservation.to_le_bytes().to_vec()
    }

    fn parse_answer(data: &[u8]) -> Result<u16, Malformed> {
        Reader::new("Reserve SDR Repository answer", data).u16()
    }
}

/// Get SDR, a part of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GetPart {
    /// From [`Reserve`].
    pub reservation: u16,
    /// Which record; [`FIRST`] and [`LAST`] mean the ends of the repository.
    pub id: u16,
    /// From which byte of the record.
    pub offset: u8,
    /// How many bytes; 0xff is the whole record.
    pub count: u8,
}

/// A part of a record as it was read, and which record is next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The next record's id, or [`LAST`].
    pub next: u16,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Command for GetPart {
    const KIND: &'static Kind = &Kind::reads("Get SDR", NETFN_STORAGE, 0x23);
    type Answer = Part;

    fn build(&self) -> Vec<u8> {
        let mut data = self.reservation.to_le_bytes().to_vec();
        data.extend(self.id.to_le_bytes());
        data.extend([self.offset, self.count]);
        data
    }

    fn parse(data: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new("Get SDR request", data);
        Ok(Self { reservation: reader.u16()?, id: reader.u16()?, offset: reader.u8()?, count: reader.u8()? })
    }

    fn build_answer(part: &Part) -> Vec<u8> {
        let mut data = part.next.to_le_bytes().to_vec();
        data.extend(&part.bytes);
        data
    }

    fn parse_answer(data: &[u8]) -> Result<Part, Malformed> {
        let mut reader = Reader::new("Get SDR answer", data);
        Ok(Part { next: reader.u16()?, bytes: reader.rest().to_vec() })
    }
}

#[cfg(test)]
mod tests;
