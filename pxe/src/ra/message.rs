//! Decisions: which ICMPv6 message is a router solicitation, and what answers it.

use std::net::Ipv6Addr;

use crate::dhcp6::link::Ipv6;

const ROUTER_SOLICITATION: u8 = 133;
const ROUTER_ADVERTISEMENT: u8 = 134;
const OPTION_PREFIX: u8 = 3;
const FLAG_ON_LINK: u8 = 0x80;
const PREFIX_LEN: u8 = 64;

/// Addresses are given by DHCPv6.
const FLAG_MANAGED: u8 = 0x80;

/// The prefix that is announced where IPv6 is not served; nothing is ever sent to it, so all such networks share it.
pub const PREFIX: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x62, 0x6d, 0x73, 0, 0, 0, 0);

/// For how many seconds the prefix is good.
const PREFIX_LIFETIME_S: u32 = 600;

/// Whether this ICMPv6 message asks for routers (RFC 4861 section 4.1). Its checksum is the kernel's business.
pub fn is_solicitation(message: &[u8]) -> bool {
    message.len() >= 8 && message.first() == Some(&ROUTER_SOLICITATION) && message.get(1) == Some(&0)
}

/// The advertisement (RFC 4861 section 4.2); the kernel fills in its checksum. Where IPv6 is served, clients learn of it that they are to
/// ask by DHCPv6, and that their neighbours, of whom we are one, are on this link: an address lent by DHCPv6 says nothing of that (RFC 5942).
pub fn advertisement(served: Option<&Ipv6>) -> Vec<u8> {
    let (flags, prefix, prefix_len) = match served {
        Some(ipv6) => (FLAG_MANAGED, ipv6.prefix(), ipv6.prefix_len),
        // Neither M nor O.
        None => (0, PREFIX, PREFIX_LEN),
    };
    let mut out = vec![ROUTER_ADVERTISEMENT, 0, 0, 0];
    // Hop limit unspecified; router lifetime 0: nobody's default router.
    out.extend_from_slice(&[0, flags, 0, 0]);
    out.extend_from_slice(&[0; 8]); // reachable and retransmission time unspecified
    // Nobody makes an address of it (RFC 4862): then we should not know whose it is.
    out.extend_from_slice(&[OPTION_PREFIX, 4, prefix_len, FLAG_ON_LINK]);
    out.extend_from_slice(&PREFIX_LIFETIME_S.to_be_bytes());
    out.extend_from_slice(&PREFIX_LIFETIME_S.to_be_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&prefix.octets());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_solicitations_are_answered() {
        let check = |message: &[u8], expected| assert_eq!(is_solicitation(message), expected, "{message:?}");
        check(&[133, 0, 0, 0, 0, 0, 0, 0], true);
        check(&[133, 0, 0, 0, 0, 0, 0], false);
        check(&[133, 1, 0, 0, 0, 0, 0, 0], false);
        check(&[134, 0, 0, 0, 0, 0, 0, 0], false);
        check(&[], false);
    }

    #[test]
    fn the_advertisement_is_well_formed_and_offers_no_route() {
        let message = advertisement(None);
        assert_eq!(message.len(), 16 + 32);
        assert_eq!(message.get(6..8), Some([0, 0].as_slice()), "router lifetime");
        assert_eq!(message.get(5), Some(&0), "flags");
        assert_eq!(message.get(17), Some(&4), "option length in units of 8 bytes");
    }

    #[test]
    fn where_ipv6_is_served_it_says_so_and_which_addresses_are_neighbours() {
        let ipv6: Ipv6 = "2001:db8:0:7::1/80".parse().unwrap();
        let message = advertisement(Some(&ipv6));
        assert_eq!(message.get(5..8), Some([0x80, 0, 0].as_slice()), "DHCPv6, and nobody's router");
        assert_eq!(
            message.get(18..20),
            Some([80, 0x80].as_slice()),
            "on the link, and not to be made an address of"
        );
        assert_eq!(message.get(32..), Some(ipv6.prefix().octets().as_slice()));
    }
}
