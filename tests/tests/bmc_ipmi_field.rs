//! Edges: IPMI BMCs as the field has them: what is told of a boot is what is booted, or nothing is; what a site says of one BMC is
//! heeded; and a scan finds BMCs that know no ping.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use agent::{
    bmc::{Bmc, BmcError, BmcOptions, LogIns, Power, account::Pace, connect_as},
    discovery::Discovery,
    uplink::client::Seen,
};
use async_trait::async_trait;
use protocol::{
    bmc_facts::{FactsPart, PartFacts},
    bmc_order::BmcOrder,
    bmc_settings::{BmcSettings, KgKey, UserPrivilege},
    boot::{BootDevice, BootMode, Persistence},
    discovery::{Finding, Order, OrderTask, Scan},
    ipmi::{Privilege, app::DeviceId, bmc::Pong},
    report::ReportBody,
    secret::Secret,
    spec::{BmcEndpoint, BmcProtocol},
};
use tests::bmc::{
    BootManner, Credentials, Faults,
    chassis::{BootSetting, Chassis, FakeChassis},
    insider::{self, CHASSIS_STATUS, Oddity},
    ipmi::{self, Special},
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

const OPTIONS: BmcOptions =
    BmcOptions { first_wait: Duration::from_millis(200), tries: 4, min_gap: Duration::ZERO };
/// A second of the product's pauses.
const UNIT: Duration = Duration::from_millis(10);
const USER: &str = "admin";
const PASSWORD: &str = "correct-horse";
/// Supermicro's IANA enterprise number.
const SUPERMICRO: u32 = 10_876;

fn virtual_bmc(special: Special) -> (ipmi::IpmiBmc, Arc<FakeChassis>) {
    let chassis = Arc::new(FakeChassis::default());
    let credentials = Credentials::new(USER, PASSWORD);
    let addr = "127.0.0.1:0".parse().unwrap();
    (ipmi::serve_special(addr, credentials, chassis.clone(), special).unwrap(), chassis)
}

fn bmc_at(addr: SocketAddr, settings: BmcSettings) -> Box<dyn Bmc> {
    let endpoint = BmcEndpoint {
        protocol: BmcProtocol::Ipmi { cipher_suite: None },
        address: addr.ip().to_string(),
        port: addr.port(),
        username: USER.into(),
        password: Secret::new(PASSWORD),
        settings,
    };
    connect_as(&endpoint, OPTIONS, LogIns { pace: Pace(UNIT), in_call: true })
}

fn said(quirks: &[&str]) -> BmcSettings {
    let quirks = quirks.iter().map(|name| name.parse().unwrap()).collect();
    BmcSettings { quirks, ..BmcSettings::default() }
}

fn made_by(manufacturer: u32) -> Special {
    let device = DeviceId { manufacturer, ..Special::default().device };
    Special { device, ..Special::default() }
}

/// Tells a BMC of this manner where to boot and, if that is done, switches on. What it booted, or the error.
async fn started(
    manner: BootManner,
    device: BootDevice,
    mode: BootMode,
    quirks: &[&str],
) -> (Result<Option<BootSetting>, BmcError>, bool) {
    let (server, chassis) = virtual_bmc(Special::default());
    server.faults.set(Faults { boot: manner, ..Faults::default() });
    let bmc = bmc_at(server.addr, said(quirks));
    let persistence = match device {
        BootDevice::Pxe => Persistence::Once,
        BootDevice::Disk => Persistence::Persistent,
    };
    let told = bmc.set_boot_device(device, persistence, mode).await;
    if let Err(error) = told {
        return (Err(error), chassis.state().on);
    }
    bmc.power_on().await.unwrap();
    (Ok(chassis.state().boots[0]), true)
}

#[tokio::test]
async fn a_server_boots_what_it_was_told_or_is_not_started() {
    use BootDevice::{Disk, Pxe};
    use BootManner as M;
    use BootMode::{Bios, Uefi};
    let booted = async |manner, device, mode, quirks: &[&str]| {
        let (booted, _) = started(manner, device, mode, quirks).await;
        let booted = booted.unwrap_or_else(|error| panic!("{manner:?} {device:?} {mode:?}: {error}"));
        assert_eq!(booted.map(|set| (set.device, set.mode)), Some((device, mode)), "{manner:?} {quirks:?}");
    };
    for (device, mode) in [(Pxe, Uefi), (Pxe, Bios), (Disk, Uefi), (Disk, Bios)] {
        booted(M::Usual, device, mode, &[]).await;
        // Cleared before the firmware reads them, unless that is suppressed.
        booted(M::Cleared { unless: 0x08 }, device, mode, &[]).await;
        booted(M::Cleared { unless: 0x1f }, device, mode, &["all-clearing-suppressed"]).await;
        booted(M::OnlyAnnounced, device, mode, &[]).await;
        booted(M::OnlyAnnounced, device, mode, &["boot-options-announced"]).await;
        booted(M::Hidden(0x80), device, mode, &[]).await;
        booted(M::Stale, device, mode, &["boot-flags-not-read"]).await;
        booted(M::NoMode, device, mode, &["forgets-firmware-mode"]).await;
    }
    booted(M::OnlyPersistentNetwork, Pxe, Uefi, &[]).await;
    booted(M::OnlyPersistentNetwork, Pxe, Uefi, &["network-boot-persistent"]).await;
    for code in [0x80, 0xcc] {
        booted(M::OnlyOnce(code), Disk, Uefi, &[]).await;
        booted(M::OnlyFlags(code), Pxe, Uefi, &[]).await;
        booted(M::OnlyFlags(code), Disk, Bios, &["boot-options-announced"]).await;
    }
    booted(M::Slow, Pxe, Uefi, &[]).await;
    booted(M::DiskIsRemote(0xcc), Disk, Uefi, &[]).await;
    booted(M::DiskIsRemote(0xcc), Disk, Uefi, &["efi-disk-is-remote"]).await;
    // A disk that cannot be chosen is what firmware boots by itself.
    for code in [0x80, 0xc1, 0xcc] {
        let (booted, _) = started(M::Refused(code), Disk, Uefi, &[]).await;
        assert_eq!(booted, Ok(None), "{code:#x}");
    }
    let (booted, _) = started(M::Thrown, Disk, Uefi, &["disk-boot-left-alone"]).await;
    assert_eq!(booted, Ok(None));

    let refused = async |manner, device, mode, quirks: &[&str], words: &[&str]| {
        let (booted, is_on) = started(manner, device, mode, quirks).await;
        let text = booted.expect_err(&format!("{manner:?} {device:?}")).to_string();
        assert!(!is_on, "{manner:?}: the server was started");
        for words in words.iter().chain(&["the server was not started", "bmc_quirks"]) {
            assert!(text.contains(words), "{manner:?}: {words:?} is not in {text:?}");
        }
    };
    let shows_none = "it shows no boot device";
    refused(M::Thrown, Pxe, Uefi, &[], &["accepted the network in UEFI mode", shows_none]).await;
    refused(M::Thrown, Pxe, Bios, &[], &["accepted the network in BIOS mode", shows_none]).await;
    refused(M::Thrown, Disk, Uefi, &[], &["accepted the disk", shows_none, "disk-boot-left-alone"]).await;
    refused(M::Stale, Pxe, Uefi, &[], &["marked as not valid"]).await;
    refused(M::NoMode, Pxe, Uefi, &[], &["the network in BIOS mode"]).await;
    for code in [0x80, 0xcc, 0xd5, 0xff] {
        refused(M::Refused(code), Pxe, Uefi, &[], &["does not take the network", &format!("{code:#04x}")])
            .await;
    }
}

#[tokio::test]
async fn what_a_bmc_says_of_its_make_changes_what_it_is_told() {
    let check = async |special: Special, quirks: &[&str], expected: &[&[u8]]| {
        let (server, _) = virtual_bmc(special);
        let bmc = bmc_at(server.addr, said(quirks));
        bmc.set_boot_device(BootDevice::Disk, Persistence::Persistent, BootMode::Uefi).await.unwrap();
        assert_eq!(server.boot_options(), expected, "{quirks:?}");
    };
    check(Special::default(), &[], &[&[3, 0x08], &[5, 0xe0, 0x08, 0, 0, 0]]).await;
    check(made_by(SUPERMICRO), &[], &[&[3, 0x1f], &[5, 0xe0, 0x24, 0, 0, 0]]).await;
    check(made_by(SUPERMICRO), &["no-efi-disk-is-remote"], &[&[3, 0x1f], &[5, 0xe0, 0x08, 0, 0, 0]]).await;
    check(Special::default(), &["efi-disk-is-remote"], &[&[3, 0x08], &[5, 0xe0, 0x24, 0, 0, 0]]).await;
}

#[tokio::test]
async fn a_key_of_the_bmcs_own_is_used_and_a_wrong_one_is_named() {
    let key = |text: &str| Some(KgKey::from_text(text).unwrap());
    let (server, _) = virtual_bmc(Special { k_g: key("site-key"), ..Special::default() });
    let bmc = bmc_at(server.addr, BmcSettings { k_g: key("site-key"), ..BmcSettings::default() });
    assert_eq!(bmc.power_status().await, Ok(Power::Off));
    for (given, words) in
        [(None, "write that as ipmi_hex_kg_key"), (key("other"), "not the one in ipmi_hex_kg_key")]
    {
        let bmc = bmc_at(server.addr, BmcSettings { k_g: given, ..BmcSettings::default() });
        let error = bmc.power_status().await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains("K_g") && text.contains(words) && !text.contains("cable"), "{text}");
        assert!(!matches!(error, BmcError::Credentials { .. }), "its password is right: {text}");
    }
}

