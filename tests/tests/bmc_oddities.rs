//! Edges: BMCs that compute, answer or close otherwise than the specification has it: a command that comes first is done all the
//! same, and what cannot be done is told by its cause.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use agent::bmc::{
    Bmc, BmcError, BmcOptions, LogIns, Power,
    account::{BUDGET, Pace},
    connect_as,
};
use protocol::{
    boot::{BootDevice, BootMode, Persistence},
    ipmi::CipherSuite,
    secret::Secret,
    spec::{BmcEndpoint, BmcProtocol},
};
use rustls::SupportedProtocolVersion;
use tests::bmc::{
    Credentials,
    chassis::FakeChassis,
    insider::{self, CHASSIS_CONTROL, CHASSIS_STATUS, Oddity, SET_PRIVILEGE},
    ipmi,
    odd::{self, Closes, OPEN_SESSION_RESPONSE, RAKP_2, RAKP_4, Twist},
    redfish::{self, RedfishOptions, SessionPath, Tls},
};

const OPTIONS: BmcOptions =
    BmcOptions { first_wait: Duration::from_millis(200), tries: 4, min_gap: Duration::ZERO };
/// A second of the product's pauses.
const UNIT: Duration = Duration::from_millis(10);
/// Longest wait for what comes soon.
const SOON: Duration = Duration::from_secs(20);
static TLS_1_2: [&SupportedProtocolVersion; 1] = [&rustls::version::TLS12];
static TLS_1_3: [&SupportedProtocolVersion; 1] = [&rustls::version::TLS13];
const USER: &str = "admin";
const PASSWORD: &str = "correct-horse";

fn bmc_at(addr: SocketAddr, protocol: BmcProtocol) -> Box<dyn Bmc> {
    let endpoint = BmcEndpoint {
        protocol,
        address: addr.ip().to_string(),
        port: addr.port(),
        username: USER.into(),
        password: Secret::new(PASSWORD),
        settings: Default::default(),
    };
    connect_as(&endpoint, OPTIONS, LogIns { pace: Pace(UNIT), in_call: true })
}

fn virtual_ipmi() -> (ipmi::IpmiBmc, Arc<FakeChassis>) {
    let chassis = Arc::new(FakeChassis::default());
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let credentials = Credentials::new(USER, PASSWORD);
    (ipmi::serve_on(socket, credentials, &CipherSuite::ALL, chassis.clone()).unwrap(), chassis)
}

fn virtual_redfish(options: RedfishOptions) -> (redfish::RedfishBmc, Arc<FakeChassis>) {
    let chassis = Arc::new(FakeChassis::default());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let credentials = Credentials::new(USER, PASSWORD);
    (redfish::serve_on(listener, credentials, chassis.clone(), options).unwrap(), chassis)
}

const HTTP: BmcProtocol = BmcProtocol::Redfish { system: None, certificate_sha256: None, http: true };

/// A start as a deploy gives it, by a BMC that was never asked anything before: boot device, power, a reading.
async fn is_started(what: &str, bmc: &dyn Bmc, chassis: &FakeChassis) {
    bmc.set_boot_device(BootDevice::Pxe, Persistence::Once, BootMode::Uefi)
        .await
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    bmc.power_on().await.unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(chassis.state().on, "{what}");
    assert_eq!(bmc.power_status().await, Ok(Power::On), "{what}");
}

