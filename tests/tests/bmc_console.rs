//! Edges: `bms-agent bmc sol` on ipmi_sim, beside ipmitool, and on a console by WebSocket: what it shows, and what it leaves behind.

use std::{
    fs::File,
    net::{SocketAddr, UdpSocket},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use axum::{
    Json, Router,
    extract::ws::{Message, WebSocket, WebSocketUpgrade},
    routing::get,
};
use nix::{
    pty::openpty,
    sys::{
        signal::{Signal, kill},
        termios::{LocalFlags, tcgetattr},
    },
    unistd::Pid,
};
use serde_json::json;
use tempfile::TempDir;
use tests::bmc::{
    Credentials,
    chassis::FakeChassis,
    ipmi_sim::{self, IpmiSim, IpmiSimConfig},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    process::{Child, ChildStdin, Command},
    sync::watch,
};
use uuid::Uuid;

const PASSWORD: &str = "correct-horse";
/// Longest that anything here may take.
const WAIT_MAX: Duration = Duration::from_secs(60);

fn program() -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_lab")).with_file_name("bms-agent");
    assert!(path.exists(), "{} is not built: cargo build --workspace --bins", path.display());
    path
}

/// What a program has printed so far, and a way to wait for more of it.
struct Output(watch::Receiver<String>);

impl Output {
    fn of(mut from: impl tokio::io::AsyncRead + Unpin + Send + 'static) -> Self {
        let (tell, told) = watch::channel(String::new());
        tokio::spawn(async move {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = from.read(&mut buffer).await {
                tell.send_modify(|text| text.push_str(&String::from_utf8_lossy(&buffer[..count])));
            }
        });
        Self(told)
    }

    async fn shows(&mut self, words: &str) {
        let shown = tokio::time::timeout(WAIT_MAX, self.0.wait_for(|text| text.contains(words))).await;
        let is_shown = shown.is_ok_and(|seen| seen.is_ok());
        assert!(is_shown, "no {words:?} in {:?}", *self.0.borrow());
    }
}

/// A running console.
struct Sol {
    child: Child,
    keys: ChildStdin,
    out: Output,
    told: Output,
}

impl Sol {
    fn start(words: &[&str]) -> Self {
        let mut command = Command::new(program());
        command.arg("bmc").args(words).env("BMS_BMC_PASSWORD", PASSWORD).env_remove("BMS_BMC_USER");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let keys = child.stdin.take().unwrap();
        let out = Output::of(child.stdout.take().unwrap());
        let told = Output::of(child.stderr.take().unwrap());
        Self { child, keys, out, told }
    }

    async fn types(&mut self, text: &str) {
        self.keys.write_all(text.as_bytes()).await.unwrap();
    }

    async fn ends(&mut self) -> i32 {
        let status = tokio::time::timeout(WAIT_MAX, self.child.wait()).await.expect("it ends").unwrap();
        status.code().unwrap_or(-1)
    }
}

/// The serial port of a server that prints back what it is sent.
async fn echoing_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    addr
}

struct Simulated {
    sim: IpmiSim,
    serial: SocketAddr,
    dir: TempDir,
    uuid: Uuid,
}

impl Simulated {
    async fn start() -> Self {
        let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (serial, dir, uuid) = (echoing_port().await, tempfile::tempdir().unwrap(), Uuid::new_v4());
        let sim = simulator(([127, 0, 0, 1], port).into(), dir.path(), uuid, serial).await;
        Self { sim, serial, dir, uuid }
    }

    async fn restart(&mut self) {
        let addr = self.sim.addr;
        let pid = self.sim.pid().unwrap();
        kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGKILL).unwrap();
        let again = || UdpSocket::bind(addr).is_err();
        while again() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.sim = simulator(addr, self.dir.path(), self.uuid, self.serial).await;
    }

    fn host(&self) -> String {
        self.sim.addr.to_string()
    }
}