#[tokio::test]
async fn an_operator_is_let_in_and_asked_to_be_no_more_where_the_site_says_so() {
    for (privilege, attempts) in [(None, 2), (Some(UserPrivilege::Operator), 1)] {
        let (server, chassis) = virtual_bmc(Special { privilege: Privilege::Operator, ..Special::default() });
        let bmc = bmc_at(server.addr, BmcSettings { privilege, ..BmcSettings::default() });
        bmc.set_boot_device(BootDevice::Pxe, Persistence::Once, BootMode::Uefi).await.unwrap();
        bmc.power_on().await.unwrap();
        assert!(chassis.state().on);
        assert_eq!(
            (server.stats().attempts, server.stats().refused),
            (attempts, attempts - 1),
            "{privilege:?}"
        );
    }
}

#[tokio::test]
async fn quirks_of_readings_sessions_and_resets_are_heeded() {
    // Starts, and says so by "unspecified error".
    let (server, _) = virtual_bmc(Special::default());
    let starting = Oddity::Answers { to: CHASSIS_STATUS, code: 0xff, times: 2 };
    let front = insider::before_ipmi(server.addr, PASSWORD, starting).await.unwrap();
    assert!(bmc_at(front.addr, BmcSettings::default()).power_status().await.is_err());
    let front = insider::before_ipmi(server.addr, PASSWORD, starting).await.unwrap();
    assert_eq!(bmc_at(front.addr, said(&["unspecified-passes"])).power_status().await, Ok(Power::Off));

    // Has too few sessions.
    let (server, _) = virtual_bmc(Special::default());
    let bmc = bmc_at(server.addr, said(&["session-not-kept"]));
    for logins in 1..=3 {
        bmc.power_status().await.unwrap();
        assert_eq!(server.stats().logins, logins);
    }

    // Wants our proof without the name-only bit: no refused log-in is needed to find that out.
    for (quirks, refused) in [(&[][..], 1), (&["proof-without-name-bit"][..], 0)] {
        let (server, _) = virtual_bmc(Special::default());
        let front = insider::before_ipmi(server.addr, PASSWORD, Oddity::RoleInRakp3(|role| role & 0x0f))
            .await
            .unwrap();
        bmc_at(front.addr, said(quirks)).power_status().await.unwrap();
        assert_eq!(server.stats().refused, refused, "{quirks:?}");
    }

    // Loses requests that come one upon the other.
    for settings in [
        said(&["pause-between-requests"]),
        BmcSettings { request_gap_ms: Some(250), ..BmcSettings::default() },
    ] {
        let (server, _) = virtual_bmc(Special::default());
        let bmc = bmc_at(server.addr, settings);
        bmc.power_status().await.unwrap();
        let began = Instant::now();
        bmc.power_status().await.unwrap();
        bmc.power_status().await.unwrap();
        assert!(began.elapsed() >= Duration::from_millis(500), "{:?}", began.elapsed());
    }

    // Does not find its disks after a reset.
    let chassis = Arc::new(NoReset::default());
    let addr = "127.0.0.1:0".parse().unwrap();
    let server = ipmi::serve(addr, Credentials::new(USER, PASSWORD), chassis.clone()).unwrap();
    let bmc = bmc_at(server.addr, said(&["reset-by-off-and-on"]));
    bmc.power_on().await.unwrap();
    bmc.reset().await.unwrap();
    assert_eq!((chassis.0.state().on, chassis.0.state().boots.len()), (true, 2));
    assert!(bmc_at(server.addr, BmcSettings::default()).reset().await.is_err(), "it has no reset");
}

