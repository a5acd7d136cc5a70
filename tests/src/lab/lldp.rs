//! Edges: the switch's voice: once a second, on every port with a link, it says by LLDP which switch and port that is.
//!
//! The frame is handed to the tap itself, as if it came out of the switch: whoever is plugged in hears it, and no bridge does.

use std::{os::fd::AsRawFd, time::Duration};

use anyhow::Context;
use nix::{
    errno::Errno,
    ifaddrs::getifaddrs,
    net::if_::InterfaceFlags,
    sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, sendto, socket},
};

use crate::netns::Netns;

/// How often it speaks; a real one does every 30 s.
const SPEAK_EVERY: Duration = Duration::from_secs(1);
/// The switch's address, which is its chassis id too.
const CHASSIS: [u8; 6] = [0x02, 0x00, 0x00, 0x0b, 0x05, 0xfe];

/// Speaks until the process ends. `ports`: the names of taps, each with the port's name.
pub fn run(ns: &Netns, switch: &str, ports: &[(String, String)]) -> anyhow::Result<()> {
    ns.enter_thread()?;
    let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None::<SockProtocol>)
        .context("opening a packet socket (needs root)")?;
    let up = InterfaceFlags::IFF_UP | InterfaceFlags::IFF_LOWER_UP;
    loop {
        for interface in getifaddrs()? {
            let Some((_, port)) = ports.iter().find(|(tap, _)| *tap == interface.interface_name) else {
                continue;
            };
            let address = interface.address.as_ref().and_then(|address| address.as_link_addr().copied());
            let Some(address) = address.filter(|_| interface.flags.contains(up)) else { continue };
            match sendto(socket.as_raw_fd(), &frame(switch, port), &address, MsgFlags::empty()) {
                // Unplugged just now, or nobody takes what the tap has.
                Ok(_) | Err(Errno::ENETDOWN | Errno::ENXIO | Errno::ENOBUFS | Errno::EAGAIN) => {}
                Err(error) => tracing::warn!(tap = interface.interface_name, %error, "LLDP frame not sent"),
            }
        }
        std::thread::sleep(SPEAK_EVERY);
    }
}

/// One frame (IEEE 802.1AB section 8): chassis, port, time to live, port description, system name, end.
fn frame(switch: &str, port: &str) -> Vec<u8> {
    let mut out = [&[0x01, 0x80, 0xc2, 0x00, 0x00, 0x0e][..], &CHASSIS, &[0x88, 0xcc]].concat();
    let mut tlv = |kind: u8, value: &[u8]| {
        out.extend([kind << 1, value.len() as u8]);
        out.extend(value);
    };
    tlv(1, &[&[4][..], &CHASSIS].concat());
    tlv(2, &[&[5][..], port.as_bytes()].concat());
    tlv(3, &[0, 120]);
    tlv(4, b"a port of the lab");
    tlv(5, switch.as_bytes());
    tlv(0, &[]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_says_is_understood_by_our_ramdisk() {
        let heard = ramdisk::lldp::parse(&frame("leaf1", "xe-0/0/3")).unwrap();
        assert_eq!((heard.switch.as_str(), heard.port.as_str()), ("leaf1", "xe-0/0/3"));
        assert_eq!(heard.switch_id, "02:00:00:0b:05:fe");
    }
}
