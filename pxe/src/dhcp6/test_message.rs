//! Values: messages of clients and relays, for tests.

use std::net::Ipv6Addr;

use protocol::mac::MacAddr;

/// A client's interface, its address made from that, and its machine's DUID-UUID.
pub(crate) const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
pub(crate) const LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0xff, 0xfe00, 1);
pub(crate) const CLIENT_ID: [u8; 18] = [0, 4, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7];

pub(crate) fn message(kind: u8, options: &[(u16, &[u8])]) -> Vec<u8> {
    append(vec![kind, 1, 2, 3], options)
}

/// The value of an IA_NA with these addresses.
pub(crate) fn ia(addresses: &[Ipv6Addr]) -> Vec<u8> {
    let value = |address: &Ipv6Addr| [&address.octets()[..], &[0; 8]].concat();
    addresses.iter().fold(vec![0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0], |ia, one| append(ia, &[(5, &value(one))]))
}

pub(crate) fn relayed(peer: Ipv6Addr, options: &[(u16, &[u8])], inner: &[u8]) -> Vec<u8> {
    let head = [&[12, 0][..], &[0; 16], &peer.octets()].concat();
    append(append(head, options), &[(9, inner)])
}

fn append(mut bytes: Vec<u8>, options: &[(u16, &[u8])]) -> Vec<u8> {
    for (code, value) in options {
        bytes.extend(code.to_be_bytes());
        bytes.extend((value.len() as u16).to_be_bytes());
        bytes.extend(*value);
    }
    bytes
}
