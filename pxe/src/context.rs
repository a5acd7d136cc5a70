//! Edges: what the servers of one network share: who may boot, who has which address, what has been reported.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicU64},
    time::Instant,
};

use protocol::{
    boot::{BootLoader, BootMode, BootPlan, BootProgress, BootPurpose, BootStage},
    mac::MacAddr,
    network::BootNetwork,
};
use tokio::sync::mpsc;

use crate::{
    alone::Alone,
    booter::{BootEvent, BootTicket, Booter, Plan, Refusal},
    config::ServiceConfig,
    connections::Newcomer,
    dhcp::{
        lease::{LeaseRange, Leases, is_neighbour},
        responder::{Ignored, Subnet},
    },
    dhcp6::link::Link,
    event::{News, Told},
    files::BootFiles,
    firmware::{Firmware, Origin},
};

/// Shared by all tasks of one network. The locks are held for one look-up, never across a wait.
pub(crate) struct Context {
    pub(crate) subnet: Subnet,
    /// Its IPv6 side; none: not served.
    pub(crate) link: Option<Link>,
    pub(crate) interface: String,
    pub(crate) name: &'static str,
    pub(crate) files: BootFiles,
    pub(crate) relayed: AtomicU64,
    pub(crate) alone: Option<Alone>,
    leases: Mutex<Leases>,
    news: Mutex<News>,
    booter: Arc<dyn Booter>,
    events: mpsc::Sender<BootEvent>,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("subnet", &self.subnet).finish_non_exhaustive()
    }
}

impl Context {
    /// Without the interface's Ethernet address there is no DHCPv6.
    pub(crate) fn new(
        config: ServiceConfig,
        range: LeaseRange,
        hardware: Option<MacAddr>,
        booter: Arc<dyn Booter>,
        events: mpsc::Sender<BootEvent>,
    ) -> Self {
        let link = |ipv6| Some(Link::new(ipv6, config.http_port, hardware?));
        Self {
            link: config.ipv6.and_then(link),
            subnet: Subnet {
                network: config.network,
                prefix_len: config.prefix_len,
                origin: Origin { address: config.address, http_port: config.http_port },
                relays: config.relays,
                told: config.alone.as_ref().map(|alone| alone.told.clone()).unwrap_or_default(),
            },
            interface: config.interface,
            name: config.name,
            files: config.files,
            relayed: AtomicU64::new(0),
            alone: config.alone,
            leases: Mutex::new(Leases::new(range)),
            news: Mutex::default(),
            booter,
            events,
        }
    }

    pub(crate) fn network(&self) -> BootNetwork {
        self.subnet.network
    }

