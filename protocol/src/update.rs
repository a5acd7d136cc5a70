//! Values: an update of a BMC's or a server's firmware, as the coordinator has it done and as an agent tells how far it is.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::bmc_facts::FirmwareItem;

/// The name of the BMC's own firmware, whatever the BMC calls it in its list.
pub const BMC: &str = "BMC";
/// The name of the server's firmware, whatever the BMC calls it in its list.
pub const BIOS: &str = "BIOS";
/// Longest file of firmware, in bytes.
pub const IMAGE_BYTES_MAX: u64 = 512 << 20;

/// An update that a BMC is to be given, once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirmwareUpdate {
    /// The order that it belongs to.
    pub order: Uuid,
    /// How many times it was proved before that the BMC was not given it. With the order it is what makes two of these the same one.
    pub attempt: u32,
    /// What is updated: the id or name of a piece of firmware, [`BMC`] or [`BIOS`]; empty: what the image is for.
    pub component: String,
    /// The new firmware.
    pub image: FirmwareImage,
}

/// Where new firmware comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FirmwareImage {
    /// A file that the coordinator keeps; the agent sends it to the BMC.
    File {
        /// Its name, which some BMCs look at.
        name: String,
        /// Under which the agent asks for it.
        id: String,
        /// Size of the file in bytes.
        size_bytes: u64,
        /// SHA-512 of the file, lower-case hex.
        sha512: String,
    },
    /// An address from which the BMC fetches it.
    Url(String),
}

/// How far an update is, as the BMC tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpdateStage {
    /// There is no task that would tell.
    NotKnown,
    /// It goes on; how far it is, in percent, where that is told.
    Running(Option<u32>),
    /// It waits: for a restart of the server, as a rule.
    Paused,
    /// The BMC says that it has done its part.
    Ended,
    /// It has failed, and why.
    Failed(String),
}

/// What a BMC says of an update, and, unless that goes on, of all its firmware, read anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirmwareSeen {
    /// How far it is.
    pub stage: UpdateStage,
    /// The firmware that it lists.
    pub items: Vec<FirmwareItem>,
    /// Version of the BMC's own firmware; empty: not said.
    pub manager_version: String,
    /// Version of the server's firmware; empty: not said.
    pub bios_version: String,
}
