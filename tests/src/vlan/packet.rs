//! Edges: frames as they are on a link: packet sockets that tell the tag of each frame, and taps that a program holds.
//!
//! Both carry the kernel's note on a frame (`struct virtio_net_hdr`) beside it. A frame whose checksum is still to be done, or
//! that is to be cut into several, goes on as such, whatever was negotiated with the virtual machine that sent it.
#![allow(unsafe_code)] // One ioctl passes a pointer, which the kernel reads; the runtime is promised that descriptors stay.

use std::{
    fs::File,
    io::{self, IoSlice, IoSliceMut, Read, Write},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::fs::OpenOptionsExt,
    },
};

use anyhow::Context;
use nix::{
    ifaddrs::getifaddrs,
    libc, setsockopt_impl, sockopt_impl,
    sys::socket::{
        AddressFamily, ControlMessageOwned, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, bind,
        recvmsg, sendmsg, setsockopt, socket,
    },
};
use tokio::io::{Interest, unix::AsyncFd};

use super::tag::Tag;
use crate::netns::Netns;

/// Longest frame, one that is to be cut included, with the kernel's note.
pub const FRAME_BYTES_MAX: usize = (64 << 10) + 64;
/// Length of the kernel's note.
const NOTE: usize = 10;

sockopt_impl!(
    /// The kernel says of each frame which tag it took off.
    PacketAuxdata,
    SetOnly,
    libc::SOL_PACKET,
    libc::PACKET_AUXDATA,
    bool
);
sockopt_impl!(
    /// Each frame has the kernel's note before it.
    PacketNote,
    SetOnly,
    libc::SOL_PACKET,
    libc::PACKET_VNET_HDR,
    bool
);

/// The number and argument type of the request.
mod request {
    use nix::libc;

    nix::ioctl_write_ptr_bad!(tunsetiff, libc::TUNSETIFF, libc::ifreq);
}

/// What the kernel says of a frame's checksums and length; all zero: it is whole.
pub type Note = [u8; NOTE];

/// A frame that was on a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Whether it went out of this end of the link, not in.
    pub outgoing: bool,
    /// The tag that the kernel took off.
    pub tag: Option<Tag>,
    /// The kernel's note.
    pub note: Note,
    /// The frame without that tag.
    pub frame: Vec<u8>,
}

/// A socket for all frames of one interface.
pub struct PacketSocket {
    socket: AsyncFd<OwnedFd>,
    interface: usize,
}

impl PacketSocket {
    /// Opens it on an interface of the namespace.
    pub fn open(ns: &Netns, interface: &str) -> anyhow::Result<Self> {
        let name = interface.to_owned();
        let (socket, interface) = ns.within(move || {
            let address = getifaddrs()?
                .filter(|one| one.interface_name == name)
                .find_map(|one| one.address?.as_link_addr().copied())
                .with_context(|| format!("there is no interface {name}"))?;
            let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
            let socket = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll)
                .context("opening a packet socket (needs root)")?;
            setsockopt(&socket, PacketAuxdata, &true)?;
            setsockopt(&socket, PacketNote, &true)?;
            bind(socket.as_raw_fd(), &address)?;
            Ok((socket, address.ifindex()))
        })?;
        // SAFETY: the socket is owned, and gives the same open descriptor until it is dropped.
        Ok(Self { socket: unsafe { AsyncFd::register(socket) }?, interface })
    }

    /// The kernel's number of the interface; another one of the same name has another.
    pub fn interface(&self) -> usize {
        self.interface
    }

    /// Waits for the next frame; `buffer` is room for the longest. `ENETDOWN` says that the interface went down, once.
    pub async fn receive(&self, buffer: &mut [u8]) -> io::Result<Heard> {
        loop {
            let heard = self.socket.async_io(Interest::READABLE, |socket| self.read(socket, buffer)).await?;
            if let Some(heard) = heard {
                return Ok(heard);
            }
        }
    }

    /// None: it is of another interface, from before the socket was bound to ours.
    fn read(&self, socket: &OwnedFd, buffer: &mut [u8]) -> io::Result<Option<Heard>> {
        let mut control = nix::cmsg_space!([u8; 20]);
        let mut parts = [IoSliceMut::new(buffer)];
        let message =
            recvmsg::<LinkAddr>(socket.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::empty())?;
        let Some(address) = message.address.filter(|it| it.ifindex() == self.interface) else {
            return Ok(None);
        };
        let tag = message.cmsgs()?.find_map(|control| match control {
            ControlMessageOwned::Unknown(it) if it.cmsg_header.cmsg_level == libc::SOL_PACKET => {
                tag(&it.data_bytes)
            }
            _ => None,
        });
        let length = message.bytes;
        let Some((note, frame)) = buffer.get(..length).and_then(|bytes| bytes.split_first_chunk::<NOTE>())
        else {
            return Ok(None);
        };
        let outgoing = address.pkttype() == libc::PACKET_OUTGOING;
        Ok(Some(Heard { outgoing, tag, note: *note, frame: frame.to_vec() }))
    }

    /// Sends a whole frame out of the interface. One that cannot be sent now is lost, as on any link.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        let parts = [IoSlice::new(&[0; NOTE]), IoSlice::new(frame)];
        sendmsg::<()>(self.socket.get_ref().as_raw_fd(), &parts, &[], MsgFlags::MSG_DONTWAIT, None)?;
        Ok(())
    }
}

