//! Edges: reading back what was erased: whether it is zero, or, after a drive's own command, whether it is at least not what it was.

use protocol::{
    erase::{ReadBack, Verified},
    step::VERIFIED_BYTES_MIN,
};
use ring::digest;

use super::meter::Meter;
use crate::disk::{DiskError, OpenDisk};

/// Disks up to this size are read back as a whole after an erase.
const READ_ALL_MAX: u64 = 1 << 30;
/// Size of the samples of larger disks, and how many there are, spread evenly.
const SAMPLE_BYTES: u64 = 64 << 10;
const SAMPLES: u64 = VERIFIED_BYTES_MIN / SAMPLE_BYTES;
/// Bytes between two words of progress.
const STEP_BYTES: u64 = 16 << 20;
/// Pieces that small disks are compared by.
const PIECE_BYTES: u64 = 1 << 20;

/// What was read back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// How many bytes.
    pub bytes: u64,
    /// How much of the disk that is.
    pub verified: Verified,
    /// What was found where it is not just zeroes, for a person.
    pub found: String,
}

/// Start and length of what is read.
fn places(size: u64, extent: ReadBack) -> Vec<(u64, u64)> {
    if extent == ReadBack::Full || size <= READ_ALL_MAX {
        return vec![(0, size)];
    }
    let last = size - SAMPLE_BYTES;
    // In 128 bits, because a large disk times the number of samples needs more than 64. On whole sectors of any size.
    let at = |sample: u64| (u128::from(last) * u128::from(sample) / u128::from(SAMPLES - 1)) as u64;
    (0..SAMPLES).map(|sample| (at(sample) - at(sample) % 4096, SAMPLE_BYTES)).collect()
}

/// How many bytes are read of a disk of this size.
pub fn bytes(size: u64, extent: ReadBack) -> u64 {
    places(size, extent).iter().map(|(_, length)| length).sum()
}

/// Reads back, and fails on the first byte that is not zero.
pub fn zeroes(disk: &OpenDisk, extent: ReadBack, meter: &Meter) -> Result<Seen, DiskError> {
    let mut seen = Seen::default();
    for (start, length) in places(disk.size_bytes(), extent) {
        let mut at = start;
        while at < start + length {
            if meter.is_stopped() {
                return Err(DiskError::Unfit(meter.aborted()));
            }
            let piece = STEP_BYTES.min(start + length - at);
            disk.expect_zero(at, piece)?;
            at += piece;
            meter.add(piece);
        }
        seen.bytes += length;
    }
    seen.verified = if seen.bytes == disk.size_bytes() { Verified::All } else { Verified::Sampled };
    Ok(seen)
}

/// What a place held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    /// One value, again and again.
    Only(u8),
    /// Bytes with this SHA-256.
    Bytes([u8; 32]),
    /// It could not be read.
    Unread,
}

fn held(disk: &OpenDisk, (start, length): (u64, u64)) -> Result<Held, DiskError> {
    let (mut hash, mut first, mut is_uniform) = (digest::Context::new(&digest::SHA256), None, true);
    disk.read_pieces(start, length, &mut |_, piece| {
        hash.update(piece);
        let byte = *first.get_or_insert(piece[0]);
        is_uniform = is_uniform && piece.iter().all(|other| *other == byte);
        Ok(())
    })?;
    Ok(match (first, is_uniform) {
        (Some(byte), true) => Held::Only(byte),
        (Some(_) | None, _) => {
            let mut bytes = [0; 32];
            bytes.copy_from_slice(hash.finish().as_ref());
            Held::Bytes(bytes)
        }
    })
}

/// What samples of a disk held before a drive's own command.
#[derive(Debug)]
pub struct Before(Vec<((u64, u64), Held)>);

/// What they hold afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum After {
    /// Zeroes everywhere.
    Zeroes,
    /// Something else than before, everywhere; how, for a person.
    Changed(Seen),
    /// What they held before, at this byte: nothing was erased.
    Same(u64),
    /// It cannot be told: they could not be read before.
    Unknown,
}

impl Before {
    /// Takes the samples; what cannot be read (a locked drive) is noted as such.
    pub fn read(disk: &OpenDisk, meter: &Meter) -> Self {
        let size = disk.size_bytes();
        let places = match &places(size, ReadBack::Sampled)[..] {
            [(0, whole)] if *whole == size => (0..size.div_ceil(PIECE_BYTES))
                .map(|n| (n * PIECE_BYTES, PIECE_BYTES.min(size - n * PIECE_BYTES)))
                .collect(),
            samples => samples.to_vec(),
        };
        let held = |place| {
            if meter.is_stopped() {
                return (place, Held::Unread);
            }
            meter.moved();
            (place, held(disk, place).unwrap_or(Held::Unread))
        };
        Self(places.into_iter().map(held).collect())
    }

