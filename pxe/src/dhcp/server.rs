//! Edges: a DHCP socket of one network, of either family.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use protocol::{boot::BootStage, mac::MacAddr};
use tokio::{net::UdpSocket, sync::oneshot, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::{
    kept::Keep,
    lease::Declined,
    packet::MAX_LEN,
    probe::Probe,
    proxy::{self, Arrived},
    responder::{DhcpReply, Ignored, Outcome, ReplyKind, respond},
};
use crate::{booter::Refusal, context::Context, dhcp6, socket};

/// Messages at once that wait for a probe or for the disk. What comes beyond that is passed over: its client asks again.
const WAITING_MAX: usize = 4096;

/// What the DHCP server works with.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) socket: UdpSocket,
    /// One for both families.
    pub(crate) probe: Arc<Probe>,
    /// None: leases are not kept over a restart.
    pub(crate) keep: Option<Keep>,
    pub(crate) context: Arc<Context>,
}

/// Answers at both ports of a ProxyDHCP server until it is told to stop.
pub(crate) async fn run_as_proxy(server: Server, at_proxy: UdpSocket, stop: CancellationToken) {
    let Server { socket: at_dhcp, context, .. } = &server;
    let (mut buffer, mut again) = ([0; MAX_LEN], [0; MAX_LEN]);
    loop {
        let (received, bytes, socket) = tokio::select! {
            () = stop.cancelled() => return,
            received = at_dhcp.recv_from(&mut buffer) => (received, &buffer, at_dhcp),
            received = at_proxy.recv_from(&mut again) => (received, &again, &at_proxy),
        };
        let (len, arrived) = match received {
            Ok((len, SocketAddr::V4(from))) if std::ptr::eq(socket, &at_proxy) => {
                (len, Arrived::AtProxy(from))
            }
            Ok((len, _)) => (len, Arrived::AtDhcp),
            Err(error) => {
                socket::pause_after(&error, "dhcp").await;
                continue;
            }
        };
        let bytes = bytes.get(..len).unwrap_or_default();
        match proxy::respond(&context.subnet, bytes, arrived, &|mac| context.plan(mac)) {
            Outcome::Reply(answer) => send(socket, context, answer).await,
            outcome => server.act(outcome).await,
        }
    }
}

/// Answers until it is told to stop.
pub(crate) async fn run(server: Server, stop: CancellationToken) {
    let server = Arc::new(server);
    let mut buffer = [0; MAX_LEN];
    let mut waiting = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            Some(_) = waiting.join_next() => {}
            error = server.probe.hear() => socket::pause_after(&error, "icmp").await,
            received = server.socket.recv_from(&mut buffer) => match received {
                Ok((len, from)) => {
                    let bytes = buffer.get(..len).unwrap_or_default();
                    let outcome = server.decide(bytes, from);
                    if !outcome.must_wait() {
                        server.act(outcome).await;
                    } else if waiting.len() < WAITING_MAX {
                        let (server, bytes) = (Arc::clone(&server), bytes.to_vec());
                        waiting.spawn(async move { server.act_in_time(outcome, &bytes, from).await });
                    }
                }
                Err(error) => socket::pause_after(&error, "dhcp").await,
            }
        }
    }
}

impl Outcome {
    fn must_wait(&self) -> bool {
        match self {
            Outcome::Prove { .. } => true,
            Outcome::Reply(answer) => answer.keep.is_some(),
            Outcome::Refused { .. } | Outcome::Note { .. } | Outcome::Ignored(_) => false,
        }
    }
}

impl Server {
    fn decide(&self, bytes: &[u8], from: SocketAddr) -> Outcome {
        let context = &self.context;
        let plan = |mac| context.plan(mac);
        let ramdisk_at = |address| context.ramdisk_at(address);
        let (leases, now) = (&mut context.leases(), Instant::now());
        match (from, &context.link) {
            (SocketAddr::V6(from), Some(link)) => {
                dhcp6::responder::respond(link, leases, (bytes, from), now, &plan, &ramdisk_at)
            }
            _ => respond(&context.subnet, leases, bytes, now, &plan, &ramdisk_at),
        }
    }

