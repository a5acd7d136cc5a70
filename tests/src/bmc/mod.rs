//! Edges: virtual BMCs. Each owns one machine through [`chassis::Chassis`] and speaks IPMI or Redfish on a socket.
//!
//! Ours ([`ipmi`], [`redfish`]) can be slow, silent or wrong on demand; [`ipmi_sim`] was written by nobody here.

mod boot_options;
pub mod chassis;
mod der;
pub mod insider;
pub mod ipmi;
pub mod ipmi_sim;
pub mod odd;
pub mod records;
pub mod redfish;
mod redfish_events;
pub mod redfish_manners;
pub mod redfish_odd;
mod redfish_system;
mod redfish_tree;
mod small_key;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use protocol::secret::Secret;

/// Whom a virtual BMC lets in.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// User.
    pub username: String,
    /// Password.
    pub password: Secret,
}

impl Credentials {
    /// From plain text, for tests.
    pub fn new(username: &str, password: &str) -> Self {
        Self { username: username.to_owned(), password: Secret::new(password) }
    }
}

/// How a virtual BMC misbehaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Answers nothing at all.
    pub silent: bool,
    /// Waits so long before every answer.
    pub delay: Duration,
    /// Answers with bytes that make no sense.
    pub garbage: bool,
    /// Refuses every command to the chassis.
    pub refuse: bool,
    /// Says "done" to commands and does nothing.
    pub ignore: bool,
    /// IPMI: what it does with boot options.
    pub boot: BootManner,
}

/// What an IPMI BMC does with the boot options that it is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BootManner {
    /// As the specification has it, and firmware that reads the flags in time.
    #[default]
    Usual,
    /// Flags are gone when the firmware reads them, unless all of these causes of clearing were suppressed before (parameter 3).
    Cleared {
        /// Bits of parameter 3.
        unless: u8,
    },
    /// Flags are accepted and stay as they were: none.
    Thrown,
    /// Flags are accepted and shown without the bit that says that they are valid.
    Stale,
    /// Flags are refused with this completion code.
    Refused(u8),
    /// Flags that name device 2 are refused with this completion code: its disk is device 9 in UEFI mode.
    DiskIsRemote(u8),
    /// Flags are taken only while "set in progress" is announced (parameter 0); else they are thrown away.
    OnlyAnnounced,
    /// Flags for the network are kept only when they are for all boots.
    OnlyPersistentNetwork,
    /// Flags for all boots are refused with this completion code.
    OnlyOnce(u8),
    /// Flags are shown a moment after they were set: the first look shows none.
    Slow,
    /// Every boot option but the flags is refused with this completion code.
    OnlyFlags(u8),
    /// Flags are kept and shown without the bit for UEFI.
    NoMode,
    /// Flags are kept, and cannot be read: it answers with this completion code.
    Hidden(u8),
}

/// The faults of a running BMC, to be changed while it runs.
#[derive(Clone, Debug, Default)]
pub struct FaultSwitch(Arc<Mutex<Faults>>);

impl FaultSwitch {
    /// The faults now.
    pub fn get(&self) -> Faults {
        self.0.lock().expect("no holder panics").clone()
    }

    /// Other faults from now on.
    pub fn set(&self, faults: Faults) {
        *self.0.lock().expect("no holder panics") = faults;
    }
}
