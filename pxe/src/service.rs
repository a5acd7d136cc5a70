//! Edges: one isolated network served: all its sockets, opened together and closed together.

use std::{
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
    sync::Arc,
};

use protocol::network::BootNetwork;
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;

pub use crate::config::ServiceConfig;
use crate::{
    alone::Dhcp,
    booter::{BootEvent, Booter},
    context::Context,
    dhcp::{
        self,
        kept::Keeper,
        lease::{LeaseRange, Lent},
        probe::Probe,
        server::Server,
    },
    dhcp6::link::InvalidIpv6,
    http, ra,
    reach::Reach,
    socket, tftp,
};

mod ipv6;

/// The port on which servers fetch scripts, kernels and ramdisks, if nothing else is said.
pub const DEFAULT_HTTP_PORT: u16 = 80;

/// Why a network cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configured interface does not exist.
    #[error("there is no interface {interface} for the {} network; create it or correct its name", network.as_str())]
    NoInterface {
        /// Its name.
        interface: String,
        /// The network.
        network: BootNetwork,
    },
    /// Servers would be told an address at which nobody answers.
    #[error("interface {interface} does not have the address {address}; add it with `ip address add`")]
    NoAddress {
        /// The interface.
        interface: String,
        /// The configured address.
        address: IpAddr,
    },
    /// Its IPv6 side cannot be served.
    #[error("`ipv6` of the {} network cannot be used", network.as_str())]
    Ipv6 {
        /// The network.
        network: BootNetwork,
        /// What is wrong.
        source: InvalidIpv6,
    },
    /// A DHCPv6 server is known by its interface's address.
    #[error(
        "interface {interface} has no Ethernet address, by which DHCPv6 names the server; take one that has, or remove `ipv6`"
    )]
    NoHardware {
        /// The interface.
        interface: String,
    },
    /// The range of addresses cannot be handed out.
    #[error("the address range {first}-{last} of the {} network cannot be used: {reason}", network.as_str())]
    Range {
        /// The network.
        network: BootNetwork,
        /// Its first address.
        first: Ipv4Addr,
        /// Its last address.
        last: Ipv4Addr,
        /// What is wrong.
        reason: String,
    },
    /// The leases of before cannot be read, or none could be kept.
    #[error(
        "cannot use the leases in {path}; check its owner, mode and free space, or remove it: addresses are then probed"
    )]
    Leases {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A socket could not be opened.
    #[error(
        "cannot open {port} on interface {interface}; run the agent as root or with CAP_NET_RAW and \
         CAP_NET_BIND_SERVICE, and stop whatever else listens there (such as dnsmasq)"
    )]
    Socket {
        /// Protocol and port, such as `UDP port 67 (DHCP)`.
        port: String,
        /// The interface.
        interface: String,
        /// What the system said.
        source: std::io::Error,
    },
}

/// A served network. Dropping it closes everything at once; [`Service::stop`] also waits until it is closed.
#[derive(Debug)]
pub struct Service {
    stop: CancellationToken,
    tasks: JoinSet<()>,
    context: Arc<Context>,
}

