//! Edges: `bmsctl` as a person would call it: the program itself, with somebody's login in its environment.

use std::{path::PathBuf, process::Stdio};

use anyhow::{Context, bail};
use serde::de::DeserializeOwned;
use tokio::process::Command;

/// Somebody who types `bmsctl`.
#[derive(Clone, Debug)]
pub struct Ctl {
    /// The program.
    pub program: PathBuf,
    /// The login: `OS_*` and `BMS_*` variables.
    pub environment: Vec<(String, String)>,
}

impl Ctl {
    /// The command, not yet started.
    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.args(line.split_whitespace()).envs(self.environment.iter().cloned()).env_remove("OS_TOKEN");
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Runs it to its end; a failure is an error with what it printed.
    pub async fn run(&self, line: &str) -> anyhow::Result<String> {
        let output = self.command(line).output().await.with_context(|| format!("starting bmsctl {line}"))?;
        if !output.status.success() {
            bail!("bmsctl {line}: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs it with `-o json` and reads what it printed.
    pub async fn json<T: DeserializeOwned>(&self, line: &str) -> anyhow::Result<T> {
        let text = self.run(&format!("-o json {line}")).await?;
        serde_json::from_str(&text)
            .with_context(|| format!("understanding what bmsctl {line} printed: {text}"))
    }

    /// Runs it and expects a refusal; gives its words.
    pub async fn refused(&self, line: &str) -> anyhow::Result<String> {
        match self.run(line).await {
            Ok(said) => bail!("bmsctl {line} was not refused; it said: {said}"),
            Err(error) => Ok(format!("{error:#}")),
        }
    }

    /// The lines of a file that a shell can source.
    pub fn shell_lines(&self) -> String {
        let lines = self.environment.iter().map(|(name, value)| format!("export {name}='{value}'\n"));
        let directory = self.program.parent().map(|path| path.display().to_string()).unwrap_or_default();
        lines.chain([format!("export PATH='{directory}':\"$PATH\"\n")]).collect()
    }
}
