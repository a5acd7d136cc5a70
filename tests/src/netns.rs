//! Edges: network namespaces, bridges, veths and taps, by the `ip` command.
//!
//! Everything a test or the lab builds on the network lives in namespaces with names of its own, so that taking the
//! namespaces away takes everything away.

use std::{net::SocketAddr, process::Stdio, time::Duration};

use anyhow::{Context, bail};
use tokio::{io::AsyncWriteExt, process::Command};

/// How long somebody may take to answer that a connection is taken or refused.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// A network namespace by name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Netns(pub String);

impl Netns {
    /// Makes the namespace, fresh, with its loopback up.
    pub async fn create(name: &str) -> anyhow::Result<Self> {
        let ns = Self(name.to_owned());
        ns.delete().await?;
        ip(&["netns", "add", name]).await?;
        ns.ip(&["link", "set", "lo", "up"]).await?;
        Ok(ns)
    }

    /// Whether it exists.
    pub fn exists(&self) -> bool {
        std::path::Path::new("/run/netns").join(&self.0).exists()
    }

    /// Deletes it with everything in it; nothing to do when it does not exist.
    pub async fn delete(&self) -> anyhow::Result<()> {
        if self.exists() { ip(&["netns", "del", &self.0]).await } else { Ok(()) }
    }

    /// Runs `ip` inside.
    pub async fn ip(&self, args: &[&str]) -> anyhow::Result<()> {
        let mut all = vec!["-n", &self.0];
        all.extend(args);
        ip(&all).await
    }

    /// Runs many `ip` lines inside in one go.
    pub async fn ip_batch(&self, lines: &str) -> anyhow::Result<()> {
        let mut child = Command::new("ip")
            .args(["-n", &self.0, "-batch", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("starting ip (package iproute2)")?;
        let mut stdin = child.stdin.take().context("ip has no standard input")?;
        stdin.write_all(lines.as_bytes()).await?;
        drop(stdin);
        let output = child.wait_with_output().await?;
        if !output.status.success() {
            bail!("ip -n {} -batch: {}", self.0, String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(())
    }

    /// A command line that runs a program inside.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0]).arg(program);
        command
    }

    /// Runs a program inside to its end and gives its output; its failure is an error with what it said.
    pub async fn run(&self, program: &str, args: &[&str]) -> anyhow::Result<String> {
        let output = self.command(program).args(args).stdin(Stdio::null()).output().await?;
        if !output.status.success() {
            bail!(
                "{program} {} in {}: {}",
                args.join(" "),
                self.0,
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Moves the calling thread into the namespace, for good. Only for threads that end afterwards.
    pub fn enter_thread(&self) -> anyhow::Result<()> {
        let file = std::fs::File::open(format!("/run/netns/{}", self.0))
            .with_context(|| format!("opening network namespace {}", self.0))?;
        nix::sched::setns(file, nix::sched::CloneFlags::CLONE_NEWNET)
            .with_context(|| format!("entering network namespace {}", self.0))
    }

    /// Makes sockets inside from outside: the closure runs on a thread of its own in the namespace.
    pub fn within<T: Send + 'static>(
        &self,
        make: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
    ) -> anyhow::Result<T> {
        let ns = self.clone();
        let thread = std::thread::spawn(move || {
            ns.enter_thread()?;
            make()
        });
        thread.join().map_err(|_| anyhow::anyhow!("the thread in the namespace panicked"))?
    }
}

impl Netns {
    /// Whether somebody answers at this address, be it that nobody listens at this port: packets go there and back.
    pub async fn reaches(&self, to: SocketAddr) -> bool {
        let ns = self.clone();
        let connected = tokio::task::spawn_blocking(move || {
            ns.within(move || Ok(std::net::TcpStream::connect_timeout(&to, ANSWER_WITHIN).map(drop)?))
        });
        match connected.await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => error
                .downcast_ref::<std::io::Error>()
                .is_some_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused),
            Err(_) => false,
        }
    }
}

/// Runs `ip` and turns its complaint into the error.
pub async fn ip(args: &[&str]) -> anyhow::Result<()> {
    let output = Command::new("ip")
        .args(args)
        .stdin(Stdio::null())
        .output()
        .await
        .context("starting ip (package iproute2)")?;
    if !output.status.success() {
        bail!("ip {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
