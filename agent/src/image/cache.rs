//! Edges: the rack's cache of image files on disk.
//!
//! A file's name is its SHA-512, so a file that has its name is whole and right: it got the name by a rename after its
//! hash was checked. Everything else in the directory is left over from a crash and removed at the start.

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
    step::ImageRef,
};
use ring::digest;
use tokio::io::AsyncWriteExt;

use super::{
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

type Slot = tokio::sync::Mutex<()>;

/// Image files of one rack. Several servers that want one image cause one download.
pub struct Cache {
    room: Room,
    upstream: Arc<dyn Upstream>,
    slots: Mutex<HashMap<String, Weak<Slot>>>,
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
                if !entry.file_name().to_str().is_some_and(is_whole) {
                    fs::remove_file(entry.path())?;
                }
            }
            Ok(())
        };
        prepare().map_err(|source| CacheError { dir: dir.clone(), source })?;
        let room = Room::new(dir, max_bytes, ROOM_WAIT_MAX);
        Ok(Self { room, upstream, slots: Mutex::default() })
    }

    /// The image, from disk or else from upstream. Concurrent calls for one file wait for one download.
    pub async fn get(&self, image: &ImageRef) -> Result<Arc<CachedImage>, Failure> {
        let mut answer = ImageAnswer::Hit;
        let got = self.get_or_fetch(image, &mut answer).await;
        metrics::image(if got.is_ok() { answer } else { ImageAnswer::Failed });
        got
    }

    async fn get_or_fetch(
        &self,
        image: &ImageRef,
        answer: &mut ImageAnswer,
    ) -> Result<Arc<CachedImage>, Failure> {
        if !is_whole(&image.sha512) {
            return Err(unavailable(image, "its hash is not a SHA-512 in lower-case hex"));
        }
        let slot = self.slot(&image.sha512);
        let _alone = slot.lock().await;
        let path = self.room.path(&image.sha512);
        // What was fetched keeps its room until it is open, so that nobody makes room of it before.
        let _taken = if fs::metadata(&path).is_ok_and(|found| found.len() == image.size_bytes) {
            // Access times order the eviction; file systems are often mounted without keeping them.
            let now = fs::FileTimes::new().set_accessed(SystemTime::now());
            let _ = fs::File::open(&path).and_then(|file| file.set_times(now));
            None
        } else {
            *answer = ImageAnswer::Fetched;
            Some(self.fetch(image, &path).await?)
        };
        CachedImage::open(&path, image.format).map(Arc::new).map_err(|error| Failure {
            kind: FailureKind::ImageCorrupt,
            message: format!("image {} cannot be used: {error}", image.id),
        })
    }

    fn slot(&self, sha512: &str) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.retain(|_, slot| slot.strong_count() > 0);
        if let Some(slot) = slots.get(sha512).and_then(Weak::upgrade) {
            return slot;
        }
        let slot = Arc::new(Slot::default());
        slots.insert(sha512.to_owned(), Arc::downgrade(&slot));
        slot
    }

    /// Fetches the image's file to this path; nobody else does it meanwhile.
    async fn fetch<'a>(&'a self, image: &'a ImageRef, path: &Path) -> Result<Taken<'a>, Failure> {
        let taken = self.room.take(&image.sha512, image.size_bytes).await;
        let taken = taken.map_err(|error| unavailable(image, error_chain::chain(&error)))?;
        let part = self.room.part(&image.sha512);
        let fetched = self.download(image, &part).await;
        if fetched.is_err() {
            let _ = fs::remove_file(&part);
        }
        fetched?;
        fs::rename(&part, path).map_err(|error| unavailable(image, error))?;
        tracing::info!(image = %image.id, bytes = image.size_bytes, "image fetched and verified");
        Ok(taken)
    }

    /// Downloads into `part`, taking up again where a broken stream ended, and checks size and hash.
    async fn download(&self, image: &ImageRef, part: &Path) -> Result<(), Failure> {
        let io_failed = |error: io::Error| unavailable(image, format!("{}: {error}", part.display()));
        let mut file = tokio::fs::File::create(part).await.map_err(io_failed)?;
        let mut hash = digest::Context::new(&digest::SHA512);
        let mut received = 0;
        let mut tries = 0;
        while received < image.size_bytes {
            tries += 1;
            let broken = match self.copy(image, &mut file, &mut hash, &mut received).await {
                Ok(()) if received >= image.size_bytes => break,
                Ok(()) => "the stream ended early".to_owned(),
                Err(Broken::Upstream(reason)) => reason,
                Err(Broken::Disk(error)) => return Err(io_failed(error)),
            };
            if tries >= FETCH_TRIES_MAX {
                let size = image.size_bytes;
                let why = format!("{received} of {size} bytes after {tries} tries: {broken}");
                return Err(unavailable(image, why));
            }
            tracing::warn!(image = %image.id, received, error = broken, "image download was interrupted");
            tokio::time::sleep(FETCH_PAUSE).await;
        }
        file.sync_all().await.map_err(io_failed)?;
        let found = hex::encode(hash.finish());
        if received == image.size_bytes && found == image.sha512 {
            return Ok(());
        }
        Err(Failure {
            kind: FailureKind::ImageCorrupt,
            message: format!(
                "image {}: {} bytes with SHA-512 {}... arrived, the image service promised {} bytes with {}...",
                image.id,
                received,
                &found[..HASH_SHOWN],
                image.size_bytes,
                &image.sha512[..HASH_SHOWN]
            ),
        })
    }

    async fn copy(
        &self,
        image: &ImageRef,
        file: &mut tokio::fs::File,
        hash: &mut digest::Context,
        received: &mut u64,
    ) -> Result<(), Broken> {
        let quiet = |_| Broken::Upstream(format!("no bytes for {} s", FETCH_SILENCE_MAX.as_secs()));
        let broken = |error: UpstreamError| Broken::Upstream(error.reason);
        let fetch = self.upstream.fetch(&image.id, *received);
        let mut stream =
            tokio::time::timeout(FETCH_SILENCE_MAX, fetch).await.map_err(quiet)?.map_err(broken)?;
        while let Some(chunk) = tokio::time::timeout(FETCH_SILENCE_MAX, stream.next()).await.map_err(quiet)? {
            let chunk = chunk.map_err(broken)?;
            *received += chunk.len() as u64;
            hash.update(&chunk);
            if *received > image.size_bytes {
                break; // more than promised: the hash will say so, the disk is not filled
            }
            file.write_all(&chunk).await.map_err(Broken::Disk)?;
        }
        file.flush().await.map_err(Broken::Disk)
    }
}

enum Broken {
    Upstream(String),
    Disk(io::Error),
}

/// The name of a file that is whole: its SHA-512 in lower-case hexadecimal.
fn is_whole(name: &str) -> bool {
    hex::is_lower_digits(name, 128)
}

fn unavailable(image: &ImageRef, why: impl std::fmt::Display) -> Failure {
    Failure {
        kind: FailureKind::ImageUnavailable,
        message: format!("image {} cannot be fetched: {why}", image.id),
    }
}
