//! Edges: erasing as every disk can: by zeroes and by discards.
//!
//! What must stay true: what is done is what was ordered. The kernel's own request for zeroes writes them itself where a disk refuses its
//! command for that, and does not say so; so it is not used here.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
};

use nix::{
    errno::Errno,
    fcntl::{FallocateFlags, fallocate},
    libc,
};

use super::{meter::Meter, plan::Refused};
use crate::{
    disk::{DiskError, Place},
    kernel,
};

/// Bytes that are asked for in one go, so that there is progress to report.
const COMMAND_BYTES: u64 = 256 << 20;
/// Bytes that are written in one go, also after a fault, so that its place is known.
const WRITE_BYTES: u64 = 1 << 20;
/// What direct writing wants its buffer to be a multiple of.
const DIRECT_ALIGN: usize = 4096;

fn refused(operation: &'static str, disk: &str, place: (u64, u64), error: impl Into<io::Error>) -> Refused {
    let (start, length) = place;
    let (disk, place, source) = (disk.to_owned(), Place::Range { start, length }, error.into());
    Refused::Broken(DiskError::Io { operation, disk, place, source }.to_string())
}

/// Zeroes by the disk's own command alone.
pub fn device_zeroes(file: &File, name: &str, size: u64, meter: &Meter) -> Result<(), Refused> {
    let flags = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    let (mut at, mut most) = (0, COMMAND_BYTES);
    while at < size {
        if meter.is_stopped() {
            return Err(Refused::Broken(meter.aborted()));
        }
        let piece = (size - at).min(most);
        match fallocate(file, flags, at as libc::off_t, piece as libc::off_t) {
            Ok(()) => {}
            Err(Errno::EOPNOTSUPP | Errno::ENODEV | Errno::EINVAL) => {
                return Err(Refused::NotDone("the disk does not take the command".to_owned()));
            }
            Err(_) if most > WRITE_BYTES => {
                most = WRITE_BYTES;
                continue;
            }
            Err(error) => return Err(refused("write zeroes to", name, (at, piece), error)),
        }
        at += piece;
        meter.add(piece);
    }
    Ok(())
}

/// Discards everything; what is read afterwards is up to the disk.
pub fn discard(file: &File, size: u64, is_secure: bool, meter: &Meter) -> Result<(), Refused> {
    let mut at = 0;
    while at < size {
        if meter.is_stopped() {
            return Err(Refused::Broken(meter.aborted()));
        }
        let piece = (size - at).min(COMMAND_BYTES);
        let done = if is_secure {
            kernel::secure_discard(file, at, piece)
        } else {
            kernel::discard(file, at, piece)
        };
        done.map_err(|error| Refused::NotDone(format!("the disk does not take the command: {error}")))?;
        at += piece;
        meter.add(piece);
    }
    Ok(())
}

/// Zeroes byte for byte, past the kernel's cache.
pub fn overwrite(path: &str, size: u64, meter: &Meter) -> Result<(), Refused> {
    let open = |flags| OpenOptions::new().write(true).custom_flags(flags).open(path);
    // A file in a test may be on a file system that has no direct writes.
    let file = open(libc::O_DIRECT).or_else(|_| open(0)).map_err(|error| {
        let error =
            DiskError::Io { operation: "open", disk: path.to_owned(), place: Place::Anywhere, source: error };
        Refused::Broken(error.to_string())
    })?;
    let buffer = vec![0; WRITE_BYTES as usize + DIRECT_ALIGN];
    let aligned = buffer.as_ptr().align_offset(DIRECT_ALIGN).min(DIRECT_ALIGN);
    let zeroes = &buffer[aligned..aligned + WRITE_BYTES as usize];
    let mut at = 0;
    while at < size {
        if meter.is_stopped() {
            return Err(Refused::Broken(meter.aborted()));
        }
        let piece = (size - at).min(WRITE_BYTES);
        let written = file.write_all_at(&zeroes[..piece as usize], at);
        written.map_err(|error| refused("overwrite", path, (at, piece), error))?;
        at += piece;
        meter.add(piece);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::stop::Stop;

    #[test]
    fn every_byte_is_written_and_counted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk").display().to_string();
        let size = 3 * WRITE_BYTES + 512;
        for own_bytes in [true, false] {
            fs::write(&path, vec![0xaa; size as usize]).unwrap();
            let meter = Meter::new(size);
            if own_bytes {
                overwrite(&path, size, &meter).unwrap();
            } else {
                let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
                match device_zeroes(&file, &path, size, &meter) {
                    Ok(()) => {}
                    Err(Refused::NotDone(_)) => continue, // a file system without holes
                    Err(other) => panic!("{other:?}"),
                }
            }
            assert_eq!(meter.read(), (size, size));
            assert!(fs::read(&path).unwrap().iter().all(|byte| *byte == 0), "{own_bytes}");
        }
    }

    #[test]
    fn nothing_is_written_after_a_stop() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk").display().to_string();
        fs::write(&path, vec![0xaa; 3 * WRITE_BYTES as usize]).unwrap();
        let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let stop = Stop::default();
        stop.say();
        let meter = Meter::until(3 * WRITE_BYTES, stop);
        let stopped = Err(Refused::Broken("its erase was aborted".to_owned()));
        assert_eq!(overwrite(&path, 3 * WRITE_BYTES, &meter), stopped);
        assert_eq!(device_zeroes(&file, &path, 3 * WRITE_BYTES, &meter), stopped);
        assert_eq!(discard(&file, 3 * WRITE_BYTES, false, &meter), stopped);
        assert!(fs::read(&path).unwrap().iter().all(|byte| *byte == 0xaa));
    }

    #[test]
    fn a_fault_is_told_with_its_place() {
        // It takes no byte: no space.
        let Err(Refused::Broken(why)) = overwrite("/dev/full", 10, &Meter::new(10)) else { panic!() };
        assert!(why.starts_with("overwrite /dev/full at bytes 0 to 9: "), "{why}");
    }
}
