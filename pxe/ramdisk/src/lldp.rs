//! Edges: what the switches say of the ports that we are plugged into (LLDP, IEEE 802.1AB). We listen, and say nothing.
//!
//! Whether a frame is believed is for others to decide: whoever sits on the wire can send one.

use std::{
    collections::HashMap,
    os::fd::AsRawFd,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    sys::{
        socket::{
            AddressFamily, LinkAddr, SockFlag, SockProtocol, SockType, recvfrom, setsockopt, socket, sockopt,
        },
        time::{TimeVal, TimeValLike},
    },
};
use protocol::{hardware::Neighbour, mac::MacAddr};

use crate::{kernel, network::Interface, say, system::read_line};

/// EtherType of LLDP.
const ETHERTYPE: [u8; 2] = [0x88, 0xcc];
/// Where its frames are sent to: the nearest bridge, the nearest bridge that is no relay, the nearest customer bridge.
const DESTINATIONS: [[u8; 6]; 3] =
    [[1, 0x80, 0xc2, 0, 0, 0x0e], [1, 0x80, 0xc2, 0, 0, 0x03], [1, 0x80, 0xc2, 0, 0, 0]];
/// Bytes before the content.
const HEADER: usize = 14;
/// Longest frame that is looked at.
const FRAME_BYTES_MAX: usize = 1600;
/// Longest text that is kept of one.
pub const TEXT_CHARS_MAX: usize = 255;
/// How often the end of the wait is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Listens on these interfaces until each one with a link has heard its switch, or the time is over.
pub fn listen(interfaces: &[Interface], wait: Duration) -> HashMap<MacAddr, Neighbour> {
    let mut heard = HashMap::new();
    if let Err(error) = try_listen(interfaces, wait, &mut heard) {
        say!("cannot listen to switches: {error}");
    }
    heard
}

fn try_listen(
    interfaces: &[Interface],
    wait: Duration,
    heard: &mut HashMap<MacAddr, Neighbour>,
) -> nix::Result<()> {
    let protocol = SockProtocol::EthAll;
    let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)?;
    setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::milliseconds(LOOK_EVERY.as_millis() as i64))?;
    let mut by_index: HashMap<usize, MacAddr> = HashMap::new();
    for interface in interfaces {
        kernel::hear_multicast(&interface.name)?;
        if let Ok(index) = read_line(interface.file("ifindex")).parse() {
            by_index.insert(index, interface.mac);
        }
    }
    let end = Instant::now() + wait;
    let mut frame = [0; FRAME_BYTES_MAX];
    while Instant::now() < end {
        let missing = interfaces.iter().any(|one| one.carrier() && !heard.contains_key(&one.mac));
        if !missing {
            break;
        }
        let (length, from) = match recvfrom::<LinkAddr>(socket.as_raw_fd(), &mut frame) {
            Ok((length, Some(from))) => (length, from),
            Ok((_, None)) | Err(Errno::EAGAIN | Errno::EINTR | Errno::ENETDOWN) => continue,
            Err(error) => return Err(error),
        };
        let Some(mac) = by_index.get(&from.ifindex()) else { continue };
        if let Some(neighbour) = parse(frame.get(..length).unwrap_or_default()) {
            say!("{mac} is plugged into {} {}", neighbour.switch, neighbour.port);
            heard.insert(*mac, neighbour);
        }
    }
    Ok(())
}

/// Reads one Ethernet frame; none: it is not LLDP, is damaged, or says goodbye.
pub fn parse(frame: &[u8]) -> Option<Neighbour> {
    let (header, mut rest) = frame.split_at_checked(HEADER)?;
    let is_ours = DESTINATIONS.iter().any(|to| header.starts_with(to)) && header.ends_with(&ETHERTYPE);
    if !is_ours {
        return None;
    }
    let (mut chassis, mut port, mut live) = (None, None, false);
    let mut found = Neighbour::default();
    // Section 8.4: type in 7 bits, length in 9, then the value; chassis, port and time to live come first.
    while let Some((&[high, low], after)) = rest.split_first_chunk::<2>() {
        let length = usize::from(high & 1) << 8 | usize::from(low);
        let (value, next) = after.split_at_checked(length)?;
        rest = next;
        match high >> 1 {
            0 => break,
            1 => chassis = value.split_first(),
            2 => port = value.split_first(),
            // A time to live of 0 takes back what was said.
            3 => live = value.first_chunk::<2>().is_some_and(|seconds| *seconds != [0, 0]),
            4 => found.port_description = text(value),
            5 => found.switch = text(value),
            _ => {}
        }
    }
    let (chassis, port) = (chassis?, port?);
    if !live {
        return None;
    }
    found.switch_id = match chassis {
        (4, mac) => mac_text(mac)?,
        (_, value) => text(value),
    };
    found.port = match port {
        // Interface alias, interface name.
        (1 | 5, name) => text(name),
        // A number of the switch's own, or an address: the description is the name that people use.
        (_, _) if !found.port_description.is_empty() => found.port_description.clone(),
        (3, mac) => mac_text(mac)?,
        (_, value) => text(value),
    };
    Some(found)
}

