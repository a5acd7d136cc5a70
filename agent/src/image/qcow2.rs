//! Edges: QEMU copy-on-write files, versions 2 and 3, read-only.
//!
//! After QEMU's `docs/interop/qcow2.txt`. Clusters may be plain, zero or deflate-compressed. Refused, with the reason:
//! backing files (the image would not be whole), encryption, external data files, extended second-level entries and
//! zstd clusters. Reference counts and snapshots do not matter to a reader.

use std::{fs::File, os::unix::fs::FileExt};

use flate2::{Decompress, FlushDecompress, Status};

use super::source::{ImageError, Scratch, VIRTUAL_BYTES_MAX};

const MAGIC: u32 = 0x5146_49fb;
const HEADER_BYTES_V2: usize = 72;
const HEADER_BYTES_V3: usize = 104;
/// Limit of QEMU itself for the first-level table.
const L1_BYTES_MAX: u64 = 32 << 20;
/// Bits 9 to 55 of a table entry hold a place in the file.
const OFFSET_MASK: u64 = 0x00ff_ffff_ffff_fe00;
const COMPRESSED: u64 = 1 << 62;
const READS_ZERO: u64 = 1;

const INCOMPATIBLE_DIRTY: u64 = 1; // reference counts only
const INCOMPATIBLE_CORRUPT: u64 = 1 << 1;
const INCOMPATIBLE_EXTERNAL_DATA: u64 = 1 << 2;
const INCOMPATIBLE_COMPRESSION: u64 = 1 << 3;
const INCOMPATIBLE_EXTENDED_L2: u64 = 1 << 4;

/// A checked header and the first-level table.
#[derive(Debug)]
pub(super) struct Qcow2 {
    version: u32,
    cluster_bits: u32,
    virtual_bytes: u64,
    file_bytes: u64,
    l1: Vec<u64>,
}

enum Cluster {
    Zero,
    Plain(u64),
    Compressed(u64),
}

fn damaged(why: impl Into<String>) -> ImageError {
    ImageError::Damaged(why.into())
}

impl Qcow2 {
    pub(super) fn open(file: &File, file_bytes: u64) -> Result<Self, ImageError> {
        let mut header = [0; HEADER_BYTES_V3 + 1];
        let present = header.len().min(usize::try_from(file_bytes).unwrap_or(usize::MAX));
        if present < HEADER_BYTES_V2 {
            return Err(damaged("it is shorter than a qcow2 header"));
        }
        file.read_exact_at(&mut header[..present], 0)?;
        let u32_at =
            |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let u64_at = |at: usize| u64::from(u32_at(at)) << 32 | u64::from(u32_at(at + 4));
        if u32_at(0) != MAGIC {
            return Err(damaged("it does not begin like a qcow2 file"));
        }
        let version = u32_at(4);
        if !matches!(version, 2 | 3) {
            return Err(ImageError::Unsupported(format!("is qcow version {version}")));
        }
        if u64_at(8) != 0 {
            return Err(ImageError::Unsupported("needs a backing file".into()));
        }
        if u32_at(32) != 0 {
            return Err(ImageError::Unsupported("is encrypted".into()));
        }
        if version == 3 {
            check_features(u64_at(72), u32_at(100), header[104])?;
        }
        let cluster_bits = u32_at(20);
        if !(9..=21).contains(&cluster_bits) {
            return Err(damaged(format!("its clusters are 2^{cluster_bits} bytes")));
        }
        let virtual_bytes = u64_at(24);
        if virtual_bytes > VIRTUAL_BYTES_MAX {
            return Err(damaged(format!("it describes a disk of {virtual_bytes} bytes")));
        }
        // One first-level entry covers a cluster of second-level entries of eight bytes each.
        let per_l1 = 1u64 << (cluster_bits + cluster_bits - 3);
        let needed = virtual_bytes.div_ceil(per_l1);
        let (entries, l1_offset) = (u64::from(u32_at(36)), u64_at(40));
        if entries < needed || needed * 8 > L1_BYTES_MAX {
            return Err(damaged(format!("its first table has {entries} entries where {needed} are needed")));
        }
        if l1_offset.checked_add(needed * 8).is_none_or(|end| end > file_bytes) {
            return Err(damaged("its first table lies beyond the file's end"));
        }
        let l1 = read_table(file, l1_offset, needed as usize)?;
        // A table takes a cluster, and no two entries share one: a file that says otherwise describes more than is in it.
        let tables = l1.iter().filter(|entry| **entry & OFFSET_MASK != 0).count() as u64;
        if tables > file_bytes >> cluster_bits {
            return Err(damaged(format!(
                "{tables} entries of its first table lead to tables, for which it is too short"
            )));
        }
        Ok(Self { version, cluster_bits, virtual_bytes, file_bytes, l1 })
    }

