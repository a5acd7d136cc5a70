//! Edges: virtual BMCs. Each owns one machine through [`chassis::Chassis`] and speaks IPMI or Redfish on a socket.
//!
//! Ours ([`ipmi`], [`redfish`]) can be slow, silent or wrong on demand; [`ipmi_sim`] was written by nobody here.

pub mod accounts;
mod boot_options;
pub mod chassis;
mod der;
pub mod insider;
pub mod ipmi;
mod ipmi_guard;
pub mod ipmi_sim;
pub mod judges;
pub mod odd;
pub mod password_rules;
pub mod records;
pub mod redfish;
mod redfish_events;
pub mod redfish_front;
mod redfish_manner;
pub mod redfish_manners;
pub mod redfish_odd;
mod redfish_protocol;
mod redfish_system;
mod redfish_tree;
mod redfish_update;
mod small_key;

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
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
    /// So many of a hundred datagrams are lost, in each direction; Redfish: of connections with a request.
    pub loss_percent: u8,
    /// Sessions at a time; none: as many as it usually has.
    pub sessions_max: Option<usize>,
    /// Its user is locked after failed log-ins.
    pub lock_out: Option<LockOut>,
    /// So many of the next log-ins are refused as if the password were wrong.
    pub refused_log_ins: u32,
    /// It restarts: until then it is silent, and then it has forgotten its sessions.
    pub down_until: Option<Instant>,
    /// A request that comes so soon after an answer is lost.
    pub gap: Duration,
    /// IPMI: so many readings after a power command are answered with "unspecified error".
    pub unspecified: u32,
    /// IPMI: how it lets people in.
    pub log_in: Vec<LogInManner>,
    /// Redfish: a connection that is used again is closed.
    pub one_request_a_connection: bool,
}

/// When a user is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockOut {
    /// After so many failed log-ins.
    pub after: u64,
    /// For so long.
    pub pause: Duration,
}

/// A way of its own in which an IPMI BMC lets people in, as field reports tell of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogInManner {
    /// RAKP 2 and RAKP 4 carry tag 0.
    TagZero,
    /// A refusal in RAKP 2 has zeroes in place of tag and session id.
    AnonymousRefusals,
    /// It grants cipher suite 3 whatever is asked for.
    SuiteThreeGranted,
    /// It is silent when another cipher suite than 3 is asked for.
    SuiteThreeOnly,
    /// It is silent when the user's name has less than 16 bytes.
    NamePadded,
    /// Its proof is hashed without the bit that says that the user is found by name.
    ProofOfPrivilegeOnly,
    /// The session's keys are hashed without it.
    KeysOfPrivilegeOnly,
    /// The console's proof has to be hashed so.
    ConsolesProofOfPrivilegeOnly,
    /// Answers in a session are encrypted and not authenticated.
    NotAuthenticated,
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

    /// Whether the log-in that comes now is one of those that are refused though all is right.
    fn refuses_log_in(&self) -> bool {
        let mut faults = self.0.lock().expect("no holder panics");
        let is_refused = faults.refused_log_ins > 0;
        faults.refused_log_ins = faults.refused_log_ins.saturating_sub(1);
        is_refused
    }

    /// It has started again.
    fn is_up(&self) {
        self.0.lock().expect("no holder panics").down_until = None;
    }
}
