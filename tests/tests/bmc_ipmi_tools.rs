//! Edges: judges that nobody here wrote: ipmitool against our virtual BMC, with both cipher suites.

use std::{net::SocketAddr, process::Stdio, sync::Arc, time::Duration};

use protocol::boot::{BootDevice, BootMode, Persistence};
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