    pub(super) fn virtual_bytes(&self) -> u64 {
        self.virtual_bytes
    }

    fn cluster_bytes(&self) -> u64 {
        1 << self.cluster_bits
    }

    fn l2_bits(&self) -> u32 {
        self.cluster_bits - 3
    }

    /// An entry of the first table covers two to the power of so many bytes.
    fn l1_bits(&self) -> u32 {
        self.cluster_bits + self.l2_bits()
    }

    /// Which entry of its second table is for this place of the disk.
    fn l2_index(&self, offset: u64) -> usize {
        ((offset >> self.cluster_bits) & ((1 << self.l2_bits()) - 1)) as usize
    }

    /// The next place from `offset` on whose cluster is in the file. Every table is looked through once, so that the work
    /// follows from the file's size, whatever the size of the disk.
    pub(super) fn next_data(
        &self,
        file: &File,
        offset: u64,
        scratch: &mut Scratch,
    ) -> Result<Option<u64>, ImageError> {
        let first = (offset >> self.l1_bits()) as usize;
        for (index, entry) in self.l1.iter().enumerate().skip(first) {
            if entry & OFFSET_MASK == 0 {
                continue;
            }
            let from = if index == first { self.l2_index(offset) } else { 0 };
            let table = self.table(file, entry & OFFSET_MASK, scratch)?;
            if let Some(found) = table.iter().skip(from).position(|entry| !self.is_zero(*entry)) {
                let place = (index as u64) << self.l1_bits() | ((from + found) as u64) << self.cluster_bits;
                return Ok(Some(offset.max(place)));
            }
        }
        Ok(None)
    }

    /// Whether the cluster of this entry of a second table reads as zeroes without being in the file.
    fn is_zero(&self, entry: u64) -> bool {
        let marked = self.version >= 3 && entry & READS_ZERO != 0;
        entry & COMPRESSED == 0 && (entry & OFFSET_MASK == 0 || marked)
    }

