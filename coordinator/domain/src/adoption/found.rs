//! Values: an interface as Contrail has it, whoever made it.

use std::net::IpAddr;

use protocol::{mac::MacAddr, network::BootNetwork};
use uuid::Uuid;

use crate::rim::SwitchPort;

/// A virtual-machine-interface with its addresses and the switch ports to which it is attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundInterface {
    /// Its uuid.
    pub id: Uuid,
    /// What people call it.
    pub name: String,
    /// Keystone project that owns it, without dashes; none: not said.
    pub project_id: Option<String>,
    /// Its network, when it is on exactly one.
    pub network: Option<Uuid>,
    /// That network's name, or what it is on instead.
    pub network_name: String,
    /// Its MAC addresses.
    pub macs: Vec<MacAddr>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// VLAN tag of its frames; none: untagged.
    pub vlan: Option<u16>,
    /// Its security groups.
    pub security_groups: Vec<Uuid>,
    /// Switch ports to which it is attached: switch and port, by name.
    pub switch_ports: Vec<(String, String)>,
    /// The isolated network of ours that it is on.
    pub isolated: Option<BootNetwork>,
    /// Whether it says that it is a physical server's.
    pub bare_metal: bool,
}

impl FoundInterface {
    /// Whether it is attached to this switch port. Contrail forbids `:` in names and writes `_` instead.
    pub fn is_on(&self, link: &SwitchPort) -> bool {
        let port = link.port.replace(':', "_");
        self.switch_ports.iter().any(|(switch, name)| *switch == link.switch && *name == port)
    }

    /// Its addresses, for a person.
    pub fn addresses_text(&self) -> String {
        match self.addresses.as_slice() {
            [] => "no address".to_owned(),
            some => some.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        }
    }
}

impl std::fmt::Display for FoundInterface {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "interface {} ({}) of network {}", self.name, self.id, self.network_name)
    }
}
