//! Values: what a client asks by DHCPv6, read from its message and from what relays have put around it, and checked (RFC 8415 section 16).

use std::net::Ipv6Addr;

use dhcproto::v6::{MessageType, OptionCode};
use protocol::mac::MacAddr;
use uuid::Uuid;

use super::option::{Options, address, strings};
use crate::{
    dhcp::place::Place,
    firmware::{Description, Firmware},
};

/// Most relays around one message. On a boot network there is one, if there is any.
pub const RELAYS_MAX: usize = 4;

/// Longest DUID, its type included (RFC 8415 section 11.1).
pub const DUID_LEN_MAX: usize = 130;

/// Longest name of a relay's port, which is repeated to the relay.
pub const INTERFACE_ID_LEN_MAX: usize = 255;

/// Most addresses of one client that are looked at; it gets one from us.
pub const ADDRESSES_MAX: usize = 4;

/// The number of Intel, who named the classes of PXE (RFC 5970 leaves them to vendors; UEFI 2.10 section 24.4).
pub const INTEL: u32 = 343;

/// What a client wants. A server is named by its DUID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// To be offered an address, by any server.
    Solicit,
    /// To be lent what this server has offered.
    Request {
        /// Which server.
        server: Vec<u8>,
    },
    /// To keep what this server has lent.
    Renew {
        /// Which server.
        server: Vec<u8>,
    },
    /// The same, of any server.
    Rebind,
    /// To know whether its addresses are right on this link.
    Confirm,
    /// To give its address back.
    Release {
        /// To which server.
        server: Vec<u8>,
    },
    /// Another address: somebody else uses its own.
    Decline {
        /// Which server has lent it.
        server: Vec<u8>,
    },
    /// To know what it boots; it has an address.
    Inform,
}

/// The addresses of one interface (RFC 8415 section 21.4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Association {
    /// The client's number for it.
    pub id: u32,
    /// What the client has or wishes.
    pub addresses: Vec<Ipv6Addr>,
}

/// A relay through which the message came (RFC 8415 section 9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relay {
    /// How many stand between it and the client.
    pub hops: u8,
    /// Its address on the client's link.
    pub link: Ipv6Addr,
    /// From whom it has the message.
    pub peer: Ipv6Addr,
    /// Its name for the port at which the client is, which it wants to see again.
    pub interface_id: Option<Vec<u8>>,
}

/// A checked message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What is wanted.
    pub ask: Ask,
    /// Of which interface.
    pub mac: MacAddr,
    /// The number that joins question and answer.
    pub xid: [u8; 3],
    /// The client's DUID, which it wants to see again. Empty: it has none, and only asks what it boots.
    pub client_id: Vec<u8>,
    /// The address that it has or wants.
    pub association: Option<Association>,
    /// Who asks.
    pub firmware: Firmware,
    /// Whose vendor class it has.
    pub enterprise: u32,
    /// Which machine it says that it is, by a DUID-UUID (RFC 6355).
    pub machine: Option<Uuid>,
    /// Where it is plugged in, if a relay says so.
    pub place: Option<Place>,
    /// The relays around its message, the one nearest to us first.
    pub relays: Vec<Relay>,
}

/// Why a message is not one that we can answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRequest {
    /// It ends before its options.
    #[error("shorter than a DHCPv6 message")]
    TooShort,
    /// It is no question of a client.
    #[error("DHCPv6 message type {0} is not answered here")]
    Type(u8),
    /// More than any network has.
    #[error("it came through more than {RELAYS_MAX} relays")]
    Relays,
    /// There is nothing in it.
    #[error("a relay has sent no message with it")]
    Empty,
    /// Its name for a port cannot be repeated.
    #[error("the relay's name for its port has {0} bytes, more than {INTERFACE_ID_LEN_MAX}")]
    InterfaceId(usize),
    /// No DUID, or none that can be one.
    #[error("its DUID has {0} bytes; 3 to {DUID_LEN_MAX} are needed")]
    ClientId(usize),
    /// It must name a server, or must not.
    #[error("a DHCPv6 message of type {0} names a server exactly if it is for one")]
    ServerId(u8),
    /// Neither an address of its link nor its DUID has an Ethernet address in it.
    #[error(
        "nothing in it says which interface asks: its address {0} is not made from an Ethernet address, nor is its DUID; let the relay \
         add the client's link-layer address (RFC 6939)"
    )]
    Hardware(Ipv6Addr),
    /// It wants an address and says of no interface which.
    #[error("it asks for an address without an IA_NA")]
    Association,
}

