//! Decisions: whether anybody was seen on a network where it must not be.
//!
//! The machine's own log says when it ran our ramdisk (booted from the network) and when the tenant's system (booted from
//! its disk). The listeners say who was seen on which bridge. A ramdisk's frames belong on the provisioning and cleaning
//! networks only, a tenant's frames on the tenant's network only. Neither log is written by the programs under test.

use protocol::{boot::BootDevice, mac::MacAddr};
use serde::{Deserialize, Serialize};

use crate::power_event::PowerEvent;

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

/// The bridges of the provisioning and the cleaning network.
pub const BOOT_BRIDGES: [&str; 2] = ["br-prov", "br-clean"];

/// Every frame that was seen where it must not be, as a sentence.
pub fn strays(server: &str, mac: MacAddr, events: &[PowerEvent], seen: &[Seen]) -> Vec<String> {
    let mut strays = Vec::new();
    for frame in seen.iter().filter(|frame| frame.source == mac) {
        let on_boot_network = BOOT_BRIDGES.contains(&frame.bridge.as_str());
        let running =
            events.iter().rev().find(|event| event.at_us <= frame.at_us).and_then(|event| event.boot);
        let who = match (running, on_boot_network) {
            (Some(BootDevice::Pxe), true) | (Some(BootDevice::Disk), false) => continue,
            (Some(BootDevice::Pxe), false) => "while it was being inspected, provisioned or cleaned",
            (Some(BootDevice::Disk), true) => "while it ran the tenant's system",
            (None, _) => "while it had no power",
        };
        strays.push(format!("{server} ({mac}) was seen on {} {who}, at {} us", frame.bridge, frame.at_us));
    }
    strays
}

/// Every frame of a rescue that was seen where it must not be: of the ramdisk on a tenant's network before it let go of its
/// server, or on a network of ours once its tenant could reach it.
pub fn rescue_strays(server: &str, mac: MacAddr, boot_us: u64, let_go_us: u64, seen: &[Seen]) -> Vec<String> {
    let own = || seen.iter().filter(|frame| frame.source == mac && frame.at_us >= boot_us);
    let on_boot_network = |frame: &&Seen| BOOT_BRIDGES.contains(&frame.bridge.as_str());
    let changed_us = own().filter(|frame| !on_boot_network(frame)).map(|frame| frame.at_us).min();
    let is_stray = |frame: &&Seen| match on_boot_network(frame) {
        false => frame.at_us < let_go_us,
        true => changed_us.is_some_and(|changed_us| frame.at_us > changed_us),
    };
    let tell = |frame: &Seen| format!("{server} ({mac}) was seen on {} at {} us", frame.bridge, frame.at_us);
    own().filter(is_stray).map(tell).collect()
}

/// How many frames of a server were seen on boot networks and on tenants' networks; none seen would prove nothing.
pub fn counts(mac: MacAddr, seen: &[Seen]) -> (usize, usize) {
    let own = seen.iter().filter(|frame| frame.source == mac);
    let (boot, tenant): (Vec<_>, Vec<_>) =
        own.partition(|frame| BOOT_BRIDGES.contains(&frame.bridge.as_str()));
    (boot.len(), tenant.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_judged_by_what_the_machine_ran() {
        let mac: MacAddr = "52:54:00:00:00:01".parse().unwrap();
        let events = [
            PowerEvent { at_us: 100, boot: Some(BootDevice::Pxe) },
            PowerEvent { at_us: 200, boot: None },
            PowerEvent { at_us: 300, boot: Some(BootDevice::Disk) },
        ];
        let check = |at_us: u64, bridge: &str, expected: usize| {
            let seen = [Seen { at_us, bridge: bridge.to_owned(), source: mac }];
            assert_eq!(strays("srv1", mac, &events, &seen).len(), expected, "{at_us} {bridge}");
        };
        check(150, "br-prov", 0);
        check(150, "br-clean", 0);
        check(150, "br-vn-1", 1);
        check(250, "br-vn-1", 1);
        check(350, "br-vn-1", 0);
        check(350, "br-clean", 1);
        check(50, "br-clean", 1);
    }

    #[test]
    fn a_rescue_changes_networks_once() {
        let mac: MacAddr = "52:54:00:00:00:01".parse().unwrap();
        let check = |frames: &[(u64, &str)], expected: usize| {
            let frame = |(at_us, bridge): &(u64, &str)| Seen {
                at_us: *at_us,
                bridge: (*bridge).to_owned(),
                source: mac,
            };
            let seen: Vec<_> = frames.iter().map(frame).collect();
            assert_eq!(rescue_strays("srv1", mac, 100, 200, &seen).len(), expected, "{frames:?}");
        };
        check(&[(50, "br-vn-1"), (150, "br-prov"), (210, "br-prov"), (220, "br-vn-1")], 0);
        check(&[(150, "br-vn-1")], 1);
        check(&[(150, "br-prov"), (220, "br-vn-1"), (230, "br-prov")], 1);
    }
}
