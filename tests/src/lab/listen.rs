//! Edges: a listener on every network of the lab, which writes down who was seen where, and when.
//!
//! One raw socket per bridge, promiscuous: it sees every frame that crosses the bridge, also those that no tenant would
//! see. Only source address and time are kept, one line a second and source.

use std::{
    collections::HashMap,
    io::Write,
    path::Path,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, setsockopt, sockopt};
use protocol::mac::MacAddr;
use serde::{Deserialize, Serialize};

use crate::netns::Netns;

/// A source is written down at most once in this time per bridge.
const REPEAT_AFTER: Duration = Duration::from_millis(200);
/// How often the list of bridges is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A frame that was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Microseconds since 1970.
    pub at_us: u64,
    /// On which bridge.
    pub bridge: String,
    /// From which address.
    pub source: MacAddr,
}

/// Listens on every bridge of the namespace whose name starts with `br-`, also on those that appear later, and
/// appends to the file until the process ends.
pub fn run(ns: &Netns, file: &Path) -> anyhow::Result<()> {
    ns.enter_thread()?;
    let mut listening: HashMap<String, std::thread::JoinHandle<()>> = HashMap::new();
    loop {
        for bridge in bridges()? {
            if listening.get(&bridge).is_some_and(|thread| !thread.is_finished()) {
                continue;
            }
            let (ns, path, name) = (ns.clone(), file.to_owned(), bridge.clone());
            let thread = std::thread::spawn(move || {
                if let Err(error) = ns.enter_thread().and_then(|()| listen(&name, &path)) {
                    tracing::info!(bridge = name, error = format!("{error:#}"), "listener ended");
                }
            });
            listening.insert(bridge, thread);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Names of the bridges, as this thread's namespace has them.
fn bridges() -> anyhow::Result<Vec<String>> {
    // /proc/net shows the namespace of the reading process's main thread; the thread's own is asked for by name.
    let text = std::fs::read_to_string("/proc/thread-self/net/dev")?;
    Ok(text
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, _)| name.trim().to_owned())
        .filter(|name| name.starts_with("br-") && name != "br-bmc")
        .collect())
}

fn listen(bridge: &str, path: &Path) -> anyhow::Result<()> {
    use std::os::fd::AsRawFd;
    let socket = nix::sys::socket::socket(
        AddressFamily::Packet,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::EthAll,
    )
    .context("opening a packet socket (needs root)")?;
    setsockopt(&socket, sockopt::BindToDevice, &bridge.into()).context("binding to the bridge")?;
    let promiscuous =
        std::process::Command::new("ip").args(["link", "set", bridge, "promisc", "on"]).status()?;
    anyhow::ensure!(promiscuous.success(), "making {bridge} promiscuous");
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
    let mut last: HashMap<MacAddr, Instant> = HashMap::new();
    let mut frame = [0; 64];
    loop {
        let received = nix::sys::socket::recv(socket.as_raw_fd(), &mut frame, MsgFlags::MSG_TRUNC)?;
        if received < 12 {
            continue;
        }
        let source = MacAddr(frame[6..12].try_into().expect("twelve bytes were received"));
        if last.get(&source).is_some_and(|at| at.elapsed() < REPEAT_AFTER) {
            continue;
        }
        last.insert(source, Instant::now());
        let at_us = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros() as u64;
        writeln!(file, "{}", serde_json::to_string(&Seen { at_us, bridge: bridge.to_owned(), source })?)?;
    }
}

/// What was written down so far.
pub fn read(path: &Path) -> Vec<Seen> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}
