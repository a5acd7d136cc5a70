//! Edges: Debian's `ipmi_sim` (package openipmi) as the BMC of one machine.
//!
//! ```text
//!   ipmi_sim --runs--> power.sh --curl, unix socket--> our server --> Chassis
//! ```
//!
//! It knows cipher suite 3 but not 17, and of the boot device only "pxe" or "default": persistence and the EFI flag are lost
//! on the way, so "pxe" counts as once. With a fault in its files it runs on with no port and no message; therefore the wait.

use std::{
    fs, io,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, bail};
use axum::{Router, extract::State, http::StatusCode, routing::post};
use protocol::{
    boot::{BootDevice, BootMode, Persistence},
    hex,
};
use tokio::{
    net::UnixListener,
    process::{Child, Command},
    task::AbortHandle,
    time::Instant,
};
use tracing::warn;
use uuid::Uuid;

use super::{
    Credentials,
    chassis::{BootSetting, Chassis},
};

/// How long the port may take to open.
const START_MAX: Duration = Duration::from_secs(10);
/// Between two looks at the port.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long one power command may take, in seconds; the simulator stands still meanwhile.
const POWER_COMMAND_MAX_S: u32 = 20;

/// What to run and where.
#[derive(Clone, Debug)]
pub struct IpmiSimConfig {
    /// Address and UDP port; port 0 is not possible.
    pub addr: SocketAddr,
    /// Network namespace that has the address; none: ours.
    pub netns: Option<String>,
    /// Directory of its own for its files, log and socket; made if missing. At most 90 bytes long, because of the socket.
    pub dir: PathBuf,
    /// Whom it lets in: at most 16 bytes for the name and 20 for the password, both without spaces and quotes.
    pub credentials: Credentials,
    /// Hardware UUID of its machine: no two of a rack have the same.
    pub uuid: Uuid,
}

/// A running simulator; it ends when this is dropped.
#[derive(Debug)]
pub struct IpmiSim {
    /// Where it listens.
    pub addr: SocketAddr,
    child: Child,
    power: AbortHandle,
    log: PathBuf,
}

impl Drop for IpmiSim {
    fn drop(&mut self) {
        self.power.abort();
    }
}

impl IpmiSim {
    /// Its process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// What it printed.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Ends it and waits for that.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.child.kill().await.context("ending ipmi_sim")
    }
}

/// Starts the simulator for a machine and waits until its port is open.
pub async fn start(config: IpmiSimConfig, chassis: Arc<dyn Chassis>) -> anyhow::Result<IpmiSim> {
    start_with(config, chassis, "").await
}

/// The same, with commands for the simulator, such as those of [`super::records::emulation`].
pub async fn start_with(
    config: IpmiSimConfig,
    chassis: Arc<dyn Chassis>,
    commands: &str,
) -> anyhow::Result<IpmiSim> {
    start_special(config, chassis, commands, "").await
}

/// The same, of a machine whose serial port is at the other end of a TCP connection that the simulator makes.
pub async fn start_with_console(
    config: IpmiSimConfig,
    chassis: Arc<dyn Chassis>,
    serial: SocketAddr,
) -> anyhow::Result<IpmiSim> {
    let sol = format!("  sol \"tcp:{}:{}\" 115200\n", serial.ip(), serial.port());
    start_special(config, chassis, "", &sol).await
}

async fn start_special(
    config: IpmiSimConfig,
    chassis: Arc<dyn Chassis>,
    commands: &str,
    lines: &str,
) -> anyhow::Result<IpmiSim> {
    let IpmiSimConfig { addr, netns, dir, credentials, uuid } = config;
    fs::create_dir_all(dir.join("state")).with_context(|| format!("making {}", dir.display()))?;
    let dir = dir.canonicalize()?;
    let power = serve_power(&dir.join("power.sock"), chassis)?;
    let started = spawn(addr, netns.as_deref(), &dir, &credentials, uuid, (commands, lines));
    let (child, log) = started.inspect_err(|_| power.abort())?;
    let mut sim = IpmiSim { addr, child, power, log };
    sim.wait_for_port().await?;
    Ok(sim)
}

