//! Edges: room in the cache's directory, for what is there and what is on its way together.
//!
//! A download has its whole length from its start, so that two at once do not find the same room. Whoever finds none, although
//! all other files could go, waits until a download has ended; who asked first is served first.

use std::{
    collections::HashMap,
    fs, io,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::sync::Notify;

use super::eviction::{Held, victims};

/// What a file's name ends with until it is whole.
const PART: &str = ".part";

/// Why there is no room.
#[derive(Debug, thiserror::Error)]
pub(super) enum RoomError {
    /// Not even alone.
    #[error("its {bytes} bytes exceed the rack's cache of {max_bytes}; make image_cache.size_mib larger")]
    TooLarge { bytes: u64, max_bytes: u64 },
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

/// Room that one download has until this is dropped. Meanwhile nobody else removes its file.
#[must_use]
pub(super) struct Taken<'a> {
    room: &'a Room,
    name: &'a str,
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

    /// Where a whole file is.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Where it is until then.
    pub(super) fn part(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}{PART}"))
    }

    /// Takes room for a file of this name and length: removes what was used least recently, and waits for downloads under way if
    /// that is not enough. No two have the same name at once.
    pub(super) async fn take<'a>(&'a self, name: &'a str, bytes: u64) -> Result<Taken<'a>, RoomError> {
        let (max_bytes, waited) = (self.max_bytes, self.wait_max);
        if bytes > max_bytes {
            return Err(RoomError::TooLarge { bytes, max_bytes });
        }
        let taken = tokio::time::timeout(waited, self.wait(name, bytes)).await;
        taken.unwrap_or(Err(RoomError::Busy { bytes, max_bytes, waited }))
    }

    async fn wait<'a>(&'a self, name: &'a str, bytes: u64) -> Result<Taken<'a>, RoomError> {
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

    fn take_now<'a>(&'a self, name: &'a str, bytes: u64) -> io::Result<Option<Taken<'a>>> {
        let mut coming = self.coming();
        let promised = coming.values().sum();
        let Some(victims) = victims(self.others(&coming)?, bytes, promised, self.max_bytes) else {
            return Ok(None);
        };
        for Held { bytes, path, .. } in victims {
            fs::remove_file(&path)?;
            tracing::info!(path = %path.display(), bytes, "image removed from the cache to make room");
        }
        coming.insert(name.to_owned(), bytes);
        Ok(Some(Taken { room: self, name }))
    }

    /// The files that belong to no download under way; a part among them was left by one that was called off.
    fn others(&self, coming: &HashMap<String, u64>) -> io::Result<Vec<Held>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if coming.contains_key(name.strip_suffix(PART).unwrap_or(&name)) {
                continue;
            }
            let meta = entry.metadata()?;
            let used = meta.accessed().unwrap_or(SystemTime::UNIX_EPOCH);
            files.push(Held { used, bytes: meta.len(), path: entry.path() });
        }
        Ok(files)
    }

    fn coming(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        self.coming.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.room.coming().remove(self.name);
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
        let room = Room::new(dir.path().to_owned(), 100, NO_WAIT);
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
        let room = Room::new(dir.path().to_owned(), 100, NO_WAIT);
        let fetching = room.take("a", 40).await.unwrap();
        fs::write(room.part("a"), [0; 10]).unwrap();
        fs::write(room.path("a"), [0; 40]).unwrap(); // renamed this moment, not yet open
        fs::write(room.part("called-off"), [0; 30]).unwrap();
        fs::write(room.path("old"), [0; 30]).unwrap();
        let _wide = room.take("b", 60).await.unwrap();
        assert!(room.path("a").exists() && room.part("a").exists());
        assert!(!room.path("old").exists() && !room.part("called-off").exists());
        drop(fetching);
    }
}