/// Reads `struct tpacket_auxdata`.
fn tag(bytes: &[u8]) -> Option<Tag> {
    let half = |at: usize| Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?));
    let status = u32::from_ne_bytes(*bytes.first_chunk()?);
    let has = |bit: u32| status & bit != 0;
    (has(libc::TP_STATUS_VLAN_VALID) && has(libc::TP_STATUS_VLAN_TPID_VALID))
        .then_some(Tag { control: half(16)?, protocol: half(18)? })
}

/// A tap that is there as long as this value is.
pub struct Tap {
    file: AsyncFd<File>,
}

impl Tap {
    /// Makes it in the namespace; it is down, and on no bridge.
    pub fn create(ns: &Netns, name: &str) -> anyhow::Result<Self> {
        let name = name.to_owned();
        let file = ns.within(move || {
            let file = File::options()
                .read(true)
                .write(true)
                .custom_flags(libc::O_NONBLOCK)
                .open("/dev/net/tun")
                .context("opening /dev/net/tun")?;
            // SAFETY: all of an `ifreq` may be zero.
            let mut wanted: libc::ifreq = unsafe { std::mem::zeroed() };
            anyhow::ensure!(name.len() < wanted.ifr_name.len(), "{name} is too long for an interface");
            for (to, from) in wanted.ifr_name.iter_mut().zip(name.bytes()) {
                *to = from as libc::c_char;
            }
            let flags = libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR;
            wanted.ifr_ifru.ifru_flags = flags as libc::c_short;
            // SAFETY: the descriptor is open, the request is whole, its name is terminated, and the kernel copies it.
            unsafe { request::tunsetiff(file.as_raw_fd(), &wanted) }
                .with_context(|| format!("making tap {name}"))?;
            Ok(file)
        })?;
        // SAFETY: the file is owned, and gives the same open descriptor until it is dropped.
        Ok(Self { file: unsafe { AsyncFd::register(file) }? })
    }

    /// Waits for the next frame that is sent to the tap: whole, with its checksums done.
    pub async fn receive(&self, buffer: &mut [u8]) -> io::Result<Vec<u8>> {
        let length = self.file.async_io(Interest::READABLE, |mut file| file.read(buffer)).await?;
        Ok(buffer.get(NOTE..length).unwrap_or_default().to_vec())
    }

    /// Hands a frame in, as if it came over the tap.
    pub fn send(&self, note: &Note, frame: &[u8]) -> io::Result<()> {
        self.file.get_ref().write_vectored(&[IoSlice::new(note), IoSlice::new(frame)]).map(drop)
    }
}