    pub(crate) fn leases(&self) -> MutexGuard<'_, Leases> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn plan(&self, mac: MacAddr) -> Plan {
        match self.booter.plan(mac, self.network()) {
            // Whoever says so is mistaken; the ticket itself says where it is good.
            Plan::Here(ticket) if ticket.plan.network != self.network() => {
                Plan::Elsewhere(ticket.plan.network)
            }
            plan => plan,
        }
    }

    /// Who sits at this address with a lease and a plan. One with a lease and without a plan, or with one for another network,
    /// is refused as on every other way.
    pub(crate) fn holder(&self, peer: IpAddr) -> Option<(MacAddr, BootTicket)> {
        let address = self.leased(peer)?;
        if !self.gives_addresses() {
            return Some(self.somebody(address));
        }
        let mac = self.leases().holder(address, Instant::now())?;
        match self.plan(mac).ticket() {
            Ok(ticket) => Some((mac, ticket)),
            Err(reason) => {
                self.refuse(mac, reason);
                None
            }
        }
    }

    /// What is thought of somebody who connects from this address: whoever has a lease, or runs a ramdisk,
    /// is waited for.
    pub(crate) fn newcomer(&self, peer: IpAddr) -> Newcomer {
        let Subnet { prefix_len, origin, .. } = self.subnet;
        let Some(address) = self.leased(peer) else { return Newcomer::Foreign };
        if !is_neighbour(address.into(), origin.address, prefix_len) {
            return Newcomer::Foreign;
        }
        let is_lent = self.leases().holder(address, Instant::now()).is_some();
        match is_lent || self.ramdisk_at(address).is_some() {
            true => Newcomer::Expected,
            false => Newcomer::Anybody,
        }
    }

    /// The ticket with which this interface may fetch its files from this address.
    pub(crate) fn ticket(&self, mac: MacAddr, peer: IpAddr) -> Result<BootTicket, Refusal> {
        let ticket = self.plan(mac).ticket()?;
        let address = self.leased(peer).unwrap_or(Ipv4Addr::UNSPECIFIED);
        if !self.gives_addresses() {
            let own = ticket.own.as_ref().and_then(|own| own.address);
            return match own.is_none_or(|own| own == address) {
                true => Ok(ticket),
                false => Err(Refusal::NotItsAddress { address: peer }),
            };
        }
        // The script holds the ramdisk's token, so another server must not get it by knowing a MAC.
        let lent_to = self.leases().holder(address, Instant::now());
        let is_its = match self.ramdisk_at(address) {
            Some(macs) => macs.contains(&mac),
            None => lent_to == Some(mac),
        };
        if is_its { Ok(ticket) } else { Err(Refusal::NotItsAddress { address: peer }) }
    }

    /// The IPv4 address under which stands what was lent to a peer; none: nothing of ours can have been.
    fn leased(&self, peer: IpAddr) -> Option<Ipv4Addr> {
        match peer.to_canonical() {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(address) => self.link.as_ref()?.ipv6.ipv4_of(address),
        }
    }

    /// The start of the URLs that a peer is told: of the family by which it asks.
    pub(crate) fn base_url(&self, peer: IpAddr) -> String {
        match (peer.to_canonical(), &self.link) {
            (IpAddr::V6(_), Some(link)) => link.base_url(),
            _ => self.subnet.origin.base_url(),
        }
    }

    /// Whether who asks is known by the address that it was given here.
    fn gives_addresses(&self) -> bool {
        self.alone.as_ref().is_none_or(|alone| alone.serves.gives_addresses())
    }

    /// Who sits at an address that somebody else gives: the host whose it always is, or anybody.
    fn somebody(&self, address: Ipv4Addr) -> (MacAddr, BootTicket) {
        let mac = self.booter.owner(address).unwrap_or(MacAddr([0; 6]));
        let nothing = || BootTicket {
            boot_id: 0,
            command_line: String::new(),
            boot_mode: BootMode::Uefi,
            loader: BootLoader::Ipxe,
            plan: BootPlan { purpose: BootPurpose::Deploy, network: self.network() },
            own: Some(Arc::default()),
        };
        (mac, self.plan(mac).ticket().unwrap_or_else(|_| nothing()))
    }

    /// The interfaces of the server whose ramdisk runs at this address.
    pub(crate) fn ramdisk_at(&self, address: Ipv4Addr) -> Option<Vec<MacAddr>> {
        self.booter.ramdisk_at(address, self.network())
    }

    pub(crate) fn refuse(&self, mac: MacAddr, reason: Refusal) {
        let network = self.network();
        let mut news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        let told = news.refusal(mac, &reason, Instant::now());
        drop(news);
        let Some(told) = told else { return };
        if let Told::InLog { passed_over } = told {
            tracing::info!(%mac, network = self.name, %reason, passed_over, "network boot not answered");
        }
        self.booter.refused(mac, network, reason);
    }

    /// Tells that an address is not given out, as often as is good for a log: anybody on the segment can cause it in any name.
    pub(crate) fn passed_over(&self, what: &Ignored) {
        let mut news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(passed_over) = news.line(Instant::now()) {
            tracing::warn!(network = self.name, %what, passed_over, "dhcp address passed over");
        }
    }

    /// A firmware asks for an address, in whose boot something may have been reported before.
    pub(crate) fn asks(&self, mac: MacAddr, boot_id: u64, firmware: Firmware) {
        self.news.lock().unwrap_or_else(PoisonError::into_inner).asks(mac, boot_id, firmware);
    }

    pub(crate) fn report(&self, mac: MacAddr, boot_id: u64, stage: BootStage, detail: String) {
        let network = self.network();
        let mut news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        if !news.is_new_stage(mac, boot_id, stage) {
            return;
        }
        tracing::info!(%mac, network = self.name, ?stage, detail, "network boot advances");
        let progress = BootProgress { stage, network, mac, detail };
        if self.events.try_send(BootEvent { boot_id, progress }).is_err() {
            news.forget_stage(mac, stage);
            tracing::warn!(%mac, ?stage, "boot stage lost: its receiver is full or gone");
        }
    }
}
