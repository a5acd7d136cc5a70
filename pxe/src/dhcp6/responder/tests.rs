//! Decisions: what is tried on the answers to DHCPv6 messages.

use std::time::Duration;

use proptest::prelude::*;
use protocol::{
    boot::{BootLoader, BootMode, BootPlan, BootPurpose},
    network::BootNetwork,
};

use super::*;
use crate::{
    booter::BootTicket,
    dhcp::lease::LeaseRange,
    dhcp6::{
        link::Ipv6,
        option::{Options, address},
        test_message::{CLIENT_ID, LINK_LOCAL, MAC, ia, message, relayed},
    },
};

const RELAY: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x254);
const OWN4: Ipv4Addr = Ipv4Addr::new(198, 18, 1, 1);
const UEFI: (u16, &[u8]) = (61, &[0, 7]);
const PXE: (u16, &[u8]) = (16, b"\0\0\x01\x57\0\x20PXEClient:Arch:00007:UNDI:003000");
const HTTP: (u16, &[u8]) = (16, b"\0\0\x01\x57\0\x21HTTPClient:Arch:00016:UNDI:003000");
const ID: (u16, &[u8]) = (1, &CLIENT_ID);

fn link() -> Link {
    let ipv6 = Ipv6 { address: "2001:db8::1".parse().unwrap(), prefix_len: 64, relays: vec![RELAY] };
    Link::new(ipv6, 80, MacAddr([2, 0, 0, 0, 0, 0xaa]))
}

fn leases() -> Leases {
    let range = LeaseRange::new(Ipv4Addr::new(198, 18, 1, 10), Ipv4Addr::new(198, 18, 1, 99), OWN4, 24);
    Leases::new(range.unwrap())
}

fn plan(mac: MacAddr) -> Plan {
    let ticket = BootTicket {
        boot_id: 1,
        command_line: String::new(),
        boot_mode: BootMode::Uefi,
        loader: BootLoader::Ipxe,
        plan: BootPlan { purpose: BootPurpose::Deploy, network: BootNetwork::Provisioning },
        own: None,
    };
    if mac == MAC { Plan::Here(ticket) } else { Plan::Nowhere }
}

fn ask_from(leases: &mut Leases, from: Ipv6Addr, bytes: &[u8]) -> Outcome {
    let from = SocketAddrV6::new(from, 546, 0, 3);
    let decide = |leases: &mut Leases| {
        respond(&link(), leases, (bytes, from), crate::test_clock::start(), &plan, &|_| None)
    };
    match decide(leases) {
        Outcome::Prove { mac, .. } => {
            leases.prove(mac);
            decide(leases)
        }
        outcome => outcome,
    }
}

fn ask(leases: &mut Leases, kind: u8, options: &[(u16, &[u8])]) -> Outcome {
    ask_from(leases, LINK_LOCAL, &message(kind, options))
}

fn reply(outcome: Outcome) -> DhcpReply {
    match outcome {
        Outcome::Reply(reply) => reply,
        other => panic!("{other:?}"),
    }
}

/// Kind, boot file and class of an answer, and its addresses with their lives.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    kind: u8,
    url: String,
    class: Vec<u8>,
    addresses: Vec<(Ipv6Addr, u32)>,
}

fn told(bytes: &[u8]) -> Told {
    assert_eq!(bytes[1..4], [1, 2, 3], "the question's number");
    let options = Options::new(&bytes[4..]);
    assert_eq!(options.get(OptionCode::ClientId), Some(&CLIENT_ID[..]));
    assert_eq!(options.get(OptionCode::ServerId), Some(&[0, 3, 0, 1, 2, 0, 0, 0, 0, 0xaa][..]));
    let association = options.get(OptionCode::IANA);
    let addresses = association.into_iter().flat_map(|value| Options::new(&value[12..]).each());
    let life = |value: &[u8]| u32::from_be_bytes(value[20..24].try_into().unwrap());
    Told {
        kind: bytes[0],
        url: String::from_utf8_lossy(options.get(OptionCode::OptBootfileUrl).unwrap_or_default())
            .into_owned(),
        class: options.get(OptionCode::VendorClass).unwrap_or_default().to_vec(),
        addresses: addresses.map(|(_, value)| (address(value).unwrap(), life(value))).collect(),
    }
}

