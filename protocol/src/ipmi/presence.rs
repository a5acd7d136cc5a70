//! Decisions: how one finds a BMC without logging in: RMCP presence ping and pong (ASF 2.0 section 3.2.4, IPMI 2.0 section
//! 13.2.3), and the question that every BMC answers to a stranger (section 22.13).

use super::{
    Privilege,
    command::Request,
    message::{CompletionCode, RequestMessage, ResponseMessage},
    rmcp::{self, Packet},
};

/// RMCP version 1.0, sequence 0xff (no acknowledgement wanted), class ASF; then IANA's number of ASF.
const HEAD: [u8; 8] = [0x06, 0x00, 0xff, 0x06, 0x00, 0x00, 0x11, 0xbe];
/// The same with the bytes of the number in the other order.
const HEAD_SWAPPED: [u8; 8] = [0x06, 0x00, 0xff, 0x06, 0xbe, 0x11, 0x00, 0x00];
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

/// The same with the number of ASF in the wrong byte order and tag 0, as some BMCs send it.
pub fn pong_swapped() -> Vec<u8> {
    let mut out = pong(0);
    out[..HEAD.len()].copy_from_slice(&HEAD_SWAPPED);
    out[12..16].copy_from_slice(&HEAD_SWAPPED[4..]);
    out
}

/// The tag of a pong that says that IPMI is spoken; none: it is something else. Some BMCs write the number of ASF in the wrong
/// byte order.
pub fn parse_pong(datagram: &[u8]) -> Option<u8> {
    let rest = datagram.strip_prefix(&HEAD).or_else(|| datagram.strip_prefix(&HEAD_SWAPPED))?;
    match rest {
        [PONG, tag, _, length, data @ ..] if *length >= PONG_DATA && data.len() >= usize::from(PONG_DATA) => {
            (data.get(8)? & 0x80 != 0).then_some(*tag)
        }
        _ => None,
    }
}

/// Get Channel Authentication Capabilities, as a stranger asks it: for BMCs that know no ping.
pub fn question() -> Vec<u8> {
    let (netfn, command, data) = QUESTION.encode();
    rmcp::build_plain(&RequestMessage { netfn, command, sequence: 0, data: &data }.build())
}

/// Whether this answers [`question`], in whatever words: somebody speaks IPMI.
pub fn is_answer(datagram: &[u8]) -> bool {
    let Ok(Packet::Plain(message)) = rmcp::parse(datagram, |_| 0) else { return false };
    let (netfn, command, _) = QUESTION.encode();
    ResponseMessage::parse(message).is_ok_and(|answer| (answer.netfn, answer.command) == (netfn, command))
}

/// Get System GUID (section 22.14), as a stranger asks it. Not every BMC answers it.
pub fn guid_question() -> Vec<u8> {
    let (netfn, command, data) = Request::SystemGuid.encode();
    rmcp::build_plain(&RequestMessage { netfn, command, sequence: 0, data: &data }.build())
}

/// The bytes of the GUID in the answer to [`guid_question`]; none: it is something else, or a refusal.
pub fn guid_answer(datagram: &[u8]) -> Option<[u8; 16]> {
    let Ok(Packet::Plain(message)) = rmcp::parse(datagram, |_| 0) else { return None };
    let answer = ResponseMessage::parse(message).ok()?;
    let (netfn, command, _) = Request::SystemGuid.encode();
    let is_it = (answer.netfn, answer.command) == (netfn, command) && answer.code == CompletionCode::OK;
    if is_it { answer.data.get(..16)?.try_into().ok() } else { None }
}

const QUESTION: Request = Request::ChannelAuthCapabilities { privilege: Privilege::User };

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
        // As OpenBMC sends it.
        let swapped = [
            &[6, 0, 0xff, 6, 0xbe, 0x11, 0, 0, 0x40, 0, 0, 16, 0xbe, 0x11, 0, 0][..],
            &[0; 4],
            &[0x81],
            &[0; 7],
        ];
        assert_eq!(pong_swapped(), swapped.concat());
        assert_eq!(parse_pong(&pong_swapped()), Some(0));
    }

    #[test]
    fn whoever_answers_the_question_speaks_ipmi() {
        let answer = |netfn, command, code| {
            let code = CompletionCode(code);
            rmcp::build_plain(&ResponseMessage { netfn, command, sequence: 0, code, data: &[] }.build())
        };
        assert!(is_answer(&answer(6, 0x38, 0)) && is_answer(&answer(6, 0x38, 0xcc)));
        assert!(!is_answer(&answer(6, 0x01, 0)) && !is_answer(&question()) && !is_answer(&pong(1)));
    }

    #[test]
    fn a_guid_is_read_of_a_whole_answer_only() {
        let answer = |command, code, data: &[u8]| {
            let code = CompletionCode(code);
            rmcp::build_plain(&ResponseMessage { netfn: 6, command, sequence: 0, code, data }.build())
        };
        let guid = [7; 16];
        assert_eq!(guid_answer(&answer(0x37, 0, &guid)), Some(guid));
        assert_eq!(guid_answer(&answer(0x37, 0xd4, &guid)), None, "it is refused to strangers");
        assert_eq!(guid_answer(&answer(0x38, 0, &guid)), None);
        assert_eq!(guid_answer(&answer(0x37, 0, &guid[..15])), None);
        assert_eq!(guid_answer(&guid_question()), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..64), tag in any::<u8>()) {
            let _ = (parse_ping(&bytes), parse_pong(&bytes), is_answer(&bytes), guid_answer(&bytes));
            let mut cut = pong(tag);
            cut.truncate(bytes.len());
            prop_assert_eq!(parse_pong(&cut).is_some(), cut.len() == pong(tag).len());
        }
    }
}