    /// Does what takes time: each address is probed, and a lease is kept, before its client is told.
    async fn act_in_time(&self, mut outcome: Outcome, bytes: &[u8], from: SocketAddr) {
        while let Outcome::Prove { mac, address } = outcome {
            outcome = match self.prove(mac, address).await {
                Ok(()) => self.decide(bytes, from),
                Err(reason) => Outcome::Refused { mac, reason },
            };
        }
        if let (Outcome::Reply(DhcpReply { keep: Some(lent), .. }), Some(keep)) = (&outcome, &self.keep) {
            let (kept, is_kept) = oneshot::channel();
            if keep.send((*lent, kept)).await.is_ok() {
                // An error is told by the keeper; the boot goes on.
                let _ = is_kept.await;
            }
        }
        self.act(outcome).await;
    }

    /// Looks whether the address is free. An error: too many were not.
    async fn prove(&self, mac: MacAddr, address: Ipv4Addr) -> Result<(), Refusal> {
        if !self.probe.is_used(address).await {
            self.context.leases().prove(mac);
            return Ok(());
        }
        let became = self.context.leases().in_use(mac, address, Instant::now());
        self.context.passed_over(&Ignored::InUse { mac, address, became });
        match became {
            Declined::Quarantined | Declined::NotLent => Ok(()),
            Declined::TooOften => Err(Refusal::AddressesInUse { last: address }),
        }
    }

    async fn act(&self, outcome: Outcome) {
        let context = &self.context;
        match outcome {
            Outcome::Reply(answer) => send(&self.socket, context, answer).await,
            Outcome::Refused { mac, reason } => context.refuse(mac, reason),
            Outcome::Note { bytes, to, of } => {
                if let Some(ignored) = of {
                    self.note(&ignored);
                }
                if let Err(error) = self.socket.send_to(&bytes, to).await {
                    tracing::warn!(%to, %error, "dhcp answer could not be sent");
                }
            }
            Outcome::Ignored(ignored) => self.note(&ignored),
            // Where this comes from, it is waited for.
            Outcome::Prove { .. } => {}
        }
    }

    fn note(&self, ignored: &Ignored) {
        let context = &self.context;
        match ignored {
            Ignored::Relayed(_) => {
                context.relayed.fetch_add(1, Ordering::Relaxed);
            }
            Ignored::Declined { .. } | Ignored::InUse { .. } => context.passed_over(ignored),
            Ignored::Invalid(_)
            | Ignored::Invalid6(_)
            | Ignored::OthersAddress
            | Ignored::OtherServer(_)
            | Ignored::BeingProven(_) => {}
        }
        tracing::debug!(network = context.name, %ignored, "dhcp message passed over");
    }
}

async fn send(socket: &UdpSocket, context: &Context, answer: DhcpReply) {
    let DhcpReply { bytes, to, kind, mac, ticket, address, firmware, place, keep: _ } = answer;
    if let Some(mode) = firmware.boot_mode().filter(|mode| *mode != ticket.boot_mode) {
        tracing::warn!(%mac, found = ?mode, wanted = ?ticket.boot_mode, "server boots in another mode than it was told");
    }
    if kind == ReplyKind::Offer {
        context.asks(mac, ticket.boot_id, firmware);
        let place = place.map(|place| format!(", {place}")).unwrap_or_default();
        context.report(
            mac,
            ticket.boot_id,
            BootStage::DhcpDiscover,
            format!("{}{place}", firmware.describe()),
        );
    }
    if let Err(error) = socket.send_to(&bytes, to).await {
        tracing::warn!(%mac, %to, %error, "dhcp answer could not be sent");
        return;
    }
    tracing::debug!(%mac, %address, ?kind, ?firmware, "dhcp answer sent");
    if kind == ReplyKind::Ack {
        context.report(
            mac,
            ticket.boot_id,
            BootStage::DhcpAck,
            format!("{address} for {}", firmware.describe()),
        );
    }
}
