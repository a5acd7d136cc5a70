//! Edges: the TFTP sockets of one network: one for requests, and one for each download.

use std::{
    collections::{HashMap, hash_map::Entry},
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use nix::sys::socket::{getsockopt, sockopt::IpMtu};
use protocol::{boot::BootStage, mac::MacAddr};
use tokio::{
    net::UdpSocket,
    task::{AbortHandle, JoinSet},
};
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

/// How shortly before the end of a download its own request counts as that of the next one.
const AGAIN_WITHIN: Duration = Duration::from_secs(1);

/// Most bytes behind a file's name that do not belong to it: the next option's code and length.
const STRAY_BYTES_MAX: usize = 2;

/// Bytes of IPv4 and UDP in front of a message.
const IP_UDP_LEN: usize = 28;

/// What every Ethernet carries.
const ETHERNET_MTU: usize = 1500;

/// Answers until it is told to stop; downloads in flight are then broken off.
pub(crate) async fn run(socket: UdpSocket, context: Arc<Context>, stop: CancellationToken) {
    let mut buffer = [0; MAX_REQUEST_LEN + 1];
    let mut running = Running::default();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            Some(ended) = running.tasks.join_next() => {
                if let Ok(ended) = ended
                    && let Some((client, again)) = running.end(ended)
                {
                    answer(&socket, &context, &mut running, client, &again);
                }
            }
            received = socket.recv_from(&mut buffer) => match received {
                Ok((len, client)) => {
                    answer(&socket, &context, &mut running, client, buffer.get(..len).unwrap_or_default());
                }
                Err(error) => socket::pause_after(&error, "tftp").await,
            },
        }
    }
}

/// Downloads in flight, by where they go.
#[derive(Default)]
struct Running {
    clients: HashMap<SocketAddr, Download>,
    tasks: JoinSet<Ended>,
    /// Of the last download.
    number: u64,
}

struct Ended {
    client: SocketAddr,
    number: u64,
    /// By the client, in the middle.
    by_client: bool,
}

struct Download {
    mac: MacAddr,
    number: u64,
    /// The request, byte for byte.
    asked: Vec<u8>,
    /// The same request came again, then. While the download lives, it is a repetition of the network or an impatient client.
    again: Option<Instant>,
    stop: AbortHandle,
}

impl Running {
    fn start(&mut self, context: &Arc<Context>, client: SocketAddr, asked: &[u8], job: Box<Job>) {
        self.number += 1;
        let (number, mac, context) = (self.number, job.mac, Arc::clone(context));
        let stop = self
            .tasks
            .spawn(async move { Ended { client, number, by_client: job.run(&context, client).await } });
        let download = Download { mac, number, asked: asked.to_vec(), again: None, stop };
        if let Some(former) = self.clients.insert(client, download) {
            former.stop.abort();
        }
    }

    /// Whether this is the request of the download that is under way to this client.
    fn is_repeated(&mut self, client: SocketAddr, bytes: &[u8]) -> bool {
        match self.clients.get_mut(&client).filter(|download| download.asked == bytes) {
            Some(download) => {
                download.again = Some(Instant::now());
                true
            }
            None => false,
        }
    }

    /// A download has ended. Gives the request that came just before, where the client had ended it to begin anew at once.
    fn end(&mut self, ended: Ended) -> Option<(SocketAddr, Vec<u8>)> {
        let Ended { client, number, by_client } = ended;
        let Entry::Occupied(download) = self.clients.entry(client) else { return None };
        if download.get().number != number {
            return None;
        }
        let download = download.remove();
        let again = download.again.is_some_and(|at| by_client && at.elapsed() < AGAIN_WITHIN);
        again.then_some((client, download.asked))
    }

    fn of(&self, mac: MacAddr) -> usize {
        self.clients.values().filter(|other| other.mac == mac).count()
    }
}

fn answer(
    socket: &UdpSocket,
    context: &Arc<Context>,
    running: &mut Running,
    client: SocketAddr,
    bytes: &[u8],
) {
    match admit(context, running, client, bytes) {
        Admission::Granted(job) => running.start(context, client, bytes, job),
        Admission::Denied(code, message) => {
            tracing::debug!(%client, message, "tftp request denied");
            let _ = socket.try_send_to(&Packet::error(code, message).build(), client);
        }
        Admission::Silence => {}
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

fn admit(context: &Context, running: &mut Running, client: SocketAddr, bytes: &[u8]) -> Admission {
    // Nobody without a lease and a plan learns that anything listens here.
    let Some((mac, ticket)) = context.holder(client.ip()) else { return Admission::Silence };
    if running.is_repeated(client, bytes) || bytes.len() > MAX_REQUEST_LEN {
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
    let (name, content) = match known(&request.file) {
        Some(SNPONLY) => (SNPONLY, &context.files.snponly),
        Some(UNDIONLY) => (UNDIONLY, &context.files.undionly),
        _ => {
            return Admission::Denied(
                ErrorCode::NotFound,
                "there is no such file; the DHCP answer names the right one",
            );
        }
    };
    // One that begins anew at the same port gives up what it has there.
    let (all, own) = match running.clients.contains_key(&client) {
        true => (running.clients.len() - 1, running.of(mac) - 1),
        false => (running.clients.len(), running.of(mac)),
    };
    if all >= MAX_TRANSFERS || own >= MAX_TRANSFERS_PER_CLIENT {
        return Admission::Denied(ErrorCode::Undefined, "too many downloads at a time; try again");
    }
    Admission::Granted(Box::new(Job { mac, ticket, request, name, content: content.clone() }))
}

/// The file that is meant: firmware writes a path before its name, in capitals, and one byte of what stands behind it in the
/// DHCP answer.
fn known(file: &str) -> Option<&'static str> {
    let name = file.rsplit(['/', '\\']).next().unwrap_or_default();
    [SNPONLY, UNDIONLY].into_iter().find(|known| {
        name.get(..known.len()).is_some_and(|start| start.eq_ignore_ascii_case(known))
            && name.len() <= known.len() + STRAY_BYTES_MAX
    })
}

impl Job {
    /// Whether the client has ended it.
    async fn run(&self, context: &Context, client: SocketAddr) -> bool {
        let Self { mac, name, .. } = self;
        let ended = self.transfer(context, client).await;
        match &ended {
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
        matches!(ended, Ok(End::ClientStopped { .. }))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_however_firmware_writes_them() {
        let check = |file: &str, expected: Option<&str>| assert_eq!(known(file), expected, "{file}");
        check("snponly.efi", Some(SNPONLY));
        check("/undionly.kpxe", Some(UNDIONLY));
        check("./snponly.efi", Some(SNPONLY));
        check("\\SNPONLY.EFI", Some(SNPONLY));
        check(".\\snponly.efi", Some(SNPONLY));
        check("//boot/snponly.efi", Some(SNPONLY));
        // The next option's code, and its length.
        check("snponly.efi=", Some(SNPONLY));
        check("snponly.efia?", Some(SNPONLY));
        check("snponly.efi?", Some(SNPONLY));
        check("snponly.efi.old", None);
        check("snponly", None);
        check("ponly.efi", None);
        check("", None);
    }
}
