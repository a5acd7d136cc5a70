//! Edges: sockets that hear and speak on one interface only.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use nix::sys::socket::{AddressFamily, SockaddrLike, SockaddrStorage, setsockopt, sockopt::RcvBufForce};
use protocol::mac::MacAddr;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpSocket, UdpSocket};

use crate::dhcp6;

/// DHCP servers listen here.
const DHCP_PORT: u16 = 67;

/// What the system keeps of DHCP messages that have not been read yet: some thousands.
const DHCP_QUEUE_BYTES: usize = 4 << 20;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;

/// How long a server rests after its socket failed, so that a vanished interface does not burn a processor.
const PAUSE: Duration = Duration::from_millis(500);

/// All DHCPv6 servers and relays of a link, and all servers of a site.
const ALL_DHCP_AGENTS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);
const ALL_DHCP_SERVERS: Ipv6Addr = Ipv6Addr::new(0xff05, 0, 0, 0, 0, 0, 1, 3);

/// All IPv6 routers of a link.
pub(crate) const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);

/// The kernel's number for an interface; none if there is no such interface.
pub(crate) fn interface_index(interface: &str) -> Option<u32> {
    nix::net::if_::if_nametoindex(interface).ok()
}

/// Whether the interface has this address.
pub(crate) fn has_address(interface: &str, address: IpAddr) -> bool {
    addresses(interface).any(|found| match address {
        IpAddr::V4(address) => found.as_sockaddr_in().is_some_and(|found| found.ip() == address),
        IpAddr::V6(address) => found.as_sockaddr_in6().is_some_and(|found| found.ip() == address),
    })
}

/// The interface's Ethernet address; none: it has none.
pub(crate) fn hardware_address(interface: &str) -> Option<MacAddr> {
    let packet = |found: &SockaddrStorage| found.family() == Some(AddressFamily::Packet);
    addresses(interface).filter(packet).find_map(|found| found.as_link_addr()?.addr().map(MacAddr))
}

fn addresses(interface: &str) -> impl Iterator<Item = SockaddrStorage> {
    let all = nix::ifaddrs::getifaddrs().into_iter().flatten();
    all.filter(move |entry| entry.interface_name == interface).filter_map(|entry| entry.address)
}

/// The DHCP socket. It is bound to no address, because requests and answers are broadcasts.
pub(crate) fn dhcp(interface: &str) -> io::Result<UdpSocket> {
    let socket = bound(interface, Type::DGRAM, Protocol::UDP)?;
    socket.set_reuse_address(true)?;
    socket.set_broadcast(true)?;
    make_room(&socket);
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, DHCP_PORT)).into())?;
    UdpSocket::from_std(socket.into())
}

/// The DHCPv6 socket: of all servers of the link, and of those to which relays send (RFC 8415 section 7.1).
pub(crate) fn dhcp6(interface: &str, index: u32) -> io::Result<UdpSocket> {
    let socket = bound_to(Domain::IPV6, interface, Type::DGRAM, Protocol::UDP)?;
    socket.set_reuse_address(true)?;
    socket.set_multicast_loop_v6(false)?;
    make_room(&socket);
    socket.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, dhcp6::responder::SERVER_PORT)).into())?;
    socket.join_multicast_v6(&ALL_DHCP_AGENTS, index)?;
    socket.join_multicast_v6(&ALL_DHCP_SERVERS, index)?;
    UdpSocket::from_std(socket.into())
}

/// A UDP socket at an address of the interface; port 0: any free one.
pub(crate) fn udp(interface: &str, address: IpAddr, port: u16) -> io::Result<UdpSocket> {
    let socket = bound_to(domain(address), interface, Type::DGRAM, Protocol::UDP)?;
    socket.bind(&SocketAddr::new(address, port).into())?;
    UdpSocket::from_std(socket.into())
}

/// A listening TCP socket at an address of the interface: what comes in elsewhere and is sent to this address finds nobody.
pub fn tcp(interface: &str, address: IpAddr, port: u16) -> io::Result<TcpListener> {
    let socket = bound_to(domain(address), interface, Type::STREAM, Protocol::TCP)?;
    // Connections of an agent that was restarted must not keep the port.
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::new(address, port).into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// A TCP socket for one connection that leaves from an address of the interface.
pub(crate) fn tcp_from(interface: &str, address: Ipv4Addr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.bind_device(Some(interface.as_bytes()))?;
    socket.bind((address, 0).into())?;
    Ok(socket)
}

/// The socket for pings. It hears every ICMP message of the interface, with its IPv4 header; Tokio's UDP type as below.
pub(crate) fn icmp(interface: &str) -> io::Result<UdpSocket> {
    UdpSocket::from_std(bound(interface, Type::RAW, Protocol::ICMPV4)?.into())
}

/// The socket for router solicitations and advertisements. Tokio has no type for raw sockets; its UDP type only sends
/// and receives datagrams with an address, which is the same here, the port being always 0.
pub(crate) fn icmpv6(interface: &str, index: u32) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6))?;
    socket.bind_device(Some(interface.as_bytes()))?;
    // RFC 4861 section 6.1: with any other hop limit the message would be dropped, for it may come from elsewhere.
    socket.set_multicast_hops_v6(255)?;
    socket.set_unicast_hops_v6(255)?;
    socket.set_multicast_if_v6(index)?;
    socket.set_multicast_loop_v6(false)?;
    socket.join_multicast_v6(&ALL_ROUTERS, index)?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket.into())
}

fn bound(interface: &str, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    bound_to(Domain::IPV4, interface, kind, protocol)
}

fn domain(address: IpAddr) -> Domain {
    match address {
        IpAddr::V4(_) => Domain::IPV4,
        IpAddr::V6(_) => Domain::IPV6,
    }
}

fn bound_to(domain: Domain, interface: &str, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(domain, kind, Some(protocol))?;
    if domain == Domain::IPV6 {
        // The other family has sockets of its own.
        socket.set_only_v6(true)?;
    }
    socket.bind_device(Some(interface.as_bytes()))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// The system's default holds some 150 messages, which is little when a row of racks comes back after a power failure. Beyond the
/// system's own bound only who may do anything goes.
fn make_room(socket: &Socket) {
    if setsockopt(socket, RcvBufForce, &DHCP_QUEUE_BYTES).is_err() {
        let _ = socket.set_recv_buffer_size(DHCP_QUEUE_BYTES);
    }
}

/// Logs a failed receive and rests.
pub(crate) async fn pause_after(error: &io::Error, protocol: &str) {
    tracing::warn!(%error, protocol, "socket failed; trying again");
    tokio::time::sleep(PAUSE).await;
}
