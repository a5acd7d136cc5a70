//! Decisions: which server may boot over which network now, and with which token.
//!
//! What must stay true: an interface belongs to a known server or to nobody; a server that is permitted nothing is answered nothing; one
//! that asks on another network than its boot's is told which one is right.

use std::{collections::HashMap, net::SocketAddr};

use protocol::{
    boot::{BootMode, BootPlan},
    id::ServerId,
    mac::MacAddr,
    network::BootNetwork,
    ramdisk::BootArguments,
    secret::Secret,
};
use pxe::{BootTicket, Plan};
use serde::{Deserialize, Serialize};

/// Words for the kernel that do not differ between boots: messages on the screen and on the serial ports that BMCs carry, the first one's
/// last, because that is where our program's own go first.
pub(crate) const KERNEL_WORDS: &str = "console=tty0 console=ttyS1,115200 console=ttyS0,115200 quiet panic=10";

/// How a booted ramdisk finds us.
#[derive(Clone, Debug)]
pub struct RamdiskEntry {
    /// Where it connects to, for each network.
    pub addresses: HashMap<BootNetwork, SocketAddr>,
    /// SHA-256 of the certificate that it must see there.
    pub fingerprint: String,
    /// Where it gets modules that were not loaded with it; none: all of them were.
    pub parts_port: Option<u16>,
}

/// A server's interfaces, and how its firmware boots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Interfaces {
    pub macs: Vec<MacAddr>,
    pub boot_mode: BootMode,
}

/// A boot that is permitted.
#[derive(Clone, Debug)]
pub(super) struct Permit {
    pub plan: BootPlan,
    pub token: Secret,
    /// Names this boot among those of its server.
    pub boot_id: u64,
}

/// A permit as it is kept on disk: without its token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub server: ServerId,
    pub plan: BootPlan,
    pub interfaces: Interfaces,
}

/// The servers that we look after, and what they may boot.
#[derive(Debug, Default)]
pub(super) struct Permits {
    known: HashMap<ServerId, Interfaces>,
    permits: HashMap<ServerId, Permit>,
}

impl Permits {
    /// A new or changed server.
    pub(super) fn know(&mut self, server: ServerId, interfaces: Interfaces) {
        self.known.insert(server, interfaces);
    }

    /// A server that is nobody's business any more. Says whether it was permitted something.
    pub(super) fn forget(&mut self, server: ServerId) -> bool {
        self.known.remove(&server);
        self.forbid(server)
    }

    /// Whether this is an interface of a server that we look after.
    pub(super) fn knows(&self, mac: MacAddr) -> bool {
        self.known.values().any(|known| known.macs.contains(&mac))
    }

    /// From now on this server may boot so.
    pub(super) fn permit(&mut self, server: ServerId, permit: Permit) {
        self.permits.insert(server, permit);
    }

    /// No more. Says whether it was permitted something.
    pub(super) fn forbid(&mut self, server: ServerId) -> bool {
        self.permits.remove(&server).is_some()
    }

    /// What is to be kept on disk.
    pub(super) fn kept(&self) -> Vec<Kept> {
        let kept = self.permits.iter().filter_map(|(server, permit)| {
            let interfaces = self.known.get(server)?.clone();
            Some(Kept { server: *server, plan: permit.plan.clone(), interfaces })
        });
        kept.collect()
    }

    /// What an interface that asks on a network may boot.
    pub(super) fn plan(&self, mac: MacAddr, network: BootNetwork, entry: &RamdiskEntry) -> Plan {
        let owner = self.known.iter().find(|(_, known)| known.macs.contains(&mac));
        let permitted = owner.and_then(|(server, known)| Some((self.permits.get(server)?, known)));
        let Some((permit, interfaces)) = permitted else { return Plan::Nowhere };
        if permit.plan.network != network {
            return Plan::Elsewhere(permit.plan.network);
        }
        let Some(agent) = entry.addresses.get(&network) else { return Plan::Nowhere };
        let arguments = BootArguments {
            agent: *agent,
            fingerprint: entry.fingerprint.clone(),
            token: permit.token.clone(),
            mac: Some(mac),
            address: None,
            lldp_seconds: None,
            parts_port: entry.parts_port,
        };
        Plan::Here(BootTicket {
            boot_id: permit.boot_id,
            command_line: format!("{KERNEL_WORDS} {arguments}"),
            boot_mode: interfaces.boot_mode,
            plan: permit.plan.clone(),
        })
    }
}
