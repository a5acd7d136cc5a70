//! Edges: one contract for our BMC clients against every BMC there is: ipmi_sim, sushy-emulator and our virtual ones.

use std::{
    net::{SocketAddr, UdpSocket},
    path::PathBuf,
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant},
};

use agent::bmc::{
    Bmc, BmcError, BmcOptions, LogIns, Power,
    account::{BUDGET, Pace},
    connect_as, connect_to, connect_with,
};
use protocol::{
    boot::{BootDevice, BootMode, Persistence},
    hardware::BmcIdentity,
    identity::ExpectedIdentity,
    ipmi::CipherSuite,
    secret::Secret,
    spec::{BmcEndpoint, BmcProtocol},
};
use tests::bmc::{
    Credentials, Faults,
    chassis::{BootSetting, FakeChassis, FakeState},
    ipmi::{self, IpmiBmc},
    ipmi_sim::{self, IpmiSimConfig},
    redfish::{self, RedfishBmc, RedfishOptions, Tls},
};
use tokio::process::Command;
use uuid::Uuid;

const PASSWORD: &str = "correct-horse";
/// Patience of a test: what is there answers within milliseconds.
const OPTIONS: BmcOptions =
    BmcOptions { first_wait: Duration::from_millis(200), tries: 3, min_gap: Duration::ZERO };
/// Longest that a foreign service may take to start.
const START_MAX: Duration = Duration::from_secs(60);

fn loopback() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

fn credentials() -> Credentials {
    Credentials::new("admin", PASSWORD)
}

fn endpoint(addr: SocketAddr, protocol: BmcProtocol) -> BmcEndpoint {
    BmcEndpoint {
        protocol,
        address: addr.ip().to_string(),
        port: addr.port(),
        username: "admin".into(),
        password: Secret::new(PASSWORD),
        settings: Default::default(),
    }
}

fn by_ipmi(addr: SocketAddr, cipher_suite: Option<u8>) -> BmcEndpoint {
    endpoint(addr, BmcProtocol::Ipmi { cipher_suite })
}

fn by_http(addr: SocketAddr) -> BmcEndpoint {
    endpoint(addr, BmcProtocol::Redfish { system: None, certificate_sha256: None, http: true })
}

fn by_https(addr: SocketAddr, fingerprint: &str) -> BmcEndpoint {
    let certificate_sha256 = Some(fingerprint.to_owned());
    endpoint(addr, BmcProtocol::Redfish { system: None, certificate_sha256, http: false })
}

fn ipmi_bmc(suites: &[CipherSuite]) -> (IpmiBmc, Arc<FakeChassis>) {
    let chassis = Arc::new(FakeChassis::default());
    let socket = UdpSocket::bind(loopback()).unwrap();
    (ipmi::serve_on(socket, credentials(), suites, chassis.clone()).unwrap(), chassis)
}

fn redfish_bmc(options: RedfishOptions) -> (RedfishBmc, Arc<FakeChassis>) {
    let chassis = Arc::new(FakeChassis::default());
    let listener = std::net::TcpListener::bind(loopback()).unwrap();
    (redfish::serve_on(listener, credentials(), chassis.clone(), options).unwrap(), chassis)
}

/// What a BMC keeps of a boot setting.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keeps {
    Everything,
    /// Only "pxe, once", whatever else was asked.
    OnlyPxe,
}

/// What every BMC must do for us.
async fn the_contract_holds(bmc: &dyn Bmc, state: impl Fn() -> FakeState, keeps: Keeps) {
    assert_eq!(bmc.power_status().await, Ok(Power::Off));
    bmc.identity().await.expect("it says who it is");
    bmc.set_boot_device(BootDevice::Pxe, Persistence::Once, BootMode::Uefi).await.expect("boot device");
    let mode = if keeps == Keeps::Everything { BootMode::Uefi } else { BootMode::Bios };
    let pxe = BootSetting { device: BootDevice::Pxe, persistence: Persistence::Once, mode };
    assert_eq!(state().boot, Some(pxe));
    bmc.power_on().await.expect("power on");
    assert_eq!(bmc.power_status().await, Ok(Power::On));
    assert_eq!((state().boots, state().boot), (vec![Some(pxe)], None), "a one-shot setting is used up");
    bmc.power_on().await.expect("on again is no error");
    assert_eq!(state().boots.len(), 1, "and boots nothing");
    bmc.set_boot_device(BootDevice::Disk, Persistence::Persistent, BootMode::Bios)
        .await
        .expect("boot device");
    let disk =
        BootSetting { device: BootDevice::Disk, persistence: Persistence::Persistent, mode: BootMode::Bios };
    assert_eq!(state().boot, (keeps == Keeps::Everything).then_some(disk));
    bmc.reset().await.expect("reset");
    assert_eq!(state().boots.len(), 2);
    bmc.power_off().await.expect("power off");
    assert_eq!(bmc.power_status().await, Ok(Power::Off));
    bmc.power_off().await.expect("off again is no error");
    bmc.power_on().await.expect("power on");
    bmc.soft_off().await.expect("soft off");
    assert_eq!((bmc.power_status().await, state().soft_offs), (Ok(Power::Off), 1));
}

