//! Edges: what a service does beyond an isolated network's boots, where no coordinator stands behind it: `bms-agent boot --static`.

pub use crate::booter::Told;
use crate::files::root::Root;

/// How it serves by itself.
#[derive(Clone, Debug, Default)]
pub struct Alone {
    /// From where files are given by their names; none: hosts' own alone.
    pub root: Option<Root>,
    /// What hosts are told beside their address.
    pub told: Told,
    /// What is served.
    pub serves: Serves,
}

/// What is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Serves {
    /// DHCP.
    pub dhcp: Dhcp,
    /// TFTP.
    pub tftp: bool,
    /// HTTP.
    pub http: bool,
}

/// How DHCP is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dhcp {
    /// Not: somebody else gives addresses and says what is booted.
    Off,
    /// Addresses and what is booted.
    Server,
    /// What is booted; addresses come from another server (PXE 2.1 section 2.2).
    Proxy,
}

impl Default for Serves {
    fn default() -> Self {
        Self { dhcp: Dhcp::Server, tftp: true, http: true }
    }
}

impl Serves {
    /// Whether who asks is known by the address that it was given here.
    pub fn gives_addresses(&self) -> bool {
        self.dhcp == Dhcp::Server
    }
}
