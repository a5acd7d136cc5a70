//! Edges: what arrives at the DHCP server and at the port of router solicitations. (A lease takes a time; any will do.)

use std::{net::Ipv4Addr, time::Instant};

use dhcproto::v4::{Opcode, OptionCode};
use protocol::{
    boot::{BootLoader, BootMode, BootPlan, BootPurpose},
    network::BootNetwork,
};
use pxe::{
    BootTicket, Plan,
    dhcp::{
        lease::{LeaseRange, Leases},
        packet::Packet,
        request::Request,
        responder::{DhcpReply, Outcome, Subnet, respond},
    },
    firmware::Origin,
    ra::message::is_solicitation,
};

const OWN: Ipv4Addr = Ipv4Addr::new(198, 18, 1, 1);
/// RFC 2131 section 2: 576 bytes of datagram, 28 of them IP and UDP, are what every client takes.
const ANSWER_BYTES_MAX: usize = 548;

/// Whatever is answered is a reply to its request that every client can take, and repeats what the client wants to see again.
pub fn run(data: &[u8]) {
    let _ = is_solicitation(data);
    if let Outcome::Reply(answer) = answer(data) {
        judge(data, &answer);
    }
}

/// What an agent says to whom nobody refuses a boot.
fn answer(data: &[u8]) -> Outcome {
    let range = LeaseRange::new(Ipv4Addr::new(198, 18, 1, 10), Ipv4Addr::new(198, 18, 1, 99), OWN, 24);
    let origin = Origin { address: OWN, http_port: 80 };
    let subnet = Subnet {
        network: BootNetwork::Provisioning,
        prefix_len: 24,
        origin,
        relays: Vec::new(),
        told: Default::default(),
    };
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
    match respond(&subnet, &mut leases, data, Instant::now(), &plan, &|_| None) {
        Outcome::Prove { mac, .. } => {
            leases.prove(mac);
            respond(&subnet, &mut leases, data, Instant::now(), &plan, &|_| None)
        }
        outcome => outcome,
    }
}

fn judge(data: &[u8], answer: &DhcpReply) {
    let request = Packet::parse(data).expect("it was answered");
    let reply = Packet::parse(&answer.bytes).expect("our own bytes are a packet");
    // The switch that put option 82 in takes it out again.
    let switchs = reply.options.get(OptionCode::RelayAgentInformation).map_or(0, |value| value.len() + 2);
    let len = answer.bytes.len();
    assert!((300..=ANSWER_BYTES_MAX + switchs).contains(&len), "{len} bytes, {switchs} of them the switch's");
    assert_eq!(reply.fixed.opcode(), Opcode::BootReply);
    assert_eq!((reply.mac, reply.fixed.xid()), (request.mac, request.fixed.xid()));
    assert!(reply.mac.0[0] & 1 == 0);
    for option in &Request::parse(data).expect("it was answered").echo {
        let code = OptionCode::from(option);
        assert_eq!(reply.options.get(code), request.options.get(code).filter(|value| !value.is_empty()));
    }
}
