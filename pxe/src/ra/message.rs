//! Decisions: which ICMPv6 message is a router solicitation, and what answers it.

use std::net::Ipv6Addr;

const ROUTER_SOLICITATION: u8 = 133;
const ROUTER_ADVERTISEMENT: u8 = 134;
const OPTION_PREFIX: u8 = 3;
const FLAG_ON_LINK: u8 = 0x80;
const PREFIX_LEN: u8 = 64;

/// The prefix that is announced; nothing is ever sent to it, so all networks share it.
pub const PREFIX: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x62, 0x6d, 0x73, 0, 0, 0, 0);

/// For how many seconds the prefix is good.
const PREFIX_LIFETIME_S: u32 = 600;

/// Whether this ICMPv6 message asks for routers (RFC 4861 section 4.1). Its checksum is the kernel's business.
pub fn is_solicitation(message: &[u8]) -> bool {
    message.len() >= 8 && message.first() == Some(&ROUTER_SOLICITATION) && message.get(1) == Some(&0)
}

/// The advertisement (RFC 4861 section 4.2); the kernel fills in its checksum.
pub fn advertisement() -> Vec<u8> {
    let mut out = vec![ROUTER_ADVERTISEMENT, 0, 0, 0];
    // Hop limit unspecified; no DHCPv6 (neither M nor O); router lifetime 0: nobody's default router.
    out.extend_from_slice(&[0, 0, 0, 0]);
    out.extend_from_slice(&[0; 8]); // reachable and retransmission time unspecified
    out.extend_from_slice(&[OPTION_PREFIX, 4, PREFIX_LEN, FLAG_ON_LINK]);
    out.extend_from_slice(&PREFIX_LIFETIME_S.to_be_bytes());
    out.extend_from_slice(&PREFIX_LIFETIME_S.to_be_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&PREFIX.octets());
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
        let message = advertisement();
        assert_eq!(message.len(), 16 + 32);
        assert_eq!(message.get(6..8), Some([0, 0].as_slice()), "router lifetime");
        assert_eq!(message.get(5), Some(&0), "flags");
        assert_eq!(message.get(17), Some(&4), "option length in units of 8 bytes");
    }
}
