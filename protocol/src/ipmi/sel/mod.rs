//! Values: the system event log and its commands (chapter 31).
//!
//! [`record`] has the records, [`follow`] reads on from where a log was read last.

pub mod follow;
pub mod record;

use super::{
    Malformed, Privilege,
    call::{Command, Kind, NETFN_STORAGE},
    wire::Reader,
};

/// The commands of this family.
pub(super) const KINDS: &[&Kind] =
    &[Info::KIND, Reserve::KIND, GetEntry::KIND, Clear::KIND, GetTime::KIND, SetTime::KIND];

/// Bytes of one record (section 32.1).
pub const RECORD_BYTES: usize = 16;
/// Id that asks for the first record.
pub const FIRST: u16 = 0x0000;
/// "There is no record behind this one".
pub const LAST: u16 = 0xffff;
/// Completion code: the reservation is no longer good, because the log has changed (table 5-2).
pub const RESERVATION_LOST: u8 = 0xc5;
/// Completion code: no such record, or the log is empty.
pub const NOT_PRESENT: u8 = 0xcb;

/// Get SEL Info.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info;

/// What there is to know of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogInfo {
    /// Records in it.
    pub entries: u16,
    /// Bytes that are free.
    pub free_bytes: u16,
    /// When one was last added, in seconds of the BMC's clock.
    pub last_added: u32,
    /// When it was last cleared or one was deleted.
    pub last_erased: u32,
    /// Whether records were lost for want of room.
    pub has_overflowed: bool,
    /// Whether "Reserve SEL" is needed before it is cleared.
    pub can_reserve: bool,
}

/// Version of the log's commands, nibbles as the specification has them.
const LOG_VERSION: u8 = 0x51;

impl Command for Info {
    const KIND: &'static Kind = &Kind::reads("Get SEL Info", NETFN_STORAGE, 0x40);
    type Answer = LogInfo;

    fn parse(_: &[u8]) -> Result<Self, Malformed> {
        Ok(Self)
    }

    fn build_answer(info: &LogInfo) -> Vec<u8> {
        let mut data = vec![LOG_VERSION];
        data.extend(info.entries.to_le_bytes());
        data.extend(info.free_bytes.to_le_bytes());
        data.extend(info.last_added.to_le_bytes());
        data.extend(info.last_erased.to_le_bytes());
        data.push(u8::from(info.has_overflowed) << 7 | u8::from(info.can_reserve) << 1);
        data
    }

    fn parse_answer(data: &[u8]) -> Result<LogInfo, Malformed> {
        let mut reader = Reader::new("Get SEL Info answer", data);
        reader.u8()?;
        let (entries, free_bytes) = (reader.u16()?, reader.u16()?);
        let (last_added, last_erased, support) = (reader.u32()?, reader.u32()?, reader.u8()?);
        Ok(LogInfo {
            entries,
            free_bytes,
            last_added,
            last_erased,
            has_overflowed: support & 0x80 != 0,
            can_reserve: support & 0x02 != 0,
        })
    }
}

/// Reserve SEL: what is cleared with this number was not changed by anybody else since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserve;

impl Command for Reserve {
    const KIND: &'static Kind = &Kind::reads("Reserve SEL", NETFN_STORAGE, 0x42);
    type Answer = u16;

    fn parse(_: &[u8]) -> Result<Self, Malformed> {
        Ok(Self)
    }

    fn build_answer(reservation: &u16) -> Vec<u8> {
        reservation.to_le_bytes().to_vec()
    }

    fn parse_answer(data: &[u8]) -> Result<u16, Malformed> {
        Reader::new("Reserve SEL answer", data).u16()
    }
}

/// Get SEL Entry, a whole record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GetEntry {
    /// From [`Reserve`]; 0 for a whole record, which needs none.
    pub reservation: u16,
    /// Which one; [`FIRST`] and [`LAST`] mean the ends of the log.
    pub id: u16,
}

/// A record as it was read, and which one is next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The next record's id, or [`LAST`].
    pub next: u16,
    /// The record.
    pub record: [u8; RECORD_BYTES],
}

impl Command for GetEntry {
    const KIND: &'static Kind = &Kind::reads("Get SEL Entry", NETFN_STORAGE, 0x43);
    type Answer = Entry;

    fn build(&self) -> Vec<u8> {
        let mut data = self.reservation.to_le_bytes().to_vec();
        data.extend(self.id.to_le_bytes());
        // From the record's first byte, all of it.
        data.extend([0, 0xff]);
        data
    }

