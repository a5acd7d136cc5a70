//! Edges: `bms-agent bmc` on our virtual BMCs and on ipmi_sim: what it prints, what it ends with, what it leaves behind.

use std::{
    net::{SocketAddr, UdpSocket},
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use protocol::ipmi::bmc::SESSION_IDLE_MAX;
use serde_json::Value;
use tests::bmc::{
    Credentials, Faults,
    chassis::FakeChassis,
    ipmi::{self, IpmiBmc},
    ipmi_sim::{self, IpmiSimConfig},
    records::{Records, emulation},
};
use tokio::process::Command;
use uuid::Uuid;

const PASSWORD: &str = "correct-horse";
/// Longest that one call may take.
const CALL_MAX: Duration = Duration::from_secs(60);
/// Between two looks at what is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Our programs lie beside the lab; `make test` has built them all.
fn program() -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_lab")).with_file_name("bms-agent");
    assert!(path.exists(), "{} is not built: cargo build --workspace --bins", path.display());
    path
}

fn command(words: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.arg("bmc").args(words).stdin(Stdio::null()).kill_on_drop(true);
    command.env("BMS_BMC_PASSWORD", PASSWORD).env_remove("BMS_BMC_USER");
    command
}

/// Status, what was printed, and the failures that were told.
async fn run(mut command: Command) -> (i32, String, String) {
    let output = tokio::time::timeout(CALL_MAX, command.output()).await.expect("it ends").expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

async fn call(host: &str, words: &str) -> (i32, String, String) {
    let all: Vec<&str> = ["-H", host].into_iter().chain(words.split(' ')).collect();
    run(command(&all)).await
}

fn loopback() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

fn bmc() -> (IpmiBmc, Arc<FakeChassis>) {
    let chassis = Arc::new(FakeChassis::default());
    (ipmi::serve(loopback(), Credentials::new("admin", PASSWORD), chassis.clone()).unwrap(), chassis)
}

/// What each verb says, in this order, of the BMC that `tests::bmc::records` describes.
const SAID: [(&str, &[&str]); 26] = [
    ("power", &["off"]),
    ("power on", &["on"]),
    ("power cycle", &["on"]),
    ("boot get", &["no override: the firmware's own order"]),
    ("boot set pxe --uefi", &["pxe, next boot, UEFI"]),
    (
        "probe",
        &[
            "IPMI 2.0, cipher suite 17  logged in",
            "IPMI 2.0, cipher suite 3   logged in",
            "BMC firmware               1.10",
        ],
    ),
    (
        "inventory",
        &[
            "server product  Bare Metal One",
            "server serial   SRV0001",
            "BMC MAC         52:54:00:b3:00:07",
            "BMC IPv6        2001:db8::7/64",
            "power draw      212 W (mean 212 W)",
        ],
    ),
    ("sel info", &["entries       5", "clock         2026-01-01 00:03:00"]),
    (
        "sel list",
        &[
            "SEL          event logging  log cleared",
            "CPU1 Temp    temperature    upper critical going high: 96 °C, limit 95 °C",
            "PSU2 Status  power supply   input lost (ended)",
            "record 0xc1 of Dell: 010203040506",
        ],
    ),
    (
        "sensors",
        &[
            "CPU1 Temp    47 °C     ok                   to 95",
            "Inlet Temp   -10 °C    ok",
            "P12V         12.06 V   ok                   10.98 to 13.02",
            "Node2 Temp   33 °C     ok                   to 95",
            "PSU2 Status  critical  present, input lost",
            "Drive2       ok        drive present",
        ],
    ),
    (
        "fru",
        &[
            "server  chassis part       CH-4711",
            "server  board made         2025-06-01",
            "PSU1    power supply       750 W, input 90 to 264 V, hot swap",
            "PSU1    output 1           12 V, up to 62 A",
        ],
    ),
    ("health", &["critical  PSU2 Status: present, input lost"]),
    ("users list", &["2       admin    administrator  yes", "3       monitor  user"]),
    ("users set-name 4 backup", &["user 4: named \"backup\""]),
    ("users set-privilege 4 operator", &["user 4: has privilege operator"]),
    ("users set-password 4", &["user 4: has the new password"]),
    ("users enable 4", &["user 4: enabled"]),
    ("users list", &["4       backup   operator       yes"]),
    ("identify on --seconds 30", &["on for 30 s"]),
    ("identify off", &["off"]),
    ("users disable backup", &["user 4: disabled"]),
    ("power-restore set off", &["stays off"]),
    ("sel set-time", &["20"]),
    ("sel clear", &["cleared: 5 records removed"]),
    ("sel list", &["ID"]),
    ("power off", &["off"]),
];

#[tokio::test]
async fn every_verb_reads_and_sets_what_a_bmc_has() {
    let (bmc, chassis) = bmc();
    let host = bmc.addr.to_string();
    for (words, expected) in SAID {
        let all: Vec<&str> = ["-H", &host].into_iter().chain(words.split(' ')).collect();
        let mut command = command(&all);
        let (status, text, failures) = run({
            command.env("BMS_BMC_NEW_PASSWORD", "another");
            command
        })
        .await;
        assert_eq!(status, 0, "{words}: {failures}");
        for row in expected {
            assert!(text.contains(row), "{words}: no {row:?} in\n{text}");
        }
    }
    assert!(!chassis.state().on);
    bmc.records.with(|records| {
        let password =
            records.settings.users[&4].password.as_ref().map(|password| password.reveal().to_owned());
        assert_eq!(password.as_deref(), Some("another"));
    });
    // Fans say nothing while the server is off.
    let (_, text, _) = call(&host, "sensors").await;
    assert!(text.contains("FAN1         -         no reading now"), "{text}");
    assert_eq!(bmc.sessions(), 0, "every session was given back");
}

/// A simulator's log has its own times.
fn without_times(text: &str) -> String {
    text.lines().filter(|line| !line.contains("\"time\":")).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn ipmi_sim_and_our_bmc_are_read_alike() {
    let (ours, chassis) = bmc();
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let dir = tempfile::tempdir().unwrap();
    let config = IpmiSimConfig {
        addr: ([127, 0, 0, 1], port).into(),
        netns: None,
        dir: dir.path().to_owned(),
        credentials: Credentials::new("admin", PASSWORD),
        uuid: Uuid::new_v4(),
    };
    let commands = emulation::commands(&Records::default());
    let theirs = ipmi_sim::start_with(config, chassis.clone(), &commands).await.unwrap();
    assert_eq!(call(&ours.addr.to_string(), "power on").await.0, 0);
    for words in ["sensors --json", "sel list --json", "fru", "health"] {
        let (status, text, failures) = call(&ours.addr.to_string(), words).await;
        let (sim_status, sim_text, sim_failures) = call(&theirs.addr.to_string(), words).await;
        assert_eq!((status, sim_status), (0, 0), "{words}: {failures}{sim_failures}");
        assert_eq!(without_times(&sim_text), without_times(&text), "{words}");
    }
}

#[tokio::test]
async fn a_list_of_hosts_is_asked_at_once_and_each_failure_is_told_by_its_kind() {
    let ((one, _), (two, _), (silent, _)) = (bmc(), bmc(), bmc());
    silent.faults.set(Faults { silent: true, ..Faults::default() });
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: String| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let wrong = file("wrong", "not it\n".into());
    let good = file("good", format!("{} name=one # first\n{} name=two\n", one.addr, two.addr));
    let bad = format!(
        "{} name=one\n{} name=silent\n{} name=wrong password-file={wrong}\n",
        one.addr, silent.addr, two.addr
    );
    let bad = file("bad", bad);
    let (status, text, failures) = run(command(&["--hosts", &good, "power"])).await;
    assert_eq!((status, failures.as_str()), (0, ""));
    assert_eq!(text, "HOST  POWER\none   off\ntwo   off\n");
    let (status, text, failures) = run(command(&["--hosts", &bad, "--tries", "1", "power", "--json"])).await;
    assert_eq!(status, 4, "{failures}");
    let all: Value = serde_json::from_str(&text).unwrap();
    let kinds: Vec<&str> =
        all.as_array().unwrap().iter().map(|one| one["kind"].as_str().unwrap_or("-")).collect();
    assert_eq!(kinds, ["-", "no answer", "log-in refused"]);
    assert!(failures.contains("silent: the BMC at") && failures.contains("wrong: the BMC at"), "{failures}");
    assert!(!failures.contains("tried again"), "nobody does: {failures}");
    let words = ["--hosts", &good, "--rounds", "50", "--at-once", "1", "--json", "power"];
    let (status, text, _) = run(command(&words)).await;
    let load: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((status, load["done"].as_u64()), (0, Some(100)), "{text}");
    assert!(load["per_second"].as_f64().unwrap() > 0.0 && load["max_ms"].as_f64() >= load["p50_ms"].as_f64());
    // Three sessions of BMC one: the list, the list with failures, and one for all its fifty rounds.
    assert_eq!(one.stats().logins, 3);
}

#[tokio::test]
async fn what_cannot_be_done_is_said_with_its_status() {
    let (bmc, _) = bmc();
    let host = bmc.addr.to_string();
    let check = async |words: &[&str], status: i32, expected: &str| {
        let (got, _, failures) = run(command(words)).await;
        assert_eq!(got, status, "{words:?}: {failures}");
        assert!(failures.contains(expected), "{words:?}: {failures}");
    };
    check(&["power"], 2, "name a BMC by -H ADDRESS or several by --hosts FILE").await;
    check(&["-H", "a:b:c]", "--password", "secret", "power"], 2, "unexpected argument '--password'").await;
    check(&["-H", "192.0.2.7:0", "power"], 2, "is no ADDRESS[:PORT]").await;
    check(&["--hosts", "/nowhere/hosts", "power"], 2, "/nowhere/hosts").await;
    check(&["-H", &host, "--by", "redfish", "fru"], 2, "fru: not by Redfish").await;
    check(&["-H", &host, "bios", "get"], 2, "bios: not by IPMI; use --by redfish").await;
    check(&["-H", &host, "--rounds", "0", "power"], 2, "0 is not in 1..=1000000").await;
    check(&["-H", &host, "users", "set-name", "4", "seventeen letters"], 2, "at most 16 bytes").await;
    let mut unasked = command(&["-H", &host, "power"]);
    unasked.env_remove("BMS_BMC_PASSWORD");
    let (status, _, failures) = run(unasked).await;
    assert_eq!(status, 2);
    assert!(failures.contains("BMS_BMC_PASSWORD; there is no terminal to ask for it"), "{failures}");
    bmc.faults.set(Faults { ignore: true, ..Faults::default() });
    check(&["-H", &host, "boot", "set", "pxe"], 1, "when it is read back it shows no boot device").await;
    bmc.faults.set(Faults { refuse: true, ..Faults::default() });
    check(&["-H", &host, "sel", "info"], 1, "Get SEL Info: the BMC answers 0xff, unspecified error").await;
    assert_eq!(bmc.sessions(), 0, "every session was given back");
}

#[tokio::test]
async fn an_interrupt_ends_it_and_gives_the_session_back() {
    let (bmc, _) = bmc();
    let host = bmc.addr.to_string();
    let mut child =
        command(&["-H", &host, "--rounds", "1000000", "power"]).stdout(Stdio::null()).spawn().unwrap();
    let waited = async {
        while bmc.stats().requests < 20 {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(CALL_MAX, waited).await.expect("it asks");
    assert_eq!(bmc.sessions(), 1);
    let pid = i32::try_from(child.id().expect("it runs")).unwrap();
    kill(Pid::from_raw(pid), Signal::SIGINT).unwrap();
    let status = tokio::time::timeout(CALL_MAX, child.wait()).await.expect("it ends").unwrap();
    assert_eq!(status.code(), Some(130));
    let closed = async {
        while bmc.sessions() > 0 {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    // Long before it would have idled out.
    tokio::time::timeout(SESSION_IDLE_MAX / 4, closed).await.expect("the session is given back");
}
