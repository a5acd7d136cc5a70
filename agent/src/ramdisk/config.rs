//! Values: where ramdisks connect to, what happens to them, and why control of them cannot start.

use std::{io, net::SocketAddrV4, path::PathBuf, time::Duration};

use protocol::{
    boot::BootPlan,
    hardware::HardwareReport,
    id::{RamdiskSessionId, ServerId},
    network::BootNetwork,
};

/// Longest time that a ramdisk may work on a step without a word. It gives one every few seconds, however long its disks take over a
/// request.
pub const STEP_SILENCE_MAX: Duration = Duration::from_secs(300);

/// Where the ramdisks of one boot network connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Which network.
    pub network: BootNetwork,
    /// Our interface on it; who comes in by another one finds nobody.
    pub interface: String,
    /// Our address on it. Port 0 takes any free port.
    pub address: SocketAddrV4,
    /// Length of its prefix: whoever does not lie in it is not spoken to.
    pub prefix_len: u8,
}

/// Where ramdisks connect to, and which of them are known from before.
#[derive(Clone, Debug)]
pub struct ControlConfig {
    /// One per boot network.
    pub listeners: Vec<Listener>,
    /// Directory for what must survive a restart.
    pub state_dir: PathBuf,
    /// The boots that are under way: tokens and sessions of others are not taken up again.
    pub boots: Vec<(ServerId, BootPlan)>,
    /// How long a lost ramdisk is waited for: [`RESUME_WAIT_MAX`](protocol::ramdisk::RESUME_WAIT_MAX) outside tests.
    pub resume_wait: Duration,
    /// How long one that is connected may work on a step without a word: [`STEP_SILENCE_MAX`].
    pub step_silence: Duration,
}

/// Why control of ramdisks cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// An address cannot be listened on.
    #[error("listen for ramdisks on {address} of {interface}; is the interface up with this address?")]
    Listen {
        /// Which.
        address: SocketAddrV4,
        /// Of which interface.
        interface: String,
        /// What the system said.
        source: io::Error,
    },
    /// A file cannot be used.
    #[error("use {path}; check the state directory, or remove the file: ramdisks under way are then lost")]
    Keep {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        source: io::Error,
    },
    /// No certificate could be made.
    #[error("make the certificate for ramdisks")]
    Certificate(#[from] rcgen::Error),
    /// The certificate was not taken.
    #[error("use the certificate for ramdisks")]
    Tls(#[from] rustls::Error),
}

/// What happens to ramdisks without being asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A ramdisk said hello with a valid token, or has taken its session up again.
    Ready {
        /// On which server.
        server: ServerId,
        /// The name of this run.
        session: RamdiskSessionId,
        /// The plan its token was issued for; the hello came over `plan.network`.
        plan: BootPlan,
        /// What it found.
        hardware: Box<HardwareReport>,
    },
    /// Its connection is gone for good, or it was revoked: the end of the session.
    Gone {
        /// On which server.
        server: ServerId,
        /// Which run.
        session: RamdiskSessionId,
        /// Why.
        reason: String,
    },
}
