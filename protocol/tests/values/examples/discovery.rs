//! Values: discovery, its orders and what it finds.

use std::net::Ipv4Addr;

use protocol::{
    bmc_mark::BmcMark,
    convert::{FromAgent, ToAgent},
    discovery::{Claim, Credential, Finding, FoundBmc, Order, OrderTask, RedfishPort, Scan},
    hardware::BmcIdentity,
    report::ReportBody,
    secret::Secret,
    spec::BmcProtocol,
};
use uuid::Uuid;

use super::{MAC, hardware::example_machine, report};

/// What was found.
pub(super) fn up() -> Vec<(&'static str, FromAgent)> {
    let found = |finding| report(ReportBody::Found { finding });
    vec![
        ("up-found-bmc", found(Finding::Bmc(Box::new(found_bmc())))),
        ("up-found-bmc-marks", found(Finding::Bmc(Box::new(marked_bmc())))),
        ("up-found-machine", found(Finding::Machine { hardware: Box::new(example_machine()) })),
        ("up-scan-progress", found(Finding::Progress { done: 3, total: 30 })),
        ("up-scan-ended", found(Finding::ScanEnded { fault: "stopped".into() })),
        ("up-window-ended", found(Finding::WindowEnded { reason: "its time is over".into() })),
    ]
}

/// What is to be looked for.
pub(super) fn down() -> Vec<(&'static str, ToAgent)> {
    let discover = |task| ToAgent::Discover(Order { id: Uuid::from_u128(10), task });
    vec![
        ("down-discover-scan", discover(OrderTask::Scan(example_scan()))),
        ("down-discover-scan-awaited", discover(OrderTask::Scan(awaiting_scan()))),
        ("down-discover-open", discover(OrderTask::Open { seconds: 600, never: vec![MAC] })),
        ("down-discover-close", discover(OrderTask::Close)),
        ("down-discover-claim", discover(OrderTask::Claim(example_claim()))),
    ]
}

fn found_bmc() -> FoundBmc {
    FoundBmc {
        address: Ipv4Addr::new(198, 51, 100, 11),
        port: 443,
        protocol: BmcProtocol::Redfish {
            system: None,
            certificate_sha256: Some("cd".repeat(32)),
            http: false,
        },
        credential: Some(0),
        identity: Some(BmcIdentity { guid: "g".into(), ..BmcIdentity::default() }),
        problem: "p".into(),
        marks: Vec::new(),
        is_refused: false,
    }
}

fn marked_bmc() -> FoundBmc {
    let marks = ["mac:02:00:00:00:00:01", "serial:7x0ab12", "uuid:00112233-4455-6677-8899-aabbccddeeff"];
    FoundBmc {
        credential: None,
        identity: None,
        marks: marks.map(|mark| mark.parse::<BmcMark>().unwrap()).to_vec(),
        is_refused: true,
        ..found_bmc()
    }
}

fn example_claim() -> Claim {
    Claim {
        address: Ipv4Addr::new(198, 51, 100, 12),
        port: 623,
        protocol: BmcProtocol::Ipmi { cipher_suite: None },
        credential: Credential { username: "admin".into(), password: Secret::new("hunter2") },
    }
}

fn awaiting_scan() -> Scan {
    Scan { listed: vec!["serial:7x0ab12".parse().unwrap()], ..example_scan() }
}

fn example_scan() -> Scan {
    Scan {
        ranges: vec!["198.51.100.0/27".parse().unwrap()],
        redfish: vec![RedfishPort { port: 8000, http: true }],
        credentials: vec![Credential { username: "admin".into(), password: Secret::new("hunter2") }],
        spare: vec![Ipv4Addr::new(198, 51, 100, 12)],
        listed: Vec::new(),
    }
}
