//! Edges: an image file opened for reading as a disk, whatever its format.

use std::{
    fs::File,
    io,
    os::{fd::AsFd, unix::fs::FileExt},
    path::Path,
};

use nix::unistd::{Whence, lseek};
use protocol::{
    qcow2::{self, Entry, VIRTUAL_BYTES_MAX},
    step::ImageFormat,
    whole_disk,
};

use super::qcow2::Qcow2;

/// Why an image file cannot be read as a disk.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The file cannot be read.
    #[error("read the image file")]
    Read(#[from] io::Error),
    /// The file is not what its format says.
    #[error("the file is damaged: {0}")]
    Damaged(String),
    /// The file uses something that is not supported here.
    #[error("the file {0}; convert it with qemu-img convert")]
    Unsupported(String),
}

/// One verified image file. It stays readable when the cache removes its name.
#[derive(Debug)]
pub struct CachedImage {
    file: File,
    virtual_bytes: u64,
    format: Format,
}

#[derive(Debug)]
enum Format {
    Raw,
    Qcow2(Qcow2),
}

impl CachedImage {
    /// Opens a file and reads its header.
    pub fn open(path: &Path, format: ImageFormat) -> Result<Self, ImageError> {
        let file = File::open(path)?;
        let file_bytes = file.metadata()?.len();
        let (format, virtual_bytes) = match format {
            ImageFormat::Raw => (Format::Raw, file_bytes),
            ImageFormat::Qcow2 => {
                let qcow2 = Qcow2::open(&file, file_bytes)?;
                let virtual_bytes = qcow2.virtual_bytes();
                (Format::Qcow2(qcow2), virtual_bytes)
            }
        };
        if !(1..=VIRTUAL_BYTES_MAX).contains(&virtual_bytes) {
            return Err(ImageError::Damaged(format!("it describes a disk of {virtual_bytes} bytes")));
        }
        Ok(Self { file, virtual_bytes, format })
    }

    /// Opens what was in a compressed file: its first bytes say whether it is of either format.
    pub(super) fn open_unpacked(path: &Path) -> Result<Self, ImageError> {
        let mut start = [0; qcow2::MAGIC.len()];
        let is_qcow2 = File::open(path)?.read_at(&mut start, 0)? == start.len() && start == qcow2::MAGIC;
        Self::open(path, if is_qcow2 { ImageFormat::Qcow2 } else { ImageFormat::Raw })
    }

    /// What its beginning is instead of a disk, if that is known: words that follow "it is".
    pub(super) fn something_else(&self) -> Result<Option<&'static str>, ImageError> {
        let mut head =
            vec![0; whole_disk::HEAD_BYTES.min(usize::try_from(self.virtual_bytes).unwrap_or(usize::MAX))];
        self.read_at(0, &mut head, &mut Scratch::default())?;
        Ok(whole_disk::something_else(&head))
    }

    /// Size of the disk that the image describes.
    pub fn virtual_bytes(&self) -> u64 {
        self.virtual_bytes
    }

    /// The bytes of the file.
    pub fn whole(&self) -> io::Result<Vec<u8>> {
        let bytes = usize::try_from(self.file.metadata()?.len()).map_err(io::Error::other)?;
        let mut buffer = vec![0; bytes];
        self.file.read_exact_at(&mut buffer, 0)?;
        Ok(buffer)
    }

    /// The next place from `offset` on at which there may be data; none: only zeroes follow.
    pub(super) fn next_data(&self, offset: u64, scratch: &mut Scratch) -> Result<Option<u64>, ImageError> {
        if offset >= self.virtual_bytes {
            return Ok(None);
        }
        let found = match &self.format {
            Format::Raw => match lseek(self.file.as_fd(), offset as i64, Whence::SeekData) {
                Ok(found) => Some(found as u64),
                Err(nix::errno::Errno::ENXIO) => None,
                Err(_) => Some(offset), // a file system without holes: everything may be data
            },
            Format::Qcow2(qcow2) => qcow2.next_data(&self.file, offset, scratch)?,
        };
        // The last table of a qcow2 file may speak of more than the disk has.
        Ok(found.filter(|found| *found < self.virtual_bytes))
    }

    /// Fills `buffer` with the disk's bytes from `offset` on; all of them lie inside the disk.
    pub(super) fn read_at(
        &self,
        offset: u64,
        buffer: &mut [u8],
        scratch: &mut Scratch,
    ) -> Result<(), ImageError> {
        match &self.format {
            Format::Raw => Ok(self.file.read_exact_at(buffer, offset)?),
            Format::Qcow2(qcow2) => qcow2.read_at(&self.file, offset, buffer, scratch),
        }
    }
}

/// Tables and clusters that a reader keeps between calls.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// The last second-level table, by its place in the file.
    pub l2: Option<(u64, Vec<Entry>)>,
    /// A compressed cluster as it stands in the file.
    pub packed: Vec<u8>,
    /// The last cluster that was unpacked, by its place in the file.
    pub unpacked: Option<(u64, Vec<u8>)>,
}
