//! Values: network interfaces, ports of network adapters, and what their neighbours say of themselves by LLDP.

use serde::Serialize;

use super::{Status, hardware::name};
use crate::{hex, mac::MacAddr, redfish::node::Node};

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
            chassis: told(node, "ChassisId"),
            port: told(node, "PortId"),
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

/// An id as people write it. Redfish has a port's as octets in hexadecimal with colons (schema Port, LLDPReceive), whatever they are:
/// a name is in there letter by letter. Some services give the name itself.
fn told(node: Node<'_>, name: &str) -> Option<String> {
    let text = node.text(name)?;
    let subtype = node.text(&format!("{name}Subtype"));
    let octets: Option<Vec<u8>> = text.split(':').map(octet).collect();
    let letters = octets.filter(|octets| match subtype.as_deref() {
        Some("MacAddr" | "NetworkAddr") => false,
        Some(_) => true,
        // Six of them are rather an address.
        None => octets.len() != MAC_OCTETS,
    });
    let named = letters.and_then(|letters| String::from_utf8(letters).ok());
    Some(named.filter(|named| named.chars().all(|letter| matches!(letter, ' '..='~'))).unwrap_or(text))
}

/// Octets of a MAC address.
const MAC_OCTETS: usize = 6;

fn octet(text: &str) -> Option<u8> {
    hex::decode_array::<1>(text).map(|[octet]| octet)
}

fn mac(node: Node<'_>, name: &str) -> Option<MacAddr> {
    node.text(name)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_neighbours_port_is_told_as_people_write_it() {
        let check = |id: &str, subtype: Option<&str>, expected: &str| {
            let mut shown = json!({ "PortId": id });
            if let Some(subtype) = subtype {
                shown["PortIdSubtype"] = json!(subtype);
            }
            let port = Neighbour::of(Node::of(&shown)).unwrap().port.unwrap();
            assert_eq!(port, expected, "{id} {subtype:?}");
        };
        check("45:74:68:65:72:6E:65:74:31:2F:37", Some("IfName"), "Ethernet1/7");
        check("45:74:68:65:72:6E:65:74:31:2F:37", None, "Ethernet1/7");
        check("Ethernet1/7", Some("IfName"), "Ethernet1/7");
        check("37", Some("LocalAssign"), "7");
        check("41:42:43:44:45:46", Some("MacAddr"), "41:42:43:44:45:46");
        check("41:42:43:44:45:46", None, "41:42:43:44:45:46");
        check("41:42:43:44:45:46", Some("IfAlias"), "ABCDEF");
        check("78:65:2D:30:2F:30:FF", Some("IfName"), "78:65:2D:30:2F:30:FF");
        check("+1:+2", Some("IfName"), "+1:+2");
        check("xe-0/0/0:1", None, "xe-0/0/0:1");
    }
}
