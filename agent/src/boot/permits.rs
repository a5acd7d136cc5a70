//! Decisions: which server may boot over which network now, and with which token.
//!
//! What must stay true: an interface belongs to a known server or to nobody; a server that is permitted nothing is answered nothing; one
//! that asks on another network than its boot's is told which one is right.

use std::{collections::HashMap, net::SocketAddr};

use protocol::{
    boot::{BootLoader, BootMode, BootPlan},
    id::ServerId,
    identity::HardwareUuid,
    mac::MacAddr,
    network::BootNetwork,
    ramdisk::BootArguments,
    secret::Secret,
    spec::ServerSpec,
};
use pxe::{BootTicket, Plan};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::loader::Loaders;

/// Words for the kernel that do not differ between boots: messages on the screen and on the serial ports that BMCs carry, the first one's
/// last, because that is where our program's own go first.
pub(crate) const KERNEL_WORDS: &str = "console=tty0 console=ttyS1,115200 console=ttyS0,115200 quiet panic=10";

/// Interfaces of one boot that are told because they ask in its place: a server has a few, and anybody can invent more.
const OTHERS_MAX: usize = 8;

/// How a booted ramdisk finds us.
#[derive(Clone, Debug)]
pub struct RamdiskEntry {
    /// Where it connects to, for each network.
    pub addresses: HashMap<BootNetwork, SocketAddr>,
    /// SHA-256 of the certificate that it must see there.
    pub fingerprint: String,
    /// Where it gets modules that were not loaded with it; none: all of them were.
    pub parts_port: Option<u16>,
    /// What its firmware may be given.
    pub loaders: Loaders,
}

/// A server's interfaces, and how its firmware boots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Interfaces {
    pub macs: Vec<MacAddr>,
    pub boot_mode: BootMode,
    #[serde(default)]
    pub boot_loader: Option<BootLoader>,
    #[serde(default)]
    pub secure_boot: Option<bool>,
    /// Interfaces by which it does not boot.
    #[serde(default)]
    pub others: Vec<MacAddr>,
    /// UUIDs by which its firmware may name it.
    #[serde(default)]
    pub uuids: Vec<String>,
}

impl Interfaces {
    pub(super) fn of(spec: &ServerSpec) -> Self {
        let ServerSpec { boot_mode, boot_loader, secure_boot, ref expected, .. } = *spec;
        let (macs, others) = (spec.macs.clone(), spec.other_macs.clone());
        let uuids = expected.uuids.iter().chain([&expected.bmc.guid]).cloned().collect();
        Self { macs, boot_mode, boot_loader, secure_boot, others, uuids }
    }

    fn is_named(&self, machine: HardwareUuid) -> bool {
        let known = self.uuids.iter().filter_map(|uuid| HardwareUuid::read(uuid));
        known.into_iter().any(|uuid| uuid.is_of_the_same_machine_as(machine))
    }
}

/// Where a server boots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booting {
    /// Names this boot among those of its server.
    pub boot_id: u64,
    /// Over which network.
    pub network: BootNetwork,
    /// By one of these interfaces.
    pub macs: Vec<MacAddr>,
}

/// A boot that is permitted.
#[derive(Clone, Debug)]
pub(super) struct Permit {
    pub plan: BootPlan,
    pub token: Secret,
    /// Names this boot among those of its server.
    pub boot_id: u64,
    /// Other interfaces that have asked in its place, as far as that was told.
    pub others: Vec<MacAddr>,
}

impl Permit {
    pub(super) fn new(plan: BootPlan, token: Secret) -> Self {
        Self { plan, token, boot_id: rand::random(), others: Vec::new() }
    }
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
    /// Whose an interface is: every packet asks.
    owners: HashMap<MacAddr, ServerId>,
    permits: HashMap<ServerId, Permit>,
}

impl Permits {
    /// A new or changed server.
    pub(super) fn know(&mut self, server: ServerId, interfaces: Interfaces) {
        self.disown(server);
        self.owners.extend(interfaces.macs.iter().map(|mac| (*mac, server)));
        self.known.insert(server, interfaces);
    }

    /// A server that is nobody's business any more. Says whether it was permitted something.
    pub(super) fn forget(&mut self, server: ServerId) -> bool {
        self.disown(server);
        self.known.remove(&server);
        self.forbid(server)
    }

    fn disown(&mut self, server: ServerId) {
        self.owners.retain(|_, owner| *owner != server);
    }

    /// Whether this is an interface of a server that we look after.
    pub(super) fn knows(&self, mac: MacAddr) -> bool {
        self.owners.contains_key(&mac)
    }

    /// A server's interfaces; none: it is nobody's business here.
    pub(super) fn macs(&self, server: ServerId) -> Option<Vec<MacAddr>> {
        self.known.get(&server).map(|known| known.macs.clone())
    }

    /// The boot that a server is permitted.
    pub(super) fn booting(&self, server: ServerId) -> Option<Booting> {
        let (permit, known) = (self.permits.get(&server)?, self.known.get(&server)?);
        Some(Booting { boot_id: permit.boot_id, network: permit.plan.network, macs: known.macs.clone() })
    }

    /// The server whose boot is permitted and which asks by this interface, by which it does not boot: one of its others, or one of which
    /// firmware says that it is in this machine. Told once for each interface of a boot.
    pub(super) fn asks_by_another(&mut self, mac: MacAddr, machine: Option<Uuid>) -> Option<ServerId> {
        let machine = machine.and_then(|uuid| HardwareUuid::read(&uuid.to_string()));
        let known = &self.known;
        let has = |server: &ServerId, test: &dyn Fn(&Interfaces) -> bool| known.get(server).is_some_and(test);
        let by_mac = self.permits.keys().find(|server| has(server, &|known| known.others.contains(&mac)));
        let by_name = || {
            let machine = machine?;
            let mut named =
                self.permits.keys().filter(|server| has(server, &|known| known.is_named(machine)));
            // Boards of some makers have one UUID for all.
            named.next().filter(|_| named.next().is_none())
        };
        let server = *by_mac.or_else(by_name)?;
        let told = &mut self.permits.get_mut(&server)?.others;
        if told.contains(&mac) || told.len() >= OTHERS_MAX {
            return None;
        }
        told.push(mac);
        Some(server)
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
        let owner = self.owners.get(&mac);
        let permitted = owner.and_then(|server| Some((self.permits.get(server)?, self.known.get(server)?)));
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
            loader: entry.loaders.choose(interfaces.boot_loader, interfaces.secure_boot),
            plan: permit.plan.clone(),
            own: None,
        })
    }
}
