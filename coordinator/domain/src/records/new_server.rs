//! Values: a server to be enrolled, with its cables.

use std::collections::BTreeMap;

use protocol::{boot::BootMode, id::RackId, mac::MacAddr, spec::BmcEndpoint};

use super::server::Port;
use crate::rim::SwitchPort;

/// A server to be enrolled: what an import file or the API gives, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewServer {
    /// Its name, unique.
    pub name: String,
    /// Its rack.
    pub rack: RackId,
    /// How its rack's agent reaches its BMC.
    pub bmc: BmcEndpoint,
    /// Its interfaces; the first one that boots from the network carries the tenant's address.
    pub ports: Vec<NewPort>,
    /// Firmware mode.
    pub boot_mode: BootMode,
    /// Ironic's `resource_class`, such as `gold`: flavors ask for it.
    pub resource_class: String,
    /// Ironic's `properties`, such as `cpu_arch`.
    pub properties: BTreeMap<String, String>,
}

/// An interface of a server as it is asked for: its cable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPort {
    /// Its name, such as `eth0`.
    pub name: String,
    /// Its address.
    pub mac: MacAddr,
    /// Where it is plugged in.
    pub link: SwitchPort,
    /// Whether it may boot from the network.
    pub pxe_enabled: bool,
}

impl From<&Port> for NewPort {
    fn from(port: &Port) -> Self {
        let Port { name, mac, link, pxe_enabled, .. } = port.clone();
        Self { name, mac, link, pxe_enabled }
    }
}
