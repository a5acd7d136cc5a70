//! Edges: processor time of one IPMI power poll, ours and ipmitool's, against the same virtual BMC in the same run.

use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, ensure};
use nix::sys::resource::{Usage, UsageWho, getrusage};
use protocol::{
    ipmi::CipherSuite,
    secret::Secret,
    spec::{BmcEndpoint, BmcProtocol},
};

use super::figure::Measured;
use crate::bmc::{Credentials, chassis::FakeChassis, ipmi};

/// The virtual BMC's user.
const USER: &str = "admin";
/// The virtual BMC's password: of this bench only.
const PASSWORD: &str = "bench-bmc-secret";
/// Where ipmitool's `-E` and our own child look for it, so that it is in no process arguments.
const PASSWORD_VARIABLE: &str = "IPMI_PASSWORD";
/// The cipher suite of everybody here.
const CIPHER_SUITE: u8 = 17;

/// How often everybody polls.
#[derive(Clone, Copy, Debug)]
pub struct Polls {
    /// Polls over one open session.
    pub in_session: u32,
    /// Runs of ipmitool with one poll each.
    pub runs: u32,
}

/// Both comparisons of one poll over our open session.
#[derive(Clone, Copy, Debug)]
pub struct PollCost {
    /// Beside a run of ipmitool for each poll.
    pub beside_runs: Measured,
    /// Beside one ipmitool that polls again and again over one session.
    pub beside_session: Measured,
}

/// Measures us and ipmitool one after the other, in microseconds of processor time per poll.
pub async fn measure(polls: Polls) -> anyhow::Result<PollCost> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let chassis = Arc::new(FakeChassis::default());
    let bmc = ipmi::serve_on(socket, Credentials::new(USER, PASSWORD), &CipherSuite::ALL, chassis)?;
    let addr = bmc.addr;
    tokio::task::spawn_blocking(move || measure_at(addr, polls)).await?
}

fn measure_at(addr: SocketAddr, polls: Polls) -> anyhow::Result<PollCost> {
    let ours = ours(addr, polls.in_session)?;
    let script = tempfile::NamedTempFile::new()?;
    std::fs::write(script.path(), "power status\n".repeat(polls.in_session as usize))?;
    let before = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let script_path = script.path().to_str().context("the temporary file's name is no text")?;
    ipmitool(addr, &["exec", script_path], polls.in_session)?;
    let between = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    for _ in 0..polls.runs {
        ipmitool(addr, &["power", "status"], 1)?;
    }
    let after = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let beside = |from: &Usage, to: &Usage, count: u32| Measured {
        ours,
        peer: Some(per_poll(processor_time(to).saturating_sub(processor_time(from)), count)),
    };
    Ok(PollCost {
        beside_runs: beside(&between, &after, polls.runs),
        beside_session: beside(&before, &between, polls.in_session),
    })
}

/// A child of ours polls and says what it used.
fn ours(addr: SocketAddr, polls: u32) -> anyhow::Result<f64> {
    let program = std::env::current_exe().context("finding this program's file")?;
    let said = output(Command::new(program).args([
        "ipmi-polls",
        "--address",
        &addr.to_string(),
        "--polls",
        &polls.to_string(),
    ]))?;
    said.trim().parse().with_context(|| format!("our poller said {said:?}"))
}

fn ipmitool(addr: SocketAddr, command: &[&str], answers: u32) -> anyhow::Result<()> {
    let (host, port, suite) = (addr.ip().to_string(), addr.port().to_string(), CIPHER_SUITE.to_string());
    let said = output(
        Command::new("ipmitool")
            .args(["-I", "lanplus", "-H", &host, "-p", &port, "-U", USER, "-E", "-C", &suite])
            .args(command),
    )?;
    let good = said.lines().filter(|line| line.contains("Chassis Power is off")).count();
    ensure!(good == answers as usize, "ipmitool gave {good} good answers, expected {answers}");
    Ok(())
}

fn output(command: &mut Command) -> anyhow::Result<String> {
    let name = Path::new(command.get_program()).display().to_string();
    let output = command
        .env(PASSWORD_VARIABLE, PASSWORD)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("starting {name}; tests/setup.sh installs what is needed"))?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{name} ended with {}: {}", output.status, error.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The child: opens a session, polls over it, and gives the microseconds of processor time of one poll. Start and login
/// are not counted.
pub async fn child(addr: SocketAddr, polls: u32) -> anyhow::Result<f64> {
    let password =
        std::env::var(PASSWORD_VARIABLE).with_context(|| format!("{PASSWORD_VARIABLE} is not set"))?;
    let bmc = agent::bmc::connect(&BmcEndpoint {
        protocol: BmcProtocol::Ipmi { cipher_suite: Some(CIPHER_SUITE) },
        address: addr.ip().to_string(),
        port: addr.port(),
        username: USER.to_owned(),
        password: Secret::new(password),
        settings: Default::default(),
    });
    bmc.power_status().await.context("logging in")?;
    let before = getrusage(UsageWho::RUSAGE_SELF)?;
    for _ in 0..polls {
        bmc.power_status().await?;
    }
    let used = processor_time(&getrusage(UsageWho::RUSAGE_SELF)?).saturating_sub(processor_time(&before));
    Ok(per_poll(used, polls))
}

fn processor_time(usage: &Usage) -> Duration {
    let part = |seconds: i64, micros: i64| {
        Duration::from_secs(seconds.unsigned_abs()) + Duration::from_micros(micros.unsigned_abs())
    };
    let (user, system) = (usage.user_time(), usage.system_time());
    part(user.tv_sec(), user.tv_usec()) + part(system.tv_sec(), system.tv_usec())
}

fn per_poll(used: Duration, polls: u32) -> f64 {
    used.as_secs_f64() * 1e6 / f64::from(polls.max(1))
}
