//! Edges: the TFTP sockets of one network: one for requests, and one for each download.

use std::{collections::HashMap, io, net::SocketAddr, sync::Arc, time::Instant};

use bytes::Bytes;
use nix::sys::socket::{getsockopt, sockopt::IpMtu};
use protocol::{boot::BootStage, mac::MacAddr};
use tokio::{net::UdpSocket, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::{
    packet::{DATA_HEADER_LEN, ErrorCode, MAX_REQUEST_LEN, Packet, Request},
    transfer::{End, Terms, Transfer},
};
use crate::{
    booter::BootTicket,
    context::Context,
    firmware::{SNPONLY, UNDIONLY},
    socket,
};

/// Requests arrive here.
pub const PORT: u16 = 69;

/// Most downloads at a time.
pub const MAX_TRANSFERS: usize = 64;

/// Most downloads at a time for one server. UEFI firmware probes the size, breaks off and begins anew.
pub const MAX_TRANSFERS_PER_CLIENT: usize = 4;

/// Bytes of IPv4 and UDP in front of a message.
const IP_UDP_LEN: usize = 28;

/// What every Ethernet carries.
const ETHERNET_MTU: usize = 1500;

/// Answers until it is told to stop; downloads in flight are then broken off.
pub(crate) async fn run(socket: UdpSocket, context: Arc<Context>, stop: CancellationToken) {
    let mut buffer = [0; MAX_REQUEST_LEN + 1];
    let mut transfers = JoinSet::new();
    // Where the downloads in flight go. A repeated request of the same client port is the same download.
    let mut clients: HashMap<SocketAddr, MacAddr> = HashMap::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            Some(ended) = transfers.join_next() => {
                if let Ok(client) = ended {
                    clients.remove(&client);
                }
            }
            received = socket.recv_from(&mut buffer) => match received {
                Ok((len, client)) => {
                    let bytes = buffer.get(..len).unwrap_or_default();
                    match admit(&context, &clients, client, bytes) {
                        Admission::Granted(job) => {
                            clients.insert(client, job.mac);
                            let context = Arc::clone(&context);
                            transfers.spawn(async move {
                                job.run(&context, client).await;
                                client
                            });
                        }
                        Admission::Denied(code, message) => {
                            tracing::debug!(%client, message, "tftp request denied");
                            let _ = socket.try_send_to(&Packet::error(code, message).build(), client);
                        }
                        Admission::Silence => {}
                    }
                }
                Err(error) => socket::pause_after(&error, "tftp").await,
            },
        }
    }
}

enum Admission {
    Granted(Box<Job>),
    Denied(ErrorCode, &'static str),
    Silence,
}

struct Job {
    mac: MacAddr,
    ticket: BootTicket,
    request: Request,
    name: &'static str,
    content: Bytes,
}

fn admit(
    context: &Context,
    clients: &HashMap<SocketAddr, MacAddr>,
    client: SocketAddr,
    bytes: &[u8],
) -> Admission {
    // Nobody without a lease and a plan learns that anything listens here.
    let Some((mac, ticket)) = context.holder(client.ip()) else { return Admission::Silence };
    if clients.contains_key(&client) || bytes.len() > MAX_REQUEST_LEN {
        return Admission::Silence;
    }
    let request = match Packet::parse(bytes) {
        Ok(Packet::Read(request)) => request,
        Ok(Packet::Write(_)) => {
            return Admission::Denied(ErrorCode::AccessViolation, "files cannot be written here");
        }
        Ok(Packet::Data { .. } | Packet::Ack { .. } | Packet::OptionAck(_)) | Err(_) => {
            return Admission::Denied(ErrorCode::IllegalOperation, "a read request is expected");
        }
        // Two servers must not throw errors at each other for ever.
        Ok(Packet::Error { .. }) => return Admission::Silence,
    };
    if !request.mode.eq_ignore_ascii_case("octet") {
        return Admission::Denied(ErrorCode::IllegalOperation, "only mode octet is served");
    }
    let (name, content) = match request.file.trim_start_matches('/') {
        SNPONLY => (SNPONLY, &context.files.snponly),
        UNDIONLY => (UNDIONLY, &context.files.undionly),
        _ => {
            return Admission::Denied(
                ErrorCode::NotFound,
                "there is no such file; the DHCP answer names the right one",
            );
        }
    };
    let own = clients.values().filter(|other| **other == mac).count();
    if clients.len() >= MAX_TRANSFERS || own >= MAX_TRANSFERS_PER_CLIENT {
        return Admission::Denied(ErrorCode::Undefined, "too many downloads at a time; try again");
    }
    Admission::Granted(Box::new(Job { mac, ticket, request, name, content: content.clone() }))
}

impl Job {
    async fn run(&self, context: &Context, client: SocketAddr) {
        let Self { mac, name, .. } = self;
        match self.transfer(context, client).await {
            Ok(End::Complete { resent }) => {
                let detail =
                    format!("{name}, {} bytes by TFTP, {resent} blocks sent again", self.content.len());
                context.report(*mac, self.ticket.boot_id, BootStage::Loader, detail);
            }
            Ok(End::ClientStopped { code, message }) => {
                tracing::debug!(%mac, name, code, message, "tftp client aborted");
            }
            Ok(End::NoAnswer) => tracing::warn!(%mac, name, "tftp client fell silent"),
            Ok(End::TooLong) => tracing::warn!(%mac, name, "tftp download took too long"),
            Err(error) => tracing::warn!(%mac, name, %error, "tftp download failed"),
        }
    }

    async fn transfer(&self, context: &Context, client: SocketAddr) -> io::Result<End> {
        let socket = socket::udp(&context.interface, context.subnet.origin.address, 0)?;
        socket.connect(client).await?;
        let terms = Terms::agree(&self.request, self.content.len(), max_block(&socket));
        let mut transfer = Transfer::new(self.content.clone(), terms, Instant::now());
        let mut buffer = [0; MAX_REQUEST_LEN];
        loop {
            while let Some(datagram) = transfer.poll_transmit() {
                match socket.send(&datagram).await {
                    // Lost like any other datagram; the machine sends it again.
                    Ok(_) | Err(_) => {}
                }
            }
            if let Some(end) = transfer.poll_event() {
                return Ok(end);
            }
            let deadline = transfer.poll_timeout().unwrap_or_else(Instant::now);
            tokio::select! {
                received = socket.recv(&mut buffer) => match received {
                    Ok(len) => transfer.handle_packet(buffer.get(..len).unwrap_or_default(), Instant::now()),
                    // The client has closed its port.
                    Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return Ok(End::NoAnswer),
                    Err(error) => return Err(error),
                },
                () = tokio::time::sleep_until(deadline.into()) => transfer.handle_timeout(Instant::now()),
            }
        }
    }
}

/// The largest block that goes out in one piece.
fn max_block(socket: &UdpSocket) -> u16 {
    let mtu =
        getsockopt(socket, IpMtu).ok().and_then(|mtu| usize::try_from(mtu).ok()).unwrap_or(ETHERNET_MTU);
    let block = mtu.saturating_sub(IP_UDP_LEN + DATA_HEADER_LEN).clamp(512, 65464);
    u16::try_from(block).unwrap_or(512)
}
