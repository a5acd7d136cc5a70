//! Edges: the records of a rack's consoles on disk: written by one thread, read by whoever may.
//!
//! ```text
//!   state_dir/consoles/SERVER-ID/TIME      one file after the other; TIME: when it was begun, microseconds since 1970
//! ```
//! What must stay true: a console never waits for the disk (what finds no room is lost, with a mark), all of it stays within
//! [`super::ring::Room`], and nobody but the agent's user reads it.

use std::{
    collections::HashMap,
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use protocol::id::ServerId;
use tracing::warn;

use super::{
    entry::{Entry, What},
    ring::{FILE_BYTES_MAX, Kept, Room, given_up},
};
use crate::bmc::heard::Heard;

/// Entries that wait for the disk.
const WAITING_MAX: usize = 4096;

/// Writes what is heard at the consoles.
pub struct Recorder {
    waiting: SyncSender<(ServerId, Entry)>,
    /// Entries that found no room and are not told yet.
    lost: AtomicU64,
}

impl Recorder {
    /// Records below this directory, which is made. A thread writes until this is dropped.
    pub fn start(dir: PathBuf, room: Room) -> io::Result<Self> {
        make(&dir)?;
        let (waiting, entries) = sync_channel(WAITING_MAX);
        let writer = Writer { dir, room, open: HashMap::new() };
        thread::Builder::new().name("console-recorder".to_owned()).spawn(move || writer.run(&entries))?;
        Ok(Self { waiting, lost: AtomicU64::new(0) })
    }

    /// Records it. Never waits.
    pub fn hear(&self, server: ServerId, heard: &Heard) {
        let Some(what) = What::of(heard) else { return };
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let note = What::Note(format!("{lost} entries were not recorded: the disk was too slow"));
            if self.waiting.try_send((server, Entry { at_us: now_us(), what: note })).is_err() {
                self.lost.fetch_add(lost, Ordering::Relaxed);
            }
        }
        if self.waiting.try_send((server, Entry { at_us: now_us(), what })).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn now_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}

fn make(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

struct Writer {
    dir: PathBuf,
    room: Room,
    /// The file that each server's entries go to, and how long it is.
    open: HashMap<ServerId, (PathBuf, u64)>,
}

impl Writer {
    fn run(mut self, entries: &Receiver<(ServerId, Entry)>) {
        while let Ok((server, entry)) = entries.recv() {
            if let Err(error) = self.write(server, &entry) {
                warn!(%server, %error, "console not recorded");
                self.open.remove(&server);
            }
        }
    }

    fn write(&mut self, server: ServerId, entry: &Entry) -> io::Result<()> {
        let bytes = entry.encode();
        let is_full = self.open.get(&server).is_none_or(|(_, length)| *length >= FILE_BYTES_MAX);
        if is_full {
            let dir = self.dir.join(server.to_string());
            make(&dir)?;
            self.open.insert(server, (dir.join(format!("{:020}", entry.at_us)), 0));
        }
        let Some((path, length)) = self.open.get_mut(&server) else { return Ok(()) };
        // Opened for each entry: a thousand consoles hold no file open while nothing is printed.
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        file.write_all(&bytes)?;
        *length += bytes.len() as u64;
        if is_full {
            for gone in given_up(&kept(&self.dir)?, self.room) {
                fs::remove_file(self.dir.join(gone.server).join(format!("{:020}", gone.begun_us)))?;
            }
        }
        Ok(())
    }
}

/// All files of records.
fn kept(dir: &Path) -> io::Result<Vec<Kept>> {
    let mut all = Vec::new();
    for server in fs::read_dir(dir)? {
        let server = server?;
        for file in fs::read_dir(server.path())? {
            let file = file?;
            // What else lies there is not ours.
            let Some(begun_us) = file.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            let server = server.file_name().to_string_lossy().into_owned();
            all.push(Kept { server, begun_us, bytes: file.metadata()?.len() });
        }
    }
    Ok(all)
}

/// What was recorded of a server from one time to another (microseconds since 1970), oldest first, each told to `tell`.
pub fn read(
    dir: &Path,
    server: ServerId,
    times: std::ops::Range<u64>,
    mut tell: impl FnMut(Entry) -> io::Result<()>,
) -> io::Result<()> {
    let of_server = dir.join(server.to_string());
    let mut names: Vec<PathBuf> = match fs::read_dir(&of_server) {
        Ok(files) => files.map(|file| file.map(|file| file.path())).collect::<io::Result<_>>()?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    names.sort();
    for path in names {
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            // It was given up in this moment.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let mut rest = &bytes[..];
        while let Some((entry, behind)) = Entry::decode(rest) {
            rest = behind;
            if times.contains(&entry.at_us) {
                tell(entry)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::PermissionsExt, time::Duration};

    use bytes::Bytes;
    use uuid::Uuid;

    use super::*;

    const SERVER: ServerId = ServerId(Uuid::from_u128(1));

    fn all(dir: &Path, times: std::ops::Range<u64>) -> Vec<Entry> {
        let mut found = Vec::new();
        let tell = |entry| {
            found.push(entry);
            Ok(())
        };
        read(dir, SERVER, times, tell).unwrap();
        found
    }

    #[test]
    fn what_is_heard_is_read_by_its_time_and_by_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let consoles = dir.path().join("consoles");
        let recorder = Recorder::start(consoles.clone(), Room::default()).unwrap();
        recorder.hear(SERVER, &Heard::Opened);
        recorder.hear(SERVER, &Heard::Characters(Bytes::from_static(b"login: ")));
        recorder.hear(SERVER, &Heard::Cannot("nobody's business"));
        recorder.hear(SERVER, &Heard::Lost("it started anew".to_owned()));
        let began = std::time::Instant::now();
        while all(&consoles, 0..u64::MAX).len() < 3 {
            assert!(began.elapsed() < Duration::from_secs(30), "it is written");
            thread::sleep(Duration::from_millis(5));
        }
        let found = all(&consoles, 0..u64::MAX);
        let what: Vec<&What> = found.iter().map(|entry| &entry.what).collect();
        let note = |text: &str| What::Note(text.to_owned());
        let (open, lost) = (note("console open"), note("console lost: it started anew"));
        assert_eq!(what, [&open, &What::Output(b"login: ".to_vec()), &lost]);
        assert_eq!(
            all(&consoles, 0..found[2].at_us).len(),
            found.iter().filter(|e| e.at_us < found[2].at_us).count()
        );
        assert!(all(&consoles, 0..found[0].at_us).is_empty());
        let of_server = consoles.join(SERVER.to_string());
        let file = fs::read_dir(&of_server).unwrap().next().unwrap().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&consoles), mode(&of_server), mode(&file.path())), (0o700, 0o700, 0o600));
    }

    #[test]
    fn records_stay_within_their_room() {
        let dir = tempfile::tempdir().unwrap();
        let room = Room { server: 2 * FILE_BYTES_MAX, total: 3 * FILE_BYTES_MAX };
        let mut writer = Writer { dir: dir.path().to_owned(), room, open: HashMap::new() };
        for at_us in 0..100 {
            for server in [1, 2] {
                let what = What::Output(vec![b'x'; 60 << 10]);
                writer.write(ServerId(Uuid::from_u128(server)), &Entry { at_us, what }).unwrap();
            }
            let total: u64 = kept(dir.path()).unwrap().iter().map(|file| file.bytes).sum();
            // The two that are being written may be over it.
            assert!(total <= room.total + 2 * (FILE_BYTES_MAX + (64 << 10)), "{total}");
        }
        let newest = all(dir.path(), 0..u64::MAX);
        assert_eq!(newest.last().map(|entry| entry.at_us), Some(99), "the newest stays");
    }
}