impl Request {
    /// Reads and checks a message that came from this address.
    pub fn parse(bytes: &[u8], from: Ipv6Addr) -> Result<Self, InvalidRequest> {
        let Unwrapped { bytes, client, link_layer, relays, place } = unwrap(bytes, from)?;
        let (&[kind, x, y, z], rest) = bytes.split_first_chunk::<4>().ok_or(InvalidRequest::TooShort)?;
        let options = Options::new(rest);
        let ask = ask(kind, options.get(OptionCode::ServerId))?;
        let client_id = client_id(options, &ask)?;
        let mac = link_layer.or_else(|| of_link_local(client)).or_else(|| of_duid(&client_id));
        let mac = mac.filter(is_interface).ok_or(InvalidRequest::Hardware(client))?;
        let association = options.get(OptionCode::IANA).and_then(association);
        if association.is_none() && !matches!(ask, Ask::Inform) {
            return Err(InvalidRequest::Association);
        }
        let class = options.get(OptionCode::VendorClass).and_then(|value| value.split_first_chunk::<4>());
        let enterprise = class.map_or(INTEL, |(number, _)| u32::from_be_bytes(*number));
        let firmware = firmware(options, class.map_or(&[], |(_, strings)| strings));
        let machine = machine(&client_id);
        Ok(Self {
            ask,
            mac,
            xid: [x, y, z],
            client_id,
            association,
            firmware,
            enterprise,
            machine,
            place,
            relays,
        })
    }

    /// The first address that it has or wishes.
    pub fn wish(&self) -> Option<Ipv6Addr> {
        self.association.as_ref()?.addresses.first().copied()
    }
}

/// A client's own message, and what its relays say.
struct Unwrapped<'a> {
    bytes: &'a [u8],
    client: Ipv6Addr,
    link_layer: Option<MacAddr>,
    relays: Vec<Relay>,
    place: Option<Place>,
}

fn unwrap(bytes: &[u8], from: Ipv6Addr) -> Result<Unwrapped<'_>, InvalidRequest> {
    let mut found = Unwrapped { bytes, client: from, link_layer: None, relays: Vec::new(), place: None };
    while found.bytes.first() == Some(&MessageType::RelayForw.into()) {
        if found.relays.len() >= RELAYS_MAX {
            return Err(InvalidRequest::Relays);
        }
        let (&[_, hops], rest) = found.bytes.split_first_chunk::<2>().ok_or(InvalidRequest::TooShort)?;
        let (link, rest) = rest.split_first_chunk::<16>().ok_or(InvalidRequest::TooShort)?;
        let (peer, rest) = rest.split_first_chunk::<16>().ok_or(InvalidRequest::TooShort)?;
        let options = Options::new(rest);
        let interface_id = options.get(OptionCode::InterfaceId);
        if let Some(id) = interface_id.filter(|id| id.len() > INTERFACE_ID_LEN_MAX) {
            return Err(InvalidRequest::InterfaceId(id.len()));
        }
        // What the relay nearest to the client says is what counts.
        found.client = Ipv6Addr::from(*peer);
        found.link_layer = options.get(OptionCode::ClientLinklayerAddr).and_then(of_link_layer);
        found.place = Place::of_relay(interface_id, options.get(OptionCode::RemoteId));
        found.relays.push(Relay {
            hops,
            link: Ipv6Addr::from(*link),
            peer: found.client,
            interface_id: interface_id.map(<[u8]>::to_vec),
        });
        found.bytes = options.get(OptionCode::RelayMsg).ok_or(InvalidRequest::Empty)?;
    }
    Ok(found)
}

