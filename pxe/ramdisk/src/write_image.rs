//! Edges: a disk image: extents in rising order, zeroes between them, and everything read back.
//!
//! Its beginning is held back until it has told for which sectors it was made: one for others is refused before a byte is written.

use std::time::Instant;

use protocol::{
    hardware, hex,
    step::{StepOutput, StepProgress},
};
use ring::digest;

use crate::{
    disk::{
        DiskError, OpenDisk,
        table::{TELLING_BYTES, check_sectors},
    },
    say,
};

/// Bytes at both ends of each gap that are read back: a gap is zeroed as a whole or not at all.
const GAP_SAMPLE: u64 = 64 << 10;
/// Bytes at the disk's end that are zeroed even beyond the image: an old backup table or RAID label there would be found.
const TAIL: u64 = 1 << 20;
/// Most separate extents: with 64 KiB pieces this is a 64 GiB image with every other piece empty.
const EXTENTS_MAX: usize = 1 << 20;

/// An image being written.
#[derive(Debug)]
pub struct ImageWriter {
    disk: OpenDisk,
    described: hardware::Disk,
    virtual_bytes: u64,
    /// Taken ranges, joined where they touch: start and end.
    extents: Vec<(u64, u64)>,
    /// What is not written yet, as long as the beginning has not told: less than [`TELLING_BYTES`] and one extent.
    held: Option<Vec<(u64, Vec<u8>)>>,
}

impl ImageWriter {
    /// Starts an image of this size.
    pub fn new(disk: OpenDisk, described: hardware::Disk, virtual_bytes: u64) -> Self {
        Self { disk, described, virtual_bytes, extents: Vec::new(), held: Some(Vec::new()) }
    }

    /// Takes the next extent.
    pub fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<StepProgress, DiskError> {
        let written = self.extents.last().map_or(0, |(_, end)| *end);
        let end = offset.checked_add(bytes.len() as u64).filter(|end| *end <= self.virtual_bytes);
        let (Some(end), true) = (end, offset >= written) else {
            let why = format!("{} bytes at {offset} after {written} of {}", bytes.len(), self.virtual_bytes);
            return Err(DiskError::Unfit(format!("the agent sent extents out of order: {why}")));
        };
        match &mut self.held {
            None => self.disk.write(offset, bytes)?,
            Some(held) => {
                held.push((offset, bytes.to_vec()));
                if end >= TELLING_BYTES as u64 {
                    self.begin()?;
                }
            }
        }
        let full = self.extents.len() >= EXTENTS_MAX;
        match self.extents.last_mut() {
            Some((_, last)) if *last == offset => *last = end,
            _ if full => {
                return Err(DiskError::Unfit(format!("the image has more than {EXTENTS_MAX} extents")));
            }
            _ => self.extents.push((offset, end)),
        }
        Ok(self.progress(end))
    }

    /// Judges the image by its beginning, and writes what was held back of it.
    fn begin(&mut self) -> Result<(), DiskError> {
        let Some(held) = self.held.take() else { return Ok(()) };
        let mut head = vec![0; TELLING_BYTES];
        for (offset, bytes) in &held {
            let to =
                usize::try_from(*offset).ok().and_then(|offset| head.get_mut(offset..)).unwrap_or_default();
            for (to, from) in to.iter_mut().zip(bytes) {
                *to = *from;
            }
        }
        check_sectors(&head, &self.described, self.disk.sector_bytes())?;
        held.iter().try_for_each(|(offset, bytes)| self.disk.write(*offset, bytes))
    }

    /// Half of the way is writing, the other half is reading back.
    fn progress(&self, done_bytes: u64) -> StepProgress {
        StepProgress { done_bytes, total_bytes: self.virtual_bytes.saturating_mul(2) }
    }

    /// Zeroes what lies between the extents, flushes, reads everything back and compares with the sender's SHA-256.
    pub fn finish(
        mut self,
        sha256: &str,
        progress: &mut dyn FnMut(StepProgress),
    ) -> Result<StepOutput, DiskError> {
        self.begin()?;
        let start = Instant::now();
        let gaps = self.gaps();
        let halfway = self.progress(self.virtual_bytes);
        for (start, end) in &gaps {
            self.disk.zero(*start, end - start, &mut |_| progress(halfway.clone()))?;
        }
        let tail = self.disk.size_bytes().saturating_sub(TAIL).max(self.virtual_bytes);
        self.disk.zero(tail, self.disk.size_bytes() - tail, &mut |_| ())?;
        self.disk.settle()?;
        say!(
            "image written and flushed, the last part in {} ms; reading it back",
            start.elapsed().as_millis()
        );
        let mut hash = digest::Context::new(&digest::SHA256);
        for (start, end) in &self.extents {
            self.disk.read_pieces(*start, end - start, &mut |at, bytes| {
                hash.update(bytes);
                progress(self.progress(self.virtual_bytes + at));
                Ok(())
            })?;
        }
        let found = hex::encode(hash.finish());
        if found != sha256 {
            return Err(DiskError::ReadBack {
                disk: self.disk.name().to_owned(),
                found: format!("reads back with SHA-256 {}..., sent was {sha256:.12}...", &found[..12]),
            });
        }
        for (start, end) in &gaps {
            let sample = (end - start).min(GAP_SAMPLE);
            self.disk.expect_zero(*start, sample)?;
            self.disk.expect_zero(end - sample, sample)?;
        }
        self.disk.reread_partitions();
        Ok(StepOutput::ImageWritten {
            disk: self.disk.name().to_owned(),
            written_bytes: self.extents.iter().map(|(start, end)| end - start).sum(),
            virtual_bytes: self.virtual_bytes,
        })
    }