async fn simulator(addr: SocketAddr, dir: &Path, uuid: Uuid, serial: SocketAddr) -> IpmiSim {
    let credentials = Credentials::new("admin", PASSWORD);
    let config = IpmiSimConfig { addr, netns: None, dir: dir.to_owned(), credentials, uuid };
    ipmi_sim::start_with_console(config, Arc::new(FakeChassis::default()), serial).await.unwrap()
}

#[tokio::test]
async fn a_console_is_typed_at_and_given_back_at_its_end() {
    let bmc = Simulated::start().await;
    let host = bmc.host();
    for (end, words) in [("\r~.", "hello"), ("\r~.", "again")] {
        // The second time shows that the first one gave the console back.
        let mut sol = Sol::start(&["-H", &host, "sol"]);
        sol.told.shows("~. leaves it").await;
        sol.types(words).await;
        sol.out.shows(words).await;
        sol.types("\r~?").await;
        sol.told.shows("send a break").await;
        sol.types(end).await;
        assert_eq!(sol.ends().await, 0);
        sol.told.shows("console left").await;
    }
    // The end of the input is its end too.
    let mut sol = Sol::start(&["-H", &host, "sol"]);
    sol.told.shows("~. leaves it").await;
    let Sol { mut child, keys, .. } = sol;
    drop(keys);
    let status = tokio::time::timeout(WAIT_MAX, child.wait()).await.expect("it ends").unwrap();
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn a_killed_console_is_taken_over_only_when_asked() {
    let bmc = Simulated::start().await;
    let host = bmc.host();
    let mut killed = Sol::start(&["-H", &host, "sol"]);
    killed.told.shows("~. leaves it").await;
    killed.child.kill().await.unwrap();
    let mut refused = Sol::start(&["-H", &host, "sol"]);
    refused.told.shows("somebody else has the console").await;
    assert_eq!(refused.ends().await, 1);
    let mut taken = Sol::start(&["-H", &host, "sol", "--take-over"]);
    taken.told.shows("~. leaves it").await;
    taken.types("mine").await;
    taken.out.shows("mine").await;
    taken.types("\r~.").await;
    assert_eq!(taken.ends().await, 0);
}

#[tokio::test]
async fn a_bmc_that_starts_anew_gets_its_console_back() {
    let mut bmc = Simulated::start().await;
    let host = bmc.host();
    let mut sol = Sol::start(&["-H", &host, "--tries", "2", "sol"]);
    sol.told.shows("~. leaves it").await;
    sol.types("before").await;
    sol.out.shows("before").await;
    bmc.restart().await;
    sol.types("lost").await;
    sol.told.shows("console lost: the BMC has not acknowledged characters").await;
    sol.told.shows("console open again").await;
    sol.types("after").await;
    sol.out.shows("after").await;
    sol.types("\r~.").await;
    assert_eq!(sol.ends().await, 0);
}

#[tokio::test]
async fn ipmitool_and_we_give_way_to_each_other() {
    let bmc = Simulated::start().await;
    let (host, port) = (bmc.sim.addr.ip().to_string(), bmc.sim.addr.port().to_string());
    let ipmitool = |words: &str| {
        let mut command = Command::new("ipmitool");
        command.args(["-I", "lanplus", "-C", "3", "-H", &host, "-p", &port, "-U", "admin", "-P", PASSWORD]);
        command.args(words.split(' ')).kill_on_drop(true);
        command
    };
    // It shows a console on a terminal only.
    let pty = openpty(None, None).unwrap();
    let terminal = || Stdio::from(pty.slave.try_clone().unwrap());
    let mut theirs = ipmitool("sol activate");
    let _theirs = theirs.stdin(terminal()).stdout(terminal()).stderr(terminal()).spawn().unwrap();
    let mut shown = Output::of(tokio::fs::File::from_std(File::from(pty.master.try_clone().unwrap())));
    shown.shows("SOL Session operational").await;
    let mut refused = Sol::start(&["-H", &bmc.host(), "sol"]);
    refused.told.shows("somebody else has the console").await;
    assert_eq!(refused.ends().await, 1);
    let mut ours = Sol::start(&["-H", &bmc.host(), "sol", "--take-over"]);
    ours.told.shows("~. leaves it").await;
    ours.types("ours now").await;
    ours.out.shows("ours now").await;
    // Now somebody takes it from us, and leaves it.
    let freed = tokio::time::timeout(WAIT_MAX, ipmitool("sol deactivate").output()).await.unwrap().unwrap();
    assert!(freed.status.success(), "{freed:?}");
    ours.told.shows("console lost: another session has taken the console").await;
    ours.told.shows("console open again").await;
    ours.types("\r~.").await;
    assert_eq!(ours.ends().await, 0);
}

/// Whether a terminal passes every key on at once.
fn is_raw(terminal: &OwnedFd) -> bool {
    !tcgetattr(terminal).unwrap().local_flags.intersects(LocalFlags::ECHO | LocalFlags::ICANON)
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let waited = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(WAIT_MAX, waited).await.unwrap_or_else(|_| panic!("{what}"));
}

#[tokio::test]
async fn the_terminal_is_as_before_at_every_end() {
    let bmc = Simulated::start().await;
    for end in [None, Some(Signal::SIGTERM), Some(Signal::SIGHUP)] {
        let pty = openpty(None, None).unwrap();
        let terminal = || Stdio::from(pty.slave.try_clone().unwrap());
        let mut command = Command::new(program());
        command.args(["bmc", "-H", &bmc.host(), "sol"]).env("BMS_BMC_PASSWORD", PASSWORD);
        command.stdin(terminal()).stdout(terminal()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        until("the terminal becomes raw", || is_raw(&pty.slave)).await;
        match end {
            None => {
                let mut keys = tokio::fs::File::from_std(File::from(pty.master.try_clone().unwrap()));
                keys.write_all(b"\r~.").await.unwrap();
                keys.flush().await.unwrap();
            }
            Some(signal) => {
                kill(Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()), signal).unwrap();
            }
        }
        let status = tokio::time::timeout(WAIT_MAX, child.wait()).await.expect("it ends").unwrap();
        assert_eq!((status.code(), is_raw(&pty.slave)), (Some(0), false), "{end:?}");
    }
}

/// A Redfish service whose console is a WebSocket that prints back what it is sent.
async fn openbmc() -> SocketAddr {
    async fn echo(mut socket: WebSocket) {
        while let Some(Ok(message)) = socket.recv().await {
            if let Message::Binary(characters) = message {
                socket.send(Message::Binary(characters)).await.unwrap();
            }
        }
    }
    let root = json!({ "@odata.id": "/redfish/v1/", "Systems": { "@odata.id": "/redfish/v1/Systems" } });
    let systems = json!({ "Members": [{ "@odata.id": "/redfish/v1/Systems/1" }] });
    let system = json!({ "@odata.id": "/redfish/v1/Systems/1", "PowerState": "On" });
    let says = |body: serde_json::Value| get(async move || Json(body));
    let router = Router::new()
        .route("/redfish/v1/", says(root.clone()))
        .route("/redfish/v1", says(root))
        .route("/redfish/v1/Systems", says(systems))
        .route("/redfish/v1/Systems/1", says(system))
        .route("/console0", get(async move |upgrade: WebSocketUpgrade| upgrade.on_upgrade(echo)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    addr
}

#[tokio::test]
async fn a_console_by_websocket_is_spoken_to_as_well() {
    let host = openbmc().await.to_string();
    let mut sol = Sol::start(&["-H", &host, "--by", "redfish", "--http", "sol"]);
    sol.told.shows("~. leaves it").await;
    sol.types("by web").await;
    sol.out.shows("by web").await;
    sol.types("\r~B").await;
    sol.told.shows("carries no break").await;
    sol.types("\r~.").await;
    assert_eq!(sol.ends().await, 0);
}

#[tokio::test]
async fn a_list_has_no_console() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hosts");
    std::fs::write(&path, "192.0.2.1\n192.0.2.2\n").unwrap();
    let mut sol = Sol::start(&["--hosts", path.to_str().unwrap(), "sol"]);
    sol.told.shows("shows the console of one BMC").await;
    assert_eq!(sol.ends().await, 2);
}
