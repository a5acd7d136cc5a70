//! Values: one line of a virtual machine's log.

use protocol::boot::BootDevice;
use serde::{Deserialize, Serialize};

/// One line of a machine's log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PowerEvent {
    /// Microseconds since 1970.
    pub at_us: u64,
    /// What it booted from, or none when the power went.
    pub boot: Option<BootDevice>,
}
