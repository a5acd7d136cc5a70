//! Edges: Redfish services as reports of real ones tell of them: the server boots what was wanted, or it stays off and a sentence says why.

use std::{sync::Arc, time::Duration};

use agent::{
    bmc::{Bmc, BmcOptions, KeptSessions, LogIns, Power, account::Pace, connect_as, connect_kept},
    work,
};
use protocol::{
    bmc_settings::BmcSettings,
    boot::{Boot, BootDevice, BootMode, BootPlan, BootPurpose, Persistence},
    command::Action,
    identity::ExpectedIdentity,
    network::BootNetwork,
    secret::Secret,
    spec::{BmcEndpoint, BmcProtocol},
};
use rustls::SupportedProtocolVersion;
use tests::bmc::{
    Credentials,
    chassis::{BootSetting, Chassis, FakeChassis},
    odd::{self, Closes},
    redfish::{self, RedfishBmc, RedfishOptions, Tls},
    redfish_odd::{Beside, Dirt, EtagWish, Odd},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinSet,
    time::Instant,
};

const OPTIONS: BmcOptions =
    BmcOptions { first_wait: Duration::from_millis(200), tries: 4, min_gap: Duration::ZERO };
/// A second of the product's pauses.
const UNIT: Duration = Duration::from_millis(10);
const USER: &str = "admin";
const PASSWORD: &str = "correct-horse";
const PXE: BootSetting =
    BootSetting { device: BootDevice::Pxe, persistence: Persistence::Once, mode: BootMode::Uefi };
const DISK: BootSetting =
    BootSetting { device: BootDevice::Disk, persistence: Persistence::Persistent, mode: BootMode::Uefi };

fn endpoint(addr: std::net::SocketAddr, certificate_sha256: Option<String>, http: bool) -> BmcEndpoint {
    BmcEndpoint {
        protocol: BmcProtocol::Redfish { system: None, certificate_sha256, http },
        address: addr.ip().to_string(),
        port: addr.port(),
        username: USER.into(),
        password: Secret::new(PASSWORD),
        settings: BmcSettings::default(),
    }
}

fn bmc_at(addr: std::net::SocketAddr) -> Box<dyn Bmc> {
    connect_as(&endpoint(addr, None, true), OPTIONS, LogIns { pace: Pace(UNIT), in_call: true })
}

fn bmc_by_tls(addr: std::net::SocketAddr, certificate_sha256: Option<String>) -> Box<dyn Bmc> {
    let endpoint = endpoint(addr, certificate_sha256, false);
    connect_as(&endpoint, OPTIONS, LogIns { pace: Pace(UNIT), in_call: true })
}

fn virtual_redfish(odd: &[Odd]) -> (RedfishBmc, Arc<FakeChassis>) {
    let chassis = Arc::new(FakeChassis::default());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let options = RedfishOptions { odd: odd.to_vec(), ..RedfishOptions::default() };
    let credentials = Credentials::new(USER, PASSWORD);
    (redfish::serve_on(listener, credentials, chassis.clone(), options).unwrap(), chassis)
}

fn network_boot() -> Boot {
    Boot::Network(BootPlan { purpose: BootPurpose::Deploy, network: BootNetwork::Provisioning })
}

async fn start(bmc: &dyn Bmc, boot: BootSetting) -> Result<(), String> {
    bmc.set_boot_device(boot.device, boot.persistence, boot.mode).await.map_err(|error| error.to_string())?;
    bmc.power_on().await.map_err(|error| error.to_string())
}

/// A service with these oddities starts its server by this boot setting, each time it is asked.
async fn boots(odd: &[Odd], wanted: BootSetting, used: Option<BootSetting>) {
    let (server, chassis) = virtual_redfish(odd);
    let bmc = bmc_at(server.addr);
    for round in 1..=2 {
        start(bmc.as_ref(), wanted).await.unwrap_or_else(|error| panic!("{odd:?}, round {round}: {error}"));
        assert_eq!(chassis.state().boots, vec![used; round], "{odd:?}");
        assert_eq!(bmc.power_status().await, Ok(Power::On), "{odd:?}");
        bmc.power_off().await.unwrap_or_else(|error| panic!("{odd:?}, round {round}: {error}"));
        assert_eq!(bmc.power_status().await, Ok(Power::Off), "{odd:?}");
    }
    bmc.identity().await.unwrap_or_else(|error| panic!("{odd:?}: {error}"));
}

