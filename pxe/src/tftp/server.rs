//! Edges: the TFTP sockets of one network: one for requests, and two by which all downloads go.
//!
//! A download keeps to one of the two, and the next one of the same client takes the other: what is late of the former comes from a
//! port to which the client no longer listens (RFC 1350 section 4). So few sockets let one call of the system serve many downloads.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use nix::sys::socket::{getsockopt, sockopt::IpMtu};
use protocol::{
    boot::{BootLoader, BootStage},
    mac::MacAddr,
};
use tokio::{net::UdpSocket, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::{
    batch::{Blocks, Data, Inbox, Outbox},
    packet::{DATA_HEADER_LEN, ErrorCode, MAX_REQUEST_LEN, Packet, Request},
    transfer::{End, Terms, Transfer, Transmit},
};
use crate::{
    booter::{BootTicket, Refusal},
    context::Context,
    firmware::{SNPONLY, UNDIONLY},
    grub, socket,
};

/// Requests arrive here.
pub const PORT: u16 = 69;

/// Most downloads at a time.
pub const MAX_TRANSFERS: usize = 64;

/// Most downloads at a time for one server. UEFI firmware probes the size, breaks off and begins anew.
pub const MAX_TRANSFERS_PER_CLIENT: usize = 4;

/// How shortly before the end of a download its own request counts as that of the next one.
const AGAIN_WITHIN: Duration = Duration::from_secs(1);

/// How often is looked for what was not acknowledged in time.
const TICK: Duration = Duration::from_millis(10);

/// Most bytes behind a file's name that do not belong to it: the next option's code and length.
const STRAY_BYTES_MAX: usize = 2;

/// Bytes of IPv4 and UDP in front of a message.
const IP_UDP_LEN: usize = 28;

/// The same of IPv6.
const IP6_UDP_LEN: usize = 48;

/// What every Ethernet carries.
const ETHERNET_MTU: usize = 1500;

/// The sockets by which downloads go.
const LINES: usize = 2;

/// What the TFTP server works with.
#[derive(Debug)]
pub(crate) struct Sockets {
    requests: UdpSocket,
    lines: [UdpSocket; LINES],
}

impl Sockets {
    pub(crate) fn open(interface: &str, address: IpAddr) -> io::Result<Self> {
        let line = || socket::udp(interface, address, 0);
        Ok(Self { requests: socket::udp(interface, address, PORT)?, lines: [line()?, line()?] })
    }
}

/// Answers until it is told to stop; downloads in flight are then broken off.
pub(crate) async fn run(sockets: Sockets, context: Arc<Context>, stop: CancellationToken) {
    let mut buffer = [0; MAX_REQUEST_LEN + 1];
    let mut running = Running::default();
    let (mut inbox, mut outbox) = (Inbox::new(), Outbox::new());
    let Sockets { requests, lines } = sockets;
    let [even, odd] = &lines;
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let line = tokio::select! {
            () = stop.cancelled() => return,
            received = requests.recv_from(&mut buffer) => {
                match received {
                    Ok((len, client)) => {
                        answer(&requests, &context, &mut running, client, buffer.get(..len).unwrap_or_default()).await;
                    }
                    Err(error) => socket::pause_after(&error, "tftp").await,
                }
                None
            }
            ready = even.readable() => Some((ready, 0, even)),
            ready = odd.readable() => Some((ready, 1, odd)),
            _ = tick.tick(), if !running.clients.is_empty() => {
                running.handle_timeout(Instant::now());
                None
            }
        };
        if let Some((ready, number, line)) = line
            && let Err(error) = ready.and_then(|()| running.receive(&mut inbox, number, line))
        {
            socket::pause_after(&error, "tftp").await;
        }
        for (client, again) in running.end(&context) {
            answer(&requests, &context, &mut running, client, &again).await;
        }
        running.send(&lines, &mut outbox).await;
    }
}

/// Downloads in flight, by where they go.
#[derive(Default)]
struct Running {
    clients: HashMap<SocketAddr, Download>,
    /// Those to which something has happened.
    stirred: Vec<SocketAddr>,
    /// Which socket the next download takes.
    next_line: usize,
}

struct Download {
    job: Box<Job>,
    transfer: Transfer,
    line: usize,
    /// The request, byte for byte.
    asked: Vec<u8>,
    /// The same request came again, then. While the download lives, it is a repetition of the network or an impatient client.
    again: Option<Instant>,
}

