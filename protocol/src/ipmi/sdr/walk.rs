//! Decisions: reads a whole repository, record by record and part by part, whatever the BMC makes of it.
//!
//! Many BMCs cannot send a whole record at once, and say so by several codes; then smaller parts are asked for, down to
//! [`PART_BYTES_MIN`]. A repository that changes meanwhile cancels the reservation; then the record is begun again with a new one.
//! A list that goes round in circles or has no end is cut off: every walk ends within [`STEPS_MAX`] steps.

use super::{
    FIRST, GetPart, LAST, Part,
    record::{HEADER_BYTES, Record, length},
};
use crate::ipmi::message::CompletionCode;

/// Records that are taken of one repository.
pub const RECORDS_MAX: usize = 2048;
/// Requests that one walk may make.
pub const STEPS_MAX: usize = 16_384;
/// How often a reservation may be lost for one record.
const LOST_MAX: u32 = 8;
/// What is asked for at first; more does not fit into the buffers of many BMCs.
const PART_BYTES: u8 = 0x1c;
/// The smallest part that is asked for.
pub const PART_BYTES_MIN: u8 = 4;

/// Why a walk ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WalkError {
    /// The BMC refuses.
    #[error("the BMC refuses to give record {id:#06x}: {:#04x}, {}", .code.0, .code.meaning())]
    Refused {
        /// The record.
        id: u16,
        /// Its answer.
        code: CompletionCode,
    },
    /// An answer that is none.
    #[error("record {id:#06x}: the BMC sends no bytes of it")]
    Nothing {
        /// The record.
        id: u16,
    },
    /// The list of records does not end.
    #[error("the list of sensor records does not end: {STEPS_MAX} requests were made")]
    Endless,
}

/// What is to be asked next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// A new reservation.
    Reserve,
    /// A part of a record.
    Part(GetPart),
}

/// The walk. Ask what [`Walk::ask`] says, and tell it the answer.
#[derive(Debug)]
pub struct Walk {
    reservation: Option<u16>,
    id: Option<u16>,
    next: u16,
    part: u8,
    bytes: Vec<u8>,
    lost: u32,
    steps: usize,
    records: Vec<Record>,
    unreadable: usize,
}

impl Default for Walk {
    fn default() -> Self {
        Self {
            reservation: None,
            id: Some(FIRST),
            next: LAST,
            part: PART_BYTES,
            bytes: vec![],
            lost: 0,
            steps: 0,
            records: vec![],
            unreadable: 0,
        }
    }
}

impl Walk {
    /// What to ask now; none: it is done.
    pub fn ask(&mut self) -> Result<Option<Ask>, WalkError> {
        let Some(id) = self.id else { return Ok(None) };
        self.steps += 1;
        if self.steps > STEPS_MAX {
            return Err(WalkError::Endless);
        }
        let Some(reservation) = self.reservation else { return Ok(Some(Ask::Reserve)) };
        let missing = self.wanted() - self.bytes.len();
        Ok(Some(Ask::Part(GetPart {
            reservation,
            id,
            offset: self.bytes.len() as u8,
            count: missing.min(usize::from(self.part)) as u8,
        })))
    }

    /// How long the record is, as far as that is known. An offset has one byte, so that what lies beyond is out of reach.
    fn wanted(&self) -> usize {
        match self.bytes.first_chunk::<HEADER_BYTES>() {
            None => HEADER_BYTES,
            Some(header) => length(header).min(0xff),
        }
    }

    /// The answer to [`Ask::Reserve`]. A BMC that knows no reservations is read with 0.
    pub fn reserved(&mut self, answer: Result<u16, CompletionCode>) {
        self.reservation = Some(answer.unwrap_or(0));
    }

    /// The answer to [`Ask::Part`].
    pub fn read(&mut self, answer: Result<Part, CompletionCode>) -> Result<(), WalkError> {
        let Some(id) = self.id else { return Ok(()) };
        match answer {
            Ok(part) => self.take(id, &part),
            Err(CompletionCode(super::super::sel::RESERVATION_LOST)) if self.lost < LOST_MAX => {
                self.lost += 1;
                self.reservation = None;
                self.bytes.clear();
                Ok(())
            }
            // Cannot return so many bytes; some say it as "unspecified", "wrong length" or "out of range".
            Err(CompletionCode(0xca | 0xff | 0xc7 | 0xc8 | 0xc9)) if self.part > PART_BYTES_MIN => {
                self.part = (self.part / 2).max(PART_BYTES_MIN);
                Ok(())
            }
            // An empty repository.
            Err(CompletionCode(super::super::sel::NOT_PRESENT)) if id == FIRST => {
                self.id = None;
                Ok(())
            }
            Err(code) => Err(WalkError::Refused { id, code }),
        }
    }

