//! Edges: room in the cache's directory, for what is there and what is on its way together.
//!
//! A download has its whole length from its start, so that two at once do not find the same room. Whoever finds none, although
//! all other files could go, waits until a download has ended; who asked first is served first.

use std::{
    collections::HashMap,
    fs, io,
    os::unix::fs::MetadataExt,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::sync::Notify;

use super::eviction::{Held, victims};

/// What a file's name ends with until it is whole.
const PART: &str = ".part";
/// What the name of a disk ends with that was unpacked from the file of that name.
const DISK: &str = ".disk";
/// Bytes of a block, in which a file system says how much a file takes.
const BLOCK_BYTES: u64 = 512;
/// Steps in which what is being unpacked takes room.
const GROWTH_BYTES: u64 = if cfg!(test) { 10 } else { 64 << 20 };

/// Why there is no room.
#[derive(Debug, thiserror::Error)]
pub(super) enum RoomError {
    /// Not even alone.
    #[error("its {bytes} bytes exceed the rack's cache of {max_bytes}; make image_cache.size_mib larger")]
    TooLarge { bytes: u64, max_bytes: u64 },
    /// Not unpacked.
    #[error(
        "unpacked it needs more than {bytes} bytes, which the rack's cache of {max_bytes} does not have beside downloads under \
         way; make image_cache.size_mib larger"
    )]
    Unpacked { bytes: u64, max_bytes: u64 },
    /// Others have it.
    #[error(
        "other downloads have left no room for its {bytes} bytes in the rack's cache of {max_bytes} for {waited:?}; make \
         image_cache.size_mib larger, or deploy fewer images at once"
    )]
    Busy { bytes: u64, max_bytes: u64, waited: Duration },
    /// The directory cannot be read, or a file in it not be removed.
    #[error("no room can be made in the cache's directory")]
    Disk(#[from] io::Error),
}

/// The directory and what of it is promised.
pub(super) struct Room {
    dir: PathBuf,
    max_bytes: u64,
    wait_max: Duration,
    /// Whole lengths of the downloads under way, by the names that their files will have.
    coming: Mutex<HashMap<String, u64>>,
    turn: tokio::sync::Mutex<()>,
    ended: Notify,
}

/// A file that is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    /// Of the file as it came.
    pub sha512: String,
    /// What it takes on the disk.
    pub bytes: u64,
    /// When it was used last.
    pub used: SystemTime,
    /// Whether it is the disk that was in it.
    pub is_unpacked: bool,
}

/// Room that one download has until this is dropped. Meanwhile nobody else removes its file.
#[must_use]
pub(super) struct Taken {
    room: Arc<Room>,
    name: String,
}

impl Room {
    /// All files of the directory together stay within so many bytes; whoever finds no room waits at most so long.
    pub(super) fn new(dir: PathBuf, max_bytes: u64, wait_max: Duration) -> Self {
        Self {
            dir,
            max_bytes,
            wait_max,
            coming: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            ended: Notify::new(),
        }
    }

    /// What its files may have together.
    pub(super) fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    /// What is whole, one entry for a file and the disk that was in it; and how much is promised to downloads under way.
    pub(super) fn stored(&self) -> io::Result<(Vec<Stored>, u64)> {
        // Not under the lock: a directory that is slow must hold no download up.
        let coming = self.coming().clone();
        let mut stored: Vec<Stored> = Vec::new();
        for Held { used, bytes, path } in self.others(&coming)? {
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            let sha512 = Self::origin(name);
            if name.ends_with(PART) {
                continue;
            }
            let is_unpacked = sha512 != name;
            match stored.iter_mut().find(|file| file.sha512 == sha512) {
                Some(file) => {
                    file.bytes = file.bytes.saturating_add(bytes);
                    file.used = file.used.max(used);
                    file.is_unpacked |= is_unpacked;
                }
                None => stored.push(Stored { sha512: sha512.to_owned(), bytes, used, is_unpacked }),
            }
        }
        Ok((stored, coming.values().fold(0, |sum, bytes| sum.saturating_add(*bytes))))
    }

