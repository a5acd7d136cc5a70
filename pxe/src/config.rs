//! Edges: what is served on one network, and where.

use std::{net::Ipv4Addr, path::PathBuf};

use protocol::network::BootNetwork;

use crate::{alone::Alone, dhcp6::link::Ipv6, files::BootFiles};

/// What is served where.
#[derive(Clone, Debug)]
pub struct ServiceConfig {
    /// The part that this network plays; only plans for it are honoured here.
    pub network: BootNetwork,
    /// What it is called in logs.
    pub name: &'static str,
    /// The agent's interface on it, such as `prov0`. Every socket is bound to it.
    pub interface: String,
    /// The agent's address on that interface.
    pub address: Ipv4Addr,
    /// Length of the network's prefix.
    pub prefix_len: u8,
    /// First and last address that servers may get; the agent's own must lie outside.
    pub range: (Ipv4Addr, Ipv4Addr),
    /// DHCP relays on this network that are believed.
    pub relays: Vec<Ipv4Addr>,
    /// Its IPv6 side; none: DHCPv6 is not served, and TFTP and HTTP by IPv4 alone.
    pub ipv6: Option<Ipv6>,
    /// Where leases are kept over a restart; none: nowhere.
    pub leases: Option<PathBuf>,
    /// What servers boot.
    pub files: BootFiles,
    /// TCP port for scripts, kernels and ramdisks.
    pub http_port: u16,
    /// How it serves by itself; none: a coordinator's agent runs it, on an isolated network.
    pub alone: Option<Alone>,
}
