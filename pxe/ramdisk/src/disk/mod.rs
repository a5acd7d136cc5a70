//! Edges: whole disks: reading, zeroing and checking ranges of them.

mod error;
mod examine;
pub mod gpt;
mod kind;
mod known;
mod list;
mod mark;
mod mbr;
mod paths;
mod place;
mod settle;
pub mod table;
mod transport;

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::PathBuf,
};

use nix::{errno::Errno, libc};
use protocol::{hardware, root_device::RootDeviceHints};

use crate::{identify::Asked, kernel, system::read_line};

pub use error::{DiskError, Place, SECTOR};
pub use examine::examined;
pub use list::{all, all_asked_again, settled, wait_for};

/// Bytes that are read, written or zeroed in one go, so that there is progress to report.
const CHUNK: usize = 1 << 20;
/// What direct reading wants its buffers, places and lengths to be a multiple of, whatever the disk's sector is.
const DIRECT_ALIGN: usize = 4096;
const ZERO_CHUNK: u64 = 256 << 20;
/// Largest sector that is believed.
const SECTOR_BYTES_MAX: u64 = 64 << 10;

/// A disk of the server's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Disk {
    /// The kernel's name, such as `vda`.
    pub name: String,
    /// Its size; 0 when it does not say.
    pub size_bytes: u64,
    /// Whether it, or its medium, can be pulled out.
    pub removable: bool,
    /// Whether it takes no writes.
    pub read_only: bool,
    /// How many block devices lead to it; this is the first of them.
    pub paths: u32,
    /// What it has said of itself.
    pub asked: Asked,
}

impl Disk {
    /// Its device node; where the kernel's name for it has a slash, sysfs has an exclamation mark.
    pub fn path(&self) -> String {
        format!("/dev/{}", self.name.replace('!', "/"))
    }

    /// Its directory in sysfs.
    pub fn sysfs(&self) -> PathBuf {
        PathBuf::from("/sys/block").join(&self.name)
    }

    /// Opens it for reading and writing.
    pub fn open(&self) -> Result<OpenDisk, DiskError> {
        let path = self.path();
        let opened = OpenOptions::new().read(true).write(true).open(&path);
        let file = opened.map_err(|source| DiskError::Io {
            operation: "open",
            disk: path.clone(),
            place: Place::Anywhere,
            source,
        })?;
        // Reading back goes past the kernel's cache: it is the device that is asked, and nothing is copied.
        let direct = OpenOptions::new().read(true).custom_flags(libc::O_DIRECT).open(&path).ok();
        let sector_bytes = self.sector_bytes();
        Ok(OpenDisk { file, direct, name: path, size_bytes: self.size_bytes, sector_bytes })
    }

    /// Takes away write protection that is only the kernel's word, such as that of an eMMC's boot partitions. Returns whether the
    /// disk takes writes now; one that protects itself does not.
    pub fn unprotect(&self) -> bool {
        if !self.read_only {
            return true;
        }
        // Neither is there on every disk; what counts is what the kernel says afterwards.
        let _ = fs::write(self.sysfs().join("force_ro"), "0");
        if let Ok(file) = File::open(self.path()) {
            let _ = kernel::take_writes(&file);
        }
        read_line(self.sysfs().join("ro")) == "0"
    }

    /// Bytes of a sector as its tables count them.
    pub fn sector_bytes(&self) -> u64 {
        let stated = self.queue_limit("logical_block_size");
        if stated.is_power_of_two() && (SECTOR..=SECTOR_BYTES_MAX).contains(&stated) {
            stated
        } else {
            SECTOR
        }
    }

    /// A number that the block layer states of the disk's queue; 0 when it does not.
    pub fn queue_limit(&self, name: &str) -> u64 {
        read_line(self.sysfs().join("queue").join(name)).parse().unwrap_or(0)
    }

