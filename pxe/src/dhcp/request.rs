//! Values: a client's DHCP message, checked.

use std::net::Ipv4Addr;

use dhcproto::v4::{DhcpOption, Flags, MessageType, Opcode, OptionCode, UnknownOption};
use protocol::mac::MacAddr;
use uuid::Uuid;

use super::{
    option::{self, Options},
    packet::{InvalidPacket, Packet},
    place::Place,
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
    pub flags: Flags,
    /// The address that the client uses already; unspecified if none.
    pub ciaddr: Ipv4Addr,
    /// The relay; unspecified if none.
    pub giaddr: Ipv4Addr,
    /// Which firmware asks.
    pub firmware: Firmware,
    /// Options 61 and 97, which the client wants to see again (RFC 6842, RFC 4578 section 2.3), and at the end 82, which a
    /// switch between us has put in and will look for (RFC 3046 section 2.2).
    pub echo: Vec<DhcpOption>,
    /// Which machine the firmware says that it is (option 97), as the bytes came; none: it does not say.
    pub machine: Option<Uuid>,
    /// Where the switch says that the client is plugged in; none if no switch says so.
    pub place: Option<Place>,
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

/// Longest value that is repeated to a client. A reply has to fit into the 576 bytes that every client takes; the longest
/// sensible value has 32.
const ECHO_LEN_MAX: usize = 64;

/// Longest value of option 82, which is repeated whole: the switch takes it out again before the client sees it. One that is
/// longer has come twice.
const RELAY_LEN_MAX: usize = 255;

impl Request {
    /// Reads and checks a message.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidRequest> {
        let Packet { fixed, mac, options } = Packet::parse(bytes)?;
        if fixed.opcode() == Opcode::BootReply {
            return Err(InvalidRequest::Reply);
        }
        if mac.0[0] & 1 == 1 || mac.0 == [0; 6] {
            return Err(InvalidRequest::Hardware);
        }
        let list = options.get(OptionCode::ParameterRequestList).unwrap_or_default();
        let names = [OptionCode::BootfileName, OptionCode::TFTPServerName];
        Ok(Self {
            ask: ask(&options, fixed.ciaddr())?,
            mac,
            xid: fixed.xid(),
            flags: fixed.flags(),
            ciaddr: fixed.ciaddr(),
            giaddr: fixed.giaddr(),
            firmware: firmware(&options),
            echo: echo(&options),
            machine: machine(&options),
            place: options.get(OptionCode::RelayAgentInformation).and_then(Place::parse),
            wants_names: names.into_iter().any(|name| list.contains(&name.into())),
        })
    }
}

fn ask(options: &Options, ciaddr: Ipv4Addr) -> Result<Ask, InvalidRequest> {
    let address = |code| options.get_array::<4>(code).map(Ipv4Addr::from);
    let requested = address(OptionCode::RequestedIpAddress);
    let [kind] = options.get_array(OptionCode::MessageType).ok_or(InvalidRequest::Type(None))?;
    match MessageType::from(kind) {
        MessageType::Discover => Ok(Ask::Discover),
        MessageType::Request => Ok(Ask::Request {
            server: address(OptionCode::ServerIdentifier),
            address: requested
                .or_else(|| Some(ciaddr).filter(|address| !address.is_unspecified()))
                .ok_or(InvalidRequest::NoAddress)?,
        }),
        MessageType::Decline => Ok(Ask::Decline { address: requested.ok_or(InvalidRequest::NoAddress)? }),
        _ => Err(InvalidRequest::Type(Some(kind))),
    }
}

fn firmware(options: &Options) -> Firmware {
    Firmware::recognise(Description {
        architectures: options.get(OptionCode::ClientSystemArchitecture).unwrap_or_default(),
        vendor_class: options.get(OptionCode::ClassIdentifier).unwrap_or_default(),
        user_class: options.get(OptionCode::UserClass).unwrap_or_default(),
        ipxe: options.get(option::IPXE).unwrap_or_default(),
    })
}

