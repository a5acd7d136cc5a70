//! Edges: the programs of the stock stack, in a network namespace of their own, and the way to stop all of them.
//!
//! ```text
//!   namespace bn-stock, one bridge
//!     198.18.3.1     Ironic (API and conductor), dnsmasq, boot files by HTTP
//!     tap-stock      the virtual server
//!     198.51.100.11  its BMC, ipmi_sim
//! ```

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, ensure};
use protocol::hex;
use serde_json::json;

use super::{client::Client, ramdisk::Ramdisk};
use crate::{
    image,
    lab::{
        process::Processes,
        site::{BMC_PASSWORD, BMC_USER},
        step::wait_for,
    },
    netns::Netns,
};

/// The namespace.
const NAMESPACE: &str = "bn-stock";
/// The one network.
const BRIDGE: &str = "br-stock";
/// The server's end of it.
const TAP: &str = "tap-stock";
/// Where Ironic, the boot files and dnsmasq are.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 18, 3, 1);
/// What dnsmasq gives out, from and to.
const RANGE: (Ipv4Addr, Ipv4Addr) = (Ipv4Addr::new(198, 18, 3, 50), Ipv4Addr::new(198, 18, 3, 99));
/// Ironic's API.
const API_PORT: u16 = 6385;
/// Boot files.
const HTTP_PORT: u16 = 8080;
/// The server's BMC.
pub(super) const BMC: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 11);
/// Address of the server's network card.
pub(super) const MAC: &str = "52:54:00:0b:05:51";
/// Memory of the server: the agent's ramdisk is unpacked there.
const MEMORY_MIB: u32 = 4096;
/// Size of its disk, a sparse file: the agent takes no smaller one as root device.
const DISK_BYTES: u64 = 4 << 30;
/// How long Ironic may take to register its drivers.
const START_WAIT_MAX: Duration = Duration::from_secs(120);

const IRONIC_CONF: &str = include_str!("../../../openstack/stock/ironic.conf");
const DNSMASQ_CONF: &str = include_str!("../../../openstack/stock/dnsmasq.conf");
/// Small programs that the lab uses, too. `sqlite_writers` makes nothing quicker; it keeps SQLite from refusing.
const PROGRAMS: [(&str, &str); 3] = [
    ("ironic_one.py", include_str!("../../../openstack/ironic_one.py")),
    ("sqlite_writers.py", include_str!("../../../openstack/sqlite_writers.py")),
    ("settle.py", include_str!("../../../openstack/settle.py")),
];

/// The stack in one directory, running or not.
#[derive(Clone, Debug)]
pub(super) struct Stack {
    root: PathBuf,
    /// Everything it writes.
    pub dir: PathBuf,
    /// Its namespace.
    pub ns: Netns,
    processes: Processes,
}

impl Stack {
    /// The stack of a checkout.
    pub fn of(root: &Path) -> Self {
        let dir = root.join(".lab").join("run").join("bench-stock");
        let processes = Processes::new(&dir);
        Self { root: root.to_owned(), dir, ns: Netns(NAMESPACE.to_owned()), processes }
    }

    /// The virtual server's files.
    pub fn server(&self) -> PathBuf {
        self.dir.join("server")
    }

    /// URL of a boot file or an image.
    pub fn http_url(&self, file: &str) -> String {
        format!("http://{ADDRESS}:{HTTP_PORT}/{file}")
    }

    /// URL of Ironic.
    pub fn api_url(&self) -> String {
        format!("http://{ADDRESS}:{API_PORT}")
    }

