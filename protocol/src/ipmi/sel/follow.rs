//! Decisions: reads an event log on from where it was read last, whatever happens to it in between.
//!
//! The record that was read last is the place: it is read again, and what stands behind it is new. If it is gone or is another
//! one by now, the log was cleared or has written over it, and is read from its beginning. A log that changes meanwhile cancels
//! the reservation (section 31.4); then the place is proved anew. A turn ends within [`STEPS_MAX`] steps.

use super::{
    Entry, FIRST, GetEntry, LAST, LogInfo, NOT_PRESENT, RECORD_BYTES, RESERVATION_LOST, record::Record,
};
use crate::{health::LogCourse, ipmi::message::CompletionCode};

/// Records that one turn reads; the next one goes on.
pub const RECORDS_PER_TURN_MAX: usize = 512;
/// How often a reservation may be lost in one turn; what comes then is read in the next one.
const LOST_MAX: u32 = 8;
/// Requests that one turn may make.
pub const STEPS_MAX: usize = RECORDS_PER_TURN_MAX + 4 * (LOST_MAX as usize + 1);

/// Where a log was read last.
#[derive(Clone, Debug, Default)]
pub struct Place {
    last: Option<(u16, [u8; RECORD_BYTES])>,
    entries: u16,
    erased: u32,
    /// Its end was reached once.
    is_known: bool,
}

/// What is to be asked next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// How the log stands.
    Info,
    /// A reservation.
    Reserve,
    /// A record.
    Entry(GetEntry),
}

/// One turn. Ask what [`Turn::ask`] says, and tell it the answer.
#[derive(Debug)]
pub struct Turn {
    place: Place,
    ask: Option<Ask>,
    reservation: u16,
    /// The record of the place is being read, and not one behind it.
    is_proving: bool,
    info: LogInfo,
    course: LogCourse,
    records: Vec<Record>,
    lost: u32,
    has_more: bool,
}

/// What a turn has read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// New records, oldest first.
    pub records: Vec<Record>,
    /// How they follow those before.
    pub course: LogCourse,
    /// How the log stands.
    pub info: LogInfo,
    /// Whether there is more to read at once.
    pub has_more: bool,
}

impl Place {
    /// Begins a turn.
    pub fn turn(&self) -> Turn {
        Turn {
            place: self.clone(),
            ask: Some(Ask::Info),
            reservation: 0,
            is_proving: false,
            info: LogInfo::default(),
            course: if self.is_known { LogCourse::Follows } else { LogCourse::First },
            records: vec![],
            lost: 0,
            has_more: false,
        }
    }
}

impl Turn {
    /// What to ask; none: the turn is over.
    pub fn ask(&self) -> Option<Ask> {
        self.ask
    }

    /// How the log stands.
    pub fn informed(&mut self, info: LogInfo) {
        self.info = info;
        if info.entries == 0 {
            // Some say that it is empty by this alone, and refuse the rest.
            if self.place.last.take().is_some() {
                self.gone();
            }
            return self.end();
        }
        self.reservation = 0;
        self.ask = Some(if info.can_reserve { Ask::Reserve } else { self.ask_at_the_place() });
    }

    /// A reservation; who gives none is asked without.
    pub fn reserved(&mut self, answer: Result<u16, CompletionCode>) {
        self.reservation = answer.unwrap_or(0);
        self.ask = Some(self.ask_at_the_place());
    }

    /// A record. An error: the BMC refuses, and the turn is over.
    pub fn read(&mut self, answer: Result<Entry, CompletionCode>) -> Result<(), CompletionCode> {
        match answer {
            Ok(entry) if self.is_proving => self.proved(entry),
            Ok(entry) => self.took(entry),
            Err(CompletionCode(RESERVATION_LOST)) => self.changed_meanwhile(),
            Err(CompletionCode(NOT_PRESENT)) if self.is_proving => self.read_anew(),
            Err(CompletionCode(NOT_PRESENT)) => self.end(),
            Err(code) => return Err(code),
        }
        Ok(())
    }

    /// What was read, and where the next turn begins.
    pub fn finished(self) -> (Read, Place) {
        let Turn { mut place, info, course, records, has_more, .. } = self;
        (place.entries, place.erased) = (info.entries, info.last_erased);
        place.is_known |= !has_more;
        (Read { records, course, info, has_more }, place)
    }

    fn ask_at_the_place(&mut self) -> Ask {
        self.is_proving = self.place.last.is_some();
        self.entry(self.place.last.map_or(FIRST, |(id, _)| id))
    }

    fn entry(&self, id: u16) -> Ask {
        Ask::Entry(GetEntry { reservation: self.reservation, id })
    }

    fn proved(&mut self, entry: Entry) {
        match self.place.last {
            Some((id, record)) if record == entry.record => self.go_on(id, entry.next),
            Some(_) | None => self.read_anew(),
        }
    }

