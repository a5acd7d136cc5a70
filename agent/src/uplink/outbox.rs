//! Decisions: the reports that nobody has acknowledged yet: their numbers, their order, and what to give up when there
//! are too many.

use std::collections::VecDeque;

use prost::Message;
use protocol::{
    discovery::Finding,
    grpc as wire,
    id::ServerId,
    report::{Report, ReportBody},
};

/// Most bytes of unacknowledged reports: days of power changes of a full rack with the coordinator away.
pub const OUTBOX_BYTES_MAX: usize = 16 << 20;
/// Of these, reports of sensors and event logs take at most one part in so many: they are told anew after an outage, power is not.
pub const HARDWARE_PART: usize = 4;

/// Unacknowledged reports, oldest first. Numbers rise; gaps are reports that were given up.
#[derive(Debug)]
pub struct Outbox {
    pending: VecDeque<Entry>,
    bytes: usize,
    /// Of them, of hardware.
    hardware_bytes: usize,
    next_seq: u64,
    bytes_max: usize,
}

#[derive(Debug)]
struct Entry {
    report: Report,
    bytes: usize,
}

/// What is given up for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Worth {
    /// It only says how far something has come; a later one tells as much. Given up first.
    Progress,
    /// It is told anew after an outage. Given up next, and the oldest of it for a newer one.
    Hardware,
    /// It is never given up.
    Kept,
}

/// There is no room for a report that must not be lost, and nothing left to give up for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{pending} reports wait for the coordinator and all {bytes_max} bytes for them are used; restore the connection to it"
)]
pub struct Full {
    /// How many wait.
    pub pending: usize,
    /// The bound.
    pub bytes_max: usize,
}

impl Outbox {
    /// An empty one that gives the next report this number.
    pub fn new(next_seq: u64, bytes_max: usize) -> Self {
        Self { pending: VecDeque::new(), bytes: 0, hardware_bytes: 0, next_seq: next_seq.max(1), bytes_max }
    }

    /// Puts back a report that was read from disk. Those out of order were written by something else and are refused.
    pub fn restore(&mut self, report: Report) -> bool {
        if report.seq < self.next_seq && self.pending.back().is_some_and(|last| last.report.seq >= report.seq)
        {
            return false;
        }
        self.next_seq = self.next_seq.max(report.seq.saturating_add(1));
        self.insert(report);
        true
    }

    /// Numbers and keeps a report. When there is no room, the oldest reports of mere progress are given up first, then those of
    /// hardware.
    pub fn push(&mut self, at_us: u64, server: ServerId, body: ReportBody) -> Result<&Report, Full> {
        let report = Report { seq: self.next_seq, at_us, server, body };
        let bytes = encoded_len(&report);
        let is_hardware = worth(&report.body) == Worth::Hardware;
        while is_hardware && self.hardware_bytes + bytes > self.bytes_max / HARDWARE_PART {
            self.give_up(Worth::Hardware)?;
        }
        while self.bytes + bytes > self.bytes_max {
            self.give_up(Worth::Progress).or_else(|_| self.give_up(Worth::Hardware))?;
        }
        self.next_seq += 1;
        self.insert(report);
        Ok(&self.pending.back().expect("a report was just put there").report)
    }

    /// Takes back the newest report, because it could not be stored.
    pub fn take_back(&mut self) {
        if let Some(entry) = self.pending.pop_back() {
            self.uncount(&entry);
            self.next_seq = entry.report.seq;
        }
    }

    /// Forgets every report up to this number.
    pub fn acknowledge(&mut self, seq: u64) {
        while self.pending.front().is_some_and(|entry| entry.report.seq <= seq) {
            if let Some(entry) = self.pending.pop_front() {
                self.uncount(&entry);
            }
        }
    }

    /// Gives the next report at least this number.
    pub fn skip_to(&mut self, seq: u64) {
        self.next_seq = self.next_seq.max(seq);
    }

    /// Gives all pending reports new numbers above this one.
    pub fn renumber_above(&mut self, seq: u64) {
        self.next_seq = seq.saturating_add(1);
        for entry in &mut self.pending {
            entry.report.seq = self.next_seq;
            self.next_seq += 1;
        }
    }

    /// The oldest pending report with at least this number, and how many pending ones are older.
    pub fn from_seq(&self, seq: u64) -> (usize, Option<&Report>) {
        let older = self.pending.partition_point(|entry| entry.report.seq < seq);
        (older, self.pending.get(older).map(|entry| &entry.report))
    }

    /// Number of the oldest pending report; 0 with none.
    pub fn oldest(&self) -> u64 {
        self.pending.front().map_or(0, |entry| entry.report.seq)
    }

    /// The number that the next report gets.
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// All pending reports, oldest first.
    pub fn pending(&self) -> impl Iterator<Item = &Report> {
        self.pending.iter().map(|entry| &entry.report)
    }

    /// How many are pending.
    pub fn len(&self) -> usize {
        self.pending.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// What they take on the wire, about.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn insert(&mut self, report: Report) {
        let bytes = encoded_len(&report);
        self.bytes += bytes;
        if worth(&report.body) == Worth::Hardware {
            self.hardware_bytes += bytes;
        }
        self.pending.push_back(Entry { report, bytes });
    }