    fn parse(data: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new("Get SEL Entry request", data);
        Ok(Self { reservation: reader.u16()?, id: reader.u16()? })
    }

    fn build_answer(entry: &Entry) -> Vec<u8> {
        let mut data = entry.next.to_le_bytes().to_vec();
        data.extend(entry.record);
        data
    }

    fn parse_answer(data: &[u8]) -> Result<Entry, Malformed> {
        let mut reader = Reader::new("Get SEL Entry answer", data);
        Ok(Entry { next: reader.u16()?, record: reader.array()? })
    }
}

/// Clear SEL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clear {
    /// From [`Reserve`].
    pub reservation: u16,
    /// Begin; otherwise ask how far it is.
    pub begin: bool,
}

impl Command for Clear {
    const KIND: &'static Kind =
        &Kind::reads("Clear SEL", NETFN_STORAGE, 0x47).needs(Privilege::Operator).only_once();
    /// Whether it is done.
    type Answer = bool;

    fn build(&self) -> Vec<u8> {
        let mut data = self.reservation.to_le_bytes().to_vec();
        data.extend(*b"CLR");
        data.push(if self.begin { 0xaa } else { 0x00 });
        data
    }

    fn parse(data: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new("Clear SEL request", data);
        let (reservation, word, action) = (reader.u16()?, reader.array::<3>()?, reader.u8()?);
        match (&word, action) {
            (b"CLR", 0xaa) => Ok(Self { reservation, begin: true }),
            (b"CLR", 0x00) => Ok(Self { reservation, begin: false }),
            _ => Err(Malformed::new("Clear SEL request", "is not the word for it")),
        }
    }

    fn build_answer(is_done: &bool) -> Vec<u8> {
        vec![u8::from(*is_done)]
    }

    fn parse_answer(data: &[u8]) -> Result<bool, Malformed> {
        Ok(Reader::new("Clear SEL answer", data).u8()? & 0x0f == 1)
    }
}

/// Get SEL Time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GetTime;

impl Command for GetTime {
    const KIND: &'static Kind = &Kind::reads("Get SEL Time", NETFN_STORAGE, 0x48);
    /// Seconds since 1970, or since the BMC started: see [`Time`].
    type Answer = Time;

    fn parse(_: &[u8]) -> Result<Self, Malformed> {
        Ok(Self)
    }

    fn build_answer(time: &Time) -> Vec<u8> {
        time.0.to_le_bytes().to_vec()
    }

    fn parse_answer(data: &[u8]) -> Result<Time, Malformed> {
        Reader::new("Get SEL Time answer", data).u32().map(Time)
    }
}

/// Set SEL Time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetTime(pub Time);

impl Command for SetTime {
    const KIND: &'static Kind = &Kind::reads("Set SEL Time", NETFN_STORAGE, 0x49).needs(Privilege::Operator);
    type Answer = ();

    fn build(&self) -> Vec<u8> {
        self.0.0.to_le_bytes().to_vec()
    }

    fn parse(data: &[u8]) -> Result<Self, Malformed> {
        Reader::new("Set SEL Time request", data).u32().map(|seconds| Self(Time(seconds)))
    }

    fn build_answer((): &()) -> Vec<u8> {
        vec![]
    }

    fn parse_answer(_: &[u8]) -> Result<(), Malformed> {
        Ok(())
    }
}

/// A time of the BMC's clock (chapter 37).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub u32);

/// What a [`Time`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Seconds since 1970, in UTC or the BMC's own zone: it does not say which.
    Unix(u32),
    /// Seconds since the BMC started: nobody had told it the time.
    SinceStart(u32),
    /// It does not know.
    Unknown,
}

impl Time {
    /// What it says.
    pub fn when(self) -> When {
        match self.0 {
            u32::MAX => When::Unknown,
            seconds @ ..=0x2000_0000 => When::SinceStart(seconds),
            seconds => When::Unix(seconds),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::call::proof::check, *};

    #[test]
    fn commands_and_answers_come_back() {
        let info = LogInfo {
            entries: 3,
            free_bytes: 9,
            last_added: 5,
            last_erased: 1,
            has_overflowed: true,
            can_reserve: true,
        };
        check(Info, info);
        check(Reserve, 0x1234);
        check(GetEntry { reservation: 1, id: 2 }, Entry { next: 3, record: [4; 16] });
        check(Clear { reservation: 1, begin: true }, false);
        check(GetTime, Time(77));
        check(SetTime(Time(77)), ());
    }
}