    /// Start and length in bytes of the partitions that the kernel knows.
    pub fn partitions(&self) -> Vec<(u64, u64)> {
        let entries = fs::read_dir(self.sysfs()).into_iter().flatten().flatten();
        let number = |path: PathBuf| read_line(path).parse::<u64>().ok().map(|sectors| sectors * SECTOR);
        entries
            .filter(|entry| entry.path().join("partition").exists())
            .filter_map(|entry| {
                Some((number(entry.path().join("start"))?, number(entry.path().join("size"))?))
            })
            .collect()
    }
}

/// The disk that an image of this size goes to, with what is known of it. Inspections and deploys ask one function which it is
/// ([`RootDeviceHints::root_disk`]); one that is too small is refused, and no other taken in its place.
pub fn root_disk(hints: &RootDeviceHints, image_bytes: u64) -> Result<(Disk, hardware::Disk), DiskError> {
    let disks = all_asked_again();
    let described: Vec<_> = disks.iter().map(Disk::describe).collect();
    let root = hints.root_disk(&described).map_err(|error| DiskError::Unfit(error.to_string()))?;
    if root.size_bytes < image_bytes {
        return Err(DiskError::Unfit(format!(
            "the root disk {root} is too small for the image's {image_bytes} bytes; root device hints can name another"
        )));
    }
    let disk = disks.into_iter().find(|disk| disk.path() == root.name);
    disk.map(|disk| (disk, root.clone())).ok_or_else(|| DiskError::Unfit(format!("{root} has gone away")))
}

/// Called with the place and the bytes of each piece that was read.
pub type EachPiece<'a> = dyn FnMut(u64, &[u8]) -> Result<(), DiskError> + 'a;

/// A disk opened for reading and writing; a regular file in tests.
#[derive(Debug)]
pub struct OpenDisk {
    file: File,
    direct: Option<File>,
    name: String,
    size_bytes: u64,
    sector_bytes: u64,
}

impl OpenDisk {
    /// Wraps a regular file.
    pub fn from_file(file: File, name: String, size_bytes: u64) -> Self {
        Self { file, direct: None, name, size_bytes, sector_bytes: SECTOR }
    }

    /// The same with sectors of another size.
    pub fn with_sectors(self, sector_bytes: u64) -> Self {
        Self { sector_bytes, ..self }
    }

    /// Bytes of a sector as its tables count them.
    pub fn sector_bytes(&self) -> u64 {
        self.sector_bytes
    }

