//! Edges: the rack's cache of image files on disk.
//!
//! A file's name is its SHA-512, so a file that has its name is whole and right: it got the name by a rename after its
//! hash was checked. What was unpacked from such a file has its name, too, with an ending, and is there in its place. Everything else
//! in the directory is left over from a crash and removed at the start.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use protocol::{
    command::{Failure, FailureKind},
    error_chain, hex,
    id::ServerId,
    step::ImageRef,
};
use ring::digest;
use tokio::sync::mpsc;

use super::{
    board::{Board, Fetching},
    intake::{self, IntakeError, Keep, PIECES_AHEAD, Written},
    room::{Room, Taken},
    source::CachedImage,
};
use crate::metrics::{self, ImageAnswer};

/// How often a broken download is taken up again before the step fails.
const FETCH_TRIES_MAX: u32 = 5;
/// Pause before a broken download is taken up again; tests do not wait for it.
const FETCH_PAUSE: Duration = Duration::from_millis(if cfg!(test) { 1 } else { 1000 });
/// Longest silence of the upstream in the middle of a download.
const FETCH_SILENCE_MAX: Duration = Duration::from_secs(60);
/// Longest wait until downloads under way leave room for another one: twice what the whole cache of a usual size takes at
/// 1 Gbit/s.
const ROOM_WAIT_MAX: Duration = Duration::from_secs(360);
/// Digits of a hash that are shown to a person.
const HASH_SHOWN: usize = 12;

/// Bytes of an image file as they arrive.
pub type ImageStream = Pin<Box<dyn Stream<Item = Result<Bytes, UpstreamError>> + Send>>;

/// Why the upstream gave no bytes.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct UpstreamError {
    /// What happened, for a person.
    pub reason: String,
}

/// Where image files come from: the coordinator's `FetchImage`, or a directory in tests.
#[async_trait]
pub trait Upstream: Send + Sync + 'static {
    /// The bytes of an image file from `offset` to its end.
    async fn fetch(&self, id: &str, offset: u64) -> Result<ImageStream, UpstreamError>;
}

/// Why the cache cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("image cache {dir}: cannot be prepared; is the directory writable?")]
pub struct CacheError {
    /// The directory.
    pub dir: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

pub(super) type Slot = tokio::sync::Mutex<()>;

/// Image files of one rack. Several servers that want one image cause one download.
pub struct Cache {
    pub(super) room: Arc<Room>,
    upstream: Arc<dyn Upstream>,
    slots: Mutex<HashMap<String, Weak<Slot>>>,
    pub(super) board: Arc<Board>,
}

impl Cache {
    /// Opens the directory, keeps the whole files in it and removes the rest. The files together, and what is on
    /// its way, stay within `max_bytes`.
    pub fn open(
        dir: impl Into<PathBuf>,
        max_bytes: u64,
        upstream: Arc<dyn Upstream>,
    ) -> Result<Self, CacheError> {
        let dir = dir.into();
        let prepare = || {
            fs::create_dir_all(&dir)?;
            for entry in fs::read_dir(&dir)? {
                let entry = entry?;
                if !entry.file_name().to_str().map(Room::origin).is_some_and(is_whole) {
                    fs::remove_file(entry.path())?;
                }
            }
            Ok(())
        };
        prepare().map_err(|source| CacheError { dir: dir.clone(), source })?;
        let room = Arc::new(Room::new(dir, max_bytes, ROOM_WAIT_MAX));
        Ok(Self { room, upstream, slots: Mutex::default(), board: Arc::default() })
    }

    /// The disk in the image, from the directory or else from upstream; a compressed one is unpacked. Concurrent calls for one file
    /// wait for one download. Refused: what is known to be no disk.
    pub async fn get(&self, image: &ImageRef) -> Result<Arc<CachedImage>, Failure> {
        self.disk(image, None).await
    }

    /// The same, for a server to which it is written: while somebody holds it, it is not removed.
    pub async fn get_for(&self, server: ServerId, image: &ImageRef) -> Result<Arc<CachedImage>, Failure> {
        self.disk(image, Some(server)).await
    }

    async fn disk(&self, image: &ImageRef, server: Option<ServerId>) -> Result<Arc<CachedImage>, Failure> {
        let _waiting = self.board.wait(image, server);
        let disk = Arc::new(self.counted(image, Keep::Disk).await?);
        let failure = match disk.something_else() {
            Ok(None) => {
                // Before it is waited for no longer.
                if let Some(server) = server {
                    self.board.write(image, server, &disk);
                }
                return Ok(disk);
            }
            Ok(Some(what)) => unusable(image, format!("what is in it is no whole disk: it is {what}")),
            Err(error) => unusable(image, error),
        };
        self.board.fail(image, failure.message.clone());
        Err(failure)
    }

