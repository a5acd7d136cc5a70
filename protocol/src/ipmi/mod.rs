//! Decisions: IPMI 2.0 over LAN (RMCP+), as both ends speak it; bytes and a time in, bytes and events out.
//!
//! ```text
//!   client                                   BMC
//!     | Get Channel Authentication Capabilities |   plain packet: proves that somebody is there
//!     | Open Session -------------------------> |   which algorithms
//!     | RAKP 1, 2, 3, 4                         |   both prove the password; neither sends it
//!     | Set Session Privilege Level ----------> |   a session starts as USER and could not switch anything
//!     | requests, sealed with K1 and K2         |
//!     | Close Session ------------------------> |
//! ```
//!
//! [`client::Client`] and [`bmc::Bmc`] are the two machines. What must stay true: any bytes may arrive, none may panic,
//! and nothing grows with what a stranger sends. Section numbers in comments are those of the IPMI 2.0 specification, revision 1.1.
//! What is beyond log-in, power and boot goes through both as a [`call::Call`]: the event log ([`sel`]), sensors ([`sdr`], [`sensor`],
//! [`words`]), inventories ([`fru`]), users and channels ([`users`], [`lan`]), power draw ([`dcmi`]), the console ([`sol`]), other
//! controllers of a chassis ([`bridge`]). Deliberately absent: IPMI 1.5 sessions and suites without encryption.

pub mod app;
pub mod bmc;
pub mod bridge;
pub mod call;
pub mod channels;
pub mod chassis;
pub mod client;
pub mod command;
pub mod dcmi;
pub mod device;
mod field;
pub mod front;
pub mod fru;
pub mod lan;
pub mod message;
pub mod presence;
pub mod rakp;
pub mod rmcp;
pub mod sdr;
pub mod sel;
pub mod sensor;
mod session;
pub mod severity;
pub mod sol;
pub mod suite;
pub mod users;
mod wire;
pub mod words;

pub use suite::CipherSuite;
pub use wire::Malformed;

/// Longest datagram that either end sends or accepts.
pub const PACKET_BYTES_MAX: usize = 512;
/// The UDP port of IPMI over LAN (section 13.1.2).
pub const PORT: u16 = 623;

/// Privilege of a session or needed by a command (section 6.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Privilege {
    /// Only calls back.
    Callback,
    /// Reads.
    User,
    /// Switches power.
    Operator,
    /// Everything.
    Administrator,
}

impl Privilege {
    /// The number on the wire.
    pub fn code(self) -> u8 {
        match self {
            Privilege::Callback => 1,
            Privilege::User => 2,
            Privilege::Operator => 3,
            Privilege::Administrator => 4,
        }
    }

    /// Its name, for people.
    pub fn name(self) -> &'static str {
        match self {
            Privilege::Callback => "CALLBACK",
            Privilege::User => "USER",
            Privilege::Operator => "OPERATOR",
            Privilege::Administrator => "ADMINISTRATOR",
        }
    }

    /// From the number on the wire; 5 is "OEM" and of no use here.
    pub fn from_code(code: u8) -> Result<Self, Malformed> {
        match code {
            1 => Ok(Privilege::Callback),
            2 => Ok(Privilege::User),
            3 => Ok(Privilege::Operator),
            4 => Ok(Privilege::Administrator),
            _ => Err(Malformed::new("privilege level", "is none of 1 to 4")),
        }
    }
}