    /// Its device node.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its size.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn failed(&self, operation: &'static str, place: Place) -> impl Fn(io::Error) -> DiskError + '_ {
        move |source| DiskError::Io { operation, disk: self.name.clone(), place, source }
    }

    fn failed_at(
        &self,
        operation: &'static str,
        start: u64,
        length: u64,
    ) -> impl Fn(io::Error) -> DiskError + '_ {
        self.failed(operation, Place::Range { start, length })
    }

    /// Reads.
    pub fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), DiskError> {
        let length = buffer.len() as u64;
        self.file.read_exact_at(buffer, offset).map_err(self.failed_at("read", offset, length))
    }

    /// Writes.
    pub fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        if offset.checked_add(bytes.len() as u64).is_none_or(|end| end > self.size_bytes) {
            let (length, size) = (bytes.len(), self.size_bytes);
            return Err(DiskError::Unfit(format!(
                "{}: {length} bytes at {offset} do not fit its {size} bytes",
                self.name
            )));
        }
        let failed = self.failed_at("write", offset, bytes.len() as u64);
        self.file.write_all_at(bytes, offset).map_err(failed)
    }

    /// Makes a range read as zeroes; `progress` hears of bytes done.
    pub fn zero(&self, start: u64, length: u64, progress: &mut dyn FnMut(u64)) -> Result<(), DiskError> {
        let end = start.saturating_add(length).min(self.size_bytes);
        let (mut at, mut most) = (start, ZERO_CHUNK);
        while at < end {
            let piece = (end - at).min(most);
            match kernel::zero_out(&self.file, at, piece) {
                Ok(()) => {}
                // Not a block device, or not a whole number of its sectors: write the zeroes ourselves.
                Err(Errno::ENOTTY | Errno::EINVAL | Errno::EOPNOTSUPP) => self.overwrite(at, piece)?,
                // Once more in small pieces, so that the place of the fault is known.
                Err(_) if most > CHUNK as u64 => {
                    most = CHUNK as u64;
                    continue;
                }
                Err(error) => return Err(self.failed_at("zero", at, piece)(error.into())),
            }
            at += piece;
            progress(piece);
        }
        Ok(())
    }

    fn overwrite(&self, start: u64, length: u64) -> Result<(), DiskError> {
        let zeroes = vec![0; CHUNK];
        let end = start + length;
        let mut at = start;
        while at < end {
            let piece = (end - at).min(CHUNK as u64) as usize;
            let failed = self.failed_at("overwrite", at, piece as u64);
            self.file.write_all_at(&zeroes[..piece], at).map_err(failed)?;
            at += piece as u64;
        }
        Ok(())
    }

    /// Tells the device that a range is not needed any more. Proves nothing about its content.
    pub fn discard(&self, start: u64, length: u64) -> Result<(), DiskError> {
        kernel::discard(&self.file, start, length)
            .map_err(|error| self.failed_at("discard", start, length)(error.into()))
    }

    /// Flushes to the device, and makes the kernel forget what it has cached, so that reading back means something.
    pub fn settle(&self) -> Result<(), DiskError> {
        self.file.sync_all().map_err(self.failed("flush", Place::Anywhere))?;
        match kernel::flush_buffers(&self.file) {
            Ok(()) | Err(Errno::ENOTTY) => Ok(()),
            Err(error) => Err(self.failed("drop the cache of", Place::Anywhere)(error.into())),
        }
    }

    /// Lets the kernel see a changed partition table; it may be busy, and then it sees it at the next boot.
    pub fn reread_partitions(&self) {
        let _ = kernel::reread_partitions(&self.file);
    }

    /// Reads a range in pieces.
    pub fn read_pieces(&self, start: u64, length: u64, each: &mut EachPiece<'_>) -> Result<(), DiskError> {
        let mut buffer = vec![0; CHUNK + DIRECT_ALIGN];
        let aligned = buffer.as_ptr().align_offset(DIRECT_ALIGN).min(DIRECT_ALIGN);
        let buffer = &mut buffer[aligned..aligned + CHUNK];
        let end = start.saturating_add(length).min(self.size_bytes);
        let mut at = start;
        while at < end {
            let piece = (end - at).min(CHUNK as u64) as usize;
            let piece = &mut buffer[..piece];
            let direct = at.is_multiple_of(DIRECT_ALIGN as u64) && piece.len().is_multiple_of(DIRECT_ALIGN);
            match &self.direct {
                Some(file) if direct => {
                    let failed = self.failed_at("read", at, piece.len() as u64);
                    file.read_exact_at(piece, at).map_err(failed)?;
                }
                Some(_) | None => self.read(at, piece)?,
            }
            each(at, piece)?;
            at += piece.len() as u64;
        }
        Ok(())
    }

    /// Reads a range and fails on the first byte that is not zero.
    pub fn expect_zero(&self, start: u64, length: u64) -> Result<(), DiskError> {
        let zeroes = vec![0; CHUNK];
        self.read_pieces(start, length, &mut |at, bytes| {
            // Comparing whole pieces is many times faster than looking at each byte.
            if *bytes == zeroes[..bytes.len()] {
                return Ok(());
            }
            let index = bytes.iter().position(|byte| *byte != 0).unwrap_or_default();
            Err(DiskError::ReadBack {
                disk: self.name.clone(),
                found: format!("byte {} is {:#04x} where zero was written", at + index as u64, bytes[index]),
            })
        })
    }
}
