//! Decisions: QEMU copy-on-write files that are seen once, front to back: their tables as they pass.
//!
//! Every table entry must lie inside the file, so a file that was cut off is found out although its header is whole. What header
//! and entries may say is in [`protocol::qcow2`], by which the rack's agent reads the file too. A table that lies before the one
//! that leads to it has passed already and is left to the agent; `qemu-img convert` writes no such file. The first cluster of the
//! disk is looked at, too: what begins in it may be known to be no disk.

use std::collections::BTreeMap;

use protocol::{
    qcow2::{self, Cluster, Entry, Header},
    unpack, whole_disk,
};

use super::head::Fault;

/// The tables of one file.
#[derive(Debug)]
pub(super) struct Tables {
    header: Header,
    /// Tables that are still to pass, by their place in the file.
    ahead: BTreeMap<u64, Table>,
    /// The beginning of the first of them.
    held: Vec<u8>,
    /// For which sectors the disk inside was made.
    sector_bytes: Option<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Table {
    level: Level,
    bytes: usize,
}

#[derive(Clone, Copy, Debug)]
enum Level {
    First,
    /// `leads`: to the beginning of the disk.
    Second {
        leads: bool,
    },
    /// The beginning of the disk, which may be compressed.
    Beginning {
        packed: bool,
    },
}

impl From<qcow2::Fault> for Fault {
    fn from(fault: qcow2::Fault) -> Self {
        match fault {
            qcow2::Fault::Damaged(why) => Self::Damaged { why },
            qcow2::Fault::Unsupported(what) => Self::Unsupported { what },
        }
    }
}

impl Tables {
    /// Checks a header.
    pub fn read(head: &[u8], file_bytes: u64) -> Result<Self, Fault> {
        let header = Header::read(head, file_bytes)?;
        let (place, bytes) = header.first_table();
        let first = Table { level: Level::First, bytes };
        Ok(Self { header, ahead: BTreeMap::from([(place, first)]), held: Vec::new(), sector_bytes: None })
    }

    /// Size of the disk inside.
    pub fn virtual_bytes(&self) -> u64 {
        self.header.virtual_bytes()
    }

    /// For which sectors the disk inside was made, once its beginning has passed; none: not known.
    pub fn sector_bytes(&self) -> Option<u32> {
        self.sector_bytes
    }

    /// Takes the next piece of the file, which begins at `position`.
    pub fn pass(&mut self, mut position: u64, mut piece: &[u8]) -> Result<(), Fault> {
        while let Some((&offset, &table)) = self.ahead.first_key_value() {
            let wanted = offset + self.held.len() as u64;
            if wanted < position {
                // It lies before the table that leads to it.
                self.ahead.remove(&offset);
                self.held.clear();
                continue;
            }
            let skipped = usize::try_from(wanted - position).unwrap_or(usize::MAX);
            let Some(rest) = piece.get(skipped..).filter(|rest| !rest.is_empty()) else { return Ok(()) };
            let (taken, left) = rest.split_at(rest.len().min(table.bytes - self.held.len()));
            self.held.extend_from_slice(taken);
            (position, piece) = (wanted + taken.len() as u64, left);
            if self.held.len() == table.bytes {
                self.ahead.remove(&offset);
                let whole = std::mem::take(&mut self.held);
                match table.level {
                    Level::First => self.look_for(self.header.second_tables(&whole)?),
                    Level::Second { leads } => {
                        let mut entries = self.header.entries(&whole);
                        entries.try_for_each(|entry| self.header.cluster(entry).map(drop))?;
                        let first = self.header.entries(&whole).next().filter(|_| leads);
                        first.map_or(Ok(()), |entry| self.look_for_beginning(entry))?;
                    }
                    Level::Beginning { packed } => self.check_beginning(whole, packed)?,
                }
            }
        }
        Ok(())
    }

    /// Second tables are still to pass at these places; 0 is none.
    fn look_for(&mut self, places: Vec<u64>) {
        let bytes = self.header.cluster_bytes() as usize;
        let tables = places.into_iter().enumerate().filter(|(_, place)| *place != 0);
        self.ahead.extend(tables.map(|(index, place)| {
            let level = Level::Second { leads: index == 0 };
            (place, Table { level, bytes })
        }));
    }