#[tokio::test]
async fn an_odd_ipmi_bmc_does_what_comes_first() {
    let answers = |to, code, times| Oddity::Answers { to, code, times };
    for (what, oddity) in [
        ("insufficient privilege (d4) at Set Session Privilege Level, once", answers(SET_PRIVILEGE, 0xd4, 1)),
        ("timed out (c3) there, once", answers(SET_PRIVILEGE, 0xc3, 1)),
        ("busy (c0) there, twice", answers(SET_PRIVILEGE, 0xc0, 2)),
        ("done without the new level, always", answers(SET_PRIVILEGE, 0x00, usize::MAX)),
        ("unspecified error (ff) there, once", answers(SET_PRIVILEGE, 0xff, 1)),
        ("not for this user (81) there, once", answers(SET_PRIVILEGE, 0x81, 1)),
        ("busy (c0) at Chassis Control", answers(CHASSIS_CONTROL, 0xc0, 1)),
        ("still starting (d2) at Chassis Control", answers(CHASSIS_CONTROL, 0xd2, 2)),
        ("timed out (c3) at Get Chassis Status", answers(CHASSIS_STATUS, 0xc3, 2)),
        ("cannot answer now (ce) there", answers(CHASSIS_STATUS, 0xce, 1)),
        ("insufficient privilege (d4) at Chassis Control, once", answers(CHASSIS_CONTROL, 0xd4, 1)),
        ("insufficient privilege (d4) at Get Chassis Status, once", answers(CHASSIS_STATUS, 0xd4, 1)),
        ("cannot answer now (ce) at Chassis Control", answers(CHASSIS_CONTROL, 0xce, 1)),
        ("taken for a repetition (cf) at Chassis Control", answers(CHASSIS_CONTROL, 0xcf, 1)),
        ("not in the present state (d5) at Chassis Control, once", answers(CHASSIS_CONTROL, 0xd5, 1)),
        ("the chassis does not answer (d3)", answers(CHASSIS_STATUS, 0xd3, 2)),
        ("its proof with a byte too many", Oddity::LongProof(1)),
        ("answers that name session 0", Oddity::SessionZero),
        ("its proof without the name-only bit", Oddity::RoleInProof(|role| role & 0x0f)),
        ("its proof with no privilege", Oddity::RoleInProof(|_| 0x10)),
        ("its proof with nothing", Oddity::RoleInProof(|_| 0)),
        ("our proof without the name-only bit", Oddity::RoleInRakp3(|role| role & 0x0f)),
        ("its keys alone without the name-only bit", Oddity::RoleInKeys(|role| role & 0x0f)),
        ("its keys alone with no privilege", Oddity::RoleInKeys(|_| 0x10)),
        ("its keys alone with nothing", Oddity::RoleInKeys(|_| 0)),
        ("the code of its keys with bytes too many", Oddity::LongCheck(8)),
    ] {
        for suite in CipherSuite::ALL {
            let (server, chassis) = virtual_ipmi();
            let front = insider::before_ipmi(server.addr, PASSWORD, oddity).await.unwrap();
            let bmc = bmc_at(front.addr, BmcProtocol::Ipmi { cipher_suite: Some(suite.id()) });
            is_started(&format!("{what}, suite {}", suite.id()), bmc.as_ref(), &chassis).await;
            assert!(front.changed() > 0, "{what}: nothing was odd");
        }
    }
    for (what, payload, twist, times) in [
        ("no free session, twice", OPEN_SESSION_RESPONSE, Twist::Status(0x01), 2),
        ("no free session in RAKP 2, twice", RAKP_2, Twist::Status(0x01), 2),
        ("the privilege of a maker of its own in Open Session", OPEN_SESSION_RESPONSE, Twist::Grants(5), 1),
        ("no privilege in Open Session", OPEN_SESSION_RESPONSE, Twist::Grants(0), 1),
        // Asked for 17 and for 3, each once: nothing is waited for.
        ("suite 3 whatever is asked for", OPEN_SESSION_RESPONSE, Twist::SuiteThree, 2),
    ] {
        let (server, chassis) = virtual_ipmi();
        let front = odd::before_ipmi(server.addr, payload, twist, times).await.unwrap();
        let bmc = bmc_at(front.addr, BmcProtocol::Ipmi { cipher_suite: None });
        is_started(what, bmc.as_ref(), &chassis).await;
        assert_eq!(front.changed(), times, "{what}");
    }
}

#[tokio::test]
async fn what_an_ipmi_bmc_does_otherwise_is_told_by_its_cause() {
    for (what, oddity, cause) in [
        ("answers that are encrypted only", Oddity::NotAuthenticated, "not authenticated"),
        ("its own key K_g", Oddity::OwnKey, "K_g"),
        ("request numbers of its own", Oddity::NumberZero, "wrong message tag"),
    ] {
        let (server, _) = virtual_ipmi();
        let front = insider::before_ipmi(server.addr, PASSWORD, oddity).await.unwrap();
        let bmc = bmc_at(front.addr, BmcProtocol::Ipmi { cipher_suite: Some(17) });
        let error = bmc.power_status().await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains(cause) && !text.contains("cable"), "{what}: {text}");
        assert!(!matches!(error, BmcError::Credentials { .. }), "{what}: its server is watched: {text}");
    }
}

#[tokio::test]
async fn a_bmc_that_answered_before_is_not_said_to_be_unplugged() {
    for (silent_at, asked) in
        [(OPEN_SESSION_RESPONSE, "Open Session"), (RAKP_2, "RAKP 1"), (RAKP_4, "RAKP 3")]
    {
        let (server, _) = virtual_ipmi();
        let front = odd::before_ipmi(server.addr, silent_at, Twist::Silence, usize::MAX).await.unwrap();
        let bmc = bmc_at(front.addr, BmcProtocol::Ipmi { cipher_suite: Some(17) });
        for _ in 0..2 {
            let error = bmc.power_status().await.unwrap_err();
            let text = error.to_string();
            assert!(matches!(error, BmcError::Refused { .. }) && text.contains(asked), "{text}");
            assert!(text.contains("though it answered") && !text.contains("cable"), "{text}");
        }
    }
}

