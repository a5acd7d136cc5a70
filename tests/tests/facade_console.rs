//! Edges: servers' consoles by IPMI, as programs open them that nobody here wrote: ipmitool as Ironic starts it, and FreeIPMI.

mod console_common;

use std::{
    collections::BTreeSet, fs::File, io::Write, os::fd::OwnedFd, path::Path, process::Stdio, sync::Arc,
    time::Duration,
};

use console_common::Site;
use domain::{audit::AuditFilter, ipmi_console, lifecycle::ProvisionState};
use faces::ipmi_console::IpmiConsole;
use nix::pty::openpty;
use openstack::ironic::{ConsoleAccess, NodeProperties, NodeSpec, RedfishAccess};
use protocol::secret::Secret;
use tests::openstack::ensure_venv;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UdpSocket,
    process::{Child, Command},
    sync::watch,
};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Longest that anything here may take.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// An address of loopback that nobody else uses.
const OF_FREEIPMI: &str = "127.83.79.76";

/// A site whose consoles are offered by IPMI.
struct Offered {
    site: Site,
    port: u16,
    user: String,
    password: String,
    /// The password, in a file as Ironic keeps it.
    file: tempfile::NamedTempFile,
    _stop: DropGuard,
}

impl Offered {
    async fn start() -> Self {
        Self::start_at("127.0.0.1:0").await
    }

    async fn start_at(address: &str) -> Self {
        let site = Site::start().await;
        let socket = UdpSocket::bind(address).await.unwrap();
        let port = socket.local_addr().unwrap().port();
        let stop = CancellationToken::new();
        let agents = Arc::clone(&site.core.agents);
        let consoles = IpmiConsole { inventory: site.inventory.clone(), agents, port };
        tokio::spawn(consoles.run(socket, stop.clone()));
        let server = site.inventory.server(site.node).await.unwrap().unwrap();
        let password = ipmi_console::password(site.node, &server.facade_password).reveal().to_owned();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(password.as_bytes()).unwrap();
        Self { user: ipmi_console::user(site.node), site, port, password, file, _stop: stop.drop_guard() }
    }

    /// ipmitool with the arguments that Ironic gives it.
    fn ipmitool(&self, suite: &str, words: &str) -> Command {
        let mut command = Command::new("ipmitool");
        command.args(["-I", "lanplus", "-H", "127.0.0.1", "-L", "OPERATOR", "-p", &self.port.to_string()]);
        command.args(["-U", &self.user, "-C", suite, "-f"]).arg(self.file.path());
        command.args(words.split(' ')).kill_on_drop(true);
        command
    }

    /// What ipmitool says, and whether it is content.
    async fn says(&self, words: &str) -> (bool, String) {
        let output = tokio::time::timeout(WAIT_MAX, self.ipmitool("17", words).output()).await;
        let output = output.expect("it ends").unwrap();
        let text = [&output.stdout[..], &output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    }
}

/// A program at a terminal of its own.
struct AtTerminal {
    child: Child,
    keys: tokio::fs::File,
    shown: watch::Receiver<String>,
    _terminal: OwnedFd,
}

impl AtTerminal {
    fn start(mut command: Command) -> Self {
        let pty = openpty(None, None).unwrap();
        let terminal = || Stdio::from(pty.slave.try_clone().unwrap());
        command.stdin(terminal()).stdout(terminal()).stderr(terminal());
        let child = command.spawn().unwrap();
        let far = || tokio::fs::File::from_std(File::from(pty.master.try_clone().unwrap()));
        let (keys, mut from) = (far(), far());
        let (tell, shown) = watch::channel(String::new());
        tokio::spawn(async move {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = from.read(&mut buffer).await {
                tell.send_modify(|text| text.push_str(&String::from_utf8_lossy(&buffer[..count])));
            }
        });
        Self { child, keys, shown, _terminal: pty.slave }
    }

    async fn types(&mut self, text: &str) {
        self.keys.write_all(text.as_bytes()).await.unwrap();
        self.keys.flush().await.unwrap();
    }

    async fn shows(&mut self, words: &str) {
        let shown = tokio::time::timeout(WAIT_MAX, self.shown.wait_for(|text| text.contains(words))).await;
        let is_shown = shown.is_ok_and(|seen| seen.is_ok());
        assert!(is_shown, "no {words:?} in {:?}", *self.shown.borrow());
    }

