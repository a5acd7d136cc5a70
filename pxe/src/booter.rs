//! Values: the rim of this crate. Whoever runs it says which server may boot from the network now, and with what.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use protocol::{
    boot::{BootLoader, BootMode, BootPlan, BootProgress},
    mac::MacAddr,
    network::BootNetwork,
};
use uuid::Uuid;

/// What a server that may boot now is given.
#[derive(Clone, PartialEq, Eq)]
pub struct BootTicket {
    /// Any number that differs between two boots of one server; every stage is reported once for each.
    pub boot_id: u64,
    /// The kernel's command line. It carries the ramdisk's one-use token, so it is shown to nobody but that server.
    pub command_line: String,
    /// The way the server was told to boot; firmware that comes another way is served all the same, with a warning.
    pub boot_mode: BootMode,
    /// What UEFI firmware is given.
    pub loader: BootLoader,
    /// What the boot is for, and the one network on which it is allowed.
    pub plan: BootPlan,
    /// What it boots instead of the network's ramdisk; none: the ramdisk.
    pub own: Option<Arc<OwnBoot>>,
}

/// What one machine boots of its own. Files are named as they stand below the service's directory of files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnBoot {
    /// The address that it always gets; none: any of the range.
    pub address: Option<Ipv4Addr>,
    /// What its firmware loads; none: iPXE.
    pub loader: Option<String>,
    /// The script that iPXE runs; none: one that starts `kernel`.
    pub script: Option<String>,
    /// The kernel.
    pub kernel: Option<String>,
    /// Its first file system.
    pub initrd: Option<String>,
}

impl fmt::Debug for BootTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BootTicket")
            .field("boot_id", &self.boot_id)
            .field("boot_mode", &self.boot_mode)
            .field("loader", &self.loader)
            .field("plan", &self.plan)
            .finish_non_exhaustive()
    }
}

/// What hosts are told beside their address. On isolated networks nothing: a server there talks to the agent alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The default route.
    pub router: Option<Ipv4Addr>,
    /// Name servers.
    pub dns: Vec<Ipv4Addr>,
}

/// What an interface may boot, when it asks on one network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Nothing, on no network.
    Nowhere,
    /// Something, but on this other network only: its port is on the wrong one.
    Elsewhere(BootNetwork),
    /// This, here.
    Here(BootTicket),
}

impl Plan {
    /// The ticket, or why there is none.
    pub fn ticket(self) -> Result<BootTicket, Refusal> {
        match self {
            Plan::Nowhere => Err(Refusal::NoPlan { machine: None }),
            Plan::Elsewhere(planned) => Err(Refusal::WrongNetwork { planned }),
            Plan::Here(ticket) => Ok(ticket),
        }
    }

    /// Whether it may boot here.
    pub fn is_here(&self) -> bool {
        matches!(self, Plan::Here(_))
    }
}

/// Says who may boot. All methods are called from the packet path: they must not block.
pub trait Booter: Send + Sync {
    /// What this interface may boot right now, asked about on this network. Without a ticket the server gets no answer.
    fn plan(&self, mac: MacAddr, network: BootNetwork) -> Plan;

    /// Whose this address always is, where addresses are given by somebody else.
    fn owner(&self, _address: Ipv4Addr) -> Option<MacAddr> {
        None
    }

    /// The interfaces of the server whose ramdisk runs at this address, as far as is known: it is connected from there, or about to
    /// come back. A ramdisk renews no lease; for as long as it runs, the address counts as lent to these interfaces.
    fn ramdisk_at(&self, _address: Ipv4Addr, _network: BootNetwork) -> Option<Vec<MacAddr>> {
        None
    }

    /// Somebody asked and got no answer. Called at most once per [`QUIET`](crate::event::QUIET) for each interface and kind
    /// of reason, so it may be logged or reported; for a server without a plan it also shows on which network its port is.
    fn refused(&self, mac: MacAddr, network: BootNetwork, reason: Refusal);
}

/// Why a server's request was left without an address or a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nobody has permitted a network boot of this interface here.
    #[error("no network boot is permitted for this interface on this network now")]
    NoPlan {
        /// Which machine its firmware says that it is (RFC 4578, option 97), as the bytes came; none: it does not say.
        machine: Option<Uuid>,
    },
    /// A boot is permitted, but elsewhere: its port is on the wrong network.
    #[error("its network boot is permitted on the {} network only", planned.as_str())]
    WrongNetwork {
        /// The permitted one.
        planned: BootNetwork,
    },
    /// It has taken what another server offers.
    #[error(
        "it is meant for the server {server}, which answers on this network too; there must be no DHCP server but the agent: find \
         {server} and remove it"
    )]
    OtherServer {
        /// Which: its address, or by DHCPv6 its DUID.
        server: String,
    },
    /// Every address of the range is in use.
    #[error("no address is free in the range {range}; make the range larger")]
    NoAddress {
        /// First and last address.
        range: String,
    },
    /// Somebody answers at one address after the other.
    #[error(
        "addresses that are about to be given out, {last} the last, answer a ping already; find out who uses the range, or \
         answers in everybody's name"
    )]
    AddressesInUse {
        /// The last that was tried.
        last: Ipv4Addr,
    },
    /// We hold no boot loader for this processor and firmware.
    #[error("there is no boot loader for client architecture {architecture} (RFC 4578)")]
    UnsupportedFirmware {
        /// The number in DHCP option 93.
        architecture: u16,
    },
    /// It boots by HTTP, by which our signed loaders go no further.
    #[error(
        "it boots by HTTP, but is to be given signed loaders, and those read TFTP only; let its firmware boot by PXE (IPv4), or \
         switch Secure Boot off"
    )]
    SignedByHttp,
    /// A file was asked for from an address that is not leased to the interface.
    #[error("{address} requested its files, but that address is not leased to it")]
    NotItsAddress {
        /// Who asked.
        address: IpAddr,
    },
    /// The ticket's command line cannot be written into a loader's script.
    #[error("its kernel command line cannot be used: {reason}")]
    CommandLine {
        /// What is wrong with it.
        reason: String,
    },
}

/// One stage of one boot, reported once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootEvent {
    /// The ticket's number.
    pub boot_id: u64,
    /// What was seen.
    pub progress: BootProgress,
}