    fn took(&mut self, entry: Entry) {
        let record = Record::parse(&entry.record);
        self.place.last = Some((record.id, entry.record));
        self.records.push(record);
        self.go_on(record.id, entry.next);
    }

    fn go_on(&mut self, id: u16, next: u16) {
        self.is_proving = false;
        if next == LAST || next == id || next == FIRST {
            self.end();
        } else if self.records.len() >= RECORDS_PER_TURN_MAX {
            self.has_more = true;
            self.end();
        } else {
            self.ask = Some(self.entry(next));
        }
    }

    fn read_anew(&mut self) {
        self.gone();
        self.place.last = None;
        self.is_proving = false;
        self.ask = Some(self.entry(FIRST));
    }

    /// What stood at the place is gone.
    fn gone(&mut self) {
        let was_cleared =
            self.info.last_erased != self.place.erased || self.info.entries < self.place.entries;
        match self.course {
            LogCourse::Follows | LogCourse::Overwritten if was_cleared => self.course = LogCourse::Cleared,
            LogCourse::Follows => self.course = LogCourse::Overwritten,
            LogCourse::First | LogCourse::Cleared | LogCourse::Overwritten => {}
        }
    }

    fn changed_meanwhile(&mut self) {
        self.lost += 1;
        if self.lost > LOST_MAX {
            self.has_more = true;
            self.end();
        } else {
            self.ask = Some(Ask::Info);
        }
    }

