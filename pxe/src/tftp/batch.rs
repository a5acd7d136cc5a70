//! Edges: many datagrams by one call of the system: what has come is received together, and what is to go is sent together, the blocks
//! of a window as one (UDP GSO, which the kernel or the card cuts up).

use std::{
    io::{self, ErrorKind, IoSlice, IoSliceMut},
    net::SocketAddr,
    os::fd::AsRawFd,
    time::Duration,
};

use bytes::Bytes;
use nix::{
    errno::Errno,
    sys::socket::{ControlMessage, MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg, sendmsg},
};
use tokio::{io::Interest, net::UdpSocket};

use super::{
    packet::{DATA_HEADER_LEN, MAX_REQUEST_LEN},
    transfer::header,
};

/// Most datagrams of one call.
const AT_ONCE: usize = 64;

/// Most bytes of one window that are sent as one.
const WINDOW_BYTES_MAX: usize = 60_000;

/// For how long a full queue of the system is waited for; what then finds no room is lost, as on the wire.
const ROOM_WAIT: Duration = Duration::from_millis(100);

/// Room for what comes.
pub(super) struct Inbox {
    buffers: Vec<[u8; MAX_REQUEST_LEN + 1]>,
}

impl Inbox {
    pub(super) fn new() -> Self {
        Self { buffers: vec![[0; MAX_REQUEST_LEN + 1]; AT_ONCE] }
    }

