//! Decisions: QEMU copy-on-write files that are seen once, front to back: their header, and their tables as they pass.
//!
//! After QEMU's `docs/interop/qcow2.txt`. Every table entry must lie inside the file, so a file that was cut off is
//! found out although its header is whole. A table that lies before the one that leads to it has passed already and is
//! left to the rack's agent, which refuses what the reader here refuses; `qemu-img convert` writes no such file.

use std::collections::BTreeMap;

use super::head::Fault;

const HEADER_BYTES_V2: usize = 72;
const HEADER_BYTES_V3: usize = 104;
/// Largest first-level table that is held while it passes: a disk of 256 TiB with clusters of 64 KiB.
const L1_BYTES_MAX: u64 = 4 << 20;
/// Largest disk that an image may describe: beyond it a number is more likely damaged than meant.
const VIRTUAL_BYTES_MAX: u64 = 64 << 40;
/// Bits 9 to 55 of a table entry hold a place in the file.
const OFFSET_MASK: u64 = 0x00ff_ffff_ffff_fe00;
const COMPRESSED: u64 = 1 << 62;

const INCOMPATIBLE_DIRTY: u64 = 1; // reference counts only
const INCOMPATIBLE_CORRUPT: u64 = 1 << 1;
const INCOMPATIBLE_EXTERNAL_DATA: u64 = 1 << 2;
const INCOMPATIBLE_COMPRESSION: u64 = 1 << 3;
const INCOMPATIBLE_EXTENDED_L2: u64 = 1 << 4;

/// The tables of one file.
#[derive(Debug)]
pub(super) struct Tables {
    cluster_bits: u32,
    virtual_bytes: u64,
    file_bytes: u64,
    /// Tables that are still to pass, by their place in the file.
    ahead: BTreeMap<u64, Table>,
    /// The beginning of the first of them.
    held: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Table {
    level: Level,
    bytes: usize,
}

#[derive(Clone, Copy, Debug)]
enum Level {
    First,
    Second,
}

fn damaged(why: impl Into<String>) -> Fault {
    Fault::Damaged { why: why.into() }
}

fn unsupported(what: impl Into<String>) -> Fault {
    Fault::Unsupported { what: what.into() }
}

impl Tables {
    /// Checks a header.
    pub fn read(head: &[u8], file_bytes: u64) -> Result<Self, Fault> {
        let short = || damaged("it is shorter than a qcow2 header");
        let u32_at = |at: usize| -> Result<u32, Fault> {
            let bytes = head.get(at..at + 4).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
            Ok(u32::from_be_bytes(bytes.ok_or_else(short)?))
        };
        let u64_at = |at: usize| -> Result<u64, Fault> {
            Ok(u64::from(u32_at(at)?) << 32 | u64::from(u32_at(at + 4)?))
        };
        if head.len() < HEADER_BYTES_V2 {
            return Err(short());
        }
        let version = u32_at(4)?;
        if !matches!(version, 2 | 3) {
            return Err(unsupported(format!("is of version {version}")));
        }
        if u64_at(8)? != 0 {
            return Err(unsupported("needs a backing file, so it is not the whole image"));
        }
        if u32_at(32)? != 0 {
            return Err(unsupported("is encrypted"));
        }
        if version == 3 {
            let length = u32_at(100)? as usize;
            let zstd = length > HEADER_BYTES_V3 && *head.get(HEADER_BYTES_V3).ok_or_else(short)? != 0;
            check_features(u64_at(72)?, zstd)?;
        }
        let cluster_bits = u32_at(20)?;
        if !(9..=21).contains(&cluster_bits) {
            return Err(damaged(format!("its clusters are 2^{cluster_bits} bytes")));
        }
        let virtual_bytes = u64_at(24)?;
        if !(1..=VIRTUAL_BYTES_MAX).contains(&virtual_bytes) {
            return Err(damaged(format!("it describes a disk of {virtual_bytes} bytes")));
        }
        // One first-level entry covers a cluster of second-level entries of eight bytes each.
        let needed = virtual_bytes.div_ceil(1 << (cluster_bits + cluster_bits - 3));
        let (entries, offset) = (u64::from(u32_at(36)?), u64_at(40)?);
        if entries < needed {
            return Err(damaged(format!("its first table has {entries} entries where {needed} are needed")));
        }
        let bytes = needed * 8;
        if bytes > L1_BYTES_MAX {
            return Err(unsupported(format!("has a first table of {bytes} bytes, more than {L1_BYTES_MAX}")));
        }
        if offset.checked_add(bytes).is_none_or(|end| end > file_bytes) {
            return Err(damaged(format!(
                "its first table ends at {} of {file_bytes}",
                offset.saturating_add(bytes)
            )));
        }
        let first = Table { level: Level::First, bytes: bytes as usize };
        Ok(Self {
            cluster_bits,
            virtual_bytes,
            file_bytes,
            ahead: BTreeMap::from([(offset, first)]),
            held: Vec::new(),
        })
    }

