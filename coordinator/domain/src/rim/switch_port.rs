//! Values: where a server's interface is plugged in, where it is to be, and where Contrail shows it.

use protocol::{id::ServerId, mac::MacAddr, network::BootNetwork};
use uuid::Uuid;

/// Where a server's interface is plugged in, in Contrail's words.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct SwitchPort {
    /// Name of the physical-router (`switch_info`).
    pub switch: String,
    /// Name of the physical-interface as the switch calls it (`port_id`), such as `xe-0/0/0`.
    pub port: String,
    /// Chassis MAC of the switch (`switch_id`), when known.
    pub switch_id: Option<String>,
    /// Name of the fabric; none: Contrail's `default-fabric`.
    pub fabric: Option<String>,
}

impl std::fmt::Display for SwitchPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.switch, self.port)
    }
}

impl SwitchPort {
    /// The name by which Contrail tells switch ports apart: letter by letter, with `_` for the `:` of a channelised port.
    pub fn key(&self) -> String {
        format!("{}:{}", self.switch, self.port.replace(':', "_"))
    }
}

/// One interface of a server, with its switch port, and what the inventory knows of the server beside it: whatever else is found
/// there is somebody else's.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct ServerPort {
    /// Whose.
    pub server: ServerId,
    /// The interface's name in the inventory, such as `eth0`.
    pub name: String,
    /// Its address.
    pub mac: MacAddr,
    /// Where it is plugged in.
    pub link: SwitchPort,
    /// The server's other interfaces: they may be in a bond with this one.
    pub siblings: Vec<Sibling>,
    /// Interfaces (virtual-machine-interface) of the server's tenant: what may be taken off the port beside what we made.
    pub tenant: Vec<Uuid>,
}

/// Another interface of the same server.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Sibling {
    /// Its name in the inventory.
    pub name: String,
    /// Where it is plugged in.
    pub link: SwitchPort,
    /// Whether it is this one that carries the networks when both are in one port group.
    pub leads: bool,
}

impl ServerPort {
    /// A port of a server of which nothing else is known.
    pub fn alone(server: ServerId, name: impl Into<String>, mac: MacAddr, link: SwitchPort) -> Self {
        Self { server, name: name.into(), mac, link, siblings: Vec::new(), tenant: Vec::new() }
    }
}

/// The network on which a port *should* be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WantedNetwork {
    /// One of the two isolated networks.
    Boot(BootNetwork),
    /// The network of this tenant port (virtual-machine-interface).
    Tenant(Uuid),
    /// None at all: unplugged, as far as Contrail can unplug it.
    Nothing,
}

/// The network on which a port *was seen*, read back from Contrail.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObservedNetwork {
    /// On no network.
    Nothing,
    /// On one of the two isolated networks.
    Boot(BootNetwork),
    /// On the network of this tenant port.
    Tenant(Uuid),
    /// In a bond that another port of the server carries: it is where that one is.
    Bond {
        /// The other port's name.
        with: String,
    },
    /// On something we did not make.
    Other {
        /// What, for a person: name and uuid of the virtual-machine-interface and its network.
        description: String,
    },
}

impl ObservedNetwork {
    /// Whether this is the proof that the gate asks for.
    pub fn is(&self, wanted: &WantedNetwork) -> bool {
        match (self, wanted) {
            (ObservedNetwork::Boot(seen), WantedNetwork::Boot(network)) => seen == network,
            (ObservedNetwork::Tenant(seen), WantedNetwork::Tenant(port)) => seen == port,
            (ObservedNetwork::Nothing, WantedNetwork::Nothing) => true,
            // The port that carries the bond is proved by itself; a tenant's network of its own would not be there.
            (ObservedNetwork::Bond { .. }, WantedNetwork::Boot(_) | WantedNetwork::Nothing) => true,
            (ObservedNetwork::Bond { .. }, WantedNetwork::Tenant(_)) => false,
            (ObservedNetwork::Other { .. }, _) => false,
            (ObservedNetwork::Nothing | ObservedNetwork::Boot(_) | ObservedNetwork::Tenant(_), _) => false,
        }
    }
}

/// A network in words.
pub fn describe_wanted(wanted: &WantedNetwork) -> String {
    match wanted {
        WantedNetwork::Boot(network) => format!("the {} network", network.as_str()),
        WantedNetwork::Tenant(port) => format!("the tenant's network (port {port})"),
        WantedNetwork::Nothing => "no network".to_owned(),
    }
}

/// Where a port was seen, in words.
pub fn describe_observed(observed: &ObservedNetwork) -> String {
    match observed {
        ObservedNetwork::Nothing => describe_wanted(&WantedNetwork::Nothing),
        ObservedNetwork::Boot(network) => describe_wanted(&WantedNetwork::Boot(*network)),
        ObservedNetwork::Tenant(port) => describe_wanted(&WantedNetwork::Tenant(*port)),
        ObservedNetwork::Bond { with } => {
            format!("the network that {with} is on, because both are in one bond")
        }
        ObservedNetwork::Other { description } => description.clone(),
    }
}
