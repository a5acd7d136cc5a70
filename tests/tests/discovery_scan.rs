//! A scan finds what is there, tries each credential once and in order, and nothing where nothing was given or a server is in use.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use agent::{discovery::Discovery, uplink::client::Seen};
use protocol::{
    discovery::{Credential, Finding, FoundBmc, Order, OrderTask, RedfishPort, Scan},
    report::ReportBody,
    secret::Secret,
    spec::BmcProtocol,
};
use tests::bmc::{
    Credentials,
    chassis::FakeChassis,
    ipmi,
    redfish::{self, RedfishOptions, Tls},
    redfish_odd::{Beside, Odd},
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const PASSWORD: &str = "correct-horse";
/// Longest that a scan of a handful of addresses may take.
const SCAN_MAX: Duration = Duration::from_secs(60);

fn at(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 77, 7, last)
}

fn credential(password: &str) -> Credential {
    Credential { username: "admin".into(), password: Secret::new(password) }
}

/// Lets an agent without a discovery network carry an order out; gives all its findings.
async fn carry_out(task: OrderTask) -> Vec<Finding> {
    let (orders, orders_rx) = mpsc::channel(1);
    let (seen, mut seen_rx) = mpsc::channel::<Seen>(64);
    let stop = CancellationToken::new();
    let running = tokio::spawn(Discovery::start(None, orders_rx, seen).unwrap().run(stop.clone()));
    let id = Uuid::from_u128(3);
    orders.send(Order { id, task }).await.unwrap();
    let mut findings = Vec::new();
    loop {
        let seen = tokio::time::timeout(SCAN_MAX, seen_rx.recv()).await.expect("the order ends").unwrap();
        assert_eq!(seen.server.0, id);
        let ReportBody::Found { finding } = seen.body else { panic!("{:?}", seen.body) };
        let is_end = matches!(finding, Finding::ScanEnded { .. } | Finding::WindowEnded { .. });
        if !matches!(finding, Finding::Progress { .. }) {
            findings.push(finding);
        }
        if is_end {
            break;
        }
    }
    stop.cancel();
    running.await.unwrap();
    findings
}

async fn scan(scan: Scan) -> Vec<FoundBmc> {
    let mut findings = carry_out(OrderTask::Scan(scan)).await;
    assert_eq!(findings.pop(), Some(Finding::ScanEnded { fault: String::new() }));
    let bmc = |finding| match finding {
        Finding::Bmc(bmc) => *bmc,
        other => panic!("{other:?}"),
    };
    let mut found: Vec<_> = findings.into_iter().map(bmc).collect();
    found.sort_by_key(|bmc| bmc.address);
    found
}

#[tokio::test]
async fn each_credential_is_tried_once_and_none_where_it_must_not() {
    let uuid = Uuid::from_u128(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff);
    let bmc = |last| {
        let credentials = Credentials::new("admin", PASSWORD);
        ipmi::serve_as((at(last), 623).into(), credentials, Arc::new(FakeChassis::default()), uuid).unwrap()
    };
    let (free, used) = (bmc(11), bmc(12));
    let tls = Tls::self_signed().unwrap();
    let fingerprint = tls.fingerprint();
    let door = (at(13), 8443).into();
    let _redfish = redfish::serve(
        door,
        Credentials::new("admin", PASSWORD),
        Arc::new(FakeChassis::default()),
        Some(tls),
    )
    .unwrap();
    let order = |credentials| Scan {
        ranges: vec!["127.77.7.10-127.77.7.14".parse().unwrap()],
        redfish: vec![RedfishPort { port: 8080, http: true }, RedfishPort { port: 8443, http: false }],
        credentials,
        spare: vec![at(12)],
        ..Scan::default()
    };
    let counts = || (free.stats().attempts, used.stats().attempts);

    let found = scan(order(vec![])).await;
    assert_eq!(found.iter().map(|bmc| bmc.address).collect::<Vec<_>>(), [at(11), at(12), at(13)]);
    assert!(found.iter().all(|bmc| bmc.identity.is_none() && bmc.problem.is_empty()), "{found:?}");
    assert_eq!(counts(), (0, 0), "no credential was given");

    let found = scan(order(vec![credential("one"), credential("two")])).await;
    assert!(found[0].problem.contains("does not accept user"), "{found:?}");
    assert!(found[1].problem.is_empty() && found[1].credential.is_none(), "{found:?}");
    assert_eq!(counts(), (2, 0), "each once, and none where a server is in use");

    let found = scan(order(vec![credential("one"), credential(PASSWORD), credential("three")])).await;
    assert_eq!((found[0].credential, found[0].problem.as_str()), (Some(1), ""));
    assert_eq!(found[0].identity.as_ref().unwrap().guid, uuid.to_string());
    assert_eq!(counts(), (4, 0), "none after the one that was accepted");
    let protocol = BmcProtocol::Redfish { system: None, certificate_sha256: Some(fingerprint), http: false };
    assert_eq!((found[2].port, &found[2].protocol, found[2].credential), (8443, &protocol, Some(1)));
}

#[tokio::test]
async fn odd_redfish_services_are_found_and_logged_in_to() {
    let serve = |last: u8, odd: Odd| {
        let listener = std::net::TcpListener::bind((at(last), 8000)).unwrap();
        let options = RedfishOptions { odd: vec![odd], ..RedfishOptions::default() };
        let credentials = Credentials::new("admin", PASSWORD);
        redfish::serve_on(listener, credentials, Arc::new(FakeChassis::default()), options).unwrap()
    };
    let _guarded = serve(21, Odd::RootGuarded);
    let _redirected = serve(22, Odd::Redirects(308));
    let _baseboard = serve(23, Odd::Systems(Beside::Baseboard));
    let _two = serve(24, Odd::Systems(Beside::Server));
    let found = scan(Scan {
        ranges: vec!["127.77.7.21-127.77.7.25".parse().unwrap()],
        redfish: vec![RedfishPort { port: 8000, http: true }],
        credentials: vec![credential(PASSWORD)],
        ..Scan::default()
    })
    .await;
    assert_eq!(found.iter().map(|bmc| bmc.address).collect::<Vec<_>>(), [at(21), at(22), at(23), at(24)]);
    for bmc in &found[..3] {
        assert!(bmc.credential == Some(0) && bmc.identity.is_some() && bmc.problem.is_empty(), "{bmc:?}");
    }
    assert!(found[3].credential == Some(0) && found[3].identity.is_none(), "{:?}", found[3]);
    for part in ["2 systems", "/redfish/v1/Systems/1", "/redfish/v1/Systems/2"] {
        assert!(found[3].problem.contains(part), "{:?}", found[3]);
    }
}

#[tokio::test]
async fn what_an_agent_cannot_do_is_said() {
    let check = |findings: Vec<Finding>, expected: &str| {
        assert!(matches!(findings.as_slice(), [_]), "{findings:?}");
        let said = format!("{findings:?}");
        assert!(said.contains(expected), "{said} lacks {expected:?}");
    };
    let open = OrderTask::Open { seconds: 60, never: Vec::new() };
    check(carry_out(open).await, "has no [networks.discovery]");
    let far = Scan { ranges: vec!["127.77.0.0/20".parse().unwrap(); 2], ..Scan::default() };
    check(carry_out(OrderTask::Scan(far)).await, "too many");
    let many = Scan { credentials: vec![credential("x"); 4], ..Scan::default() };
    check(carry_out(OrderTask::Scan(many)).await, "4 credentials");
}
