//! Decisions: the few DHCP messages that a client without history sends and reads (RFC 2131, RFC 2132).

use std::net::Ipv4Addr;

use protocol::mac::MacAddr;

const MAGIC: [u8; 4] = [99, 130, 83, 99];
/// Fixed part of a message, before the magic cookie.
const FIXED_BYTES: usize = 236;
/// Smallest message that every relay passes on (RFC 951).
const MESSAGE_BYTES_MIN: usize = 300;

const BOOTREQUEST: u8 = 1;
const BOOTREPLY: u8 = 2;
const ETHERNET: u8 = 1;
const BROADCAST_FLAG: u8 = 0x80;

const OPTION_PAD: u8 = 0;
const OPTION_MASK: u8 = 1;
const OPTION_ROUTER: u8 = 3;
const OPTION_REQUESTED: u8 = 50;
const OPTION_TYPE: u8 = 53;
const OPTION_SERVER: u8 = 54;
const OPTION_PARAMETERS: u8 = 55;
const OPTION_VENDOR_CLASS: u8 = 60;
const OPTION_END: u8 = 255;

const DISCOVER: u8 = 1;
const OFFER: u8 = 2;
const REQUEST: u8 = 3;
const ACK: u8 = 5;
const NAK: u8 = 6;

/// An address and what belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The address.
    pub address: Ipv4Addr,
    /// Length of its network's prefix.
    pub prefix: u8,
    /// The router, when there is one.
    pub router: Option<Ipv4Addr>,
    /// The server that gave it.
    pub server: Ipv4Addr,
}

/// What a server says to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerMessage {
    /// It offers a lease.
    Offer(Lease),
    /// The lease is ours.
    Ack(Lease),
    /// The lease is not ours.
    Nak,
}

/// DHCPDISCOVER, or DHCPREQUEST for an offer.
pub fn build(transaction: u32, mac: MacAddr, vendor_class: &str, offer: Option<&Lease>) -> Vec<u8> {
    let mut message = vec![0; FIXED_BYTES];
    message[..4].copy_from_slice(&[BOOTREQUEST, ETHERNET, 6, 0]);
    message[4..8].copy_from_slice(&transaction.to_be_bytes());
    // Answers must come as broadcasts: we have no address at which IP would take a unicast (RFC 2131, 4.1).
    message[10] = BROADCAST_FLAG;
    message[28..34].copy_from_slice(&mac.0);
    message.extend(MAGIC);
    let mut option = |code: u8, value: &[u8]| {
        message.push(code);
        message.push(value.len() as u8);
        message.extend_from_slice(value);
    };
    match offer {
        None => option(OPTION_TYPE, &[DISCOVER]),
        Some(lease) => {
            option(OPTION_TYPE, &[REQUEST]);
            option(OPTION_REQUESTED, &lease.address.octets());
            option(OPTION_SERVER, &lease.server.octets());
        }
    }
    option(OPTION_PARAMETERS, &[OPTION_MASK, OPTION_ROUTER]);
    option(OPTION_VENDOR_CLASS, &vendor_class.as_bytes()[..vendor_class.len().min(64)]);
    message.push(OPTION_END);
    message.resize(message.len().max(MESSAGE_BYTES_MIN), OPTION_PAD);
    message
}

/// Reads an answer to our transaction; none when it is anything else.
pub fn parse(message: &[u8], transaction: u32, mac: MacAddr) -> Option<ServerMessage> {
    let fixed = message.get(..FIXED_BYTES)?;
    let ours = fixed[0] == BOOTREPLY && fixed[4..8] == transaction.to_be_bytes() && fixed[28..34] == mac.0;
    let mut options = message.get(FIXED_BYTES..)?.strip_prefix(&MAGIC)?;
    if !ours {
        return None;
    }
    let (mut kind, mut mask, mut router, mut server) = (None, None, None, None);
    loop {
        match options {
            [] | [OPTION_END, ..] => break,
            [OPTION_PAD, rest @ ..] => options = rest,
            [code, length, rest @ ..] => {
                let (value, rest) = rest.split_at_checked(usize::from(*length))?;
                // What comes twice is meant as it came first.
                match *code {
                    OPTION_TYPE => kind = kind.or(value.first().copied()),
                    OPTION_MASK => mask = mask.or(address(value)),
                    OPTION_ROUTER => router = router.or(address(value)),
                    OPTION_SERVER => server = server.or(address(value)),
                    _ => {}
                }
                options = rest;
            }
            [_] => return None,
        }
    }
    if kind == Some(NAK) {
        return Some(ServerMessage::Nak);
    }
    let mask = u32::from(mask.unwrap_or(Ipv4Addr::new(255, 255, 255, 0)));
    let lease = Lease {
        address: address(&fixed[16..20]).filter(|a| !a.is_unspecified() && !a.is_broadcast())?,
        prefix: mask.leading_ones() as u8,
        router,
        server: server?,
    };
    match kind {
        Some(OFFER) => Some(ServerMessage::Offer(lease)),
        Some(ACK) => Some(ServerMessage::Ack(lease)),
        _ => None,
    }
}

fn address(bytes: &[u8]) -> Option<Ipv4Addr> {
    let bytes: [u8; 4] = bytes.get(..4)?.try_into().ok()?;
    Some(bytes.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAC: MacAddr = MacAddr([0x52, 0x54, 0, 0, 0, 1]);

    fn reply(kind: u8, options: &[u8]) -> Vec<u8> {
        let mut message = build(7, MAC, "x", None);
        message.truncate(FIXED_BYTES + 4);
        message[0] = BOOTREPLY;
        message[16..20].copy_from_slice(&[198, 18, 1, 9]);
        message.extend([OPTION_TYPE, 1, kind]);
        message.extend_from_slice(options);
        message
    }

    #[test]
    fn answers() {
        let lease = Lease {
            address: Ipv4Addr::new(198, 18, 1, 9),
            prefix: 20,
            router: None,
            server: Ipv4Addr::new(198, 18, 1, 1),
        };
        let server =
            [OPTION_SERVER, 4, 198, 18, 1, 1, OPTION_PAD, OPTION_MASK, 4, 255, 255, 240, 0, OPTION_END];
        let check = |message: Vec<u8>, expected| assert_eq!(parse(&message, 7, MAC), expected);
        check(reply(OFFER, &server), Some(ServerMessage::Offer(lease)));
        check(reply(ACK, &server), Some(ServerMessage::Ack(lease)));
        check(reply(NAK, &server), Some(ServerMessage::Nak));
        let twice =
            [&server[..6], &[OPTION_SERVER, 4, 198, 18, 1, 5, OPTION_TYPE, 1, NAK], &server[6..]].concat();
        check(reply(OFFER, &twice), Some(ServerMessage::Offer(lease)));
        check(reply(OFFER, &[]), None);
        check(reply(OFFER, &[OPTION_SERVER, 9, 1]), None);
        check(reply(DISCOVER, &server), None);
        assert_eq!(parse(&reply(ACK, &server), 8, MAC), None);
        assert_eq!(parse(&reply(ACK, &server), 7, MacAddr([0; 6])), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(options in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = parse(&reply(OFFER, &options), 7, MAC);
            let _ = parse(&options, 7, MAC);
        }
    }
}