fn server_id() -> Vec<u8> {
    link().server_id
}

#[test]
fn an_address_is_offered_and_lent_with_the_url_of_the_loader() {
    let mut leases = leases();
    let ia = ia(&[]);
    let offer = reply(ask(&mut leases, 1, &[ID, (3, &ia), PXE, UEFI]));
    let address: Ipv6Addr = match offer.address {
        std::net::IpAddr::V6(address) => address,
        other => panic!("{other}"),
    };
    let lent = link().ipv6.ipv4_of(address).unwrap();
    assert!(leases.range().contains(lent) && leases.address_of(MAC) == Some(lent));
    let mut expected = Told {
        kind: 2,
        url: "tftp://[2001:db8::1]/snponly.efi".into(),
        class: Vec::new(),
        addresses: vec![(address, 600)],
    };
    assert_eq!(told(&offer.bytes), expected);
    assert_eq!((offer.to.to_string().as_str(), offer.kind), ("[fe80::ff:fe00:1%3]:546", ReplyKind::Offer));
    assert_eq!(
        (offer.keep, leases.holder(lent, crate::test_clock::start())),
        (None, None),
        "offered is not lent"
    );
    let preference = Options::new(&offer.bytes[4..]).get(OptionCode::Preference);
    assert_eq!(preference, Some(&[255][..]), "nobody else's offer is waited for");

    let taken = reply(ask(&mut leases, 3, &[ID, (2, &server_id()), (3, &ia), PXE, UEFI]));
    expected.kind = 7;
    assert_eq!((told(&taken.bytes), taken.kind), (expected, ReplyKind::Ack));
    assert_eq!(taken.keep.map(|lent| (lent.mac, lent.address)), Some((MAC, lent)), "kept before it is told");
    assert_eq!(leases.holder(lent, crate::test_clock::start()), Some(MAC));
}

#[test]
fn each_firmware_is_given_its_url() {
    let check = |options: &[(u16, &[u8])], url: &str, class: &[u8]| {
        let ia = ia(&[]);
        let all = [&[ID, (3, &ia[..])], options].concat();
        let told = told(&reply(ask(&mut leases(), 1, &all)).bytes);
        assert_eq!((told.url.as_str(), told.class.as_slice()), (url, class), "{options:?}");
    };
    check(&[PXE, UEFI], "tftp://[2001:db8::1]/snponly.efi", b"");
    check(
        &[HTTP, (61, &[0, 16])],
        "http://[2001:db8::1]/boot/loader/snponly.efi",
        b"\0\0\x01\x57\0\x0aHTTPClient",
    );
    let script = "http://[2001:db8::1]/boot/02:00:00:00:00:01/script";
    check(&[PXE, UEFI, (15, b"\0\x04iPXE")], script, b"");
    check(&[], "", b"");
    let arm: (u16, &[u8]) = (61, &[0, 11]);
    let ia = ia(&[]);
    let refused = ask(&mut leases(), 1, &[ID, (3, &ia), PXE, arm]);
    let expected = Refusal::UnsupportedFirmware { architecture: 11 };
    assert!(matches!(&refused, Outcome::Refused { reason, .. } if *reason == expected), "{refused:?}");
}

#[test]
fn nobody_without_a_plan_is_answered() {
    let other: Ipv6Addr = "fe80::ff:fe00:2".parse().unwrap();
    let (ia, server) = (ia(&["2001:db8::c612:132".parse().unwrap()]), server_id());
    for kind in [1, 3, 4, 5, 6, 8, 9, 11] {
        let named = [ID, (2, &server[..]), (3, &ia)];
        let options = if matches!(kind, 3 | 5 | 8 | 9) { &named[..] } else { &[ID, (3, &ia)] };
        let outcome = ask_from(&mut leases(), other, &message(kind, options));
        assert!(matches!(outcome, Outcome::Refused { .. } | Outcome::Ignored(_)), "{kind}: {outcome:?}");
    }
    let solicit = ask_from(&mut leases(), other, &message(1, &[ID, (3, &ia)]));
    let machine = Some(uuid::Uuid::from_bytes([7; 16]));
    let expected = Refusal::NoPlan { machine };
    assert!(matches!(&solicit, Outcome::Refused { reason, .. } if *reason == expected), "{solicit:?}");
}

