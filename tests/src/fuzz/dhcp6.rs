//! Edges: what arrives at the DHCPv6 server, from a client or through a relay. (A lease takes a time; any will do.)

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddrV6},
    time::Instant,
};

use dhcproto::v6::OptionCode;
use protocol::{
    boot::{BootLoader, BootMode, BootPlan, BootPurpose},
    mac::MacAddr,
    network::BootNetwork,
};
use pxe::{
    BootTicket, Ipv6, Plan,
    dhcp::{
        lease::{LeaseRange, Leases},
        responder::Outcome,
    },
    dhcp6::{link::Link, option::Options, request::Request, responder::respond},
};

const OWN: Ipv4Addr = Ipv4Addr::new(198, 18, 1, 1);
const CLIENT: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0xff, 0xfe00, 1);

/// Whatever is answered repeats the question's number and the client's name, and is hardly longer than what was asked.
pub fn run(data: &[u8]) {
    let bytes = match answer(data) {
        Outcome::Reply(answer) => answer.bytes,
        Outcome::Note { bytes, .. } => bytes,
        Outcome::Refused { .. } | Outcome::Prove { .. } | Outcome::Ignored(_) => return,
    };
    let request = Request::parse(data, CLIENT).expect("it was answered");
    assert!(bytes.len() <= data.len() + ANSWER_BYTES_MORE, "{} bytes for {}", bytes.len(), data.len());
    let mut inner = bytes.as_slice();
    for relay in &request.relays {
        assert_eq!((inner[0], inner[1], &inner[18..34]), (13, relay.hops, &relay.peer.octets()[..]));
        inner = Options::new(&inner[34..]).get(OptionCode::RelayMsg).expect("an answer is in it");
    }
    assert_eq!(inner[1..4], request.xid);
    let client = Options::new(&inner[4..]).get(OptionCode::ClientId).unwrap_or_default();
    assert_eq!(client, request.client_id);
}

/// Our own name, an address, a URL and a class; each relay of the question costs less than it did there.
const ANSWER_BYTES_MORE: usize = 400;

fn answer(data: &[u8]) -> Outcome {
    let range = LeaseRange::new(Ipv4Addr::new(198, 18, 1, 10), Ipv4Addr::new(198, 18, 1, 99), OWN, 24);
    let ipv6 = Ipv6 {
        address: Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1),
        prefix_len: 64,
        relays: vec![CLIENT],
    };
    let link = Link::new(ipv6, 80, MacAddr([2, 0, 0, 0, 0, 0xaa]));
    let plan = |_| {
        Plan::Here(BootTicket {
            boot_id: 1,
            command_line: String::new(),
            boot_mode: BootMode::Uefi,
            loader: BootLoader::Ipxe,
            plan: BootPlan { purpose: BootPurpose::Deploy, network: BootNetwork::Provisioning },
            own: None,
        })
    };
    let mut leases = Leases::new(range.expect("the range lies in the network"));
    let from = SocketAddrV6::new(CLIENT, 546, 0, 1);
    match respond(&link, &mut leases, (data, from), Instant::now(), &plan, &|_| None) {
        Outcome::Prove { mac, .. } => {
            leases.prove(mac);
            respond(&link, &mut leases, (data, from), Instant::now(), &plan, &|_| None)
        }
        outcome => outcome,
    }
}
