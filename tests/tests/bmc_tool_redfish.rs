//! Edges: `bms-agent bmc --by redfish` on our virtual BMC: what it prints, what it ends with, what it leaves behind.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use serde_json::Value;
use tests::bmc::{
    Credentials,
    chassis::FakeChassis,
    redfish::{self, RedfishBmc, RedfishOptions, RedfishWho},
    redfish_manners::Manner,
};
use tokio::process::Command;

const PASSWORD: &str = "correct-horse";
/// Longest that one call may take.
const CALL_MAX: Duration = Duration::from_secs(60);

/// Our programs lie beside the lab; `make test` has built them all.
fn program() -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_lab")).with_file_name("bms-agent");
    assert!(path.exists(), "{} is not built: cargo build --workspace --bins", path.display());
    path
}

fn serve(manners: &[Manner]) -> (RedfishBmc, Arc<FakeChassis>) {
    serve_with(RedfishOptions { manners: manners.to_vec(), ..RedfishOptions::default() })
}

fn serve_with(options: RedfishOptions) -> (RedfishBmc, Arc<FakeChassis>) {
    let chassis = Arc::new(FakeChassis::default());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let credentials = Credentials::new("admin", PASSWORD);
    (redfish::serve_on(listener, credentials, chassis.clone(), options).unwrap(), chassis)
}

