//! badfish on the facade as the coordinator serves it, by TLS: what it reads of a server, and what it changes.

use std::{process::Stdio, sync::Arc, time::Duration};

use coordinator_core::pki::{Authority, Clients, tls};
use domain::rim::{FacadeServer, PowerRequest};
use faces::redfish::RedfishFacade;
use listen::Terms;
use protocol::{
    bmc_facts::FirmwareItem,
    bmc_order::BmcOrder,
    boot::BootMode,
    hardware::{Cpu, HardwareReport},
    id::ServerId,
    power::{PowerOffHow, PowerReading},
};
use store::clock::{Clock, SystemClock};
use tests::{
    bmc::judges,
    fake_hardware::{FakeHardware, bmc_facts, sensors},
};
use tokio::{net::TcpListener, process::Command, time::timeout};
use tokio_util::sync::CancellationToken;

const PASSWORD: &str = "correct horse";
/// It sleeps for 10 s after a change of power.
const VERB_MAX: Duration = Duration::from_secs(120);
const IMAGE: &str = "https://images.example/rescue.iso";

/// One server behind a facade.
struct Site {
    hardware: Arc<FakeHardware>,
    id: ServerId,
    address: String,
    stop: CancellationToken,
    home: tempfile::TempDir,
}

impl Site {
    async fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (hardware, id) = (Arc::new(FakeHardware::default()), ServerId::random());
        let report = HardwareReport {
            cpu: Cpu { count: 32, architecture: "x86_64".into(), model: "A processor".into(), flags: vec![] },
            memory_mib: 65_536,
            ..HardwareReport::default()
        };
        let server = FacadeServer {
            id,
            name: "rack1-7".into(),
            power: Some(PowerReading::Off),
            boot_mode: BootMode::Uefi,
            macs: vec!["52:54:00:00:00:01".parse().unwrap()],
            hardware: Some(report),
            ramdisk: None,
            root_device: Default::default(),
        };
        hardware.add(server, &format!("bms-{id}"), PASSWORD);
        let mut facts = bmc_facts();
        // It lists what is called so only.
        facts.firmware.push(FirmwareItem {
            id: "Installed-159-2.1".into(),
            name: "BIOS".into(),
            version: "2.1".into(),
            is_updateable: true,
        });
        hardware.set_facts(id, facts);
        hardware.set_sensors(id, sensors());
        let (home, stop) = (tempfile::tempdir().unwrap(), CancellationToken::new());
        let now_us = SystemClock.now_us();
        let authority = Authority::open_or_create(home.path(), now_us).unwrap();
        let issued = authority.server_certificate(&["127.0.0.1".to_owned()], now_us).unwrap();
        let config = tls(&authority, &issued, Clients::Anonymous).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let router = RedfishFacade::new(hardware.clone()).router();
        tokio::spawn(listen::serve(listener, Some(config), router, Terms::facade(), stop.clone()));
        Self { hardware, id, address, stop, home }
    }

    /// Runs a verb, which says this.
    async fn says(&self, verb: &[&str], words: &[&str]) {
        let program = judges::programs().await.unwrap().join("badfish");
        let run = Command::new(program)
            .args(["-H", &self.address, "--insecure", "--retries", "2"])
            .args(verb)
            .current_dir(self.home.path())
            .env_clear()
            .env("HOME", self.home.path())
            .env("BADFISH_USERNAME", format!("bms-{}", self.id))
            .env("BADFISH_PASSWORD", PASSWORD)
            .env("PYTHONWARNINGS", "ignore")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = timeout(VERB_MAX, run).await.expect("it ends").unwrap();
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{verb:?}: {said}");
        for word in words {
            assert!(said.contains(word), "{verb:?}: no {word:?} in {said}");
        }
    }

    fn orders(&self) -> Vec<BmcOrder> {
        self.hardware.take_orders()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[tokio::test]
async fn badfish_reads_a_server() {
    let site = Site::start().await;
    site.says(&["--power-state"], &["'Off'"]).await;
    site.says(&["--ls-interfaces"], &["NIC0:", "MACAddress: 52:54:00:00:00:01"]).await;
    site.says(&["--ls-processors"], &["LogicalProcessorCount: 32", "CPU:", "TotalThreads: 32"]).await;
    site.says(&["--ls-memory"], &["TotalSystemMemoryGiB: 64", "CapacityMiB: 65536"]).await;
    site.says(&["--firmware-inventory"], &["Installed-159-2.1:", "Version: 2.1"]).await;
    site.says(&["--get-power-consumed"], &["Current watts consumed: 214"]).await;
    site.says(&["--get-bios-attribute"], &["Cores: 8", "Turbo: True"]).await;
    site.says(&["--check-virtual-media"], &["Cd:", "Inserted: True"]).await;
    assert_eq!(site.orders(), []);
}

#[tokio::test]
async fn badfish_changes_a_server() {
    let site = Site::start().await;
    site.says(&["--pxe"], &["next boot onetime boot device"]).await;
    site.says(&["--power-on"], &["Command passed to On server"]).await;
    site.says(&["--power-state"], &["'On'"]).await;
    site.says(&["--power-off"], &["Command passed to ForceOff server"]).await;
    let asked = [PowerRequest::On, PowerRequest::Off(PowerOffHow::Hard)];
    assert_eq!(site.hardware.take_power(), asked.map(|request| (site.id, request)));
    site.says(&["--unmount-virtual-media"], &["unmount operation was successful"]).await;
    site.says(&["--mount-virtual-media", IMAGE], &["mounting operation was successful"]).await;
    site.says(&["--factory-reset"], &["Status code 204"]).await;
    let (drive, image) = ("Cd".to_owned(), IMAGE.to_owned());
    let expected = [
        BmcOrder::EjectMedia { drive: drive.clone() },
        BmcOrder::InsertMedia { drive, image, is_write_protected: true },
        BmcOrder::ResetBios,
    ];
    assert_eq!(site.orders(), expected);
}
