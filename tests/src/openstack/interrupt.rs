//! Edges: one service that is away for a while: killed, and started again as it was.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

use super::OpenStack;

/// How long a killed service may keep its port.
const END_WAIT_MAX: Duration = Duration::from_secs(10);
/// How long a service may take to answer again.
const RETURN_WAIT_MAX: Duration = Duration::from_secs(60);

/// A service that was killed, with what is needed to start it again.
#[derive(Debug)]
pub struct Interrupted {
    name: String,
    address: SocketAddr,
    command: Vec<String>,
    directory: PathBuf,
    environment: Vec<(String, String)>,
}

impl OpenStack {
    /// Kills a service that listens at this address; returns when nothing listens there any more.
    pub async fn interrupt(&self, name: &str, address: SocketAddr) -> Result<Interrupted> {
        let found = self.status().into_iter().find(|service| service.name == name);
        let pid = found.and_then(|service| service.pid).with_context(|| format!("{name} does not run"))?;
        let proc = PathBuf::from(format!("/proc/{pid}"));
        let words = |file: &str| -> Result<Vec<String>> {
            let bytes = fs::read(proc.join(file)).with_context(|| format!("reading {file} of {name}"))?;
            let words = bytes.split(|byte| *byte == 0).filter(|word| !word.is_empty());
            Ok(words.map(|word| String::from_utf8_lossy(word).into_owned()).collect())
        };
        let environment = words("environ")?;
        let interrupted = Interrupted {
            name: name.to_owned(),
            address,
            command: words("cmdline")?,
            directory: fs::read_link(proc.join("cwd"))?,
            environment: environment
                .iter()
                .filter_map(|pair| pair.split_once('='))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        };
        killpg(Pid::from_raw(pid), Signal::SIGKILL).with_context(|| format!("killing {name}"))?;
        wait(|| !listens(address), END_WAIT_MAX, || format!("{name} keeps {address}")).await?;
        Ok(interrupted)
    }

    /// Starts it again; returns when it listens.
    pub async fn resume(&self, interrupted: &Interrupted) -> Result<()> {
        let (program, arguments) = interrupted.command.split_first().context("no command was kept")?;
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&interrupted.directory);
        command.env_clear().envs(interrupted.environment.iter().cloned());
        self.processes.start(&interrupted.name, command)?;
        let (name, address) = (&interrupted.name, interrupted.address);
        let silent = || format!("{name} does not answer at {address}: {}", self.processes.explain(name));
        wait(|| listens(address), RETURN_WAIT_MAX, silent).await
    }
}

fn listens(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
}

async fn wait(holds: impl Fn() -> bool, limit: Duration, why: impl Fn() -> String) -> Result<()> {
    let began = Instant::now();
    while !holds() {
        if began.elapsed() > limit {
            bail!("after {} s {}", limit.as_secs(), why());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}
