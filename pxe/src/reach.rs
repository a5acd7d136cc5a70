//! Edges: connections from here to a server that was lent an address here.

use std::{
    io,
    net::{Ipv4Addr, SocketAddrV4},
    sync::Arc,
    time::{Duration, Instant},
};

use protocol::mac::MacAddr;
use tokio::net::TcpStream;

use crate::{context::Context, socket};

/// Longest wait for a connection to a server.
pub const CONNECT_WAIT_MAX: Duration = Duration::from_secs(5);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ReachError {
    /// The server has no address here, or none any more.
    #[error(
        "no interface of the server has an address of the {network} network now; it asks for one by DHCP when it boots, and keeps it by \
         asking again"
    )]
    NoAddress {
        /// The network.
        network: &'static str,
    },
    /// Nobody answers there.
    #[error("cannot connect to the server at {address}; look at its console whether its ramdisk runs")]
    Connect {
        /// The address and the port.
        address: SocketAddrV4,
        /// What the system said.
        source: io::Error,
    },
}

/// The way to the servers of one network, for as long as it is served.
#[derive(Clone, Debug)]
pub struct Reach {
    context: Arc<Context>,
}

impl Reach {
    pub(crate) fn new(context: Arc<Context>) -> Self {
        Self { context }
    }

    /// The address that is lent now to one of these interfaces.
    pub fn lent(&self, macs: &[MacAddr]) -> Option<Ipv4Addr> {
        let leases = self.context.leases();
        let mut addresses = macs.iter().filter_map(|mac| Some((*mac, leases.address_of(*mac)?)));
        let is_lent =
            |(mac, address): &(MacAddr, Ipv4Addr)| leases.holder(*address, Instant::now()) == Some(*mac);
        addresses.find(is_lent).map(|(_, address)| address)
    }

    /// Connects to that address, from ours and by the interface of this network alone.
    pub async fn connect(&self, macs: &[MacAddr], port: u16) -> Result<TcpStream, ReachError> {
        let network = self.context.network().as_str();
        let address = self.lent(macs).ok_or(ReachError::NoAddress { network })?;
        let address = SocketAddrV4::new(address, port);
        let own = self.context.subnet.origin.address;
        let connecting =
            async { socket::tcp_from(&self.context.interface, own)?.connect(address.into()).await };
        let connected = tokio::time::timeout(CONNECT_WAIT_MAX, connecting).await;
        let connected = connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        connected.map_err(|source| ReachError::Connect { address, source })
    }
}
