//! Edges: processor time of the boot service's files, over a pair of interfaces: TFTP and HTTP, and dnsmasq beside them in the same run. Who fetches is in this process, who serves in a child of it, and only the child is counted.

mod load;
mod serve;

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Instant,
};

use anyhow::{Context, ensure};

use self::load::{Fetch, NO_LOSS};
pub use self::serve::serve;
use super::{
    figure::{Bench, Figure, Measured},
    speed::PROGRAM,
};
use crate::netns::Netns;

const fn bench(name: &'static str, unit: &'static str, peer_name: &'static str, goal: f64) -> Bench {
    Bench { name, unit, peer_name, goal: Some(goal) }
}

/// What is measured here.
pub const BENCHES: [Bench; 4] = [
    bench("tftp-lock-step", "cpu-s/GB", "dnsmasq", 3.5),
    bench("tftp-window", "cpu-s/GB", "no peer", 1.3),
    bench("tftp-lossy", "s", "dnsmasq", 4.0),
    bench("http-file", "cpu-s/GB", "no peer", 0.25),
];

/// Who fetches at the same time.
const CLIENTS: usize = 64;
/// Bytes of a block: what an Ethernet carries, and what iPXE asks for.
const BLOCK: usize = 1428;
const WINDOW: usize = 16;

/// Where it is served.
const SERVER: &str = "198.18.7.1";
/// Names below the served directory.
const BIG: &str = "big";
const SMALL: &str = "small";
const SMALL_BYTES: usize = 1 << 20;

/// Two namespaces, and a directory of files.
struct World {
    server: Netns,
    client: Netns,
    dir: tempfile::TempDir,
}

impl World {
    async fn new(big_bytes: usize) -> anyhow::Result<Self> {
        let id = format!("wb{}", std::process::id());
        let server = Netns::create(&format!("{id}s")).await?;
        let client = Netns::create(&format!("{id}c")).await?;
        server
            .ip(&["link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", &client.0])
            .await?;
        server.ip_batch(&format!("address add {SERVER}/24 dev eth0\nlink set eth0 up\n")).await?;
        // Each fetches from an address of its own, for one address has few places.
        let addresses: String = (0..CLIENTS as u64)
            .map(|client| format!("address add {}/24 dev eth0\n", load::address(client)))
            .collect();
        client.ip_batch(&format!("{addresses}link set eth0 up\n")).await?;
        let dir = tempfile::tempdir()?;
        for (name, len) in [(BIG, big_bytes), (SMALL, SMALL_BYTES)] {
            let bytes: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
            std::fs::write(dir.path().join(name), bytes)?;
        }
        Ok(Self { server, client, dir })
    }

    async fn delete(self) -> anyhow::Result<()> {
        self.client.delete().await?;
        self.server.delete().await
    }
}

/// A server, and how much processor time it has used.
struct Served(Child);

impl Served {
    fn start(world: &World, program: &Path, args: &[&str]) -> anyhow::Result<Self> {
        let child = Command::new("ip")
            .args(["netns", "exec", &world.server.0])
            .arg(program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        Ok(Self(child))
    }

    /// Seconds. (`ip` becomes the program that it starts.)
    fn used(&self) -> anyhow::Result<f64> {
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

/// Measures those that are asked for.
pub async fn run(root: &Path, wanted: &[Bench], quick: bool) -> Vec<Figure> {
    let measured = measure(root, wanted, quick).await.map_err(|error| format!("{error:#}"));
    let figure = |(at, bench): (usize, &Bench)| match &measured {
        Err(why) => Figure::new(bench, Err(why.clone())),
        Ok(all) => match all.get(at) {
            Some((ours, peer)) => {
                let figure = Figure::new(bench, ours.clone().map(|ours| Measured { ours, peer: None }));
                match peer {
                    Some(peer) => figure.beside(peer.clone()),
                    None => figure,
                }
            }
            None => Figure::new(bench, Err("it was not measured".to_owned())),
        },
    };
    wanted.iter().enumerate().map(figure).collect()
}

type Both = (Result<f64, String>, Option<Result<f64, String>>);

async fn measure(root: &Path, wanted: &[Bench], quick: bool) -> anyhow::Result<Vec<Both>> {
    let world = World::new(if quick { 4 << 20 } else { 16 << 20 }).await?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let ours = target.join(PROGRAM);
    let dir = world.dir.path().display().to_string();
    let mut all = Vec::new();
    for bench in wanted {
        let own = Served::start(&world, &ours, &["boot-files", "eth0", SERVER, &dir]);
        let own = words(one(&world, bench.name, own).await);
        let tftp_root = format!("--tftp-root={dir}");
        let dnsmasq = [
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--port=0",
            "--enable-tftp",
            "--user=root",
            "--tftp-max=100",
            &tftp_root,
        ];
        let peer = match bench.name {
            "tftp-lock-step" | "tftp-lossy" => Some(Served::start(&world, Path::new("dnsmasq"), &dnsmasq)),
            _ => None,
        };
        let peer = match peer {
            Some(peer) => Some(words(one(&world, bench.name, peer).await)),
            None => None,
        };
        all.push((own, peer));
    }
    world.delete().await?;
    Ok(all)
}

async fn one(world: &World, name: &str, served: anyhow::Result<Served>) -> anyhow::Result<f64> {
    let served = served?;
    let fetch = match name {
        "tftp-lock-step" => Fetch::Tftp { file: BIG, block: BLOCK, window: 1, lost_of_hundred: NO_LOSS },
        "tftp-window" => Fetch::Tftp { file: BIG, block: BLOCK, window: WINDOW, lost_of_hundred: NO_LOSS },
        "tftp-lossy" => Fetch::Tftp { file: SMALL, block: BLOCK, window: 1, lost_of_hundred: 1 },
        _ => Fetch::Http { file: BIG },
    };
    // Once, until it answers.
    load::once_it_serves(&world.client, SERVER, &fetch).await?;
    let (before, start) = (served.used()?, Instant::now());
    if name == "tftp-lossy" {
        load::fetch(&world.client, SERVER, &fetch, 1).await?;
        return Ok(start.elapsed().as_secs_f64());
    }
    let bytes = load::fetch(&world.client, SERVER, &fetch, CLIENTS).await?;
    let used = served.used()? - before;
    ensure!(used > 0.0, "too little was fetched to be measured");
    Ok(used / (bytes as f64 / 1e9))
}

fn words<T>(result: anyhow::Result<T>) -> Result<T, String> {
    result.map_err(|error| format!("{error:#}"))
}
