//! Values: the IPv4 subnets of the stand-in's networks, for its gateways and its DHCP. Which address whom is given is in `ipam`.

use std::net::Ipv4Addr;

use serde_json::Value;

use super::store::Object;

/// One subnet of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// Network address.
    pub prefix: Ipv4Addr,
    /// Prefix length.
    pub length: u8,
    /// Gateway.
    pub gateway: Option<Ipv4Addr>,
    /// Name servers, as DHCP gives them.
    pub name_servers: Vec<Ipv4Addr>,
}

impl Subnet {
    fn mask(&self) -> u32 {
        u32::MAX.checked_shl(32 - u32::from(self.length)).unwrap_or(0)
    }

    /// The mask as an address.
    pub fn netmask(&self) -> Ipv4Addr {
        Ipv4Addr::from(self.mask())
    }

    /// Whether the address is a host's address in here.
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        let (first, last) = self.hosts();
        (first..=last).contains(&u32::from(address))
    }

    fn hosts(&self) -> (u32, u32) {
        let first = u32::from(self.prefix) & self.mask();
        (first.saturating_add(1), (first | !self.mask()).saturating_sub(1))
    }
}

/// The subnets of a network, in order.
pub fn subnets(network: &Object) -> Vec<Subnet> {
    let entries = network
        .refs_to("network-ipam")
        .filter_map(|ipam| ipam.attr.get("ipam_subnets").and_then(Value::as_array))
        .flatten();
    entries.filter_map(subnet).collect()
}

fn subnet(entry: &Value) -> Option<Subnet> {
    let address = |value: &Value| value.as_str().and_then(|text| text.parse::<Ipv4Addr>().ok());
    Some(Subnet {
        prefix: address(&entry["subnet"]["ip_prefix"])?,
        length: u8::try_from(entry["subnet"]["ip_prefix_len"].as_u64()?)
            .ok()
            .filter(|length| *length <= 30)?,
        gateway: address(&entry["default_gateway"]),
        name_servers: entry["dns_nameservers"].as_array().into_iter().flatten().filter_map(address).collect(),
    })
}
