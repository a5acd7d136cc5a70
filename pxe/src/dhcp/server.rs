//! Edges: the DHCP socket of one network.

use std::{net::SocketAddr, sync::Arc, sync::atomic::Ordering, time::Instant};

use protocol::boot::BootStage;
use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;

use super::{
    packet::MAX_LEN,
    responder::{DhcpReply, Ignored, Outcome, ReplyKind, respond},
};
use crate::{context::Context, socket};

/// Answers until it is told to stop.
pub(crate) async fn run(socket: UdpSocket, context: Arc<Context>, stop: CancellationToken) {
    let mut buffer = [0; MAX_LEN];
    loop {
        let received = tokio::select! {
            () = stop.cancelled() => return,
            received = socket.recv_from(&mut buffer) => received,
        };
        match received {
            Ok((len, _)) => handle(&socket, &context, buffer.get(..len).unwrap_or_default()).await,
            Err(error) => socket::pause_after(&error, "dhcp").await,
        }
    }
}

async fn handle(socket: &UdpSocket, context: &Context, bytes: &[u8]) {
    let plan = |mac| context.plan(mac);
    let outcome = respond(&context.subnet, &mut context.leases(), bytes, Instant::now(), &plan);
    match outcome {
        Outcome::Reply(answer) => send(socket, context, answer).await,
        Outcome::Refused { mac, reason } => context.refuse(mac, reason),
        Outcome::Ignored(ignored) => {
            match &ignored {
                Ignored::Relayed(_) => {
                    context.relayed.fetch_add(1, Ordering::Relaxed);
                }
                Ignored::Declined { .. } => context.declined(&ignored),
                Ignored::Invalid(_) | Ignored::OtherServer(_) => {}
            }
            tracing::debug!(network = context.name, %ignored, "dhcp message passed over");
        }
    }
}

async fn send(socket: &UdpSocket, context: &Context, answer: DhcpReply) {
    let DhcpReply { bytes, to, kind, mac, ticket, address, firmware } = answer;
    if let Some(mode) = firmware.boot_mode().filter(|mode| *mode != ticket.boot_mode) {
        tracing::warn!(%mac, found = ?mode, wanted = ?ticket.boot_mode, "server boots in another mode than it was told");
    }
    if kind == ReplyKind::Offer {
        context.report(mac, ticket.boot_id, BootStage::DhcpDiscover, firmware.describe().to_owned());
    }
    if let Err(error) = socket.send_to(&bytes, SocketAddr::V4(to)).await {
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