    fn take(&mut self, id: u16, part: &Part) -> Result<(), WalkError> {
        let missing = self.wanted() - self.bytes.len();
        let taken = &part.bytes[..part.bytes.len().min(missing)];
        if taken.is_empty() {
            return Err(WalkError::Nothing { id });
        }
        self.bytes.extend(taken);
        self.next = part.next;
        if self.bytes.len() >= HEADER_BYTES && self.bytes.len() >= self.wanted() {
            self.finish(id);
        }
        Ok(())
    }

    fn finish(&mut self, id: u16) {
        match Record::parse(&self.bytes) {
            Ok(record) => self.records.push(record),
            Err(_) => self.unreadable += 1,
        }
        self.bytes.clear();
        self.lost = 0;
        let goes_on = self.next != LAST && self.next != id && self.records.len() < RECORDS_MAX;
        self.id = goes_on.then_some(self.next);
    }

    /// The records, in the repository's order, and how many could not be read.
    pub fn finished(self) -> (Vec<Record>, usize) {
        (self.records, self.unreadable)
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::{super::record::Body, *};

    fn repository(lengths: &[u8]) -> Vec<Record> {
        let body = |length: &u8| Body::Other { kind: 0xc0, bytes: vec![*length; usize::from(*length)] };
        lengths
            .iter()
            .enumerate()
            .map(|(id, length)| Record { id: id as u16 + 1, body: body(length) })
            .collect()
    }

    /// A BMC with a buffer of so many bytes, that loses the reservation at every so many requests.
    fn answer(records: &[Record], buffer: u8, part: GetPart) -> Result<Part, CompletionCode> {
        let index = if part.id == FIRST { 0 } else { usize::from(part.id) - 1 };
        let record = records.get(index).ok_or(CompletionCode(0xcb))?.build();
        if part.count > buffer {
            return Err(CompletionCode(0xca));
        }
        let next = records.get(index + 1).map_or(LAST, |record| record.id);
        let from = usize::from(part.offset).min(record.len());
        let to = (from + usize::from(part.count)).min(record.len());
        Ok(Part { next, bytes: record[from..to].to_vec() })
    }

    proptest! {
        #[test]
        fn every_repository_is_read_whatever_fits_into_an_answer(
            lengths in vec(0..200_u8, 0..12), buffer in PART_BYTES_MIN..0x40, loses_every in 5..40_usize,
        ) {
            let records = repository(&lengths);
            let (mut walk, mut asked) = (Walk::default(), 0);
            while let Some(ask) = walk.ask().unwrap() {
                asked += 1;
                match ask {
                    Ask::Reserve => walk.reserved(Ok(7)),
                    // The longest record takes 54 requests by the smallest parts: it must be possible to get one through.
                    Ask::Part(_) if asked % (loses_every * 12) == 0 => walk.read(Err(CompletionCode(0xc5))).unwrap(),
                    Ask::Part(part) => walk.read(answer(&records, buffer, part)).unwrap(),
                }
            }
            prop_assert_eq!(walk.finished(), (records, 0));
        }

        #[test]
        fn every_walk_ends(answers in vec((any::<u8>(), any::<u16>(), vec(any::<u8>(), 0..40)), 1..20)) {
            let mut walk = Walk::default();
            let mut answers = answers.into_iter().cycle();
            for _ in 0..=STEPS_MAX {
                let Ok(Some(ask)) = walk.ask() else { return Ok(()) };
                let (code, next, bytes) = answers.next().unwrap();
                match ask {
                    Ask::Reserve => walk.reserved(Ok(next)),
                    Ask::Part(_) => {
                        let answer = if code < 0xc0 { Ok(Part { next, bytes }) } else { Err(CompletionCode(code)) };
                        if walk.read(answer).is_err() { return Ok(()); }
                    }
                }
            }
            prop_assert!(false, "it goes on for ever");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let mut walk = Walk::default();
        walk.reserved(Err(CompletionCode::INVALID_COMMAND));
        assert!(matches!(walk.ask(), Ok(Some(Ask::Part(GetPart { reservation: 0, .. })))));
        let refused = walk.read(Err(CompletionCode::PRIVILEGE)).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the BMC refuses to give record 0x0000: 0xd4, insufficient privilege"
        );
        let mut walk = Walk::default();
        assert_eq!(walk.read(Ok(Part { next: 1, bytes: vec![] })), Err(WalkError::Nothing { id: 0 }));
        let mut walk = Walk::default();
        walk.read(Err(CompletionCode(0xcb))).unwrap();
        assert_eq!(walk.ask(), Ok(None), "an empty repository");
    }
}
