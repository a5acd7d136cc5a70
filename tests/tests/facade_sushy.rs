//! Edges: Ironic's own Redfish client on our facade: it finds what the BMC said, and changes it by every verb that it has.

use std::{path::Path, process::Stdio, sync::Arc};

use domain::{
    firmware::update::{Stage, Update},
    rim::FacadeServer,
};
use faces::redfish::RedfishFacade;
use protocol::{
    bmc_order::BmcOrder,
    boot::BootMode,
    id::ServerId,
    power::PowerReading,
    redfish::read::{
        bios::{Setting, Settings},
        secure_boot::KeysReset,
    },
};
use serde_json::{Value, json};
use tests::{
    fake_hardware::{FakeHardware, bmc_facts, sensors},
    openstack::ensure_venv,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
    process::Command,
};

const VENV: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../.lab/venv");
const JUDGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/facade_sushy/judge.py");

#[tokio::test]
async fn sushy_finds_what_the_bmc_said_and_changes_it() {
    let python = Path::new(VENV).join("bin/python");
    if !python.exists() {
        tokio::task::spawn_blocking(|| ensure_venv(Path::new(VENV))).await.unwrap().unwrap();
    }
    let (hardware, id) = (Arc::new(FakeHardware::default()), ServerId::random());
    let server = FacadeServer {
        id,
        name: "rack1-7".into(),
        power: Some(PowerReading::Off),
        boot_mode: BootMode::Uefi,
        macs: vec!["52:54:00:00:00:01".parse().unwrap()],
        hardware: None,
        ramdisk: None,
        root_device: Default::default(),
    };
    let user = format!("bms-{id}");
    hardware.add(server, &user, "secret");
    hardware.set_facts(id, bmc_facts());
    hardware.set_sensors(id, sensors());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = RedfishFacade::new(hardware.clone()).router();
    let served = tokio::spawn(async move { axum::serve(listener, router).await });
    let mut judge = Command::new(python)
        .args(["-W", "ignore", JUDGE, &url, &id.to_string(), &user, "secret"])
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut said = BufReader::new(judge.stdout.take().unwrap());
    let mut monitor = String::new();
    said.read_line(&mut monitor).await.unwrap();
    let done = Stage::Done { changes: vec!["BMC: 1.0 -> 2.0".to_owned()] };
    hardware.carry_on(id, |update| Update { stage: done, ..update });
    judge.stdin.take().unwrap().write_all(b"\n").await.unwrap();
    let mut rest = String::new();
    said.read_to_string(&mut rest).await.unwrap();
    let judged = judge.wait_with_output().await.unwrap();
    served.abort();
    assert!(judged.status.success(), "{monitor} {rest} {}", String::from_utf8_lossy(&judged.stderr));
    let found: Value = serde_json::from_str(&rest).unwrap();
    let check = |key: &str, expected: Value| assert_eq!(found[key], expected, "{key}: {found:#}");
    check("bios_version", "U30 v2.1".into());
    check("manager_version", "2.78".into());
    check("light", "Lit".into());
    check("attributes", json!({"Cores": 8, "Turbo": true}));
    check("pending", json!({"Cores": 4, "Turbo": true}));
    check("secure_boot", json!([true, "UserMode"]));
    let cd = json!([["Cd", "http://192.0.2.9/a.iso", true, ["CD"]]]);
    check("media", cd.clone());
    check("media_of_manager", cd);
    check("firmware", json!([["Network adapter", "14.2", true]]));
    let changes = ["BMC: 1.0 -> 2.0"];
    check("update", json!([[true, "New"], [false, null], ["Completed", "OK", changes]]));
    check("temperatures", json!([["CPU 1 temperature", 41.5, "ok"]]));
    check("fans", json!([["Fan 1", 4200, "RPM"], ["Fan 2", 35, "Percent"]]));
    check("supplies", json!([["0", "critical"]]));
    check(
        "changed",
        json!({
            "light": "Off",
            "secure_boot": false,
            "attributes": {"Cores": 8, "Turbo": true},
            "pending": {"Cores": 2, "Turbo": false},
            "applied": {"Cores": 2, "Turbo": false},
            "ejected": false,
            "inserted": ["https://images.example/a.iso", true],
            "resets": true,
        }),
    );
    let drive = || "Cd".to_owned();
    let settings = Settings::from([
        ("Cores".to_owned(), Setting::Number(2.into())),
        ("Turbo".to_owned(), Setting::Flag(false)),
    ]);
    let image = "https://images.example/a.iso".to_owned();
    let expected = [
        BmcOrder::Light { is_on: false },
        BmcOrder::SecureBoot { is_enabled: false },
        BmcOrder::ResetKeys { reset: KeysReset::ToDefault },
        BmcOrder::SetBios { settings },
        BmcOrder::ResetBios,
        BmcOrder::EjectMedia { drive: drive() },
        BmcOrder::InsertMedia { drive: drive(), image, is_write_protected: true },
        BmcOrder::Interrupt,
    ];
    assert_eq!(hardware.take_orders(), expected);
}
