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

/// EtherType of IPv4, where it stands in a frame, and where the protocol does.
const IPV4: [u8; 2] = [0x08, 0x00];
const ETHERTYPE_AT: usize = 12;
const PROTOCOL_AT: usize = 23;

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
    /// Number of the protocol inside of IPv4 (RFC 791 section 3.1).
    pub protocol: Option<u8>,
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
        Self::open_for(ns, interface, |_| true)
    }

    /// Listens for frames of one kind, where so many others pass that not all could be remembered.
    pub fn open_for(ns: &Netns, interface: &str, keep: fn(&Seen) -> bool) -> anyhow::Result<Self> {
        let socket = PacketSocket::open(ns, interface)?;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let task = tokio::spawn(listen(socket, Arc::clone(&seen), keep));
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

async fn listen(socket: PacketSocket, seen: Arc<Mutex<Vec<Seen>>>, keep: fn(&Seen) -> bool) {
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
        let protocol = protocol(&heard.frame);
        let one =
            Seen { outgoing: heard.outgoing, source: MacAddr(source), tags, ethertype, protocol, unfinished };
        if keep(&one)
            && let Ok(mut seen) = seen.lock()
            && seen.len() < SEEN_MAX
        {
            seen.push(one);
        }
    }
}

/// Of a frame with no tag in it but the one that the kernel took off.
fn protocol(frame: &[u8]) -> Option<u8> {
    (frame.get(ETHERTYPE_AT..)?.first_chunk::<2>()? == &IPV4).then(|| frame.get(PROTOCOL_AT).copied())?
}