fn spawn(
    addr: SocketAddr,
    netns: Option<&str>,
    dir: &Path,
    credentials: &Credentials,
    uuid: Uuid,
    (commands, lines): (&str, &str),
) -> anyhow::Result<(Child, PathBuf)> {
    let guid = hex::encode(uuid.to_bytes_le());
    let (conf, emulation, script, log) =
        (dir.join("lan.conf"), dir.join("sim.emu"), dir.join("power.sh"), dir.join("ipmi_sim.log"));
    let sock = dir.join("power.sock");
    fs::write(
        &script,
        format!(
            "#!/bin/sh\n# Passes ipmi_sim's power commands on; the first argument is the controller's address.\nshift\n\
             exec curl --silent --show-error --fail --max-time {POWER_COMMAND_MAX_S} --unix-socket '{}' \
             --data \"$*\" http://chassis/\n",
            sock.display()
        ),
    )?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    fs::write(
        &conf,
        format!(
            "name \"bmc\"\nset_working_mc 0x20\n  startlan 1\n    addr {} {}\n    priv_limit admin\n\
             \x20   allowed_auths_callback none\n    allowed_auths_user md5\n    allowed_auths_operator md5\n\
             \x20   allowed_auths_admin md5\n    guid {guid}\n  endlan\n\
             {lines}  chassis_control \"{} 0x20\"\n  user 2 true \"{}\" \"{}\" admin 10 md5\n",
            addr.ip(),
            addr.port(),
            script.display(),
            credentials.username,
            credentials.password.reveal(),
        ),
    )?;
    fs::set_permissions(&conf, fs::Permissions::from_mode(0o600))?;
    fs::write(
        &emulation,
        format!(
            "mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr\n\
             sel_enable 0x20 100 0x0a\n{commands}mc_enable 0x20\n"
        ),
    )?;
    let mut command = match netns {
        Some(name) => {
            let mut command = Command::new("ip");
            command.args(["netns", "exec", name, "ipmi_sim"]);
            command
        }
        None => Command::new("ipmi_sim"),
    };
    let output = fs::File::create(&log)?;
    let child = command
        .arg("-c")
        .arg(&conf)
        .arg("-f")
        .arg(&emulation)
        .arg("-s")
        .arg(dir.join("state"))
        .arg("-n")
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .kill_on_drop(true)
        .spawn()
        .context("starting ipmi_sim (package openipmi)")?;
    Ok((child, log))
}

impl IpmiSim {
    async fn wait_for_port(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + START_MAX;
        let failed = |what: String, log: &Path| {
            let said = fs::read_to_string(log).unwrap_or_default();
            anyhow::anyhow!("ipmi_sim: {what}; {} says: {}", log.display(), said.trim())
        };
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!(failed(format!("ended with {status} before its port was open"), &self.log));
            }
            // Seen through the process, so that it is the right network namespace's table.
            let pid = self.child.id().context("ipmi_sim has no process id")?;
            match fs::read_to_string(format!("/proc/{pid}/net/udp")) {
                Ok(table) if has_port(&table, self.addr) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error).context("reading the table of UDP ports"),
            }
            if Instant::now() > deadline {
                bail!(failed(format!("did not open UDP {} within {START_MAX:?}", self.addr), &self.log));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// Whether the kernel's table lists this local address (hexadecimal, the address in the machine's byte order).
fn has_port(table: &str, addr: SocketAddr) -> bool {
    let SocketAddr::V4(addr) = addr else { return false };
    let local = format!("{:08X}:{:04X}", u32::from_ne_bytes(addr.ip().octets()), addr.port());
    table.lines().any(|line| line.split_whitespace().nth(1) == Some(local.as_str()))
}

fn serve_power(path: &Path, chassis: Arc<dyn Chassis>) -> anyhow::Result<AbortHandle> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let listener = UnixListener::bind(path).with_context(|| format!("binding {}", path.display()))?;
    let router = Router::new().route("/", post(power_command)).with_state(chassis);
    let task = tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            warn!(%error, "the power socket of ipmi_sim ended");
        }
    });
    Ok(task.abort_handle())
}

async fn power_command(
    State(chassis): State<Arc<dyn Chassis>>,
    command: String,
) -> Result<String, (StatusCode, String)> {
    carry_out(chassis.as_ref(), command.trim()).await.map_err(|error| {
        warn!(error = format!("{error:#}"), command, "ipmi_sim's power command failed");
        (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}\n"))
    })
}

/// One call of the power program: `get WHAT…` or `set WHAT VALUE…`.
async fn carry_out(chassis: &dyn Chassis, command: &str) -> anyhow::Result<String> {
    let words: Vec<&str> = command.split_whitespace().collect();
    let pxe_once =
        BootSetting { device: BootDevice::Pxe, persistence: Persistence::Once, mode: BootMode::Bios };
    match words.as_slice() {
        ["get", wanted @ ..] => {
            let mut said = String::new();
            for what in wanted {
                said += &match *what {
                    "power" => format!("power:{}\n", u8::from(chassis.power().await?)),
                    "boot" => match chassis.boot().await? {
                        Some(BootSetting { device: BootDevice::Pxe, .. }) => "boot:pxe\n".to_owned(),
                        Some(BootSetting { device: BootDevice::Disk, .. }) | None => {
                            "boot:default\n".to_owned()
                        }
                    },
                    other => bail!("ipmi_sim asks for {other:?}, which is unknown here"),
                };
            }
            return Ok(said);
        }
        ["set", "power", "1"] => chassis.power_on().await?,
        ["set", "power", "0"] => chassis.power_off().await?,
        ["set", "reset", _] => chassis.reset().await?,
        ["set", "shutdown", _] => chassis.soft_off().await?,
        ["set", "boot", "pxe"] => chassis.set_boot(Some(pxe_once)).await?,
        ["set", "boot", _] => chassis.set_boot(None).await?,
        ["set", "identify", ..] => {}
        _ => bail!("ipmi_sim says {command:?}, which is unknown here"),
    }
    Ok(String::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_port_in_the_kernels_table() {
        let table = "  sl  local_address rem_address   st\n  12: 0B6433C6:026F 00000000:0000 07 00000000\n";
        let check = |addr: &str, expected: bool| {
            assert_eq!(has_port(table, addr.parse().unwrap()), expected, "{addr}")
        };
        check("198.51.100.11:623", true);
        check("198.51.100.11:624", false);
        check("198.51.100.12:623", false);
    }
}
