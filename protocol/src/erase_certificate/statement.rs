//! Values: what an agent states of a disk that its server's ramdisk has erased.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    hardware::Disk,
    id::{CommandId, RackId, ServerId},
    step::ErasedDisk,
};

/// The version of statements and receipts that we write.
pub const VERSION: u32 = 1;

/// One disk, one clean. Every time is the agent's clock's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// [`VERSION`] of whoever wrote it.
    pub version: u32,
    /// The certificate's id: the same for the same disk and command.
    pub id: Uuid,
    /// The command by which the coordinator asked for the erase.
    pub command: CommandId,
    /// Whose agent states it.
    pub rack: RackId,
    /// The server that the disk was in.
    pub server: StatedServer,
    /// The disk, and what was done to it, as the ramdisk said it.
    pub erased: ErasedDisk,
    /// Disks of the same server that the order left out.
    pub left_out: Vec<Disk>,
    /// Disks of the same server that were not erased, though nobody had left them out.
    pub not_erased: Vec<NotErased>,
    /// When the erase of this disk began, and when it had ended. Where the ramdisk is too old to say ([`ErasedDisk::took_ms`] is 0), and
    /// in statements of before, when it was told to erase, and when all of it had ended.
    pub began_at: Timestamp,
    /// As above.
    pub ended_at: Timestamp,
    /// When the agent signed.
    pub signed_at: Timestamp,
    /// Version of the agent.
    pub agent_version: String,
    /// Version of the ramdisk; empty: it does not say.
    pub ramdisk_version: String,
}

/// A server, as inventory and firmware name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatedServer {
    /// Its id; Ironic's node uuid too.
    pub id: ServerId,
    /// Its name in the inventory, at that time.
    pub name: String,
    /// The hardware's UUID (SMBIOS type 1); this and the following are empty where the firmware does not say.
    pub system_uuid: String,
    /// Who made it.
    pub manufacturer: String,
    /// What it is.
    pub product: String,
    /// The serial number of the machine.
    pub serial: String,
}

/// A disk that was not erased.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotErased {
    /// Device node.
    pub name: String,
    /// Which one; none: the ramdisk could not say.
    pub disk: Option<Disk>,
    /// Why.
    pub why: String,
}

impl Statement {
    /// The id of the certificate of a disk that this command erased.
    pub fn id_of(command: CommandId, device: &str) -> Uuid {
        Uuid::new_v5(&command.0, device.as_bytes())
    }
}
