//! Values: a machine that was found and that nobody has enrolled: one entry for both ways of finding it.

use protocol::{
    bmc_mark::BmcMark,
    hardware::{BmcIdentity, HardwareReport},
    id::RackId,
    identity::HardwareUuid,
    mac::MacAddr,
    secret::Secret,
    spec::BmcProtocol,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::records::Server;

/// A pending machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its id, for people; a server that is enrolled from it gets another one.
    pub id: Uuid,
    /// The rack whose agent found it.
    pub rack: RackId,
    /// An administrator does not want to hear of it.
    pub ignored: bool,
    /// What a scan found.
    pub bmc: Option<BmcHalf>,
    /// What its ramdisk found.
    pub machine: Option<MachineHalf>,
    /// When it was found first.
    pub first_us: u64,
    /// When it was found last.
    pub last_us: u64,
}

/// What a scan found of a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BmcHalf {
    /// IP address.
    pub address: String,
    /// Port.
    pub port: u16,
    /// What it speaks.
    pub protocol: BmcProtocol,
    /// What it says of itself.
    pub identity: Option<BmcIdentity>,
    /// Why it accepted no credential.
    pub problem: String,
    /// The user that it accepted.
    pub username: Option<String>,
    /// The password that it accepted; stored sealed, apart from the rest.
    #[serde(skip)]
    pub password: Option<Secret>,
    /// By what it was known before any log-in.
    #[serde(default)]
    pub marks: Vec<BmcMark>,
}

/// What a machine's ramdisk found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineHalf {
    /// The hardware.
    pub hardware: HardwareReport,
}

impl BmcHalf {
    /// The hardware UUID, if the BMC told one.
    pub fn uuid(&self) -> Option<HardwareUuid> {
        HardwareUuid::read(&self.identity.as_ref()?.guid)
    }
}

impl MachineHalf {
    /// The hardware UUID, if the firmware has one.
    pub fn uuid(&self) -> Option<HardwareUuid> {
        HardwareUuid::read(&self.hardware.system.uuid)
    }

    /// Its interfaces.
    pub fn macs(&self) -> impl Iterator<Item = MacAddr> {
        self.hardware.nics.iter().map(|nic| nic.mac)
    }
}

impl Entry {
    /// The hardware UUID, of whichever half has one.
    pub fn uuid(&self) -> Option<HardwareUuid> {
        let machine = self.machine.as_ref().and_then(MachineHalf::uuid);
        machine.or_else(|| self.bmc.as_ref().and_then(BmcHalf::uuid))
    }
}

/// Every hardware UUID by which an enrolled server is known: its BMC's word, and its last ramdisk's.
fn uuids_of(server: &Server) -> impl Iterator<Item = HardwareUuid> {
    let bmc = server.identity.as_ref().and_then(|identity| HardwareUuid::read(&identity.guid));
    let ramdisk = server.hardware.as_ref().and_then(|hardware| HardwareUuid::read(&hardware.system.uuid));
    bmc.into_iter().chain(ramdisk)
}

/// Every interface of an enrolled server that is known, whether it may boot or not.
pub fn macs_of(server: &Server) -> impl Iterator<Item = MacAddr> {
    let found = server.hardware.iter().flat_map(|hardware| hardware.nics.iter().map(|nic| nic.mac));
    server.ports.iter().map(|port| port.mac).chain(found)
}

/// Whether this BMC is an enrolled server's.
pub fn is_bmc_of(server: &Server, rack: &RackId, bmc: &BmcHalf) -> bool {
    let is_there = &server.rack == rack && server.bmc.address == bmc.address;
    is_there || bmc.uuid().is_some_and(|uuid| uuids_of(server).any(|of| of.is_of_the_same_machine_as(uuid)))
}

/// Whether this machine is an enrolled server.
pub fn is_machine_of(server: &Server, machine: &MachineHalf) -> bool {
    let by_uuid =
        machine.uuid().is_some_and(|uuid| uuids_of(server).any(|of| of.is_of_the_same_machine_as(uuid)));
    by_uuid || machine.macs().any(|mac| macs_of(server).any(|of| of == mac))
}

/// The enrolled server that this entry is, if any: it may have been enrolled in another way since.
pub fn enrolled_as<'a>(entry: &Entry, servers: &'a [Server]) -> Option<&'a Server> {
    servers.iter().find(|server| {
        entry.bmc.as_ref().is_some_and(|bmc| is_bmc_of(server, &entry.rack, bmc))
            || entry.machine.as_ref().is_some_and(|machine| is_machine_of(server, machine))
    })
}
