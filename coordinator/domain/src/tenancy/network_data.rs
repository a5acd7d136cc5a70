//! Decisions: `network_data.json` of the configuration drive: which network is on which of the server's interfaces. Nova builds it
//! empty, because to Nova our servers have no networks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use protocol::mac::MacAddr;
use serde_json::{Value, json};
use uuid::Uuid;

/// The masks of a network whose subnet is not known.
const MASK_OTHERWISE: Ipv4Addr = Ipv4Addr::new(255, 255, 255, 0);
const MASK_OTHERWISE_6: Ipv6Addr = Ipv6Addr::new(0xffff, 0xffff, 0xffff, 0xffff, 0, 0, 0, 0);

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
    /// The network's name servers.
    pub name_servers: Vec<IpAddr>,
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
        let (kind, everywhere, otherwise) = match link.address {
            IpAddr::V4(_) => ("ipv4", "0.0.0.0", IpAddr::V4(MASK_OTHERWISE)),
            IpAddr::V6(_) => ("ipv6", "::", IpAddr::V6(MASK_OTHERWISE_6)),
        };
        let of_its_kind = |subnet: &IpNet| subnet.addr().is_ipv4() == link.address.is_ipv4();
        let subnet = link.subnet.parse::<IpNet>().ok().filter(of_its_kind);
        let mask = subnet.map_or(otherwise, |subnet| subnet.netmask());
        let routes = if index == 0 && !link.gateway.is_empty() {
            json!([{ "network": everywhere, "netmask": everywhere, "gateway": link.gateway }])
        } else {
            json!([])
        };
        networks.push(json!({
            "id": format!("network{index}"), "type": kind, "link": on, "network_id": link.network,
            "ip_address": link.address.to_string(), "netmask": mask.to_string(),
            "routes": routes,
        }));
    }
    let mut servers: Vec<IpAddr> = Vec::new();
    for server in links.iter().flat_map(|link| &link.name_servers) {
        if !servers.contains(server) {
            servers.push(*server);
        }
    }
    let service = |server: IpAddr| json!({ "type": "dns", "address": server.to_string() });
    let services: Vec<Value> = servers.into_iter().map(service).collect();
    json!({ "links": physical, "networks": networks, "services": services })
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
            name_servers: vec![IpAddr::from([192, 0, 2, 53]), IpAddr::from([192, 0, number, 54])],
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
        assert_eq!(data["networks"][1]["type"], "ipv4");
        let addresses: Vec<_> =
            data["services"].as_array().unwrap().iter().map(|dns| &dns["address"]).collect();
        assert_eq!(addresses, ["192.0.2.53", "192.0.2.54", "192.0.3.54"]);
        assert_eq!(data["services"][0]["type"], "dns");
        let six = Link {
            address: "2001:db8::50".parse().unwrap(),
            subnet: "2001:db8::/60".to_owned(),
            gateway: "2001:db8::1".to_owned(),
            ..link(4, None)
        };
        let data = network_data(&[six.clone(), Link { subnet: "192.0.2.0/24".to_owned(), ..six }]);
        assert_eq!(data["networks"][0]["type"], "ipv6");
        assert_eq!(data["networks"][0]["netmask"], "ffff:ffff:ffff:fff0::");
        let out = json!([{ "network": "::", "netmask": "::", "gateway": "2001:db8::1" }]);
        assert_eq!(data["networks"][0]["routes"], out);
        assert_eq!(data["networks"][1]["netmask"], "ffff:ffff:ffff:ffff::");
    }
}
