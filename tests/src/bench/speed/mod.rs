//! Edges: processor time and memory of the agent's BMC clients, and how old its readings get, over virtual BMCs and real sockets.
//!
//! The virtual BMCs are in this process, what is measured in a child of it, so that only that is counted. Peers ask the same virtual BMCs
//! in the same run.

mod codec;
pub mod cost;
mod images;
mod isolation;
pub mod jobs;
mod peers;
mod rack;

use std::{
    collections::BTreeMap,
    io::Write,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, ensure};
use protocol::spec::BmcProtocol;
use serde::{Deserialize, Serialize};
use tokio::process::Command;

use self::jobs::{Job, Measured, PASSWORD, USER};
use super::figure::{self, Bench, Figure};
use crate::farm::{Farm, Running};

/// The program that measures, as the profile `speed` builds it.
pub const PROGRAM: &str = "speed/speeds";

const NO_PEER: &str = "no peer";

const fn bench(name: &'static str, unit: &'static str, peer_name: &'static str, goal: Option<f64>) -> Bench {
    Bench { name, unit, peer_name, goal }
}

/// What is measured here, in the order of the table.
pub const BENCHES: [Bench; 27] = [
    bench("ipmi-kept", "us", "bare loop of the same codec", None),
    bench("ipmi-kept-over-codec", "x", NO_PEER, Some(1.4)),
    bench("cpu-per-poll", "us", "ipmitool, one run per poll", None),
    bench("cpu-per-poll-session", "us", "ipmitool exec, one session", None),
    bench("cpu-per-poll-ipmipower", "us", "ipmipower, one run per poll", None),
    bench("cpu-per-poll-pyghmi", "us", "pyghmi, one session", None),
    bench("ipmi-memory", "KiB", NO_PEER, Some(4.0)),
    bench("redfish-kept", "us", "sushy, one session", Some(60.0)),
    bench("redfish-kept-tls", "us", NO_PEER, Some(60.0)),
    bench("redfish-first-pinned", "us", NO_PEER, Some(1000.0)),
    bench("redfish-first-trusted", "us", NO_PEER, Some(1000.0)),
    bench("redfish-memory", "KiB", NO_PEER, Some(16.0)),
    bench("redfish-memory-pinned", "KiB", NO_PEER, Some(16.0)),
    bench("redfish-memory-trusted", "KiB", NO_PEER, Some(16.0)),
    bench("power-1000", "cpu-s", NO_PEER, Some(0.1)),
    bench("asked-300-of-1000-silent", "s", NO_PEER, Some(2.5)),
    bench("oldest-of-10000", "s", NO_PEER, Some(5.0)),
    bench("off-seen-p50", "ms", NO_PEER, None),
    bench("off-seen-p99", "ms", NO_PEER, Some(50.0)),
    bench("off-seen-max", "ms", NO_PEER, None),
    bench("off-seen-from-first-p99", "ms", NO_PEER, None),
    bench("image-raw", "cpu-s/GB", NO_PEER, Some(0.9)),
    bench("image-qcow2", "cpu-s/GB", NO_PEER, Some(0.9)),
    bench("image-zstd", "cpu-s/GB", NO_PEER, Some(0.45)),
    bench("image-cache", "cpu-s/GB", NO_PEER, Some(1.8)),
    bench("image-memory", "MiB", NO_PEER, Some(64.0)),
    bench("image-memory-zstd", "MiB", NO_PEER, Some(64.0)),
];

/// Of images: the job, and which part of what it measures a bench is.
const IMAGES: [(&str, Job, &str); 6] = [
    ("image-raw", Job::ImageRaw, "write_cpu_s"),
    ("image-qcow2", Job::ImageQcow2, "write_cpu_s"),
    ("image-zstd", Job::ImageZstd, "write_cpu_s"),
    ("image-cache", Job::ImageRaw, "fetch_cpu_s"),
    ("image-memory", Job::ImageQcow2, "most_mib"),
    ("image-memory-zstd", Job::ImageZstd, "most_mib"),
];

/// Of the last ones: which part of one measurement each is.
const OFF_SEEN: [(&str, &str); 4] = [
    ("off-seen-p50", "seen_p50_ms"),
    ("off-seen-p99", "seen_p99_ms"),
    ("off-seen-max", "seen_max_ms"),
    ("off-seen-from-first-p99", "first_p99_ms"),
];