    /// Size of the disk inside.
    pub fn virtual_bytes(&self) -> u64 {
        self.virtual_bytes
    }

    fn cluster_bytes(&self) -> u64 {
        1 << self.cluster_bits
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
                let (words, _) = whole.as_chunks::<8>();
                let mut entries = words.iter().map(|word| u64::from_be_bytes(*word));
                match table.level {
                    Level::First => entries.try_for_each(|entry| self.second(entry))?,
                    Level::Second => entries.try_for_each(|entry| self.cluster(entry))?,
                }
            }
        }
        Ok(())
    }

    /// An entry of the first table leads to a second one.
    fn second(&mut self, entry: u64) -> Result<(), Fault> {
        let offset = entry & OFFSET_MASK;
        if offset == 0 {
            return Ok(());
        }
        let bytes = self.cluster_bytes();
        if offset & (bytes - 1) != 0 || offset + bytes > self.file_bytes {
            return Err(damaged(format!("a second table lies at {offset} of {}", self.file_bytes)));
        }
        self.ahead.insert(offset, Table { level: Level::Second, bytes: bytes as usize });
        Ok(())
    }

    /// An entry of a second table leads to a cluster. The last one of a file may be cut off where only zeroes would follow.
    fn cluster(&self, entry: u64) -> Result<(), Fault> {
        let last = if entry & COMPRESSED == 0 {
            let offset = entry & OFFSET_MASK;
            if offset & (self.cluster_bytes() - 1) != 0 {
                return Err(damaged(format!("a cluster lies askew at {offset}")));
            }
            offset
        } else {
            // The entry's low bits are the place, the rest the number of further 512-byte sectors it reaches into.
            let place_bits = 62 - (self.cluster_bits - 8);
            let place = entry & ((1 << place_bits) - 1);
            (place & !511) + ((entry & !(3 << 62)) >> place_bits) * 512
        };
        if last >= self.file_bytes {
            return Err(damaged(format!("a cluster lies at {last} of {}", self.file_bytes)));
        }
        Ok(())
    }
}

fn check_features(incompatible: u64, zstd: bool) -> Result<(), Fault> {
    if incompatible & INCOMPATIBLE_CORRUPT != 0 {
        return Err(damaged("it is marked corrupt"));
    }
    if incompatible & INCOMPATIBLE_EXTERNAL_DATA != 0 {
        return Err(unsupported("keeps its data in another file"));
    }
    if incompatible & INCOMPATIBLE_EXTENDED_L2 != 0 {
        return Err(unsupported("has extended second-level entries"));
    }
    if incompatible & !(INCOMPATIBLE_DIRTY | INCOMPATIBLE_COMPRESSION) != 0 {
        return Err(unsupported(format!("has features {incompatible:#x} that are not known here")));
    }
    if incompatible & INCOMPATIBLE_COMPRESSION != 0 && zstd {
        return Err(unsupported("has clusters compressed with zstd"));
    }
    Ok(())
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
        check(|f| f[7] = 4, Some("version 4"));
        check(|f| f[15] = 1, Some("backing file"));
        check(|f| f[35] = 2, Some("encrypted"));
        check(|f| f[79] = 2, Some("corrupt"));
        check(|f| f[79] = 4, Some("another file"));
        check(|f| f[79] = 16, Some("extended"));
        check(|f| f[23] = 40, Some("2^40"));
        check(|f| f[39] = 0, Some("has 0 entries where 1"));
        check(|f| f[24..32].fill(0), Some("a disk of 0 bytes"));
        check(|f| f[24..32].fill(0x7f), Some("describes a disk"));
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
                assert!(tables.held.len() as u64 <= L1_BYTES_MAX);
                position += piece.len() as u64;
            }
        }
    }
}
