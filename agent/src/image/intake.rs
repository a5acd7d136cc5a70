//! Edges: the bytes of a download on their way to the disk, on a thread of their own: as they come, or unpacked when they are those
//! of a compressed disk. Meanwhile the next ones are fetched and hashed.
//!
//! What is unpacked is written with holes where it is zero, so that it takes the room of its data alone, and is read many times
//! faster than it is unpacked, by every server of the rack that gets it.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::fs::FileExt,
    path::Path,
};

use bytes::{Buf, Bytes};
use protocol::unpack::{self, Packing};
use tokio::sync::mpsc;

use super::{extents::is_zero, room::RoomError};

/// Pieces of a download that wait to be written.
pub(super) const PIECES_AHEAD: usize = 8;
/// Largest disk that may come out of a compressed file: what is zero in it takes time alone, a few minutes for so much.
const UNPACKED_BYTES_MAX: u64 = if cfg!(test) { 32 << 20 } else { 1 << 40 };
/// Unpacked bytes are written in pieces of this size, and zeroes looked for in grains of the other.
const PIECE_BYTES: usize = 1 << 20;
const GRAIN_BYTES: usize = 64 << 10;
/// The first bytes, by which a compressed file is known.
const HEAD_BYTES: usize = 6;

/// What a file is fetched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    /// For what it is.
    File,
    /// For the disk in it: unpacked, if it is compressed.
    Disk,
}

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// The file as it came.
    AsItCame,
    /// What was in it.
    Unpacked,
}

/// Why it was not.
#[derive(Debug, thiserror::Error)]
pub(super) enum IntakeError {
    #[error("cannot be written")]
    Disk(#[source] io::Error),
    #[error("what is compressed by {packing} in it cannot be unpacked")]
    Damaged { packing: &'static str, source: io::Error },
    #[error("more than {UNPACKED_BYTES_MAX} bytes are compressed in it")]
    TooLarge,
    #[error(transparent)]
    Room(#[from] RoomError),
}

/// Whether a file is one that is unpacked before it is a disk.
pub(super) fn is_packed(path: &Path) -> bool {
    let mut head = [0; HEAD_BYTES];
    let read = File::open(path).and_then(|file| file.read_exact_at(&mut head, 0));
    read.is_ok() && Packing::of(&head).is_some()
}

/// Makes room for so many bytes in all.
pub(super) type Grow = Box<dyn FnMut(u64) -> Result<(), RoomError> + Send>;

/// Writes what comes into a new file until there is no more, and lets it reach the disk.
pub(super) fn write(
    path: &Path,
    keep: Keep,
    pieces: mpsc::Receiver<Bytes>,
    grow: Grow,
) -> Result<Written, IntakeError> {
    let mut incoming = Incoming { pieces, piece: Bytes::new() };
    let mut head = Vec::new();
    incoming.by_ref().take(HEAD_BYTES as u64).read_to_end(&mut head).map_err(IntakeError::Disk)?;
    // A file of its own: whoever was called off may still be at the one before.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(IntakeError::Disk(error)),
        Ok(()) | Err(_) => {}
    }
    let file = File::create_new(path).map_err(IntakeError::Disk)?;
    let packing = Packing::of(&head).filter(|_| keep == Keep::Disk);
    let written = match packing {
        Some(packing) => {
            unpack(packing, Read::chain(&head[..], incoming), &file, grow)?;
            Written::Unpacked
        }
        None => {
            copy(&head, incoming, &file).map_err(IntakeError::Disk)?;
            Written::AsItCame
        }
    };
    file.sync_all().map_err(IntakeError::Disk)?;
    Ok(written)
}

fn copy(head: &[u8], mut incoming: Incoming, mut to: &File) -> io::Result<()> {
    to.write_all(head)?;
    while let Some(piece) = incoming.next_piece() {
        to.write_all(&piece)?;
    }
    Ok(())
}

fn unpack(packing: Packing, mut packed: impl Read, file: &File, mut grow: Grow) -> Result<(), IntakeError> {
    let damaged = |source| IntakeError::Damaged { packing: packing.as_str(), source };
    let mut buffer = vec![0; PIECE_BYTES];
    let (mut at, mut data_bytes) = (0_u64, 0_u64);
    {
        let mut inside = unpack::reader(packing, &mut packed).map_err(damaged)?;
        loop {
            let length = fill(&mut inside, &mut buffer).map_err(damaged)?;
            if length == 0 {
                break;
            }
            if at + length as u64 > UNPACKED_BYTES_MAX {
                return Err(IntakeError::TooLarge);
            }
            for (index, grain) in buffer[..length].chunks(GRAIN_BYTES).enumerate() {
                if is_zero(grain) {
                    continue;
                }
                data_bytes += grain.len() as u64;
                grow(data_bytes)?;
                let place = at + (index * GRAIN_BYTES) as u64;
                file.write_all_at(grain, place).map_err(IntakeError::Disk)?;
            }
            at += length as u64;
        }
    }
    // What follows is nobody's, and still on its way.
    io::copy(&mut packed, &mut io::sink()).map_err(damaged)?;
    file.set_len(at).map_err(IntakeError::Disk)
}

fn fill(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match from.read(&mut buffer[filled..])? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

/// The pieces of a download as one reader; it ends when nobody sends any more.
struct Incoming {
    pieces: mpsc::Receiver<Bytes>,
    piece: Bytes,
}

impl Incoming {
    /// The next piece that was not read; never an empty one.
    fn next_piece(&mut self) -> Option<Bytes> {
        while self.piece.is_empty() {
            self.piece = self.pieces.blocking_recv()?;
        }
        Some(std::mem::take(&mut self.piece))
    }
}

impl Read for Incoming {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(piece) = self.next_piece() else { return Ok(0) };
        self.piece = piece;
        let length = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}