/// One figure on its way between two programs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Told {
    /// The bench.
    pub name: String,
    /// Our figure, or why there is none.
    pub ours: Result<f64, String>,
    /// The peer's, or why there is none; nothing where none was asked.
    pub peer: Option<Result<f64, String>>,
}

impl Told {
    /// All of them.
    pub fn all(figures: &[Figure]) -> Vec<Self> {
        let result = |value: Option<f64>, failure: &Option<String>| {
            value.ok_or_else(|| failure.clone().unwrap_or_else(|| "it was not measured".to_owned()))
        };
        let peer = |figure: &Figure| {
            let is_told = figure.peer.is_some() || figure.peer_failure.is_some();
            is_told.then(|| result(figure.peer, &figure.peer_failure))
        };
        let told = |figure: &Figure| Self {
            name: figure.name.to_owned(),
            ours: result(figure.ours, &figure.failure),
            peer: peer(figure),
        };
        figures.iter().map(told).collect()
    }

    /// As a figure of its bench.
    pub fn figure(self, bench: &Bench) -> Figure {
        let figure = Figure::new(bench, self.ours.map(|ours| figure::Measured { ours, peer: None }));
        match self.peer {
            Some(peer) => figure.beside(peer),
            None => figure,
        }
    }
}

/// How thoroughly it is measured.
#[derive(Clone, Copy, Debug)]
struct Effort {
    /// BMCs whose clients are measured one by one.
    bmcs: usize,
    /// Readings of each.
    rounds: usize,
    /// Readings by a peer over one session.
    peer_polls: usize,
    /// Runs of a peer's program.
    peer_runs: usize,
    /// Intervals for which a rack polls.
    rack_rounds: usize,
    /// Servers of 1,000 that go off.
    offs: usize,
    /// Deployments of an image.
    images: usize,
}

const FULL: Effort =
    Effort { bmcs: 128, rounds: 400, peer_polls: 2000, peer_runs: 50, rack_rounds: 15, offs: 400, images: 3 };
const QUICK: Effort =
    Effort { bmcs: 64, rounds: 50, peer_polls: 200, peer_runs: 5, rack_rounds: 5, offs: 100, images: 1 };

/// A figure's parts as they come.
type Parts = BTreeMap<&'static str, Result<f64, String>>;

/// Measures what is asked for; everything without a name.
pub async fn run(names: &[String], quick: bool) -> anyhow::Result<Vec<Figure>> {
    let wanted: Vec<_> = BENCHES.iter().filter(|bench| is_wanted(names, bench.name)).collect();
    ensure!(
        !wanted.is_empty(),
        "there is no such bench; there are: {}",
        BENCHES.map(|bench| bench.name).join(", ")
    );
    let effort = if quick { QUICK } else { FULL };
    let wants = |of: &[&str]| wanted.iter().any(|bench| of.contains(&bench.name));
    let (mut ours, mut peers) = (Parts::new(), Parts::new());
    if wants(&["ipmi-kept", "ipmi-kept-over-codec", "ipmi-memory"])
        || wanted.iter().any(|bench| bench.name.starts_with("cpu-per-poll"))
    {
        ipmi(&wants, effort, &mut ours, &mut peers).await?;
    }
    if wants(&["redfish-kept", "redfish-memory"]) {
        redfish_plain(&wants, effort, &mut ours, &mut peers).await?;
    }
    if wants(&["redfish-kept-tls", "redfish-first-pinned", "redfish-memory-pinned"]) {
        let measured =
            clients(Job::RedfishPinned, &farm("redfish-tls", effort.bmcs, ""), effort.rounds).await;
        put(&mut ours, "redfish-kept-tls", &measured, "kept_us", 1.0);
        put(&mut ours, "redfish-first-pinned", &measured, "first_us", 1.0);
        put(&mut ours, "redfish-memory-pinned", &measured, "bytes", 1024.0);
    }
    if wants(&["redfish-first-trusted", "redfish-memory-trusted"]) {
        let measured = clients(Job::RedfishTrusted, &farm("redfish-tls", effort.bmcs, ""), 1).await;
        put(&mut ours, "redfish-first-trusted", &measured, "first_us", 1.0);
        put(&mut ours, "redfish-memory-trusted", &measured, "bytes", 1024.0);
    }
    if wants(&["power-1000"]) {
        let measured = clients(Job::Rack, &farm("ipmi", 1000, ""), effort.rack_rounds).await;
        put(&mut ours, "power-1000", &measured, "round_cpu_s", 1.0);
    }
    if wants(&["asked-300-of-1000-silent"]) {
        let silent = r#"some = [{ every = 10, faults = ["silent"] }, { every = 10, from = 4, faults = ["silent"] }, { every = 10, from = 7, faults = ["silent"] }]"#;
        let measured = clients(Job::Rack, &farm("ipmi", 1000, silent), effort.rack_rounds).await;
        put(&mut ours, "asked-300-of-1000-silent", &measured, "between_s", 1.0);
    }
    if wants(&["oldest-of-10000"]) {
        let bad = r#"faults = [{ slow = { answer_ms = 50 } }, { lossy = { percent = 1 } }]"#;
        let measured = clients(Job::Rack, &farm("ipmi", 10_000, bad), effort.rack_rounds).await;
        put(&mut ours, "oldest-of-10000", &measured, "oldest_s", 1.0);
    }
    if wants(&OFF_SEEN.map(|(name, _)| name)) {
        let measured = words(isolation::measure(1000, effort.offs).await);
        for (name, part) in OFF_SEEN {
            put(&mut ours, name, &measured, part, 1.0);
        }
    }
    for job in [Job::ImageRaw, Job::ImageQcow2, Job::ImageZstd] {
        let mut parts = IMAGES.iter().filter(|(name, of, _)| *of == job && wants(&[name])).peekable();
        if parts.peek().is_some() {
            let measured = words(alone(job, effort.images).await);
            for (name, _, part) in parts {
                put(&mut ours, name, &measured, part, 1.0);
            }
        }
    }
    let figure = |bench: &&Bench| {
        let told = Told {
            name: bench.name.to_owned(),
            ours: ours.get(bench.name).cloned().unwrap_or_else(|| Err("it was not measured".to_owned())),
            peer: peers.get(bench.name).cloned(),
        };
        told.figure(bench)
    };
    Ok(wanted.iter().map(figure).collect())
}

