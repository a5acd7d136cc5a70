//! Edges: whether something at an address speaks IPMI, without logging in: an RMCP presence ping and the one question that every BMC
//! answers to a stranger.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use protocol::{
    bmc_mark::BmcMark,
    ipmi::presence::{guid_answer, guid_question, is_answer, parse_pong, ping, question},
};
use tokio::net::UdpSocket;
use uuid::Uuid;

/// UDP port of IPMI.
pub(super) const IPMI_PORT: u16 = 623;
/// How often an address is asked; datagrams are lost.
const PINGS: u8 = 2;
/// Wait for an answer.
const PONG_WAIT: Duration = Duration::from_millis(700);

/// Whether something that speaks IPMI answers: by a pong, or, as some know none, by words.
pub(super) async fn speaks_ipmi(address: Ipv4Addr) -> bool {
    let asked = async {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
        // Only this address is heard, and an ICMP error ends the wait.
        socket.connect(SocketAddr::from((address, IPMI_PORT))).await?;
        let mut buffer = [0; 128];
        for tag in 1..=PINGS {
            socket.send(&ping(tag)).await?;
            socket.send(&question()).await?;
            match tokio::time::timeout(PONG_WAIT, socket.recv(&mut buffer)).await {
                Ok(Ok(length)) => {
                    let datagram = buffer.get(..length).unwrap_or_default();
                    if parse_pong(datagram).is_some() || is_answer(datagram) {
                        return Ok(true);
                    }
                }
                Err(_) => {}
                Ok(Err(error)) => return Err(error),
            }
        }
        Ok::<_, std::io::Error>(false)
    };
    asked.await.unwrap_or(false)
}

/// The GUID that a BMC tells strangers by IPMI; none: it tells them none.
pub(super) async fn ipmi_guid(address: Ipv4Addr) -> Option<BmcMark> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await.ok()?;
    socket.connect(SocketAddr::from((address, IPMI_PORT))).await.ok()?;
    let mut buffer = [0; 128];
    for _ in 0..PINGS {
        socket.send(&guid_question()).await.ok()?;
        if let Ok(length) = tokio::time::timeout(PONG_WAIT, socket.recv(&mut buffer)).await {
            let guid = guid_answer(buffer.get(..length.ok()?)?)?;
            return BmcMark::uuid(&Uuid::from_bytes(guid).to_string());
        }
    }
    None
}
