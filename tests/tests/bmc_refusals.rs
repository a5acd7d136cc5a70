//! Edges: a refusal is not a proof: whatever a BMC refuses for a while, its server is read again, and is seen to go off.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use agent::bmc::{BmcError, BmcOptions, LogIns, Power, account::Pace, connect_as};
use protocol::{
    ipmi::CipherSuite,
    secret::Secret,
    spec::{BmcEndpoint, BmcProtocol},
};
use tests::bmc::{
    Credentials,
    chassis::{Chassis, FakeChassis},
    ipmi,
    odd::{self, OPEN_SESSION_RESPONSE, RAKP_2, RAKP_4, Twist},
    redfish::{self, RedfishOptions},
};

/// Patience of a test: what is there answers within milliseconds.
const OPTIONS: BmcOptions =
    BmcOptions { first_wait: Duration::from_millis(200), tries: 3, min_gap: Duration::ZERO };
/// A second of the product's pauses.
const UNIT: Duration = Duration::from_millis(4);
/// Longest that a server stays unread, its slowest tries included.
const READ_AGAIN_MAX: Duration = Duration::from_secs(30);

fn endpoint(addr: SocketAddr, protocol: BmcProtocol) -> BmcEndpoint {
    BmcEndpoint {
        protocol,
        address: addr.ip().to_string(),
        port: addr.port(),
        username: "admin".into(),
        password: Secret::new("correct-horse"),
        settings: Default::default(),
    }
}

fn credentials() -> Credentials {
    Credentials::new("admin", "correct-horse")
}

/// The server is read again, and its plug is seen; none of the errors says that the BMC
/// is silent when it is not, nor that the right password is proved wrong.
async fn is_watched_again(what: &str, at: &BmcEndpoint, chassis: &FakeChassis, is_silent: bool) {
    chassis.power_on().await.unwrap();
    let bmc = connect_as(at, OPTIONS, LogIns { pace: Pace(UNIT), in_call: true });
    let deadline = Instant::now() + READ_AGAIN_MAX;
    loop {
        match bmc.power_status().await {
            Ok(power) => {
                assert_eq!(power, Power::On, "{what}");
                break;
            }
            Err(error) => {
                let text = error.to_string();
                assert!(is_silent || !text.contains("cable"), "{what}: {text}");
                if let BmcError::Credentials { is_proved, .. } = error {
                    assert!(!is_proved, "{what}: {text}");
                }
                assert!(Instant::now() < deadline, "{what}: not read again: {text}");
            }
        }
        tokio::time::sleep(UNIT).await;
    }
    chassis.power_off().await.unwrap();
    assert_eq!(bmc.power_status().await, Ok(Power::Off), "{what}");
}

#[tokio::test]
async fn what_ipmi_refuses_for_a_while_ends_no_watch() {
    use Twist::{Anonymous, Short, Silence, Status, TagZero};
    let (open, user, proof) = (OPEN_SESSION_RESPONSE, RAKP_2, RAKP_4);
    for (what, payload, twist, times) in [
        ("no free session (01), twice", open, Status(0x01), 2),
        ("invalid session (02)", open, Status(0x02), 1),
        ("no matching algorithm (11), of a BMC that starts", open, Status(0x11), 2),
        ("busy in a way of its own (c0)", open, Status(0xc0), 3),
        ("invalid role (09)", user, Status(0x09), 1),
        ("insufficient privilege for the role (0a)", user, Status(0x0a), 1),
        ("no free session (01) at RAKP 2", user, Status(0x01), 2),
        ("invalid session (02) at RAKP 2", user, Status(0x02), 1),
        ("inactive session (08) at RAKP 2", user, Status(0x08), 1),
        ("unauthorized name (0d) once", user, Status(0x0d), 1),
        ("integrity check (0f) once", user, Status(0x0f), 1),
        ("illegal parameter (12) in two bytes", user, Short(0x12), 1),
        ("unauthorized name (0d) with tag and id zero", user, Anonymous(0x0d), 1),
        ("a good RAKP 2 with tag zero", user, TagZero, usize::MAX),
        ("a good RAKP 4 with tag zero", proof, TagZero, usize::MAX),
        ("integrity check (0f) at RAKP 4", proof, Status(0x0f), 1),
        ("invalid session (02) at RAKP 4", proof, Status(0x02), 2),
        ("no free session (01) at RAKP 4", proof, Status(0x01), 1),
        ("silence at Open Session", open, Silence, 4),
        ("silence at RAKP 2", user, Silence, 4),
        ("silence at RAKP 4", proof, Silence, 4),
    ] {
        let chassis = Arc::new(FakeChassis::default());
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let server = ipmi::serve_on(socket, credentials(), &CipherSuite::ALL, chassis.clone()).unwrap();
        let front = odd::before_ipmi(server.addr, payload, twist, times).await.unwrap();
        let at = endpoint(front.addr, BmcProtocol::Ipmi { cipher_suite: Some(17) });
        is_watched_again(what, &at, &chassis, twist == Silence).await;
        assert!(front.changed() > 0, "{what}: nothing was refused");
    }
}

#[tokio::test]
async fn what_redfish_refuses_for_a_while_ends_no_watch() {
    let (sessions, any) = ("POST /redfish/v1/SessionService/Sessions", "GET ");
    let answer = |status: &str, more: &str, body: &str| {
        let length = body.len();
        format!("HTTP/1.1 {status}\r\n{more}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}")
    };
    let page = "<html><body>Starting</body></html>";
    for (what, head, script) in [
        ("401 once, of a BMC that starts", sessions, vec![answer("401 Unauthorized", "", "")]),
        ("401 with a page", sessions, vec![answer("401 Unauthorized", "Content-Type: text/html\r\n", page)]),
        ("403 once", sessions, vec![answer("403 Forbidden", "", "")]),
        ("400 to the session", sessions, vec![answer("400 Bad Request", "", "{}")]),
        ("404 of the session service", sessions, vec![answer("404 Not Found", "", "")]),
        ("429, too many sessions", sessions, vec![answer("429 Too Many Requests", "", ""); 2]),
        ("500 to the session", sessions, vec![answer("500 Internal Server Error", "", page)]),
        ("503 with Retry-After", sessions, vec![answer("503 Service Unavailable", "Retry-After: 1\r\n", "")]),
        ("503 without", sessions, vec![answer("503 Service Unavailable", "", "")]),
        ("closed without an answer, twice", sessions, vec![String::new(); 2]),
        ("503 at the root", any, vec![answer("503 Service Unavailable", "", page)]),
        ("401 at the root", any, vec![answer("401 Unauthorized", "", "")]),
        ("a page in place of the root", any, vec![answer("200 OK", "Content-Type: text/html\r\n", page)]),
        ("closed at the root", any, vec![String::new()]),
        ("half an answer", any, vec!["HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n{".to_owned()]),
    ] {
        let chassis = Arc::new(FakeChassis::default());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let server =
            redfish::serve_on(listener, credentials(), chassis.clone(), RedfishOptions::default()).unwrap();
        let front = odd::before_redfish(server.addr, head, script).await.unwrap();
        let http = BmcProtocol::Redfish { system: None, certificate_sha256: None, http: true };
        let is_silent = what.contains("closed") || what.contains("half");
        is_watched_again(what, &endpoint(front.addr, http), &chassis, is_silent).await;
        assert!(front.changed() > 0, "{what}: nothing was refused");
    }
}
