//! Edges: reads what was recorded of one console, from its files, and goes on with what is recorded meanwhile.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use protocol::{
    console_record::{RecordLine, WantedLines},
    id::ServerId,
};
use tokio::{sync::mpsc, time};

use super::{entry::Entry, files::Recorder, search::Search};

/// Most people that read records of one rack at a time.
pub const READERS_MAX: usize = 16;
/// The disk is not looked at more often than this for one reader. What was begun counts as a line when nothing has followed for so long:
/// a prompt has no end of line.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Where somebody is in a console's files.
#[derive(Debug)]
pub(super) struct Reader {
    dir: PathBuf,
    /// Files that end before this are not looked at.
    from_us: u64,
    /// The file that is being read, and how far.
    at: Option<(u64, u64)>,
}

impl Reader {
    /// At the beginning of the file with this time in it.
    pub(super) fn new(dir: &Path, server: ServerId, from_us: u64) -> Self {
        Self { dir: dir.join(server.to_string()), from_us, at: None }
    }

    /// The entries that follow, at most a file of them; none: there are no more now.
    pub(super) fn read_on(&mut self) -> io::Result<Option<Vec<Entry>>> {
        loop {
            let files = self.files()?;
            let (file, offset) = match self.at {
                Some(at) => at,
                // The last of those that begin by then has it; what is in it of before is left out by its time.
                None => match files.iter().rev().find(|begun| **begun <= self.from_us).or(files.first()) {
                    Some(first) => (*first, 0),
                    None => return Ok(None),
                },
            };
            let entries = self.entries(file, offset)?;
            if !entries.is_empty() {
                return Ok(Some(entries));
            }
            match files.iter().find(|begun| **begun > file) {
                Some(next) => self.at = Some((*next, 0)),
                None => return Ok(None),
            }
        }
    }

    /// Whole entries of a file from there on.
    fn entries(&mut self, file: u64, offset: u64) -> io::Result<Vec<Entry>> {
        let mut bytes = Vec::new();
        match File::open(self.dir.join(format!("{file:020}"))) {
            Ok(mut open) => {
                open.seek(SeekFrom::Start(offset))?;
                open.read_to_end(&mut bytes)?;
            }
            // It was given up in this moment.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let (mut entries, mut rest) = (Vec::new(), &bytes[..]);
        while let Some((entry, behind)) = Entry::decode(rest) {
            entries.push(entry);
            rest = behind;
        }
        self.at = Some((file, offset + (bytes.len() - rest.len()) as u64));
        Ok(entries)
    }

    /// Beginnings of the files, oldest first.
    fn files(&self) -> io::Result<Vec<u64>> {
        let mut begun = Vec::new();
        match fs::read_dir(&self.dir) {
            Ok(files) => {
                for file in files {
                    // What else lies there is not ours.
                    begun.extend(file?.file_name().to_str().and_then(|name| name.parse::<u64>().ok()));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        begun.sort_unstable();
        Ok(begun)
    }
}

/// A reader's place; dropped, it is another's.
pub struct Place(#[expect(dead_code, reason = "it is counted")] Arc<()>);

impl Recorder {
    /// Takes a place to read; none: all are taken.
    pub fn place(&self) -> Option<Place> {
        let place = Arc::clone(self.readers());
        // We and the field hold two.
        (Arc::strong_count(&place) <= READERS_MAX + 1).then_some(Place(place))
    }
}

/// Sends the wanted lines of a server's record, oldest first, as fast as they are taken; then, if that is wanted, what is recorded from
/// now on, until nobody takes it any more.
pub async fn send(
    recorder: &Recorder,
    server: ServerId,
    wanted: WantedLines,
    to: &mpsc::Sender<RecordLine>,
) -> io::Result<()> {
    let mut written = recorder.written();
    let follow = wanted.follow;
    let mut reader = Reader::new(recorder.dir(), server, wanted.since_us.unwrap_or(0));
    let mut search = Search::new(wanted);
    loop {
        written.borrow_and_update();
        let mut has_news = false;
        while let Some(entries) = read_on(&mut reader).await? {
            has_news = true;
            entries.into_iter().for_each(|entry| search.push(entry));
            if !hand_over(&mut search, to).await {
                return Ok(());
            }
        }
        search.caught_up();
        if !follow || !has_news {
            search.end_line();
        }
        if !hand_over(&mut search, to).await || !follow {
            return Ok(());
        }
        time::sleep(LOOK_EVERY).await;
        if has_news {
            // Once more, whatever was written: to see whether the last line goes on.
            continue;
        }
        tokio::select! {
            changed = written.changed() => if changed.is_err() { return Ok(()) },
            () = to.closed() => return Ok(()),
        }
    }
}

/// Reads on beside the workers that must not wait for a disk.
async fn read_on(reader: &mut Reader) -> io::Result<Option<Vec<Entry>>> {
    let mut moved = Reader { dir: reader.dir.clone(), from_us: reader.from_us, at: reader.at };
    let (moved, entries) = tokio::task::spawn_blocking(move || {
        let entries = moved.read_on();
        (moved, entries)
    })
    .await
    .map_err(io::Error::other)?;
    *reader = moved;
    entries
}

/// Whether they were taken.
async fn hand_over(search: &mut Search, to: &mpsc::Sender<RecordLine>) -> bool {
    while let Some(line) = search.poll_line() {
        if to.send(line).await.is_err() {
            return false;
        }
    }
    !to.is_closed()
}
