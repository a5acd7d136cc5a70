//! Edges: an image is written on a thread of its own: while a disk takes its time over one request, the session goes on saying that it is
//! at it, and the next pieces are on their way.

use std::{
    sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender},
    thread::{self, JoinHandle},
    time::Duration,
};

use protocol::{hardware, step::StepProgress};

use crate::{disk::DiskError, write_image::ImageWriter};

/// Pieces that wait to be written; more are not taken from the agent.
const PIECES_MAX: usize = 4;

/// A piece, and its first byte's place.
type Piece = (u64, Vec<u8>);

/// The thread, as the session sees it.
#[derive(Debug)]
pub struct ImageThread {
    give: SyncSender<Piece>,
    written: Receiver<Result<StepProgress, String>>,
    thread: JoinHandle<ImageWriter>,
    waiting: usize,
}

/// What became of a piece.
#[derive(Debug, PartialEq, Eq)]
pub enum News {
    /// It is written; how far that is.
    Written(StepProgress),
    /// It could not be, and nothing more will.
    Failed(String),
    /// There is none yet.
    None,
}

impl ImageThread {
    /// Begins. `tell`: a failure in words.
    pub fn start(
        mut image: ImageWriter,
        disk: hardware::Disk,
        tell: fn(&DiskError, &hardware::Disk) -> String,
    ) -> Self {
        let (give, pieces) = mpsc::sync_channel::<Piece>(PIECES_MAX);
        let (say, written) = mpsc::channel();
        let thread = thread::spawn(move || {
            for (offset, bytes) in pieces {
                let done = image.write(offset, &bytes).map_err(|error| tell(&error, &disk));
                let is_over = done.is_err();
                if say.send(done).is_err() || is_over {
                    break;
                }
            }
            image
        });
        Self { give, written, thread, waiting: 0 }
    }

    /// Whether another piece must wait.
    pub fn is_full(&self) -> bool {
        self.waiting >= PIECES_MAX
    }

    /// Whether all that was given is written.
    pub fn is_idle(&self) -> bool {
        self.waiting == 0
    }

    /// Gives it a piece; to be called while it is not full.
    pub fn give(&mut self, offset: u64, bytes: Vec<u8>) {
        // A thread that has ended has said why.
        if self.give.send((offset, bytes)).is_ok() {
            self.waiting += 1;
        }
    }

    /// What became of the oldest piece, waited for so long.
    pub fn news(&mut self, wait: Duration) -> News {
        match self.written.recv_timeout(wait) {
            Ok(Ok(progress)) => {
                self.waiting -= 1;
                News::Written(progress)
            }
            Ok(Err(reason)) => News::Failed(reason),
            Err(RecvTimeoutError::Timeout) => News::None,
            Err(RecvTimeoutError::Disconnected) => News::Failed("the writing ended without a word".into()),
        }
    }

    /// Lets it write what it has, and takes the image back.
    pub fn end(self) -> Result<ImageWriter, String> {
        let Self { give, thread, .. } = self;
        drop(give);
        thread.join().map_err(|_| "the writing ended without a word".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::OpenDisk;

    const WAIT: Duration = Duration::from_secs(60);

    fn start(virtual_bytes: u64) -> ImageThread {
        let file = tempfile::tempfile().unwrap();
        file.set_len(4 << 20).unwrap();
        let open = OpenDisk::from_file(file, "disk".into(), 4 << 20);
        let disk = hardware::Disk { name: "/dev/sda".into(), ..hardware::Disk::default() };
        let image = ImageWriter::new(open, disk.clone(), virtual_bytes);
        ImageThread::start(image, disk, |error, disk| format!("{error} on {}", disk.name))
    }

    #[test]
    fn pieces_are_written_in_the_background_and_no_more_than_a_few_wait() {
        let mut thread = start(1 << 20);
        for offset in 0..PIECES_MAX as u64 {
            assert!(!thread.is_full());
            thread.give(offset << 16, vec![1; 1 << 16]);
        }
        assert!(thread.is_full() && !thread.is_idle());
        for written in 1..=PIECES_MAX as u64 {
            let News::Written(progress) = thread.news(WAIT) else { panic!() };
            assert_eq!(progress.done_bytes, written << 16);
        }
        assert!(thread.is_idle());
        assert_eq!(thread.news(Duration::from_millis(1)), News::None, "nothing was given");
        assert!(thread.end().is_ok());
    }

    #[test]
    fn a_failure_is_told_once_with_its_disk_and_ends_the_writing() {
        let mut thread = start(1 << 16);
        thread.give(0, vec![1; 1 << 16]);
        thread.give(1 << 16, vec![1; 1]);
        assert!(matches!(thread.news(WAIT), News::Written(_)));
        let News::Failed(reason) = thread.news(WAIT) else { panic!() };
        assert!(reason.contains("out of order") && reason.ends_with("on /dev/sda"), "{reason}");
        thread.give(0, vec![1; 1]);
        assert!(matches!(thread.news(WAIT), News::Failed(_)));
        assert!(thread.end().is_ok());
    }
}