impl Running {
    fn start(&mut self, client: SocketAddr, asked: &[u8], job: Box<Job>, max_block: u16) {
        let terms = Terms::agree(&job.request, job.content.len(), max_block);
        let transfer = Transfer::new(Bytes::clone(&job.content), terms, Instant::now());
        let line = match self.clients.get(&client) {
            Some(former) => (former.line + 1) % LINES,
            None => self.next_line,
        };
        self.next_line = (line + 1) % LINES;
        let download = Download { job, transfer, line, asked: asked.to_vec(), again: None };
        self.clients.insert(client, download);
        self.stirred.push(client);
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

    /// How many go to this address.
    fn of(&self, address: IpAddr) -> usize {
        self.clients.keys().filter(|client| client.ip() == address).count()
    }

    /// Takes what has come by one of the sockets; what comes by the other one is not for this download.
    fn receive(&mut self, inbox: &mut Inbox, number: usize, line: &UdpSocket) -> io::Result<()> {
        let Self { clients, stirred, .. } = self;
        let now = Instant::now();
        let most = clients.len();
        inbox.receive(line, most, |client, bytes| {
            if let Some(download) = clients.get_mut(&client).filter(|download| download.line == number) {
                download.transfer.handle_packet(bytes, now);
                stirred.push(client);
            }
        })
    }

    fn handle_timeout(&mut self, now: Instant) {
        for (client, download) in &mut self.clients {
            if download.transfer.poll_timeout().is_some_and(|at| at <= now) {
                download.transfer.handle_timeout(now);
                self.stirred.push(*client);
            }
        }
    }

    /// Takes away the downloads that have ended. Gives the requests that came just before the end of theirs, where the client had
    /// ended it to begin anew at once.
    fn end(&mut self, context: &Context) -> Vec<(SocketAddr, Vec<u8>)> {
        let mut again = Vec::new();
        for client in &self.stirred {
            let Some(download) = self.clients.get_mut(client) else { continue };
            let Some(end) = download.transfer.poll_event() else { continue };
            download.job.tell(context, &end);
            if let Some(Download { asked, again: Some(at), .. }) = self.clients.remove(client)
                && matches!(end, End::ClientStopped { .. })
                && at.elapsed() < AGAIN_WITHIN
            {
                again.push((*client, asked));
            }
        }
        again
    }

    /// Sends what is to be sent.
    async fn send(&mut self, lines: &[UdpSocket; LINES], outbox: &mut Outbox) {
        let now = Instant::now();
        let mut all: [Vec<Blocks>; LINES] = [const { Vec::new() }; LINES];
        for client in self.stirred.drain(..) {
            let Some(Download { transfer, line, .. }) = self.clients.get_mut(&client) else { continue };
            let (Some(socket), Some(blocks)) = (lines.get(*line), all.get_mut(*line)) else { continue };
            while let Some(transmit) = transfer.poll_transmit(now) {
                match transmit {
                    // One that is lost is sent again, like any other.
                    Transmit::Options(message) => drop(socket.try_send_to(&message, client)),
                    Transmit::Blocks { first, count: 1 } => {
                        let data = Data::One(transfer.data(first));
                        blocks.push(Blocks { to: client, first, data });
                    }
                    Transmit::Blocks { first, count } => {
                        let numbers = first..first + u64::from(count);
                        let data = Data::Many(numbers.map(|number| transfer.data(number)).collect());
                        blocks.push(Blocks { to: client, first, data });
                    }
                }
            }
        }
        for (socket, blocks) in lines.iter().zip(&all) {
            outbox.send(socket, blocks).await;
        }
    }
}

async fn answer(
    socket: &UdpSocket,
    context: &Arc<Context>,
    running: &mut Running,
    client: SocketAddr,
    bytes: &[u8],
) {
    match admit(context, running, client, bytes).await {
        Admission::Granted(job) => running.start(client, bytes, job, max_block(context, client)),
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
    name: String,
    /// What is reached when it was fetched; none: nothing that is counted.
    stage: Option<BootStage>,
    content: Arc<Bytes>,
}

async fn admit(context: &Context, running: &mut Running, client: SocketAddr, bytes: &[u8]) -> Admission {
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
    let found = match below_root(context, &request.file).await {
        Some(content) => Some((request.file.clone(), Some(BootStage::Loader), content)),
        None => own(context, mac, &ticket, &request.file),
    };
    let Some((name, stage, content)) = found else {
        return Admission::Denied(
            ErrorCode::NotFound,
            "there is no such file; the DHCP answer names the right one",
        );
    };
    // One that begins anew at the same port gives up what it has there.
    let (all, own) = match running.clients.contains_key(&client) {
        true => (running.clients.len() - 1, running.of(client.ip()) - 1),
        false => (running.clients.len(), running.of(client.ip())),
    };
    if all >= MAX_TRANSFERS || own >= MAX_TRANSFERS_PER_CLIENT {
        return Admission::Denied(ErrorCode::Undefined, "too many downloads at a time; try again");
    }
    Admission::Granted(Box::new(Job { mac, ticket, request, name, stage, content }))
}

/// A file of the directory, where there is one. The disk may take its time, and only downloads wait for it.
async fn below_root(context: &Context, name: &str) -> Option<Arc<Bytes>> {
    let root = context.alone.as_ref()?.root.clone()?;
    let name = name.to_owned();
    let read = tokio::task::spawn_blocking(move || root.bytes(&name)).await;
    read.map_err(io::Error::other)
        .flatten()
        .inspect_err(|error| tracing::debug!(%error, "tftp file not given"))
        .ok()
}

/// What a server gets under a name, and how far its boot has come with that. Signed loaders, and what they read, are of those that have a
/// shim's boot; the configuration holds the ramdisk's token, and whoever asks at this address has leased it.
fn own(
    context: &Context,
    mac: MacAddr,
    ticket: &BootTicket,
    file: &str,
) -> Option<(String, Option<BootStage>, Arc<Bytes>)> {
    let name = known(file)?;
    let files = &context.files;
    let signed = || files.signed.as_ref().filter(|_| ticket.loader == BootLoader::Shim);
    let (stage, content) = match name {
        SNPONLY => (Some(BootStage::Loader), files.snponly.clone()),
        UNDIONLY => (Some(BootStage::Loader), files.undionly.clone()),
        grub::SHIM => (Some(BootStage::Loader), signed()?.shim.clone()),
        grub::GRUB => (None, signed()?.grub.clone()),
        grub::CONFIG => {
            signed()?;
            match (grub::Config { mac, command_line: &ticket.command_line }).render() {
                Ok(text) => (Some(BootStage::Script), text.into()),
                Err(reason) => {
                    context.refuse(mac, Refusal::CommandLine { reason: reason.to_string() });
                    return None;
                }
            }
        }
        grub::KERNEL => (Some(BootStage::Kernel), signed()?.kernel.clone()),
        grub::INITRD => (Some(BootStage::Initrd), files.ramdisk_by_tftp(signed()?, ticket.plan.purpose)),
        _ => return None,
    };
    (!content.is_empty()).then(|| (name.to_owned(), stage, Arc::new(content)))
}

/// The file that is meant: firmware writes a path before its name, in capitals, and one byte of what stands behind it in the
/// DHCP answer.
fn known(file: &str) -> Option<&'static str> {
    let name = file.rsplit(['/', '\\']).next().unwrap_or_default();
    let all = [SNPONLY, UNDIONLY, grub::SHIM, grub::GRUB, grub::CONFIG, grub::KERNEL, grub::INITRD];
    all.into_iter().find(|known| {
        name.get(..known.len()).is_some_and(|start| start.eq_ignore_ascii_case(known))
            && name.len() <= known.len() + STRAY_BYTES_MAX
    })
}

impl Job {
    fn tell(&self, context: &Context, end: &End) {
        let Self { mac, name, .. } = self;
        match end {
            End::Complete { resent } => {
                let detail =
                    format!("{name}, {} bytes by TFTP, {resent} blocks sent again", self.content.len());
                match self.stage {
                    Some(stage) => context.report(*mac, self.ticket.boot_id, stage, detail),
                    None => tracing::info!(%mac, detail, "loader fetched"),
                }
            }
            End::ClientStopped { code, message } => {
                tracing::debug!(%mac, name, code, message, "tftp client aborted");
            }
            End::NoAnswer => tracing::warn!(%mac, name, "tftp client fell silent"),
            End::TooLong => tracing::warn!(%mac, name, "tftp download took too long"),
        }
    }
}

/// The largest block that goes out to this client in one piece.
fn max_block(context: &Context, client: SocketAddr) -> u16 {
    let mtu = |client| {
        let route = socket::udp(&context.interface, context.subnet.origin.address.into(), 0)?;
        nix::sys::socket::connect(
            std::os::fd::AsRawFd::as_raw_fd(&route),
            &nix::sys::socket::SockaddrIn::from(client),
        )?;
        Ok::<_, io::Error>(getsockopt(&route, IpMtu)?)
    };
    let (mtu, header) = match client {
        SocketAddr::V4(client) => {
            let mtu = mtu(client).ok().and_then(|mtu| usize::try_from(mtu).ok());
            (mtu.unwrap_or(ETHERNET_MTU), IP_UDP_LEN)
        }
        // A link of our own, where the system cuts up what does not fit.
        SocketAddr::V6(_) => (ETHERNET_MTU, IP6_UDP_LEN),
    };
    let block = mtu.saturating_sub(header + DATA_HEADER_LEN).clamp(512, 65464);
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
        check("/EFI\\shimx64.efi", Some(grub::SHIM));
        check("/grub/x86_64-efi/grub.cfg", Some(grub::CONFIG));
        check("/grub/grub.cfg-01-02-00-00-00-00-01", None);
        check("snponly", None);
        check("ponly.efi", None);
        check("", None);
    }
}
