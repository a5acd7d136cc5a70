//! Decisions: an image file as it passes: every byte is counted, hashed and looked at once.

use protocol::{hex, step::ImageFormat};
use sha2::{Digest, Sha512};

use super::head::{Fault, GIB, Kind};

/// One file on its way.
#[derive(Debug)]
pub struct Sieve {
    kind: Kind,
    announced: u64,
    passed: u64,
    hash: Sha512,
}

impl Sieve {
    /// For a file of `announced` bytes that begins with `head`, which must still [`Sieve::pass`] as the first piece.
    pub fn new(head: &[u8], announced: u64) -> Result<Self, Fault> {
        Ok(Self { kind: Kind::read(head, announced)?, announced, passed: 0, hash: Sha512::new() })
    }

    /// The file's format.
    pub fn format(&self) -> ImageFormat {
        self.kind.format()
    }

    /// Size of the disk that the file describes.
    pub fn virtual_bytes(&self) -> u64 {
        match &self.kind {
            Kind::Raw(_) => self.announced,
            Kind::Qcow2(tables) => tables.virtual_bytes(),
            Kind::Packed(packed) => packed.virtual_bytes(),
        }
    }

    /// Bytes of the sectors for which the disk inside was made, once all has passed; none: not known, or any.
    pub fn sector_bytes(&self) -> Option<u32> {
        match &self.kind {
            Kind::Raw(sector_bytes) => *sector_bytes,
            Kind::Qcow2(tables) => tables.sector_bytes(),
            Kind::Packed(packed) => packed.sector_bytes(),
        }
    }

    /// The minimum disk in GiB: what was asked for, when the image fits it, or else what it needs.
    pub fn min_disk_gb(&self, asked_gb: Option<u64>) -> Result<u64, Fault> {
        let virtual_bytes = self.virtual_bytes();
        let needed_gb = virtual_bytes.div_ceil(GIB);
        match asked_gb {
            Some(asked_gb) if asked_gb < needed_gb => {
                Err(Fault::TooLarge { virtual_bytes, asked_gb, needed_gb })
            }
            Some(asked_gb) => Ok(asked_gb),
            None => Ok(needed_gb),
        }
    }

    /// Takes the next piece.
    pub fn pass(&mut self, piece: &[u8]) -> Result<(), Fault> {
        if let Kind::Qcow2(tables) = &mut self.kind {
            tables.pass(self.passed, piece)?;
        }
        self.passed = self.passed.saturating_add(piece.len() as u64);
        if self.passed > self.announced {
            return Err(Fault::Length { announced: self.announced, came: self.passed });
        }
        self.hash.update(piece);
        Ok(())
    }

    /// After the last piece: the file's SHA-512 in hexadecimal, if it is whole and the one that was meant.
    pub fn finish(&mut self, asked: Option<&str>) -> Result<String, Fault> {
        if self.passed != self.announced {
            return Err(Fault::Length { announced: self.announced, came: self.passed });
        }
        let found = hex::encode(self.hash.finalize_reset());
        match asked {
            Some(asked) if !asked.eq_ignore_ascii_case(&found) => {
                Err(Fault::Hash { asked: asked.to_owned(), found })
            }
            Some(_) | None => Ok(found),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(bytes: usize) -> Vec<u8> {
        let mut disk = vec![7; bytes];
        disk[446..510].fill(0);
        disk[450] = 0x83;
        disk[510..512].copy_from_slice(&[0x55, 0xaa]);
        disk
    }

    fn sieve(file: &[u8], announced: u64, asked: Option<&str>) -> Result<String, Fault> {
        let mut sieve = Sieve::new(&file[..file.len().min(super::super::HEAD_BYTES)], announced)?;
        for piece in file.chunks(1000) {
            sieve.pass(piece)?;
        }
        sieve.finish(asked)
    }

    #[test]
    fn only_the_whole_file_that_was_meant_passes() {
        let file = disk(70_000);
        let hash = hex::encode(Sha512::digest(&file));
        let upper = hash.to_uppercase();
        assert_eq!(sieve(&file, 70_000, None), Ok(hash.clone()));
        assert_eq!(sieve(&file, 70_000, Some(&upper)), Ok(hash.clone()));
        let other = "0".repeat(128);
        let fault = sieve(&file, 70_000, Some(&other)).unwrap_err();
        assert_eq!(fault, Fault::Hash { asked: other, found: hash });
        assert_eq!(sieve(&file, 70_001, None), Err(Fault::Length { announced: 70_001, came: 70_000 }));
        assert_eq!(sieve(&file, 69_999, None), Err(Fault::Length { announced: 69_999, came: 70_000 }));
    }

    #[test]
    fn the_minimum_disk_holds_the_image() {
        let head = super::super::qcow2::tests::file(5 * GIB + 1, 4);
        let check = |asked, expected: Result<u64, u64>| {
            let sieve = Sieve::new(&head[..4608], head.len() as u64).unwrap();
            let found = sieve.min_disk_gb(asked).map_err(|fault| match fault {
                Fault::TooLarge { needed_gb, .. } => needed_gb,
                other => panic!("{other}"),
            });
            assert_eq!(found, expected, "{asked:?}");
        };
        check(None, Ok(6));
        check(Some(6), Ok(6));
        check(Some(40), Ok(40));
        check(Some(5), Err(6));
        assert_eq!(Sieve::new(&disk(4096), GIB).unwrap().min_disk_gb(None), Ok(1));
    }
}
