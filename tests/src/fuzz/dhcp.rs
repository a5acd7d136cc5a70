//! Decisions: what arrives at the DHCP server and at the port of router solicitations.

use pxe::{
    dhcp::{packet::Packet, request::Request},
    ra::message::is_solicitation,
};

/// A packet that is written is read as the same, and what is echoed of a request is short.
pub fn run(data: &[u8]) {
    let _ = is_solicitation(data);
    if let Ok(packet) = Packet::parse(data) {
        let again = Packet::parse(&packet.build()).expect("our own bytes are a packet");
        assert_eq!((again.mac, again.xid, &again.options), (packet.mac, packet.xid, &packet.options));
    }
    if let Ok(request) = Request::parse(data) {
        let mut echo = Vec::new();
        request.echo.build(&mut echo);
        assert!(echo.len() <= 2 * 66 + 1, "the answer would not fit");
        assert!(request.mac.0[0] & 1 == 0);
    }
}
