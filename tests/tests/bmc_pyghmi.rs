//! Edges: pyghmi, which nobody here wrote: its library judges our virtual BMC, and its `fakebmc` judges our client.

use std::{
    net::UdpSocket,
    path::Path,
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant},
};

use agent::bmc::{Bmc, BmcError, BmcOptions, Power, connect_with};
use protocol::{
    boot::{BootDevice, BootMode, Persistence},
    secret::Secret,
    spec::{BmcEndpoint, BmcProtocol},
};
use tests::bmc::{Credentials, chassis::FakeChassis, ipmi, judges};
use tokio::{
    io::AsyncWriteExt,
    process::{Child, Command},
};
use uuid::Uuid;

const JUDGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/bmc/judges/pyghmi_judge.py");
/// Longest that the judge may take.
const JUDGE_MAX: Duration = Duration::from_secs(120);
/// Longest that `fakebmc` may take to start.
const START_MAX: Duration = Duration::from_secs(60);
/// The user and password that are built into `fakebmc`.
const FAKE: (&str, &str) = ("admin", "password");

#[tokio::test]
async fn pyghmi_drives_and_reads_our_bmc() {
    let programs = judges::programs().await.unwrap();
    let (chassis, uuid) = (Arc::new(FakeChassis::default()), Uuid::new_v4());
    let credentials = Credentials::new("admin", "correct horse");
    let bmc = ipmi::serve_as("127.0.0.1:0".parse().unwrap(), credentials, chassis.clone(), uuid).unwrap();
    let mut judge = Command::new(programs.join("python"))
        .args(["-W", "ignore", JUDGE, &bmc.addr.port().to_string(), &uuid.to_string()])
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    judge.stdin.take().unwrap().write_all(b"correct horse\n").await.unwrap();
    let output = tokio::time::timeout(JUDGE_MAX, judge.wait_with_output()).await.expect("it ends").unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.contains("pyghmi is content"), "{out}\n{err}");
    let state = chassis.state();
    assert_eq!((state.boots.len(), state.soft_offs, state.on), (2, 1, false), "{state:?}");
    assert_eq!(bmc.stats().malformed, 0);
}

/// A running `fakebmc`, which takes cipher suite 3 for whatever it is asked.
struct FakeBmc {
    port: u16,
    child: Child,
}

impl FakeBmc {
    fn start(programs: &Path) -> Self {
        let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(programs.join("fakebmc"))
            .args(["--port", &port.to_string()])
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self { port, child }
    }

    fn bmc(&self, cipher_suite: Option<u8>) -> Box<dyn Bmc> {
        let endpoint = BmcEndpoint {
            protocol: BmcProtocol::Ipmi { cipher_suite },
            address: "127.0.0.1".into(),
            port: self.port,
            username: FAKE.0.into(),
            password: Secret::new(FAKE.1),
            settings: Default::default(),
        };
        let options =
            BmcOptions { first_wait: Duration::from_millis(500), tries: 3, ..BmcOptions::default() };
        connect_with(&endpoint, options)
    }

    /// Its power, once it has started.
    async fn power(&mut self) -> Power {
        let (bmc, deadline) = (self.bmc(None), Instant::now() + START_MAX);
        loop {
            match bmc.power_status().await {
                Ok(power) => return power,
                Err(error @ BmcError::Unreachable { .. }) if Instant::now() < deadline => {
                    assert!(self.child.try_wait().unwrap().is_none(), "fakebmc ended: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
}

#[tokio::test]
async fn our_client_drives_pyghmis_fakebmc() {
    let mut fake = FakeBmc::start(&judges::programs().await.unwrap());
    assert_eq!(fake.power().await, Power::Off);
    let bmc = fake.bmc(None);
    bmc.identity().await.expect("it says who it is");
    bmc.set_boot_device(BootDevice::Pxe, Persistence::Once, BootMode::Uefi).await.expect("boot device");
    bmc.power_on().await.expect("power on");
    assert_eq!(bmc.power_status().await, Ok(Power::On));
    bmc.reset().await.expect("reset");
    bmc.power_off().await.expect("power off");
    assert_eq!(bmc.power_status().await, Ok(Power::Off));
    bmc.power_on().await.expect("power on");
    bmc.soft_off().await.expect("soft off");
    assert_eq!(bmc.power_status().await, Ok(Power::Off));
}

/// It answers, so a person is told with what, and not to look for a cable.
#[tokio::test]
async fn a_suite_that_is_not_the_one_asked_for_is_named() {
    let mut fake = FakeBmc::start(&judges::programs().await.unwrap());
    assert_eq!(fake.power().await, Power::Off);
    let text = fake.bmc(Some(17)).power_status().await.unwrap_err().to_string();
    assert!(text.contains("cipher suite 3") && text.contains("17") && !text.contains("cable"), "{text}");
}
