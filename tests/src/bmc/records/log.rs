//! Decisions: the event log of a virtual BMC.

use protocol::ipmi::{
    call::Call,
    message::CompletionCode,
    sel::{
        self, Clear, Entry, GetEntry, GetTime, Info, LogInfo, Reserve, SetTime, Time,
        record::{Body, Event, Record},
    },
};

/// Records that it has room for.
const ROOM: usize = 512;
/// 2026-01-01 00:00:00 UTC.
const NEW_YEAR: u32 = 1_767_225_600;

/// The log. Its clock stands still until it is set.
#[derive(Debug)]
pub struct Log {
    records: Vec<Record>,
    next_id: u16,
    reservation: u16,
    time: u32,
    erased: u32,
}

impl Default for Log {
    fn default() -> Self {
        Self { records: vec![], next_id: 1, reservation: 0, time: NEW_YEAR, erased: NEW_YEAR - 60 }
    }
}

impl Log {
    pub(super) fn example() -> Self {
        let mut log = Self::default();
        let event = |sensor_type, sensor, event_type, asserted, data| Event {
            generator: 0x20,
            format: 4,
            sensor_type,
            sensor,
            asserted,
            event_type,
            data,
        };
        log.add_event(event(0x10, 0x71, 0x6f, true, [0x02, 0xff, 0xff]));
        log.time += 60;
        log.add_event(event(0x01, 0x30, 0x01, true, [0x59, 0x60, 0x5f]));
        log.time += 60;
        log.add_event(event(0x08, 0x51, 0x6f, true, [0x03, 0xff, 0xff]));
        log.time += 60;
        log.add_event(event(0x08, 0x51, 0x6f, false, [0x03, 0xff, 0xff]));
        log.add(Body::Oem { kind: 0xc1, time: Time(log.time), manufacturer: 674, data: [1, 2, 3, 4, 5, 6] });
        log
    }

    /// Adds a sensor's event, at the clock's time.
    pub fn add_event(&mut self, event: Event) {
        self.add(Body::Event { time: Time(self.time), event });
    }

    fn add(&mut self, body: Body) {
        self.records.push(Record { id: self.next_id, body });
        self.next_id += 1;
        // What was reserved before has changed.
        self.reservation += 1;
    }

    /// Its records, oldest first.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Its clock, in seconds since 1970.
    pub fn time(&self) -> u32 {
        self.time
    }

    pub(super) fn answer(&mut self, call: &Call) -> Option<Result<Vec<u8>, CompletionCode>> {
        call.serve(|_: Info| Ok(self.info()))
            .or_else(|| call.serve(|_: Reserve| Ok(self.reserve())))
            .or_else(|| call.serve(|get: GetEntry| self.entry(get.id)))
            .or_else(|| call.serve(|clear: Clear| self.clear(clear)))
            .or_else(|| call.serve(|_: GetTime| Ok(Time(self.time))))
            .or_else(|| {
                call.serve(|SetTime(time)| {
                    self.time = time.0;
                    Ok(())
                })
            })
    }

    fn info(&self) -> LogInfo {
        LogInfo {
            entries: self.records.len() as u16,
            free_bytes: ((ROOM - self.records.len()) * sel::RECORD_BYTES) as u16,
            last_added: self.time,
            last_erased: self.erased,
            has_overflowed: false,
            can_reserve: true,
        }
    }

    fn reserve(&mut self) -> u16 {
        self.reservation += 1;
        self.reservation
    }

    fn entry(&self, id: u16) -> Result<Entry, CompletionCode> {
        let index = match id {
            sel::FIRST => Some(0),
            sel::LAST => self.records.len().checked_sub(1),
            id => self.records.iter().position(|record| record.id == id),
        };
        let (index, record) = index
            .and_then(|index| Some((index, self.records.get(index)?)))
            .ok_or(CompletionCode(sel::NOT_PRESENT))?;
        let next = self.records.get(index + 1).map_or(sel::LAST, |record| record.id);
        Ok(Entry { next, record: record.build() })
    }

    fn clear(&mut self, clear: Clear) -> Result<bool, CompletionCode> {
        if clear.reservation != self.reservation {
            return Err(CompletionCode(sel::RESERVATION_LOST));
        }
        if clear.begin {
            self.records.clear();
            self.erased = self.time;
            // It takes a moment: done when it is asked for.
            return Ok(false);
        }
        Ok(true)
    }
}
