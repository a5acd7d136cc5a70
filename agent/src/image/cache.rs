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
    hex,
    step::ImageRef,
};
use ring::digest;
use tokio::io::AsyncWriteExt;

use super::{
    eviction::{Held, victims},
    source::CachedImage,
};
use crate::metrics::{self, ImageAnswer};

/// How often a broken download is taken up again before the step fails.
const FETCH_TRIES_MAX: u32 = 5;
/// Pause before a broken download is taken up again; tests do not wait for it.
const FETCH_PAUSE: Duration = Duration::from_millis(if cfg!(test) { 1 } else { 1000 });
/// Longest silence of the upstream in the middle of a download.
const FETCH_SILENCE_MAX: Duration = Duration::from_secs(60);
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
    dir: PathBuf,
    max_bytes: u64,
    upstream: Arc<dyn Upstream>,
    slots: Mutex<HashMap<String, Weak<Slot>>>,
}

impl Cache {
    /// Opens the directory, keeps the whole files in it and removes the rest. The files together stay below `max_bytes`.
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
        Ok(Self { dir, max_bytes, upstream, slots: Mutex::default() })
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
        if image.size_bytes > self.max_bytes {
            let why = format!("its {} bytes exceed the rack's cache of {}", image.size_bytes, self.max_bytes);
            return Err(unavailable(image, why));
        }
        let slot = self.slot(&image.sha512);
        let _alone = slot.lock().await;
        let path = self.dir.join(&image.sha512);
        if fs::metadata(&path).is_ok_and(|found| found.len() == image.size_bytes) {
            // Access times order the eviction; file systems are often mounted without keeping them.
            let now = fs::FileTimes::new().set_accessed(SystemTime::now());
            let _ = fs::File::open(&path).and_then(|file| file.set_times(now));
        } else {
            *answer = ImageAnswer::Fetched;
            self.make_room(image.size_bytes, &image.sha512)
                .map_err(|error| unavailable(image, format!("no room in the cache: {error}")))?;
            let part = self.dir.join(format!("{}.part", image.sha512));
            let fetched = self.download(image, &part).await;
            if fetched.is_err() {
                let _ = fs::remove_file(&part);
            }
            fetched?;
            fs::rename(&part, &path).map_err(|error| unavailable(image, error))?;
            tracing::info!(image = %image.id, bytes = image.size_bytes, "image fetched and verified");
        }
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

    /// Removes the files that were used least recently until `bytes` more fit. A file being read stays readable.
    fn make_room(&self, bytes: u64, keep: &str) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            let meta = entry.metadata()?;
            let used = meta.accessed().unwrap_or(SystemTime::UNIX_EPOCH);
            files.push(Held { used, bytes: meta.len(), path: entry.path() });
        }
        for Held { bytes, path, .. } in victims(files, bytes, self.max_bytes, keep) {
            fs::remove_file(&path)?;
            tracing::info!(path = %path.display(), bytes, "image removed from the cache to make room");
        }
        Ok(())
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
