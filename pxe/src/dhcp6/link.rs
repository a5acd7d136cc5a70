//! Values: the IPv6 side of a boot network, and which IPv6 address belongs to which IPv4 address of it.

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use protocol::mac::MacAddr;
use serde::Deserialize;

use crate::firmware::base_url;

/// Lengths of prefixes that can be served: an IPv4 address fits behind the longest, and no shorter one is a link's (RFC 4291
/// section 2.5.4).
pub const PREFIX_LENGTHS: std::ops::RangeInclusive<u8> = 64..=96;

/// DUID-LL of Ethernet (RFC 8415 section 11.4): the address follows.
const DUID_LL_ETHERNET: [u8; 4] = [0, 3, 0, 1];

/// The IPv6 side of a network, as it is configured: read from `ADDRESS/LENGTH`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Ipv6 {
    /// The agent's address on the network.
    pub address: Ipv6Addr,
    /// Length of its prefix.
    pub prefix_len: u8,
    /// DHCPv6 relays that are believed, by the address from which they send.
    pub relays: Vec<Ipv6Addr>,
}

/// Why a network has no such IPv6 side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIpv6 {
    /// Too short or too long.
    #[error("the prefix length {0} is not between {start} and {end}", start = PREFIX_LENGTHS.start(), end = PREFIX_LENGTHS.end())]
    Prefix(u8),
    /// Nobody can be reached by it, or only on this very link.
    #[error(
        "{0} is not an address that a loader's URL can name; take a unique local one (RFC 4193) or a global one"
    )]
    Address(Ipv6Addr),
    /// Some server gets the same.
    #[error(
        "{own} is also the address of the server that has the IPv4 address {server}; end it with the agent's own IPv4 address, or with \
         ::1"
    )]
    Servers {
        /// The agent's.
        own: Ipv6Addr,
        /// Whose it would be.
        server: Ipv4Addr,
    },
}

/// Why a text names no IPv6 side.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an address with the length of its prefix, such as 2001:db8::1/64")]
pub struct InvalidText(String);

impl FromStr for Ipv6 {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let (address, prefix_len) = text.split_once('/')?;
            Some(Self {
                address: address.parse().ok()?,
                prefix_len: prefix_len.parse().ok()?,
                relays: Vec::new(),
            })
        };
        read().ok_or_else(|| InvalidText(text.to_owned()))
    }
}

impl TryFrom<String> for Ipv6 {
    type Error = InvalidText;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl Ipv6 {
    /// Checks it against the network's other side: `is_server` says which IPv4 addresses may be servers'.
    pub fn check(&self, is_server: impl Fn(Ipv4Addr) -> bool) -> Result<(), InvalidIpv6> {
        let own = self.address;
        if !PREFIX_LENGTHS.contains(&self.prefix_len) {
            return Err(InvalidIpv6::Prefix(self.prefix_len));
        }
        let is_usable = !own.is_unspecified() && !own.is_loopback() && !own.is_multicast();
        if !is_usable || own.is_unicast_link_local() || own.to_ipv4_mapped().is_some() {
            return Err(InvalidIpv6::Address(own));
        }
        match self.ipv4_of(own).filter(|server| is_server(*server)) {
            Some(server) => Err(InvalidIpv6::Servers { own, server }),
            None => Ok(()),
        }
    }

    /// The prefix: all behind it is zero.
    pub fn prefix(&self) -> Ipv6Addr {
        Ipv6Addr::from(u128::from(self.address) & self.mask())
    }

    /// The IPv6 address of whoever has this IPv4 address.
    pub fn address_of(&self, address: Ipv4Addr) -> Ipv6Addr {
        Ipv6Addr::from(u128::from(self.prefix()) | u128::from(u32::from(address)))
    }

    /// The other way round; none: we have given this address to nobody.
    pub fn ipv4_of(&self, address: Ipv6Addr) -> Option<Ipv4Addr> {
        let [.., a, b, c, d] = address.octets();
        let lent = Ipv4Addr::new(a, b, c, d);
        (self.address_of(lent) == address).then_some(lent)
    }

    /// Whether an address lies on this network.
    pub fn contains(&self, address: Ipv6Addr) -> bool {
        u128::from(address) & self.mask() == u128::from(self.prefix())
    }

    fn mask(&self) -> u128 {
        u128::MAX.checked_shl(128_u32.saturating_sub(self.prefix_len.into())).unwrap_or(0)
    }
}

/// The network on which messages arrive.
#[derive(Clone, Debug)]
pub struct Link {
    /// As it is configured.
    pub ipv6: Ipv6,
    /// TCP port of the boot files.
    pub http_port: u16,
    /// The server's DUID, by which clients tell servers apart. Of the interface, so that it stays the same.
    pub server_id: Vec<u8>,
}

impl Link {
    /// The link of an interface.
    pub fn new(ipv6: Ipv6, http_port: u16, interface: MacAddr) -> Self {
        let server_id = DUID_LL_ETHERNET.into_iter().chain(interface.0).collect();
        Self { ipv6, http_port, server_id }
    }

