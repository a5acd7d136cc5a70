//! Values: one isolated network, as it is configured.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4};

use protocol::network::BootNetwork;
use pxe::dhcp6::link::{InvalidIpv6, Ipv6};
use serde::Deserialize;

use crate::ramdisk::config::Listener;

/// One isolated network.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Our interface on it.
    pub interface: String,
    /// Our address on it.
    pub address: Ipv4Addr,
    /// Length of its prefix.
    pub prefix: u8,
    /// First and last address that servers may get.
    pub range: (Ipv4Addr, Ipv4Addr),
    /// DHCP relays on it that are believed, by their address on it (`giaddr`; of DHCPv6 that from which they send). Isolated networks have
    /// none: whoever relays can ask in every server's name.
    #[serde(default)]
    pub relays: Vec<IpAddr>,
    /// Our IPv6 address on it, with its prefix's length; none: servers boot by IPv4 alone.
    #[serde(default)]
    pub ipv6: Option<Ipv6>,
}

impl Network {
    /// The relays that are believed of DHCPv4.
    pub fn relays4(&self) -> Vec<Ipv4Addr> {
        relays4(&self.relays)
    }

    /// Its IPv6 side, with the relays that are believed there.
    pub fn ipv6(&self) -> Option<Ipv6> {
        self.ipv6.clone().map(|ipv6| Ipv6 { relays: relays6(&self.relays), ..ipv6 })
    }

    /// Whether its IPv6 side can be served.
    pub fn check_ipv6(&self) -> Result<(), InvalidIpv6> {
        let is_server = |other: Ipv4Addr| {
            pxe::is_neighbour(other.into(), self.address, self.prefix) && other != self.address
        };
        self.ipv6.as_ref().map_or(Ok(()), |ipv6| ipv6.check(is_server))
    }

    /// Whether a relay can be one: on this network, neither ourselves nor a server.
    pub fn is_relay(&self, relay: IpAddr) -> bool {
        let (first, last) = self.range;
        match (relay, &self.ipv6) {
            (IpAddr::V4(relay), _) => {
                pxe::is_neighbour(relay.into(), self.address, self.prefix)
                    && relay != self.address
                    && !(first..=last).contains(&relay)
            }
            (IpAddr::V6(relay), Some(ipv6)) => {
                let is_lent = || ipv6.ipv4_of(relay).is_some_and(|lent| (first..=last).contains(&lent));
                relay.is_unicast_link_local() || ipv6.contains(relay) && relay != ipv6.address && !is_lent()
            }
            (IpAddr::V6(_), None) => false,
        }
    }

    /// Where ramdisks connect to on it.
    pub fn ramdisks(&self, network: BootNetwork, port: u16) -> Listener {
        Listener {
            network,
            interface: self.interface.clone(),
            address: SocketAddrV4::new(self.address, port),
            prefix_len: self.prefix,
        }
    }
}

/// Those of a list of relays that are IPv4's.
pub fn relays4(relays: &[IpAddr]) -> Vec<Ipv4Addr> {
    let ipv4 = |relay: &IpAddr| if let IpAddr::V4(relay) = relay { Some(*relay) } else { None };
    relays.iter().filter_map(ipv4).collect()
}

/// Those that are IPv6's.
pub fn relays6(relays: &[IpAddr]) -> Vec<Ipv6Addr> {
    let ipv6 = |relay: &IpAddr| if let IpAddr::V6(relay) = relay { Some(*relay) } else { None };
    relays.iter().filter_map(ipv6).collect()
}
