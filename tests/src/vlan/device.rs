//! Edges: what a VLAN device of the kernel would be: a tap on which the frames of one tag of a link are seen, without the tag.

use std::io;

use nix::libc;
use tokio::task::JoinHandle;

use super::{
    packet::{FRAME_BYTES_MAX, PacketSocket, Tap},
    tag::{from_link, onto_link},
};
use crate::netns::Netns;

/// It is there as long as this value is.
pub struct VlanDevice {
    link: usize,
    relay: JoinHandle<()>,
}

impl VlanDevice {
    /// Makes the tap `name` beside the link. Tap and link may go up and down; with the link gone the device is of no use.
    pub fn start(ns: &Netns, link: &str, vlan: u16, name: &str) -> anyhow::Result<Self> {
        let (socket, tap) = (PacketSocket::open(ns, link)?, Tap::create(ns, name)?);
        let (interface, name) = (socket.interface(), name.to_owned());
        let relay = tokio::spawn(async move {
            let error = relay(socket, tap, vlan).await;
            tracing::warn!(name, %error, "vlan device ended");
        });
        Ok(Self { link: interface, relay })
    }

    /// Whether it works for the link with this number.
    pub fn serves(&self, link: usize) -> bool {
        self.link == link && !self.relay.is_finished()
    }

    /// Takes it away; it is gone when this returns.
    pub async fn stop(mut self) {
        self.relay.abort();
        // An error says that it was stopped, which it was.
        let _ = (&mut self.relay).await;
    }
}

impl Drop for VlanDevice {
    fn drop(&mut self) {
        self.relay.abort();
    }
}

/// Relays until one end is gone. A frame that cannot be sent on is lost, as on a switch.
async fn relay(link: PacketSocket, tap: Tap, vlan: u16) -> io::Error {
    let (mut from_wire, mut from_bridge) = (vec![0; FRAME_BYTES_MAX], vec![0; FRAME_BYTES_MAX]);
    let lost = |error: io::Error| tracing::debug!(vlan, %error, "frame lost");
    loop {
        tokio::select! {
            heard = link.receive(&mut from_wire) => match heard {
                Ok(heard) if heard.outgoing => {}
                Ok(heard) => {
                    if let Some(frame) = from_link(vlan, heard.tag, &heard.frame) {
                        tap.send(&heard.note, frame).unwrap_or_else(lost);
                    }
                }
                Err(error) if error.raw_os_error() == Some(libc::ENETDOWN) => {}
                Err(error) => return error,
            },
            sent = tap.receive(&mut from_bridge) => match sent {
                Ok(frame) => {
                    if let Some(frame) = onto_link(vlan, &frame) {
                        link.send(&frame).unwrap_or_else(lost);
                    }
                }
                Err(error) => return error,
            },
        }
    }
}
