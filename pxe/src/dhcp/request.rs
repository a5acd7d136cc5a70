//! Values: a client's DHCP message, checked.

use std::net::Ipv4Addr;

use protocol::mac::MacAddr;

use super::{
    option::{self, Options},
    packet::{InvalidPacket, Op, Packet},
};
use crate::firmware::{Description, Firmware};

/// What a client asks (RFC 2131 section 3.1, table 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// DHCPDISCOVER: is there a server?
    Discover,
    /// DHCPREQUEST: may I have, or keep, this address?
    Request {
        /// The server whose offer is taken; none while an address is being confirmed or renewed.
        server: Option<Ipv4Addr>,
        /// The address.
        address: Ipv4Addr,
    },
    /// DHCPDECLINE: somebody else uses the address that you gave me.
    Decline {
        /// That address.
        address: Ipv4Addr,
    },
}

/// A message that deserves a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What is asked.
    pub ask: Ask,
    /// Who asks.
    pub mac: MacAddr,
    /// Number that joins request and reply.
    pub xid: u32,
    /// Flags, to be repeated.
    pub flags: u16,
    /// The address that the client uses already; unspecified if none.
    pub ciaddr: Ipv4Addr,
    /// The relay; unspecified if none.
    pub giaddr: Ipv4Addr,
    /// Which firmware asks.
    pub firmware: Firmware,
    /// Options 61 and 97, which the client wants to see again (RFC 6842, RFC 4578 section 2.3).
    pub echo: Options,
    /// Whether it listed option 67, the boot file's name, or 66, the server's.
    pub wants_names: bool,
}

/// Why a message is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRequest {
    /// It cannot be read.
    #[error(transparent)]
    Packet(#[from] InvalidPacket),
    /// A server's message.
    #[error("it is a reply")]
    Reply,
    /// No interface has such an address.
    #[error("its hardware address is zero or a group address")]
    Hardware,
    /// The message type is missing, or one that we need not answer.
    #[error("message type {0:?} is not answered here")]
    Type(Option<u8>),
    /// It names no address.
    #[error("it names no address")]
    NoAddress,
}

const DISCOVER: u8 = 1;
const REQUEST: u8 = 3;
const DECLINE: u8 = 4;

impl Request {
    /// Reads and checks a message.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidRequest> {
        let packet = Packet::parse(bytes)?;
        if packet.op == Op::Reply {
            return Err(InvalidRequest::Reply);
        }
        let mac = packet.mac;
        if mac.0[0] & 1 == 1 || mac.0 == [0; 6] {
            return Err(InvalidRequest::Hardware);
        }
        let options = &packet.options;
        let requested = options.get_array::<4>(option::REQUESTED_ADDRESS).map(Ipv4Addr::from);
        let ask = match options.get_array::<1>(option::MESSAGE_TYPE) {
            Some([DISCOVER]) => Ask::Discover,
            Some([REQUEST]) => Ask::Request {
                server: options.get_array::<4>(option::SERVER_IDENTIFIER).map(Ipv4Addr::from),
                address: requested
                    .or_else(|| Some(packet.ciaddr).filter(|address| !address.is_unspecified()))
                    .ok_or(InvalidRequest::NoAddress)?,
            },
            Some([DECLINE]) => Ask::Decline { address: requested.ok_or(InvalidRequest::NoAddress)? },
            Some([other]) => return Err(InvalidRequest::Type(Some(other))),
            None => return Err(InvalidRequest::Type(None)),
        };
        let firmware = Firmware::recognise(Description {
            // Some firmware lists several architectures; the first is its own.
            architecture: options
                .get(option::CLIENT_ARCHITECTURE)
                .and_then(<[u8]>::first_chunk::<2>)
                .map(|bytes| u16::from_be_bytes(*bytes)),
            vendor_class: options.get(option::VENDOR_CLASS).unwrap_or_default(),
            user_class: options.get(option::USER_CLASS).unwrap_or_default(),
            has_ipxe_option: options.get(option::IPXE).is_some(),
        });
        let mut echo = Options::default();
        for code in [option::CLIENT_IDENTIFIER, option::CLIENT_UUID] {
            // A reply has to fit into the 576 bytes that every client takes; the longest sensible value has 32.
            if let Some(value) = options.get(code).filter(|value| value.len() <= 64) {
                echo.append(code, value);
            }
        }
        let list = options.get(option::PARAMETER_LIST).unwrap_or_default();
        let wants_names = list.contains(&option::BOOT_FILE_NAME) || list.contains(&option::TFTP_SERVER_NAME);
        Ok(Self {
            ask,
            mac,
            xid: packet.xid,
            flags: packet.flags,
            ciaddr: packet.ciaddr,
            giaddr: packet.giaddr,
            firmware,
            echo,
            wants_names,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_sensible_requests_pass() {
        let check = |change: &dyn Fn(&mut Packet), expected: Result<Ask, InvalidRequest>| {
            let mut packet = Packet {
                op: Op::Request,
                xid: 7,
                secs: 0,
                flags: 0,
                ciaddr: Ipv4Addr::UNSPECIFIED,
                yiaddr: Ipv4Addr::UNSPECIFIED,
                siaddr: Ipv4Addr::UNSPECIFIED,
                giaddr: Ipv4Addr::UNSPECIFIED,
                mac: MacAddr([2, 0, 0, 0, 0, 1]),
                file: Vec::new(),
                options: Options::default(),
            };
            change(&mut packet);
            assert_eq!(Request::parse(&packet.build()).map(|request| request.ask), expected);
        };
        let address = Ipv4Addr::new(198, 18, 1, 10);
        check(&|packet| packet.options.append(53, &[1]), Ok(Ask::Discover));
        check(
            &|packet| {
                packet.options.append(53, &[3]);
                packet.options.append(50, &address.octets());
            },
            Ok(Ask::Request { server: None, address }),
        );
        check(
            &|packet| {
                packet.options.append(53, &[3]);
                packet.ciaddr = address;
            },
            Ok(Ask::Request { server: None, address }),
        );
        check(&|packet| packet.options.append(53, &[3]), Err(InvalidRequest::NoAddress));
        check(&|packet| packet.options.append(53, &[8]), Err(InvalidRequest::Type(Some(8))));
        check(&|packet| packet.options.append(53, &[1, 1]), Err(InvalidRequest::Type(None)));
        check(&|_| {}, Err(InvalidRequest::Type(None)));
        check(&|packet| packet.op = Op::Reply, Err(InvalidRequest::Reply));
        check(&|packet| packet.mac = MacAddr([255; 6]), Err(InvalidRequest::Hardware));
        check(&|packet| packet.mac = MacAddr([0; 6]), Err(InvalidRequest::Hardware));
    }

    proptest! {
        #[test]
        fn any_options_are_survived(options in proptest::collection::vec(any::<u8>(), 0..400)) {
            let mut bytes = vec![1, 1, 6, 0];
            bytes.resize(28, 0);
            bytes.extend_from_slice(&[2, 0, 0, 0, 0, 1]);
            bytes.resize(236, 0);
            bytes.extend_from_slice(&[99, 130, 83, 99, 53, 1, 1]);
            bytes.extend_from_slice(&options);
            let _ = Request::parse(&bytes);
        }
    }
}
