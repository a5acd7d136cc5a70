//! Values: what is kept of a ramdisk.

use protocol::{
    boot::BootPurpose,
    id::{RamdiskSessionId, ServerId},
    network::BootNetwork,
};

/// A ramdisk that runs or ran on a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ramdisk {
    /// This run of it.
    pub session: RamdiskSessionId,
    /// On which server.
    pub server: ServerId,
    /// What for.
    pub purpose: BootPurpose,
    /// Where it came from.
    pub network: BootNetwork,
    /// When it said hello.
    pub ready_us: u64,
    /// When it went.
    pub gone_us: Option<u64>,
}
