//! Decisions: the answer to one DHCP message. No answer without a boot plan for this interface on this network.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4},
    time::Instant,
};

use dhcproto::v4::{DhcpOption, MessageType, UnknownOption};
use protocol::{mac::MacAddr, network::BootNetwork};

use super::{
    lease::{Declined, LEASE, Leases, Lent, Reserved, subnet_mask},
    option::{IPXE, IPXE_NO_PROXY_DHCP},
    packet::Reply,
    place::Place,
    request::{Ask, InvalidRequest, Request},
};
use crate::{
    booter::{BootTicket, OwnBoot, Plan, Refusal, Told},
    dhcp6,
    firmware::{BootFile, Firmware, Origin, boot_file},
};

/// Clients listen here.
pub const CLIENT_PORT: u16 = 68;

/// Servers and relays listen here.
pub const SERVER_PORT: u16 = 67;

/// PXE's own options within option 43: discovery control 8, take the file named here, ask no boot server and show no menu (PXE 2.1,
/// table 2-1).
pub(super) const TAKE_THE_FILE: [u8; 4] = [6, 1, 8, 255];

/// The network on which messages arrive.
#[derive(Clone, Debug)]
pub struct Subnet {
    /// The part that it plays.
    pub network: BootNetwork,
    /// Length of its prefix.
    pub prefix_len: u8,
    /// The agent's address and HTTP port.
    pub origin: Origin,
    /// DHCP relays that are believed. On an isolated network there are none: who relays can ask in every server's name.
    pub relays: Vec<Ipv4Addr>,
    /// What clients are told beside their address. On an isolated network nothing: who is there talks to the agent, and to nobody else.
    pub told: Told,
}

/// What is to be done about a message.
#[derive(Debug)]
pub enum Outcome {
    /// Send this.
    Reply(DhcpReply),
    /// Be silent, and say why to whoever decides about boots.
    Refused {
        /// Who asked.
        mac: MacAddr,
        /// Why it gets nothing.
        reason: Refusal,
    },
    /// Look whether somebody uses this address; then say so by [`Leases::prove`] or [`Leases::in_use`], and decide again.
    Prove {
        /// For whom.
        mac: MacAddr,
        /// Which address.
        address: Ipv4Addr,
    },
    /// Send this, which lends nothing; and make a note of that, if there is something.
    Note {
        /// Its bytes.
        bytes: Vec<u8>,
        /// Where to.
        to: SocketAddr,
        /// What became of an address.
        of: Option<Ignored>,
    },
    /// Be silent: the message is not for us.
    Ignored(Ignored),
}

/// A message to be sent.
#[derive(Debug)]
pub struct DhcpReply {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Where to.
    pub to: SocketAddr,
    /// Which kind.
    pub kind: ReplyKind,
    /// For whom.
    pub mac: MacAddr,
    /// The ticket on which the answer rests.
    pub ticket: BootTicket,
    /// The address offered, lent or denied.
    pub address: IpAddr,
    /// Who asked.
    pub firmware: Firmware,
    /// Where it is plugged in, if a switch says so.
    pub place: Option<Place>,
    /// Keep this over a restart before the answer is sent.
    pub keep: Option<Lent>,
}

/// Kinds of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyKind {
    /// An address is offered.
    Offer,
    /// It is lent.
    Ack,
    /// The client must begin anew.
    Nak,
}