    /// Where a whole file is.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Where it is until then.
    pub(super) fn part(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}{PART}"))
    }

    /// Where the disk is that was unpacked from it.
    pub(super) fn disk(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}{DISK}"))
    }

    /// The name of the file to which one of this name belongs: itself, or what was unpacked from it.
    pub(super) fn origin(name: &str) -> &str {
        name.strip_suffix(DISK).unwrap_or(name)
    }

    /// Takes room for a file of this name and length: removes what was used least recently, and waits for downloads under way if
    /// that is not enough. No two have the same name at once.
    pub(super) async fn take(self: &Arc<Self>, name: &str, bytes: u64) -> Result<Taken, RoomError> {
        let (max_bytes, waited) = (self.max_bytes, self.wait_max);
        if bytes > max_bytes {
            return Err(RoomError::TooLarge { bytes, max_bytes });
        }
        let taken = tokio::time::timeout(waited, self.wait(name, bytes)).await;
        taken.unwrap_or(Err(RoomError::Busy { bytes, max_bytes, waited }))
    }

    async fn wait(self: &Arc<Self>, name: &str, bytes: u64) -> Result<Taken, RoomError> {
        let _turn = self.turn.lock().await;
        loop {
            if let Some(taken) = self.take_now(name, bytes)? {
                return Ok(taken);
            }
            tracing::info!(
                file = name,
                bytes,
                "an image waits for room in the cache until a download has ended"
            );
            self.ended.notified().await;
        }
    }

    fn take_now(self: &Arc<Self>, name: &str, bytes: u64) -> io::Result<Option<Taken>> {
        let mut coming = self.coming();
        if !self.make(&mut coming, name, bytes)? {
            return Ok(None);
        }
        Ok(Some(Taken { room: Arc::clone(self), name: name.to_owned() }))
    }

    /// Room for so many bytes of this name in all, if there is any.
    fn make(&self, coming: &mut HashMap<String, u64>, name: &str, bytes: u64) -> io::Result<bool> {
        let promised = coming.iter().filter(|(other, _)| *other != name).map(|(_, bytes)| bytes).sum();
        let Some(victims) = victims(self.others(coming)?, bytes, promised, self.max_bytes) else {
            return Ok(false);
        };
        for Held { bytes, path, .. } in victims {
            fs::remove_file(&path)?;
            tracing::info!(path = %path.display(), bytes, "image removed from the cache to make room");
        }
        coming.insert(name.to_owned(), bytes);
        Ok(true)
    }

    /// The files that belong to no download under way; a part among them was left by one that was called off.
    fn others(&self, coming: &HashMap<String, u64>) -> io::Result<Vec<Held>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if coming.contains_key(Self::origin(name.strip_suffix(PART).unwrap_or(&name))) {
                continue;
            }
            let meta = entry.metadata()?;
            let used = meta.accessed().unwrap_or(SystemTime::UNIX_EPOCH);
            // A disk with holes takes less than its length.
            let bytes = meta.len().min(meta.blocks().saturating_mul(BLOCK_BYTES));
            files.push(Held { used, bytes, path: entry.path() });
        }
        Ok(files)
    }

    fn coming(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        self.coming.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Makes it room for so many bytes in all; nothing when it has so much.
    pub(super) fn grow(&self, bytes: u64) -> Result<(), RoomError> {
        let mut coming = self.room.coming();
        let has = coming.get(&self.name).copied().unwrap_or_default();
        if bytes <= has {
            return Ok(());
        }
        let max_bytes = self.room.max_bytes;
        let wanted = bytes.next_multiple_of(GROWTH_BYTES).min(max_bytes.max(bytes));
        match self.room.make(&mut coming, &self.name, wanted)? {
            true => Ok(()),
            false => Err(RoomError::Unpacked { bytes, max_bytes }),
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.room.coming().remove(&self.name);
        self.room.ended.notify_one(); // one waits at a time: whose turn it is
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_WAIT: Duration = Duration::from_millis(1);

    #[tokio::test]
    async fn who_finds_no_room_is_told_who_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let room = Arc::new(Room::new(dir.path().to_owned(), 100, NO_WAIT));
        let check = async |name: &str, bytes: u64, expected: &str| {
            let refused = room.take(name, bytes).await.err().map(|error| error.to_string());
            assert!(refused.as_ref().is_some_and(|refused| refused.contains(expected)), "{refused:?}");
        };
        check("a", 101, "exceed the rack's cache of 100; make image_cache.size_mib larger").await;
        let taken = room.take("a", 60).await.unwrap();
        check("b", 41, "other downloads have left no room for its 41 bytes").await;
        drop(room.take("b", 40).await.unwrap());
        drop(taken);
        drop(room.take("b", 100).await.unwrap());
    }

    #[tokio::test]
    async fn only_what_nobody_is_fetching_makes_room() {
        let dir = tempfile::tempdir().unwrap();
        let room = Arc::new(Room::new(dir.path().to_owned(), 100, NO_WAIT));
        let fetching = room.take("a", 40).await.unwrap();
        fs::write(room.part("a"), [0; 10]).unwrap();
        fs::write(room.path("a"), [0; 40]).unwrap(); // renamed this moment, not yet open
        fs::write(room.disk("a"), [0; 40]).unwrap();
        fs::write(room.part("called-off"), [0; 30]).unwrap();
        fs::write(room.path("old"), [0; 30]).unwrap();
        let _wide = room.take("b", 60).await.unwrap();
        assert!(room.path("a").exists() && room.part("a").exists() && room.disk("a").exists());
        assert!(!room.path("old").exists() && !room.part("called-off").exists());
        drop(fetching);
    }

    #[tokio::test]
    async fn what_is_unpacked_takes_room_as_it_grows() {
        let dir = tempfile::tempdir().unwrap();
        let room = Arc::new(Room::new(dir.path().to_owned(), 100, NO_WAIT));
        fs::write(room.path("old"), [0; 60]).unwrap();
        let (a, b) = (room.take("a", 5).await.unwrap(), room.take("b", 20).await.unwrap());
        a.grow(15).unwrap();
        assert!(room.path("old").exists());
        a.grow(21).unwrap();
        assert!(!room.path("old").exists(), "30 + 20 + 60 bytes in a cache of 100");
        a.grow(80).unwrap();
        let refused = a.grow(81).unwrap_err().to_string();
        assert!(refused.contains("unpacked it needs more than 81 bytes"), "{refused}");
        drop(b);
        a.grow(100).unwrap();
        assert!(a.grow(101).is_err());
    }
}
