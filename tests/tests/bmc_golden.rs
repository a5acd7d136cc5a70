//! Edges: records what ipmitool and a BMC say to each other, for `protocol/tests/golden/ipmi_*.txt`.
//!
//! Run by hand when the wire changes: `cargo nextest run -p tests --test bmc_golden --run-ignored all`.

use std::{
    fmt::Write as _,
    net::{SocketAddr, UdpSocket as StdUdpSocket},
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use protocol::hex;
use tests::bmc::{
    Credentials,
    chassis::FakeChassis,
    ipmi,
    ipmi_sim::{self, IpmiSimConfig},
};
use tokio::{net::UdpSocket, process::Command};

/// Passes datagrams on between one console and the BMC and writes them down.
async fn relay(socket: UdpSocket, bmc: SocketAddr, record: Arc<Mutex<String>>) {
    let (mut buffer, mut console) = ([0; 1024], None);
    loop {
        let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
        let bytes = &buffer[..length];
        let (mark, to) = if from == bmc { ('<', console) } else { ('>', Some(bmc)) };
        if from != bmc {
            console = Some(from);
        }
        writeln!(record.lock().unwrap(), "{mark} {}", hex::encode(bytes)).unwrap();
        socket.send_to(bytes, to.expect("a BMC only answers")).await.unwrap();
    }
}

async fn record(bmc: SocketAddr, suite: &str, header: &str) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let addr = socket.local_addr().unwrap();
    let text = Arc::new(Mutex::new(format!(
        "# {header}\n# user admin, password golden-pass, cipher suite {suite}\n"
    )));
    let task = tokio::spawn(relay(socket, bmc, text.clone()));
    for command in ["power on", "chassis bootdev pxe", "power status"] {
        writeln!(text.lock().unwrap(), "# ipmitool -C {suite} {command}").unwrap();
        let run = Command::new("ipmitool")
            .args(["-I", "lanplus", "-H", "127.0.0.1", "-p", &addr.port().to_string()])
            .args(["-U", "admin", "-E", "-C", suite])
            .args(command.split(' '))
            .env("IPMI_PASSWORD", "golden-pass")
            .stdin(Stdio::null())
            .output();
        let output = tokio::time::timeout(Duration::from_secs(30), run).await.unwrap().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    task.abort();
    let path = format!("{}/../protocol/tests/golden/ipmi_suite{suite}.txt", env!("CARGO_MANIFEST_DIR"));
    std::fs::write(Path::new(&path), text.lock().unwrap().as_str()).unwrap();
}

#[tokio::test]
#[ignore = "writes golden files"]
async fn record_ipmitool() {
    let dir = tempfile::tempdir().unwrap();
    let addr = StdUdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let credentials = Credentials::new("admin", "golden-pass");
    let chassis = Arc::new(FakeChassis::default());
    let config = IpmiSimConfig {
        addr,
        netns: None,
        dir: dir.path().to_owned(),
        credentials: credentials.clone(),
        uuid: uuid::Uuid::from_u128(0x424d_5320_4d61_6e61_6765_7220_7465_7374),
    };
    let sim = ipmi_sim::start(config, chassis.clone()).await.unwrap();
    record(addr, "3", "ipmitool 1.8.19 and ipmi_sim (openipmi 2.0.33)").await;
    sim.stop().await.unwrap();
    let bmc = ipmi::serve("127.0.0.1:0".parse().unwrap(), credentials, chassis).unwrap();
    record(bmc.addr, "17", "ipmitool 1.8.19 and our virtual BMC").await;
}
