//! Edges: whether somebody uses an address already, asked by an ICMP echo (RFC 792) as RFC 2131 section 2.2 recommends, before
//! an interface gets it for the first time. A ramdisk may run there that this agent has forgotten.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{net::UdpSocket, sync::oneshot};

/// How long an answer is waited for. A neighbour answers within a few milliseconds; the server that boots waits with us.
pub const WAIT: Duration = Duration::from_millis(100);

/// Longest message that is read: an IPv4 header with options, and our echo.
const LEN_MAX: usize = 128;
const ECHO: u8 = 8;
const ECHO_REPLY: u8 = 0;
const PAYLOAD: &[u8] = b"bms-manager dhcp";

/// Asks, and hears the answers.
#[derive(Debug)]
pub(crate) struct Probe {
    /// None: the system gave no such socket, and nothing can be asked.
    socket: Option<UdpSocket>,
    /// Tells our echoes from others'.
    id: u16,
    waiting: Mutex<HashMap<Ipv4Addr, oneshot::Sender<()>>>,
}

impl Probe {
    pub(crate) fn new(socket: Option<UdpSocket>) -> Self {
        // Two agents of one host ping on different interfaces.
        let [low, high, ..] = std::process::id().to_le_bytes();
        Self { socket, id: u16::from_le_bytes([low, high]), waiting: Mutex::default() }
    }

    /// Whether somebody answers at this address.
    pub(crate) async fn is_used(&self, address: Ipv4Addr) -> bool {
        let Some(socket) = &self.socket else { return false };
        let (answered, mut answer) = oneshot::channel();
        self.waiting().insert(address, answered);
        let sent = socket.send_to(&echo(self.id), SocketAddr::from((address, 0))).await;
        let used = match sent {
            Ok(_) => match tokio::time::timeout(WAIT, &mut answer).await {
                Ok(answered) => answered.is_ok(),
                // On a host that was too busy to look, an answer may lie there by now.
                Err(_) => {
                    tokio::task::yield_now().await;
                    answer.try_recv().is_ok()
                }
            },
            Err(error) => {
                tracing::debug!(%address, %error, "an address could not be probed");
                false
            }
        };
        self.waiting().remove(&address);
        used
    }

    /// Hears answers, for as long as the socket works. Never returns without a socket.
    pub(crate) async fn hear(&self) -> io::Error {
        let Some(socket) = &self.socket else { return std::future::pending().await };
        let mut buffer = [0; LEN_MAX];
        loop {
            let (len, from) = match socket.recv_from(&mut buffer).await {
                Ok(received) => received,
                Err(error) => return error,
            };
            let IpAddr::V4(from) = from.ip() else { continue };
            if reply_id(buffer.get(..len).unwrap_or_default()) == Some(self.id)
                && let Some(waiting) = self.waiting().remove(&from)
            {
                let _ = waiting.send(());
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<Ipv4Addr, oneshot::Sender<()>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An echo request.
fn echo(id: u16) -> Vec<u8> {
    let [high, low] = id.to_be_bytes();
    let mut message = vec![ECHO, 0, 0, 0, high, low, 0, 1];
    message.extend_from_slice(PAYLOAD);
    let [high, low] = checksum(&message).to_be_bytes();
    message.splice(2..4, [high, low]);
    message
}

/// The identifier of an echo reply, behind its IPv4 header; none: it is something else.
fn reply_id(datagram: &[u8]) -> Option<u16> {
    let words = usize::from(datagram.first()? & 0x0f);
    let message = datagram.get(words * 4..)?;
    let (&[kind, code, _, _, high, low], _) = message.split_first_chunk::<6>()?;
    (kind == ECHO_REPLY && code == 0).then_some(u16::from_be_bytes([high, low]))
}

/// RFC 1071, over an even number of bytes.
fn checksum(bytes: &[u8]) -> u16 {
    let (words, _) = bytes.as_chunks::<2>();
    let sum: u32 = words.iter().map(|word| u32::from(u16::from_be_bytes(*word))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echo_is_whole_and_its_reply_is_known() {
        let message = echo(0x1234);
        assert_eq!(checksum(&message), 0, "a message with its checksum sums to nothing");
        let mut reply = vec![0x45; 20];
        reply.extend_from_slice(&message);
        assert_eq!(reply_id(&reply), None, "our own question");
        reply[20] = ECHO_REPLY;
        assert_eq!(reply_id(&reply), Some(0x1234));
        // A header with an option.
        reply.splice(0..20, [0x46; 24]);
        assert_eq!(reply_id(&reply), Some(0x1234));
        for len in 0..30 {
            assert_eq!(reply_id(&reply[..len.min(29)]), None);
        }
    }
}
