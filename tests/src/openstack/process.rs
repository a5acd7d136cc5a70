//! Edges: processes that are started here and may be stopped from elsewhere.
//!
//! A pid file holds the pid and the kernel's start time of the process, so that a pid that was given to somebody else
//! meanwhile is never signalled.

use std::{
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use nix::{
    sys::{
        signal::{Signal, killpg},
        wait::{WaitPidFlag, waitpid},
    },
    unistd::Pid,
};

/// Time for a service to end by itself when asked to.
const TERM_TIME_MAX: Duration = Duration::from_secs(2);
/// Time for the kernel to end it.
const KILL_TIME_MAX: Duration = Duration::from_secs(10);
/// Lines of a log that an error shows.
const TAIL_LINES: usize = 15;

/// The services of one directory, by their pid files.
#[derive(Debug)]
pub(super) struct Processes {
    run: PathBuf,
    log: PathBuf,
}

/// One service and whether it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceStatus {
    /// Its name.
    pub name: String,
    /// Its process; none: it has ended.
    pub pid: Option<i32>,
}

#[derive(Clone, Copy)]
struct Leader {
    pid: i32,
    started: u64,
}

impl Processes {
    pub fn new(dir: &Path) -> Result<Self> {
        let (run, log) = (dir.join("run"), dir.join("log"));
        for path in [&run, &log] {
            fs::create_dir_all(path).with_context(|| format!("cannot create {}", path.display()))?;
        }
        Ok(Processes { run, log })
    }

    /// Starts a command as the leader of a process group of its own; what it prints goes to a log.
    pub fn start(&self, name: &str, mut command: Command) -> Result<()> {
        let path = self.output(name);
        let output = fs::File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
        let child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("cannot start {name}: {command:?}"))?;
        let pid = i32::try_from(child.id())?;
        let started = stat(pid).map(|s| s.started).unwrap_or_default();
        fs::write(self.run.join(format!("{name}.pid")), format!("{pid} {started}\n"))?;
        Ok(())
    }

    fn output(&self, name: &str) -> PathBuf {
        self.log.join(format!("{name}.out"))
    }

    fn leaders(&self) -> Vec<(String, Leader)> {
        let mut leaders = Vec::new();
        for entry in fs::read_dir(&self.run).into_iter().flatten().flatten() {
            let file = entry.file_name().to_string_lossy().into_owned();
            let Some(name) = file.strip_suffix(".pid") else { continue };
            let text = fs::read_to_string(entry.path()).unwrap_or_default();
            let mut words = text.split_whitespace();
            if let (Some(Ok(pid)), Some(Ok(started))) =
                (words.next().map(str::parse), words.next().map(str::parse))
            {
                leaders.push((name.to_owned(), Leader { pid, started }));
            }
        }
        leaders.sort_by(|a, b| a.0.cmp(&b.0));
        leaders
    }

    /// Every service that was started, and its process if that lives.
    pub fn status(&self) -> Vec<ServiceStatus> {
        self.leaders()
            .into_iter()
            .map(|(name, leader)| ServiceStatus { name, pid: leader.alive().then_some(leader.pid) })
            .collect()
    }

    /// Fails, with the end of its log, when a service has ended.
    pub fn check(&self, name: &str) -> Result<()> {
        if self.status().iter().any(|status| status.name == name && status.pid.is_some()) {
            return Ok(());
        }
        bail!("{name} has ended\n{}", self.explain(name));
    }

    /// The end of what a service printed and logged, with the files' names.
    pub fn explain(&self, name: &str) -> String {
        let mut text = String::new();
        for path in [self.log.join(format!("{name}.log")), self.output(name)] {
            if let Ok(content) = fs::read_to_string(&path) {
                text.push_str(&format!("--- the end of {}\n{}", path.display(), tail(&content)));
            }
        }
        text
    }

    /// Stops all groups together: asks, waits, kills.
    pub fn stop(&self) {
        let leaders = self.leaders();
        let ours: Vec<Leader> =
            leaders.iter().map(|(_, leader)| *leader).filter(Leader::group_is_ours).collect();
        for (signal, patience) in [(Signal::SIGTERM, TERM_TIME_MAX), (Signal::SIGKILL, KILL_TIME_MAX)] {
            for leader in &ours {
                // ESRCH: it has ended by itself, which is what we want.
                let _ = killpg(Pid::from_raw(leader.pid), signal);
            }
            let until = Instant::now() + patience;
            while Instant::now() < until && ours.iter().any(Leader::group_lives) {
                sleep(Duration::from_millis(30));
            }
        }
        for (name, _) in leaders {
            let _ = fs::remove_file(self.run.join(format!("{name}.pid")));
        }
    }
}