#[test]
fn what_is_meant_for_another_server_is_told_and_not_answered() {
    let ia = ia(&[]);
    let request = ask(&mut leases(), 3, &[ID, (2, &[0, 2, 9]), (3, &ia)]);
    let server = "with the DUID 000209".to_owned();
    let expected = Refusal::OtherServer { server: server.clone() };
    assert!(matches!(&request, Outcome::Refused { reason, .. } if *reason == expected), "{request:?}");
    for kind in [5, 8, 9] {
        let outcome = ask(&mut leases(), kind, &[ID, (2, &[0, 2, 9]), (3, &ia)]);
        let expected = Ignored::OtherServer(server.clone());
        assert!(matches!(&outcome, Outcome::Ignored(why) if *why == expected), "{kind}: {outcome:?}");
    }
}

#[test]
fn a_wrong_address_is_taken_back_and_the_right_one_given() {
    let mut leases = leases();
    let right = reply(ask(&mut leases, 1, &[ID, (3, &ia(&[]))])).address;
    let wrong: Ipv6Addr = "2001:db8:9::5".parse().unwrap();
    let answer = reply(ask(&mut leases, 6, &[ID, (3, &ia(&[wrong]))]));
    assert_eq!(told(&answer.bytes).addresses, [(right.to_string().parse().unwrap(), 600), (wrong, 0)]);
    // One of ours that is free is kept by whom we have forgotten; it need not look who uses it.
    let mut forgot = self::leases();
    let own = link().ipv6.address_of(Ipv4Addr::new(198, 18, 1, 77));
    let from = SocketAddrV6::new(LINK_LOCAL, 546, 0, 3);
    let bytes = message(6, &[ID, (3, &ia(&[own]))]);
    let now = crate::test_clock::start();
    let kept = reply(respond(&link(), &mut forgot, (&bytes, from), now, &plan, &|_| None));
    assert_eq!(kept.address, std::net::IpAddr::V6(own));
    // Whoever begins is not believed without a proof.
    let bytes = message(1, &[ID, (3, &ia(&[own]))]);
    let unproven = respond(&link(), &mut self::leases(), (&bytes, from), now, &plan, &|_| None);
    assert!(matches!(unproven, Outcome::Prove { .. }), "{unproven:?}");
}

