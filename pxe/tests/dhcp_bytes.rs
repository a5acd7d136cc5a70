//! Every byte of the DHCP server's answers. Firmware is choosy about order, padding and what is repeated to it, so an answer
//! that differs is a fault until a boot has shown otherwise.
//!
//! `golden/NAME.hex` holds a request and, after an empty line, its answer. The requests of iPXE, OVMF and udhcpc were taken
//! from the wire; those named `made-*` were written by hand. The answer to a new request is written by running with `GOLDEN=write`.

use std::{fs, net::Ipv4Addr, path::Path, time::Instant};

use protocol::{
    boot::{BootLoader, BootMode, BootPlan, BootPurpose},
    mac::MacAddr,
    network::BootNetwork,
};
use pxe::{
    BootTicket, Plan,
    dhcp::{
        lease::{LeaseRange, Leases},
        responder::{Outcome, Subnet, respond},
    },
    firmware::Origin,
};

const OWN: Ipv4Addr = Ipv4Addr::new(198, 18, 1, 1);

/// What an agent that has just been started answers, when everybody may boot.
fn answer(request: &[u8]) -> Vec<u8> {
    let range = LeaseRange::new(Ipv4Addr::new(198, 18, 1, 10), Ipv4Addr::new(198, 18, 1, 99), OWN, 24);
    let origin = Origin { address: OWN, http_port: 80 };
    let subnet = Subnet {
        network: BootNetwork::Provisioning,
        prefix_len: 24,
        origin,
        relays: Vec::new(),
        told: Default::default(),
    };
    let ticket = BootTicket {
        boot_id: 1,
        command_line: "quiet".into(),
        boot_mode: BootMode::Bios,
        loader: BootLoader::Ipxe,
        plan: BootPlan { purpose: BootPurpose::Deploy, network: BootNetwork::Provisioning },
        own: None,
    };
    let plan = |_| Plan::Here(ticket.clone());
    let mut leases = Leases::new(range.unwrap());
    let mut decide = |proven: Option<MacAddr>| {
        proven.inspect(|mac| leases.prove(*mac));
        respond(&subnet, &mut leases, request, Instant::now(), &plan, &|_| None)
    };
    let outcome = match decide(None) {
        Outcome::Prove { mac, .. } => decide(Some(mac)),
        outcome => outcome,
    };
    match outcome {
        Outcome::Reply(answer) => answer.bytes,
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
fn answers_are_the_same_to_the_byte() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut files = 0;
    for entry in fs::read_dir(&dir).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let (request, golden) = text.split_once("\n\n").unwrap_or((text.trim_end(), ""));
        let found = hex(&answer(&bytes(request)));
        if golden.is_empty() && std::env::var_os("GOLDEN").is_some_and(|how| how == "write") {
            fs::write(&path, format!("{request}\n\n{found}")).unwrap();
            continue;
        }
        assert_eq!(found, golden, "{}", path.display());
        files += 1;
    }
    assert!(files > 10, "{} of them in {}", files, dir.display());
}