struct Stat {
    zombie: bool,
    group: i32,
    started: u64,
}

/// proc(5): pid (comm) state ppid pgrp ... starttime is the 22nd field; comm may hold anything, even `)`.
fn stat(pid: i32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    Some(Stat {
        zombie: *fields.first()? == "Z",
        group: fields.get(2)?.parse().ok()?,
        started: fields.get(19)?.parse().ok()?,
    })
}

impl Leader {
    fn alive(&self) -> bool {
        // When it is our own child, this lets the kernel forget it.
        let _ = waitpid(Pid::from_raw(self.pid), Some(WaitPidFlag::WNOHANG));
        stat(self.pid).is_some_and(|s| s.started == self.started && !s.zombie)
    }

    /// The leader lives, or it has ended and left members of its group behind (while they live, no one else can get
    /// its pid).
    fn group_is_ours(&self) -> bool {
        match stat(self.pid) {
            Some(s) => s.started == self.started,
            None => self.members().next().is_some(),
        }
    }

    fn group_lives(&self) -> bool {
        let _ = waitpid(Pid::from_raw(self.pid), Some(WaitPidFlag::WNOHANG));
        self.members().next().is_some()
    }

    fn members(&self) -> impl Iterator<Item = i32> {
        let group = self.pid;
        fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().to_str().and_then(|name| name.parse().ok()))
            .filter(move |pid| stat(*pid).is_some_and(|s| s.group == group && !s.zombie))
    }
}

/// Fails when a port of ours is somebody else's already, rather than talking to a stranger.
pub(super) fn refuse_taken_ports(base_port: u16) -> Result<()> {
    for offset in [0, 1, 2, 3, 4, 12] {
        let port = base_port + offset;
        // SO_REUSEADDR is set by the standard library, so connections of a finished run do not disturb.
        std::net::TcpListener::bind(("127.0.0.1", port))
            .with_context(|| format!("port {port} is taken; stop what listens there (ss -ltnp sport = :{port}) or choose another base port"))?;
    }
    Ok(())
}

/// Runs a command to its end; the error shows the end of what it printed.
pub(super) fn run(what: &str, log: &Path, command: &mut Command) -> Result<()> {
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("cannot {what}: {command:?}"))?;
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    fs::write(log, &text).with_context(|| format!("cannot write {}", log.display()))?;
    if !output.status.success() {
        bail!("cannot {what}: {}\n--- the end of {}\n{}", output.status, log.display(), tail(&text));
    }
    Ok(())
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut end = lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n");
    end.push('\n');
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_stopped_and_a_stranger_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let processes = Processes::new(dir.path()).unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' TERM; echo hello; sleep 100 & wait"]);
        processes.start("stubborn", command).unwrap();
        let until = Instant::now() + Duration::from_secs(20);
        while !processes.explain("stubborn").contains("hello") && Instant::now() < until {
            sleep(Duration::from_millis(5));
        }
        processes.check("stubborn").unwrap();
        // A pid file of somebody with our pid, who started at another time.
        let own = std::process::id();
        fs::write(dir.path().join("run/stranger.pid"), format!("{own} 1\n")).unwrap();
        let status = processes.status();
        assert!(status[0].pid.is_none() && status[0].name == "stranger", "{status:?}");
        let leader = processes.leaders().into_iter().find(|(name, _)| name == "stubborn").unwrap().1;
        processes.stop();
        assert!(!leader.group_lives());
        assert!(processes.status().is_empty());
        let error = processes.check("stubborn").unwrap_err().to_string();
        assert!(error.contains("stubborn.out") && error.contains("hello"), "{error}");
    }
}
