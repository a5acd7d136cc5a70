//! Decisions: DHCP on a tenant's network, in the part of Contrail's service nodes: an address for a MAC address whose
//! interface has an instance-ip there, and for nobody else.

use std::net::Ipv4Addr;

use dhcproto::v4::{DhcpOption, MessageType, OptionCode};
use protocol::mac::MacAddr;
use pxe::dhcp::packet::{Packet, Reply};
use uuid::Uuid;

use super::{
    address::{Subnet, subnets},
    store::{Object, Store},
    switch::network_of_interface,
};

/// Lease time in seconds, as Contrail gives it: for good.
pub const LEASE_SECONDS: u32 = u32::MAX;

/// The address that Contrail's IPAM holds for a MAC address on a network.
pub fn address_of(store: &Store, network: Uuid, mac: MacAddr) -> Option<(Ipv4Addr, Subnet)> {
    let interface = store.of_kind("virtual-machine-interface").find(|interface| {
        has_mac(interface, mac) && network_of_interface(store, interface).is_some_and(|it| it.id == network)
    })?;
    let instance_ip = store
        .back_refs(interface.id)
        .find(|other| other.kind == "instance-ip" && other.refers_to(network))?;
    let address: Ipv4Addr = instance_ip.properties.get("instance_ip_address")?.as_str()?.parse().ok()?;
    let subnet = subnets(store.get(network)?).into_iter().find(|subnet| subnet.contains(address))?;
    Some((address, subnet))
}

fn has_mac(interface: &Object, mac: MacAddr) -> bool {
    let list = interface.properties.get("virtual_machine_interface_mac_addresses");
    let list = list.and_then(|it| it["mac_address"].as_array());
    list.into_iter().flatten().any(|text| text.as_str().and_then(|text| text.parse().ok()) == Some(mac))
}

/// What to answer to a request heard on this network; none: silence.
pub fn answer(store: &Store, network: Uuid, request: &Packet<'_>) -> Option<Reply> {
    let Packet { fixed, mac, options } = request;
    let (address, subnet) = address_of(store, network, *mac)?;
    let gateway = subnet.gateway?;
    let asked = options.get_array::<4>(OptionCode::RequestedIpAddress).map(Ipv4Addr::from);
    let asked = asked.or((!fixed.ciaddr().is_unspecified()).then_some(fixed.ciaddr()));
    let [kind] = options.get_array(OptionCode::MessageType)?;
    let kind = match MessageType::from(kind) {
        MessageType::Discover => MessageType::Offer,
        MessageType::Request if asked.is_none_or(|asked| asked == address) => MessageType::Ack,
        MessageType::Request => MessageType::Nak,
        _ => return None,
    };
    let mut options = vec![DhcpOption::MessageType(kind), DhcpOption::ServerIdentifier(gateway)];
    if kind != MessageType::Nak {
        options.push(DhcpOption::AddressLeaseTime(LEASE_SECONDS));
        options.push(DhcpOption::SubnetMask(subnet.netmask()));
        options.push(DhcpOption::Router(vec![gateway]));
        if !subnet.name_servers.is_empty() {
            options.push(DhcpOption::DomainNameServer(subnet.name_servers));
        }
    }
    Some(Reply {
        xid: fixed.xid(),
        flags: fixed.flags(),
        ciaddr: Ipv4Addr::UNSPECIFIED,
        yiaddr: if kind == MessageType::Nak { Ipv4Addr::UNSPECIFIED } else { address },
        siaddr: Ipv4Addr::UNSPECIFIED,
        giaddr: fixed.giaddr(),
        mac: *mac,
        file: String::new(),
        options,
    })
}