/// A machine's UUID: type 0, then its bytes in whatever order the firmware writes them (RFC 4578 section 2.3).
fn machine(options: &Options) -> Option<Uuid> {
    let [0, uuid @ ..] = options.get_array::<17>(OptionCode::ClientMachineIdentifier)? else { return None };
    Some(Uuid::from_bytes(uuid))
}

fn echo(options: &Options) -> Vec<DhcpOption> {
    let value = |code| options.get(code).filter(|value| value.len() <= ECHO_LEN_MAX).map(<[u8]>::to_vec);
    let client = value(OptionCode::ClientIdentifier).map(DhcpOption::ClientIdentifier);
    let machine = value(OptionCode::ClientMachineIdentifier).map(DhcpOption::ClientMachineIdentifier);
    let relay = OptionCode::RelayAgentInformation;
    let relayed = options.get(relay).filter(|value| value.len() <= RELAY_LEN_MAX);
    let relay = relayed.map(|value| DhcpOption::Unknown(UnknownOption::new(relay, value.to_vec())));
    client.into_iter().chain(machine).chain(relay).collect()
}

#[cfg(test)]
mod tests {
    use dhcproto::v4::Message;
    use proptest::prelude::*;

    use super::*;
    use crate::dhcp::test_request::{bytes, request};

    #[test]
    fn only_sensible_requests_pass() {
        let mac = MacAddr([2, 0, 0, 0, 0, 1]);
        let check = |message: &Message, expected: Result<Ask, InvalidRequest>| {
            assert_eq!(Request::parse(&bytes(message)).map(|request| request.ask), expected);
        };
        let address = Ipv4Addr::new(198, 18, 1, 10);
        check(&request(mac, &[(53, &[1])]), Ok(Ask::Discover));
        check(
            &request(mac, &[(53, &[3]), (50, &address.octets())]),
            Ok(Ask::Request { server: None, address }),
        );
        check(request(mac, &[(53, &[3])]).set_ciaddr(address), Ok(Ask::Request { server: None, address }));
        check(&request(mac, &[(53, &[4]), (50, &address.octets())]), Ok(Ask::Decline { address }));
        check(request(mac, &[(53, &[4])]).set_ciaddr(address), Err(InvalidRequest::NoAddress));
        check(&request(mac, &[(53, &[3])]), Err(InvalidRequest::NoAddress));
        check(&request(mac, &[(53, &[3]), (50, &[198, 18, 1])]), Err(InvalidRequest::NoAddress));
        check(&request(mac, &[(53, &[8])]), Err(InvalidRequest::Type(Some(8))));
        check(&request(mac, &[(53, &[77])]), Err(InvalidRequest::Type(Some(77))));
        // Twice, which reads as one value of two bytes.
        check(&request(mac, &[(53, &[1, 1])]), Ok(Ask::Discover));
        check(&request(mac, &[(12, b"name")]), Err(InvalidRequest::Type(None)));
        check(request(mac, &[(53, &[1])]).set_opcode(Opcode::BootReply), Err(InvalidRequest::Reply));
        check(&request(MacAddr([255; 6]), &[(53, &[1])]), Err(InvalidRequest::Hardware));
        check(&request(MacAddr([0; 6]), &[(53, &[1])]), Err(InvalidRequest::Hardware));
    }

    #[test]
    fn a_machine_is_who_its_firmware_says() {
        let mac = MacAddr([2, 0, 0, 0, 0, 1]);
        let check = |option: &[u8], expected: Option<u128>| {
            let message = request(mac, &[(53, &[1]), (97, option)]);
            let machine = Request::parse(&bytes(&message)).unwrap().machine;
            assert_eq!(machine, expected.map(Uuid::from_u128), "{option:?}");
        };
        check(&[&[0][..], &[7; 16]].concat(), Some(0x0707_0707_0707_0707_0707_0707_0707_0707));
        // Another kind of name, and one that is too short.
        check(&[&[1][..], &[7; 16]].concat(), None);
        check(&[&[0][..], &[7; 15]].concat(), None);
        check(&[], None);
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
