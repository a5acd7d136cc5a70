//! Edges: judges that nobody here wrote: ipmitool against our virtual BMC, with both cipher suites.

use std::{net::SocketAddr, process::Stdio, sync::Arc, time::Duration};

use protocol::{
    boot::{BootDevice, BootMode, Persistence},
    ipmi::front::Identify,
    power::RestorePolicy,
    secret::Secret,
};
use tests::bmc::{
    Credentials, Faults,
    chassis::{BootSetting, FakeChassis},
    ipmi,
};
use tokio::process::Command;

/// Longest that one call of ipmitool may take.
const TOOL_MAX: Duration = Duration::from_secs(30);

async fn ipmitool(addr: SocketAddr, suite: &str, password: &str, command: &str) -> (bool, String) {
    let run = Command::new("ipmitool")
        .args(["-I", "lanplus", "-H", &addr.ip().to_string(), "-p", &addr.port().to_string()])
        .args(["-U", "admin", "-E", "-C", suite, "-N", "2", "-R", "2"])
        .args(command.split(' '))
        .env("IPMI_PASSWORD", password)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(TOOL_MAX, run).await.expect("ipmitool ended").expect("ipmitool runs");
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text)
}

#[tokio::test]
async fn ipmitool_drives_our_bmc() {
    for suite in ["3", "17"] {
        let chassis = Arc::new(FakeChassis::default());
        let bmc = ipmi::serve(
            "127.0.0.1:0".parse().unwrap(),
            Credentials::new("admin", "correct horse"),
            chassis.clone(),
        )
        .unwrap();
        let check = async |command: &str, expected: &str| {
            let (ok, text) = ipmitool(bmc.addr, suite, "correct horse", command).await;
            assert!(ok && text.contains(expected), "-C {suite} {command}: {text}");
        };
        check("power status", "Chassis Power is off").await;
        check("power on", "Up/On").await;
        check("power status", "Chassis Power is on").await;
        check("power cycle", "Cycle").await;
        check("power reset", "Reset").await;
        check("chassis bootdev pxe options=efiboot", "Set Boot Device to pxe").await;
        let setting = |device, persistence, mode| Some(BootSetting { device, persistence, mode });
        assert_eq!(chassis.state().boot, setting(BootDevice::Pxe, Persistence::Once, BootMode::Uefi));
        check("chassis bootdev disk options=persistent", "Set Boot Device to disk").await;
        assert_eq!(chassis.state().boot, setting(BootDevice::Disk, Persistence::Persistent, BootMode::Bios));
        check("chassis bootparam get 5", "Force Boot from default Hard-Drive").await;
        check("mc info", "IPMI Version").await;
        check("mc guid", "System GUID").await;
        check("power soft", "Soft").await;
        check("power status", "Chassis Power is off").await;
        check("power off", "Down/Off").await;
        let state = chassis.state();
        assert_eq!((state.boots.len(), state.soft_offs), (3, 1), "-C {suite}: {state:?}");
        assert_eq!(bmc.stats().refused, 0);
    }
}

#[tokio::test]
async fn ipmitool_sees_refusals_and_silence() {
    let chassis = Arc::new(FakeChassis::default());
    let bmc =
        ipmi::serve("127.0.0.1:0".parse().unwrap(), Credentials::new("admin", "correct horse"), chassis)
            .unwrap();
    for suite in ["3", "17"] {
        let (ok, text) = ipmitool(bmc.addr, suite, "wrong", "power status").await;
        assert!(!ok, "-C {suite}: {text}");
    }
    assert_eq!(bmc.stats().logins, 0);
    bmc.faults.set(Faults { refuse: true, ..Faults::default() });
    let (ok, text) = ipmitool(bmc.addr, "17", "correct horse", "power on").await;
    assert!(!ok, "{text}");
}

/// What `tests::bmc::records` keeps, as ipmitool reads it.
const READ: [(&str, &[&str]); 17] = [
    ("mc selftest", &["Selftest: passed"]),
    ("sel info", &["Entries          : 5", "Last Add Time    : 01/01/26 00:03:00"]),
    (
        "sel elist",
        &[
            "Log area reset/cleared | Asserted",
            "Temperature CPU1 Temp | Upper Critical going high | Asserted | Reading 96 > Threshold 95 degrees C",
            "Power Supply PSU2 Status | Power Supply AC lost | Deasserted",
            "OEM record c1 | 0002a2 | 010203040506",
        ],
    ),
    (
        "sdr elist all",
        &[
            "CPU1 Temp        | 30h | ok  |  7.1 | 47 degrees C",
            "Inlet Temp       | 31h | ok  |  7.1 | -10 degrees C",
            "P12V             | 40h | ok  |  7.1 | 12.06 Volts",
            "FAN1             | 41h | ok  |  7.1 | 7500 RPM",
            "PSU2 Status      | 51h | ok  | 10.2 | Presence detected, Power Supply AC lost",
            "Logical FRU @01h",
            "Dynamic MC @ 72h",
        ],
    ),
    (
        "sensor get P12V",
        &["12.060 (+/- 0) Volts", "Lower Critical        : 10.980", "Upper Non-Critical    : 12.780"],
    ),
    (
        "fru print",
        &[
            "Chassis Part Number   : CH-4711",
            "Board Mfg Date        : Sun Jun  1 00:00:00 2025",
            "Board Extra           : rev B",
            "Product Name          : Bare Metal One",
            "Product Asset Tag     : RACK1-U7",
            "Product Name          : VP-750",
        ],
    ),
    ("user list 1", &["2   admin", "ADMINISTRATOR", "3   monitor"]),
    ("lan print 1", &["IP Address              : 198.51.100.7", "52:54:00:b3:00:07", "198.51.100.1"]),
    ("lan6 print 1", &["Address:        2001:db8::7/64", "Status:         active"]),
    ("dcmi power reading", &["Instantaneous power reading:                   212 Watts"]),
    ("chassis identify 30", &["Chassis identify interval: 30 seconds"]),
    ("chassis restart_cause", &["chassis power control command"]),
    ("chassis policy always-off", &["Set chassis power restore policy to always-off"]),
    ("channel info 1", &["802.3 LAN", "IPMB-1.0", "Access Mode         : always available"]),
    ("user set name 4 backup", &[]),
    ("user set password 4 another", &["Set User Password command successful (user 4)"]),
    ("-t 0x72 -b 0 sdr elist full", &["Node2 Temp       | 30h | ok  |  7.1 | 33 degrees C"]),
];

#[tokio::test]
async fn ipmitool_reads_what_our_bmc_keeps() {
    let addr = "127.0.0.1:0".parse().unwrap();
    let bmc = ipmi::serve(addr, Credentials::new("admin", "correct horse"), Arc::new(FakeChassis::default()))
        .unwrap();
    let run = async |command: &str| {
        let (ok, text) = ipmitool(bmc.addr, "17", "correct horse", command).await;
        assert!(ok, "{command}: {text}");
        text
    };
    run("power on").await;
    for (command, expected) in READ {
        let text = run(command).await;
        for words in expected {
            assert!(text.contains(words), "{command}: no {words:?} in\n{text}");
        }
    }
    // It asks how far it is until it is done, in its own time.
    run("sel clear").await;
    bmc.records.with(|records| {
        assert!(records.log.records().is_empty());
        let settings = &records.settings;
        assert_eq!(settings.identify, Some(Identify::Seconds(30)));
        assert_eq!(settings.policy, Some(RestorePolicy::AlwaysOff));
        let user = &settings.users[&4];
        assert_eq!((user.name.as_str(), user.password.as_ref()), ("backup", Some(&Secret::new("another"))));
    });
}
