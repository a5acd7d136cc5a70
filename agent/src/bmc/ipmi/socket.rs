//! Edges: the one UDP socket by which this process speaks to all its BMCs.
//!
//! A socket per BMC would end at the limit of open files. Datagrams find their session by its id, which we chose; those from before a
//! session has one go to every session with that source address. One socket per address family; it lives while somebody uses it.
//! The agent has one runtime; tests have many in one process, and each has sockets of its own: a runtime that ends takes its
//! receivers with it, and nobody else's.

use std::{
    collections::{HashMap, VecDeque},
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, LazyLock, Mutex, MutexGuard, Weak},
};

use protocol::ipmi::{PACKET_BYTES_MAX, rmcp::console_session_id};
use tokio::{
    net::UdpSocket,
    runtime::{self, Handle},
    sync::Notify,
    task::AbortHandle,
};
use tracing::debug;

/// Datagrams that wait for one session; what comes beyond is dropped, as a network would.
const INBOX_MAX: usize = 16;

type Sessions = Mutex<HashMap<SocketAddr, Vec<(u32, Arc<Inbox>)>>>;

/// What has come for one session. A channel would keep room for more than ever comes, for each of thousands.
#[derive(Debug, Default)]
struct Inbox {
    datagrams: Mutex<VecDeque<Box<[u8]>>>,
    has_come: Notify,
}

impl Inbox {
    fn put(&self, datagram: &[u8]) {
        let mut datagrams = locked(&self.datagrams);
        // A full inbox means that nobody asks just now.
        if datagrams.len() < INBOX_MAX {
            datagrams.push_back(datagram.into());
            self.has_come.notify_one();
        }
    }

    async fn take(&self) -> Box<[u8]> {
        loop {
            if let Some(datagram) = locked(&self.datagrams).pop_front() {
                return datagram;
            }
            self.has_come.notified().await;
        }
    }
}

/// The socket and who listens on it.
pub(super) struct Shared {
    socket: Arc<UdpSocket>,
    sessions: Arc<Sessions>,
    receiver: AbortHandle,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.receiver.abort();
    }
}

/// Whose socket: this runtime's, for IPv4 or not.
type Owner = (runtime::Id, bool);

static SOCKETS: LazyLock<Mutex<HashMap<Owner, Weak<Shared>>>> = LazyLock::new(Mutex::default);

/// This runtime's socket for this peer's address family; made when nobody has it.
pub(super) fn shared(peer: SocketAddr) -> io::Result<Arc<Shared>> {
    let owner: Owner = (Handle::current().id(), peer.is_ipv4());
    let any: SocketAddr = match peer {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let mut sockets = locked(&SOCKETS);
    if let Some(shared) = sockets.get(&owner).and_then(Weak::upgrade) {
        return Ok(shared);
    }
    // Those of runtimes that are gone go too.
    sockets.retain(|_, socket| socket.strong_count() > 0);
    let socket = std::net::UdpSocket::bind(any)?;
    socket.set_nonblocking(true)?;
    let socket = Arc::new(UdpSocket::from_std(socket)?);
    let sessions = Arc::new(Sessions::default());
    let receiver = tokio::spawn(receive(socket.clone(), sessions.clone())).abort_handle();
    let shared = Arc::new(Shared { socket, sessions, receiver });
    sockets.insert(owner, Arc::downgrade(&shared));
    Ok(shared)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder of the lock panics")
}

/// Hands datagrams to their sessions, for as long as the socket lives.
async fn receive(socket: Arc<UdpSocket>, sessions: Arc<Sessions>) {
    let mut buffer = [0; PACKET_BYTES_MAX + 1];
    loop {
        match socket.recv_from(&mut buffer).await {
            Ok((length, from)) => deliver(&sessions, from, &buffer[..length]),
            // An ICMP error about an earlier datagram; its session will see the silence.
            Err(error) => debug!(%error, "IPMI socket could not receive"),
        }
    }
}

fn deliver(sessions: &Sessions, from: SocketAddr, datagram: &[u8]) {
    let sessions = locked(sessions);
    let Some(of_peer) = sessions.get(&from) else { return };
    let id = console_session_id(datagram);
    match of_peer.iter().find(|(own, _)| Some(*own) == id) {
        Some((_, inbox)) => inbox.put(datagram),
        None => of_peer.iter().for_each(|(_, inbox)| inbox.put(datagram)),
    }
}

/// A session's place on the socket; it is given up when this is dropped.
pub(super) struct Place {
    shared: Arc<Shared>,
    peer: SocketAddr,
    console_id: u32,
    inbox: Arc<Inbox>,
}

/// As many sessions with one peer are open as may be.
pub(super) struct Full;

impl Place {
    /// One of so many that there may be with this peer.
    pub(super) fn take(
        shared: Arc<Shared>,
        peer: SocketAddr,
        console_id: u32,
        most: u32,
    ) -> Result<Self, Full> {
        let inbox = Arc::new(Inbox::default());
        let mut sessions = locked(&shared.sessions);
        let of_peer = sessions.entry(peer).or_default();
        if of_peer.len() >= most.max(1) as usize {
            return Err(Full);
        }
        of_peer.push((console_id, Arc::clone(&inbox)));
        drop(sessions);
        Ok(Self { shared, peer, console_id, inbox })
    }

    /// Sends, or loses: the machine's retries do not care which of the two went wrong.
    pub(super) async fn send(&self, datagram: &[u8]) {
        if let Err(error) = self.shared.socket.send_to(datagram, self.peer).await {
            debug!(%error, peer = %self.peer, "IPMI datagram not sent");
        }
    }

    /// Sends without waiting, for goodbyes.
    pub(super) fn send_now(&self, datagram: &[u8]) {
        if let Err(error) = self.shared.socket.try_send_to(datagram, self.peer) {
            debug!(%error, peer = %self.peer, "IPMI datagram not sent");
        }
    }

    /// What comes next. Whoever stops waiting loses nothing.
    pub(super) async fn receive(&mut self) -> Box<[u8]> {
        self.inbox.take().await
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut sessions = locked(&self.shared.sessions);
        if let Some(of_peer) = sessions.get_mut(&self.peer) {
            of_peer.retain(|(id, _)| *id != self.console_id);
            if of_peer.is_empty() {
                sessions.remove(&self.peer);
            }
        }
    }
}