#[tokio::test]
async fn an_unknown_user_is_tried_within_the_budget_however_the_refusal_looks() {
    for twist in [Twist::Anonymous(0x0d), Twist::Short(0x0d), Twist::Status(0x0d)] {
        let (server, _) = virtual_ipmi();
        let front = odd::before_ipmi(server.addr, RAKP_2, twist, usize::MAX).await.unwrap();
        let bmc = bmc_at(front.addr, BmcProtocol::Ipmi { cipher_suite: Some(17) });
        let deadline = Instant::now() + SOON;
        loop {
            let error = bmc.power_status().await.unwrap_err();
            let BmcError::Credentials { is_spent, .. } = &error else { panic!("{twist:?}: {error}") };
            assert!(error.to_string().contains("unknown user name"), "{twist:?}: {error}");
            if *is_spent {
                break;
            }
            assert!(Instant::now() < deadline, "{twist:?}: the budget is never spent");
            tokio::time::sleep(UNIT).await;
        }
        assert_eq!(server.stats().attempts, BUDGET as u64, "{twist:?}");
    }
}

#[tokio::test]
async fn an_odd_redfish_service_does_what_comes_first() {
    for closes in [Closes::Politely, Closes::Abruptly] {
        let (server, chassis) = virtual_redfish(RedfishOptions::default());
        let front = odd::one_request_a_connection(server.addr, closes).await.unwrap();
        let bmc = bmc_at(front.addr, HTTP);
        is_started(&format!("closed on reuse, {closes:?}"), bmc.as_ref(), &chassis).await;
        assert!(front.changed() > 0, "no connection was used again");
    }
    let overloaded = |more: &str| {
        format!("HTTP/1.1 503 Service Unavailable\r\n{more}Content-Length: 0\r\nConnection: close\r\n\r\n")
    };
    for (what, head, script) in [
        ("503 and Retry-After at PATCH", "PATCH ", vec![overloaded("Retry-After: 1\r\n")]),
        ("503 at PATCH", "PATCH ", vec![overloaded("")]),
        ("closed at PATCH", "PATCH ", vec![String::new()]),
        ("closed at the reset", "POST /redfish/v1/Systems", vec![String::new()]),
    ] {
        let (server, chassis) = virtual_redfish(RedfishOptions::default());
        let front = odd::before_redfish(server.addr, head, script).await.unwrap();
        let bmc = bmc_at(front.addr, HTTP);
        is_started(what, bmc.as_ref(), &chassis).await;
        assert!(front.changed() > 0, "{what}: nothing was refused");
    }
}

#[tokio::test]
async fn a_session_is_given_back_wherever_its_path_is_told() {
    for session_path in [SessionPath::Location, SessionPath::OtherHost, SessionPath::Body] {
        let (server, _) = virtual_redfish(RedfishOptions { session_path, ..RedfishOptions::default() });
        let bmc = bmc_at(server.addr, HTTP);
        bmc.power_status().await.unwrap();
        assert_eq!(server.sessions(), 1, "{session_path:?}");
        drop(bmc);
        let deadline = Instant::now() + SOON;
        while server.sessions() > 0 {
            assert!(Instant::now() < deadline, "{session_path:?}: the session stays");
            tokio::time::sleep(UNIT).await;
        }
    }
}

#[tokio::test]
async fn a_certificate_of_version_1_is_taken_by_its_pin() {
    for versions in [&TLS_1_2[..], &TLS_1_3[..]] {
        for make in [Tls::self_signed, Tls::self_signed_version_1] {
            let tls = Tls { versions, ..make().unwrap() };
            let pinned = |fingerprint: String| BmcProtocol::Redfish {
                system: None,
                certificate_sha256: Some(fingerprint),
                http: false,
            };
            let fingerprint = tls.fingerprint();
            let (server, chassis) =
                virtual_redfish(RedfishOptions { tls: Some(tls), ..RedfishOptions::default() });
            let bmc = bmc_at(server.addr, pinned(fingerprint));
            is_started(&format!("{versions:?}"), bmc.as_ref(), &chassis).await;
            // Another one behind the address is no silence.
            let error = bmc_at(server.addr, pinned("0".repeat(64))).power_status().await.unwrap_err();
            let text = error.to_string();
            assert!(text.contains("SHA-256") && !text.contains("cable"), "{versions:?}: {text}");
        }
    }
}