    /// Passes on what has come, without waiting; so many datagrams at most, as far as there is room.
    pub(super) fn receive(
        &mut self,
        socket: &UdpSocket,
        most: usize,
        mut each: impl FnMut(SocketAddr, &[u8]),
    ) -> io::Result<()> {
        // Of nix: it holds pointers, and so stays on its thread.
        let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(most.clamp(1, AT_ONCE), None);
        let mut slices: Vec<_> =
            self.buffers.iter_mut().take(most.max(1)).map(|buffer| [IoSliceMut::new(buffer)]).collect();
        let received = socket.try_io(Interest::READABLE, || {
            let (fd, asked, mut came) = (socket.as_raw_fd(), slices.len(), 0);
            for message in recvmmsg(fd, &mut headers, slices.iter_mut(), MsgFlags::MSG_DONTWAIT, None)? {
                came += 1;
                let from = message.address.as_ref().and_then(of_system);
                if let (Some(from), Some(bytes)) = (from, message.iovs().next()) {
                    each(from, bytes);
                }
            }
            // Fewer than there was room for: there are no more, and nobody need ask again to know so.
            if came < asked { Err(ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        match received {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            received => received,
        }
    }
}

/// Blocks of one download that go out now.
pub(super) struct Blocks {
    pub(super) to: SocketAddr,
    /// Number of the first.
    pub(super) first: u64,
    pub(super) data: Data,
}

/// The data of one block, which needs no list, or of several.
pub(super) enum Data {
    One(Bytes),
    Many(Vec<Bytes>),
}

impl Data {
    fn as_slice(&self) -> &[Bytes] {
        match self {
            Data::One(data) => std::slice::from_ref(data),
            Data::Many(data) => data,
        }
    }
}

/// Room for what goes.
pub(super) struct Outbox {
    /// Whether the system cuts a window up; not all do.
    cuts_up: bool,
}

impl Outbox {
    pub(super) fn new() -> Self {
        Self { cuts_up: true }
    }

    /// Sends all of it. What the system refuses is lost, as on the wire: its download sends it again.
    pub(super) async fn send(&mut self, socket: &UdpSocket, all: &[Blocks]) {
        let mut single = Vec::new();
        for Blocks { to, first, data } in all {
            let data = data.as_slice();
            if data.len() > 1 && self.cuts_up && self.send_window(socket, *to, *first, data).await {
                continue;
            }
            let numbered = (*first..).zip(data);
            single.extend(numbered.map(|(number, data)| (SockaddrStorage::from(*to), header(number), data)));
        }
        for datagrams in single.chunks(AT_ONCE) {
            send_single(socket, datagrams).await;
        }
    }

    /// Says no where the system cuts nothing up.
    async fn send_window(&mut self, socket: &UdpSocket, to: SocketAddr, first: u64, data: &[Bytes]) -> bool {
        let size = DATA_HEADER_LEN + data.first().map_or(0, Bytes::len);
        let Ok(segment) = u16::try_from(size) else { return false };
        let numbered: Vec<_> = (first..).zip(data).map(|(number, data)| (header(number), data)).collect();
        for part in numbered.chunks((WINDOW_BYTES_MAX / size.max(1)).clamp(1, AT_ONCE)) {
            let slices: Vec<_> =
                part.iter().flat_map(|(header, data)| [IoSlice::new(header), IoSlice::new(data)]).collect();
            let (cut, flags, to) = (
                [ControlMessage::UdpGsoSegments(&segment)],
                MsgFlags::MSG_DONTWAIT,
                SockaddrStorage::from(to),
            );
            let sent =
                when_room(socket, || sendmsg(socket.as_raw_fd(), &slices, &cut, flags, Some(&to))).await;
            if let Err(Errno::EINVAL | Errno::EIO | Errno::EMSGSIZE | Errno::EOPNOTSUPP) = sent {
                self.cuts_up = false;
                return false;
            }
        }
        true
    }
}

/// An address as the system writes it; none: of another family.
fn of_system(address: &SockaddrStorage) -> Option<SocketAddr> {
    match (address.as_sockaddr_in(), address.as_sockaddr_in6()) {
        (Some(address), _) => Some(SocketAddr::V4((*address).into())),
        (_, Some(address)) => Some(SocketAddr::V6((*address).into())),
        (None, None) => None,
    }
}

async fn send_single(socket: &UdpSocket, datagrams: &[(SockaddrStorage, [u8; DATA_HEADER_LEN], &Bytes)]) {
    let slices: Vec<_> =
        datagrams.iter().map(|(_, header, data)| [IoSlice::new(header), IoSlice::new(data)]).collect();
    let to: Vec<_> = datagrams.iter().map(|(to, ..)| Some(*to)).collect();
    let mut done = 0;
    while let (Some(slices), Some(to)) = (slices.get(done..), to.get(done..))
        && !to.is_empty()
    {
        let sent = when_room(socket, || {
            let none: [ControlMessage<'_>; 0] = [];
            let mut headers = MultiHeaders::preallocate(to.len(), None);
            let fd = socket.as_raw_fd();
            sendmmsg(fd, &mut headers, slices.iter(), to, none, MsgFlags::MSG_DONTWAIT).map(Iterator::count)
        })
        .await;
        // The first one of those that were not sent is what was refused.
        done += sent.unwrap_or(0).max(1);
    }
}

/// Tries until the system has room, or has had none for [`ROOM_WAIT`].
async fn when_room(
    socket: &UdpSocket,
    mut send: impl FnMut() -> Result<usize, Errno>,
) -> Result<usize, Errno> {
    let until = tokio::time::Instant::now() + ROOM_WAIT;
    loop {
        let mut refused = None;
        let sent = socket.try_io(Interest::WRITABLE, || {
            send().map_err(|error| {
                refused = Some(error);
                io::Error::from(error)
            })
        });
        match (sent, refused) {
            (Ok(sent), _) => return Ok(sent),
            // The system's queue, or Tokio's memory of it, is full.
            (Err(_), None | Some(Errno::EAGAIN)) => {
                if !matches!(tokio::time::timeout_at(until, socket.writable()).await, Ok(Ok(()))) {
                    return Err(Errno::EAGAIN);
                }
            }
            (Err(_), Some(error)) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Duration = Duration::from_secs(60);

    async fn socket() -> (UdpSocket, SocketAddr) {
        socket_at("127.0.0.1:0").await
    }

    async fn socket_at(address: &str) -> (UdpSocket, SocketAddr) {
        let socket = UdpSocket::bind(address).await.unwrap();
        let address = socket.local_addr().unwrap();
        (socket, address)
    }

    async fn next(socket: &UdpSocket) -> Vec<u8> {
        let mut buffer = vec![0; 2000];
        let len =
            tokio::time::timeout(WAIT, socket.recv(&mut buffer)).await.expect("nothing more came").unwrap();
        buffer.truncate(len);
        buffer
    }

    /// More than one call takes, by number and by bytes; the last block is a short one.
    #[tokio::test]
    async fn a_window_arrives_block_by_block_whether_the_system_cuts_it_up_or_not() {
        let blocks: Vec<_> =
            (0..70_u8).map(|fill| Bytes::from(vec![fill; if fill < 69 { 900 } else { 3 }])).collect();
        let both = ["127.0.0.1:0", "[::1]:0"];
        for (cuts_up, at) in [true, false].into_iter().flat_map(|cuts_up| both.map(|at| (cuts_up, at))) {
            let ((from, _), (client, to)) = (socket_at(at).await, socket_at(at).await);
            // The numbers on the wire begin anew behind 65535.
            let all = [Blocks { to, first: 65_500, data: Data::Many(blocks.clone()) }];
            Outbox { cuts_up }.send(&from, &all).await;
            for (number, data) in (65_500..).zip(&blocks) {
                assert_eq!(
                    next(&client).await,
                    [&header(number)[..], data].concat(),
                    "{at} {cuts_up} {number}"
                );
            }
        }
    }

    #[tokio::test]
    async fn what_the_system_refuses_to_send_keeps_nothing_else() {
        let ((from, _), (client, to)) = (socket().await, socket().await);
        // Nobody has allowed this socket to broadcast.
        let refused = SocketAddr::from(([255, 255, 255, 255], 9));
        let block = |to, first| Blocks { to, first, data: Data::One(Bytes::from_static(b"x")) };
        let all = [block(to, 1), block(refused, 2), block(to, 3), block(refused, 4), block(to, 5)];
        Outbox::new().send(&from, &all).await;
        for number in [1, 3, 5] {
            assert_eq!(next(&client).await, [&header(number)[..], b"x"].concat());
        }
    }

    #[tokio::test]
    async fn what_has_come_is_taken_together_up_to_a_number() {
        for at in ["127.0.0.1:0", "[::1]:0"] {
            taken_together(socket_at(at).await, socket_at(at).await).await;
        }
    }

    async fn taken_together((from, client): (UdpSocket, SocketAddr), (server, to): (UdpSocket, SocketAddr)) {
        for number in 0..5_u8 {
            from.send_to(&[number], to).await.unwrap();
        }
        let (mut inbox, mut came) = (Inbox::new(), Vec::new());
        while came.len() < 5 {
            tokio::time::timeout(WAIT, server.readable()).await.unwrap().unwrap();
            let before = came.len();
            let mut each = |from, bytes: &[u8]| {
                assert_eq!(from, client);
                came.push(bytes[0]);
            };
            inbox.receive(&server, 2, &mut each).unwrap();
            assert!(came.len() - before <= 2, "{came:?}");
        }
        assert_eq!(came, [0, 1, 2, 3, 4]);
    }
}
