//! Edges: the records of a rack's consoles on disk: written by one thread, read by whoever may.
//!
//! ```text
//!   state_dir/consoles/SERVER-ID/TIME      one file after the other; TIME: when it was begun, microseconds since 1970
//! ```
//! What must stay true: a console never waits for the disk (what finds no room is lost, with a mark), all of it stays within
//! [`super::ring::Room`], nobody but the agent's user reads it, and whose each character is is known from its own file: a mark begins
//! each, and another one stands before the first character of another tenancy.

use std::{
    collections::HashMap,
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use protocol::id::{ServerId, TenancyId};
use tokio::sync::watch;
use tracing::warn;

use super::{
    entry::{Entry, What},
    reader::Reader,
    ring::{FILE_BYTES_MAX, Kept, Room, given_up},
};
use crate::bmc::heard::Heard;

/// Entries that wait for the disk.
const WAITING_MAX: usize = 4096;
/// How often it is looked for what is too old, though nothing is printed.
const SWEEP_EVERY: Duration = Duration::from_hours(1);

/// Writes what is heard at the consoles.
pub struct Recorder {
    dir: PathBuf,
    waiting: SyncSender<Waiting>,
    /// Entries that found no room and are not told yet.
    lost: AtomicU64,
    /// Counts what was written.
    written: watch::Receiver<u64>,
    /// Whoever reads holds a clone.
    readers: Arc<()>,
}

/// An entry, and in whose time it was heard.
struct Waiting {
    server: ServerId,
    tenancy: Option<TenancyId>,
    /// None: nothing was heard; only that it is another's time.
    what: Option<What>,
    at_us: u64,
}

impl Recorder {
    /// Records below this directory, which is made. A thread writes until this is dropped.
    pub fn start(dir: PathBuf, room: Room) -> io::Result<Self> {
        make(&dir)?;
        let (waiting, entries) = sync_channel(WAITING_MAX);
        let (tell, written) = watch::channel(0);
        let writer = Writer { dir: dir.clone(), room, open: HashMap::new() };
        let run = move || writer.run(&entries, &tell);
        thread::Builder::new().name("console-recorder".to_owned()).spawn(run)?;
        Ok(Self { dir, waiting, lost: AtomicU64::new(0), written, readers: Arc::default() })
    }

    /// Records what was heard in this tenancy's time. Never waits.
    pub fn hear(&self, server: ServerId, tenancy: Option<TenancyId>, heard: &Heard) {
        let Some(what) = What::of(heard) else { return };
        let at_us = now_us();
        let entry = |what| Waiting { server, tenancy, what: Some(what), at_us };
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let note = What::Note(format!("{lost} entries were not recorded: the disk was too slow"));
            if self.waiting.try_send(entry(note)).is_err() {
                self.lost.fetch_add(lost, Ordering::Relaxed);
            }
        }
        if self.waiting.try_send(entry(what)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Another tenancy's time begins, or nobody's. One that finds no room is not missed: what is heard next says it as well.
    pub fn mark(&self, server: ServerId, tenancy: Option<TenancyId>) {
        let _ = self.waiting.try_send(Waiting { server, tenancy, what: None, at_us: now_us() });
    }

    /// Where it all lies.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Counts what was written.
    pub(super) fn written(&self) -> watch::Receiver<u64> {
        self.written.clone()
    }

    /// Held by whoever reads.
    pub(super) fn readers(&self) -> &Arc<()> {
        &self.readers
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
    /// The file that each server's entries go to.
    open: HashMap<ServerId, Open>,
}

struct Open {
    path: PathBuf,
    bytes: u64,
    /// Whose time it is, as the file says.
    tenancy: Option<TenancyId>,
}

impl Writer {
    fn run(mut self, entries: &Receiver<Waiting>, tell: &watch::Sender<u64>) {
        loop {
            let (server, done) = match entries.recv_timeout(SWEEP_EVERY) {
                Ok(waiting) => (Some(waiting.server), self.write(&waiting)),
                Err(RecvTimeoutError::Timeout) => (None, self.sweep(now_us())),
                Err(RecvTimeoutError::Disconnected) => return,
            };
            match (server, done) {
                (Some(_), Ok(())) => tell.send_modify(|count| *count += 1),
                (None, Ok(())) => {}
                (Some(server), Err(error)) => {
                    warn!(%server, %error, "console not recorded");
                    self.open.remove(&server);
                }
                (None, Err(error)) => warn!(%error, "old records of consoles not removed"),
            }
        }
    }

    fn write(&mut self, waiting: &Waiting) -> io::Result<()> {
        let Waiting { server, tenancy, what, at_us } = waiting;
        let (server, tenancy, at_us) = (*server, *tenancy, *at_us);
        let is_full = self.open.get(&server).is_none_or(|open| open.bytes >= FILE_BYTES_MAX);
        let has_changed = self.open.get(&server).is_none_or(|open| open.tenancy != tenancy);
        if what.is_none() && !has_changed {
            return Ok(());
        }
        if is_full {
            let dir = self.dir.join(server.to_string());
            make(&dir)?;
            self.open.insert(server, Open { path: dir.join(format!("{at_us:020}")), bytes: 0, tenancy });
        }
        let Some(open) = self.open.get_mut(&server) else { return Ok(()) };
        let mark = (is_full || has_changed).then_some(What::Mark(tenancy));
        let entries = mark.into_iter().chain(what.clone()).map(|what| Entry { at_us, what });
        let bytes: Vec<u8> = entries.flat_map(|entry| entry.encode()).collect();
        // Opened for each entry: a thousand consoles hold no file open while nothing is printed.
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&open.path)?;
        file.write_all(&bytes)?;
        open.bytes += bytes.len() as u64;
        open.tenancy = tenancy;
        if is_full { self.sweep(at_us) } else { Ok(()) }
    }

    /// Removes what there is no room for, and what is too old.
    fn sweep(&mut self, now_us: u64) -> io::Result<()> {
        for gone in given_up(&kept(&self.dir)?, self.room, now_us) {
            let path = self.dir.join(gone.server).join(format!("{:020}", gone.begun_us));
            fs::remove_file(&path)?;
            // What comes next begins a file of its own, with its mark.
            self.open.retain(|_, open| open.path != path);
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
            let meta = file.metadata()?;
            let ended_us =
                meta.modified()?.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64);
            all.push(Kept { server, begun_us, ended_us, bytes: meta.len() });
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
    let mut reader = Reader::new(dir, server, times.start);
    while let Some(entries) = reader.read_on()? {
        for entry in entries.into_iter().filter(|entry| times.contains(&entry.at_us)) {
            tell(entry)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use bytes::Bytes;
    use uuid::Uuid;

    use super::*;

    const SERVER: ServerId = ServerId(Uuid::from_u128(1));

    fn all(dir: &Path, times: std::ops::Range<u64>) -> Vec<Entry> {
        let mut found = Vec::new();
        let tell = |entry: Entry| {
            if !matches!(entry.what, What::Mark(_)) {
                found.push(entry);
            }
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
        recorder.hear(SERVER, None, &Heard::Opened);
        recorder.hear(SERVER, None, &Heard::Characters(Bytes::from_static(b"login: ")));
        recorder.hear(SERVER, None, &Heard::Cannot("nobody's business"));
        recorder.hear(SERVER, None, &Heard::Lost("it started anew".to_owned()));
        let began = std::time::Instant::now();
        while all(&consoles, 0..u64::MAX).len() < 3 {
            assert!(began.elapsed() < Duration::from_secs(30), "it is written");
            thread::sleep(Duration::from_millis(5));
        }
        let found = all(&consoles, 0..u64::MAX);
        let what: Vec<&What> = found.iter().map(|entry| &entry.what).collect();
        let note = |text: &str| What::Note(text.to_owned());
        let (open, lost) = (note("console open"), What::Lost("it started anew".to_owned()));
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
        let age = Duration::MAX;
        let room = Room { server: 2 * FILE_BYTES_MAX, total: 3 * FILE_BYTES_MAX, age };
        let mut writer = Writer { dir: dir.path().to_owned(), room, open: HashMap::new() };
        for at_us in 0..100 {
            for server in [1, 2] {
                let what = Some(What::Output(vec![b'x'; 60 << 10]));
                let server = ServerId(Uuid::from_u128(server));
                writer.write(&Waiting { server, tenancy: None, what, at_us }).unwrap();
            }
            let total: u64 = kept(dir.path()).unwrap().iter().map(|file| file.bytes).sum();
            // The two that are being written may be over it.
            assert!(total <= room.total + 2 * (FILE_BYTES_MAX + (64 << 10)), "{total}");
        }
        let newest = all(dir.path(), 0..u64::MAX);
        assert_eq!(newest.last().map(|entry| entry.at_us), Some(99), "the newest stays");
    }

    #[test]
    fn whose_each_character_is_stands_in_its_own_file_whatever_was_removed() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer { dir: dir.path().to_owned(), room: Room::default(), open: HashMap::new() };
        let (mine, theirs) = (Some(TenancyId(Uuid::from_u128(1))), Some(TenancyId(Uuid::from_u128(2))));
        let write = |writer: &mut Writer, at_us, tenancy, what| {
            writer.write(&Waiting { server: SERVER, tenancy, what, at_us }).unwrap();
        };
        let printed = |text: &str| Some(What::Output(text.as_bytes().to_vec()));
        // A mark that found no room is made up for by what is heard next; one that says nothing new is not written.
        write(&mut writer, 10, None, printed("ours"));
        write(&mut writer, 20, mine, None);
        write(&mut writer, 21, mine, None);
        write(&mut writer, 22, mine, printed("mine"));
        write(&mut writer, 30, theirs, printed("theirs"));
        // Whoever removes files, or an agent that starts anew, begins with a mark.
        let mut anew = Writer { dir: dir.path().to_owned(), room: Room::default(), open: HashMap::new() };
        write(&mut anew, 40, theirs, printed("theirs, too"));
        let mut found = Vec::new();
        let tell = |entry: Entry| {
            found.push((entry.at_us, entry.what));
            Ok(())
        };
        read(dir.path(), SERVER, 0..u64::MAX, tell).unwrap();
        let text = |text: &str| printed(text).unwrap();
        assert_eq!(
            found,
            [
                (10, What::Mark(None)),
                (10, text("ours")),
                (20, What::Mark(mine)),
                (22, text("mine")),
                (30, What::Mark(theirs)),
                (30, text("theirs")),
                (40, What::Mark(theirs)),
                (40, text("theirs, too")),
            ]
        );
        // Too old, even the file that is being written goes, and the next one begins with a mark again.
        let hour_us = 3600 * 1_000_000;
        anew.room.age = Duration::from_secs(3600);
        anew.sweep(now_us() + 2 * hour_us).unwrap();
        write(&mut anew, 50, theirs, printed("again"));
        let mut found = Vec::new();
        let tell = |entry: Entry| {
            found.push(entry.what);
            Ok(())
        };
        read(dir.path(), SERVER, 0..u64::MAX, tell).unwrap();
        assert_eq!(found, [What::Mark(theirs), text("again")]);
    }
}