    /// The second table at this place, kept for the next time.
    fn table<'a>(&self, file: &File, place: u64, scratch: &'a mut Scratch) -> Result<&'a [u64], ImageError> {
        if !matches!(&scratch.l2, Some((at, _)) if *at == place) {
            if place.checked_add(self.cluster_bytes()).is_none_or(|end| end > self.file_bytes) {
                return Err(damaged(format!("a second table at {place} lies beyond the file's end")));
            }
            scratch.l2 = Some((place, read_table(file, place, 1 << self.l2_bits())?));
        }
        let (_, table) = scratch.l2.as_ref().ok_or_else(|| damaged("no second table was read"))?;
        Ok(table)
    }

    pub(super) fn read_at(
        &self,
        file: &File,
        mut offset: u64,
        mut buffer: &mut [u8],
        scratch: &mut Scratch,
    ) -> Result<(), ImageError> {
        while !buffer.is_empty() {
            let inside = offset & (self.cluster_bytes() - 1);
            let length = buffer.len().min((self.cluster_bytes() - inside) as usize);
            let (piece, rest) = buffer.split_at_mut(length);
            match self.lookup(file, offset, scratch)? {
                Cluster::Zero => piece.fill(0),
                Cluster::Plain(at) => {
                    // The last cluster of a file may be cut off where only zeroes would follow.
                    let start = at + inside;
                    let present = self.file_bytes.saturating_sub(start).min(length as u64) as usize;
                    file.read_exact_at(&mut piece[..present], start)?;
                    piece[present..].fill(0);
                }
                Cluster::Compressed(entry) => {
                    let cluster = self.unpack(file, entry, scratch)?;
                    piece.copy_from_slice(&cluster[inside as usize..inside as usize + length]);
                }
            }
            offset += length as u64;
            buffer = rest;
        }
        Ok(())
    }

    fn lookup(&self, file: &File, offset: u64, scratch: &mut Scratch) -> Result<Cluster, ImageError> {
        let l1_index = (offset >> self.l1_bits()) as usize;
        let l2_offset =
            self.l1.get(l1_index).ok_or_else(|| damaged("its first table is too short"))? & OFFSET_MASK;
        if l2_offset == 0 {
            return Ok(Cluster::Zero);
        }
        let entry = self.table(file, l2_offset, scratch)?[self.l2_index(offset)];
        if entry & COMPRESSED != 0 {
            return Ok(Cluster::Compressed(entry));
        }
        if self.is_zero(entry) {
            return Ok(Cluster::Zero);
        }
        let at = entry & OFFSET_MASK;
        if at & (self.cluster_bytes() - 1) != 0 || at >= self.file_bytes {
            return Err(damaged(format!("the cluster for disk offset {offset} lies at {at}")));
        }
        Ok(Cluster::Plain(at))
    }

    fn unpack<'a>(&self, file: &File, entry: u64, scratch: &'a mut Scratch) -> Result<&'a [u8], ImageError> {
        if !matches!(&scratch.unpacked, Some((of, _)) if *of == entry) {
            // The entry's low bits are the place, the rest the number of further 512-byte sectors it reaches into.
            let place_bits = 62 - (self.cluster_bits - 8);
            let at = entry & ((1 << place_bits) - 1);
            let sectors = ((entry & !(3 << 62)) >> place_bits) + 1;
            let end = (at + sectors * 512 - (at & 511)).min(self.file_bytes);
            if at >= end {
                return Err(damaged(format!("a compressed cluster lies at {at}, beyond the file's end")));
            }
            scratch.packed.resize((end - at) as usize, 0);
            file.read_exact_at(&mut scratch.packed, at)?;
            let mut cluster = vec![0; self.cluster_bytes() as usize];
            let mut deflate = Decompress::new(false);
            let status = deflate.decompress(&scratch.packed, &mut cluster, FlushDecompress::Finish);
            let full = deflate.total_out() == self.cluster_bytes();
            if !(full && matches!(status, Ok(Status::StreamEnd | Status::Ok | Status::BufError))) {
                return Err(damaged(format!("the compressed cluster at {at} cannot be unpacked")));
            }
            scratch.unpacked = Some((entry, cluster));
        }
        let (_, cluster) = scratch.unpacked.as_ref().ok_or_else(|| damaged("no cluster was unpacked"))?;
        Ok(cluster)
    }
}

fn check_features(incompatible: u64, header_length: u32, compression: u8) -> Result<(), ImageError> {
    if incompatible & INCOMPATIBLE_CORRUPT != 0 {
        return Err(damaged("it is marked corrupt"));
    }
    if incompatible & INCOMPATIBLE_EXTERNAL_DATA != 0 {
        return Err(ImageError::Unsupported("keeps its data in another file".into()));
    }
    if incompatible & INCOMPATIBLE_EXTENDED_L2 != 0 {
        return Err(ImageError::Unsupported("has extended second-level entries".into()));
    }
    let known = INCOMPATIBLE_DIRTY | INCOMPATIBLE_COMPRESSION;
    if incompatible & !known != 0 {
        return Err(ImageError::Unsupported(format!(
            "has features {incompatible:#x} that are not known here"
        )));
    }
    if incompatible & INCOMPATIBLE_COMPRESSION != 0
        && header_length as usize > HEADER_BYTES_V3
        && compression != 0
    {
        return Err(ImageError::Unsupported("has clusters compressed with zstd".into()));
    }
    Ok(())
}

fn read_table(file: &File, offset: u64, entries: usize) -> Result<Vec<u64>, ImageError> {
    let mut bytes = vec![0; entries * 8];
    file.read_exact_at(&mut bytes, offset)?;
    let (words, _) = bytes.as_chunks::<8>();
    Ok(words.iter().map(|word| u64::from_be_bytes(*word)).collect())
}