#[tokio::test]
async fn our_ipmi_bmc_keeps_the_contract() {
    for (offered, wanted) in [
        (&CipherSuite::ALL[..], None),
        (&CipherSuite::ALL[..], Some(3)),
        (&CipherSuite::ALL[..], Some(17)),
        (&[CipherSuite::Three], None),
    ] {
        let (server, chassis) = ipmi_bmc(offered);
        let bmc = connect_with(&by_ipmi(server.addr, wanted), OPTIONS);
        the_contract_holds(bmc.as_ref(), || chassis.state(), Keeps::Everything).await;
        assert_eq!(server.stats().logins, 1, "one session for everything");
    }
}

#[tokio::test]
async fn ipmi_sim_keeps_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    let addr = UdpSocket::bind(loopback()).unwrap().local_addr().unwrap();
    let chassis = Arc::new(FakeChassis::default());
    let (dir, uuid) = (dir.path().to_owned(), Uuid::from_u128(0x5150));
    let config = IpmiSimConfig { addr, netns: None, dir, credentials: credentials(), uuid };
    let sim = ipmi_sim::start(config, chassis.clone()).await.unwrap();
    for wanted in [Some(3), None] {
        let chassis_now = chassis.state();
        let bmc = connect_with(&by_ipmi(addr, wanted), OPTIONS);
        let since = || {
            let mut state = chassis.state();
            state.boots.drain(..chassis_now.boots.len());
            state.soft_offs -= chassis_now.soft_offs;
            state
        };
        the_contract_holds(bmc.as_ref(), since, Keeps::OnlyPxe).await;
    }
    sim.stop().await.unwrap();
}

#[tokio::test]
async fn our_redfish_bmc_keeps_the_contract() {
    for no_sessions in [false, true] {
        let (server, chassis) = redfish_bmc(RedfishOptions { no_sessions, ..RedfishOptions::default() });
        let bmc = connect_with(&by_http(server.addr), OPTIONS);
        the_contract_holds(bmc.as_ref(), || chassis.state(), Keeps::Everything).await;
        assert_eq!(server.stats().logins, u64::from(!no_sessions), "one session for everything");
        drop(bmc);
        let gone = async {
            while server.sessions() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), gone).await.expect("the session was given back");
    }
}

#[tokio::test]
async fn a_pinned_certificate_is_taken_and_no_other() {
    let (right, wrong) = (Tls::self_signed().unwrap(), Tls::self_signed().unwrap());
    let fingerprints = [right.fingerprint(), wrong.fingerprint()];
    let (server, chassis) = redfish_bmc(RedfishOptions { tls: Some(right), ..RedfishOptions::default() });
    let bmc = connect_with(&by_https(server.addr, &fingerprints[0]), OPTIONS);
    the_contract_holds(bmc.as_ref(), || chassis.state(), Keeps::Everything).await;
    let before = server.stats().requests;
    let bmc = connect_with(&by_https(server.addr, &fingerprints[1]), OPTIONS);
    let error = bmc.power_status().await.unwrap_err();
    assert!(matches!(error, BmcError::NotUnderstood { .. }), "it is there, and another one: {error}");
    assert_eq!(server.stats().requests, before, "nothing was told to a stranger");
}