impl Service {
    /// Opens all sockets, then serves until it is stopped. Must be called inside a Tokio runtime; events that the
    /// channel cannot take are dropped, so give it room for all servers (six stages each).
    pub fn start(
        config: ServiceConfig,
        booter: Arc<dyn Booter>,
        events: mpsc::Sender<BootEvent>,
    ) -> Result<Self, StartError> {
        let network = config.network;
        let interface = config.interface.clone();
        let index = socket::interface_index(&interface)
            .ok_or_else(|| StartError::NoInterface { interface: interface.clone(), network })?;
        let address = IpAddr::V4(config.address);
        if !socket::has_address(&interface, address) {
            return Err(StartError::NoAddress { interface, address });
        }
        let (first, last) = config.range;
        let range = LeaseRange::new(first, last, config.address, config.prefix_len)
            .map_err(|error| StartError::Range { network, first, last, reason: error.to_string() })?;

        let refused = |port: &str| {
            let (port, interface) = (port.to_owned(), interface.clone());
            |source| StartError::Socket { port, interface, source }
        };
        let serves = config.alone.as_ref().map(|alone| alone.serves).unwrap_or_default();
        let dhcp = match serves.dhcp {
            Dhcp::Server | Dhcp::Proxy => {
                Some(socket::dhcp(&interface).map_err(refused("UDP port 67 (DHCP)"))?)
            }
            Dhcp::Off => None,
        };
        let at_proxy = match serves.dhcp {
            Dhcp::Proxy => {
                let socket = socket::udp(&interface, address, dhcp::proxy::PROXY_PORT);
                Some(socket.map_err(refused("UDP port 4011 (ProxyDHCP)"))?)
            }
            Dhcp::Server | Dhcp::Off => None,
        };
        let tftp = match serves.tftp {
            true => {
                let sockets = tftp::server::Sockets::open(&interface, address);
                Some(sockets.map_err(refused("UDP port 69 (TFTP)"))?)
            }
            false => None,
        };
        let http = match serves.http {
            true => {
                let socket = socket::tcp(&interface, address, config.http_port);
                Some(socket.map_err(refused(&format!("TCP port {} (HTTP)", config.http_port)))?)
            }
            false => None,
        };
        let ipv6 = ipv6::Sockets::open(&config, index)?;
        // Without IPv6 a boot works too; old iPXE then waits 14 s for a router.
        let ra = socket::icmpv6(&interface, index)
            .inspect_err(|error| {
                tracing::warn!(interface, %error, "no router advertisements: iPXE will wait 14 s at every boot");
            })
            .ok()
            // Where addresses are another's, so are routers.
            .filter(|_| serves.gives_addresses());

        let icmp = socket::icmp(&interface)
            .inspect_err(|error| {
                tracing::warn!(interface, %error, "no pings: an address that somebody uses already may be given out");
            })
            .ok();
        let kept = match config.leases.clone().filter(|_| serves.gives_addresses()) {
            Some(path) => Some(Keeper::open(&path).map_err(|source| StartError::Leases { path, source })?),
            None => None,
        };

        let hardware = ipv6.as_ref().map(|sockets| sockets.hardware);
        let announced = ra::message::advertisement(config.ipv6.as_ref().filter(|_| ipv6.is_some()));
        let context = Arc::new(Context::new(config, range, hardware, booter, events));
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let keep = kept.map(|(keeper, keep, held)| {
            // Of an interface that is named twice, the last counts.
            for Lent { mac, address, until } in held.into_iter().rev() {
                let ticket = context.plan(mac).ticket().ok();
                let own = ticket.and_then(|ticket| ticket.own.as_ref()?.address);
                match own == Some(address) {
                    true => context.leases().restore_own(mac, address, until),
                    false => context.leases().restore(mac, address, until),
                }
            }
            tasks.spawn(keeper.run(Arc::clone(&context), stop.clone()));
            keep
        });
        let (dhcp6, tftp6, http6) = match ipv6 {
            Some(ipv6::Sockets { dhcp, tftp, http, .. }) => (Some(dhcp), tftp, http),
            None => (None, None, None),
        };
        if let Some(socket) = dhcp {
            let probe = Arc::new(Probe::new(icmp));
            if let Some(socket) = dhcp6 {
                let (probe, keep) = (Arc::clone(&probe), keep.clone());
                let server = Server { socket, probe, keep, context: Arc::clone(&context) };
                tasks.spawn(dhcp::server::run(server, stop.clone()));
            }
            let server = Server { socket, probe, keep, context: Arc::clone(&context) };
            match at_proxy {
                Some(socket) => tasks.spawn(dhcp::server::run_as_proxy(server, socket, stop.clone())),
                None => tasks.spawn(dhcp::server::run(server, stop.clone())),
            };
        }
        for tftp in tftp.into_iter().chain(tftp6) {
            tasks.spawn(tftp::server::run(tftp, Arc::clone(&context), stop.clone()));
        }
        let places = http::places();
        for listener in http.into_iter().chain(http6) {
            tasks.spawn(http::run(listener, places.clone(), Arc::clone(&context), stop.clone()));
        }
        if let Some(ra) = ra {
            tasks.spawn(ra::server::run(ra, (index, interface), announced, stop.clone()));
        }
        Ok(Self { stop, tasks, context })
    }

    /// The address that a server has here, if it has asked for one.
    pub fn address_of(&self, mac: protocol::mac::MacAddr) -> Option<Ipv4Addr> {
        self.context.leases().address_of(mac)
    }

    /// The way to the servers here.
    pub fn reach(&self) -> Reach {
        Reach::new(Arc::clone(&self.context))
    }

    /// How many requests came through a DHCP relay; they are not answered.
    pub fn relayed_requests(&self) -> u64 {
        self.context.relayed.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Stops serving, breaking off what is still being fetched, and returns when every socket is closed.
    pub async fn stop(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}