#[tokio::test]
async fn the_boot_device_is_set_in_the_way_that_a_service_takes() {
    let once = BootSetting { persistence: Persistence::Once, ..DISK };
    for odd in [
        &[][..],
        &[Odd::BootAtSettings { is_readable: true }],
        &[Odd::ModeReverts],
        &[Odd::ModeRequired],
        &[Odd::BootShownLate],
        &[Odd::Etag(EtagWish::InBody)],
        &[Odd::Etag(EtagWish::Strong)],
        &[Odd::Etag(EtagWish::Any)],
        &[Odd::Etag(EtagWish::Nothing)],
        &[Odd::BootAtSettings { is_readable: true }, Odd::ModeRequired, Odd::Etag(EtagWish::Any)],
        &[Odd::BootAtSettings { is_readable: false }],
    ] {
        boots(odd, PXE, Some(PXE)).await;
        boots(odd, DISK, Some(DISK)).await;
    }
    for odd in [Odd::OnceOnly { is_said: true }, Odd::OnceOnly { is_said: false }] {
        boots(&[odd], PXE, Some(PXE)).await;
        boots(&[odd], DISK, Some(once)).await;
    }
    // Where there is no target for the disk, the firmware's own order decides.
    boots(&[Odd::NoDisk], PXE, Some(PXE)).await;
    boots(&[Odd::NoDisk], DISK, None).await;
}

#[tokio::test]
async fn whatever_is_odd_about_the_boot_device_the_server_is_told_to_stay_off() {
    for odd in [
        Odd::BootAtSettings { is_readable: true },
        Odd::BootAtSettings { is_readable: false },
        Odd::ModeRequired,
        Odd::BootIgnored,
        Odd::BootShownLate,
        Odd::Etag(EtagWish::Strong),
        Odd::Etag(EtagWish::Nothing),
    ] {
        let (server, _) = virtual_redfish(&[odd]);
        assert_eq!(server.restore_policy(), "LastState");
        bmc_at(server.addr).keep_off().await.unwrap_or_else(|error| panic!("{odd:?}: {error}"));
        assert_eq!(server.restore_policy(), "AlwaysOff", "{odd:?}");
    }
}

#[tokio::test]
async fn a_mode_that_cannot_be_written_is_taken_when_it_is_right() {
    for (mode, is_right) in [(BootMode::Uefi, true), (BootMode::Bios, false)] {
        let (server, chassis) = virtual_redfish(&[Odd::ModeRefused]);
        chassis.set_boot(Some(BootSetting { mode, ..PXE })).await.unwrap();
        let started = start(bmc_at(server.addr).as_ref(), PXE).await;
        assert_eq!(started.is_ok(), is_right, "{started:?}");
        assert_eq!(chassis.state().on, is_right);
        if let Err(reason) = started {
            assert!(
                reason.contains("read-only") && reason.contains("it shows Pxe, Once, Legacy"),
                "{reason}"
            );
        }
    }
}

#[tokio::test]
async fn a_boot_device_that_is_not_shown_is_a_failure_and_the_power_stays_off() {
    for (action, wanted) in [
        (Action::PowerOn { boot: Boot::Disk }, "Hdd, Continuous, UEFI"),
        (Action::PowerOn { boot: network_boot() }, "Pxe, Once, UEFI"),
    ] {
        let (server, chassis) = virtual_redfish(&[Odd::BootIgnored]);
        let bmc = bmc_at(server.addr);
        let until = Instant::now() + Duration::from_secs(20);
        let (outcome, _) = work::carry_out(bmc.as_ref(), BootMode::Uefi, &action, until).await;
        let reason = outcome.unwrap_err().message;
        for part in [wanted, "done, but it shows", "the power was not switched", "firmware"] {
            assert!(reason.contains(part), "{reason} lacks {part:?}");
        }
        assert!(!chassis.state().on && !reason.contains("cable"), "{reason}");
    }
}

