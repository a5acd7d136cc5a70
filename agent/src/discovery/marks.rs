//! Decisions: by what a BMC is known before anybody logs in to it, read of what it shows to everybody.
//!
//! A Redfish root names its service's UUID; Dell's names the service tag and the BMC's Ethernet address besides, HPE's the BMC's host name, which
//! is "ILO" and the serial number unless somebody changed it, and Supermicro's UUID ends with the BMC's Ethernet address.

use std::{collections::HashSet, net::Ipv4Addr};

use protocol::{
    bmc_mark::{BmcMark, MARKS_MAX},
    mac::MacAddr,
};
use serde_json::Value;

/// The name that a BMC of HPE gives itself, before the serial number.
const HPE_HOST: &str = "ILO";
/// The UUIDs of Supermicro's services, before the Ethernet address.
const SUPERMICRO_UUID: &str = "00000000-0000-0000-0000-";
/// A complete entry of Linux's ARP table (`ATF_COM`).
const COMPLETE: u32 = 0x02;

/// What a Redfish root says.
pub(super) fn of_root(root: &Value) -> Vec<BmcMark> {
    let text = |pointer: &str| root.pointer(pointer).and_then(Value::as_str).unwrap_or_default().trim();
    let mac = |text: &str| text.parse().ok().map(BmcMark::Mac);
    let uuid = text("/UUID");
    let mut marks: Vec<BmcMark> = BmcMark::uuid(uuid).into_iter().collect();
    marks.extend(uuid.strip_prefix(SUPERMICRO_UUID).and_then(unpunctuated).map(BmcMark::Mac));
    marks.extend(BmcMark::serial(text("/Oem/Dell/ServiceTag")));
    marks.extend(mac(text("/Oem/Dell/ManagerMACAddress")));
    for name in ["/Oem/Hpe/Manager/0/HostName", "/Oem/Hp/Manager/0/HostName"] {
        marks.extend(text(name).strip_prefix(HPE_HOST).and_then(BmcMark::serial));
    }
    without_doubles(marks)
}

/// The Ethernet address at an IP address, in Linux's ARP table (`/proc/net/arp`).
pub(super) fn neighbour(table: &str, address: Ipv4Addr) -> Option<MacAddr> {
    let address = address.to_string();
    let of_line = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let (at, _kind, flags, mac) = (words.next()?, words.next()?, words.next()?, words.next()?);
        let flags = flags.strip_prefix("0x")?.chars().next_back()?.to_digit(16)?;
        (at == address && flags & COMPLETE != 0).then(|| mac.parse().ok())?
    };
    table.lines().find_map(of_line).filter(|mac| *mac != MacAddr([0; 6]))
}

/// Each once, and not too many.
pub(super) fn without_doubles(marks: Vec<BmcMark>) -> Vec<BmcMark> {
    let mut seen = HashSet::new();
    marks.into_iter().filter(|mark| seen.insert(mark.clone())).take(MARKS_MAX).collect()
}

/// An Ethernet address of twelve digits.
fn unpunctuated(text: &str) -> Option<MacAddr> {
    let bytes: [u8; 6] = protocol::hex::decode_array(text)?;
    let is_ones_own = bytes[0] & 1 == 0 && bytes != [0; 6];
    is_ones_own.then_some(MacAddr(bytes))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_root_is_read_as_its_maker_writes_it() {
        let check = |root: Value, expected: &[&str]| {
            let marks: Vec<_> = of_root(&root).iter().map(ToString::to_string).collect();
            assert_eq!(marks, expected, "{root}");
        };
        check(json!({}), &[]);
        check(json!({ "UUID": null, "Oem": { "Dell": [] } }), &[]);
        check(
            json!({ "Oem": { "Dell": { "ServiceTag": "7X0AB12", "ManagerMACAddress": "B0:7B:25:00:00:5a" } } }),
            &["serial:7x0ab12", "mac:b0:7b:25:00:00:5a"],
        );
        check(
            json!({ "UUID": "00000000-0000-0000-0000-3CECEF000001" }),
            &["uuid:00000000-0000-0000-0000-3cecef000001", "mac:3c:ec:ef:00:00:01"],
        );
        check(json!({ "UUID": "00000000-0000-0000-0000-000000000000" }), &[]);
        check(
            json!({ "Oem": { "Hpe": { "Manager": [{ "HostName": "ILOCZ3100AB12" }] } } }),
            &["serial:cz3100ab12"],
        );
        check(json!({ "Oem": { "Hpe": { "Manager": [{ "HostName": "rack7-bmc" }] } } }), &[]);
    }

    #[test]
    fn the_arp_table_is_read_as_linux_writes_it() {
        let table = "IP address       HW type     Flags       HW address            Mask     Device\n\
                     198.51.100.11    0x1         0x2         3c:ec:ef:00:00:01     *        eno1\n\
                     198.51.100.12    0x1         0x0         00:00:00:00:00:00     *        eno1\n\
                     198.51.100.13    0x1         0x0         3c:ec:ef:00:00:03     *        eno1\n\
                     198.51.100.1     0x1         0x2         3c:ec:ef:00:00:02     *        eno1\n";
        let check = |last: u8, expected: Option<&str>| {
            let found = neighbour(table, Ipv4Addr::new(198, 51, 100, last));
            assert_eq!(found.map(|mac| mac.to_string()).as_deref(), expected, "{last}");
        };
        check(11, Some("3c:ec:ef:00:00:01"));
        check(12, None);
        check(1, Some("3c:ec:ef:00:00:02"));
        // Nobody answers there any more.
        check(13, None);
        check(14, None);
        assert_eq!(neighbour("", Ipv4Addr::LOCALHOST), None);
    }
}
