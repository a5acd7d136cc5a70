//! Edges: judges that nobody here wrote: FreeIPMI's tools against our virtual BMC.

use std::{net::SocketAddr, path::Path, process::Stdio, sync::Arc, time::Duration};

use protocol::{
    bmc_settings::KgKey,
    boot::{BootDevice, BootMode, Persistence},
    ipmi::{CipherSuite, Privilege},
};
use tempfile::TempDir;
use tests::bmc::{
    Credentials,
    chassis::{BootSetting, FakeChassis},
    ipmi::{self, Special},
};
use tokio::process::Command;

/// Longest that one call of a tool may take.
const TOOL_MAX: Duration = Duration::from_secs(60);
const PASSWORD: &str = "correct horse";

/// Who asks, and whom.
struct Asking {
    addr: SocketAddr,
    /// Of its own for the configuration with the password, and for what the tools keep of sensors.
    dir: TempDir,
}

impl Asking {
    fn new(addr: SocketAddr, user: &str, password: &str, more: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = format!("username {user}\npassword \"{password}\"\n{more}\n");
        std::fs::write(dir.path().join("config"), config).unwrap();
        Self { addr, dir }
    }

    fn file(&self, name: &str) -> String {
        format!("{}", self.dir.path().join(name).display())
    }

    /// What a command line prints, and whether it ended well.
    async fn run(&self, line: &str) -> (bool, String) {
        let mut words = line.split(' ');
        let tool = words.next().unwrap();
        let mut command = Command::new(tool);
        command.args(["-D", "LAN_2_0", "-h", &self.addr.to_string()]);
        command.arg(format!("--config-file={}", self.file("config"))).args(words);
        if SENSOR_TOOLS.contains(&tool) {
            command.arg(format!("--sdr-cache-directory={}", self.file(""))).arg("--quiet-cache");
        }
        let run = command.env("HOME", self.dir.path()).stdin(Stdio::null()).kill_on_drop(true).output();
        let output =
            tokio::time::timeout(TOOL_MAX, run).await.expect("the tool ends").expect("the tool runs");
        let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        (output.status.success(), text.into_owned())
    }

    /// Columns are as wide as the tool likes.
    async fn says(&self, line: &str, expected: &[&str]) {
        let (ok, text) = self.run(line).await;
        let text = narrow(&text);
        // It calls it a failure when one of the section's values is not there.
        let ok = ok || line.contains("--checkout");
        for words in expected {
            assert!(ok && text.contains(words), "{line}: no {words:?} in\n{text}");
        }
    }
}

