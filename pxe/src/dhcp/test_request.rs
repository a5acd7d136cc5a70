//! Values: clients' messages for the tests, written by dhcproto alone.

use std::net::Ipv4Addr;

use dhcproto::v4::{DhcpOption, Encodable, Message, UnknownOption};
use protocol::mac::MacAddr;

/// A request of this interface. Its options are bytes, for some shall be wrong; none may be empty.
pub(crate) fn request(mac: MacAddr, options: &[(u8, &[u8])]) -> Message {
    let none = Ipv4Addr::UNSPECIFIED;
    let mut message = Message::new_with_id(0x1234_5678, none, none, none, none, &mac.0);
    for (code, value) in options {
        let option = UnknownOption::new((*code).into(), value.to_vec());
        message.opts_mut().insert(DhcpOption::Unknown(option));
    }
    message
}

/// Its bytes.
pub(crate) fn bytes(message: &Message) -> Vec<u8> {
    message.to_vec().unwrap()
}
