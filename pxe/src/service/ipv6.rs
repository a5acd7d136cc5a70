//! Edges: the sockets of a network's IPv6 side.

use std::net::{IpAddr, Ipv4Addr};

use protocol::mac::MacAddr;
use tokio::net::{TcpListener, UdpSocket};

use super::StartError;
use crate::{config::ServiceConfig, dhcp::lease::is_neighbour, socket, tftp};

/// The sockets that are served beside those of IPv4.
pub(super) struct Sockets {
    /// The interface's Ethernet address.
    pub(super) hardware: MacAddr,
    pub(super) dhcp: UdpSocket,
    pub(super) tftp: Option<tftp::server::Sockets>,
    pub(super) http: Option<TcpListener>,
}

impl Sockets {
    /// Opens them; none: the network has no such side, or another server gives its addresses.
    pub(super) fn open(config: &ServiceConfig, index: u32) -> Result<Option<Self>, StartError> {
        let serves = config.alone.as_ref().map(|alone| alone.serves).unwrap_or_default();
        let Some(ipv6) = config.ipv6.as_ref().filter(|_| serves.gives_addresses()) else { return Ok(None) };
        let (interface, address) = (config.interface.as_str(), IpAddr::V6(ipv6.address));
        let is_server = |other: Ipv4Addr| {
            is_neighbour(other.into(), config.address, config.prefix_len) && other != config.address
        };
        ipv6.check(is_server).map_err(|source| StartError::Ipv6 { network: config.network, source })?;
        let hardware = socket::hardware_address(interface)
            .ok_or_else(|| StartError::NoHardware { interface: interface.to_owned() })?;
        if !socket::has_address(interface, address) {
            return Err(StartError::NoAddress { interface: interface.to_owned(), address });
        }
        let refused = |port: &str| {
            let (port, interface) = (port.to_owned(), interface.to_owned());
            |source| StartError::Socket { port, interface, source }
        };
        let dhcp = socket::dhcp6(interface, index).map_err(refused("UDP port 547 (DHCPv6)"))?;
        let tftp =
            || tftp::server::Sockets::open(interface, address).map_err(refused("UDP port 69 (TFTP, IPv6)"));
        let http_port = format!("TCP port {} (HTTP, IPv6)", config.http_port);
        let http = || socket::tcp(interface, address, config.http_port).map_err(refused(&http_port));
        Ok(Some(Self {
            hardware,
            dhcp,
            tftp: serves.tftp.then(tftp).transpose()?,
            http: serves.http.then(http).transpose()?,
        }))
    }
}
