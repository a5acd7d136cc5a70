//! The Redfish facade before judges that nobody here wrote: DMTF's service validator with DMTF's own schemas.

use std::{os::unix::fs::OpenOptionsExt, path::Path, process::Stdio, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use domain::rim::FacadeServer;
use faces::redfish::RedfishFacade;
use protocol::{
    boot::BootMode,
    hardware::{Cpu, Disk, HardwareReport, Nic, SystemIdentity},
    id::ServerId,
    power::PowerReading,
};
use tests::{
    bmc::judges,
    fake_hardware::{FakeHardware, bmc_facts, sensors},
};
use tokio::{net::TcpListener, process::Command, time::timeout};

/// The validator reads a few dozen resources and 15 MB of schemas.
const JUDGE_TIME_MAX: Duration = Duration::from_secs(240);

fn hardware() -> HardwareReport {
    HardwareReport {
        system: SystemIdentity {
            manufacturer: "Virtual Servers".into(),
            product: "BM1".into(),
            serial: "SRV0001".into(),
            uuid: "6ae0d8a4-6b2f-4a53-9c37-2f6a5c1d0e11".into(),
        },
        boot_mode: BootMode::Uefi,
        cpu: Cpu { count: 32, architecture: "x86_64".into(), model: "A processor".into(), flags: vec![] },
        memory_mib: 65_536,
        disks: vec![
            Disk {
                name: "/dev/sda".into(),
                size_bytes: 480_000_000_000,
                model: "SSD 480".into(),
                serial: "S1".into(),
                wwn: "0x5002538e00000001".into(),
                ..Disk::default()
            },
            Disk { name: "/dev/sdb".into(), size_bytes: 0, rotational: true, ..Disk::default() },
        ],
        nics: vec![Nic {
            name: "eth0".into(),
            mac: "52:54:00:00:00:01".parse().unwrap(),
            ipv4: String::new(),
            carrier: true,
            speed_mbps: 10_000,
            driver: String::new(),
            vendor: String::new(),
            product: String::new(),
            booted: true,
            neighbour: None,
        }],
        ..HardwareReport::default()
    }
}

/// Serves one server, whose BMC says everything if its hardware is known; gives its address.
async fn serve(server: FacadeServer, password: &str) -> Result<String> {
    let hardware = Arc::new(FakeHardware::default());
    let user = format!("bms-{}", server.id);
    let (id, says_all) = (server.id, server.hardware.is_some());
    hardware.add(server, &user, password);
    if says_all {
        hardware.set_facts(id, bmc_facts());
        hardware.set_sensors(id, sensors());
    }
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", listener.local_addr()?);
    let router = RedfishFacade::new(hardware).router();
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}

/// Runs the validator, in a directory of its own.
async fn validate(address: &str, user: &str, password: &str, dir: &Path) -> Result<()> {
    let config = dir.join("config.ini");
    std::io::Write::write_all(
        &mut std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&config)?,
        format!(
            "[Authentication]\nuser = {user}\npassword = {password}\nauthtype = Session\n[Connection]\nrhost = {address}\n"
        )
        .as_bytes(),
    )?;
    let program = judges::programs().await?.join("rf_service_validator");
    let run = Command::new(program)
        .args(["--skipschema", "--schema_directory", nv_redfish_schema::REDFISH_CSDL_DIR, "--config"])
        .arg(&config)
        .arg("--logdir")
        .arg(dir)
        .current_dir(dir)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(JUDGE_TIME_MAX, run).await.context("the validator did not end")??;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

#[tokio::test]
async fn dmtfs_service_validator_finds_no_failure() {
    let check = async |power: Option<PowerReading>, hardware: Option<HardwareReport>, boot_mode: BootMode| {
        let id = ServerId::random();
        let macs = vec!["52:54:00:00:00:01".parse().unwrap()];
        let server = FacadeServer {
            id,
            name: "rack1-7".into(),
            power,
            boot_mode,
            macs,
            hardware,
            ramdisk: None,
            root_device: Default::default(),
        };
        let address = serve(server, "secret").await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        validate(&address, &format!("bms-{id}"), "secret", dir.path()).await.unwrap();
    };
    check(Some(PowerReading::On), Some(hardware()), BootMode::Uefi).await;
    check(None, None, BootMode::Bios).await;
}