fn ask(kind: u8, server: Option<&[u8]>) -> Result<Ask, InvalidRequest> {
    let named = || server.map(<[u8]>::to_vec).ok_or(InvalidRequest::ServerId(kind));
    let unnamed = |ask| if server.is_none() { Ok(ask) } else { Err(InvalidRequest::ServerId(kind)) };
    match MessageType::from(kind) {
        MessageType::Solicit => unnamed(Ask::Solicit),
        MessageType::Rebind => unnamed(Ask::Rebind),
        MessageType::Confirm => unnamed(Ask::Confirm),
        MessageType::InformationRequest => Ok(Ask::Inform),
        MessageType::Request => Ok(Ask::Request { server: named()? }),
        MessageType::Renew => Ok(Ask::Renew { server: named()? }),
        MessageType::Release => Ok(Ask::Release { server: named()? }),
        MessageType::Decline => Ok(Ask::Decline { server: named()? }),
        _ => Err(InvalidRequest::Type(kind)),
    }
}

fn client_id(options: Options<'_>, ask: &Ask) -> Result<Vec<u8>, InvalidRequest> {
    match (options.get(OptionCode::ClientId), ask) {
        (Some(id), _) if (3..=DUID_LEN_MAX).contains(&id.len()) => Ok(id.to_vec()),
        (Some(id), _) => Err(InvalidRequest::ClientId(id.len())),
        (None, Ask::Inform) => Ok(Vec::new()),
        (None, _) => Err(InvalidRequest::ClientId(0)),
    }
}

fn association(value: &[u8]) -> Option<Association> {
    // Its number, and two times that are the client's wishes.
    let (fixed, rest) = value.split_first_chunk::<12>()?;
    let addresses = Options::new(rest).each().filter(|(code, _)| *code == OptionCode::IAAddr);
    Some(Association {
        id: u32::from_be_bytes(*fixed.first_chunk::<4>()?),
        addresses: addresses.filter_map(|(_, value)| address(value)).take(ADDRESSES_MAX).collect(),
    })
}

fn firmware(options: Options<'_>, vendor_class: &[u8]) -> Firmware {
    let users = || options.get(OptionCode::UserClass).into_iter().flat_map(strings);
    // Of several, the one that makes a difference.
    let user = users().find(|class| *class == b"iPXE").or_else(|| users().next());
    Firmware::recognise(Description {
        architectures: options.get(OptionCode::ClientArchType).unwrap_or_default(),
        vendor_class: strings(vendor_class).next().unwrap_or_default(),
        user_class: user.unwrap_or_default(),
        ipxe: &[],
    })
}

/// RFC 6939 section 4: the kind of hardware, then the address.
fn of_link_layer(value: &[u8]) -> Option<MacAddr> {
    match value.split_first_chunk::<2>()? {
        ([0, 1], mac) => Some(MacAddr(mac.try_into().ok()?)),
        _ => None,
    }
}

/// The Ethernet address in a link-local one (RFC 4291, appendix A); none: it was made in another way.
fn of_link_local(address: Ipv6Addr) -> Option<MacAddr> {
    match address.octets() {
        [0xfe, 0x80, 0, 0, 0, 0, 0, 0, a, b, c, 0xff, 0xfe, d, e, f] => Some(MacAddr([a ^ 2, b, c, d, e, f])),
        _ => None,
    }
}

/// The Ethernet address in a DUID-LLT or DUID-LL (RFC 8415 sections 11.2 and 11.4). It may be that of another interface of the same
/// machine, so it is looked at last.
fn of_duid(duid: &[u8]) -> Option<MacAddr> {
    let address = match duid.split_first_chunk::<4>()? {
        ([0, 1, 0, 1], rest) => rest.get(4..)?,
        ([0, 3, 0, 1], rest) => rest,
        _ => return None,
    };
    Some(MacAddr(address.try_into().ok()?))
}

