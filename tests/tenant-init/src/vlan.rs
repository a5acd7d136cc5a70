//! Edges: VLAN devices, made by the request that every kernel with 802.1Q has had from the beginning.
#![allow(unsafe_code)] // One request passes a pointer, which the kernel reads.

use std::{net::UdpSocket, os::fd::AsRawFd};

use nix::{
    errno::Errno,
    libc::{c_char, c_int, c_short},
};
use ramdisk::{kernel, network::Interface};

/// `SIOCSIFVLAN` of <linux/sockios.h>.
const SET_VLAN: u32 = 0x8983;
/// `ADD_VLAN_CMD` of <linux/if_vlan.h>.
const ADD: c_int = 0;

/// `struct vlan_ioctl_args` of <linux/if_vlan.h>; its union has 24 bytes.
#[repr(C)]
pub struct Request {
    command: c_int,
    device: [c_char; 24],
    vlan: c_int,
    rest: [u8; 20],
    quality: c_short,
}

nix::ioctl_readwrite_bad!(set_vlan, SET_VLAN, Request);

/// The interface on which the frames with this tag are seen without it; made and set up if it is not there yet.
pub fn over(interface: &Interface, tag: u16) -> nix::Result<Interface> {
    let mut request = Request { command: ADD, device: [0; 24], vlan: tag.into(), rest: [0; 20], quality: 0 };
    if interface.name.len() >= request.device.len() {
        return Err(Errno::ENAMETOOLONG);
    }
    for (to, from) in request.device.iter_mut().zip(interface.name.bytes()) {
        *to = from as c_char;
    }
    let socket = UdpSocket::bind("0.0.0.0:0").map_err(|_| Errno::EIO)?;
    // SAFETY: the request is whole, its name is terminated, and the kernel copies it.
    match unsafe { set_vlan(socket.as_raw_fd(), &mut request) } {
        Ok(_) | Err(Errno::EEXIST) => {}
        Err(error) => return Err(error),
    }
    // The kernel names it so unless it is told otherwise.
    let name = format!("{}.{tag}", interface.name);
    kernel::interface_up(&name)?;
    Ok(Interface { name, mac: interface.mac })
}
