//! Decisions: what answers a ramdisk's DHCP client, which has a codec of its own (decision 4). The agent's judges it.

use dhcproto::v4::OptionCode;
use protocol::mac::MacAddr;
use pxe::dhcp::{
    packet::Packet,
    request::{Ask, Request},
};
use ramdisk::dhcp::{Lease, ServerMessage, build, parse};

/// The answers of the corpus are to this.
const TRANSACTION: u32 = 7;
const MAC: MacAddr = MacAddr([0x52, 0x54, 0, 0, 0, 1]);

/// A lease has an address and a sensible prefix, and both codecs read the same lease and the same request for it.
pub fn run(data: &[u8]) {
    match parse(data, TRANSACTION, MAC) {
        Some(ServerMessage::Offer(lease) | ServerMessage::Ack(lease)) => judge(data, &lease),
        Some(ServerMessage::Nak) | None => {}
    }
}

fn judge(data: &[u8], lease: &Lease) {
    assert!(lease.prefix <= 32 && !lease.address.is_unspecified());
    let request = build(TRANSACTION, MAC, "bms-ramdisk", Some(lease));
    let request = Request::parse(&request).expect("the ramdisk's own bytes are a request");
    let ask = Ask::Request { server: Some(lease.server), address: lease.address };
    assert_eq!((request.ask, request.mac, request.xid), (ask, MAC, TRANSACTION));
    // What the agent's codec refuses besides, the ramdisk need not: it reads the answer to its own question.
    let Ok(reply) = Packet::parse(data) else { return };
    assert_eq!(reply.fixed.yiaddr(), lease.address);
    // Parts that the agent's codec joins are no one value to the ramdisk's.
    if let Some(server) = reply.options.get(OptionCode::ServerIdentifier).filter(|value| value.len() == 4) {
        assert_eq!(server, lease.server.octets());
    }
}