    /// The file as it is, whatever is in it.
    pub async fn file(&self, image: &ImageRef) -> Result<CachedImage, Failure> {
        self.counted(image, Keep::File).await
    }

    async fn counted(&self, image: &ImageRef, keep: Keep) -> Result<CachedImage, Failure> {
        let mut answer = ImageAnswer::Hit;
        let got = self.get_or_fetch(image, keep, &mut answer).await;
        if let Err(failure) = &got {
            self.board.fail(image, failure.message.clone());
        }
        metrics::image(if got.is_ok() { answer } else { ImageAnswer::Failed });
        got
    }

    async fn get_or_fetch(
        &self,
        image: &ImageRef,
        keep: Keep,
        answer: &mut ImageAnswer,
    ) -> Result<CachedImage, Failure> {
        if !is_whole(&image.sha512) {
            return Err(unavailable(image, "its hash is not a SHA-512 in lower-case hex"));
        }
        let slot = self.slot(&image.sha512);
        let _alone = slot.lock().await;
        // What was fetched keeps its room until it is open, so that nobody makes room of it before.
        let (path, _taken) = match self.found(image, keep) {
            Some(path) => {
                // Access times order the eviction; file systems are often mounted without keeping them.
                let now = fs::FileTimes::new().set_accessed(SystemTime::now());
                let _ = fs::File::open(&path).and_then(|file| file.set_times(now));
                (path, None)
            }
            None => {
                *answer = ImageAnswer::Fetched;
                let (path, taken) = self.fetch(image, keep).await?;
                (path, Some(taken))
            }
        };
        let opened = match path == self.room.disk(&image.sha512) {
            true => CachedImage::open_unpacked(&path),
            false => CachedImage::open(&path, image.format),
        };
        opened.map_err(|error| unusable(image, error))
    }

    /// Where it is, if it is there: a compressed file is no disk before it was unpacked.
    fn found(&self, image: &ImageRef, keep: Keep) -> Option<PathBuf> {
        let (file, disk) = (self.room.path(&image.sha512), self.room.disk(&image.sha512));
        if keep == Keep::Disk && disk.exists() {
            return Some(disk);
        }
        let is_whole = fs::metadata(&file).is_ok_and(|found| found.len() == image.size_bytes);
        let is_it = is_whole && (keep == Keep::File || !intake::is_packed(&file));
        is_it.then_some(file)
    }

    pub(super) fn slot(&self, sha512: &str) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.retain(|_, slot| slot.strong_count() > 0);
        if let Some(slot) = slots.get(sha512).and_then(Weak::upgrade) {
            return slot;
        }
        let slot = Arc::new(Slot::default());
        slots.insert(sha512.to_owned(), Arc::downgrade(&slot));
        slot
    }

    /// Fetches the image; nobody else does it meanwhile. Gives the file's path.
    async fn fetch(&self, image: &ImageRef, keep: Keep) -> Result<(PathBuf, Arc<Taken>), Failure> {
        let fetching = self.board.fetch(image);
        let taken = self.room.take(&image.sha512, image.size_bytes).await;
        let taken = Arc::new(taken.map_err(|error| unavailable(image, error_chain::chain(&error)))?);
        let part = self.room.part(&image.sha512);
        let fetched = self.download(image, keep, &part, Arc::clone(&taken), &fetching).await;
        if fetched.is_err() {
            let _ = fs::remove_file(&part);
        }
        let path = match fetched? {
            Written::AsItCame => self.room.path(&image.sha512),
            Written::Unpacked => self.room.disk(&image.sha512),
        };
        fs::rename(&part, &path).map_err(|error| unavailable(image, error))?;
        tracing::info!(image = %image.id, bytes = image.size_bytes, "image fetched and verified");
        Ok((path, taken))
    }

    /// Downloads into `part`, taking up again where a broken stream ended, and checks size and hash. Bytes are written, and unpacked,
    /// on a thread of their own while the next ones come and are hashed.
    async fn download(
        &self,
        image: &ImageRef,
        keep: Keep,
        part: &Path,
        taken: Arc<Taken>,
        fetching: &Fetching,
    ) -> Result<Written, Failure> {
        let (pieces, incoming) = mpsc::channel(PIECES_AHEAD);
        let path = part.to_owned();
        let grow = Box::new(move |bytes| taken.grow(bytes));
        let writer = tokio::task::spawn_blocking(move || intake::write(&path, keep, incoming, grow));
        let received = self.receive(image, pieces, fetching).await;
        let written = writer.await.map_err(|error| unavailable(image, error))?;
        match (received, written) {
            (Ok(()), Ok(written)) => Ok(written),
            // Without its writer a download ends at once, and the writer knows why.
            (Ok(()) | Err(Ended::WriterGone), Err(error)) => Err(not_written(image, part, &error)),
            (Err(Ended::WriterGone), Ok(_)) => Err(unavailable(image, "its bytes were not taken")),
            (Err(Ended::Failed(failure)), _) => Err(failure),
        }
    }

