//! Decisions: reads an inventory part by part, no more of it than it uses.
//!
//! Inventories are far larger than what is written in them. How many bytes are in use follows from those read so far: the header
//! leads to the areas, each area and record says how long it is. A BMC that cannot send so much at once is asked for less.

use super::{HEADER_BYTES, Places, ReadData, Size, UNIT, multi};
use crate::ipmi::message::CompletionCode;

/// Bytes that are read of one inventory.
pub const BYTES_MAX: usize = 8 << 10;
/// What is asked for at first.
const PART_BYTES: u8 = 0x20;
/// The smallest part that is asked for.
pub const PART_BYTES_MIN: u8 = 4;

/// What is told of an answer without bytes: "parameter out of range" (table 5-2).
const NOTHING: CompletionCode = CompletionCode(0xc9);

/// How many bytes are known to be in use, by those that are there. Read on while it is more than there are.
pub fn extent(bytes: &[u8]) -> usize {
    if bytes.len() < HEADER_BYTES {
        return HEADER_BYTES;
    }
    let Ok(places) = Places::parse(bytes) else { return HEADER_BYTES };
    let areas = [places.chassis, places.board, places.product].into_iter().flatten().map(|at| {
        match bytes.get(at + 1) {
            None => at + 2,
            Some(length) => at + usize::from(*length) * UNIT,
        }
    });
    let records = places.multi.map(|at| records_extent(bytes, at));
    areas.chain(records).fold(HEADER_BYTES, usize::max)
}

fn records_extent(bytes: &[u8], mut at: usize) -> usize {
    for _ in 0..multi::RECORDS_MAX {
        let Some(rest) = bytes.get(at..).filter(|rest| rest.len() >= multi::HEADER_BYTES) else {
            return at + multi::HEADER_BYTES;
        };
        match multi::header(rest) {
            None => return at + multi::HEADER_BYTES,
            Some((_, true, length)) => return at + multi::HEADER_BYTES + length,
            Some((_, false, length)) => at += multi::HEADER_BYTES + length,
        }
    }
    at
}

/// Reads one inventory. Ask what [`Reading::ask`] says, and tell it the answer.
#[derive(Debug)]
pub struct Reading {
    device: u8,
    size: usize,
    by_words: bool,
    part: u8,
    bytes: Vec<u8>,
}

impl Reading {
    /// Of the inventory with this number and size.
    pub fn new(device: u8, size: Size) -> Self {
        let (size, by_words) = (usize::from(size.bytes).min(BYTES_MAX), size.by_words);
        Self { device, size, by_words, part: PART_BYTES, bytes: vec![] }
    }

    /// What to ask now; none: it is done.
    pub fn ask(&self) -> Option<ReadData> {
        let missing = extent(&self.bytes).min(self.size).checked_sub(self.bytes.len())?;
        let count = missing.min(usize::from(self.part));
        let (offset, count) = match self.by_words {
            true => (self.bytes.len() / 2, count.div_ceil(2)),
            false => (self.bytes.len(), count),
        };
        (count > 0).then_some(ReadData { device: self.device, offset: offset as u16, count: count as u8 })
    }

    /// The answer; an error when it is none that leads further.
    pub fn read(&mut self, answer: Result<Vec<u8>, CompletionCode>) -> Result<(), CompletionCode> {
        match answer {
            Ok(bytes) => {
                let room = self.size - self.bytes.len();
                let taken = bytes.len().min(room);
                // Half a word would be asked for again and again.
                let taken = if self.by_words && taken < room { taken & !1 } else { taken };
                self.bytes.extend(&bytes[..taken]);
                if taken == 0 { Err(NOTHING) } else { Ok(()) }
            }
            // Cannot return so many bytes, in the words of several makers.
            Err(CompletionCode(0xca | 0xff | 0xc7 | 0xc8 | 0xc9)) if self.part > PART_BYTES_MIN => {
                self.part = (self.part / 2).max(PART_BYTES_MIN);
                Ok(())
            }
            Err(code) => Err(code),
        }
    }

    /// What was read.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Inventory, area::Board, area::Chassis, multi::MultiRecord},
        *,
    };

    fn inventory() -> Inventory {
        Inventory {
            chassis: Some(Chassis { kind: 0x17, part: "C-1".into(), serial: "S-1".into(), extra: vec![] }),
            board: Some(Board { manufacturer: "Maker".into(), ..Board::default() }),
            product: None,
            records: vec![MultiRecord::Other { kind: 0xc0, bytes: vec![7; 40] }; 3],
            faults: vec![],
        }
    }

    #[test]
    fn an_inventory_is_read_as_far_as_it_is_in_use_whatever_fits_into_an_answer() {
        let used = inventory().build();
        let mut whole = used.clone();
        whole.resize(4096, 0xff);
        for (buffer, by_words) in [(4, false), (16, false), (0xff, false), (16, true)] {
            let mut reading = Reading::new(0, Size { bytes: 4096, by_words });
            let mut asked = 0;
            while let Some(ReadData { offset, count, .. }) = reading.ask() {
                asked += 1;
                assert!(asked < 200, "it goes on");
                let unit = if by_words { 2 } else { 1 };
                let (from, count) = (usize::from(offset) * unit, usize::from(count) * unit);
                let answer = if count > buffer {
                    Err(CompletionCode(0xca))
                } else {
                    Ok(whole[from..from + count].to_vec())
                };
                reading.read(answer).unwrap();
            }
            assert!(
                reading.bytes().len() <= used.len(),
                "{buffer}: {} of {}",
                reading.bytes().len(),
                used.len()
            );
            assert_eq!(Inventory::parse(reading.bytes()), Ok(inventory()));
        }
    }

    #[test]
    fn an_empty_inventory_and_a_refusal_end_it() {
        let mut reading = Reading::new(0, Size { bytes: 2048, by_words: false });
        assert_eq!(reading.ask().unwrap().count, 8);
        reading.read(Ok(vec![0xff; 8])).unwrap();
        assert_eq!(reading.ask(), None, "nothing is written there");
        assert_eq!(Reading::new(0, Size { bytes: 0, by_words: false }).ask(), None);
        let mut reading = Reading::new(0, Size { bytes: 64, by_words: false });
        assert_eq!(reading.read(Err(CompletionCode(0xcb))), Err(CompletionCode(0xcb)));
        assert_eq!(reading.read(Ok(vec![])), Err(NOTHING), "it would be asked for ever");
    }
}
