//! Edges: requests to the kernel that the standard library and `nix` do not offer, each made safe here.
#![allow(unsafe_code)] // Ioctls pass a pointer that the kernel reads. The only other file with it is `erase/passthrough.rs`.

use std::{
    net::{Ipv4Addr, UdpSocket},
    os::fd::{AsFd, AsRawFd},
};

use nix::{Result, errno::Errno, libc};

/// The numbers and argument types of the requests.
mod request {
    use nix::libc;

    // <linux/fs.h>, group 0x12.
    nix::ioctl_write_ptr_bad!(blkroset, nix::request_code_none!(0x12, 93), libc::c_int);
    nix::ioctl_none_bad!(blkrrpart, nix::request_code_none!(0x12, 95));
    nix::ioctl_none_bad!(blkflsbuf, nix::request_code_none!(0x12, 97));
    nix::ioctl_write_ptr_bad!(blkdiscard, nix::request_code_none!(0x12, 119), [u64; 2]);
    nix::ioctl_write_ptr_bad!(blksecdiscard, nix::request_code_none!(0x12, 125), [u64; 2]);
    nix::ioctl_write_ptr_bad!(blkzeroout, nix::request_code_none!(0x12, 127), [u64; 2]);
    // <linux/sockios.h>.
    nix::ioctl_readwrite_bad!(siocgifflags, libc::SIOCGIFFLAGS, libc::ifreq);
    nix::ioctl_write_ptr_bad!(siocsifflags, libc::SIOCSIFFLAGS, libc::ifreq);
    nix::ioctl_write_ptr_bad!(siocsifaddr, libc::SIOCSIFADDR, libc::ifreq);
    nix::ioctl_write_ptr_bad!(siocsifnetmask, libc::SIOCSIFNETMASK, libc::ifreq);
    nix::ioctl_write_ptr_bad!(siocaddrt, libc::SIOCADDRT, libc::rtentry);
}

use request::*;

/// Lets the kernel pass writes on to a block device that was set read-only; what the device itself refuses stays refused.
pub fn take_writes(device: impl AsFd) -> Result<()> {
    // SAFETY: the descriptor is open, and the kernel only reads the number, which outlives the call.
    unsafe { blkroset(device.as_fd().as_raw_fd(), &0) }.map(drop)
}

/// Discards a range of a block device; what is read from it afterwards is up to the device.
pub fn discard(device: impl AsFd, start: u64, length: u64) -> Result<()> {
    // SAFETY: the descriptor is open, and the kernel only reads the two numbers, which outlive the call.
    unsafe { blkdiscard(device.as_fd().as_raw_fd(), &[start, length]) }.map(drop)
}

/// The same, with every copy that the device has made of it.
pub fn secure_discard(device: impl AsFd, start: u64, length: u64) -> Result<()> {
    // SAFETY: as above.
    unsafe { blksecdiscard(device.as_fd().as_raw_fd(), &[start, length]) }.map(drop)
}

/// Makes a range of a block device read as zeroes, by the device's own command where it has one.
pub fn zero_out(device: impl AsFd, start: u64, length: u64) -> Result<()> {
    // SAFETY: as above.
    unsafe { blkzeroout(device.as_fd().as_raw_fd(), &[start, length]) }.map(drop)
}

/// Writes out and forgets what the kernel has cached of a block device, so that the next read is from the device.
pub fn flush_buffers(device: impl AsFd) -> Result<()> {
    // SAFETY: the descriptor is open and the request has no argument.
    unsafe { blkflsbuf(device.as_fd().as_raw_fd()) }.map(drop)
}

/// Makes the kernel read the partition table again.
pub fn reread_partitions(device: impl AsFd) -> Result<()> {
    // SAFETY: as above.
    unsafe { blkrrpart(device.as_fd().as_raw_fd()) }.map(drop)
}

/// Sets an interface up.
pub fn interface_up(name: &str) -> Result<()> {
    add_flags(name, libc::IFF_UP)
}

/// Lets an interface take frames for all groups, also those that nobody has joined.
pub fn hear_multicast(name: &str) -> Result<()> {
    add_flags(name, libc::IFF_UP | libc::IFF_ALLMULTI)
}

fn add_flags(name: &str, flags: libc::c_int) -> Result<()> {
    with_interface(name, |socket, request| {
        // SAFETY: the request is a whole `ifreq` with a terminated name; the kernel fills in and reads its flags.
        unsafe {
            siocgifflags(socket, request)?;
            request.ifr_ifru.ifru_flags |= flags as i16;
            siocsifflags(socket, request)
        }
    })
}

/// Gives an interface its IPv4 address and prefix; the kernel adds the route to the network by itself.
pub fn set_address(name: &str, address: Ipv4Addr, prefix: u8) -> Result<()> {
    let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
    with_interface(name, |socket, request| {
        request.ifr_ifru.ifru_addr = socket_address(address);
        // SAFETY: the request is a whole `ifreq`, its union holds an address, and the kernel only reads it.
        unsafe { siocsifaddr(socket, request) }?;
        request.ifr_ifru.ifru_netmask = socket_address(Ipv4Addr::from(mask));
        // SAFETY: as above.
        unsafe { siocsifnetmask(socket, request) }
    })
}

/// Takes an interface's IPv4 address away, and its routes with it.
pub fn clear_address(name: &str) -> Result<()> {
    with_interface(name, |socket, request| {
        request.ifr_ifru.ifru_addr = socket_address(Ipv4Addr::UNSPECIFIED);
        // SAFETY: as above.
        unsafe { siocsifaddr(socket, request) }
    })
}

/// Adds the default route.
pub fn add_default_route(gateway: Ipv4Addr) -> Result<()> {
    // SAFETY: all of an `rtentry` may be zero.
    let mut route: libc::rtentry = unsafe { std::mem::zeroed() };
    route.rt_dst = socket_address(Ipv4Addr::UNSPECIFIED);
    route.rt_genmask = socket_address(Ipv4Addr::UNSPECIFIED);
    route.rt_gateway = socket_address(gateway);
    route.rt_flags = libc::RTF_UP | libc::RTF_GATEWAY;
    let socket = any_socket()?;
    // SAFETY: the entry is whole, its device pointer is null, and the kernel only reads it.
    unsafe { siocaddrt(socket.as_raw_fd(), &route) }.map(drop)
}

fn with_interface(name: &str, call: impl FnOnce(i32, &mut libc::ifreq) -> Result<libc::c_int>) -> Result<()> {
    // SAFETY: all of an `ifreq` may be zero.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if name.len() >= request.ifr_name.len() {
        return Err(Errno::ENAMETOOLONG);
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    let socket = any_socket()?;
    call(socket.as_raw_fd(), &mut request).map(drop)
}

/// Interface requests go through any IPv4 socket.
fn any_socket() -> Result<UdpSocket> {
    UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))
        .map_err(|error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))
}

fn socket_address(address: Ipv4Addr) -> libc::sockaddr {
    let mut out = libc::sockaddr { sa_family: libc::AF_INET as u16, sa_data: [0; 14] };
    // `sockaddr_in` laid over `sockaddr`: two bytes of port, then the address in network order.
    for (to, from) in out.sa_data[2..6].iter_mut().zip(address.octets()) {
        *to = from as libc::c_char;
    }
    out
}