    fn end(&mut self) {
        self.ask = None;
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    /// A log with room for so many; a full one writes over its oldest.
    struct Log {
        records: Vec<[u8; RECORD_BYTES]>,
        room: usize,
        next: u32,
        reservation: u16,
        erased: u32,
        /// Whether it says when it was cleared.
        tells_erasure: bool,
        /// The number of the first record since it was cleared: ids begin anew there.
        first: u32,
        lost: usize,
    }

    fn record(id: u16, number: u32) -> [u8; RECORD_BYTES] {
        let mut bytes = [0; RECORD_BYTES];
        bytes[..2].copy_from_slice(&id.to_le_bytes());
        bytes[2] = 0xe0;
        bytes[3..7].copy_from_slice(&number.to_le_bytes());
        bytes
    }

    fn number(bytes: &[u8; RECORD_BYTES]) -> u32 {
        u32::from_le_bytes(bytes[3..7].try_into().unwrap())
    }

    impl Log {
        fn new(room: usize) -> Self {
            Self {
                records: vec![],
                room,
                next: 1,
                reservation: 1,
                erased: 0,
                tells_erasure: true,
                first: 1,
                lost: 0,
            }
        }

        fn add(&mut self) {
            // Ids are used again, as they are where a log goes round.
            let id = ((self.next - self.first) % 1000) as u16 + 1;
            self.records.push(record(id, self.next));
            self.next += 1;
            self.reservation += 1;
            if self.records.len() > self.room {
                self.records.remove(0);
                self.lost += 1;
            }
        }

        fn clear(&mut self) {
            self.records.clear();
            self.erased += 1;
            self.first = self.next;
            self.reservation += 1;
        }

        fn entry(&self, get: GetEntry) -> Result<Entry, CompletionCode> {
            if get.reservation != self.reservation {
                return Err(CompletionCode(RESERVATION_LOST));
            }
            let id = |bytes: &[u8; RECORD_BYTES]| u16::from_le_bytes([bytes[0], bytes[1]]);
            let found = match get.id {
                FIRST => Some(0),
                wanted => self.records.iter().position(|bytes| id(bytes) == wanted),
            };
            let found = found.filter(|at| *at < self.records.len()).ok_or(CompletionCode(NOT_PRESENT))?;
            let next = self.records.get(found + 1).map_or(LAST, id);
            Ok(Entry { next, record: self.records[found] })
        }
    }

    /// One turn; `meanwhile` happens before each request.
    fn turn(log: &mut Log, place: &mut Place, mut meanwhile: impl FnMut(&mut Log, usize)) -> Read {
        let mut turn = place.turn();
        for step in 0..=STEPS_MAX {
            let Some(ask) = turn.ask() else {
                let (read, next) = turn.finished();
                *place = next;
                return read;
            };
            assert!(step < STEPS_MAX, "it goes on for ever");
            meanwhile(log, step);
            match ask {
                Ask::Info => turn.informed(LogInfo {
                    entries: log.records.len() as u16,
                    last_erased: if log.tells_erasure { log.erased } else { 0 },
                    can_reserve: true,
                    ..LogInfo::default()
                }),
                Ask::Reserve => turn.reserved(Ok(log.reservation)),
                Ask::Entry(get) => turn.read(log.entry(get)).unwrap(),
            }
        }
        unreachable!()
    }

    fn numbers(read: &Read) -> Vec<u32> {
        read.records.iter().map(|record| number(&record.build())).collect()
    }

    #[test]
    fn what_became_of_a_log_is_told() {
        let (mut log, mut place) = (Log::new(3), Place::default());
        let mut check = |log: &mut Log, course, expected: &[u32]| {
            let read = turn(log, &mut place, |_, _| {});
            assert_eq!((read.course, numbers(&read)), (course, expected.to_vec()));
        };
        check(&mut log, LogCourse::First, &[]);
        log.add();
        log.add();
        check(&mut log, LogCourse::Follows, &[1, 2]);
        check(&mut log, LogCourse::Follows, &[]);
        log.add();
        check(&mut log, LogCourse::Follows, &[3]);
        log.clear();
        check(&mut log, LogCourse::Cleared, &[]);
        log.add();
        check(&mut log, LogCourse::Follows, &[4]);
        log.clear();
        log.add();
        log.add();
        check(&mut log, LogCourse::Cleared, &[5, 6]);
        (0..4).for_each(|_| log.add());
        check(&mut log, LogCourse::Overwritten, &[8, 9, 10]);
    }

    #[test]
    fn a_log_that_was_cleared_in_silence_is_known_by_its_last_record() {
        let (mut log, mut place) = (Log { tells_erasure: false, ..Log::new(9) }, Place::default());
        turn(&mut log, &mut place, |_, _| {});
        log.add();
        assert_eq!(numbers(&turn(&mut log, &mut place, |_, _| {})), [1]);
        // As many records, of the same ids.
        log.clear();
        log.add();
        let read = turn(&mut log, &mut place, |_, _| {});
        assert_eq!(
            (read.course, numbers(&read)),
            (LogCourse::Overwritten, vec![2]),
            "which of the two, nobody says"
        );
    }

    #[test]
    fn a_long_log_is_read_in_turns_and_one_that_never_rests_ends_a_turn() {
        let (mut log, mut place) = (Log::new(5000), Place::default());
        (0..700).for_each(|_| log.add());
        let first = turn(&mut log, &mut place, |_, _| {});
        assert_eq!(
            (first.course, first.records.len(), first.has_more),
            (LogCourse::First, RECORDS_PER_TURN_MAX, true)
        );
        let rest = turn(&mut log, &mut place, |_, _| {});
        assert_eq!(
            (rest.course, rest.records.len(), rest.has_more),
            (LogCourse::First, 700 - RECORDS_PER_TURN_MAX, false)
        );
        // An entry before each request: no reservation holds.
        let restless = turn(&mut log, &mut place, |log, _| log.add());
        assert!(restless.has_more && restless.records.is_empty());
    }

    #[test]
    fn a_bmc_that_refuses_ends_the_turn() {
        let mut turn = Place::default().turn();
        turn.informed(LogInfo { entries: 1, ..LogInfo::default() });
        assert_eq!(
            turn.ask(),
            Some(Ask::Entry(GetEntry { reservation: 0, id: FIRST })),
            "it reserves nothing"
        );
        assert_eq!(turn.read(Err(CompletionCode::PRIVILEGE)), Err(CompletionCode::PRIVILEGE));
    }

    proptest! {
        /// 0 to 5: so many entries; 6: cleared; 7 and more: a turn, with an entry or a clear in its middle.
        #[test]
        fn nothing_is_lost_that_is_in_the_log_and_nothing_is_read_twice(
            room in 1..40_usize, steps in vec(0..12_u8, 0..60),
        ) {
            let (mut log, mut place) = (Log::new(room), Place::default());
            let (mut read, mut was_cleared) = (Vec::new(), false);
            for step in steps {
                match step {
                    0..=5 => (0..step).for_each(|_| log.add()),
                    6 => { log.clear(); was_cleared = true; }
                    _ => {
                        let at = usize::from(step);
                        let turn = turn(&mut log, &mut place, |log, now| match now {
                            now if now != at => {}
                            _ if step == 11 => log.clear(),
                            _ => log.add(),
                        });
                        was_cleared |= step == 11;
                        read.extend(numbers(&turn));
                    }
                }
            }
            loop {
                let turn = turn(&mut log, &mut place, |_, _| {});
                read.extend(numbers(&turn));
                if !turn.has_more { break; }
            }
            let mut sorted = read.clone();
            sorted.sort_unstable();
            sorted.dedup();
            let left: Vec<u32> = log.records.iter().map(number).collect();
            prop_assert!(left.iter().all(|number| sorted.contains(number)), "{left:?} is in the log, {sorted:?} was read");
            if !was_cleared && log.lost == 0 {
                prop_assert_eq!(&read, &sorted, "in order, each once");
                prop_assert_eq!(read, left);
            }
        }
    }
}
