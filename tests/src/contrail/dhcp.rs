//! Decisions: DHCP on a tenant's network, in the part of Contrail's service nodes: an address for a MAC address whose
//! interface has an instance-ip there, and for nobody else.

use std::net::Ipv4Addr;

use protocol::mac::MacAddr;
use pxe::dhcp::{
    option::{self, Options},
    packet::{Op, Packet},
};
use uuid::Uuid;

use super::{
    address::{Subnet, subnets},
    store::{Object, Store},
    switch::network_of_interface,
};

/// Lease time in seconds, as Contrail gives it: for good.
pub const LEASE_SECONDS: u32 = u32::MAX;

/// RFC 2132 section 3.5.
const ROUTERS: u8 = 3;
/// RFC 2132 section 3.8.
const NAME_SERVERS: u8 = 6;

/// RFC 2132 section 9.6.
const DISCOVER: u8 = 1;
const OFFER: u8 = 2;
const REQUEST: u8 = 3;
const ACK: u8 = 5;
const NAK: u8 = 6;

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
pub fn answer(store: &Store, network: Uuid, request: &Packet) -> Option<Packet> {
    let (address, subnet) = address_of(store, network, request.mac)?;
    let gateway = subnet.gateway?;
    let asked = request.options.get_array::<4>(option::REQUESTED_ADDRESS).map(Ipv4Addr::from);
    let asked = asked.or((!request.ciaddr.is_unspecified()).then_some(request.ciaddr));
    let kind = match request.options.get_array::<1>(option::MESSAGE_TYPE)? {
        [DISCOVER] => OFFER,
        [REQUEST] if asked.is_none_or(|asked| asked == address) => ACK,
        [REQUEST] => NAK,
        _ => return None,
    };
    let mut options = Options::default();
    options.append(option::MESSAGE_TYPE, &[kind]);
    options.append(option::SERVER_IDENTIFIER, &gateway.octets());
    if kind != NAK {
        options.append(option::LEASE_TIME, &LEASE_SECONDS.to_be_bytes());
        options.append(option::SUBNET_MASK, &subnet.netmask().octets());
        options.append(ROUTERS, &gateway.octets());
        let servers: Vec<u8> = subnet.name_servers.iter().flat_map(|it| it.octets()).collect();
        if !servers.is_empty() {
            options.append(NAME_SERVERS, &servers);
        }
    }
    let given = if kind == NAK { Ipv4Addr::UNSPECIFIED } else { address };
    Some(Packet {
        op: Op::Reply,
        xid: request.xid,
        secs: 0,
        flags: request.flags,
        ciaddr: Ipv4Addr::UNSPECIFIED,
        yiaddr: given,
        siaddr: Ipv4Addr::UNSPECIFIED,
        giaddr: request.giaddr,
        mac: request.mac,
        file: Vec::new(),
        options,
    })
}