#[tokio::test]
async fn old_and_odd_services_are_understood() {
    for odd in [
        Odd::Redirects(301),
        Odd::Redirects(302),
        Odd::Redirects(307),
        Odd::Redirects(308),
        Odd::AbsoluteLinks,
        Odd::Systems(Beside::Baseboard),
        Odd::Dirty(Dirt::Mark),
        Odd::Dirty(Dirt::Nuls),
        Odd::Dirty(Dirt::Twice),
        Odd::Dirty(Dirt::Small),
        Odd::Dirty(Dirt::Control),
        Odd::Dirty(Dirt::Packed),
        Odd::RootGuarded,
    ] {
        boots(&[odd], PXE, Some(PXE)).await;
    }
}

#[tokio::test]
async fn what_leads_elsewhere_or_to_several_is_refused_by_name() {
    for (odd, parts) in [
        (Odd::RedirectsAway, &["https://other.example/redfish/v1/Systems/1", "another service"][..]),
        (Odd::TargetAway, &["https://other.example/reset", "another service"]),
        (Odd::Systems(Beside::Server), &["2 systems", "/Systems/1", "/Systems/2", "name the one"]),
        (
            Odd::Systems(Beside::OnNextPage { is_readable: true }),
            &["2 systems", "/Systems/1", "/Systems/2", "name the one"],
        ),
        (
            Odd::Systems(Beside::OnNextPage { is_readable: false }),
            &["several systems", "only 1", "/Systems/1", "name the one"],
        ),
    ] {
        let (server, chassis) = virtual_redfish(&[odd]);
        let reason = bmc_at(server.addr).power_on().await.unwrap_err().to_string();
        assert!(parts.iter().all(|part| reason.contains(part)), "{odd:?}: {reason}");
        assert!(!reason.contains("cable") && !chassis.state().on, "{odd:?}: {reason}");
    }
}

#[tokio::test]
async fn a_power_command_is_given_again_until_it_fits_the_servers_state() {
    let refused = |status, times| Odd::ResetRefused { status, times };
    for odd in [
        refused(409, 2),
        refused(503, 3),
        refused(429, 1),
        refused(500, 1),
        Odd::SameRefused,
        Odd::ResetTask { fails: false },
    ] {
        boots(&[odd], PXE, Some(PXE)).await;
    }
    // What is refused for ever, and what fails later, is told with its reason.
    for (odd, part) in [
        (refused(409, usize::MAX), "HTTP 409 Conflict: The request cannot be carried out now."),
        (refused(400, usize::MAX), "HTTP 400 Bad Request: The request cannot be carried out now."),
        (Odd::ResetTask { fails: true }, "its task ended as Exception: The fan tray is open."),
    ] {
        let (server, _) = virtual_redfish(&[odd]);
        let reason = bmc_at(server.addr).power_on().await.unwrap_err().to_string();
        assert!(reason.contains(part) && !reason.contains("cable"), "{odd:?}: {reason}");
    }
}

#[tokio::test]
async fn a_refusal_of_what_is_so_already_is_success() {
    let (server, chassis) = virtual_redfish(&[Odd::SameRefused]);
    let bmc = bmc_at(server.addr);
    assert_eq!(bmc.power_status().await, Ok(Power::Off));
    // Somebody presses the button in between.
    chassis.power_on().await.unwrap();
    assert_eq!(bmc.power_on().await, Ok(()));
    assert_eq!(bmc.power_status().await, Ok(Power::On));
    chassis.pull_the_plug();
    assert_eq!(bmc.power_off().await, Ok(()));
}

