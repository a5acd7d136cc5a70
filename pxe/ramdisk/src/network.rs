//! Edges: Ethernet interfaces: which there are, and an address for the one we were booted over.

use std::{
    fs,
    net::Ipv4Addr,
    path::PathBuf,
    time::{Duration, Instant},
};

use protocol::mac::MacAddr;

use crate::{
    dhcp::{self, DhcpError},
    driver::seek,
    kernel, say,
    system::read_line,
};

/// Longest wait for a link: negotiation and spanning tree take their time on real switches.
const LINK_WAIT_MAX: Duration = Duration::from_secs(45);
/// Longest wait for an interface to appear after the last driver was loaded.
const DEVICE_WAIT_MAX: Duration = Duration::from_secs(10);
/// After this time it is waited for no longer, whatever is still being loaded.
const DRIVER_WAIT_MAX: Duration = Duration::from_secs(120);
/// Longest wait for the links of interfaces that appeared late: copper negotiates for some three seconds.
const LATE_LINK_WAIT_MAX: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(20);
/// `ARPHRD_ETHER` of <linux/if_arp.h>.
const ETHERNET: &str = "1";

/// One Ethernet interface with a device behind it.
#[derive(Clone, Debug)]
pub struct Interface {
    /// The kernel's name.
    pub name: String,
    /// Its address.
    pub mac: MacAddr,
}

/// Why there is no network.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// No interface, or not the one that the command line names.
    #[error("no network interface {0}")]
    NoInterface(String),
    /// The kernel refused to set one up.
    #[error("set {0} up: {1}")]
    SetUp(String, nix::Error),
    /// The interface has no link.
    #[error("no link on {0}")]
    NoLink(String),
    /// No lease.
    #[error(transparent)]
    Dhcp(#[from] DhcpError),
}

impl Interface {
    /// Path of a file that sysfs has for it.
    pub fn file(&self, name: &str) -> PathBuf {
        PathBuf::from("/sys/class/net").join(&self.name).join(name)
    }

    /// Whether it has a link; false while it is down.
    pub fn carrier(&self) -> bool {
        read_line(self.file("carrier")) == "1"
    }

    /// Whether it is set up: of one that is down the kernel does not let `carrier` be read.
    fn is_up(&self) -> bool {
        !read_line(self.file("carrier")).is_empty()
    }
}

/// All physical Ethernet interfaces, by name.
pub fn interfaces() -> Vec<Interface> {
    let entries = fs::read_dir("/sys/class/net").into_iter().flatten().flatten();
    let mut found: Vec<_> = entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let physical = entry.path().join("device").exists();
            let mac = read_line(entry.path().join("address")).parse().ok()?;
            let ethernet = read_line(entry.path().join("type")) == ETHERNET;
            (physical && ethernet).then_some(Interface { name, mac })
        })
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// Keeps IPv6 from speaking on interfaces that come up: a server in our hands is to be heard on one network only.
pub fn silence_ipv6() {
    for which in ["all", "default"] {
        let _ = fs::write(format!("/proc/sys/net/ipv6/conf/{which}/disable_ipv6"), "1");
    }
}

/// Sets every interface up, those that refuse it passed over, waits for the link of the one with this address (with none: of any), and returns it.
pub fn bring_up(mac: Option<MacAddr>) -> Result<Interface, NetworkError> {
    let wanted = |interface: &Interface| mac.is_none_or(|mac| interface.mac == mac);
    let describe = || mac.map_or_else(|| "at all".to_owned(), |mac| format!("with address {mac}"));
    let start = Instant::now();
    while !interfaces().iter().any(wanted) {
        let settled = seek::idle_for().is_some_and(|idle| idle > DEVICE_WAIT_MAX);
        if start.elapsed() > if settled { DEVICE_WAIT_MAX } else { DRIVER_WAIT_MAX } {
            return Err(NetworkError::NoInterface(describe()));
        }
        std::thread::sleep(POLL);
    }
    let all = interfaces();
    let mut failed = None;
    for interface in &all {
        if let Err(error) = set_up(interface)
            && wanted(interface)
        {
            failed = Some(error);
        }
    }
    let start = Instant::now();
    loop {
        if let Some(interface) = all.iter().find(|i| wanted(i) && i.carrier()) {
            return Ok(interface.clone());
        }
        if start.elapsed() > LINK_WAIT_MAX {
            return Err(failed.unwrap_or_else(|| NetworkError::NoLink(describe())));
        }
        std::thread::sleep(POLL);
    }
}

/// Sets an interface up; says so when the kernel refuses.
fn set_up(interface: &Interface) -> Result<(), NetworkError> {
    let refused = |error| NetworkError::SetUp(interface.name.clone(), error);
    kernel::interface_up(&interface.name).map_err(refused).inspect_err(|error| say!("{error}"))
}

/// Sets up the interfaces that have appeared since [`bring_up`], whose driver came later or was slow, and waits for their links, for a bounded time.
pub fn bring_up_late() {
    let mut late = interfaces();
    late.retain(|interface| !interface.is_up() && set_up(interface).is_ok());
    let start = Instant::now();
    while !late.iter().all(Interface::carrier) && start.elapsed() < LATE_LINK_WAIT_MAX {
        std::thread::sleep(POLL);
    }
}

/// Gets a lease, or takes the address given, and sets it.
pub fn configure(
    interface: &Interface,
    address: Option<(Ipv4Addr, u8)>,
    vendor_class: &str,
) -> Result<Ipv4Addr, NetworkError> {
    let (address, prefix, router) = match address {
        Some((address, prefix)) => (address, prefix, None),
        None => {
            let lease = dhcp::acquire(&interface.name, interface.mac, vendor_class)?;
            (lease.address, lease.prefix, lease.router)
        }
    };
    let failed = |error| NetworkError::SetUp(interface.name.clone(), error);
    kernel::set_address(&interface.name, address, prefix).map_err(failed)?;
    if let Some(router) = router {
        kernel::add_default_route(router).map_err(failed)?;
    }
    Ok(address)
}