    /// The first cluster of the disk is still to pass where its entry says.
    fn look_for_beginning(&mut self, entry: Entry) -> Result<(), Fault> {
        let (place, end, packed) = match self.header.cluster(entry)? {
            Cluster::Zero => return Ok(()),
            Cluster::Plain(place) | Cluster::Partly(place, _) => {
                (place, place + self.header.cluster_bytes().min(whole_disk::HEAD_BYTES as u64), false)
            }
            Cluster::Compressed(begin, end) => (begin, end, true),
        };
        let bytes = end.min(self.header.file_bytes()).saturating_sub(place) as usize;
        if bytes > 0 {
            let beginning = Table { level: Level::Beginning { packed }, bytes };
            self.ahead.entry(place).or_insert(beginning);
        }
        Ok(())
    }

    /// A cluster that cannot be unpacked is the agent's to refuse, which reads all of them.
    fn check_beginning(&mut self, bytes: Vec<u8>, packed: bool) -> Result<(), Fault> {
        let cluster_bytes = self.header.cluster_bytes() as usize;
        let beginning = match packed {
            true => unpack::cluster(self.header.compression(), &bytes, cluster_bytes).unwrap_or_default(),
            false => bytes,
        };
        self.sector_bytes = whole_disk::made_for(&beginning);
        match whole_disk::something_else(&beginning) {
            Some(what) => Err(Fault::NoDisk { what }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const CLUSTER: u64 = 1 << 16;

    /// A file of version 3 with clusters of 64 KiB: header, first table, one second table, `clusters` of data.
    pub fn file(virtual_bytes: u64, clusters: u64) -> Vec<u8> {
        let mut file = vec![0; (CLUSTER * (3 + clusters)) as usize];
        let mut put =
            |at: u64, bytes: &[u8]| file[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
        put(0, b"QFI\xfb\0\0\0\x03");
        put(20, &16u32.to_be_bytes());
        put(24, &virtual_bytes.to_be_bytes());
        put(36, &64u32.to_be_bytes());
        put(40, &CLUSTER.to_be_bytes());
        put(100, &104u32.to_be_bytes());
        put(CLUSTER, &((2 * CLUSTER) | (1 << 63)).to_be_bytes());
        for number in 0..clusters {
            put(2 * CLUSTER + number * 8, &(((3 + number) * CLUSTER) | (1 << 63)).to_be_bytes());
        }
        file
    }

    /// What becomes of a file that comes in pieces.
    fn pass(file: &[u8], piece: usize) -> Result<u64, Fault> {
        let head = &file[..file.len().min(super::super::HEAD_BYTES)];
        let mut tables = Tables::read(head, file.len() as u64)?;
        let mut position = 0;
        for piece in file.chunks(piece) {
            tables.pass(position, piece)?;
            position += piece.len() as u64;
        }
        assert!(tables.ahead.is_empty(), "tables were not seen: {:?}", tables.ahead);
        Ok(tables.virtual_bytes())
    }

    #[test]
    fn every_fault_is_found_however_the_bytes_come() {
        let check = |change: fn(&mut Vec<u8>), expected: Option<&str>| {
            let mut file = file(10 << 20, 4);
            change(&mut file);
            for piece in [1000, 4096, 65536, 1 << 30] {
                match (pass(&file, piece), expected) {
                    (Ok(bytes), None) => assert_eq!(bytes, 10 << 20),
                    (Err(fault), Some(words)) => assert!(fault.to_string().contains(words), "{fault}"),
                    (found, expected) => panic!("{found:?} instead of {expected:?} in pieces of {piece}"),
                }
            }
        };
        check(|_| {}, None);
        check(|f| f[15] = 1, Some("backing file"));
        // Cut off in the data, in the second table, in the first one, in the header.
        check(|f| f.truncate(6 * 65536), Some("a cluster lies at 393216 of 393216"));
        check(|f| f.truncate(2 * 65536 + 512), Some("a second table lies at 131072"));
        check(|f| f.truncate(65536), Some("first table ends at"));
        check(|f| f.truncate(100), Some("shorter than"));
        // The last cluster may end early.
        check(|f| f.truncate(6 * 65536 + 512), None);
        // A compressed cluster of two sectors at the very end, and one that lies beyond it.
        let compressed = |f: &mut Vec<u8>, at: u64| {
            let entry = (1u64 << 62) | (1 << 54) | at;
            f[2 * 65536..2 * 65536 + 8].copy_from_slice(&entry.to_be_bytes());
        };
        check(|f| f[2 * 65536 + 1] = 0xff, Some("a cluster lies"));
        for (at, good) in [(7 * 65536 - 700, true), (7 * 65536 - 200, false)] {
            let mut file = file(10 << 20, 4);
            compressed(&mut file, at);
            assert_eq!(pass(&file, 4096).is_ok(), good, "{at}");
        }
    }

    #[test]
    fn the_beginning_of_the_disk_is_looked_at() {
        let check = |beginning: &[(usize, &[u8])], expected: Option<&str>| {
            let mut cluster = vec![0; CLUSTER as usize];
            for (at, bytes) in beginning {
                cluster[*at..at + bytes.len()].copy_from_slice(bytes);
            }
            let mut plain = file(10 << 20, 4);
            plain[3 * CLUSTER as usize..4 * CLUSTER as usize].copy_from_slice(&cluster);
            let mut packed = file(10 << 20, 4);
            let mut deflate = flate2::Compress::new(flate2::Compression::fast(), false);
            let room = &mut packed[3 * CLUSTER as usize..];
            deflate.compress(&cluster, room, flate2::FlushCompress::Finish).unwrap();
            let entry = (1u64 << 62) | (deflate.total_out() / 512) << 54 | (3 * CLUSTER);
            packed[2 * CLUSTER as usize..][..8].copy_from_slice(&entry.to_be_bytes());
            for (file, piece) in [(&plain, 1000), (&plain, 1 << 30), (&packed, 1000), (&packed, 1 << 30)] {
                let fault = pass(file, piece).err().map(|fault| fault.to_string());
                assert_eq!(fault.is_some(), expected.is_some(), "{fault:?}");
                assert!(fault.unwrap_or_default().contains(expected.unwrap_or_default()));
            }
        };
        check(&[], None);
        check(&[(0x438, b"\x53\xef")], Some("no whole disk: it is an ext file system"));
        check(&[(510, &[0x55, 0xaa]), (450, &[0x83]), (0x438, b"\x53\xef")], None);
        check(&[(510, &[0x55, 0xaa]), (450, &[0x17]), (0x8001, b"CD001")], Some("ISO"));
    }

    #[test]
    fn a_table_that_has_passed_is_left_out() {
        let mut file = file(10 << 20, 4);
        // First table behind the second one.
        file[40..48].copy_from_slice(&(7 * CLUSTER).to_be_bytes());
        let mut moved = vec![0; CLUSTER as usize];
        moved[..8].copy_from_slice(&(2 * CLUSTER).to_be_bytes());
        file.extend(moved);
        let mut tables = Tables::read(&file[..4096], file.len() as u64).unwrap();
        tables.pass(0, &file).unwrap();
        assert_eq!(tables.virtual_bytes(), 10 << 20);
    }

    proptest::proptest! {
        #[test]
        fn any_table_is_survived(at in 0usize..196_700, bytes: [u8; 8], piece in 1usize..70_000) {
            let mut file = file(1 << 30, 2);
            file[at..at + 8].copy_from_slice(&bytes);
            let Ok(mut tables) = Tables::read(&file[..4096], file.len() as u64) else { return Ok(()) };
            let mut position = 0;
            for piece in file.chunks(piece) {
                if tables.pass(position, piece).is_err() {
                    break;
                }
                assert!(tables.held.len() as u64 <= qcow2::FIRST_TABLE_BYTES_MAX);
                position += piece.len() as u64;
            }
        }
    }
}
