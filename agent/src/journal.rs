//! Edges: a file of records that survives a kill at any moment: of what was appended nothing is lost, and a record is
//! either there as a whole or not at all.
//!
//! The file starts with eight fixed bytes. A record is its length and its CRC-32 (both little-endian u32), then its
//! bytes. Whatever stands behind the last whole record is the trace of an append that was cut short; it is cut off on
//! opening. Every append reaches the disk before it returns.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use host::whole_file;

const MAGIC: &[u8; 8] = b"BMSJRNL1";
const RECORD_HEADER_BYTES: usize = 8;

/// Longest record. A hardware report of a very large server stays far below.
pub const RECORD_BYTES_MAX: usize = 4 << 20;

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    len: u64,
}

/// Why a journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The system refused.
    #[error("cannot {operation} {path}; check the state directory's owner, mode and free space")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is something else.
    #[error("{path} is not a journal of this program; move it away")]
    NotAJournal {
        /// Which file.
        path: PathBuf,
    },
    /// A caller's record is too long.
    #[error("a record of {len} bytes for {path} is longer than {RECORD_BYTES_MAX}")]
    TooLong {
        /// Which file.
        path: PathBuf,
        /// How long it is.
        len: usize,
    },
}

impl Journal {
    /// Opens or creates the file; returns its records, oldest first.
    pub fn open(path: &Path) -> Result<(Self, Vec<Vec<u8>>), JournalError> {
        let fail = |operation| {
            let path = path.to_owned();
            move |source| JournalError::Io { operation, path, source }
        };
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                replace(path, std::iter::empty()).map_err(fail("create"))?;
                MAGIC.to_vec()
            }
            Err(error) => return Err(fail("read")(error)),
        };
        let body =
            bytes.strip_prefix(MAGIC).ok_or_else(|| JournalError::NotAJournal { path: path.to_owned() })?;
        let (records, used) = scan(body);
        let len = (MAGIC.len() + used) as u64;
        let file = OpenOptions::new().append(true).open(path).map_err(fail("open"))?;
        if used < body.len() {
            let cut_bytes = body.len() - used;
            tracing::warn!(path = %path.display(), cut_bytes, "an append to the journal was cut short, removing it");
            file.set_len(len).map_err(fail("truncate"))?;
            file.sync_data().map_err(fail("flush"))?;
        }
        Ok((Self { path: path.to_owned(), file, len }, records))
    }

    /// Adds a record; it is on the disk when this returns.
    pub fn append(&mut self, record: &[u8]) -> Result<(), JournalError> {
        if record.len() > RECORD_BYTES_MAX {
            return Err(JournalError::TooLong { path: self.path.clone(), len: record.len() });
        }
        let framed = frame(record);
        let written = self.file.write_all(&framed).and_then(|()| self.file.sync_data());
        if let Err(source) = written {
            // Half a record in the middle would hide every later one.
            let cut = self.file.set_len(self.len);
            tracing::error!(path = %self.path.display(), cut_back = cut.is_ok(), "appending to the journal failed");
            return Err(JournalError::Io { operation: "append to", path: self.path.clone(), source });
        }
        self.len += framed.len() as u64;
        Ok(())
    }

    /// Replaces all records at once: after a crash either the old ones are there or the new ones.
    pub fn rewrite<'a>(&mut self, records: impl Iterator<Item = &'a [u8]>) -> Result<(), JournalError> {
        let fail = |operation, source| JournalError::Io { operation, path: self.path.clone(), source };
        self.len = replace(&self.path, records).map_err(|source| fail("rewrite", source))?;
        self.file =
            OpenOptions::new().append(true).open(&self.path).map_err(|source| fail("open", source))?;
        Ok(())
    }

    /// Length of the file in bytes.
    pub fn len_bytes(&self) -> u64 {
        self.len
    }
}

fn frame(record: &[u8]) -> Vec<u8> {
    let mut crc = flate2::Crc::new();
    crc.update(record);
    let mut framed = Vec::with_capacity(RECORD_HEADER_BYTES + record.len());
    framed.extend_from_slice(&(record.len() as u32).to_le_bytes());
    framed.extend_from_slice(&crc.sum().to_le_bytes());
    framed.extend_from_slice(record);
    framed
}

/// The whole records at the start of what stands behind the fixed bytes, and how many bytes they take.
pub fn scan(body: &[u8]) -> (Vec<Vec<u8>>, usize) {
    let mut records = Vec::new();
    let mut used = 0;
    while let Some((header, rest)) = body[used..].split_first_chunk::<RECORD_HEADER_BYTES>() {
        let [a, b, c, d, sum @ ..] = *header;
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        let Some(record) = rest.get(..length).filter(|_| length <= RECORD_BYTES_MAX) else { break };
        let mut crc = flate2::Crc::new();
        crc.update(record);
        if crc.sum() != u32::from_le_bytes(sum) {
            break;
        }
        records.push(record.to_vec());
        used += RECORD_HEADER_BYTES + length;
    }
    (records, used)
}

fn replace<'a>(path: &Path, records: impl Iterator<Item = &'a [u8]>) -> io::Result<u64> {
    let mut bytes = MAGIC.to_vec();
    records.for_each(|record| bytes.extend_from_slice(&frame(record)));
    whole_file::write(path, &bytes)?;
    Ok(bytes.len() as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_crash_at_any_byte_keeps_every_whole_record(
            records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..6),
            cut in any::<prop::sample::Index>(),
        ) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("j");
            let (mut journal, _) = Journal::open(&path).unwrap();
            let mut ends = vec![journal.len_bytes()];
            for record in &records {
                journal.append(record).unwrap();
                ends.push(journal.len_bytes());
            }
            drop(journal);
            let bytes = fs::read(&path).unwrap();
            prop_assert_eq!(bytes.len() as u64, *ends.last().unwrap());
            let cut = MAGIC.len() + cut.index(bytes.len() - MAGIC.len() + 1);
            fs::write(&path, &bytes[..cut]).unwrap();

            let (mut journal, seen) = Journal::open(&path).unwrap();
            let whole = ends.iter().filter(|end| **end <= cut as u64).count() - 1;
            prop_assert_eq!(&seen[..], &records[..whole]);
            journal.append(b"next").unwrap();
            drop(journal);
            let (_, seen) = Journal::open(&path).unwrap();
            prop_assert_eq!(seen.len(), whole + 1);
            prop_assert_eq!(seen.last().unwrap(), b"next");
        }

        #[test]
        fn any_bytes_are_scanned_without_harm(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let (_, used) = scan(&body);
            prop_assert!(used <= body.len());
        }
    }

    #[test]
    fn a_rewrite_replaces_everything() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("j");
        let (mut journal, _) = Journal::open(&path).unwrap();
        for n in 0..100u8 {
            journal.append(&[n; 100]).unwrap();
        }
        let before = journal.len_bytes();
        journal.rewrite([&b"a"[..], b"b"].into_iter()).unwrap();
        journal.append(b"c").unwrap();
        assert!(journal.len_bytes() < before);
        assert_eq!(Journal::open(&path).unwrap().1, [b"a", b"b", b"c"]);
    }

    #[test]
    fn another_file_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("j");
        fs::write(&path, b"my diary, quite long").unwrap();
        assert!(matches!(Journal::open(&path), Err(JournalError::NotAJournal { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"my diary, quite long");
    }
}
