//! Edges: QEMU copy-on-write files, read-only. What their header and tables say is judged by [`protocol::qcow2`]; here the bytes
//! are fetched, and compressed clusters are unpacked.

use std::{fs::File, os::unix::fs::FileExt};

use protocol::{
    qcow2::{Cluster, Entry, Fault, HEADER_BYTES, Header, PARTS},
    unpack,
};

use super::source::{ImageError, Scratch};

/// A checked header and where the second tables are, 0 for none.
#[derive(Debug)]
pub(super) struct Qcow2 {
    header: Header,
    file_bytes: u64,
    tables: Vec<u64>,
}

fn damaged(why: impl Into<String>) -> ImageError {
    ImageError::Damaged(why.into())
}

impl From<Fault> for ImageError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Damaged(why) => Self::Damaged(why),
            Fault::Unsupported(what) => Self::Unsupported(what),
        }
    }
}

impl Qcow2 {
    pub(super) fn open(file: &File, file_bytes: u64) -> Result<Self, ImageError> {
        let mut head = [0; HEADER_BYTES];
        let present = head.len().min(usize::try_from(file_bytes).unwrap_or(usize::MAX));
        file.read_exact_at(&mut head[..present], 0)?;
        let header = Header::read(&head[..present], file_bytes)?;
        let (place, length) = header.first_table();
        let mut first = vec![0; length];
        file.read_exact_at(&mut first, place)?;
        let tables = header.second_tables(&first)?;
        Ok(Self { header, file_bytes, tables })
    }

    pub(super) fn virtual_bytes(&self) -> u64 {
        self.header.virtual_bytes()
    }

    /// The next place from `offset` on whose cluster is in the file. Every table is looked through once, so that the work
    /// follows from the file's size, whatever the size of the disk.
    pub(super) fn next_data(
        &self,
        file: &File,
        offset: u64,
        scratch: &mut Scratch,
    ) -> Result<Option<u64>, ImageError> {
        let (first, second) = self.header.entries_of(offset);
        for (index, place) in self.tables.iter().enumerate().skip(first) {
            if *place == 0 {
                continue;
            }
            let from = if index == first { second } else { 0 };
            let table = self.table(file, *place, scratch)?;
            // What is wrong with an entry is told when it is read: it may be for a place behind the disk's end.
            let is_data = |entry: &Entry| !matches!(self.header.cluster(*entry), Ok(Cluster::Zero));
            if let Some(found) = table.iter().skip(from).position(is_data) {
                return Ok(Some(offset.max(self.header.offset_of(index, from + found))));
            }
        }
        Ok(None)
    }

    /// The second table at this place, kept for the next time.
    fn table<'a>(
        &self,
        file: &File,
        place: u64,
        scratch: &'a mut Scratch,
    ) -> Result<&'a [Entry], ImageError> {
        if !matches!(&scratch.l2, Some((at, _)) if *at == place) {
            let mut bytes = vec![0; self.header.cluster_bytes() as usize];
            file.read_exact_at(&mut bytes, place)?;
            scratch.l2 = Some((place, self.header.entries(&bytes).collect()));
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
        let cluster_bytes = self.header.cluster_bytes();
        while !buffer.is_empty() {
            let inside = offset & (cluster_bytes - 1);
            let length = buffer.len().min((cluster_bytes - inside) as usize);
            let (piece, rest) = buffer.split_at_mut(length);
            match self.lookup(file, offset, scratch)? {
                Cluster::Zero => piece.fill(0),
                Cluster::Plain(at) => self.read_plain(file, at + inside, piece)?,
                Cluster::Partly(at, here) => self.read_parts(file, (at, here), inside, piece)?,
                Cluster::Compressed(begin, end) => {
                    let cluster = self.unpack(file, begin, end, scratch)?;
                    piece.copy_from_slice(&cluster[inside as usize..inside as usize + length]);
                }
            }
            offset += length as u64;
            buffer = rest;
        }
        Ok(())
    }

    /// The last cluster of a file may be cut off where only zeroes would follow.
    fn read_plain(&self, file: &File, start: u64, piece: &mut [u8]) -> Result<(), ImageError> {
        let present = self.file_bytes.saturating_sub(start).min(piece.len() as u64) as usize;
        file.read_exact_at(&mut piece[..present], start)?;
        piece[present..].fill(0);
        Ok(())
    }

    /// What is inside a cluster at this place, of which some subclusters are used.
    fn read_parts(
        &self,
        file: &File,
        (at, here): (u64, u32),
        mut inside: u64,
        mut piece: &mut [u8],
    ) -> Result<(), ImageError> {
        let part_bytes = self.header.cluster_bytes() / PARTS;
        while !piece.is_empty() {
            let left = part_bytes - inside % part_bytes;
            let length = piece.len().min(left as usize);
            let (part, rest) = piece.split_at_mut(length);
            match here >> (inside / part_bytes) & 1 {
                0 => part.fill(0),
                _ => self.read_plain(file, at + inside, part)?,
            }
            inside += length as u64;
            piece = rest;
        }
        Ok(())
    }

    fn lookup(&self, file: &File, offset: u64, scratch: &mut Scratch) -> Result<Cluster, ImageError> {
        let (first, second) = self.header.entries_of(offset);
        match self.tables.get(first) {
            None => Err(damaged("its first table is too short")),
            Some(0) => Ok(Cluster::Zero),
            Some(place) => Ok(self.header.cluster(self.table(file, *place, scratch)?[second])?),
        }
    }

    fn unpack<'a>(
        &self,
        file: &File,
        begin: u64,
        end: u64,
        scratch: &'a mut Scratch,
    ) -> Result<&'a [u8], ImageError> {
        if !matches!(&scratch.unpacked, Some((of, _)) if *of == begin) {
            scratch.packed.resize((end - begin) as usize, 0);
            file.read_exact_at(&mut scratch.packed, begin)?;
            let bytes = self.header.cluster_bytes() as usize;
            let unpacked = unpack::cluster(self.header.compression(), &scratch.packed, bytes);
            let cluster = unpacked
                .ok_or_else(|| damaged(format!("the compressed cluster at {begin} cannot be unpacked")))?;
            scratch.unpacked = Some((begin, cluster));
        }
        let (_, cluster) = scratch.unpacked.as_ref().ok_or_else(|| damaged("no cluster was unpacked"))?;
        Ok(cluster)
    }
}