    /// What the extents leave out, inside the image.
    fn gaps(&self) -> Vec<(u64, u64)> {
        let starts = self.extents.iter().map(|(start, _)| *start).chain([self.virtual_bytes]);
        let ends = [0].into_iter().chain(self.extents.iter().map(|(_, end)| *end));
        ends.zip(starts).filter(|(start, end)| start < end).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    const DISK_BYTES: u64 = 4 << 20;

    fn disk() -> (std::fs::File, OpenDisk) {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&vec![0xaa; DISK_BYTES as usize], 0).unwrap();
        let disk = OpenDisk::from_file(file.try_clone().unwrap(), "disk".into(), DISK_BYTES);
        (file, disk)
    }

    fn sha256(bytes: &[u8]) -> String {
        hex::encode(digest::digest(&digest::SHA256, bytes))
    }

    #[test]
    fn gaps_become_zero_and_the_rest_is_what_was_sent() {
        let (file, disk) = disk();
        let mut writer = ImageWriter::new(disk, hardware::Disk::default(), 2 << 20);
        writer.write(4096, &[1; 4096]).unwrap();
        writer.write(8192, &[2; 4096]).unwrap();
        writer.write(1 << 20, &[3; 512]).unwrap();
        let sent = [vec![1; 4096], vec![2; 4096], vec![3; 512]].concat();
        let output = writer.finish(&sha256(&sent), &mut |_| ()).unwrap();
        assert!(matches!(output, StepOutput::ImageWritten { written_bytes: 8704, .. }), "{output:?}");
        let mut expected = vec![0; DISK_BYTES as usize];
        expected[4096..8192].fill(1);
        expected[8192..12288].fill(2);
        expected[1 << 20..(1 << 20) + 512].fill(3);
        expected[2 << 20..3 << 20].fill(0xaa); // beyond the image only the tail is touched
        let mut found = vec![0; DISK_BYTES as usize];
        file.read_exact_at(&mut found, 0).unwrap();
        assert!(found == expected);
    }

    #[test]
    fn an_image_for_other_sectors_is_refused_before_a_byte_is_written() {
        let check = |gpt_at: u64, pieces: &[usize], sector_bytes: u64, refused: bool| {
            let (file, disk) = disk();
            let mut image = vec![7; 16 << 10];
            let signature = gpt_at as usize;
            image[signature..signature + 8].copy_from_slice(b"EFI PART");
            let mut writer =
                ImageWriter::new(disk.with_sectors(sector_bytes), hardware::Disk::default(), 1 << 20);
            let (mut at, mut failed) = (0, None);
            for piece in pieces {
                if failed.is_none() {
                    failed = writer.write(at as u64, &image[at..at + piece]).err();
                }
                at += piece;
            }
            let sent = &image[..at];
            let failed = failed.or_else(|| writer.finish(&sha256(sent), &mut |_| ()).err());
            assert_eq!(failed.is_some(), refused, "{gpt_at} in sectors of {sector_bytes}: {failed:?}");
            let mut found = vec![0; at];
            file.read_exact_at(&mut found, 0).unwrap();
            let expected = if refused { &vec![0xaa; at][..] } else { sent };
            assert!(found == expected, "{gpt_at} in sectors of {sector_bytes}");
        };
        for pieces in [&[16 << 10][..], &[512, 512, 3072, 4096], &[4100, 4, 8000], &[2048]] {
            check(512, pieces, 512, false);
            check(512, pieces, 4096, true);
        }
        for pieces in [&[16 << 10][..], &[512, 3584, 512, 4096], &[4100, 4, 8000]] {
            check(4096, pieces, 4096, false);
            check(4096, pieces, 512, true);
        }
    }

    #[test]
    fn what_must_not_be_written_is_refused() {
        let (_, disk) = disk();
        let mut writer = ImageWriter::new(disk, hardware::Disk::default(), 1 << 20);
        writer.write(4096, &[1; 4096]).unwrap();
        assert!(writer.write(4095, &[1]).is_err(), "backwards");
        assert!(writer.write((1 << 20) - 1, &[1; 2]).is_err(), "beyond the end");
        assert!(writer.write(u64::MAX, &[1; 2]).is_err(), "overflow");
        let error = writer.finish(&sha256(b"other"), &mut |_| ()).unwrap_err();
        assert!(error.to_string().contains("reads back"), "{error}");
    }
}
