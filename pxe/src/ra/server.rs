//! Edges: the ICMPv6 socket of one network.

use std::{
    net::{Ipv6Addr, SocketAddrV6},
    time::Duration,
};

use tokio::{net::UdpSocket, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::message::is_solicitation;
use crate::socket;

/// How often it is advertised without being asked. iPXE asks, but its first question may come before its link is up.
const PERIOD: Duration = Duration::from_secs(2);

/// All IPv6 hosts of a link.
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// Longest solicitation that is looked at.
const MAX_LEN: usize = 512;

/// Answers solicitations at once and advertises every [`PERIOD`], until it is told to stop.
pub(crate) async fn run(
    socket: UdpSocket,
    (index, interface): (u32, String),
    message: Vec<u8>,
    stop: CancellationToken,
) {
    let mut timer = tokio::time::interval(PERIOD);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut buffer = [0; MAX_LEN];
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = timer.tick() => advertise(&socket, index, &interface, &message).await,
            received = socket.recv_from(&mut buffer) => match received {
                Ok((len, _)) if is_solicitation(buffer.get(..len).unwrap_or_default()) => {
                    advertise(&socket, index, &interface, &message).await;
                }
                Ok(_) => {}
                Err(error) => socket::pause_after(&error, "icmpv6").await,
            },
        }
    }
}

async fn advertise(socket: &UdpSocket, index: u32, interface: &str, message: &[u8]) {
    // To all nodes, not to the asker: it may not have finished choosing its own address.
    let to = SocketAddrV6::new(ALL_NODES, 0, 0, index);
    // While the interface has no link-local address yet, or no carrier, the next period will do.
    if let Err(error) = socket.send_to(message, to).await {
        tracing::debug!(interface, %error, "router advertisement not sent");
    }
}
