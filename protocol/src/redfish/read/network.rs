//! Values: network interfaces, ports of network adapters, and what their neighbours say of themselves by LLDP.

use serde::Serialize;

use super::{Status, hardware::name};
use crate::{mac::MacAddr, redfish::node::Node};

/// A network interface of the system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Interface {
    /// Name.
    pub name: String,
    /// Its MAC address: the one it was made with, where that is told.
    pub mac: Option<MacAddr>,
    /// Speed, in Mbit/s.
    pub mbps: Option<u64>,
    /// `LinkUp`, `LinkDown`, `NoLink`.
    pub link: Option<String>,
    /// IP addresses.
    pub addresses: Vec<String>,
    /// How it is.
    pub status: Status,
}

impl From<Node<'_>> for Interface {
    fn from(node: Node<'_>) -> Self {
        let addresses = ["IPv4Addresses", "IPv6Addresses"].iter().flat_map(|list| node.list(list));
        Self {
            name: name(node, &["Name", "Id"]),
            mac: mac(node, "PermanentMACAddress").or_else(|| mac(node, "MACAddress")),
            mbps: node.count("SpeedMbps"),
            link: node.text("LinkStatus"),
            addresses: addresses.filter_map(|address| address.text("Address")).collect(),
            status: node.status(),
        }
    }
}

/// A port of a network adapter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Port {
    /// The adapter that it is at.
    pub adapter: String,
    /// Its name.
    pub name: String,
    /// Its first MAC address.
    pub mac: Option<MacAddr>,
    /// Speed, in Mbit/s.
    pub mbps: Option<u64>,
    /// `LinkUp`, `LinkDown`, …
    pub link: Option<String>,
    /// Who is at the other end, as that says by LLDP.
    pub neighbour: Option<Neighbour>,
    /// How it is.
    pub status: Status,
}

impl Port {
    /// Of a `Port`, or of an older `NetworkPort`.
    pub fn of(adapter: &str, node: Node<'_>) -> Self {
        let ethernet = node.at("Ethernet");
        let of_list = |list: Vec<String>| list.iter().find_map(|text| text.parse().ok());
        let gbps = node.number("CurrentSpeedGbps").map(|gbps| (gbps * 1000.0).round() as u64);
        Self {
            adapter: adapter.to_owned(),
            name: name(node, &["PortId", "PhysicalPortNumber", "Name", "Id"]),
            mac: of_list(ethernet.words("AssociatedMACAddresses"))
                .or_else(|| of_list(node.words("AssociatedNetworkAddresses"))),
            mbps: gbps.or_else(|| node.count("CurrentLinkSpeedMbps")),
            link: node.text("LinkStatus"),
            neighbour: Neighbour::of(ethernet.at("LLDPReceive")),
            status: node.status(),
        }
    }
}

/// A neighbour, as LLDP (IEEE 802.1AB) tells of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Neighbour {
    /// Its chassis id.
    pub chassis: Option<String>,
    /// Its port id.
    pub port: Option<String>,
    /// Its name.
    pub system: Option<String>,
    /// The VLAN of its management.
    pub vlan: Option<u64>,
}

impl Neighbour {
    fn of(node: Node<'_>) -> Option<Self> {
        let neighbour = Self {
            chassis: node.text("ChassisId"),
            port: node.text("PortId"),
            system: node.text("SystemName"),
            vlan: node.count("ManagementVlanId").filter(|vlan| (1..4095).contains(vlan)),
        };
        (neighbour.chassis.is_some() || neighbour.port.is_some() || neighbour.system.is_some())
            .then_some(neighbour)
    }

    /// In words.
    pub fn words(&self) -> String {
        let who = self.system.as_ref().or(self.chassis.as_ref());
        [who, self.port.as_ref()].into_iter().flatten().cloned().collect::<Vec<_>>().join(" ")
    }
}

fn mac(node: Node<'_>, name: &str) -> Option<MacAddr> {
    node.text(name)?.parse().ok()
}
