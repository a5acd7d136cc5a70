//! Edges: Redfish services as reports of real ones tell of them: the server boots what was wanted, or it stays off and a sentence says why.

use std::{sync::Arc, time::Duration};

use agent::{
    bmc::{Bmc, BmcOptions, LogIns, Power, account::Pace, connect_as},
    work,
};
use protocol::{
    boot::{Boot, BootDevice, BootMode, BootPlan, BootPurpose, Persistence},
    command::Action,
    network::BootNetwork,
    secret::Secret,
    spec::{BmcEndpoint, BmcProtocol},
};
use tests::bmc::{
    Credentials,
    chassis::{BootSetting, Chassis, FakeChassis},
    odd,
    redfish::{self, RedfishBmc, RedfishOptions},
    redfish_odd::{Beside, Dirt, EtagWish, Odd},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
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

fn bmc_at(addr: std::net::SocketAddr) -> Box<dyn Bmc> {
    let endpoint = BmcEndpoint {
        protocol: BmcProtocol::Redfish { system: None, certificate_sha256: None, http: true },
        address: addr.ip().to_string(),
        port: addr.port(),
        username: USER.into(),
        password: Secret::new(PASSWORD),
    };
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

#[tokio::test]
async fn what_is_no_http_is_told_so() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let talker = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            // An alert of TLS.
            let _ = stream.write_all(b"\x15\x03\x03\x00\x02\x02\x32").await;
        }
    });
    let reason = bmc_at(addr).power_status().await.unwrap_err().to_string();
    assert!(reason.contains("TLS") && !reason.contains("cable"), "{reason}");
    talker.abort();
}
