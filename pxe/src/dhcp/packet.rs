//! Values: a BOOTP/DHCP message (RFC 2131 section 2) as it arrives, and a reply as it leaves.
//!
//! dhcproto reads and writes the bytes. Reading is by its borrowed view, which decodes no option that nobody has asked for;
//! its decoding one stops at the first value that it does not like, and a debug build panics on some (decision 4). Ours are
//! the refusals, the order of a reply's options, and its least length.
//!
//! No reply uses the field `sname`. Requests that keep options in it or in `file` (RFC 2131 section 4.1) are read.

use std::{net::Ipv4Addr, ops::Range};

use dhcproto::v4::{
    DhcpOption, Encodable, EncodeResult, Encoder, Flags, HType, MAGIC, MIN_PACKET_SIZE, Message, Opcode,
    borrowed,
};
use protocol::mac::MacAddr;

use super::option::{OVERLOAD, Options};

/// Largest message that is read; Ethernet carries no larger one without fragments.
pub const MAX_LEN: usize = 1500;

const ETHERNET_LEN: u8 = 6;
/// Where the magic cookie stands, behind the fixed fields.
const COOKIE_AT: usize = 236;
/// Where the fields lie that may hold options.
const SNAME: Range<usize> = 44..108;
const FILE: Range<usize> = 108..COOKIE_AT;
/// Longest name of a boot file. The field has one byte more, which stays zero: it is a C string.
const FILE_LEN_MAX: usize = 127;

/// A message of, or to, an Ethernet client.
#[derive(Debug)]
pub struct Packet<'a> {
    /// The fixed fields: a request or a reply.
    pub fixed: borrowed::Message<'a>,
    /// The client's Ethernet address.
    pub mac: MacAddr,
    /// All options that stand there whole.
    pub options: Options,
}

/// Why bytes are not a message that we can answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPacket {
    /// The fixed part is not there.
    #[error("shorter than a DHCP message")]
    TooShort,
    /// Neither request nor reply.
    #[error("operation {0} is neither request nor reply")]
    Op(u8),
    /// Not Ethernet.
    #[error("hardware type {kind} with {len} bytes of address is not Ethernet")]
    Hardware {
        /// `htype`.
        kind: u8,
        /// `hlen`.
        len: u8,
    },
    /// Plain BOOTP, or something else altogether.
    #[error("the DHCP magic cookie is missing")]
    Cookie,
}

impl<'a> Packet<'a> {
    /// Reads a message.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, InvalidPacket> {
        let fixed = borrowed::Message::new(bytes).map_err(|_| InvalidPacket::TooShort)?;
        match fixed.opcode() {
            Opcode::BootRequest | Opcode::BootReply => {}
            Opcode::Unknown(other) => return Err(InvalidPacket::Op(other)),
        }
        let not_ethernet = InvalidPacket::Hardware { kind: fixed.htype().into(), len: fixed.hlen() };
        // Before `chaddr`, which takes `hlen` at its word.
        if fixed.htype() != HType::Eth || fixed.hlen() != ETHERNET_LEN {
            return Err(not_ethernet);
        }
        let mac = MacAddr(fixed.chaddr().try_into().map_err(|_| not_ethernet)?);
        let rest = bytes.get(COOKIE_AT..).and_then(|rest| rest.strip_prefix(&MAGIC));
        let mut options = Options::parse(rest.ok_or(InvalidPacket::Cookie)?);
        let overload = options.get_array(OVERLOAD).map_or(0, |[fields]| fields);
        for (bit, field) in [(1, FILE), (2, SNAME)] {
            if overload & bit != 0 {
                options.extend(bytes.get(field).unwrap_or_default());
            }
        }
        Ok(Self { fixed, mac, options })
    }
}

/// A reply to an Ethernet client.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Number that joins request and reply.
    pub xid: u32,
    /// The request's flags.
    pub flags: Flags,
    /// The address that the client has and uses.
    pub ciaddr: Ipv4Addr,
    /// The address that it is given.
    pub yiaddr: Ipv4Addr,
    /// The server to fetch the boot file from.
    pub siaddr: Ipv4Addr,
    /// The relay, if there is one.
    pub giaddr: Ipv4Addr,
    /// The client's Ethernet address.
    pub mac: MacAddr,
    /// The boot file. What does not fit into its field is cut off there; put it into option 67 too.
    pub file: String,
    /// All options, in the order in which they are sent. Not the end mark, which is added.
    pub options: Vec<DhcpOption>,
}

impl Reply {
    /// Writes the message. Some boot ROMs drop what is shorter than BOOTP's 300 bytes (RFC 1542 section 2.1), and some look
    /// for the message type first: neither is dhcproto's, which sorts options by their codes.
    pub fn build(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(MIN_PACKET_SIZE);
        self.encode(&mut Encoder::new(&mut out)).expect(
            "a vector takes whatever fits its field, and no option of ours is a list of domain names",
        );
        out.resize(out.len().max(MIN_PACKET_SIZE), 0);
        out
    }