fn narrow(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Tools that keep what they have read of the sensors' descriptions.
const SENSOR_TOOLS: [&str; 3] = ["ipmi-sensors", "ipmi-sel", "ipmi-fru"];

fn bmc(special: Special) -> (ipmi::IpmiBmc, Arc<FakeChassis>) {
    let chassis = Arc::new(FakeChassis::default());
    let addr = "127.0.0.1:0".parse().unwrap();
    let credentials = Credentials::new("admin", PASSWORD);
    (ipmi::serve_special(addr, credentials, chassis.clone(), special).unwrap(), chassis)
}

#[tokio::test]
async fn freeipmi_switches_our_bmc() {
    let (bmc, chassis) = bmc(Special::default());
    let asking = Asking::new(bmc.addr, "admin", PASSWORD, "");
    for suite in CipherSuite::ALL.map(CipherSuite::id) {
        for (action, expected) in [
            ("--stat", ": off"),
            ("--on --wait-until-on", ": ok"),
            ("--stat", ": on"),
            ("--cycle", ": ok"),
            ("--reset", ": ok"),
            ("--soft", ": ok"),
            ("--stat", ": off"),
            ("--off --wait-until-off", ": ok"),
        ] {
            asking.says(&format!("ipmipower -I {suite} {action}"), &[expected]).await;
        }
    }
    let state = chassis.state();
    assert_eq!((state.boots.len(), state.soft_offs), (6, 2), "{state:?}");
    assert_eq!((bmc.stats().refused, bmc.stats().malformed), (0, 0));
}

/// What `tests::bmc::records` keeps, as FreeIPMI reads it.
const READ: [(&str, &[&str]); 13] = [
    ("bmc-info --get-device-id", &["Firmware Revision : 1.10", "IPMI Version : 2.0"]),
    ("bmc-device --get-self-test-results", &["Self Test Result : No Error"]),
    ("ipmi-chassis --get-status", &["System Power : on"]),
    ("ipmi-chassis --get-system-restart-cause", &["Chassis control command"]),
    (
        "ipmi-sensors --no-header-output --comma-separated-output",
        &[
            "1,CPU1 Temp,Temperature,47.00,C,",
            "2,Inlet Temp,Temperature,-10.00,C,",
            "3,P12V,Voltage,12.06,V,'OK'",
            "4,FAN1,Fan,7500.00,RPM,",
            "'Presence detected' 'Power Supply input lost (AC/DC)'",
        ],
    ),
    ("ipmi-sensors --bridge-sensors --record-ids=6", &["Node2 Temp", "33.00"]),
    ("ipmi-sel --info", &["Number of log entries : 5", "01/01/2026 - 00:03:00"]),
    (
        "ipmi-sel --output-event-state",
        &[
            "Log Area Reset/Cleared",
            "Sensor Reading = 96.00 C ; Threshold = 95.00 C",
            "Critical | Power Supply input lost (AC/DC)",
            "Warning | Power Supply input lost (AC/DC)",
            "OEM defined = 01h 02h 03h 04h 05h 06h",
        ],
    ),
    (
        "ipmi-fru",
        &[
            "FRU Chassis Serial Number: CHS0001",
            "FRU Board Manufacturing Date/Time: 06/01/25 - 00:00:00",
            "FRU Product Asset Tag: RACK1-U7",
            "System Management URL: https://bmc.example",
            "FRU Power Supply Overall Capacity: 750 Watts",
            "FRU DC Output Nominal Voltage: 12000 mV",
        ],
    ),
    ("ipmi-dcmi --get-system-power-statistics", &["Current Power : 212 Watts"]),
    ("ipmi-config --category=core --checkout -S Lan_Conf", &["IP_Address 198.51.100.7", "52:54:00:B3:00:07"]),
    ("ipmi-config --category=core --checkout -S User3", &["monitor", "Lan_Privilege_Limit"]),
    (
        "ipmi-config --category=chassis --checkout -S Chassis_Boot_Flags",
        &["Boot_Flags_Persistent No", "BIOS_Boot_Type EFI"],
    ),
];

#[tokio::test]
async fn freeipmi_reads_what_our_bmc_keeps() {
    let (bmc, chassis) = bmc(Special::default());
    let asking = Asking::new(bmc.addr, "admin", PASSWORD, "");
    asking.says("ipmipower --on", &[": ok"]).await;
    let once = Path::new(&asking.file("boot")).to_owned();
    let flags = "Section Chassis_Boot_Flags\nBoot_Flags_Persistent No\nBIOS_Boot_Type EFI\nBoot_Device PXE\nEndSection\n";
    std::fs::write(&once, flags).unwrap();
    asking.says(&format!("ipmi-config --category=chassis --commit -n {}", once.display()), &[]).await;
    let (device, persistence, mode) = (BootDevice::Pxe, Persistence::Once, BootMode::Uefi);
    assert_eq!(chassis.state().boot, Some(BootSetting { device, persistence, mode }));
    for (line, expected) in READ {
        asking.says(line, expected).await;
    }
    asking.says("ipmi-sel --clear", &[]).await;
    bmc.records.with(|records| assert!(records.log.records().is_empty()));
    assert_eq!((bmc.stats().refused, bmc.stats().malformed), (0, 0));
}

/// Each refusal is what the tool takes it for.
#[tokio::test]
async fn freeipmi_names_each_refusal_of_our_bmc() {
    let key = Some(KgKey::from_text("site-key").unwrap());
    for (special, user, password, more, words) in [
        (Special::default(), "nobody", PASSWORD, "", "username invalid"),
        (Special::default(), "admin", "another", "", "password invalid"),
        (Special::default(), "admin", PASSWORD, "cipher-suite-id 2", "cipher suite id unavailable"),
        (Special::default(), "admin", PASSWORD, "k_g site-key", "k_g invalid"),
        (Special { k_g: key, ..Special::default() }, "admin", PASSWORD, "", "k_g invalid"),
        (
            Special { privilege: Privilege::User, ..Special::default() },
            "admin",
            PASSWORD,
            "privilege-level ADMIN",
            "privilege level cannot be obtained",
        ),
    ] {
        let (bmc, _) = bmc(special);
        let (_, text) = Asking::new(bmc.addr, user, password, more).run("ipmipower --stat").await;
        assert!(text.contains(words), "{user} {more}: no {words:?} in {text}");
    }
}
