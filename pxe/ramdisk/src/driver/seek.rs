//! Edges: a driver for every device that there is, and for every one that appears later, as long as this program runs.
//!
//! The kernel is listened to before the first look, so nothing appears unseen. Workers load side by side, and network drivers are begun
//! first: a controller that starts for a minute keeps nobody from the network.

use std::{
    collections::{BTreeSet, VecDeque},
    fs,
    os::fd::{AsRawFd, OwnedFd},
    path::Path,
    sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
    thread,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    sys::socket::{
        AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, setsockopt,
        socket, sockopt,
    },
};

use super::{
    faults::{self, PciDevice},
    fetch::Source,
    load::Loader,
    look,
};
use crate::say;

/// How many modules are loaded side by side.
const WORKERS: usize = 4;
/// Most different devices that are looked at; a server has some hundreds.
const DEVICES_MAX: usize = 16 << 10;
/// Room for what the kernel tells while nobody reads; when it was too little, everything is looked at again.
const EVENT_BUFFER_BYTES: usize = 1 << 20;
/// Longest event of the kernel (`UEVENT_BUFFER_SIZE` is 2048, and its header).
const EVENT_BYTES_MAX: usize = 8192;
/// The group of the kernel's own events.
const KERNEL_EVENTS: u32 = 1;
/// Part of the name of a PCI network device (base class 02).
const NETWORK_CLASS: &str = "bc02";

/// One process has one kernel to serve; whoever waits for devices asks here.
static SEEKER: OnceLock<Arc<Seeker>> = OnceLock::new();

#[derive(Debug)]
struct Seeker {
    loader: Loader,
    work: Mutex<Work>,
    changed: Condvar,
}

#[derive(Debug)]
struct Work {
    seen: BTreeSet<String>,
    wishes: VecDeque<String>,
    running: usize,
    /// What waits for the network: its files are the agent's.
    deferred: Vec<String>,
    /// The first look has ended.
    looked: bool,
    idle_since: Instant,
}

/// Begins. What is there is driven, and what comes.
pub fn start() {
    let work = Work {
        seen: BTreeSet::new(),
        wishes: VecDeque::new(),
        running: 0,
        deferred: Vec::new(),
        looked: false,
        idle_since: Instant::now(),
    };
    let seeker = Arc::new(Seeker { loader: Loader::open(), work: Mutex::new(work), changed: Condvar::new() });
    if SEEKER.set(Arc::clone(&seeker)).is_err() {
        return;
    }
    // Modules that no device asks for.
    seeker.wish("efivarfs");
    let events = events();
    for _ in 0..WORKERS {
        let worker = Arc::clone(&seeker);
        thread::spawn(move || worker.work());
    }
    thread::spawn(move || {
        seeker.look();
        match events {
            Ok(socket) => seeker.listen(&socket),
            Err(error) => say!("devices that appear later stay unseen: {error}"),
        }
    });
}

/// There is a network: what is not here is got from the agent from now on.
pub fn fetch_from(source: Source) {
    let Some(seeker) = SEEKER.get() else { return };
    seeker.loader.fetch_from(source);
    let mut work = seeker.lock();
    let deferred = std::mem::take(&mut work.deferred);
    work.wishes.extend(deferred);
    seeker.changed.notify_all();
}

/// For how long nothing was to be loaded and no device has appeared; none: there is work. Without a start nothing ever is.
pub fn idle_for() -> Option<Duration> {
    let Some(seeker) = SEEKER.get() else { return Some(Duration::MAX) };
    let work = seeker.lock();
    (work.looked && work.running == 0 && work.wishes.is_empty()).then(|| work.idle_since.elapsed())
}

/// What of the hardware stays unused at this moment, in words.
pub fn faults() -> Vec<String> {
    let Some(seeker) = SEEKER.get() else { return Vec::new() };
    faults::faults(&devices(seeker), &seeker.loader.failed())
}