    /// Hands the bytes on as they come, all of them or none: at the end their size and hash are those that were promised.
    async fn receive(
        &self,
        image: &ImageRef,
        pieces: mpsc::Sender<Bytes>,
        fetching: &Fetching,
    ) -> Result<(), Ended> {
        let mut hash = digest::Context::new(&digest::SHA512);
        let mut received = 0;
        let mut tries = 0;
        while received < image.size_bytes {
            tries += 1;
            let broken = match self.copy(image, &pieces, &mut hash, &mut received, fetching).await {
                Ok(()) if received >= image.size_bytes => break,
                Ok(()) => "the stream ended early".to_owned(),
                Err(Broken::Upstream(reason)) => reason,
                Err(Broken::WriterGone) => return Err(Ended::WriterGone),
            };
            if tries >= FETCH_TRIES_MAX {
                let size = image.size_bytes;
                let why = format!("{received} of {size} bytes after {tries} tries: {broken}");
                return Err(Ended::Failed(unavailable(image, why)));
            }
            tracing::warn!(image = %image.id, received, error = broken, "image download was interrupted");
            tokio::time::sleep(FETCH_PAUSE).await;
        }
        let found = hex::encode(hash.finish());
        if received == image.size_bytes && found == image.sha512 {
            return Ok(());
        }
        Err(Ended::Failed(Failure {
            kind: FailureKind::ImageCorrupt,
            message: format!(
                "image {}: {} bytes with SHA-512 {}... arrived, the image service promised {} bytes with {}...",
                image.id,
                received,
                &found[..HASH_SHOWN],
                image.size_bytes,
                &image.sha512[..HASH_SHOWN]
            ),
        }))
    }

    async fn copy(
        &self,
        image: &ImageRef,
        pieces: &mpsc::Sender<Bytes>,
        hash: &mut digest::Context,
        received: &mut u64,
        fetching: &Fetching,
    ) -> Result<(), Broken> {
        let quiet = |_| Broken::Upstream(format!("no bytes for {} s", FETCH_SILENCE_MAX.as_secs()));
        let broken = |error: UpstreamError| Broken::Upstream(error.reason);
        let fetch = self.upstream.fetch(&image.id, *received);
        let mut stream =
            tokio::time::timeout(FETCH_SILENCE_MAX, fetch).await.map_err(quiet)?.map_err(broken)?;
        while let Some(chunk) = tokio::time::timeout(FETCH_SILENCE_MAX, stream.next()).await.map_err(quiet)? {
            let chunk = chunk.map_err(broken)?;
            *received += chunk.len() as u64;
            fetching.received(*received);
            hash.update(&chunk);
            if *received > image.size_bytes {
                break; // more than promised: the hash will say so, the disk is not filled
            }
            pieces.send(chunk).await.map_err(|_| Broken::WriterGone)?;
        }
        Ok(())
    }
}

/// Why a stream of bytes did not come to its end.
enum Broken {
    Upstream(String),
    WriterGone,
}

/// Why a download did not come to its end.
enum Ended {
    Failed(Failure),
    WriterGone,
}

/// The name of a file that is whole: its SHA-512 in lower-case hexadecimal.
pub(super) fn is_whole(name: &str) -> bool {
    hex::is_lower_digits(name, 128)
}

fn unusable(image: &ImageRef, why: impl std::fmt::Display) -> Failure {
    Failure { kind: FailureKind::ImageCorrupt, message: format!("image {} cannot be used: {why}", image.id) }
}

fn not_written(image: &ImageRef, part: &Path, error: &IntakeError) -> Failure {
    let chain = error_chain::chain(error);
    match error {
        IntakeError::Disk(_) => unavailable(image, format!("{} {chain}", part.display())),
        IntakeError::Room(_) => unavailable(image, chain),
        IntakeError::Damaged { .. } | IntakeError::TooLarge => unusable(image, chain),
    }
}

fn unavailable(image: &ImageRef, why: impl std::fmt::Display) -> Failure {
    Failure {
        kind: FailureKind::ImageUnavailable,
        message: format!("image {} cannot be fetched: {why}", image.id),
    }
}
