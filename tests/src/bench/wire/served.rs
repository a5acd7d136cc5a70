//! Edges: a server in its namespace, and how much processor time it has used.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::Context;

use super::{World, dhcp};

/// A server, and how much processor time it has used.
pub(super) struct Served(Child);

impl Served {
    /// Ours, with every part of it.
    pub(super) fn ours(world: &World, program: &Path) -> anyhow::Result<Self> {
        let file = dhcp::describe(world)?;
        Self::start(world, program, &["boot-static", &file.display().to_string()], &[])
    }

    /// Starts a program that serves until this is dropped.
    pub(super) fn start(
        world: &World,
        program: &Path,
        args: &[&str],
        env: &[(&str, &Path)],
    ) -> anyhow::Result<Self> {
        let child = Command::new("ip")
            .args(["netns", "exec", &world.server.0])
            .arg(program)
            .args(args)
            .envs(env.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        Ok(Self(child))
    }

    /// Seconds so far. (`ip` becomes the program that it starts.)
    pub(super) fn used(&self) -> anyhow::Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id()))?;
        let (_, fields) = stat.rsplit_once(')').context("the kernel's own format")?;
        // utime and stime of proc(5), in hundredths of a second.
        let ticks: Vec<f64> =
            fields.split_whitespace().skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
        Ok(ticks.iter().sum::<f64>() / 100.0)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