fn devices(seeker: &Seeker) -> Vec<PciDevice> {
    look::pci_devices(seeker.loader.index())
}

impl Seeker {
    fn lock(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a device is there, unless it was known or no module here drives it.
    fn wish(&self, modalias: &str) {
        let mut work = self.lock();
        work.idle_since = Instant::now();
        if work.seen.len() >= DEVICES_MAX || !work.seen.insert(modalias.to_owned()) {
            return;
        }
        if modalias.contains(NETWORK_CLASS) {
            work.wishes.push_front(modalias.to_owned());
        } else {
            work.wishes.push_back(modalias.to_owned());
        }
        self.changed.notify_one();
    }

    /// Looks at every device that there is.
    fn look(&self) {
        let names =
            |path: &Path| fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
        for bus in names(Path::new("/sys/bus")) {
            for device in names(&bus.join("devices")) {
                let text = fs::read_to_string(device.join("modalias")).unwrap_or_default();
                text.lines().for_each(|line| self.wish(line.trim()));
            }
        }
        self.lock().looked = true;
    }

    /// Hears of each device that appears.
    fn listen(&self, socket: &OwnedFd) {
        let mut event = vec![0; EVENT_BYTES_MAX];
        loop {
            match recv(socket.as_raw_fd(), &mut event, MsgFlags::empty()) {
                Ok(length) => appeared(event.get(..length).unwrap_or_default(), |alias| self.wish(alias)),
                Err(Errno::EINTR) => {}
                Err(Errno::ENOBUFS) => self.look(),
                Err(error) => return say!("devices that appear from now on stay unseen: {error}"),
            }
        }
    }

    fn work(&self) {
        loop {
            let mut work = self.lock();
            let wish = loop {
                if let Some(wish) = work.wishes.pop_front() {
                    work.running += 1;
                    break wish;
                }
                work = self.changed.wait(work).unwrap_or_else(PoisonError::into_inner);
            };
            drop(work);
            let is_deferred = !self.loader.can_load(&wish);
            if !is_deferred {
                self.loader.load(&wish);
            }
            let mut work = self.lock();
            work.running -= 1;
            match (is_deferred, self.loader.has_source()) {
                (true, true) => work.wishes.push_back(wish),
                (true, false) => work.deferred.push(wish),
                (false, _) => {}
            }
            work.idle_since = Instant::now();
        }
    }
}

/// A socket on which the kernel tells of devices.
fn events() -> nix::Result<OwnedFd> {
    let protocol = SockProtocol::NetlinkKObjectUEvent;
    let socket = socket(AddressFamily::Netlink, SockType::Datagram, SockFlag::SOCK_CLOEXEC, protocol)?;
    setsockopt(&socket, sockopt::RcvBuf, &EVENT_BUFFER_BYTES)?;
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, KERNEL_EVENTS))?;
    Ok(socket)
}

/// Tells what the kernel says has appeared: texts that end with a zero, `add@PATH` first, then `KEY=VALUE`.
fn appeared(event: &[u8], mut told: impl FnMut(&str)) {
    if !event.starts_with(b"add@") {
        return;
    }
    for text in event.split(|byte| *byte == 0) {
        if let Some(alias) = text.strip_prefix(b"MODALIAS=") {
            told(&String::from_utf8_lossy(alias));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_appears_is_told() {
        let check = |event: &[u8], expected: &[&str]| {
            let mut told = Vec::new();
            appeared(event, |alias| told.push(alias.to_owned()));
            assert_eq!(told, expected);
        };
        let rest = b"/devices/pci0000:00/0000:00:02.0\0SUBSYSTEM=pci\0MODALIAS=pci:v00008086\0SEQNUM=7\0";
        check(&[b"add@", &rest[..]].concat(), &["pci:v00008086"]);
        check(&[b"remove@", &rest[..]].concat(), &[]);
        check(b"add@/module/igb\0ACTION=add\0", &[]);
        check(b"", &[]);
    }
}
