//! Edges: the outbox on disk. A report is on the disk before it can be sent, and its number is never given again.

use std::path::Path;

use prost::Message;
use protocol::{
    grpc as wire,
    id::ServerId,
    report::{Report, ReportBody},
};

use super::outbox::{Full, OUTBOX_BYTES_MAX, Outbox};
use crate::journal::{Journal, JournalError};

/// The file is written anew when it is this much longer than twice what is pending.
const SLACK_BYTES: u64 = 1 << 20;

const KIND_NEXT_SEQ: u8 = 0;
const KIND_REPORT: u8 = 1;

/// Unacknowledged reports, in memory and on disk.
#[derive(Debug)]
pub struct Spool {
    outbox: Outbox,
    journal: Journal,
}

/// Why a report was not taken, or the spool cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The file failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// No room.
    #[error(transparent)]
    Full(#[from] Full),
}

impl Spool {
    /// Opens or creates the spool file.
    pub fn open(path: &Path) -> Result<Self, SpoolError> {
        let (journal, records) = Journal::open(path)?;
        let mut outbox = Outbox::new(1, OUTBOX_BYTES_MAX);
        for record in records {
            match decode(&record) {
                Some(Record::NextSeq(seq)) => outbox.skip_to(seq),
                Some(Record::Report(report)) if outbox.restore(report.clone()) => {}
                Some(Record::Report(report)) => {
                    tracing::warn!(seq = report.seq, "a spooled report is out of order, leaving it out");
                }
                None => tracing::warn!("a spooled report cannot be read, leaving it out"),
            }
        }
        Ok(Self { outbox, journal })
    }

    /// Numbers a report and puts it on the disk.
    pub fn append(&mut self, at_us: u64, server: ServerId, body: ReportBody) -> Result<u64, SpoolError> {
        self.compact_if_long()?;
        let report = self.outbox.push(at_us, server, body)?;
        let seq = report.seq;
        if let Err(error) = self.journal.append(&encode_report(report)) {
            self.outbox.take_back();
            return Err(error.into());
        }
        Ok(seq)
    }

    /// Forgets every report up to this number. The disk follows later: a report that is replayed after a crash is
    /// recognised by its number.
    pub fn acknowledge(&mut self, seq: u64) -> Result<(), SpoolError> {
        self.outbox.acknowledge(seq);
        self.compact_if_long()
    }

    /// Gives the pending reports numbers above this one, on disk too.
    pub fn renumber_above(&mut self, seq: u64) -> Result<(), SpoolError> {
        self.outbox.renumber_above(seq);
        self.compact()
    }

    /// What is pending.
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    fn compact_if_long(&mut self) -> Result<(), SpoolError> {
        if self.journal.len_bytes() > SLACK_BYTES + 2 * self.outbox.bytes() as u64 {
            self.compact()
        } else {
            Ok(())
        }
    }

    fn compact(&mut self) -> Result<(), SpoolError> {
        let mut records: Vec<_> = self.outbox.pending().map(encode_report).collect();
        // With nothing pending this is what keeps numbers from being given twice.
        records.push([&[KIND_NEXT_SEQ][..], &self.outbox.next_seq().to_le_bytes()].concat());
        Ok(self.journal.rewrite(records.iter().map(Vec::as_slice))?)
    }
}

/// What a record of the spool says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// The number that the next report gets.
    NextSeq(u64),
    /// A report that is not acknowledged.
    Report(Report),
}

fn encode_report(report: &Report) -> Vec<u8> {
    let mut record = vec![KIND_REPORT];
    record.extend(wire::Report::from(report.clone()).encode_to_vec());
    record
}

/// Reads a record; none: this version knows no such one.
pub fn decode(record: &[u8]) -> Option<Record> {
    match record.split_first()? {
        (&KIND_NEXT_SEQ, number) => Some(Record::NextSeq(u64::from_le_bytes(number.try_into().ok()?))),
        (&KIND_REPORT, bytes) => Some(Record::Report(wire::Report::decode(bytes).ok()?.try_into().ok()?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use protocol::power::{PowerCause, PowerReading};

    use super::*;

    fn power(number: u64) -> ReportBody {
        let reason = format!("{number} {}", "x".repeat(9000));
        ReportBody::Power { reading: PowerReading::Unreachable { reason }, cause: PowerCause::Unasked }
    }

    #[test]
    fn numbers_survive_restarts_and_are_never_given_twice() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("spool");
        let server = ServerId::random();
        let mut expected = 1;
        for round in 0..6u64 {
            let mut spool = Spool::open(&path).unwrap();
            for number in 0..80 {
                assert_eq!(spool.append(number, server, power(number)).unwrap(), expected);
                expected += 1;
            }
            // Sometimes all is acknowledged, sometimes some.
            spool.acknowledge(if round % 2 == 0 { expected - 1 } else { expected - 30 }).unwrap();
        }
        let length = std::fs::metadata(&path).unwrap().len();
        assert!(length < 4 << 20, "the file was never compacted: {length} bytes");
        let spool = Spool::open(&path).unwrap();
        assert_eq!(spool.outbox().next_seq(), expected);
    }

    #[test]
    fn a_lost_spool_continues_above_what_the_coordinator_knows() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("spool");
        let mut spool = Spool::open(&path).unwrap();
        spool.append(0, ServerId::random(), power(1)).unwrap();
        spool.renumber_above(1000).unwrap();
        drop(spool);
        let mut spool = Spool::open(&path).unwrap();
        assert_eq!(spool.outbox().pending().map(|report| report.seq).collect::<Vec<_>>(), [1001]);
        assert_eq!(spool.append(0, ServerId::random(), power(2)).unwrap(), 1002);
    }
}
