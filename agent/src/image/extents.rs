//! Edges: the parts of an image that are not zero, in rising order, read ahead on a thread of its own.

use std::sync::Arc;

use protocol::ramdisk::DATA_BYTES_MAX;
use tokio::sync::mpsc;

use super::source::{CachedImage, ImageError, Scratch};

/// Zeroes are looked for in pieces of this size; shorter runs of zeroes are sent like data.
const GRAIN: usize = 64 << 10;
/// Extents that wait for the network; with [`DATA_BYTES_MAX`] this bounds the memory of one write.
const EXTENTS_AHEAD: usize = 4;

/// A piece of the disk: its bytes fit one data frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Where on the disk.
    pub offset: u64,
    /// What.
    pub bytes: Vec<u8>,
}

/// Receiver of extents; dropping it ends the reading.
pub type Extents = mpsc::Receiver<Result<Extent, ImageError>>;

impl CachedImage {
    /// Starts reading. The last item is an error when the file turns out to be damaged.
    pub fn extents(self: &Arc<Self>) -> Extents {
        let (sender, receiver) = mpsc::channel(EXTENTS_AHEAD);
        let image = Arc::clone(self);
        tokio::task::spawn_blocking(move || {
            // A reader whose receiver is gone would otherwise learn of it at the next extent only.
            let wanted = || !sender.is_closed();
            let sent = image.each_extent(wanted, |extent| sender.blocking_send(Ok(extent)).is_ok());
            if let Err(error) = sent {
                let _ = sender.blocking_send(Err(error));
            }
        });
        receiver
    }

    /// Calls `each` with every extent until it returns false, and `wanted` before every look at the file, until that does.
    /// Extents rise, do not overlap, and have at most [`DATA_BYTES_MAX`] bytes.
    pub fn each_extent(
        &self,
        mut wanted: impl FnMut() -> bool,
        mut each: impl FnMut(Extent) -> bool,
    ) -> Result<(), ImageError> {
        let mut scratch = Scratch::default();
        let mut window = vec![0; DATA_BYTES_MAX];
        let mut from = 0;
        while wanted()
            && let Some(data) = self.next_data(from, &mut scratch)?
        {
            let start = data - data % DATA_BYTES_MAX as u64;
            let length = (self.virtual_bytes() - start).min(DATA_BYTES_MAX as u64) as usize;
            let window = &mut window[..length];
            self.read_at(start, window, &mut scratch)?;
            for (at, bytes) in runs(window) {
                if !each(Extent { offset: start + at as u64, bytes: bytes.to_vec() }) {
                    return Ok(());
                }
            }
            from = start + length as u64;
        }
        Ok(())
    }
}

/// Whether all of it is zero. Several words at once: a loop over single bytes that may end early is many times slower.
pub(super) fn is_zero(bytes: &[u8]) -> bool {
    let (blocks, rest) = bytes.as_chunks::<64>();
    blocks.iter().all(|block| block.iter().fold(0, |seen, byte| seen | byte) == 0)
        && rest.iter().all(|byte| *byte == 0)
}

/// Runs of grains that are not all zero.
fn runs(window: &[u8]) -> Vec<(usize, &[u8])> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (index, grain) in window.chunks(GRAIN).enumerate() {
        if is_zero(grain) {
            continue;
        }
        let start = index * GRAIN;
        match runs.last_mut() {
            Some((_, end)) if *end == start => *end += grain.len(),
            _ => runs.push((start, start + grain.len())),
        }
    }
    runs.into_iter().map(|(start, end)| (start, &window[start..end])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_leave_out_zero_grains() {
        let check = |bytes: &[(usize, u8)], length: usize, expected: &[(usize, usize)]| {
            let mut window = vec![0; length];
            for (at, byte) in bytes {
                window[*at] = *byte;
            }
            let found: Vec<_> = runs(&window).into_iter().map(|(at, bytes)| (at, bytes.len())).collect();
            assert_eq!(found, expected, "{bytes:?}");
        };
        check(&[], 4 * GRAIN, &[]);
        check(&[(0, 1)], 4 * GRAIN, &[(0, GRAIN)]);
        check(
            &[(GRAIN - 1, 1), (GRAIN, 1), (3 * GRAIN, 1)],
            4 * GRAIN,
            &[(0, 2 * GRAIN), (3 * GRAIN, GRAIN)],
        );
        check(&[(GRAIN + 5, 1)], GRAIN + 7, &[(GRAIN, 7)]);
    }
}
