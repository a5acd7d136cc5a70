//! Every byte of the DHCPv6 server's answers, as `dhcp_bytes` has those of DHCPv4: `golden6/NAME.hex` holds a request that was taken from the
//! wire (or, named `made-*`, written by hand) and, after an empty line, its answer. The answer to a new request is written by running with
//! `GOLDEN=write`.

use std::{fs, net::Ipv4Addr, path::Path, time::Instant};

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
    dhcp6::{link::Link, responder::respond},
};

/// Who sends all of them: the address of 52:54:00:00:00:21.
const CLIENT: &str = "[fe80::5054:ff:fe00:21]:546";

/// The answer of an agent that has just been started, when everybody may boot.
fn answer(request: &[u8]) -> Vec<u8> {
    let own = Ipv4Addr::new(198, 18, 1, 1);
    let range = LeaseRange::new(Ipv4Addr::new(198, 18, 1, 10), Ipv4Addr::new(198, 18, 1, 99), own, 24);
    let ipv6: Ipv6 = "2001:db8:0:7::1/64".parse().unwrap();
    // The interface to which those requests were sent that name a server.
    let link = Link::new(ipv6, 80, MacAddr([0x2e, 0x1e, 0x0d, 0x32, 0x15, 0xbb]));
    let ticket = BootTicket {
        boot_id: 1,
        command_line: "quiet".into(),
        boot_mode: BootMode::Uefi,
        loader: BootLoader::Ipxe,
        plan: BootPlan { purpose: BootPurpose::Deploy, network: BootNetwork::Provisioning },
        own: None,
    };
    let plan = |_| Plan::Here(ticket.clone());
    let mut leases = Leases::new(range.unwrap());
    let from = CLIENT.parse().unwrap();
    let mut decide = |proven: Option<MacAddr>| {
        proven.inspect(|mac| leases.prove(*mac));
        respond(&link, &mut leases, (request, from), Instant::now(), &plan, &|_| None)
    };
    let outcome = match decide(None) {
        Outcome::Prove { mac, .. } => decide(Some(mac)),
        outcome => outcome,
    };
    match outcome {
        Outcome::Reply(answer) => answer.bytes,
        Outcome::Note { bytes, .. } => bytes,
        other => panic!("no answer: {other:?}"),
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap()).collect()
}

fn hex(bytes: &[u8]) -> String {
    let line = |line: &[u8]| line.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n";
    bytes.chunks(32).map(line).collect()
}

#[test]
fn answers_by_dhcpv6_are_the_same_to_the_byte() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden6");
    let mut files = 0;
    for entry in fs::read_dir(&dir).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let (request, golden) = text.split_once("\n\n").unwrap_or((text.trim_end(), ""));
        let found = hex(&answer(&bytes(request)));
        if golden.is_empty() && std::env::var_os("GOLDEN").is_some_and(|how| how == "write") {
            fs::write(&path, format!("{}\n\n{found}", request.trim_end())).unwrap();
            continue;
        }
        assert_eq!(found, golden, "{}", path.display());
        files += 1;
    }
    assert!(files > 3, "{files} of them in {}", dir.display());
}
