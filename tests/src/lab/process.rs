//! Edges: the lab's long-running programs, each in a process group of its own with a pid file and a log file.
//!
//! A program outlives the one that started it; `stop` finds it by its pid file and makes sure, by the process's start
//! time, that the pid has not been given to somebody else since.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};

/// How long a program may take to end after SIGTERM before it is killed.
const STOP_WAIT_MAX: Duration = Duration::from_secs(10);

/// The programs of one lab.
#[derive(Clone, Debug)]
pub struct Processes {
    dir: PathBuf,
}

impl Processes {
    /// Pid files in `dir/pid`, logs in `dir/log`; both are made with the first program.
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// Where a program's output goes.
    pub fn log(&self, name: &str) -> PathBuf {
        self.dir.join("log").join(format!("{name}.log"))
    }

    fn pid_file(&self, name: &str) -> PathBuf {
        self.dir.join("pid").join(name)
    }

    /// Starts a program unless it runs already.
    pub fn start(&self, name: &str, command: &mut std::process::Command) -> anyhow::Result<()> {
        use std::os::unix::process::CommandExt;
        if self.pid(name).is_some() {
            return Ok(());
        }
        std::fs::create_dir_all(self.dir.join("pid"))?;
        std::fs::create_dir_all(self.dir.join("log"))?;
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.log(name))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        let pid = child.id();
        std::fs::write(self.pid_file(name), format!("{pid} {}", start_time(pid).unwrap_or(0)))?;
        // Somebody has to collect the program when it ends before we do.
        std::thread::spawn(move || {
            let mut child = child;
            let _ = child.wait();
        });
        Ok(())
    }

    /// The program's pid, while it runs.
    pub fn pid(&self, name: &str) -> Option<Pid> {
        let text = std::fs::read_to_string(self.pid_file(name)).ok()?;
        let (pid, started) = text.split_once(' ')?;
        let (pid, started): (u32, u64) = (pid.parse().ok()?, started.trim().parse().ok()?);
        (start_time(pid)? == started).then(|| Pid::from_raw(pid as i32))
    }

    /// Names of all programs that were started here.
    pub fn names(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.dir.join("pid")) else { return Vec::new() };
        let mut names: Vec<_> =
            entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    /// Stops a program: SIGTERM to it, a bounded wait, then SIGKILL to its whole group.
    pub async fn stop(&self, name: &str) -> anyhow::Result<()> {
        if let Some(pid) = self.pid(name) {
            let _ = kill(pid, Signal::SIGTERM);
            let deadline = Instant::now() + STOP_WAIT_MAX;
            while self.pid(name).is_some() && Instant::now() < deadline {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let _ = killpg(pid, Signal::SIGKILL);
        }
        match std::fs::remove_file(self.pid_file(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Kills a program at once, as a power cut would.
    pub fn kill(&self, name: &str) -> anyhow::Result<()> {
        let Some(pid) = self.pid(name) else { bail!("{name} does not run") };
        killpg(pid, Signal::SIGKILL).with_context(|| format!("killing {name}"))?;
        // A start right afterwards must not take the dying one for a running one.
        let deadline = Instant::now() + STOP_WAIT_MAX;
        while self.pid(name).is_some() {
            anyhow::ensure!(Instant::now() < deadline, "{name} outlives SIGKILL");
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Fails, with the end of its log, when the program has ended.
    pub fn expect_alive(&self, name: &str) -> anyhow::Result<()> {
        if self.pid(name).is_some() {
            return Ok(());
        }
        bail!("{name} has ended; the end of {}:\n{}", self.log(name).display(), self.tail(name, 15));
    }

    /// The last lines of a program's log.
    pub fn tail(&self, name: &str, lines: usize) -> String {
        let text = std::fs::read(self.log(name)).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let all: Vec<_> = text.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }
}

/// When the process started, in clock ticks since boot (proc_pid_stat(5), field 22); none for a dead one, or a zombie of which no thread is
/// left (field 20): until then its files are open, and what it has locked is locked.
fn start_time(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?;
    let threads: u32 = fields.nth(16)?.parse().ok()?;
    let started = fields.nth(1)?.parse().ok()?;
    let is_over = state == "X" || (state == "Z" && threads <= 1);
    (!is_over).then_some(started)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn starts_finds_and_stops() {
        let dir = tempfile::tempdir().unwrap();
        let processes = Processes::new(dir.path());
        processes.start("sleeper", std::process::Command::new("sleep").arg("1000")).unwrap();
        let pid = processes.pid("sleeper").expect("it runs");
        processes.start("sleeper", std::process::Command::new("sleep").arg("1000")).unwrap();
        assert_eq!(processes.pid("sleeper"), Some(pid), "a second start changes nothing");
        processes.stop("sleeper").await.unwrap();
        assert_eq!(processes.pid("sleeper"), None);
        assert!(processes.expect_alive("sleeper").is_err());
        processes.stop("sleeper").await.unwrap();
    }
}
