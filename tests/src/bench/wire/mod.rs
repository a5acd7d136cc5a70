//! Edges: what the boot service costs on the wire, over a pair of interfaces: DHCP, TFTP and HTTP, each beside a peer in the same run.
//! Who asks is in this process or a program of others, who serves in a child of it, and only the child is counted.

mod dhcp;
mod load;
mod peers;
mod serve;
mod served;

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::ensure;

pub use self::serve::serve;
use self::{
    load::{Fetch, NO_LOSS},
    served::Served,
};
use super::{
    figure::{Bench, Figure, Measured},
    speed::PROGRAM,
};
use crate::netns::Netns;

const fn bench(name: &'static str, unit: &'static str, peer_name: &'static str, goal: f64) -> Bench {
    Bench { name, unit, peer_name, goal: Some(goal) }
}

/// What is measured here.
pub const BENCHES: [Bench; 6] = [
    bench("dhcp-exchange", "us", "Kea", 27.0),
    bench("dhcp-p99", "ms", "Kea", 2.0),
    bench("tftp-lock-step", "cpu-s/GB", "dnsmasq", 3.5),
    bench("tftp-window", "cpu-s/GB", "no peer", 1.3),
    bench("tftp-lossy", "s", "dnsmasq", 4.0),
    bench("http-file", "cpu-s/GB", "nginx, sendfile", 0.25),
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
        server.ip_batch(&format!("address add {SERVER}/16 dev eth0\nlink set eth0 up\n")).await?;
        // Each fetches from an address of its own, for one address has few places.
        let addresses: String = (0..CLIENTS as u64)
            .map(|client| format!("address add {}/16 dev eth0\n", load::address(client)))
            .collect();
        client.ip_batch(&format!("{addresses}link set eth0 up\n")).await?;
        let dir = tempfile::tempdir()?;
        std::fs::create_dir(dir.path().join("files"))?;
        for (name, len) in [(BIG, big_bytes), (SMALL, SMALL_BYTES)] {
            let bytes: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
            std::fs::write(dir.path().join("files").join(name), bytes)?;
        }
        Ok(Self { server, client, dir })
    }

    /// What is served.
    fn files(&self) -> PathBuf {
        self.dir.path().join("files")
    }

    /// A directory for what somebody needs beside it.
    fn aside(&self, name: &str) -> anyhow::Result<PathBuf> {
        let dir = self.dir.path().join(name);
        std::fs::create_dir_all(&dir)?;
        Ok(dir)
    }

    async fn delete(self) -> anyhow::Result<()> {
        self.client.delete().await?;
        self.server.delete().await
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
    let mut all = Vec::new();
    for bench in wanted {
        let own = Served::ours(&world, &ours);
        let own = words(one(&world, bench.name, own, quick).await);
        let peer = peers::beside(&world, bench.name);
        let peer = match peer {
            Some(peer) => Some(words(one(&world, bench.name, peer, quick).await)),
            None => None,
        };
        all.push((own, peer));
    }
    world.delete().await?;
    Ok(all)
}

async fn one(world: &World, name: &str, served: anyhow::Result<Served>, quick: bool) -> anyhow::Result<f64> {
    let served = served?;
    let fetch = match name {
        "dhcp-exchange" => return dhcp::cost(world, &served, quick).await,
        "dhcp-p99" => return dhcp::p99(world, quick).await,
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