/// Status, what was printed, and the failures that were told.
async fn call(bmc: &RedfishBmc, words: &str) -> (i32, String, String) {
    let host = bmc.addr.to_string();
    let mut command = Command::new(program());
    command.args(["bmc", "-H", &host, "--by", "redfish", "--http"]).args(words.split(' '));
    command
        .env("BMS_BMC_PASSWORD", PASSWORD)
        .env("BMS_BMC_NEW_PASSWORD", "another-one")
        .env_remove("BMS_BMC_USER");
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(CALL_MAX, command.output()).await.expect("it ends").expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

/// What each verb says, in this order.
const SAID: [(&str, &[&str]); 35] = [
    ("power on", &["on"]),
    ("boot set pxe --uefi", &["pxe, next boot, UEFI"]),
    ("boot get", &["pxe, next boot, UEFI"]),
    (
        "probe",
        &[
            "Redfish by HTTP  logged in",
            "quirks heeded    none is known of its like",
            "offers           Secure Boot, certificates, events, firmware, logs",
        ],
    ),
    (
        "inventory",
        &[
            "BMC firmware  1.2.3",
            "processor     CPU 1, Virtual Processor 3, 32 cores, 3600 MHz, ok",
            "memory        DIMM A1, 32 GiB, DDR5, P-32G, serial 4711, ok",
            "drive         Disk 0, NVMe 1, 960 GB, NVMe, serial D0001, ok",
            "volume        System, RAID1, 960 GB, warning",
            "port          NIC 25G 1, 52:54:00:aa:00:01, LinkUp, 25000 Mbit/s, at leaf-1 Ethernet1/7",
            "power draw    212 W",
        ],
    ),
    (
        "sensors",
        &[
            "CPU1 Temp             47 °C     ok                            to 95",
            "Inlet Temp            43 °C     warning                       to 47",
            "PSU2                  0 W       critical, UnavailableOffline",
        ],
    ),
    ("health", &["critical  PSU2: 0 W", "warning   Inlet Temp: 43 °C", "warning   volume System: warning"]),
    ("sel list", &["3   2026-01-01T00:00:30Z  critical  PSU2: input lost"]),
    ("sel list --last 1 --json", &["\"message\": \"PSU2: input lost\""]),
    ("sel info", &["SEL    System Event Log  3        512      yes       yes", "Audit  Audit"]),
    ("sel set-time", &["20"]),
    ("sel clear", &["System Event Log cleared: 3 records removed"]),
    ("users list", &["2   admin    Administrator  yes"]),
    ("users create backup operator", &["user backup: made"]),
    ("users set-password backup", &["has the new password, says the BMC; only a log-in tells"]),
    ("users set-privilege backup user", &["has privilege ReadOnly"]),
    ("users disable backup", &["disabled"]),
    ("users remove backup", &["removed"]),
    ("identify on", &["on until it is switched off"]),
    ("identify off", &["off"]),
    ("firmware list", &["BMC   BMC              1.2.3    yes"]),
    ("bios get cores", &["LogicalCores  32"]),
    ("bios set LogicalCores=16 Turbo=false", &["LogicalCores  32    16", "Turbo         true  false"]),
    ("bios reset", &["from the next start on"]),
    ("media list", &["Cd     CD, DVD   empty"]),
    ("media insert https://192.0.2.1/rescue.iso", &["Cd     CD, DVD  https://192.0.2.1/rescue.iso"]),
    ("media eject cd", &["empty"]),
    ("secureboot status", &["next start  no", "databases   db"]),
    ("secureboot enable", &["next start  yes"]),
    ("secureboot reset-keys default --database db", &["keys reset in db"]),
    ("nmi", &["sent"]),
    ("manager show", &["certificate  bmc.invalid, until 2036-01-01T00:00:00Z"]),
    ("power-limit set 500", &["draws       212 W", "limit       500 W"]),
    ("power-restore set off", &["stays off"]),
    ("power off", &["off"]),
];

#[tokio::test]
async fn every_verb_goes_by_redfish_too() {
    let (bmc, chassis) = serve(&[]);
    let mut wrong = Vec::new();
    for (words, expected) in SAID {
        let (status, text, failures) = call(&bmc, words).await;
        let missing: Vec<&&str> = expected.iter().filter(|row| !text.contains(**row)).collect();
        if status != 0 || !missing.is_empty() {
            wrong.push(format!("{words}: {status} {failures}, no {missing:?} in\n{text}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(!chassis.state().on);
    assert_eq!(bmc.told().passwords[1].1, "another-one");
    assert_eq!(bmc.sessions(), 0, "every session was given back");
}

#[tokio::test]
async fn what_a_redfish_bmc_refuses_or_cannot_show_is_said_with_its_status() {
    let (bmc, _) = serve(&[
        Manner::Broken("/redfish/v1/Systems/1/Processors/CPU1"),
        Manner::Ignores("/redfish/v1/Systems/1/Bios/Settings"),
    ]);
    let check = async |words: &str, status: i32, expected: &str| {
        let (got, text, failures) = call(&bmc, words).await;
        assert_eq!(got, status, "{words}: {failures}");
        assert!(format!("{text}{failures}").contains(expected), "{words}: {text}{failures}");
    };
    check("inventory", 0, "not read").await;
    check("health", 0, "warning   not read: GET /redfish/v1/Systems/1/Processors/CPU1: HTTP 500").await;
    check("bios set Turbo=false", 1, "accepted Turbo = false, and shows true for the next start").await;
    check("bios set Turbo=maybe", 2, "\"maybe\" is of another type than the present value true").await;
    check("bios set Speed=1", 1, "no setting \"Speed\"; see bios get").await;
    check("nmi", 1, "The server is off.").await;
    check("firmware update /nowhere/bmc.bin", 2, "/nowhere/bmc.bin cannot be read").await;
    check("sel list --log Nothing", 1, "it has no log \"Nothing\"; it has: SEL, Audit").await;
    check("users disable nobody", 1, "it has no user \"nobody\"; see users list").await;
    check("media insert http://192.0.2.1/a.img --as floppy", 1, "no such drive of virtual media; it has: Cd")
        .await;
}

#[tokio::test]
async fn a_firmware_file_is_sent_and_its_task_is_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("bmc.bin");
    std::fs::write(&file, b"new firmware").unwrap();
    let (bmc, _) = serve(&[]);
    let (status, text, failures) =
        call(&bmc, &format!("firmware update {} --target bmc --no-wait --json", file.display())).await;
    assert_eq!(status, 0, "{failures}");
    let said: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(said["update"], "it goes on");
    assert!(said["task"].as_str().unwrap().starts_with("/redfish/v1/TaskService/"), "{text}");
    assert!(bmc.told().updates[0].contains("new firmware"));
    let (status, _, failures) = call(&bmc, &format!("firmware update {} --target nic", file.display())).await;
    assert_eq!(status, 1);
    assert!(failures.contains("no firmware with the id \"nic\"; see firmware list"), "{failures}");
}

#[tokio::test]
async fn the_firmware_of_a_bmc_decides_which_quirks_are_heeded() {
    let check = async |firmware: &str, is_heeded: bool| {
        let (manufacturer, model) = ("Dell Inc.".to_owned(), "PowerEdge R670".to_owned());
        let who = Some(RedfishWho { manufacturer, model, firmware: firmware.to_owned() });
        let (bmc, _) = serve_with(RedfishOptions { who, ..RedfishOptions::default() });
        let (status, text, failures) = call(&bmc, "probe").await;
        assert_eq!(status, 0, "{failures}");
        assert_eq!(text.contains("quirk boot-at-settings"), is_heeded, "{firmware}: {text}");
    };
    check("1.20.50.50", true).await;
    check("7.10.30.00", false).await;
}