#[tokio::test]
async fn a_service_that_asks_for_time_gets_it_in_seconds_or_by_a_date() {
    let asks = |more: &str| {
        let answer = format!(
            "HTTP/1.1 503 Service Unavailable\r\n{more}Content-Length: 0\r\nConnection: close\r\n\r\n"
        );
        vec![answer.clone(), answer]
    };
    let by_date = "Date: Thu, 01 Jan 1970 00:01:00 GMT\r\nRetry-After: Thu, 01 Jan 1970 00:01:01 GMT\r\n";
    for (what, head, more) in [
        ("seconds at PATCH", "PATCH ", "Retry-After: 1\r\n"),
        ("a date by a wrong clock at PATCH", "PATCH ", by_date),
        ("a date at the reset", "POST /redfish/v1/Systems", by_date),
        ("nothing at GET", "GET /redfish/v1/Systems/1", ""),
    ] {
        let (server, chassis) = virtual_redfish(&[]);
        let front = odd::before_redfish(server.addr, head, asks(more)).await.unwrap();
        start(bmc_at(front.addr).as_ref(), PXE).await.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!((chassis.state().boots, front.changed()), (vec![Some(PXE)], 2), "{what}");
    }
    // A reading comes again soon in any case: it is told at once what keeps it.
    let (server, _) = virtual_redfish(&[]);
    let front = odd::before_redfish(server.addr, "GET /redfish/v1/Systems/1", vec![asks("").remove(0); 9])
        .await
        .unwrap();
    let endpoint = endpoint(front.addr, None, true);
    let bmc = connect_as(&endpoint, OPTIONS, LogIns { pace: Pace(Duration::from_secs(1)), in_call: true });
    let reason = bmc.power_status().await.unwrap_err().to_string();
    assert!(reason.contains("HTTP 503") && front.changed() <= 2, "{} times: {reason}", front.changed());
    // More than a call has.
    let (server, chassis) = virtual_redfish(&[]);
    let front = odd::before_redfish(server.addr, "POST /redfish/v1/Systems", asks("Retry-After: 300\r\n"))
        .await
        .unwrap();
    let reason = bmc_at(front.addr).power_on().await.unwrap_err().to_string();
    assert!(reason.contains("it asks to be asked again in 300 s"), "{reason}");
    assert!(!chassis.state().on);
}

#[tokio::test]
async fn a_power_on_over_an_open_session_costs_four_requests() {
    for boot in [Boot::Disk, network_boot()] {
        let (server, chassis) = virtual_redfish(&[]);
        let bmc = bmc_at(server.addr);
        bmc.power_status().await.unwrap();
        let before = server.stats().requests;
        let until = Instant::now() + Duration::from_secs(20);
        let (outcome, _) =
            work::carry_out(bmc.as_ref(), BootMode::Uefi, &Action::PowerOn { boot }, until).await;
        outcome.unwrap();
        assert_eq!(server.stats().requests - before, 4, "PATCH, GET, POST, GET");
        assert_eq!(chassis.state().boots.len(), 1);
    }
}

/// Whoever connects is answered with these bytes, whatever he says, and cut.
async fn talker(says: &'static [u8]) -> (std::net::SocketAddr, JoinSet<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (addr, mut running) = (listener.local_addr().unwrap(), JoinSet::new());
    running.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(says).await;
        }
    });
    (addr, running)
}

#[tokio::test]
async fn every_failure_of_tls_names_tls_and_what_to_do() {
    let tls = Tls::self_signed().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let options = RedfishOptions { tls: Some(tls), ..RedfishOptions::default() };
    let credentials = Credentials::new(USER, PASSWORD);
    let server = redfish::serve_on(listener, credentials, Arc::new(FakeChassis::default()), options).unwrap();
    let (plain, _) = virtual_redfish(&[]);
    let other = Some("0".repeat(64));
    let check = async |what: &str, bmc: Box<dyn Bmc>, part: &str| {
        let reason = bmc.power_status().await.unwrap_err().to_string();
        assert!(reason.contains("TLS") && reason.contains(part), "{what}: {reason}");
        assert!(!reason.contains("cable") && !reason.contains("does not answer"), "{what}: {reason}");
    };
    check("renewed", bmc_by_tls(server.addr, other.clone()), "if it was renewed, compare its SHA-256").await;
    check("not pinned", bmc_by_tls(server.addr, None), "TLS").await;
    check("no TLS there", bmc_by_tls(plain.addr, other.clone()), "it may not speak TLS there").await;
    for (what, says) in [
        ("cut without a word", &b""[..]),
        ("alert: handshake failure", b"\x15\x03\x01\x00\x02\x02\x28"),
        ("alert: protocol version", b"\x15\x03\x01\x00\x02\x02\x46"),
    ] {
        let (addr, _running) = talker(says).await;
        for part in ["TLS 1.1 and older, RSA key exchange, or CBC", "update its firmware", "IPMI"] {
            check(what, bmc_by_tls(addr, other.clone()), part).await;
        }
    }
    let (addr, _running) = talker(b"\x15\x03\x03\x00\x02\x02\x32").await;
    check("TLS where HTTP is asked for", bmc_at(addr), "it may speak TLS there").await;
}

