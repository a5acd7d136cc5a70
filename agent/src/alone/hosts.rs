//! Edges: which machine boots what, by the file.

use std::{
    collections::HashMap,
    net::Ipv4Addr,
    sync::Arc,
    time::{Duration, Instant},
};

use protocol::{
    boot::{BootLoader, BootMode, BootPlan, BootPurpose},
    mac::MacAddr,
    network::BootNetwork,
};
use pxe::{BootTicket, Booter, OwnBoot, Plan, Refusal};

use super::config::{Boots, StaticConfig};

/// The one network knows itself by this name; nobody is told it.
pub(super) const NETWORK: BootNetwork = BootNetwork::Provisioning;

/// What is seen of a machine within so long is of one boot: nobody says when another one begins.
const ONE_BOOT: Duration = Duration::from_secs(600);

/// The hosts, and everybody else.
pub(super) struct Hosts {
    since: Instant,
    known: HashMap<MacAddr, BootTicket>,
    owners: HashMap<Ipv4Addr, MacAddr>,
    others: Option<BootTicket>,
}

impl Hosts {
    pub(super) fn new(config: &StaticConfig) -> Self {
        let hosts = || config.host.iter().map(toml::Spanned::get_ref);
        Self {
            since: Instant::now(),
            known: hosts().map(|host| (host.mac, ticket(host.boots(), host.address))).collect(),
            owners: hosts().filter_map(|host| Some((host.address?, host.mac))).collect(),
            others: config.default.as_ref().map(|boots| ticket(boots.get_ref().clone(), None)),
        }
    }
}

fn ticket(boots: Boots, address: Option<Ipv4Addr>) -> BootTicket {
    let Boots { loader, script, kernel, initrd, arguments } = boots;
    BootTicket {
        boot_id: 0,
        command_line: arguments,
        // Whichever way its firmware comes, it is served.
        boot_mode: BootMode::Uefi,
        loader: BootLoader::Ipxe,
        plan: BootPlan { purpose: BootPurpose::Deploy, network: NETWORK },
        own: Some(Arc::new(OwnBoot { address, loader, script, kernel, initrd })),
    }
}

impl Booter for Hosts {
    fn plan(&self, mac: MacAddr, _: BootNetwork) -> Plan {
        let ticket = self.known.get(&mac).or(self.others.as_ref());
        let boot_id = self.since.elapsed().as_secs() / ONE_BOOT.as_secs();
        ticket.map_or(Plan::Nowhere, |ticket| Plan::Here(BootTicket { boot_id, ..ticket.clone() }))
    }

    fn owner(&self, address: Ipv4Addr) -> Option<MacAddr> {
        self.owners.get(&address).copied()
    }

    /// The log has it.
    fn refused(&self, _: MacAddr, _: BootNetwork, _: Refusal) {}
}
