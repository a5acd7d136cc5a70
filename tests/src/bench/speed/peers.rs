//! Edges: processor time of one power reading by those who do the same, each asking one of our virtual BMCs in the same run.

use std::{
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, ensure};

use super::{
    cost,
    jobs::{CIPHER_SUITE, PASSWORD, USER},
};
use crate::{bmc::judges, openstack::ensure_venv};

/// Where ipmitool's `-E` and the scripts look for the password, so that it is in no process arguments.
const PASSWORD_VARIABLE: &str = "IPMI_PASSWORD";
/// Prints microseconds of processor time of one reading over one session.
const SUSHY: &str = include_str!("sushy_polls.py");
/// The same by IPMI.
const PYGHMI: &str = include_str!("pyghmi_polls.py");

/// One ipmitool that asks again and again over one session.
pub fn ipmitool_in_session(addr: SocketAddr, polls: usize) -> anyhow::Result<f64> {
    let script = tempfile::NamedTempFile::new()?;
    std::fs::write(script.path(), "power status\n".repeat(polls))?;
    let path = script.path().to_str().context("the temporary file's name is no text")?;
    let before = cost::of_children()?;
    ipmitool(addr, &["exec", path], polls)?;
    Ok(cost::micros_each(cost::of_children()?.saturating_sub(before), polls))
}

/// A run of ipmitool for each reading.
pub fn ipmitool_each(addr: SocketAddr, runs: usize) -> anyhow::Result<f64> {
    let before = cost::of_children()?;
    for _ in 0..runs {
        ipmitool(addr, &["power", "status"], 1)?;
    }
    Ok(cost::micros_each(cost::of_children()?.saturating_sub(before), runs))
}

/// A run of FreeIPMI's ipmipower for each reading.
pub fn ipmipower_each(addr: SocketAddr, runs: usize) -> anyhow::Result<f64> {
    let config = tempfile::NamedTempFile::new()?;
    std::fs::write(config.path(), format!("username {USER}\npassword \"{PASSWORD}\"\n"))?;
    let before = cost::of_children()?;
    for _ in 0..runs {
        let said = output(
            Command::new("ipmipower")
                .args(["-D", "LAN_2_0", "-h", &addr.to_string(), "-I", &CIPHER_SUITE.to_string(), "--stat"])
                .arg(format!("--config-file={}", config.path().display())),
        )?;
        ensure!(said.contains(": off"), "ipmipower says {said:?}");
    }
    Ok(cost::micros_each(cost::of_children()?.saturating_sub(before), runs))
}

/// sushy, Ironic's Redfish client, over one session.
pub async fn sushy(root: &Path, addr: SocketAddr, polls: usize) -> anyhow::Result<f64> {
    let venv = root.join(".lab/venv");
    let asked = move || {
        ensure_venv(&venv)?;
        script(&venv.join("bin/python"), SUSHY, addr, polls)
    };
    tokio::task::spawn_blocking(asked).await?
}

/// pyghmi, the IPMI library of OpenStack, over one session.
pub async fn pyghmi(addr: SocketAddr, polls: usize) -> anyhow::Result<f64> {
    let python = judges::programs().await?.join("python");
    tokio::task::spawn_blocking(move || script(&python, PYGHMI, addr, polls)).await?
}

fn script(python: &Path, text: &str, addr: SocketAddr, polls: usize) -> anyhow::Result<f64> {
    let (host, port) = (addr.ip().to_string(), addr.port().to_string());
    let said = output(
        Command::new(python).args(["-W", "ignore", "-c", text, &host, &port, USER]).arg(polls.to_string()),
    )?;
    said.trim().parse().with_context(|| format!("the script says {said:?}"))
}

fn ipmitool(addr: SocketAddr, command: &[&str], answers: usize) -> anyhow::Result<()> {
    let (host, port, suite) = (addr.ip().to_string(), addr.port().to_string(), CIPHER_SUITE.to_string());
    let said = output(
        Command::new("ipmitool")
            .args(["-I", "lanplus", "-H", &host, "-p", &port, "-U", USER, "-E", "-C", &suite])
            .args(command),
    )?;
    let good = said.lines().filter(|line| line.contains("Chassis Power is off")).count();
    ensure!(good == answers, "ipmitool gave {good} good answers, expected {answers}");
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