#[tokio::test]
async fn a_small_rsa_key_is_taken_by_its_pin() {
    static VERSIONS: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS12, &rustls::version::TLS13];
    for versions in [&VERSIONS[..1], &VERSIONS[1..], &VERSIONS[..]] {
        let tls = Tls { versions, ..Tls::with_small_key() };
        let fingerprint = tls.fingerprint();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let options = RedfishOptions { tls: Some(tls), ..RedfishOptions::default() };
        let chassis = Arc::new(FakeChassis::default());
        let credentials = Credentials::new(USER, PASSWORD);
        let server = redfish::serve_on(listener, credentials, chassis.clone(), options).unwrap();
        let started = start(bmc_by_tls(server.addr, Some(fingerprint)).as_ref(), PXE).await;
        let is_old_enough = versions.contains(&&rustls::version::TLS12);
        assert_eq!((started.is_ok(), chassis.state().on), (is_old_enough, is_old_enough), "{started:?}");
        if let Err(reason) = started {
            assert!(reason.contains("TLS") && reason.contains("an RSA key of 1024 bits"), "{reason}");
            assert!(reason.contains("2048 bits or more") && !reason.contains("cable"), "{reason}");
        }
    }
}

#[tokio::test]
async fn a_killed_run_leaves_no_session_that_the_next_one_does_not_close() {
    let directory = tempfile::tempdir().unwrap();
    let kept = KeptSessions::open(directory.path().join("sessions")).unwrap();
    let (server, _) = virtual_redfish(&[]);
    let run =
        || connect_kept(&endpoint(server.addr, None, true), &ExpectedIdentity::default(), OPTIONS, &kept);
    for round in 1..=3 {
        let bmc = run();
        bmc.power_status().await.unwrap();
        assert_eq!(server.sessions(), 1, "round {round}: that of the run before is closed");
        // As a kill does it: nothing is given back.
        std::mem::forget(bmc);
    }
    // With all places taken by others, the one that is ours is closed all the same.
    while server.sessions() < redfish::SESSIONS_MAX {
        let other = bmc_at(server.addr);
        other.power_status().await.unwrap();
        std::mem::forget(other);
    }
    let last = run();
    last.power_status().await.unwrap();
    assert_eq!(server.sessions(), redfish::SESSIONS_MAX - 1, "ours alone is closed");
}

fn bmc_with_quirks(addr: std::net::SocketAddr, quirks: &[&str]) -> Box<dyn Bmc> {
    let mut endpoint = endpoint(addr, None, true);
    endpoint.settings.quirks = quirks.iter().map(|quirk| quirk.parse().unwrap()).collect();
    connect_as(&endpoint, OPTIONS, LogIns { pace: Pace(UNIT), in_call: true })
}

#[tokio::test]
async fn what_is_known_of_a_bmc_changes_what_is_sent() {
    let (server, chassis) = virtual_redfish(&[]);
    start(bmc_with_quirks(server.addr, &["session-not-kept"]).as_ref(), PXE).await.unwrap();
    assert_eq!((server.stats().logins, chassis.state().on), (0, true));

    let (server, chassis) = virtual_redfish(&[]);
    let front = odd::one_request_a_connection(server.addr, Closes::Abruptly).await.unwrap();
    start(bmc_with_quirks(front.addr, &["connection-not-kept"]).as_ref(), PXE).await.unwrap();
    assert_eq!((front.changed(), chassis.state().on), (0, true), "no connection was used again");

    let (server, chassis) = virtual_redfish(&[]);
    start(bmc_with_quirks(server.addr, &["disk-boot-left-alone"]).as_ref(), DISK).await.unwrap();
    assert_eq!(chassis.state().boots, [None], "the firmware's own order");

    let (server, chassis) = virtual_redfish(&[]);
    let bmc = bmc_with_quirks(server.addr, &["reset-by-off-and-on"]);
    start(bmc.as_ref(), DISK).await.unwrap();
    let before = server.stats().requests;
    bmc.reset().await.unwrap();
    assert!(server.stats().requests - before > 2, "off, and on again");
    assert_eq!((chassis.state().boots.len(), chassis.state().on), (2, true));

    let once = BootSetting { persistence: Persistence::Once, ..DISK };
    let (server, chassis) = virtual_redfish(&[]);
    start(bmc_with_quirks(server.addr, &["boot-set-once-only"]).as_ref(), DISK).await.unwrap();
    assert_eq!(chassis.state().boots, [Some(once)]);
}