    async fn ends(&mut self) {
        let ended = tokio::time::timeout(WAIT_MAX, self.child.wait()).await;
        assert!(ended.is_ok(), "it goes on: {:?}", *self.shown.borrow());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ipmitool_as_ironic_starts_it_types_and_is_shown_the_console() {
    let offered = Offered::start().await;
    for suite in ["17", "3"] {
        let mut tool = AtTerminal::start(offered.ipmitool(suite, "sol activate"));
        tool.shows("SOL Session operational").await;
        tool.shows("the keyboard is yours").await;
        // Its own terminal echoes nothing: what is shown came back from the server.
        let words = format!("uname -{suite}");
        tool.types(&words).await;
        tool.shows(&words).await;
        // As Ironic does before each start and at the end, when it has ended the program that was there: ipmitool itself may stay
        // at a console that was taken from it, and the next one has it all the same.
        let (is_content, said) = offered.says("sol deactivate").await;
        assert!(is_content, "{said}");
    }
    let (is_content, said) = offered.says("sol deactivate").await;
    assert!(!is_content && said.contains("already de-activated"), "{said}");
    let page = offered.site.inventory.audit(&AuditFilter::default()).await.unwrap();
    let opened: Vec<_> = page.iter().filter(|entry| entry.what.route == "Activate Payload").collect();
    assert_eq!(opened.len(), 2, "{page:?}");
    assert_eq!(opened[0].what.object, Some(offered.site.node.to_string()));
}

/// Asks the code of Ironic's console interface what it starts for a node with this driver information.
const ASK_IRONIC: &str = "
import json, sys
from types import SimpleNamespace
from ironic.drivers import redfish
from ironic.drivers.modules import ipmitool
assert ipmitool.IPMISocatConsole in redfish.RedfishHardware().supported_console_interfaces
node = SimpleNamespace(uuid='node', driver_info=json.loads(sys.argv[1]), driver_internal_info={})
info = ipmitool._parse_driver_info(node)
print(json.dumps(ipmitool._get_ipmitool_args(info, pw_file=sys.argv[2])))
";

impl Offered {
    /// What Ironic is told when the node is made.
    fn registered(&self) -> serde_json::Value {
        let nowhere = RedfishAccess {
            address: "https://127.0.0.1:1".into(),
            system_path: "/redfish/v1/Systems/1".into(),
            username: "none".into(),
            password: Secret::new("none"),
            ca_file: None,
        };
        let console = ConsoleAccess {
            address: "127.0.0.1".into(),
            port: self.port,
            username: self.user.clone(),
            password: Secret::new(self.password.clone()),
        };
        let spec = NodeSpec {
            id: self.site.node,
            name: "node".into(),
            redfish: nowhere,
            console: Some(console),
            ramdisk: None,
            resource_class: "any".into(),
            properties: NodeProperties::default(),
            traits: BTreeSet::new(),
            conductor_group: String::new(),
        };
        spec.create_body()["driver_info"].clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ironics_own_code_makes_the_command_of_what_is_registered() {
    let offered = Offered::start().await;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let venv = root.join(".lab/venv");
    let made = venv.clone();
    tokio::task::spawn_blocking(move || ensure_venv(&made)).await.unwrap().unwrap();
    let mut ask = Command::new(venv.join("bin/python"));
    ask.args(["-c", ASK_IRONIC, &offered.registered().to_string()]).arg(offered.file.path());
    let output = tokio::time::timeout(WAIT_MAX, ask.output()).await.expect("it ends").unwrap();
    let words: Vec<String> = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(words[0], "ipmitool");
    let mut command = Command::new("ipmitool");
    command.args(&words[1..]).args(["sol", "activate"]).kill_on_drop(true);
    let mut tool = AtTerminal::start(command);
    tool.shows("the keyboard is yours").await;
    tool.types("as ironic").await;
    tool.shows("as ironic").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ipmitool_can_do_nothing_else_and_nobody_else_is_let_in() {
    let offered = Offered::start().await;
    for (words, expected) in [
        ("chassis power on", "Insufficient privilege"),
        ("chassis power status", "Insufficient privilege"),
        ("chassis bootdev pxe", "Insufficient privilege"),
        ("sel info", "Invalid command"),
    ] {
        let (_, said) = offered.says(words).await;
        assert!(said.contains(expected), "{words}: {said}");
    }
    let (is_content, said) = offered.says("chassis power off").await;
    assert!(!is_content && said.contains("Insufficient privilege"), "{said}");
    let (is_content, said) = offered.says("mc info").await;
    assert!(is_content && said.contains("IPMI Version              : 2.0"), "{said}");
    let (is_content, said) = offered.says("sol info").await;
    assert!(said.contains("Enabled                         : true"), "{is_content} {said}");
    let wrong = Offered { password: "wrong".into(), file: wrong_password(), ..offered };
    let (is_content, said) = wrong.says("mc info").await;
    assert!(!is_content && !said.contains("2.0"), "{said}");
}

fn wrong_password() -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"wrong").unwrap();
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn freeipmi_types_and_is_shown_the_console() {
    // It knows the usual port alone.
    let offered = Offered::start_at(&format!("{OF_FREEIPMI}:623")).await;
    let mut command = Command::new("ipmiconsole");
    command.args(["-h", OF_FREEIPMI, "-u", &offered.user, "-l", "OPERATOR", "-I", "17"]);
    command.args(["-p", &offered.password]).kill_on_drop(true);
    let mut console = AtTerminal::start(command);
    console.shows("SOL established").await;
    console.types("by freeipmi").await;
    console.shows("by freeipmi").await;
    console.types("&.").await;
    console.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_console_ends_when_the_server_changes_hands() {
    let offered = Offered::start().await;
    let mut tool = AtTerminal::start(offered.ipmitool("17", "sol activate"));
    tool.shows("the keyboard is yours").await;
    offered.site.becomes(ProvisionState::Deleting).await;
    tool.shows("again]").await;
    // Whoever opens it now is an administrator of Ironic, and is put out before the next tenant is there.
    let mut tool = AtTerminal::start(offered.ipmitool("17", "sol activate"));
    tool.shows("the keyboard is yours").await;
    offered.site.becomes(ProvisionState::Active).await;
    tool.shows("the server has changed hands").await;
}