#[test]
fn a_ramdisks_address_is_nobody_elses() {
    let mut leases = leases();
    let running = match reply(ask(&mut leases, 1, &[ID, (3, &ia(&[]))])).address {
        std::net::IpAddr::V6(address) => link().ipv6.ipv4_of(address).unwrap(),
        other => panic!("{other}"),
    };
    let (bytes, from) = (message(1, &[ID, (3, &ia(&[]))]), SocketAddrV6::new(LINK_LOCAL, 546, 0, 3));
    let ramdisk_at = |address| (address == running).then(|| vec![MacAddr([2, 0, 0, 0, 0, 9])]);
    let now = crate::test_clock::start();
    match respond(&link(), &mut leases, (&bytes, from), now, &plan, &ramdisk_at) {
        Outcome::Prove { address, .. } => assert_ne!(address, running),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_declined_address_is_given_to_nobody_in_either_family() {
    let mut leases = leases();
    let server = server_id();
    let taken = reply(ask(&mut leases, 1, &[ID, (3, &ia(&[]))]));
    let own: Ipv6Addr = taken.address.to_string().parse().unwrap();
    let decline = |leases: &mut Leases| ask(leases, 9, &[ID, (2, &server), (3, &ia(&[own]))]);
    // Offered and not lent: nobody can have found somebody else there. It is answered all the same, or it would be sent again.
    match decline(&mut leases) {
        Outcome::Note { of: Some(Ignored::Declined { became, .. }), .. } => {
            assert_eq!(became, Declined::NotLent)
        }
        other => panic!("{other:?}"),
    }
    reply(ask(&mut leases, 3, &[ID, (2, &server), (3, &ia(&[own]))]));
    let Outcome::Note { bytes, of: Some(Ignored::Declined { became, .. }), .. } = decline(&mut leases) else {
        panic!("not noted")
    };
    assert_eq!((bytes[0], became), (7, Declined::Quarantined));
    let next = reply(ask(&mut leases, 1, &[ID, (3, &ia(&[own]))])).address;
    assert_ne!(next, std::net::IpAddr::V6(own));
}

#[test]
fn who_has_an_address_is_told_whether_it_is_right_and_what_it_boots() {
    let status = |outcome: Outcome| match outcome {
        Outcome::Note { bytes, of: None, .. } => {
            let status =
                Options::new(&bytes[4..]).get(OptionCode::StatusCode).map(|value| [value[0], value[1]]);
            (bytes[0], status)
        }
        other => panic!("{other:?}"),
    };
    let confirm = |address: &str| ask(&mut leases(), 4, &[ID, (3, &ia(&[address.parse().unwrap()]))]);
    assert_eq!(status(confirm("2001:db8::c612:132")), (7, Some([0, 0])));
    assert_eq!(status(confirm("2001:db8:1::c612:132")), (7, Some([0, 4])), "not on this link");
    let (server, ia) = (server_id(), ia(&[]));
    assert_eq!(status(ask(&mut leases(), 8, &[ID, (2, &server), (3, &ia)])), (7, Some([0, 0])));
    let Outcome::Note { bytes, .. } = ask(&mut leases(), 11, &[ID, PXE, UEFI]) else { panic!("no answer") };
    let told = told(&bytes);
    assert_eq!((told.url.as_str(), told.addresses.len()), ("tftp://[2001:db8::1]/snponly.efi", 0));
}

#[test]
fn a_relay_that_is_named_is_answered_where_it_is_with_what_it_sent() {
    let solicit = message(1, &[ID, (3, &ia(&[]))]);
    let inner = relayed(LINK_LOCAL, &[(18, b"port3")], &solicit);
    let outer = relayed("2001:db8::253".parse().unwrap(), &[], &inner);
    let answer = reply(ask_from(&mut leases(), RELAY, &outer));
    assert_eq!(answer.to.to_string(), "[2001:db8::254%3]:547");
    let open = |bytes: &[u8], peer: &str| {
        assert_eq!(
            (bytes[0], bytes[18..34].to_vec()),
            (13, peer.parse::<Ipv6Addr>().unwrap().octets().to_vec())
        );
        let options = Options::new(&bytes[34..]);
        (
            options.get(OptionCode::InterfaceId).map(<[u8]>::to_vec),
            options.get(OptionCode::RelayMsg).unwrap().to_vec(),
        )
    };
    let (none, inside) = open(&answer.bytes, "2001:db8::253");
    let (port, inmost) = open(&inside, &LINK_LOCAL.to_string());
    assert_eq!((none, port.as_deref()), (None, Some(&b"port3"[..])));
    assert_eq!(told(&inmost).kind, 2);
    let stranger: Ipv6Addr = "2001:db8::666".parse().unwrap();
    let ignored = ask_from(&mut leases(), stranger, &outer);
    assert!(matches!(&ignored, Outcome::Ignored(Ignored::Relayed(by)) if *by == stranger), "{ignored:?}");
}

proptest! {
    #[test]
    fn any_message_is_survived(
        kind in 0u8..14,
        options in proptest::collection::vec((0u16..80, proptest::collection::vec(any::<u8>(), 0..40)), 0..8),
        is_relayed in any::<bool>(),
    ) {
        let ia = ia(&[]);
        let mut all = vec![ID, (3, &ia[..])];
        all.extend(options.iter().map(|(code, value)| (*code, value.as_slice())));
        let plain = message(kind, &all);
        let bytes = if is_relayed { relayed(LINK_LOCAL, &all[2..], &plain) } else { plain };
        let from = if is_relayed { RELAY } else { LINK_LOCAL };
        let mut leases = leases();
        let _ = ask_from(&mut leases, from, &bytes);
        let later = crate::test_clock::start() + Duration::from_secs(1);
        let from = SocketAddrV6::new(from, 546, 0, 0);
        let _ = respond(&link(), &mut leases, (&bytes, from), later, &plan, &|_| None);
    }
}