#[tokio::test]
async fn a_wrong_password_is_tried_within_its_budget() {
    let (ipmi_server, _) = ipmi_bmc(&CipherSuite::ALL);
    let (sessions, _) = redfish_bmc(RedfishOptions::default());
    let (basic, _) = redfish_bmc(RedfishOptions { no_sessions: true, ..RedfishOptions::default() });
    let check = async |mut endpoint: BmcEndpoint, attempts: &dyn Fn() -> u64| {
        endpoint.password = Secret::new("wrong");
        let log_ins = LogIns { pace: Pace(Duration::from_millis(10)), in_call: true };
        let bmc = connect_as(&endpoint, OPTIONS, log_ins);
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let error = bmc.power_status().await.unwrap_err();
            let BmcError::Credentials { is_spent, .. } = &error else { panic!("{error}") };
            let text = error.to_string();
            assert!(text.contains("\"admin\"") && !text.contains("wrong\""), "{text}");
            assert!(text.contains("tried again in"), "{text}");
            assert!(attempts() <= BUDGET as u64, "{} log-ins", attempts());
            if *is_spent {
                break;
            }
            assert!(Instant::now() < deadline, "the budget is never spent");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(attempts(), BUDGET as u64);
        assert_eq!(bmc.power_on().await.unwrap_err().kind(), protocol::command::FailureKind::BmcCredentials);
        assert_eq!(attempts(), BUDGET as u64, "a command is told, and not tried");
        bmc.try_now().await;
        bmc.power_status().await.unwrap_err();
        assert_eq!(attempts(), BUDGET as u64 + 1, "somebody asked for a try");
    };
    check(by_ipmi(ipmi_server.addr, None), &|| ipmi_server.stats().attempts).await;
    check(by_http(sessions.addr), &|| sessions.stats().attempts).await;
    check(by_http(basic.addr), &|| basic.stats().attempts).await;
}

#[tokio::test]
async fn silence_is_unreachable_and_not_off() {
    let (ipmi_server, _) = ipmi_bmc(&CipherSuite::ALL);
    let nobody = UdpSocket::bind(loopback()).unwrap();
    let closed = std::net::TcpListener::bind(loopback()).unwrap().local_addr().unwrap();
    ipmi_server.faults.set(Faults { silent: true, ..Faults::default() });
    let check = async |endpoint: BmcEndpoint| {
        let began = Instant::now();
        let error = connect_with(&endpoint, OPTIONS).power_status().await.unwrap_err();
        assert!(matches!(error, BmcError::Unreachable { .. }), "{error}");
        assert!(began.elapsed() < Duration::from_secs(10), "{error} took {:?}", began.elapsed());
    };
    check(by_ipmi(ipmi_server.addr, None)).await;
    check(by_ipmi(nobody.local_addr().unwrap(), None)).await;
    check(by_http(closed)).await;
}

#[tokio::test]
async fn a_lost_session_is_opened_anew() {
    let (ipmi_server, _) = ipmi_bmc(&CipherSuite::ALL);
    let bmc = connect_with(&by_ipmi(ipmi_server.addr, None), OPTIONS);
    bmc.power_status().await.unwrap();
    ipmi_server.forget_sessions();
    bmc.power_on().await.unwrap();
    assert_eq!(ipmi_server.stats().logins, 2);

    let (server, chassis) = redfish_bmc(RedfishOptions::default());
    let bmc = connect_with(&by_http(server.addr), OPTIONS);
    bmc.power_status().await.unwrap();
    server.forget_sessions();
    bmc.power_on().await.unwrap();
    assert_eq!((server.stats().logins, chassis.state().on), (2, true));
}

fn expected(machine: Uuid) -> ExpectedIdentity {
    let bmc = BmcIdentity { guid: machine.to_string(), ..BmcIdentity::default() };
    ExpectedIdentity { bmc, ..ExpectedIdentity::default() }
}

/// A BMC that became another machine's is asked and told nothing, and says who it is.
async fn another_machine_is_left_alone(bmc: &dyn Bmc, chassis: &FakeChassis, other: Uuid) {
    let before = chassis.state();
    for done in [
        bmc.power_status().await.map(drop),
        bmc.power_on().await,
        bmc.power_off().await,
        bmc.soft_off().await,
        bmc.reset().await,
        bmc.set_boot_device(BootDevice::Pxe, Persistence::Once, BootMode::Bios).await,
    ] {
        let error = done.expect_err("it is another machine");
        let words = error.to_string();
        assert!(matches!(error, BmcError::OtherMachine { field: "UUID", .. }), "{words}");
        assert!(words.contains(&other.to_string()) && words.contains("bmc accept"), "{words}");
    }
    assert_eq!(chassis.state(), before, "nothing was done to it");
    assert_eq!(bmc.seen().await.map(|seen| seen.guid), Some(other.to_string()));
    // Who answers may be asked of anybody.
    assert_eq!(bmc.identity().await.map(|seen| seen.guid), Ok(other.to_string()));
}

