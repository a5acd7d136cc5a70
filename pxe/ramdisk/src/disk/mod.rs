//! Edges: whole disks: which there are, and reading, zeroing and checking ranges of them.

pub mod gpt;
mod mbr;
pub mod table;

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::PathBuf,
};

use nix::{errno::Errno, libc};

use crate::{kernel, system::read_line};

/// Unit in which sysfs counts, whatever the disk's own sector is.
pub const SECTOR: u64 = 512;
/// Bytes that are read, written or zeroed in one go, so that there is progress to report.
const CHUNK: usize = 1 << 20;
/// What direct reading wants its buffers, places and lengths to be a multiple of, whatever the disk's sector is.
const DIRECT_ALIGN: usize = 4096;
const ZERO_CHUNK: u64 = 256 << 20;
/// Kernel names of block devices that are no disks of the server's.
const NOT_DISKS: [&str; 9] = ["loop", "ram", "zram", "dm-", "md", "sr", "fd", "nbd", "mtd"];

/// A fixed, writable disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// The kernel's name, such as `vda`.
    pub name: String,
    /// Its size.
    pub size_bytes: u64,
}

/// What was being done to a disk when it failed.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// Opening, reading, writing or flushing failed.
    #[error("{operation} {disk}: {source}")]
    Io {
        /// What.
        operation: &'static str,
        /// Which disk.
        disk: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The disk does not read back as it was written.
    #[error("{disk}: {found}")]
    ReadBack {
        /// Which disk.
        disk: String,
        /// What was found instead.
        found: String,
    },
    /// The disk, or what stands on it, is not fit for what was asked.
    #[error("{0}")]
    Unfit(String),
}

impl Disk {
    /// Its device node.
    pub fn path(&self) -> String {
        format!("/dev/{}", self.name)
    }

    /// Its directory in sysfs.
    pub fn sysfs(&self) -> PathBuf {
        PathBuf::from("/sys/block").join(&self.name)
    }

    /// Opens it for reading and writing.
    pub fn open(&self) -> Result<OpenDisk, DiskError> {
        let path = self.path();
        let opened = OpenOptions::new().read(true).write(true).open(&path);
        let file =
            opened.map_err(|source| DiskError::Io { operation: "open", disk: path.clone(), source })?;
        // Reading back goes past the kernel's cache: it is the device that is asked, and nothing is copied.
        let direct = OpenOptions::new().read(true).custom_flags(libc::O_DIRECT).open(&path).ok();
        Ok(OpenDisk { file, direct, name: path, size_bytes: self.size_bytes })
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

/// All disks of the server, by name; without removable and read-only ones.
pub fn all() -> Vec<Disk> {
    let entries = fs::read_dir("/sys/block").into_iter().flatten().flatten();
    let mut disks: Vec<_> = entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let line = |file: &str| read_line(entry.path().join(file));
            let sectors: u64 = line("size").parse().ok()?;
            let fixed = line("removable") == "0" && line("ro") == "0" && sectors > 0;
            let ours = fixed && !NOT_DISKS.iter().any(|prefix| name.starts_with(prefix));
            ours.then_some(Disk { name, size_bytes: sectors * SECTOR })
        })
        .collect();
    disks.sort_by(|a, b| a.name.cmp(&b.name));
    disks
}

/// The disk for an image of this size: the smallest that holds it, so that big data disks are left alone.
pub fn root_disk(disks: &[Disk], image_bytes: u64) -> Result<Disk, DiskError> {
    let fits = disks.iter().filter(|disk| disk.size_bytes >= image_bytes);
    fits.min_by_key(|disk| disk.size_bytes).cloned().ok_or_else(|| {
        let have: Vec<_> =
            disks.iter().map(|disk| format!("{} of {}", disk.path(), disk.size_bytes)).collect();
        let have = if have.is_empty() { "none".to_owned() } else { have.join(", ") };
        DiskError::Unfit(format!("no disk holds the image's {image_bytes} bytes; there are: {have}"))
    })
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
}

impl OpenDisk {
    /// Wraps a regular file.
    pub fn from_file(file: File, name: String, size_bytes: u64) -> Self {
        Self { file, direct: None, name, size_bytes }
    }

    /// Its device node.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its size.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn failed(&self, operation: &'static str) -> impl Fn(io::Error) -> DiskError + '_ {
        move |source| DiskError::Io { operation, disk: self.name.clone(), source }
    }

    /// Reads.
    pub fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), DiskError> {
        self.file.read_exact_at(buffer, offset).map_err(self.failed("read"))
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
        self.file.write_all_at(bytes, offset).map_err(self.failed("write"))
    }

    /// Makes a range read as zeroes; `progress` hears of bytes done.
    pub fn zero(&self, start: u64, length: u64, progress: &mut dyn FnMut(u64)) -> Result<(), DiskError> {
        let end = start.saturating_add(length).min(self.size_bytes);
        let mut at = start;
        while at < end {
            let piece = (end - at).min(ZERO_CHUNK);
            match kernel::zero_out(&self.file, at, piece) {
                Ok(()) => {}
                // Not a block device, or not a whole number of its sectors: write the zeroes ourselves.
                Err(Errno::ENOTTY | Errno::EINVAL | Errno::EOPNOTSUPP) => self.overwrite(at, piece)?,
                Err(error) => return Err(self.failed("zero")(error.into())),
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
            self.file.write_all_at(&zeroes[..piece], at).map_err(self.failed("overwrite"))?;
            at += piece as u64;
        }
        Ok(())
    }

    /// Tells the device that a range is not needed any more. Proves nothing about its content.
    pub fn discard(&self, start: u64, length: u64) -> Result<(), DiskError> {
        kernel::discard(&self.file, start, length).map_err(|error| self.failed("discard")(error.into()))
    }

    /// Flushes to the device, and makes the kernel forget what it has cached, so that reading back means something.
    pub fn settle(&self) -> Result<(), DiskError> {
        self.file.sync_all().map_err(self.failed("flush"))?;
        match kernel::flush_buffers(&self.file) {
            Ok(()) | Err(Errno::ENOTTY) => Ok(()),
            Err(error) => Err(self.failed("drop the cache of")(error.into())),
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
                Some(file) if direct => file.read_exact_at(piece, at).map_err(self.failed("read"))?,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_disk_that_fits_is_the_root_disk() {
        let disk = |name: &str, gib: u64| Disk { name: name.into(), size_bytes: gib << 30 };
        let disks = [disk("sda", 100), disk("sdb", 10), disk("sdc", 10), disk("sdd", 1)];
        let check = |gib: u64, expected: Option<&str>| {
            let found = root_disk(&disks, gib << 30);
            assert_eq!(found.as_ref().ok().map(|disk| disk.name.as_str()), expected, "{gib} GiB: {found:?}");
        };
        check(1, Some("sdd"));
        check(2, Some("sdb"));
        check(50, Some("sda"));
        check(101, None);
    }
}
