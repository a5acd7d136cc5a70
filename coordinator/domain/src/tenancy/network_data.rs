//! Decisions: `network_data.json` of the configuration drive: which network is on which of the server's interfaces. Nova builds it
//! empty, because to Nova our servers have no networks.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::Ipv4Net;
use protocol::mac::MacAddr;
use serde_json::{Value, json};
use uuid::Uuid;

/// The mask of a network whose subnet is not known.
const MASK_OTHERWISE: Ipv4Addr = Ipv4Addr::new(255, 255, 255, 0);

/// One network of a tenant's server, on one of its interfaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The interface.
    pub mac: MacAddr,
    /// uuid of the port.
    pub port: Uuid,
    /// uuid of the network.
    pub network: Uuid,
    /// Its address.
    pub address: IpAddr,
    /// The network's subnet, such as `192.0.2.0/24`.
    pub subnet: String,
    /// The network's gateway; empty for none.
    pub gateway: String,
    /// VLAN tag; none: untagged.
    pub vlan: Option<u16>,
}

/// The document. The default route goes over the first network.
pub fn network_data(links: &[Link]) -> Value {
    let (mut physical, mut networks) = (Vec::new(), Vec::new());
    for (index, link) in links.iter().enumerate() {
        let card = format!("interface{index}");
        physical.push(json!({
            "id": card, "type": "phy", "ethernet_mac_address": link.mac.to_string(), "mtu": null,
            "vif_id": link.port,
        }));
        let on = match link.vlan {
            None => card,
            Some(tag) => {
                let id = format!("vlan{index}");
                physical.push(json!({
                    "id": id, "type": "vlan", "vlan_link": card, "vlan_id": tag,
                    "vlan_mac_address": link.mac.to_string(),
                }));
                id
            }
        };
        let subnet = link.subnet.parse::<Ipv4Net>().ok();
        let mask = subnet.map_or(MASK_OTHERWISE, |subnet| subnet.netmask());
        let routes = if index == 0 && !link.gateway.is_empty() {
            json!([{ "network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": link.gateway }])
        } else {
            json!([])
        };
        networks.push(json!({
            "id": format!("network{index}"), "type": "ipv4", "link": on, "network_id": link.network,
            "ip_address": link.address.to_string(), "netmask": mask.to_string(),
            "routes": routes,
        }));
    }
    json!({ "links": physical, "networks": networks, "services": [] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_network_is_on_its_interface_and_the_first_leads_out() {
        let link = |number: u8, vlan| Link {
            mac: MacAddr([0x52, 0x54, 0, 0, 0, number]),
            port: Uuid::from_u128(number.into()),
            network: Uuid::from_u128(0x10 + u128::from(number)),
            address: IpAddr::from([192, 0, number, 50]),
            subnet: format!("192.0.{number}.0/26"),
            gateway: format!("192.0.{number}.1"),
            vlan,
        };
        let data = network_data(&[link(2, None), link(3, Some(100))]);
        assert_eq!(data["links"][0]["ethernet_mac_address"], "52:54:00:00:00:02");
        assert_eq!(data["links"][2]["vlan_id"], 100);
        assert_eq!(data["links"][2]["vlan_link"], data["links"][1]["id"]);
        assert_eq!(data["networks"][0]["link"], data["links"][0]["id"]);
        assert_eq!(data["networks"][1]["link"], data["links"][2]["id"]);
        assert_eq!(data["networks"][0]["netmask"], "255.255.255.192");
        assert_eq!(data["networks"][0]["routes"][0]["gateway"], "192.0.2.1");
        assert_eq!(data["networks"][1]["routes"], json!([]));
    }
}