#[tokio::test]
async fn another_machine_behind_the_address_is_asked_and_told_nothing() {
    let (ours, other) = (Uuid::from_u128(0x0a1b_2c3d_4e5f), Uuid::from_u128(0x0fed_cba9_8765));
    let chassis = Arc::new(FakeChassis::default());
    let serve = |addr, machine| ipmi::serve_as(addr, credentials(), chassis.clone(), machine).unwrap();
    let server = serve(loopback(), ours);
    let addr = server.addr;
    let bmc = connect_to(&by_ipmi(addr, None), &expected(ours), OPTIONS);
    assert_eq!(bmc.power_status().await, Ok(Power::Off));
    assert_eq!(bmc.seen().await.map(|seen| seen.guid), Some(ours.to_string()));
    // The address becomes another machine's: with the session goes what was known of who answers.
    drop(server);
    let server = tokio::time::timeout(Duration::from_secs(5), async {
        loop {
            match ipmi::serve_as(addr, credentials(), chassis.clone(), other) {
                Ok(server) => return server,
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    })
    .await
    .expect("the port is free again");
    another_machine_is_left_alone(bmc.as_ref(), &chassis, other).await;
    assert!(server.stats().logins <= 2, "it is not logged in to again and again: {:?}", server.stats());

    let (server, chassis) = redfish_bmc(RedfishOptions { uuid: Some(ours), ..RedfishOptions::default() });
    let bmc = connect_to(&by_http(server.addr), &expected(ours), OPTIONS);
    assert_eq!(bmc.power_status().await, Ok(Power::Off));
    server.become_machine(other);
    another_machine_is_left_alone(bmc.as_ref(), &chassis, other).await;
    server.become_machine(ours);
    bmc.power_on().await.expect("it is ours again");
    assert!(chassis.state().on);
}

#[tokio::test]
async fn somebody_elses_write_is_looked_at_again() {
    let (server, chassis) = redfish_bmc(RedfishOptions::default());
    let bmc = connect_with(&by_http(server.addr), OPTIONS);
    server.change_behind_the_back();
    bmc.set_boot_device(BootDevice::Pxe, Persistence::Once, BootMode::Bios).await.unwrap();
    assert!(chassis.state().boot.is_some());
}

#[tokio::test]
async fn refusals_and_nonsense_have_reasons() {
    let (ipmi_server, _) = ipmi_bmc(&CipherSuite::ALL);
    let (server, _) = redfish_bmc(RedfishOptions::default());
    let check = async |bmc: &dyn Bmc, expected: &str| {
        let error = bmc.power_on().await.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    // A refusal for now is waited for, in units of the pace.
    let log_ins = LogIns { pace: Pace(Duration::from_millis(10)), in_call: true };
    let refuse = Faults { refuse: true, ..Faults::default() };
    ipmi_server.faults.set(refuse.clone());
    check(connect_with(&by_ipmi(ipmi_server.addr, None), OPTIONS).as_ref(), "unspecified error").await;
    server.faults.set(refuse);
    check(connect_as(&by_http(server.addr), OPTIONS, log_ins).as_ref(), "The BMC was told to refuse.").await;
    let garbage = Faults { garbage: true, ..Faults::default() };
    ipmi_server.faults.set(garbage.clone());
    check(connect_with(&by_ipmi(ipmi_server.addr, None), OPTIONS).as_ref(), "cannot be understood").await;
    server.faults.set(garbage);
    check(connect_with(&by_http(server.addr), OPTIONS).as_ref(), "no Redfish resource").await;
}

#[tokio::test]
async fn a_slow_bmc_switches_once() {
    let (server, chassis) = ipmi_bmc(&CipherSuite::ALL);
    let bmc = connect_with(&by_ipmi(server.addr, None), OPTIONS);
    bmc.power_on().await.unwrap();
    // Longer than the first wait: every request is repeated before its answer comes.
    server.faults.set(Faults { delay: Duration::from_millis(300), ..Faults::default() });
    bmc.reset().await.unwrap();
    assert_eq!(chassis.state().boots.len(), 2);
}

#[tokio::test]
async fn many_bmcs_share_one_socket() {
    const BMCS: usize = 200;
    let servers: Vec<_> = (0..BMCS).map(|_| ipmi_bmc(&CipherSuite::ALL)).collect();
    let bmcs: Vec<Arc<dyn Bmc>> = servers
        .iter()
        .map(|(server, _)| Arc::from(connect_with(&by_ipmi(server.addr, None), OPTIONS)))
        .collect();
    let mut work = tokio::task::JoinSet::new();
    for (index, bmc) in bmcs.iter().enumerate() {
        let bmc = bmc.clone();
        work.spawn(async move {
            if index % 2 == 0 {
                bmc.power_on().await?;
            }
            bmc.power_status().await.map(|power| (index, power))
        });
    }
    while let Some(done) = work.join_next().await {
        let (index, power) = done.unwrap().expect("every BMC answers");
        assert_eq!(power, if index % 2 == 0 { Power::On } else { Power::Off }, "BMC {index}");
    }
}

#[tokio::test]
async fn malformed_datagrams_and_requests_hurt_nobody() {
    let (server, _) = ipmi_bmc(&CipherSuite::ALL);
    let socket = UdpSocket::bind(loopback()).unwrap();
    for length in 0..600_usize {
        let mut bytes: Vec<u8> = (0..length).map(|index| (index * 31 + length) as u8).collect();
        let head = [6, 0, 0xff, 7, 6, (length % 256) as u8];
        bytes.iter_mut().zip(head).for_each(|(byte, fixed)| *byte = fixed);
        socket.send_to(&bytes, server.addr).unwrap();
    }
    assert_eq!(connect_with(&by_ipmi(server.addr, None), OPTIONS).power_status().await, Ok(Power::Off));

    let (server, _) = redfish_bmc(RedfishOptions::default());
    // An error means that there is a provider already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let base = format!("http://{}/redfish/v1", server.addr);
    for (path, body) in [
        ("/SessionService/Sessions", "{"),
        ("/SessionService/Sessions", "[]"),
        ("/SessionService/Sessions", "{\"UserName\": 7}"),
        ("/Systems/1/Actions/ComputerSystem.Reset", "\"On\""),
    ] {
        let request = client.post(format!("{base}{path}")).basic_auth("admin", Some(PASSWORD)).body(body);
        let status = request.send().await.unwrap().status();
        assert!(status.is_client_error(), "{path} {body}: {status}");
    }
    for body in ["{\"Boot\": 7}", "{\"Boot\": {\"BootSourceOverrideTarget\": \"Moon\"}}", "7"] {
        let request =
            client.patch(format!("{base}/Systems/1")).basic_auth("admin", Some(PASSWORD)).body(body);
        let status = request.send().await.unwrap().status();
        assert!(status.is_client_error(), "{body}: {status}");
    }
}

/// sushy-emulator with its in-memory driver: one system, known by a UUID.
#[tokio::test]
async fn sushy_emulator_is_driven() {
    let program = sushy_emulator();
    if !program.exists() {
        let venv = program.ancestors().nth(2).unwrap().to_owned();
        tokio::task::spawn_blocking(move || tests::openstack::ensure_venv(&venv)).await.unwrap().unwrap();
    }
    let dir = tempfile::tempdir().unwrap();
    let addr = std::net::TcpListener::bind(loopback()).unwrap().local_addr().unwrap();
    let log = std::fs::File::create(dir.path().join("log")).unwrap();
    let mut child = Command::new(program)
        .args(["--fake", "-i", "127.0.0.1", "-p", &addr.port().to_string()])
        .current_dir(dir.path())
        .env("HOME", dir.path())
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let bmc = connect_with(&by_http(addr), OPTIONS);
    let deadline = Instant::now() + START_MAX;
    let first = loop {
        match bmc.power_status().await {
            Ok(power) => break power,
            Err(error @ BmcError::Unreachable { .. }) if Instant::now() < deadline => {
                assert!(child.try_wait().unwrap().is_none(), "sushy-emulator ended: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(error) => {
                panic!("{error}; {}", std::fs::read_to_string(dir.path().join("log")).unwrap_or_default())
            }
        }
    };
    if first == Power::On {
        bmc.power_off().await.unwrap();
        wait_for(bmc.as_ref(), Power::Off).await;
    }
    bmc.identity().await.unwrap();
    bmc.set_boot_device(BootDevice::Pxe, Persistence::Once, BootMode::Uefi).await.unwrap();
    bmc.power_on().await.unwrap();
    wait_for(bmc.as_ref(), Power::On).await;
    bmc.set_boot_device(BootDevice::Disk, Persistence::Persistent, BootMode::Uefi).await.unwrap();
    bmc.reset().await.unwrap();
    wait_for(bmc.as_ref(), Power::On).await;
    bmc.power_off().await.unwrap();
    wait_for(bmc.as_ref(), Power::Off).await;
    child.kill().await.unwrap();
}

async fn wait_for(bmc: &dyn Bmc, wanted: Power) {
    let deadline = Instant::now() + START_MAX;
    loop {
        let power = bmc.power_status().await.unwrap();
        if power == wanted {
            return;
        }
        assert!(Instant::now() < deadline, "still {power:?}, wanted {wanted:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn sushy_emulator() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.lab/venv/bin/sushy-emulator"))
}