    /// Takes them again and compares.
    pub fn compare(&self, disk: &OpenDisk, meter: &Meter) -> Result<After, DiskError> {
        let (mut bytes, mut other, mut uniform) = (0, 0, 0);
        for (place, before) in &self.0 {
            if meter.is_stopped() {
                return Err(DiskError::Unfit(meter.aborted()));
            }
            let after = held(disk, *place)?;
            meter.add(place.1);
            bytes += place.1;
            match (before, after) {
                (_, Held::Only(0)) => {}
                // Erased flash may read as ones, again and again.
                (_, Held::Only(0xff)) => uniform += 1,
                (before, after) if *before == after => return Ok(After::Same(place.0)),
                (_, Held::Only(_)) => uniform += 1,
                (Held::Unread, _) => return Ok(After::Unknown),
                (Held::Only(_) | Held::Bytes(_), Held::Bytes(_) | Held::Unread) => other += 1,
            }
        }
        if other + uniform == 0 {
            return Ok(After::Zeroes);
        }
        let found = format!(
            "of {} places, {other} hold other bytes than before, {uniform} one value throughout, the rest zeroes",
            self.0.len()
        );
        let verified = if bytes == disk.size_bytes() { Verified::All } else { Verified::Sampled };
        Ok(After::Changed(Seen { bytes, verified, found }))
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::File, os::unix::fs::FileExt};

    use super::*;

    fn disk(size: u64) -> (File, OpenDisk) {
        let file = tempfile::tempfile().unwrap();
        file.set_len(size).unwrap();
        let disk = OpenDisk::from_file(file.try_clone().unwrap(), "disk".into(), size);
        (file, disk)
    }

    #[test]
    fn a_large_disk_is_sampled_from_end_to_end_and_a_small_one_read_whole() {
        let check = |size: u64, extent, count: usize, last: (u64, u64)| {
            let places = places(size, extent);
            assert_eq!((places.len(), places.last()), (count, Some(&last)), "{size} {extent:?}");
            assert!(places.iter().all(|(at, _)| at % 4096 == 0));
        };
        check(1 << 20, ReadBack::Sampled, 1, (0, 1 << 20));
        check(20 << 40, ReadBack::Sampled, 2048, ((20 << 40) - SAMPLE_BYTES, SAMPLE_BYTES));
        check(20 << 40, ReadBack::Full, 1, (0, 20 << 40));
        assert_eq!(bytes(20 << 40, ReadBack::Sampled), VERIFIED_BYTES_MIN);
    }

    #[test]
    fn one_byte_between_the_samples_is_found_only_by_a_full_read() {
        let size = 2 << 30;
        let (file, disk) = disk(size);
        let meter = Meter::new(size);
        assert_eq!(zeroes(&disk, ReadBack::Sampled, &meter).unwrap().verified, Verified::Sampled);
        file.write_all_at(&[1], (1 << 30) + (300 << 10)).unwrap();
        assert_eq!(zeroes(&disk, ReadBack::Sampled, &meter).unwrap().bytes, VERIFIED_BYTES_MIN);
        assert!(zeroes(&disk, ReadBack::Full, &meter).is_err());
    }

    #[test]
    fn a_drive_that_only_says_that_it_erased_is_found_out() {
        const SIZE: u64 = 3 << 20;
        let check = |before: [u8; 3], after: [Option<u8>; 3]| {
            let (file, disk) = disk(SIZE);
            let noise =
                |of: u8| (0..PIECE_BYTES as usize).map(|at| (at as u8).wrapping_mul(of)).collect::<Vec<_>>();
            for (at, of) in before.iter().enumerate() {
                file.write_all_at(&noise(*of), at as u64 * PIECE_BYTES).unwrap();
            }
            let meter = Meter::new(SIZE);
            let samples = Before::read(&disk, &meter);
            for (at, of) in after.iter().enumerate() {
                let bytes = of.map_or_else(|| vec![0xff; PIECE_BYTES as usize], noise);
                file.write_all_at(&bytes, at as u64 * PIECE_BYTES).unwrap();
            }
            samples.compare(&disk, &meter).unwrap()
        };
        let disk_of = |byte: u8| {
            let (file, disk) = disk(SIZE);
            file.write_all_at(&vec![byte; SIZE as usize], 0).unwrap();
            (file, disk)
        };
        let z = Some(0);
        assert_eq!(check([1, 3, 5], [z, z, z]), After::Zeroes);
        assert_eq!(check([1, 3, 5], [z, Some(3), z]), After::Same(PIECE_BYTES));
        assert_eq!(check([0, 0, 0], [z, z, z]), After::Zeroes, "nothing was there");
        let (_, disk) = disk_of(0xaa);
        let samples = Before::read(&disk, &Meter::new(SIZE));
        assert_eq!(
            samples.compare(&disk, &Meter::new(SIZE)).unwrap(),
            After::Same(0),
            "one value throughout"
        );
        let (_, disk) = disk_of(0xff);
        let samples = Before::read(&disk, &Meter::new(SIZE));
        assert!(
            matches!(samples.compare(&disk, &Meter::new(SIZE)).unwrap(), After::Changed(_)),
            "erased before"
        );
        let After::Changed(seen) = check([1, 3, 5], [Some(7), None, z]) else { panic!() };
        assert_eq!((seen.bytes, seen.verified), (SIZE, Verified::All));
        assert!(seen.found.contains("1 hold other bytes than before, 1 one value"), "{}", seen.found);
    }
}
