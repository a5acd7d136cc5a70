//! Edges: asking for a lease on one interface, over UDP broadcasts.

use std::{
    ffi::OsString,
    io::{self, ErrorKind},
    net::{Ipv4Addr, UdpSocket},
    time::{Duration, Instant},
};

use nix::sys::socket::{setsockopt, sockopt::BindToDevice};
use protocol::mac::MacAddr;
use ring::rand::{SecureRandom, SystemRandom};

use super::message::{Lease, ServerMessage, build, parse};

const CLIENT_PORT: u16 = 68;
const SERVER_PORT: u16 = 67;
/// How often a DISCOVER is sent before we give up.
const TRIES_MAX: u32 = 12;
/// First wait for an answer; doubled each time up to [`WAIT_MAX`].
const WAIT_FIRST: Duration = Duration::from_millis(500);
const WAIT_MAX: Duration = Duration::from_secs(4);
const MESSAGE_BYTES_MAX: usize = 1500;

/// Why there is no lease.
#[derive(Debug, thiserror::Error)]
pub enum DhcpError {
    /// The socket failed.
    #[error("DHCP on {0}: {1}")]
    Socket(String, io::Error),
    /// Nobody answered.
    #[error("DHCP on {0}: no answer to {TRIES_MAX} requests")]
    Silence(String),
}

/// Asks on this interface, which must be up, until there is a lease or nobody answers.
pub fn acquire(interface: &str, mac: MacAddr, vendor_class: &str) -> Result<Lease, DhcpError> {
    exchange(interface, mac, vendor_class)
        .map_err(|error| DhcpError::Socket(interface.to_owned(), error))?
        .ok_or_else(|| DhcpError::Silence(interface.to_owned()))
}

fn exchange(interface: &str, mac: MacAddr, vendor_class: &str) -> io::Result<Option<Lease>> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, CLIENT_PORT))?;
    setsockopt(&socket, BindToDevice, &OsString::from(interface))?;
    socket.set_broadcast(true)?;
    let mut transaction = [0; 4];
    SystemRandom::new().fill(&mut transaction).map_err(|_| ErrorKind::Other)?;
    let transaction = u32::from_be_bytes(transaction);
    let send = |offer: Option<&Lease>| {
        socket.send_to(&build(transaction, mac, vendor_class, offer), (Ipv4Addr::BROADCAST, SERVER_PORT))
    };
    let mut wait = WAIT_FIRST;
    let mut offer = None;
    for _ in 0..TRIES_MAX {
        send(offer.as_ref())?;
        let deadline = Instant::now() + wait;
        while let Some(answer) = receive(&socket, deadline, transaction, mac)? {
            match answer {
                ServerMessage::Offer(lease) if offer.is_none() => {
                    offer = Some(lease);
                    send(offer.as_ref())?;
                }
                ServerMessage::Offer(_) => {}
                ServerMessage::Ack(lease) => return Ok(Some(lease)),
                ServerMessage::Nak => {
                    offer = None;
                    break;
                }
            }
        }
        wait = (wait * 2).min(WAIT_MAX);
    }
    Ok(None)
}

fn receive(
    socket: &UdpSocket,
    deadline: Instant,
    transaction: u32,
    mac: MacAddr,
) -> io::Result<Option<ServerMessage>> {
    let mut buffer = [0; MESSAGE_BYTES_MAX];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        socket.set_read_timeout(Some(left))?;
        match socket.recv(&mut buffer) {
            Ok(length) => {
                if let Some(answer) = parse(&buffer[..length], transaction, mac) {
                    return Ok(Some(answer));
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        }
    }
}