fn mac_text(bytes: &[u8]) -> Option<String> {
    Some(MacAddr(bytes.try_into().ok()?).to_string())
}

/// Printable characters only: it is shown to people.
fn text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars().filter(|c| !c.is_control()).take(TEXT_CHARS_MAX).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tlv(kind: u8, value: &[u8]) -> Vec<u8> {
        let length = value.len();
        [&[kind << 1 | (length >> 8) as u8, length as u8], value].concat()
    }

    fn frame(tlvs: &[(u8, &[u8])]) -> Vec<u8> {
        let mut out = [&DESTINATIONS[0][..], &[2, 0, 0, 0, 0, 1], &ETHERTYPE].concat();
        tlvs.iter().for_each(|(kind, value)| out.extend(tlv(*kind, value)));
        out.extend([0, 0]);
        out
    }

    const CHASSIS: (u8, &[u8]) = (1, &[4, 2, 0, 0, 0, 0, 1]);
    const TTL: (u8, &[u8]) = (3, &[0, 120]);

    #[test]
    fn a_switch_port_is_understood() {
        let check = |tlvs: &[(u8, &[u8])], expected: Option<[&str; 4]>| {
            let seen = parse(&frame(tlvs));
            let seen = seen.as_ref().map(|n| {
                [n.switch.as_str(), n.switch_id.as_str(), n.port.as_str(), n.port_description.as_str()]
            });
            assert_eq!(seen, expected);
        };
        let (name, by_name, by_number) =
            ((5, &b"leaf1"[..]), (2, &b"\x05xe-0/0/3"[..]), (2, &b"\x07531"[..]));
        let id = "02:00:00:00:00:01";
        check(&[CHASSIS, by_name, TTL, name], Some(["leaf1", id, "xe-0/0/3", ""]));
        check(&[CHASSIS, by_name, TTL, (4, b"rack 1"), name], Some(["leaf1", id, "xe-0/0/3", "rack 1"]));
        check(
            &[CHASSIS, by_number, TTL, (4, b"xe-0/0/4"), name],
            Some(["leaf1", id, "xe-0/0/4", "xe-0/0/4"]),
        );
        check(&[CHASSIS, by_number, TTL, name], Some(["leaf1", id, "531", ""]));
        check(&[CHASSIS, by_name, TTL, (5, b"le\x1b[2Jaf")], Some(["le[2Jaf", id, "xe-0/0/3", ""]));
        check(&[CHASSIS, by_name, (3, &[0, 0]), name], None);
        check(&[CHASSIS, by_name, name], None);
        check(&[by_name, TTL, name], None);
        check(&[(1, &[4, 2]), by_name, TTL], None);
        let mut other = frame(&[CHASSIS, by_name, TTL]);
        other[12] = 8;
        assert_eq!(parse(&other), None, "another protocol");
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = parse(&bytes);
            let framed = [&frame(&[])[..HEADER], &bytes].concat();
            if let Some(found) = parse(&framed) {
                prop_assert!(found.port.chars().count() <= TEXT_CHARS_MAX);
            }
        }

        #[test]
        fn a_cut_frame_says_nothing_false(cut in 0usize..200) {
            let whole = frame(&[CHASSIS, (2, b"\x05xe-0/0/3"), TTL, (5, b"leaf1")]);
            let cut = cut.min(whole.len());
            if let Some(found) = parse(&whole[..cut]) {
                prop_assert_eq!(found.port, "xe-0/0/3");
                prop_assert!(found.switch.is_empty() || found.switch == "leaf1");
            }
        }
    }
}
