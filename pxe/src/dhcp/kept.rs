//! Edges: leases kept on disk, so that an agent that was restarted gives nobody the address of a server that runs.
//!
//! A line for each: MAC address, IPv4 address, end in seconds since 1970. Lines are appended, those of many clients at once by one
//! flush; the last one about an interface counts. What must stay true: a line is on the disk before its client is told; what a full disk cut off does
//! not spoil the line that follows.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use host::whole_file;
use protocol::mac::MacAddr;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::lease::{Lent, MAX_RANGE};
use crate::context::Context;

/// Leases that wait to be written.
const QUEUE_MAX: usize = 1024;

/// Lines after which the file is written anew, with one for each lease.
const LINES_MAX: usize = 4 * MAX_RANGE as usize;

/// Longest file that is read.
const BYTES_MAX: u64 = 16 << 20;

/// Takes leases to be kept.
pub(crate) type Keep = mpsc::Sender<(Lent, oneshot::Sender<()>)>;

/// The file.
#[derive(Debug)]
pub(crate) struct Keeper {
    path: PathBuf,
    file: File,
    /// Bytes of whole lines.
    len: u64,
    lines: usize,
    queue: mpsc::Receiver<(Lent, oneshot::Sender<()>)>,
}

impl Keeper {
    /// Opens the file, or creates it. Gives what it held, the newest last.
    pub(crate) fn open(path: &Path) -> io::Result<(Self, Keep, Vec<Lent>)> {
        let held = match std::fs::metadata(path) {
            Ok(file) if file.len() <= BYTES_MAX => std::fs::read_to_string(path)?,
            Ok(_) => return Err(io::Error::other(format!("it has more than {BYTES_MAX} bytes"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let (now, clock) = (Instant::now(), SystemTime::now());
        // The last line may have been cut off by a crash; it has no end then.
        let whole = held.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let lent: Vec<Lent> = whole.lines().filter_map(|line| read(line, now, clock)).collect();
        let (file, len) = start(path, &whole_lines(&lent, now, clock))?;
        let (keep, queue) = mpsc::channel(QUEUE_MAX);
        Ok((Self { path: path.to_owned(), file, len, lines: lent.len(), queue }, keep, lent))
    }

    /// Keeps what comes until it is told to stop.
    pub(crate) async fn run(mut self, context: Arc<Context>, stop: CancellationToken) {
        let mut waiting = Vec::new();
        loop {
            let mut lent = Vec::new();
            tokio::select! {
                () = stop.cancelled() => return,
                received = self.queue.recv_many(&mut waiting, QUEUE_MAX) => if received == 0 { return },
            }
            let answers: Vec<oneshot::Sender<()>> = waiting
                .drain(..)
                .map(|(one, answer)| {
                    lent.push(one);
                    answer
                })
                .collect();
            let anew = (self.lines + lent.len() > LINES_MAX).then(|| context.leases().lent());
            let written = tokio::task::spawn_blocking(move || {
                let written = self.write(&lent, anew.as_deref());
                (self, written)
            });
            let Ok((keeper, written)) = written.await else { return };
            self = keeper;
            if let Err(error) = written {
                // A boot must not fail for it: before its address goes to somebody else, it is probed.
                tracing::error!(path = %self.path.display(), %error, "leases could not be kept on disk");
            }
            for answer in answers {
                let _ = answer.send(());
            }
        }
    }

    fn write(&mut self, lent: &[Lent], anew: Option<&[Lent]>) -> io::Result<()> {
        let (now, clock) = (Instant::now(), SystemTime::now());
        if let Some(all) = anew {
            (self.file, self.len) = start(&self.path, &whole_lines(all, now, clock))?;
            self.lines = all.len();
        }
        let text = whole_lines(lent, now, clock);
        if self.file.metadata()?.len() != self.len {
            // An earlier write was cut off; the end of its line would be taken for the beginning of ours.
            self.file.set_len(self.len)?;
        }
        self.file.write_all(text.as_bytes())?;
        self.len += text.len() as u64;
        self.lines += lent.len();
        self.file.sync_data()
    }
}

/// A file with this text alone, to be appended to, and its length.
fn start(path: &Path, text: &str) -> io::Result<(File, u64)> {
    whole_file::write(path, text.as_bytes())?;
    Ok((OpenOptions::new().append(true).open(path)?, text.len() as u64))
}

fn whole_lines(lent: &[Lent], now: Instant, clock: SystemTime) -> String {
    lent.iter().map(|lent| line(lent, now, clock)).collect()
}

fn line(lent: &Lent, now: Instant, clock: SystemTime) -> String {
    let until = clock + lent.until.saturating_duration_since(now);
    let until = until.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    format!("{} {} {until}\n", lent.mac, lent.address)
}

/// None: it is no such line.
fn read(line: &str, now: Instant, clock: SystemTime) -> Option<Lent> {
    let mut words = line.split(' ');
    let (mac, address, until) = (words.next()?, words.next()?, words.next()?);
    let (mac, address) = (mac.parse::<MacAddr>().ok()?, address.parse::<Ipv4Addr>().ok()?);
    let until = UNIX_EPOCH.checked_add(Duration::from_secs(until.parse().ok()?))?;
    // A clock that was set back makes no lease longer than it was given.
    let left = until.duration_since(clock).unwrap_or_default().min(super::lease::LEASE);
    words.next().is_none().then_some(Lent { mac, address, until: now + left })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dhcp::lease::LEASE;

    #[test]
    fn a_lease_is_read_as_it_was_written() {
        let (now, clock) = (Instant::now(), UNIX_EPOCH + Duration::from_secs(1_800_000_000));
        let mac = MacAddr([2, 0, 0, 0, 0, 1]);
        let lent = Lent { mac, address: Ipv4Addr::new(198, 18, 1, 10), until: now + LEASE };
        let text = line(&lent, now, clock);
        assert_eq!(text, "02:00:00:00:00:01 198.18.1.10 1800000600\n");
        assert_eq!(read(text.trim_end(), now, clock), Some(lent));
        let check = |line: &str, expected: Option<Duration>| {
            assert_eq!(read(line, now, clock).map(|lent| lent.until - now), expected, "{line}");
        };
        check("02:00:00:00:00:01 198.18.1.10 1799999999", Some(Duration::ZERO));
        check("02:00:00:00:00:01 198.18.1.10 1800009999", Some(LEASE));
        check("02:00:00:00:00:01 198.18.1.10 18446744073709551615", None);
        check("02:00:00:00:00:01 198.18.1.10", None);
        check("02:00:00:00:00:01 198.18.1.10 1800000000 x", None);
        check("02:00:00:00:00 198.18.1.10 1800000000", None);
        check("", None);
    }

    #[test]
    fn a_cut_off_line_is_left_out_and_goes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("leases");
        let far = u64::from(u32::MAX);
        let text =
            format!("02:00:00:00:00:01 198.18.1.10 {far}\nnonsense\n02:00:00:00:00:02 198.18.1.11 {far}");
        std::fs::write(&path, text).unwrap();
        let (mut keeper, _, held) = Keeper::open(&path).unwrap();
        assert_eq!(held.len(), 1);
        let more =
            Lent { mac: MacAddr([2, 0, 0, 0, 0, 3]), address: Ipv4Addr::new(198, 18, 1, 12), ..held[0] };
        keeper.write(&[more], None).unwrap();
        let (mut keeper, _, held) = Keeper::open(&path).unwrap();
        assert_eq!(held.iter().map(|lent| lent.mac.0[5]).collect::<Vec<_>>(), [1, 3]);
        // A full disk cuts a write off; the next one finds room again.
        let mut beside = OpenOptions::new().append(true).open(&path).unwrap();
        beside.write_all(b"02:00:00:00:00:04 198.18").unwrap();
        let next = Lent { mac: MacAddr([2, 0, 0, 0, 0, 5]), ..more };
        keeper.write(&[next], None).unwrap();
        let (_, _, after) = Keeper::open(&path).unwrap();
        assert_eq!(after.iter().map(|lent| lent.mac.0[5]).collect::<Vec<_>>(), [1, 3, 5]);
        let (mut keeper, _, _) = Keeper::open(&path).unwrap();
        // Written anew: what is lent, and what comes with it.
        keeper.write(&held[..1], Some(&held[1..])).unwrap();
        let (_, _, held) = Keeper::open(&path).unwrap();
        assert_eq!(held.iter().map(|lent| lent.mac.0[5]).collect::<Vec<_>>(), [3, 1]);
    }
}