/// The same by the program that is built for it.
pub async fn by_program(root: &Path, names: Vec<String>, quick: bool) -> anyhow::Result<Vec<Told>> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let program = target.join(PROGRAM);
    let mut command = Command::new(&program);
    command.args(["rows", "--json"]).args(names).args(quick.then_some("--quick"));
    let run = command.stdin(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true).output();
    let built = "cargo build --profile speed -p tests --bin speeds builds it";
    let output = run.await.with_context(|| format!("starting {}; {built}", program.display()))?;
    ensure!(output.status.success(), "{} ended with {}", program.display(), output.status);
    serde_json::from_slice(&output.stdout).context("the figures are no JSON")
}

fn is_wanted(names: &[String], name: &str) -> bool {
    names.is_empty() || names.iter().any(|wanted| wanted == name)
}

async fn ipmi(
    wants: &impl Fn(&[&str]) -> bool,
    effort: Effort,
    ours: &mut Parts,
    peers: &mut Parts,
) -> anyhow::Result<()> {
    let farm = Running::start(&Farm::parse(&farm("ipmi", effort.bmcs, ""))?).await?;
    let measured = words(child(Job::Ipmi, &farm, effort.rounds, &[]).await);
    put(ours, "ipmi-memory", &measured, "bytes", 1024.0);
    put(ours, "ipmi-kept", &measured, "kept_us", 1.0);
    if wants(&["ipmi-kept", "ipmi-kept-over-codec"]) {
        let codec = words(child(Job::Codec, &farm, effort.rounds, &[]).await);
        put(peers, "ipmi-kept", &codec, "kept_us", 1.0);
        let ratio = match (ours.get("ipmi-kept"), peers.get("ipmi-kept")) {
            (Some(Ok(ours)), Some(Ok(codec))) => Ok(ours / codec),
            _ => Err("the two were not both measured".to_owned()),
        };
        ours.insert("ipmi-kept-over-codec", ratio);
    }
    let addr = farm.bmcs().first().context("the farm is empty")?.addr();
    for (name, peer) in [
        ("cpu-per-poll", peers::ipmitool_each as fn(_, _) -> _),
        ("cpu-per-poll-ipmipower", peers::ipmipower_each),
        ("cpu-per-poll-session", peers::ipmitool_in_session),
    ] {
        if wants(&[name]) {
            let count = if name == "cpu-per-poll-session" { effort.peer_polls } else { effort.peer_runs };
            let cost = tokio::task::spawn_blocking(move || peer(addr, count)).await?;
            peers.insert(name, words(cost));
            put(ours, name, &measured, "kept_us", 1.0);
        }
    }
    if wants(&["cpu-per-poll-pyghmi"]) {
        peers.insert("cpu-per-poll-pyghmi", words(peers::pyghmi(addr, effort.peer_polls).await));
        put(ours, "cpu-per-poll-pyghmi", &measured, "kept_us", 1.0);
    }
    Ok(())
}