fn is_interface(mac: &MacAddr) -> bool {
    mac.0[0] & 1 == 0 && mac.0 != [0; 6]
}

/// RFC 6355 section 4.
fn machine(duid: &[u8]) -> Option<Uuid> {
    match duid.split_first_chunk::<2>()? {
        ([0, 4], uuid) => Uuid::from_slice(uuid).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dhcp6::test_message::{CLIENT_ID, LINK_LOCAL, MAC, ia, message, relayed};

    #[test]
    fn only_sensible_messages_pass() {
        let id = (1, &CLIENT_ID[..]);
        let (server, ia) = ((2, &b"server"[..]), (3, &ia(&[])[..]));
        let check = |kind: u8, options: &[(u16, &[u8])], expected: Result<Ask, InvalidRequest>| {
            let found = Request::parse(&message(kind, options), LINK_LOCAL).map(|request| request.ask);
            assert_eq!(found, expected, "{kind} {options:?}");
        };
        let named = || b"server".to_vec();
        check(1, &[id, ia], Ok(Ask::Solicit));
        check(1, &[id, ia, server], Err(InvalidRequest::ServerId(1)));
        check(1, &[ia], Err(InvalidRequest::ClientId(0)));
        check(1, &[(1, &[1; 131]), ia], Err(InvalidRequest::ClientId(131)));
        check(1, &[(1, &[0, 4]), ia], Err(InvalidRequest::ClientId(2)));
        check(1, &[id], Err(InvalidRequest::Association));
        check(1, &[id, (3, &[0; 11])], Err(InvalidRequest::Association));
        check(3, &[id, ia, server], Ok(Ask::Request { server: named() }));
        check(3, &[id, ia], Err(InvalidRequest::ServerId(3)));
        check(4, &[id, ia], Ok(Ask::Confirm));
        check(5, &[id, ia, server], Ok(Ask::Renew { server: named() }));
        check(6, &[id, ia], Ok(Ask::Rebind));
        check(6, &[id, ia, server], Err(InvalidRequest::ServerId(6)));
        check(8, &[id, ia, server], Ok(Ask::Release { server: named() }));
        check(9, &[id, ia, server], Ok(Ask::Decline { server: named() }));
        check(11, &[], Ok(Ask::Inform));
        for kind in [0, 2, 7, 10, 13, 14, 255] {
            check(kind, &[id, ia], Err(InvalidRequest::Type(kind)));
        }
        assert_eq!(Request::parse(&[1, 0, 0], LINK_LOCAL), Err(InvalidRequest::TooShort));
    }

    #[test]
    fn an_interface_is_known_by_what_is_nearest_to_its_wire() {
        let other = MacAddr([2, 0, 0, 0, 0, 9]);
        let duid_ll = [&[0, 3, 0, 1][..], &other.0].concat();
        let duid_llt = [&[0, 1, 0, 1, 9, 9, 9, 9][..], &other.0].concat();
        let private: Ipv6Addr = "fe80::1234:5678:9abc:def0".parse().unwrap();
        let check = |from: Ipv6Addr, duid: &[u8], expected: Option<MacAddr>| {
            let found = Request::parse(&message(1, &[(1, duid), (3, &ia(&[]))]), from);
            let expected = expected.ok_or(InvalidRequest::Hardware(from));
            assert_eq!(found.map(|request| request.mac), expected, "{from} {duid:?}");
        };
        // A DUID may be another interface's.
        check(LINK_LOCAL, &duid_ll, Some(MAC));
        check(private, &duid_ll, Some(other));
        check(private, &duid_llt, Some(other));
        check(private, &CLIENT_ID, None);
        check(private, &duid_llt[..13], None);
        check("2001:db8::ff:fe00:1".parse().unwrap(), &CLIENT_ID, None);
        check(private, &[0, 3, 0, 1, 255, 255, 255, 255, 255, 255], None);
        check(private, &[0, 3, 0, 1, 0, 0, 0, 0, 0, 0], None);
        check(private, &[0, 3, 0, 6, 2, 0, 0, 0, 0, 9], None);
        let machine = Request::parse(&message(11, &[(1, &CLIENT_ID)]), LINK_LOCAL).unwrap().machine;
        assert_eq!(machine, Some(Uuid::from_bytes([7; 16])));
    }

    #[test]
    fn relays_are_unwrapped_and_the_nearest_to_the_client_is_believed() {
        let inner = message(1, &[(1, &CLIENT_ID), (3, &ia(&[]))]);
        let named = [&[0, 1][..], &[2, 0, 0, 0, 0, 8]].concat();
        let once = relayed(LINK_LOCAL, &[(18, b"ge-0/0/3"), (37, b"\0\0\0\x09leaf1"), (79, &named)], &inner);
        let from: Ipv6Addr = "2001:db8::254".parse().unwrap();
        let request = Request::parse(&once, from).unwrap();
        assert_eq!((request.mac, request.relays.len()), (MacAddr([2, 0, 0, 0, 0, 8]), 1));
        assert_eq!(request.place.unwrap().to_string(), "port ge-0/0/3 of switch leaf1");
        assert_eq!(request.relays[0].interface_id.as_deref(), Some(&b"ge-0/0/3"[..]));
        // Without the option, from the client's own address; what a relay further off says of a link layer is its neighbour's.
        let plain = relayed(LINK_LOCAL, &[], &inner);
        assert_eq!(Request::parse(&plain, from).unwrap().mac, MAC);
        let twice = relayed("2001:db8::253".parse().unwrap(), &[(79, &named)], &plain);
        assert_eq!(Request::parse(&twice, from).unwrap().mac, MAC);
        let deep = |depth| (0..depth).fold(inner.clone(), |inner, _| relayed(LINK_LOCAL, &[], &inner));
        assert_eq!(Request::parse(&deep(RELAYS_MAX), from).unwrap().relays.len(), RELAYS_MAX);
        assert_eq!(Request::parse(&deep(RELAYS_MAX + 1), from), Err(InvalidRequest::Relays));
        assert_eq!(Request::parse(&once[..40], from), Err(InvalidRequest::Empty));
        let long = relayed(LINK_LOCAL, &[(18, &[1; 256])], &inner);
        assert_eq!(Request::parse(&long, from), Err(InvalidRequest::InterfaceId(256)));
    }

    #[test]
    fn firmware_is_known_as_by_dhcpv4() {
        let check = |options: &[(u16, &[u8])], expected: Firmware| {
            let ia = ia(&[]);
            let all = [&[(1, &CLIENT_ID[..]), (3, &ia[..])], options].concat();
            let request = Request::parse(&message(1, &all), LINK_LOCAL).unwrap();
            assert_eq!(request.firmware, expected, "{options:?}");
        };
        let class = |text: &[u8]| [&[0, 0, 1, 87, 0, text.len() as u8][..], text].concat();
        let pxe = class(b"PXEClient:Arch:00007:UNDI:003000");
        let http = class(b"HTTPClient:Arch:00016:UNDI:003000");
        check(&[(16, &pxe), (61, &[0, 7])], Firmware::UefiPxe);
        check(&[(16, &http), (61, &[0, 16])], Firmware::UefiHttp);
        check(&[(16, &http)], Firmware::UefiHttp);
        check(&[(16, &pxe), (61, &[0, 7]), (15, b"\0\x03foo\0\x04iPXE")], Firmware::Ipxe);
        check(
            &[(16, &class(b"PXEClient:Arch:00011:UNDI:003000")), (61, &[0, 11])],
            Firmware::Unsupported(11),
        );
        check(&[], Firmware::System);
        check(&[(16, &[0, 0]), (15, &[0])], Firmware::System);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..400), kind in 0u8..14) {
            let _ = Request::parse(&[&[kind][..], &bytes].concat(), LINK_LOCAL);
            let _ = Request::parse(&relayed(LINK_LOCAL, &[], &bytes), LINK_LOCAL);
        }
    }
}