    /// Stops every program and takes namespace and files away; nothing to do when there is nothing.
    pub async fn down(&self) -> anyhow::Result<()> {
        for name in self.processes.names() {
            self.processes.stop(&name).await?;
        }
        self.ns.delete().await?;
        match tokio::fs::remove_dir_all(&self.dir).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Lets the logs outlive the stack.
    pub fn keep_logs(&self) -> std::io::Result<PathBuf> {
        let kept = self.root.join(".lab").join("bench-stock-log");
        let _ = fs::remove_dir_all(&kept);
        fs::rename(self.dir.join("log"), &kept)?;
        // There is none when the server never had power.
        let _ = fs::rename(self.server().join("console.log"), kept.join("console.log"));
        Ok(kept)
    }

    /// The namespace with its one network.
    pub async fn cables(&self) -> anyhow::Result<()> {
        let ns = Netns::create(&self.ns.0).await?;
        let lines = format!(
            "link add {BRIDGE} type bridge stp_state 0 forward_delay 0 mcast_snooping 0\n\
             address add {ADDRESS}/24 dev {BRIDGE}\nlink set {BRIDGE} up\naddress add {BMC}/32 dev lo\n\
             tuntap add {TAP} mode tap\nlink set {TAP} master {BRIDGE}\nlink set {TAP} up\n"
        );
        ns.ip_batch(&lines).await.context("laying the stock stack's cables")
    }

    /// Starts everything; to be called on a thread in the namespace, where its programs are to be.
    pub async fn start(&self, ramdisk: &Ramdisk, accelerator: &str, client: &Client) -> anyhow::Result<()> {
        self.write_files(ramdisk, accelerator)?;
        let python = self.root.join(".lab/venv/bin/python");
        let config = self.dir.join("ironic.conf");
        self.run(
            Command::new(self.root.join(".lab/venv/bin/ironic-dbsync"))
                .arg("--config-file")
                .arg(&config)
                .arg("create_schema"),
        )?;
        self.run(Command::new(&python).arg(self.dir.join("bin/settle.py")).arg(self.dir.join("db")))?;
        let mut bmc = Command::new(std::env::current_exe().context("finding this program's file")?);
        self.processes.start("bmc", bmc.args(["bmc", "--config"]).arg(self.server().join("server.json")))?;
        let mut dnsmasq = Command::new("dnsmasq");
        dnsmasq
            .arg("--keep-in-foreground")
            .arg(format!("--conf-file={}", self.dir.join("dnsmasq.conf").display()));
        self.processes.start("dnsmasq", &mut dnsmasq)?;
        let mut files = Command::new(&python);
        files.args(["-m", "http.server", "--protocol", "HTTP/1.1", "--bind", &ADDRESS.to_string()]);
        files.arg("--directory").arg(self.dir.join("http")).arg(HTTP_PORT.to_string());
        self.processes.start("http", &mut files)?;
        let mut ironic = Command::new(&python);
        ironic.arg(self.dir.join("bin/ironic_one.py")).arg("--config-file").arg(&config);
        self.processes.start("ironic", ironic.env("PYTHONDONTWRITEBYTECODE", "1"))?;
        wait_for("stock Ironic to serve its ipmi driver", START_WAIT_MAX, async |seen| {
            self.expect_alive()?;
            let drivers = client.get("/v1/drivers").await?;
            *seen = drivers.to_string();
            Ok(drivers["drivers"].as_array().filter(|drivers| !drivers.is_empty()).map(drop))
        })
        .await
    }

    /// Fails with the end of its log when one of the programs has ended.
    pub fn expect_alive(&self) -> anyhow::Result<()> {
        self.processes.names().iter().try_for_each(|name| self.processes.expect_alive(name))
    }

    fn write_files(&self, ramdisk: &Ramdisk, accelerator: &str) -> anyhow::Result<()> {
        for name in ["bin", "db", "http", "tftp/master", "images/master", "certificates", "state/lock", "log"]
        {
            fs::create_dir_all(self.dir.join(name))?;
        }
        fs::create_dir_all(self.server())?;
        for (name, text) in PROGRAMS {
            fs::write(self.dir.join("bin").join(name), text)?;
        }
        for (name, template) in [("ironic.conf", IRONIC_CONF), ("dnsmasq.conf", DNSMASQ_CONF)] {
            let text = template
                .replace("@DIR@", &self.dir.display().to_string())
                .replace("@BOOT@", &ramdisk.dir.display().to_string())
                .replace("@BRIDGE@", BRIDGE)
                .replace("@ADDRESS@", &ADDRESS.to_string())
                .replace("@RANGE_FIRST@", &RANGE.0.to_string())
                .replace("@RANGE_LAST@", &RANGE.1.to_string())
                .replace("@API_PORT@", &API_PORT.to_string())
                .replace("@HTTP_PORT@", &HTTP_PORT.to_string());
            fs::write(self.dir.join(name), text)?;
        }
        // For firmware without iPXE, as an operator would have it; this server's firmware is iPXE already.
        fs::copy("/usr/lib/ipxe/undionly.kpxe", self.dir.join("tftp/undionly.kpxe"))
            .context("copying undionly.kpxe (package ipxe)")?;
        let server = json!({
            "machine": {
                "name": "stock", "dir": self.server(), "netns": null, "tap": TAP, "mac": MAC,
                "memory_mib": MEMORY_MIB, "disk_bytes": DISK_BYTES, "firmware": "bios", "accelerator": accelerator,
            },
            "bmc": "ipmi_sim",
            "address": SocketAddr::from((BMC, 623)),
            "username": BMC_USER,
            "password": BMC_PASSWORD,
        });
        fs::write(self.server().join("server.json"), server.to_string())?;
        Ok(())
    }

    /// Puts the tenants' image where the agent fetches it; gives its SHA-256.
    pub async fn publish_image(&self) -> anyhow::Result<String> {
        use sha2::{Digest, Sha256};
        let built = image::build(&self.root.join(".lab/cache")).await?;
        let published = self.dir.join("http/tenant.raw");
        tokio::task::spawn_blocking(move || {
            let bytes = fs::read(&built.raw).context("reading the tenants' image")?;
            fs::write(&published, &bytes).with_context(|| format!("writing {}", published.display()))?;
            Ok(hex::encode(Sha256::digest(&bytes)))
        })
        .await?
    }

    fn run(&self, command: &mut Command) -> anyhow::Result<()> {
        let name = Path::new(command.get_program()).display().to_string();
        let output = command.stdin(Stdio::null()).output().with_context(|| format!("starting {name}"))?;
        let said = String::from_utf8_lossy(&output.stderr);
        let end: Vec<&str> = said.lines().rev().take(3).collect();
        ensure!(output.status.success(), "{command:?} ended with {}: {end:?}", output.status);
        Ok(())
    }
}
