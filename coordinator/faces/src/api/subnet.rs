//! Decisions: which subnet a tenant's network may have.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::problem::Problem;

/// Prefix lengths that leave a server an address and a network its gateway, and no network more than a /8.
const LENGTHS: std::ops::RangeInclusive<u8> = 8..=29;
/// What no server can have for its own (RFC 6890, section 2.2.2; multicast: RFC 5771), with what it is.
const NOBODYS: [(Ipv4Net, &str); 5] = [
    (net([0, 0, 0, 0], 8), "\"this network\""),
    (net([127, 0, 0, 0], 8), "each host's own loopback"),
    (net([169, 254, 0, 0], 16), "link-local, where metadata services answer"),
    (net([224, 0, 0, 0], 4), "for multicast"),
    (net([240, 0, 0, 0], 4), "reserved, and the broadcast address lies in it"),
];

const fn net([a, b, c, d]: [u8; 4], length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

/// Refuses a text that is no subnet in which servers can have addresses.
pub fn check_subnet(text: &str) -> Result<(), Problem> {
    let bad =
        |why: &str| Problem::bad_at("subnet", format!("{text:?} {why}; write one such as 192.0.2.0/24"));
    let (address, length) = text.split_once('/').ok_or_else(|| bad("has no prefix length"))?;
    let address: Ipv4Addr = address.parse().map_err(|_| bad("does not begin with an IPv4 address"))?;
    let length = length.parse().ok().filter(|length| LENGTHS.contains(length));
    let subnet = length.and_then(|length| Ipv4Net::new(address, length).ok());
    let subnet = subnet.ok_or_else(|| bad("needs a prefix length from 8 to 29"))?;
    if subnet.network() != address {
        return Err(bad("has bits beyond its prefix"));
    }
    // Of two prefixes that share an address one lies in the other.
    match NOBODYS.iter().find(|(theirs, _)| theirs.contains(&subnet) || subnet.contains(theirs)) {
        None => Ok(()),
        Some((theirs, what)) => Err(bad(&format!("lies in {theirs}, which is {what}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subnets_are_such_that_servers_can_have_addresses_in_them() {
        let check = |text: &str, expected: &str| match check_subnet(text) {
            Ok(()) => assert_eq!(expected, "", "{text}"),
            Err(problem) => {
                let said = &problem.detail;
                assert!(!expected.is_empty() && said.contains(expected) && said.contains(text), "{said}");
            }
        };
        for good in
            ["192.0.2.0/24", "198.18.0.0/15", "10.0.0.0/8", "100.64.0.0/10", "223.255.255.0/24", "1.0.0.0/8"]
        {
            check(good, "");
        }
        check("192.0.2.1/24", "has bits beyond its prefix");
        check("192.0.2.0", "has no prefix length");
        check("2001:db8::/64", "does not begin with an IPv4 address");
        for length in ["30", "7", "0", "x", "-1", "256"] {
            check(&format!("192.0.2.0/{length}"), "needs a prefix length");
        }
        check("0.0.0.0/8", "0.0.0.0/8");
        check("0.1.2.0/24", "this network");
        check("127.0.0.0/8", "loopback");
        check("127.255.255.0/24", "loopback");
        check("169.254.0.0/16", "metadata");
        check("169.254.169.248/29", "metadata");
        check("168.0.0.0/6", "needs a prefix length");
        check("169.0.0.0/8", "metadata");
        check("224.0.0.0/8", "multicast");
        check("239.255.0.0/16", "multicast");
        check("240.0.0.0/8", "reserved");
        check("255.255.255.0/24", "broadcast");
    }
}
