//! Decisions: RMCP presence ping and pong (ASF 2.0 section 3.2.4, IPMI 2.0 section 13.2.3): how one finds a BMC without
//! logging in.

/// RMCP version 1.0, sequence 0xff (no acknowledgement wanted), class ASF; then IANA's number of ASF.
const HEAD: [u8; 8] = [0x06, 0x00, 0xff, 0x06, 0x00, 0x00, 0x11, 0xbe];
const PING: u8 = 0x80;
const PONG: u8 = 0x40;
/// Bytes of data in a pong.
const PONG_DATA: u8 = 16;
/// "Supported entities": IPMI, ASF 1.0.
const SUPPORTS_IPMI: u8 = 0x81;

/// Asks whoever is there; the answer repeats the tag. 0xff is not a tag: nobody answers it.
pub fn ping(tag: u8) -> Vec<u8> {
    let mut out = HEAD.to_vec();
    out.extend([PING, tag, 0, 0]);
    out
}

/// The tag of a ping; none: it is something else.
pub fn parse_ping(datagram: &[u8]) -> Option<u8> {
    match datagram.strip_prefix(&HEAD)? {
        [PING, tag, _, ..] if *tag != 0xff => Some(*tag),
        _ => None,
    }
}

/// The answer to a ping, of a BMC that speaks IPMI.
pub fn pong(tag: u8) -> Vec<u8> {
    let mut out = HEAD.to_vec();
    out.extend([PONG, tag, 0, PONG_DATA]);
    // IANA's number of ASF, no OEM defined, supported entities and interactions, reserved.
    out.extend([0x00, 0x00, 0x11, 0xbe, 0, 0, 0, 0, SUPPORTS_IPMI, 0, 0, 0, 0, 0, 0, 0]);
    out
}

/// The tag of a pong that says that IPMI is spoken; none: it is something else.
pub fn parse_pong(datagram: &[u8]) -> Option<u8> {
    match datagram.strip_prefix(&HEAD)? {
        [PONG, tag, _, length, data @ ..] if *length >= PONG_DATA && data.len() >= usize::from(PONG_DATA) => {
            (data.get(8)? & 0x80 != 0).then_some(*tag)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ping_and_pong_are_as_the_standard_has_them() {
        assert_eq!(ping(7), [6, 0, 0xff, 6, 0, 0, 0x11, 0xbe, 0x80, 7, 0, 0]);
        assert_eq!((parse_ping(&ping(7)), parse_pong(&pong(7))), (Some(7), Some(7)));
        assert_eq!((parse_ping(&pong(7)), parse_pong(&ping(7)), parse_ping(&ping(0xff))), (None, None, None));
        let mut other = pong(7);
        other[20] = 0x01;
        assert_eq!(parse_pong(&other), None, "something that speaks ASF only");
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..64), tag in any::<u8>()) {
            let _ = (parse_ping(&bytes), parse_pong(&bytes));
            let mut cut = pong(tag);
            cut.truncate(bytes.len());
            prop_assert_eq!(parse_pong(&cut).is_some(), cut.len() == pong(tag).len());
        }
    }
}
