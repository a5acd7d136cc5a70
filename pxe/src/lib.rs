//! Decisions and edges: network boot. Knows DHCP, TFTP, HTTP and iPXE; knows no cloud.
//!
//! # The story of one boot
//!
//! Somebody permits a boot: from now on the [`Booter`] has a [`BootTicket`] for the server's interface on one network.
//! The server is switched on.
//!
//! ```text
//!   server                                            agent, on the isolated network
//!   firmware   --- DHCPDISCOVER ------------------>   dhcp::request   what is asked, by which firmware
//!                                                     Booter::plan    may it boot, here, now?   no: silence
//!                                                     dhcp::lease     its address, the same every time
//!              <-- DHCPOFFER, boot file -----------   dhcp::responder firmware::boot_file
//!              --- DHCPREQUEST ------------------->
//!              <-- DHCPACK ------------------------
//!   (iPXE only)--- ICMPv6 router solicitation ---->   ra              "no router here", or iPXE waits 14 s
//!   (not iPXE) --- TFTP snponly.efi -------------->   tftp            iPXE itself; then DHCP once more, as iPXE
//!   iPXE       --- GET /boot/MAC/script ---------->   http, ipxe::script
//!              --- GET /boot/MAC/kernel, initrd -->   http
//!   (Secure Boot: shimx64.efi, grubx64.efi, grub.cfg, kernel and ramdisk, all by TFTP: grub)
//!   ramdisk    --- DHCP for an address ----------->   dhcp            it then dials the agent; not our part
//! ```
//!
//! Each stage is reported once per boot as a [`BootEvent`].
//!
//! What must stay true: a packet of an interface without a plan for this very network gets no answer; every socket is
//! bound to one interface; no packet panics or makes memory grow; nobody is told a default route.
//! Where the network has an IPv6 side, the same goes by DHCPv6 (`dhcp6`), TFTP and HTTP over IPv6; the ramdisk itself asks by IPv4.
//! Deliberately absent: TFTP writes, HTTPS.

pub mod alone;
pub mod booter;
pub mod config;
pub mod connections;
mod context;
pub mod dhcp;
pub mod dhcp6;
pub mod event;
pub mod files;
pub mod firmware;
pub mod grub;
pub mod http;
pub mod ipxe;
pub mod ra;
pub mod reach;
pub mod service;
mod socket;
pub mod tftp;

pub use booter::{BootEvent, BootTicket, Booter, OwnBoot, Plan, Refusal};
pub use dhcp::lease::is_neighbour;
pub use dhcp6::link::Ipv6;
pub use files::{BootFilePaths, BootFiles, RamdiskPaths, SignedLoaders, manifest::ManifestPaths};
pub use reach::{Reach, ReachError};
pub use service::{DEFAULT_HTTP_PORT, Service, ServiceConfig, StartError};
pub use socket::tcp as listen_on;

/// Tests of pure modules take their first instant from here, for those modules read no clock.
#[cfg(test)]
mod test_clock {
    pub(crate) fn start() -> std::time::Instant {
        std::time::Instant::now()
    }
}