async fn redfish_plain(
    wants: &impl Fn(&[&str]) -> bool,
    effort: Effort,
    ours: &mut Parts,
    peers: &mut Parts,
) -> anyhow::Result<()> {
    let farm = Running::start(&Farm::parse(&farm("redfish", effort.bmcs, ""))?).await?;
    let measured = words(child(Job::Redfish, &farm, effort.rounds, &[]).await);
    put(ours, "redfish-kept", &measured, "kept_us", 1.0);
    put(ours, "redfish-memory", &measured, "bytes", 1024.0);
    if wants(&["redfish-kept"]) {
        let addr = farm.bmcs().first().context("the farm is empty")?.addr();
        let root =
            Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the crate has no parent directory")?;
        peers.insert("redfish-kept", words(peers::sushy(root, addr, effort.peer_polls / 4).await));
    }
    Ok(())
}

fn words<T>(result: anyhow::Result<T>) -> Result<T, String> {
    result.map_err(|error| format!("{error:#}"))
}

fn put(parts: &mut Parts, name: &'static str, measured: &Result<Measured, String>, part: &str, unit: f64) {
    let found = match measured {
        Ok(measured) => measured.get(part).copied().ok_or_else(|| format!("{part} was not measured")),
        Err(why) => Err(why.clone()),
    };
    parts.insert(name, found.map(|value| value / unit));
}

/// A farm's description: so many of this kind, each at a port of its own.
fn farm(kind: &str, count: usize, more: &str) -> String {
    format!(
        "[[group]]\nname = \"bench\"\ncount = {count}\nprotocol = \"{kind}\"\naddress = \"127.0.0.1:0\"\nuser = \"{USER}\"\n\
         password = \"{PASSWORD}\"\n{more}\n"
    )
}

/// A job on a farm of its own. Certificates that are not pinned are vouched for by a file of the child's.
async fn clients(job: Job, description: &str, rounds: usize) -> Result<Measured, String> {
    let measured = async {
        let farm = Running::start(&Farm::parse(description)?).await?;
        let authorities = tempfile::NamedTempFile::new()?;
        let mut more = Vec::new();
        if job == Job::RedfishTrusted {
            authorities.as_file().write_all(farm.authorities().as_bytes())?;
            more.push(("SSL_CERT_FILE", authorities.path()));
        }
        child(job, &farm, rounds, &more).await
    };
    words(measured.await)
}

async fn child(job: Job, farm: &Running, rounds: usize, env: &[(&str, &Path)]) -> anyhow::Result<Measured> {
    let lines: String = farm
        .bmcs()
        .iter()
        .map(|bmc| match bmc.endpoint().protocol {
            BmcProtocol::Redfish { certificate_sha256: Some(pin), .. } => format!("{} {pin}\n", bmc.addr()),
            BmcProtocol::Redfish { .. } | BmcProtocol::Ipmi { .. } => format!("{}\n", bmc.addr()),
        })
        .collect();
    told(job, &lines, rounds, env).await
}

/// A job without a BMC.
async fn alone(job: Job, rounds: usize) -> anyhow::Result<Measured> {
    told(job, "", rounds, &[]).await
}

async fn told(job: Job, lines: &str, rounds: usize, env: &[(&str, &Path)]) -> anyhow::Result<Measured> {
    let mut input = tempfile::tempfile()?;
    input.write_all(lines.as_bytes())?;
    std::io::Seek::rewind(&mut input)?;
    let program = std::env::current_exe().context("finding this program's file")?;
    let run = Command::new(program)
        .args(["job", &job.name(), "--rounds", &rounds.to_string()])
        .envs(env.iter().copied())
        .stdin(Stdio::from(input))
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .output();
    let output = run.await?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} ended with {}: {}", job.name(), output.status, error.trim());
    serde_json::from_slice(&output.stdout).context("the child's figures are no JSON")
}
