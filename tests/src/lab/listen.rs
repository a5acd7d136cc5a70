//! Edges: a listener on every network of the lab, which writes down who was seen where, and when.
//!
//! Bridges are made promiscuous, so that every frame that crosses one is heard, also those that no tenant would see. Only
//! bridge, source address and time are kept, at most five lines a second for each source.

use std::{
    collections::HashMap,
    io::Write,
    os::fd::AsRawFd,
    path::Path,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use nix::{
    errno::Errno,
    net::if_::if_nametoindex,
    sys::{
        socket::{
            AddressFamily, LinkAddr, SockFlag, SockProtocol, SockType, recvfrom, setsockopt, socket, sockopt,
        },
        time::{TimeVal, TimeValLike},
    },
};
use protocol::mac::MacAddr;

use super::frames::Seen;
use crate::netns::Netns;

/// A source is written down at most once in this time per bridge.
const REPEAT_AFTER: Duration = Duration::from_millis(200);
/// How often the list of bridges is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Listens on every bridge of the namespace whose name starts with `br-`, also on those that appear later, and
/// appends to the file until the process ends.
pub fn run(ns: &Netns, path: &Path) -> anyhow::Result<()> {
    ns.enter_thread()?;
    // Not bound to any interface: it hears all of them, and the kernel says with each frame where it was heard.
    let protocol = SockProtocol::EthAll;
    let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)
        .context("opening a packet socket (needs root)")?;
    setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::milliseconds(LOOK_EVERY.as_millis() as i64))?;
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
    let mut bridges: HashMap<usize, String> = HashMap::new();
    let mut looked: Option<Instant> = None;
    let mut last: HashMap<(usize, MacAddr), Instant> = HashMap::new();
    let mut frame = [0; 64];
    loop {
        if looked.is_none_or(|at| at.elapsed() > LOOK_EVERY) {
            look(&mut bridges)?;
            looked = Some(Instant::now());
        }
        let (received, from) = match recvfrom::<LinkAddr>(socket.as_raw_fd(), &mut frame) {
            Ok((received, Some(from))) => (received, from),
            Ok((_, None)) | Err(Errno::EAGAIN | Errno::EINTR) => continue,
            Err(error) => return Err(error).context("receiving frames"),
        };
        let Some(bridge) = bridges.get(&from.ifindex()) else { continue };
        if received < 12 {
            continue;
        }
        let source = MacAddr(frame[6..12].try_into().expect("twelve bytes were received"));
        if last.get(&(from.ifindex(), source)).is_some_and(|at| at.elapsed() < REPEAT_AFTER) {
            continue;
        }
        last.insert((from.ifindex(), source), Instant::now());
        let at_us = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros() as u64;
        writeln!(file, "{}", serde_json::to_string(&Seen { at_us, bridge: bridge.clone(), source })?)?;
    }
}

/// Finds bridges that are new, and makes them hand up every frame that crosses them, not only their own.
fn look(bridges: &mut HashMap<usize, String>) -> anyhow::Result<()> {
    let text = std::fs::read_to_string("/proc/thread-self/net/dev")?;
    let names = text.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name.trim());
    let mut now = HashMap::new();
    for name in names.filter(|name| name.starts_with("br-") && *name != "br-bmc") {
        // A bridge that went away since is not one any more.
        let Ok(index) = if_nametoindex(name) else { continue };
        if bridges.get(&(index as usize)).is_none_or(|known| known != name) {
            std::process::Command::new("ip").args(["link", "set", name, "promisc", "on"]).status()?;
        }
        now.insert(index as usize, name.to_owned());
    }
    *bridges = now;
    Ok(())
}

/// What was written down so far.
pub fn read(path: &Path) -> Vec<Seen> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}