    /// The start of every URL, without a slash at its end.
    pub fn base_url(&self) -> String {
        base_url(self.ipv6.address.into(), self.http_port)
    }

    /// A file's URL (RFC 5970 section 3.1), where `file` is a URL already or a name by TFTP.
    pub fn url(&self, file: &str) -> String {
        match file.contains("://") {
            true => file.to_owned(),
            false => format!("tftp://[{}]/{}", self.ipv6.address, file.trim_start_matches('/')),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ipv6(address: &str, prefix_len: u8) -> Ipv6 {
        Ipv6 { address: address.parse().unwrap(), prefix_len, relays: Vec::new() }
    }

    #[test]
    fn an_address_of_the_one_family_is_one_of_the_other() {
        let network = ipv6("2001:db8:0:7::1", 64);
        let lent = Ipv4Addr::new(198, 18, 1, 50);
        let address: Ipv6Addr = "2001:db8:0:7::c612:132".parse().unwrap();
        assert_eq!(
            (network.prefix().to_string().as_str(), network.address_of(lent)),
            ("2001:db8:0:7::", address)
        );
        let check = |text: &str, expected: Option<Ipv4Addr>, inside: bool| {
            let address = text.parse().unwrap();
            assert_eq!((network.ipv4_of(address), network.contains(address)), (expected, inside), "{text}");
        };
        check("2001:db8:0:7::c612:132", Some(lent), true);
        // One that it has given itself, one of another link, and the other family's own notation.
        check("2001:db8:0:7:5054:ff:fe12:3457", None, true);
        check("2001:db8:0:8::c612:132", None, false);
        check("::ffff:198.18.1.50", None, false);
    }

    #[test]
    fn what_cannot_be_served_is_refused() {
        let check = |address: &str, prefix_len, expected: Result<(), &str>| {
            let is_server =
                |address: Ipv4Addr| address.octets()[..3] == [198, 18, 1] && address.octets()[3] != 1;
            let said = ipv6(address, prefix_len).check(is_server).map_err(|error| error.to_string());
            let fits = match (&said, expected) {
                (Ok(()), Ok(())) => true,
                (Err(said), Err(expected)) => said.contains(expected),
                _ => false,
            };
            assert!(fits, "{address}/{prefix_len}: {said:?}");
        };
        for text in ["2001:db8::1", "2001:db8::1/x", "/64", "198.18.1.1/24", "2001:db8::1/64/64"] {
            assert!(
                text.parse::<Ipv6>().unwrap_err().to_string().contains("such as 2001:db8::1/64"),
                "{text}"
            );
        }
        assert_eq!("2001:db8::1/64".parse(), Ok(ipv6("2001:db8::1", 64)));
        check("2001:db8::1", 64, Ok(()));
        check("fd00:1::c612:101", 96, Ok(()));
        check("2001:db8::1", 63, Err("prefix length 63 is not between 64 and 96"));
        check("2001:db8::1", 97, Err("prefix length 97"));
        check("2001:db8::c612:132", 64, Err("of the server that has the IPv4 address 198.18.1.50"));
        for address in ["::", "::1", "ff02::1", "fe80::1", "::ffff:198.18.1.1"] {
            check(address, 64, Err("is not an address that a loader's URL can name"));
        }
    }

    proptest! {
        #[test]
        fn every_address_comes_back(own in any::<u128>(), prefix_len in PREFIX_LENGTHS, lent in any::<u32>()) {
            let network = Ipv6 { address: own.into(), prefix_len, relays: Vec::new() };
            let address = network.address_of(lent.into());
            prop_assert_eq!(network.ipv4_of(address), Some(lent.into()));
            prop_assert!(network.contains(address));
        }
    }
}