/// Why a message is not for us.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ignored {
    /// It makes no sense.
    #[error(transparent)]
    Invalid(#[from] InvalidRequest),
    /// The same by DHCPv6.
    #[error(transparent)]
    Invalid6(#[from] dhcp6::request::InvalidRequest),
    /// It came through a relay that is not named in the configuration.
    #[error("it came through the relay {0}, which is not in `relays` of this network")]
    Relayed(IpAddr),
    /// The client has chosen another server, which should not exist on an isolated network.
    #[error("it is meant for the server {0}")]
    OtherServer(String),
    /// Addresses are another server's here.
    #[error("it is about an address, which another server gives here")]
    OthersAddress,
    /// Somebody looks whether its address is free; it is answered then.
    #[error("whether the address for {0} is free is being found out")]
    BeingProven(MacAddr),
    /// Somebody answers at an address that was about to be given out.
    #[error("the address {address} for {mac} is in use by somebody else: {became}")]
    InUse {
        /// For whom.
        mac: MacAddr,
        /// Which.
        address: Ipv4Addr,
        /// What becomes of it.
        became: Declined,
    },
    /// An address was declined; the client will ask again.
    #[error("the address {address} was declined by {mac}: {became}")]
    Declined {
        /// By whom.
        mac: MacAddr,
        /// Which.
        address: Ipv4Addr,
        /// What becomes of it.
        became: Declined,
    },
}

/// Decides about one message. `ramdisk_at` names the interfaces of the server whose ramdisk runs at an address.
pub fn respond(
    subnet: &Subnet,
    leases: &mut Leases,
    bytes: &[u8],
    now: Instant,
    plan: &dyn Fn(MacAddr) -> Plan,
    ramdisk_at: &dyn Fn(Ipv4Addr) -> Option<Vec<MacAddr>>,
) -> Outcome {
    let request = match Request::parse(bytes) {
        Ok(request) => request,
        Err(invalid) => return Outcome::Ignored(invalid.into()),
    };
    let mac = request.mac;
    if !request.giaddr.is_unspecified() && !subnet.relays.contains(&request.giaddr) {
        return Outcome::Ignored(Ignored::Relayed(request.giaddr.into()));
    }
    let wish = match request.ask {
        Ask::Discover => None,
        Ask::Request { server: Some(server), .. } if server != subnet.origin.address => {
            let server = server.to_string();
            return match plan(mac).is_here() {
                true => Outcome::Refused { mac, reason: Refusal::OtherServer { server } },
                false => Outcome::Ignored(Ignored::OtherServer(server)),
            };
        }
        Ask::Request { server: _, address } => Some(address),
        Ask::Decline { address } => {
            let became = leases.decline(mac, address, now);
            return Outcome::Ignored(Ignored::Declined { mac, address, became });
        }
    };
    let ticket = match plan(mac).ticket() {
        Ok(ticket) => ticket,
        Err(Refusal::NoPlan { .. }) => {
            return Outcome::Refused { mac, reason: Refusal::NoPlan { machine: request.machine } };
        }
        Err(reason) => return Outcome::Refused { mac, reason },
    };
    let firmware = request.firmware.of_server(ticket.boot_mode);
    let file = match file_of(&ticket, firmware, mac, &subnet.origin.base_url()) {
        Ok(file) => file,
        Err(reason) => return Outcome::Refused { mac, reason },
    };
    if let Some(fixed) = ticket.own.as_ref().and_then(|own| own.address) {
        leases.assign(mac, fixed, now);
    }
    let runs_anothers = |address| ramdisk_at(address).is_some_and(|macs| !macs.contains(&mac));
    let address = match leases.reserve(mac, wish, now, |holder| plan(holder).is_here(), runs_anothers) {
        Reserved::Proven(address) => address,
        // Who uses it already need not ask who uses it.
        Reserved::Unproven(address) if address == request.ciaddr => {
            leases.prove(mac);
            address
        }
        Reserved::Unproven(address) => return Outcome::Prove { mac, address },
        Reserved::BeingProven => return Outcome::Ignored(Ignored::BeingProven(mac)),
        Reserved::None => {
            return Outcome::Refused {
                mac,
                reason: Refusal::NoAddress { range: leases.range().to_string() },
            };
        }
    };
    let kind = match wish {
        None => ReplyKind::Offer,
        Some(wish) if wish == address => ReplyKind::Ack,
        Some(_) => ReplyKind::Nak,
    };
    let keep = if kind == ReplyKind::Ack { leases.take(mac, now) } else { None };
    let (bytes, to) = match kind {
        ReplyKind::Offer | ReplyKind::Ack => {
            (lend(subnet, &request, firmware, kind, address, &file), destination(&request, address))
        }
        ReplyKind::Nak => (deny(subnet, &request), destination(&request, Ipv4Addr::UNSPECIFIED)),
    };
    let (place, to, address) = (request.place, SocketAddr::V4(to), IpAddr::V4(address));
    Outcome::Reply(DhcpReply { bytes, to, kind, mac, ticket, address, firmware, place, keep })
}

/// A relay is answered where it is, a client that uses its address already there (RFC 2131 section 4.1); one that has none
/// hears only broadcasts, whatever its flag says, until it has learnt its address.
fn destination(request: &Request, address: Ipv4Addr) -> SocketAddrV4 {
    match (request.giaddr, request.ciaddr) {
        (relay, _) if !relay.is_unspecified() => SocketAddrV4::new(relay, SERVER_PORT),
        (_, used) if used == address && !used.is_unspecified() => SocketAddrV4::new(address, CLIENT_PORT),
        _ => SocketAddrV4::new(Ipv4Addr::BROADCAST, CLIENT_PORT),
    }
}

fn lend(
    subnet: &Subnet,
    request: &Request,
    firmware: Firmware,
    kind: ReplyKind,
    address: Ipv4Addr,
    file: &str,
) -> Vec<u8> {
    let mut options = head(subnet, kind);
    options.push(DhcpOption::AddressLeaseTime(u32::try_from(LEASE.as_secs()).unwrap_or(u32::MAX)));
    options.push(DhcpOption::SubnetMask(subnet_mask(subnet.prefix_len)));
    options.extend(subnet.told.router.map(|router| DhcpOption::Router(vec![router])));
    if !subnet.told.dns.is_empty() {
        options.push(DhcpOption::DomainNameServer(subnet.told.dns.clone()));
    }
    let own = subnet.origin.address;
    match firmware {
        Firmware::Ipxe => {
            let no_proxy = UnknownOption::new(IPXE, vec![IPXE_NO_PROXY_DHCP, 1, 1]);
            options.push(DhcpOption::Unknown(no_proxy));
        }
        Firmware::BiosPxe | Firmware::UefiPxe | Firmware::SilentPxe => {
            // Boot ROMs take an offer for a network boot only if it says so.
            options.push(DhcpOption::ClassIdentifier(b"PXEClient".to_vec()));
            options.push(DhcpOption::VendorExtensions(TAKE_THE_FILE.to_vec()));
        }
        Firmware::UefiHttp => options.push(DhcpOption::ClassIdentifier(b"HTTPClient".to_vec())),
        Firmware::System | Firmware::Unsupported(_) => {}
    }
    if !file.is_empty() && request.wants_names {
        options.push(DhcpOption::TFTPServerName(own.to_string().into_bytes()));
        // Old boot ROMs take it for a C string, and whatever stands behind it for a part of the name.
        options.push(DhcpOption::BootfileName([file.as_bytes(), &[0]].concat()));
    }
    reply(request, address, own, file, options)
}

/// What a machine loads next, as it is told; nothing in it: no file.
pub(crate) fn file_of(
    ticket: &BootTicket,
    firmware: Firmware,
    mac: MacAddr,
    base_url: &str,
) -> Result<String, Refusal> {
    let ours = || boot_file(firmware, ticket.loader, mac, base_url).map(BootFile::into_name);
    ticket.own.as_ref().map_or_else(ours, |own| own_file(own, firmware, base_url, ours))
}

/// What a machine with a boot of its own loads next; `ours`: by which it comes to that, where it names no loader.
fn own_file(
    own: &OwnBoot,
    firmware: Firmware,
    base_url: &str,
    ours: impl FnOnce() -> Result<String, Refusal>,
) -> Result<String, Refusal> {
    let by_ipxe = own.script.is_some() || own.kernel.is_some();
    let by_http = |loader: &String| format!("{base_url}/{loader}");
    match (firmware, &own.loader) {
        (Firmware::Ipxe, loader) if !by_ipxe => Ok(loader.as_ref().map(by_http).unwrap_or_default()),
        (Firmware::UefiHttp, Some(loader)) => Ok(by_http(loader)),
        (
            Firmware::BiosPxe | Firmware::SilentPxe | Firmware::UefiPxe | Firmware::Unsupported(_),
            Some(loader),
        ) => Ok(loader.clone()),
        (Firmware::System, _) => Ok(String::new()),
        (Firmware::Ipxe, _) | (_, None) if by_ipxe => ours(),
        (
            Firmware::Ipxe | Firmware::BiosPxe | Firmware::SilentPxe | Firmware::UefiPxe | Firmware::UefiHttp,
            _,
        ) => Ok(String::new()),
        (Firmware::Unsupported(architecture), None) => Err(Refusal::UnsupportedFirmware { architecture }),
    }
}

fn deny(subnet: &Subnet, request: &Request) -> Vec<u8> {
    let none = Ipv4Addr::UNSPECIFIED;
    let mut denied = request.clone();
    if !request.giaddr.is_unspecified() {
        // The relay is to broadcast it: the client's address is wrong (RFC 2131 section 4.3.2).
        denied.flags = request.flags.set_broadcast();
    }
    reply(&denied, none, none, "", head(subnet, ReplyKind::Nak))
}

pub(super) fn head(subnet: &Subnet, kind: ReplyKind) -> Vec<DhcpOption> {
    let kind = match kind {
        ReplyKind::Offer => MessageType::Offer,
        ReplyKind::Ack => MessageType::Ack,
        ReplyKind::Nak => MessageType::Nak,
    };
    vec![DhcpOption::MessageType(kind), DhcpOption::ServerIdentifier(subnet.origin.address)]
}

pub(super) fn reply(
    request: &Request,
    yiaddr: Ipv4Addr,
    siaddr: Ipv4Addr,
    file: &str,
    mut options: Vec<DhcpOption>,
) -> Vec<u8> {
    options.extend_from_slice(&request.echo);
    let reply = Reply {
        xid: request.xid,
        flags: request.flags,
        ciaddr: if yiaddr.is_unspecified() { yiaddr } else { request.ciaddr },
        yiaddr,
        siaddr,
        giaddr: request.giaddr,
        mac: request.mac,
        file: file.to_owned(),
        options,
    };
    reply.build()
}

#[cfg(test)]
mod tests {
    use dhcproto::v4::{Message, OptionCode};
    use proptest::prelude::*;
    use protocol::boot::{BootLoader, BootMode, BootPlan, BootPurpose};

    use super::*;
    use crate::dhcp::{
        lease::LeaseRange,
        packet::Packet,
        test_request::{bytes, request},
    };

    const OWN: Ipv4Addr = Ipv4Addr::new(198, 18, 1, 1);
    const KNOWN: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
    const ELSEWHERE: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);
    const UNKNOWN: MacAddr = MacAddr([2, 0, 0, 0, 0, 3]);
    const RELAY: Ipv4Addr = Ipv4Addr::new(198, 18, 1, 254);

    fn plan(mac: MacAddr) -> Plan {
        match mac {
            KNOWN => Plan::Here(BootTicket {
                boot_id: 1,
                command_line: "quiet".into(),
                boot_mode: BootMode::Bios,
                loader: BootLoader::Ipxe,
                plan: BootPlan { purpose: BootPurpose::Inspect, network: BootNetwork::Provisioning },
                own: None,
            }),
            ELSEWHERE => Plan::Elsewhere(BootNetwork::Cleaning),
            _ => Plan::Nowhere,
        }
    }

    fn subnet() -> Subnet {
        let origin = Origin { address: OWN, http_port: 80 };
        Subnet {
            network: BootNetwork::Provisioning,
            prefix_len: 24,
            origin,
            relays: vec![RELAY],
            told: Default::default(),
        }
    }

    fn leases() -> Leases {
        let range = LeaseRange::new(Ipv4Addr::new(198, 18, 1, 10), Ipv4Addr::new(198, 18, 1, 99), OWN, 24);
        Leases::new(range.unwrap())
    }

    /// The answer's kind, or why there is none.
    fn ask(leases: &mut Leases, request: &Message) -> Result<(ReplyKind, Vec<u8>, SocketAddrV4), String> {
        ask_bytes(leases, &bytes(request))
    }

    fn ask_bytes(leases: &mut Leases, request: &[u8]) -> Result<(ReplyKind, Vec<u8>, SocketAddrV4), String> {
        let decide = |leases: &mut Leases| {
            respond(&subnet(), leases, request, crate::test_clock::start(), &plan, &|_| None)
        };
        let outcome = match decide(leases) {
            Outcome::Prove { mac, .. } => {
                leases.prove(mac);
                decide(leases)
            }
            outcome => outcome,
        };
        match outcome {
            Outcome::Prove { .. } => Err("to be proven twice".to_owned()),
            Outcome::Reply(answer) => match answer.to {
                SocketAddr::V4(to) => Ok((answer.kind, answer.bytes, to)),
                SocketAddr::V6(to) => panic!("sent to {to}"),
            },
            Outcome::Refused { mac: _, reason } => Err(reason.to_string()),
            Outcome::Ignored(ignored) => Err(ignored.to_string()),
            Outcome::Note { .. } => panic!("DHCPv4 knows no such answer"),
        }
    }

    #[test]
    fn who_may_boot_nothing_is_told_with_the_machine_that_it_says_it_is() {
        let machine = [&[0][..], &[7; 16]].concat();
        let asks = |mac| {
            let message = bytes(&request(mac, &[(53, &[1]), (97, &machine)]));
            match respond(&subnet(), &mut leases(), &message, crate::test_clock::start(), &plan, &|_| None) {
                Outcome::Refused { reason, .. } => reason,
                outcome => panic!("{outcome:?}"),
            }
        };
        let machine = Some(uuid::Uuid::from_bytes([7; 16]));
        assert_eq!(asks(UNKNOWN), Refusal::NoPlan { machine });
        assert_eq!(asks(ELSEWHERE), Refusal::WrongNetwork { planned: BootNetwork::Cleaning });
    }

    #[test]
    fn only_a_permitted_boot_is_answered() {
        let check = |request: Message, expected: Result<ReplyKind, &str>| {
            let found = ask(&mut leases(), &request).map(|(kind, ..)| kind);
            match (found, expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected),
                (Err(found), Err(expected)) => {
                    assert!(found.contains(expected), "{found:?} lacks {expected:?}")
                }
                (found, expected) => panic!("{found:?} instead of {expected:?}"),
            }
        };
        check(request(KNOWN, &[(53, &[1])]), Ok(ReplyKind::Offer));
        check(request(UNKNOWN, &[(53, &[1])]), Err("no network boot is permitted"));
        // Whatever asks: a BIOS or a UEFI boot ROM, UEFI that boots by HTTP, iPXE, a ramdisk.
        for arch in [&[0, 0], &[0, 7], &[0, 9], &[0, 16]] {
            for (class, user) in
                [(&b"PXEClient"[..], &b""[..]), (b"HTTPClient", b""), (b"PXEClient", b"iPXE")]
            {
                let options: [(u8, &[u8]); 4] = [(53, &[1]), (60, class), (77, user), (93, arch)];
                check(request(ELSEWHERE, &options), Err("on the cleaning network only"));
            }
        }
        check(request(ELSEWHERE, &[(53, &[1])]), Err("on the cleaning network only"));
        check(
            request(ELSEWHERE, &[(53, &[3]), (50, &[198, 18, 1, 20])]),
            Err("on the cleaning network only"),
        );
        let own = OWN.octets();
        check(request(KNOWN, &[(53, &[3]), (50, &[198, 18, 1, 20]), (54, &own)]), Ok(ReplyKind::Ack));
        check(request(KNOWN, &[(53, &[3]), (50, &[192, 0, 2, 7])]), Ok(ReplyKind::Nak));
        check(request(UNKNOWN, &[(53, &[3]), (50, &[192, 0, 2, 7])]), Err("no network boot is permitted"));
        check(
            request(KNOWN, &[(53, &[3]), (50, &[198, 18, 1, 20]), (54, &[198, 18, 1, 2])]),
            Err("find 198.18.1.2 and remove it"),
        );
        let other = [198, 18, 1, 2];
        let stranger = request(UNKNOWN, &[(53, &[3]), (50, &[198, 18, 1, 20]), (54, &other)]);
        let ignored = ask(&mut leases(), &stranger).unwrap_err();
        assert_eq!(
            ignored, "it is meant for the server 198.18.1.2",
            "who boots nothing here is nobody's concern"
        );
        check(
            request(KNOWN, &[(53, &[1]), (60, b"PXEClient"), (93, &[0, 11])]),
            Err("client architecture 11"),
        );
        let mut relayed = request(KNOWN, &[(53, &[1])]);
        relayed.set_giaddr(Ipv4Addr::new(203, 0, 113, 1));
        check(relayed, Err("relay 203.0.113.1"));
    }

    #[test]
    fn a_boot_rom_is_given_all_it_needs_and_no_route() {
        let uuid = [0; 17];
        let discover = request(
            KNOWN,
            &[
                (53, &[1]),
                (55, &[1, 3, 66, 67]),
                (60, b"PXEClient:Arch:00007:UNDI:003000"),
                (93, &[0, 7]),
                (97, &uuid),
                (61, &[1, 2, 0, 0, 0, 0, 1]),
            ],
        );
        let (kind, offer, to) = ask(&mut leases(), &discover).unwrap();
        let offer = Packet::parse(&offer).unwrap();
        assert_eq!((kind, to.to_string().as_str()), (ReplyKind::Offer, "255.255.255.255:68"));
        assert_eq!(
            (offer.fixed.xid(), offer.fixed.siaddr(), offer.fixed.fname()),
            (0x1234_5678, OWN, b"snponly.efi".as_slice())
        );
        let check = |code: u8, expected: Option<&[u8]>| {
            assert_eq!(offer.options.get(code.into()), expected, "option {code}");
        };
        check(1, Some(&[255, 255, 255, 0]));
        check(3, None);
        check(6, None);
        check(43, Some(&[6, 1, 8, 255]));
        check(51, Some(&600_u32.to_be_bytes()));
        check(54, Some(&OWN.octets()));
        check(60, Some(b"PXEClient"));
        check(61, Some(&[1, 2, 0, 0, 0, 0, 1]));
        check(66, Some(b"198.18.1.1"));
        check(67, Some(b"snponly.efi\0"));
        check(97, Some(&uuid));
        check(175, None);
    }

    #[test]
    fn ipxe_is_sent_to_its_script_without_waiting() {
        let discover =
            request(KNOWN, &[(53, &[1]), (60, b"PXEClient:Arch:00000"), (77, b"iPXE"), (93, &[0, 0])]);
        let (_, offer, _) = ask(&mut leases(), &discover).unwrap();
        let offer = Packet::parse(&offer).unwrap();
        assert_eq!(offer.fixed.fname(), b"http://198.18.1.1/boot/02:00:00:00:00:01/script");
        assert_eq!(offer.options.get(IPXE), Some([176, 1, 1].as_slice()));
        assert_eq!(offer.options.get(OptionCode::VendorExtensions), None);
    }

    #[test]
    fn a_first_address_is_proven_and_one_in_use_is_passed_over() {
        let (mut leases, now) = (leases(), crate::test_clock::start());
        let decide = |leases: &mut Leases, request: &Message| {
            respond(&subnet(), leases, &bytes(request), now, &plan, &|_| None)
        };
        let discover = request(KNOWN, &[(53, &[1])]);
        let Outcome::Prove { mac: KNOWN, address } = decide(&mut leases, &discover) else { panic!() };
        let again = decide(&mut leases, &discover);
        assert!(matches!(again, Outcome::Ignored(Ignored::BeingProven(KNOWN))), "{again:?}");
        leases.in_use(KNOWN, address, now);
        let Outcome::Prove { address: other, .. } = decide(&mut leases, &discover) else { panic!() };
        assert_ne!(other, address);
        leases.prove(KNOWN);
        let Outcome::Reply(offer) = decide(&mut leases, &discover) else { panic!() };
        assert_eq!((offer.kind, offer.address, offer.keep), (ReplyKind::Offer, IpAddr::V4(other), None));
        let take = request(KNOWN, &[(53, &[3]), (50, &other.octets())]);
        let Outcome::Reply(ack) = decide(&mut leases, &take) else { panic!() };
        assert_eq!((ack.kind, ack.keep.map(|lent| lent.address)), (ReplyKind::Ack, Some(other)));
        // Who uses an address that was forgotten keeps it unasked: it would answer itself.
        let mut renewal = request(KNOWN, &[(53, &[3])]);
        renewal.set_ciaddr(Ipv4Addr::new(198, 18, 1, 77));
        let Outcome::Reply(ack) = decide(&mut self::leases(), &renewal) else { panic!() };
        assert_eq!((ack.kind, ack.address.to_string().as_str()), (ReplyKind::Ack, "198.18.1.77"));
    }

    #[test]
    fn a_relay_is_answered_and_a_switchs_option_comes_back_last() {
        let told = b"\x01\x08ge-0/0/3";
        let check = |kind: u8, wish: [u8; 4], giaddr: Ipv4Addr, expected: (ReplyKind, &str)| {
            let mut asked = request(KNOWN, &[(53, &[kind]), (50, &wish), (61, &[1, 2]), (97, &[0; 17])]);
            asked.set_giaddr(giaddr);
            // The switch puts it in where the end was.
            let mut asked = bytes(&asked);
            assert_eq!(asked.pop(), Some(255));
            asked.extend([&[82, 10][..], told, &[255]].concat());
            let (kind, bytes, to) = ask_bytes(&mut leases(), &asked).unwrap();
            assert_eq!((kind, to.to_string().as_str()), expected);
            let end = bytes.iter().rposition(|byte| *byte == 255).unwrap();
            assert_eq!(bytes[end - 12..end], [&[82, 10][..], told].concat(), "the last option");
            let reply = Packet::parse(&bytes).unwrap();
            assert_eq!(reply.fixed.giaddr(), giaddr);
            assert_eq!(reply.fixed.flags().broadcast(), kind == ReplyKind::Nak && giaddr == RELAY);
        };
        let none = Ipv4Addr::UNSPECIFIED;
        check(1, [198, 18, 1, 20], none, (ReplyKind::Offer, "255.255.255.255:68"));
        check(1, [198, 18, 1, 20], RELAY, (ReplyKind::Offer, "198.18.1.254:67"));
        check(3, [198, 18, 1, 20], RELAY, (ReplyKind::Ack, "198.18.1.254:67"));
        check(3, [192, 0, 2, 7], RELAY, (ReplyKind::Nak, "198.18.1.254:67"));
        check(3, [192, 0, 2, 7], none, (ReplyKind::Nak, "255.255.255.255:68"));
    }

    #[test]
    fn a_renewal_is_answered_where_the_client_is() {
        let mut leases = leases();
        let (_, offer, _) = ask(&mut leases, &request(KNOWN, &[(53, &[1])])).unwrap();
        let address = Packet::parse(&offer).unwrap().fixed.yiaddr();
        let mut renewal = request(KNOWN, &[(53, &[3])]);
        renewal.set_ciaddr(address);
        let (kind, ack, to) = ask(&mut leases, &renewal).unwrap();
        let ack = Packet::parse(&ack).unwrap();
        assert_eq!((kind, ack.fixed.yiaddr(), *to.ip()), (ReplyKind::Ack, address, address));
        assert!(ack.fixed.fname().is_empty());
    }

    proptest! {
        #[test]
        fn no_packet_of_a_stranger_is_answered(mac in any::<[u8; 6]>(), noise in proptest::collection::vec(any::<u8>(), 0..300), kind in 0u8..9) {
            let mac = MacAddr(mac);
            prop_assume!(!plan(mac).is_here());
            let mut packet = bytes(&request(mac, &[(53, &[kind])]));
            packet.truncate(243);
            packet.extend_from_slice(&noise);
            let outcome = respond(&subnet(), &mut leases(), &packet, crate::test_clock::start(), &plan, &|_| None);
            prop_assert!(!matches!(outcome, Outcome::Reply(_)));
        }

        #[test]
        fn every_answer_fits_every_client(noise in proptest::collection::vec(any::<u8>(), 0..900), port in any::<u16>()) {
            let mut packet = bytes(&request(KNOWN, &[(53, &[1]), (61, &[7; 64]), (97, &[8; 64])]));
            packet.pop();
            packet.extend_from_slice(&noise);
            let mut subnet = subnet();
            subnet.origin.http_port = port;
            let outcome = respond(&subnet, &mut leases(), &packet, crate::test_clock::start(), &plan, &|_| None);
            if let Outcome::Reply(answer) = outcome {
                // RFC 2131 section 2: 576 bytes of datagram, 28 of them IP and UDP.
                prop_assert!(answer.bytes.len() <= 548, "{}", answer.bytes.len());
            }
        }
    }
}