/// A machine that cannot be reset.
#[derive(Default)]
struct NoReset(FakeChassis);

#[async_trait]
impl Chassis for NoReset {
    async fn power(&self) -> anyhow::Result<bool> {
        self.0.power().await
    }
    async fn power_on(&self) -> anyhow::Result<()> {
        self.0.power_on().await
    }
    async fn power_off(&self) -> anyhow::Result<()> {
        self.0.power_off().await
    }
    async fn reset(&self) -> anyhow::Result<()> {
        anyhow::bail!("reset: there is no such line")
    }
    async fn soft_off(&self) -> anyhow::Result<()> {
        self.0.soft_off().await
    }
    async fn set_boot(&self, setting: Option<BootSetting>) -> anyhow::Result<()> {
        self.0.set_boot(setting).await
    }
    async fn boot(&self) -> anyhow::Result<Option<BootSetting>> {
        self.0.boot().await
    }
}

#[tokio::test]
async fn a_scan_finds_bmcs_whatever_they_make_of_a_ping() {
    let at = |last| Ipv4Addr::new(127, 77, 9, last);
    let pongs = [(11, Pong::Usual), (12, Pong::Swapped), (13, Pong::None)];
    let _servers: Vec<_> = pongs
        .into_iter()
        .map(|(last, pong)| {
            let special = Special { pong, ..Special::default() };
            let chassis = Arc::new(FakeChassis::default());
            let credentials = Credentials::new(USER, PASSWORD);
            ipmi::serve_special((at(last), 623).into(), credentials, chassis, special).unwrap()
        })
        .collect();
    let (orders, orders_rx) = mpsc::channel(1);
    let (seen, mut seen_rx) = mpsc::channel::<Seen>(64);
    let stop = CancellationToken::new();
    let running = tokio::spawn(Discovery::start(None, orders_rx, seen).unwrap().run(stop.clone()));
    let scan = Scan { ranges: vec!["127.77.9.10-127.77.9.14".parse().unwrap()], ..Scan::default() };
    orders.send(Order { id: uuid::Uuid::from_u128(5), task: OrderTask::Scan(scan) }).await.unwrap();
    let mut found = Vec::new();
    loop {
        let seen =
            tokio::time::timeout(Duration::from_secs(60), seen_rx.recv()).await.expect("it ends").unwrap();
        match seen.body {
            ReportBody::Found { finding: Finding::Bmc(bmc) } => found.push(bmc.address),
            ReportBody::Found { finding: Finding::ScanEnded { .. } } => break,
            _ => {}
        }
    }
    found.sort_unstable();
    assert_eq!(found, [at(11), at(12), at(13)]);
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn ipmi_obeys_what_it_has_a_command_for_and_says_so_of_the_rest() {
    let (server, _chassis) = virtual_bmc(Special::default());
    let bmc = bmc_at(server.addr, BmcSettings::default());
    bmc.obey(&BmcOrder::Light { is_on: true }).await.unwrap();
    bmc.obey(&BmcOrder::Light { is_on: false }).await.unwrap();
    bmc.obey(&BmcOrder::Look { part: FactsPart::System }).await.unwrap();
    let Some(PartFacts::System(facts)) = bmc.facts(FactsPart::System).await.unwrap() else {
        panic!("IPMI tells the system's part")
    };
    assert!(facts.can_nmi, "{facts:?}");
    for order in [
        BmcOrder::SecureBoot { is_enabled: true },
        BmcOrder::ResetBios,
        BmcOrder::EjectMedia { drive: "Cd".to_owned() },
    ] {
        let refusal = bmc.obey(&order).await.unwrap_err();
        assert!(refusal.to_string().contains(&format!("IPMI has no command for {order}")), "{refusal}");
    }
    // This one refuses the interrupt itself.
    assert!(matches!(bmc.obey(&BmcOrder::Interrupt).await, Err(BmcError::Refused { .. })));
}
