//! Edges: a listener at one end of a link, which remembers what every frame was and which tags it carried.

use std::sync::{Arc, Mutex};

use nix::libc;
use protocol::mac::MacAddr;
use tokio::task::JoinHandle;

use super::{
    packet::{FRAME_BYTES_MAX, PacketSocket},
    tag::{Tag, read},
};
use crate::netns::Netns;

/// Frames that are remembered.
const SEEN_MAX: usize = 20_000;

/// `VIRTIO_NET_HDR_F_NEEDS_CSUM`, in the first byte of the kernel's note.
const NEEDS_CHECKSUM: u8 = 1;

/// A frame that was on the link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Whether it went out of the end that is listened at: out of a switch's port, to the server.
    pub outgoing: bool,
    /// From which address.
    pub source: MacAddr,
    /// Its tags, the outermost first.
    pub tags: Vec<Tag>,
    /// What it carries.
    pub ethertype: u16,
    /// Whether its sender left the checksum to the link.
    pub unfinished: bool,
}

impl Seen {
    /// Its tags as VLANs; none where a tag is not of the kind that servers use.
    pub fn vlans(&self) -> Vec<Option<u16>> {
        self.tags.iter().map(|tag| tag.vlan()).collect()
    }
}

/// Listens until it is dropped.
pub struct Ear {
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Ear {
    /// Listens to an interface of the namespace from now on.
    pub fn open(ns: &Netns, interface: &str) -> anyhow::Result<Self> {
        let socket = PacketSocket::open(ns, interface)?;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let task = tokio::spawn(listen(socket, Arc::clone(&seen)));
        Ok(Self { seen, task })
    }

    /// What was seen so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().map(|seen| seen.clone()).unwrap_or_default()
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(socket: PacketSocket, seen: Arc<Mutex<Vec<Seen>>>) {
    let mut buffer = vec![0; FRAME_BYTES_MAX];
    loop {
        let heard = match socket.receive(&mut buffer).await {
            Ok(heard) => heard,
            Err(error) if error.raw_os_error() == Some(libc::ENETDOWN) => continue,
            Err(error) => return tracing::warn!(%error, "nothing more is heard"),
        };
        let source = heard.frame.get(6..).and_then(|bytes| bytes.first_chunk::<6>().copied());
        let (Some(source), Some((tags, ethertype))) = (source, read(heard.tag, &heard.frame)) else {
            continue;
        };
        let unfinished = heard.note[0] & NEEDS_CHECKSUM != 0;
        let one = Seen { outgoing: heard.outgoing, source: MacAddr(source), tags, ethertype, unfinished };
        if let Ok(mut seen) = seen.lock()
            && seen.len() < SEEN_MAX
        {
            seen.push(one);
        }
    }
}