    fn uncount(&mut self, entry: &Entry) {
        self.bytes -= entry.bytes;
        if worth(&entry.report.body) == Worth::Hardware {
            self.hardware_bytes -= entry.bytes;
        }
    }

    /// Gives up the oldest report of this worth.
    fn give_up(&mut self, of: Worth) -> Result<(), Full> {
        let oldest = self.pending.iter().position(|entry| worth(&entry.report.body) == of);
        let given_up = oldest.and_then(|position| self.pending.remove(position));
        let given_up = given_up.ok_or(Full { pending: self.pending.len(), bytes_max: self.bytes_max })?;
        self.uncount(&given_up);
        Ok(())
    }
}

fn worth(body: &ReportBody) -> Worth {
    match body {
        ReportBody::Boot(_) | ReportBody::StepProgress { .. } => Worth::Progress,
        ReportBody::BootRefused { planned: None, .. } => Worth::Progress,
        // They are read again in some hours.
        ReportBody::Facts { .. } => Worth::Progress,
        // A port on the wrong network is an alarm.
        ReportBody::BootRefused { planned: Some(_), .. } => Worth::Kept,
        ReportBody::Found { finding } => match finding {
            Finding::Progress { .. } => Worth::Progress,
            Finding::Bmc(_)
            | Finding::Machine { .. }
            | Finding::ScanEnded { .. }
            | Finding::WindowEnded { .. } => Worth::Kept,
        },
        ReportBody::Hardware { .. } => Worth::Hardware,
        ReportBody::Power { .. }
        | ReportBody::Identified { .. }
        | ReportBody::CertificateShown { .. }
        | ReportBody::RamdiskReady { .. }
        | ReportBody::RamdiskGone { .. }
        | ReportBody::Watch { .. }
        | ReportBody::Command(_) => Worth::Kept,
    }
}

fn encoded_len(report: &Report) -> usize {
    wire::Report::from(report.clone()).encoded_len()
}

#[cfg(test)]
mod tests {
    use protocol::{
        health::HardwareChange,
        id::CommandId,
        power::{PowerCause, PowerReading},
        step::StepProgress,
    };

    use super::*;

    fn power() -> ReportBody {
        ReportBody::Power { reading: PowerReading::Off, cause: PowerCause::Unasked }
    }

    fn progress() -> ReportBody {
        let progress = StepProgress { done_bytes: 1, total_bytes: 2 };
        ReportBody::StepProgress { command: CommandId(uuid::Uuid::nil()), progress }
    }

    #[test]
    fn progress_is_given_up_first_and_power_never() {
        let server = ServerId(uuid::Uuid::nil());
        let mut outbox = Outbox::new(1, 600);
        let mut refused = None;
        for number in 0..40u64 {
            let body = if number % 2 == 0 { progress() } else { power() };
            if let Err(full) = outbox.push(number, server, body) {
                refused = Some(full);
                break;
            }
        }
        assert!(refused.is_some(), "600 bytes cannot hold 20 power reports");
        assert!(outbox.pending().all(|report| worth(&report.body) == Worth::Kept));
        let numbers: Vec<_> = outbox.pending().map(|report| report.seq).collect();
        assert!(numbers.len() > 5 && numbers.iter().all(|seq| seq % 2 == 0), "{numbers:?}");
        outbox.acknowledge(numbers[1]);
        assert!(outbox.push(0, server, power()).is_ok());
    }

    #[test]
    fn sensors_take_a_part_of_the_room_and_yield_to_power() {
        let server = ServerId(uuid::Uuid::nil());
        let hardware = || ReportBody::Hardware { change: HardwareChange::Unread { reason: "x".repeat(30) } };
        let mut outbox = Outbox::new(1, 4000);
        for number in 0..200u64 {
            outbox.push(number, server, hardware()).unwrap();
        }
        assert!(outbox.bytes() <= 4000 / HARDWARE_PART, "{} bytes", outbox.bytes());
        let newest = outbox.pending().last().map(|report| report.at_us);
        assert_eq!(newest, Some(199), "the oldest are given up");
        let mut power_reports = 0;
        while outbox.push(0, server, power()).is_ok() {
            power_reports += 1;
        }
        assert!(outbox.pending().all(|report| worth(&report.body) == Worth::Kept), "power has all the room");
        assert_eq!(outbox.len(), power_reports);
        assert!(outbox.push(0, server, hardware()).is_err(), "and is not given up for a sensor");
        outbox.acknowledge(u64::MAX);
        assert_eq!((outbox.bytes(), outbox.hardware_bytes), (0, 0));
    }

    #[test]
    fn reports_are_found_by_number() {
        let server = ServerId(uuid::Uuid::nil());
        let mut outbox = Outbox::new(5, OUTBOX_BYTES_MAX);
        for _ in 0..3 {
            outbox.push(0, server, power()).unwrap();
        }
        let check = |outbox: &Outbox, from: u64, expected: (usize, Option<u64>)| {
            let (older, report) = outbox.from_seq(from);
            assert_eq!((older, report.map(|r| r.seq)), expected, "from {from}");
        };
        check(&outbox, 0, (0, Some(5)));
        check(&outbox, 6, (1, Some(6)));
        check(&outbox, 8, (3, None));
        outbox.renumber_above(100);
        check(&outbox, 0, (0, Some(101)));
        assert_eq!((outbox.oldest(), outbox.next_seq()), (101, 104));
    }
}