    fn encode(&self, encoder: &mut Encoder<'_>) -> EncodeResult<()> {
        let file = self.file.as_bytes();
        // Without options of its own the message ends behind the cookie.
        let mut fixed =
            Message::new_with_id(self.xid, self.ciaddr, self.yiaddr, self.siaddr, self.giaddr, &self.mac.0);
        fixed
            .set_opcode(Opcode::BootReply)
            .set_flags(self.flags)
            .set_fname(&file[..file.len().min(FILE_LEN_MAX)])
            .encode(encoder)?;
        for option in self.options.iter().chain([&DhcpOption::End]) {
            option.encode(encoder)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use dhcproto::v4::{OptionCode, UnknownOption};
    use proptest::prelude::*;

    use super::*;

    /// A reply with options of all codes and lengths that can be sent: an empty value is not.
    fn reply() -> impl Strategy<Value = Reply> {
        let options =
            proptest::collection::btree_map(1u8..255, proptest::collection::vec(any::<u8>(), 1..600), 0..6);
        let numbers = (any::<u32>(), any::<u16>(), any::<[[u8; 4]; 4]>(), any::<[u8; 6]>());
        (numbers, "[a-z/:.]{0,200}", options).prop_map(|((xid, flags, addresses, mac), file, options)| {
            let [ciaddr, yiaddr, siaddr, giaddr] = addresses.map(Ipv4Addr::from);
            let option = |(code, value): (u8, _)| DhcpOption::Unknown(UnknownOption::new(code.into(), value));
            Reply {
                xid,
                flags: flags.into(),
                ciaddr,
                yiaddr,
                siaddr,
                giaddr,
                mac: MacAddr(mac),
                file,
                // Not in the order of their codes, which is dhcproto's own.
                options: options.into_iter().rev().map(option).collect(),
            }
        })
    }

    #[test]
    fn only_ethernet_clients_dhcp_is_read() {
        let check = |change: &dyn Fn(&mut Vec<u8>), expected: Result<(), InvalidPacket>| {
            let mut bytes = vec![0; COOKIE_AT];
            bytes[..3].copy_from_slice(&[1, 1, 6]);
            bytes.extend(MAGIC);
            bytes.extend([53, 1, 1]);
            change(&mut bytes);
            assert_eq!(Packet::parse(&bytes).map(drop), expected);
        };
        check(&|_| {}, Ok(()));
        check(&|bytes| bytes.truncate(COOKIE_AT + MAGIC.len()), Ok(()));
        check(&|bytes| bytes.truncate(COOKIE_AT + 3), Err(InvalidPacket::TooShort));
        check(&|bytes| bytes.clear(), Err(InvalidPacket::TooShort));
        check(&|bytes| bytes[0] = 2, Ok(()));
        check(&|bytes| bytes[0] = 3, Err(InvalidPacket::Op(3)));
        check(&|bytes| bytes[1] = 6, Err(InvalidPacket::Hardware { kind: 6, len: 6 }));
        // As long as whatever stands behind it, and longer.
        for len in [0, 5, 7, 16, 211, 255] {
            check(&|bytes| bytes[2] = len, Err(InvalidPacket::Hardware { kind: 1, len }));
        }
        check(&|bytes| bytes[COOKIE_AT] = 0, Err(InvalidPacket::Cookie));
        check(&|bytes| bytes.truncate(COOKIE_AT + 6), Ok(()));
    }

    #[test]
    fn options_are_read_from_the_fields_that_hold_some() {
        let check = |overload: u8, expected: [Option<&[u8]>; 2]| {
            let mut bytes = vec![0; COOKIE_AT];
            bytes[..3].copy_from_slice(&[1, 1, 6]);
            bytes[FILE][..4].copy_from_slice(&[53, 1, 1, 255]);
            bytes[SNAME][..4].copy_from_slice(&[60, 1, 65, 255]);
            bytes.extend(MAGIC);
            bytes.extend([52, 1, overload, 255]);
            let packet = Packet::parse(&bytes).unwrap();
            assert_eq!([53, 60].map(|code: u8| packet.options.get(code.into())), expected, "{overload}");
        };
        check(0, [None, None]);
        check(1, [Some(&[1]), None]);
        check(2, [None, Some(b"A")]);
        check(3, [Some(&[1]), Some(b"A")]);
        check(4, [None, None]);
    }

    proptest! {
        #[test]
        fn what_is_built_is_read_back(reply in reply()) {
            let bytes = reply.build();
            prop_assert!(bytes.len() >= MIN_PACKET_SIZE);
            let packet = Packet::parse(&bytes).unwrap();
            let fixed = &packet.fixed;
            prop_assert_eq!((fixed.opcode(), fixed.xid(), fixed.flags()), (Opcode::BootReply, reply.xid, reply.flags));
            prop_assert_eq!([fixed.ciaddr(), fixed.yiaddr(), fixed.siaddr(), fixed.giaddr()],
                [reply.ciaddr, reply.yiaddr, reply.siaddr, reply.giaddr]);
            prop_assert_eq!((packet.mac, fixed.sname()), (reply.mac, &b""[..]));
            prop_assert_eq!(fixed.fname(), &reply.file.as_bytes()[..reply.file.len().min(FILE_LEN_MAX)]);
            for option in &reply.options {
                let DhcpOption::Unknown(option) = option else { unreachable!("see above") };
                prop_assert_eq!(packet.options.get(option.code()), Some(option.data()));
            }
            let first = reply.options.first().map(OptionCode::from);
            prop_assert!(first.is_none_or(|first| bytes[COOKIE_AT + MAGIC.len()] == u8::from(first)), "the order");
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..MAX_LEN)) {
            let _ = Packet::parse(&bytes);
        }

        #[test]
        fn damaged_packets_are_survived(reply in reply(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut bytes = reply.build();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _ = Packet::parse(&bytes);
            let _ = Packet::parse(&bytes[..at]);
        }
    }
}
