//! Decisions: the outer headers of a packet: RMCP and the session header, both forms (sections 13.1.3, 13.6).

use super::{
    Malformed, PACKET_BYTES_MAX,
    wire::{Malformed as M, Reader},
};

/// RMCP version 1.0, sequence 0xff (no acknowledgement wanted), class IPMI.
const RMCP_IPMI: [u8; 4] = [0x06, 0x00, 0xff, 0x07];
/// Session header without authentication: IPMI 1.5 form, used only before a session exists.
const AUTH_TYPE_NONE: u8 = 0;
/// Session header of RMCP+.
const AUTH_TYPE_RMCP_PLUS: u8 = 6;

/// What an RMCP+ packet carries (table 13-16).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadType {
    /// An IPMI message.
    Ipmi,
    /// Characters of the serial console (section 15.9).
    Sol,
    /// Open Session request.
    OpenSessionRequest,
    /// Open Session response.
    OpenSessionResponse,
    /// RAKP message 1.
    Rakp1,
    /// RAKP message 2.
    Rakp2,
    /// RAKP message 3.
    Rakp3,
    /// RAKP message 4.
    Rakp4,
}

impl PayloadType {
    fn code(self) -> u8 {
        match self {
            PayloadType::Ipmi => 0x00,
            PayloadType::Sol => 0x01,
            PayloadType::OpenSessionRequest => 0x10,
            PayloadType::OpenSessionResponse => 0x11,
            PayloadType::Rakp1 => 0x12,
            PayloadType::Rakp2 => 0x13,
            PayloadType::Rakp3 => 0x14,
            PayloadType::Rakp4 => 0x15,
        }
    }

    fn from_code(code: u8) -> Result<Self, Malformed> {
        match code {
            0x00 => Ok(PayloadType::Ipmi),
            0x01 => Ok(PayloadType::Sol),
            0x10 => Ok(PayloadType::OpenSessionRequest),
            0x11 => Ok(PayloadType::OpenSessionResponse),
            0x12 => Ok(PayloadType::Rakp1),
            0x13 => Ok(PayloadType::Rakp2),
            0x14 => Ok(PayloadType::Rakp3),
            0x15 => Ok(PayloadType::Rakp4),
            _ => Err(M::new("payload type", "is not one we speak")),
        }
    }
}

/// Header of an RMCP+ packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What it carries.
    pub payload_type: PayloadType,
    /// Whether the payload is encrypted.
    pub encrypted: bool,
    /// Whether a session trailer with an authentication code follows.
    pub authenticated: bool,
    /// The receiver's id of the session; 0 outside of one.
    pub session_id: u32,
    /// Rises by one with every packet of a session; 0 outside of one.
    pub sequence: u32,
}

/// An RMCP+ packet taken apart but not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlusPacket<'a> {
    /// Its header.
    pub header: Header,
    /// The payload, still encrypted if the header says so.
    pub payload: &'a [u8],
    /// What the authentication code covers: from the authentication type to the next-header byte (section 13.28.4).
    pub covered: &'a [u8],
    /// The authentication code; empty when there is none.
    pub auth_code: &'a [u8],
}

/// One packet of class IPMI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// An IPMI message outside of a session, in the IPMI 1.5 form.
    Plain(&'a [u8]),
    /// An RMCP+ packet.
    Plus(PlusPacket<'a>),
}

/// The next-header byte of the session trailer: reserved, always 7.
pub(crate) const NEXT_HEADER: u8 = 0x07;
/// Bytes of the session header in front of an RMCP+ payload.
const PLUS_HEADER_BYTES: usize = 12;

/// Takes a datagram apart. `auth_code_bytes` is asked for the length of the authentication code of a session's suite.
pub fn parse(datagram: &[u8], auth_code_bytes: impl Fn(u32) -> usize) -> Result<Packet<'_>, Malformed> {
    if datagram.len() > PACKET_BYTES_MAX {
        return Err(M::new("packet", "is longer than any that we accept"));
    }
    let mut reader = Reader::new("packet", datagram);
    let [version, _, _, class] = reader.array()?;
    if version != 0x06 || class != 0x07 {
        return Err(M::new("RMCP header", "is not version 1.0 with class IPMI"));
    }
    let session = reader.rest();
    match session.first() {
        Some(&AUTH_TYPE_NONE) => parse_plain(session),
        Some(&AUTH_TYPE_RMCP_PLUS) => parse_plus(session, auth_code_bytes),
        Some(_) => Err(M::new("authentication type", "is neither none nor RMCP+")),
        None => Err(M::new("session header", "is missing")),
    }
}

fn parse_plain(session: &[u8]) -> Result<Packet<'_>, Malformed> {
    let mut reader = Reader::new("IPMI 1.5 session header", session);
    reader.u8()?;
    let (_sequence, id, length) = (reader.u32()?, reader.u32()?, reader.u8()?);
    if id != 0 {
        return Err(M::new("IPMI 1.5 session", "is not supported"));
    }
    // Some stacks append a legacy pad byte; what the length covers is the message.
    reader.take(length.into()).map(Packet::Plain)
}

fn parse_plus(session: &[u8], auth_code_bytes: impl Fn(u32) -> usize) -> Result<Packet<'_>, Malformed> {
    let mut reader = Reader::new("RMCP+ session header", session);
    let [_, kind] = reader.array()?;
    let header = Header {
        payload_type: PayloadType::from_code(kind & 0x3f)?,
        encrypted: kind & 0x80 != 0,
        authenticated: kind & 0x40 != 0,
        session_id: reader.u32()?,
        sequence: reader.u32()?,
    };
    let length = reader.u16()?;
    let payload = reader.take(length.into())?;
    let trailer = reader.rest();
    if !header.authenticated {
        return Ok(Packet::Plus(PlusPacket { header, payload, covered: &[], auth_code: &[] }));
    }
    let code_bytes = auth_code_bytes(header.session_id);
    let pad_and_ends = trailer
        .len()
        .checked_sub(code_bytes)
        .filter(|count| *count >= 2)
        .ok_or(M::new("session trailer", "is too short"))?;
    let (ends, auth_code) = trailer.split_at(pad_and_ends);
    let (pad_length, next_header) = (usize::from(ends[pad_and_ends - 2]), ends[pad_and_ends - 1]);
    if next_header != NEXT_HEADER || pad_length != pad_and_ends - 2 {
        return Err(M::new("session trailer", "has a wrong pad length or next header"));
    }
    let covered = &session[..PLUS_HEADER_BYTES + payload.len() + pad_and_ends];
    Ok(Packet::Plus(PlusPacket { header, payload, covered, auth_code }))
}

/// Builds a packet in the IPMI 1.5 form, outside of a session.
pub fn build_plain(message: &[u8]) -> Vec<u8> {
    let length = u8::try_from(message.len()).expect("plain messages are of our own making and short");
    let mut bytes = RMCP_IPMI.to_vec();
    bytes.extend([AUTH_TYPE_NONE, 0, 0, 0, 0, 0, 0, 0, 0, length]);
    bytes.extend(message);
    bytes
}

/// Builds an RMCP+ packet without trailer, as everything before RAKP 4 is sent.
pub fn build_bare(payload_type: PayloadType, payload: &[u8]) -> Vec<u8> {
    let header = Header { payload_type, encrypted: false, authenticated: false, session_id: 0, sequence: 0 };
    let mut bytes = RMCP_IPMI.to_vec();
    bytes.extend(header_and_payload(header, payload));
    bytes
}

/// RMCP header in front of a finished session part.
pub(crate) fn with_rmcp(session: &[u8]) -> Vec<u8> {
    let mut bytes = RMCP_IPMI.to_vec();
    bytes.extend(session);
    bytes
}

/// Session header and payload, as the authentication code covers them.
pub(crate) fn header_and_payload(header: Header, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).expect("payloads are of our own making and short");
    let flags = (u8::from(header.encrypted) << 7) | (u8::from(header.authenticated) << 6);
    let mut bytes = vec![AUTH_TYPE_RMCP_PLUS, header.payload_type.code() | flags];
    bytes.extend(header.session_id.to_le_bytes());
    bytes.extend(header.sequence.to_le_bytes());
    bytes.extend(length.to_le_bytes());
    bytes.extend(payload);
    bytes
}

/// The console's session id that a packet from a BMC names, wherever its form puts it: the key by which one socket serves many sessions.
/// None for packets outside of any session.
pub fn console_session_id(datagram: &[u8]) -> Option<u32> {
    // The trailer's length does not matter here, and 0 always fits.
    let header = datagram.get(4..16)?;
    if header[0] != AUTH_TYPE_RMCP_PLUS {
        return None;
    }
    match PayloadType::from_code(header[1] & 0x3f).ok()? {
        PayloadType::Ipmi | PayloadType::Sol => {
            Some(u32::from_le_bytes(header[2..6].try_into().expect("four bytes")))
        }
        PayloadType::OpenSessionResponse | PayloadType::Rakp2 | PayloadType::Rakp4 => {
            let id = datagram.get(20..24)?;
            Some(u32::from_le_bytes(id.try_into().expect("four bytes")))
        }
        PayloadType::OpenSessionRequest | PayloadType::Rakp1 | PayloadType::Rakp3 => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn refuses_what_is_not_ours() {
        let check = |bytes: &[u8], why: &str| {
            let error = parse(bytes, |_| 12).unwrap_err().to_string();
            assert!(error.contains(why), "{bytes:02x?}: {error}");
        };
        check(&[], "too short");
        check(&[6, 0, 0xff, 6, 0, 0, 0x11, 0xbe], "class IPMI");
        check(&[6, 0, 0xff, 7], "missing");
        check(&[6, 0, 0xff, 7, 2, 0, 0, 0, 0], "neither none nor RMCP+");
        check(&[6, 0, 0xff, 7, 6, 0xc0, 1, 0, 0, 0, 1, 0, 0, 0, 0xff, 0xff, 0], "too short");
        check(&[6, 0, 0xff, 7, 6, 0xc0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0], "trailer");
        check(&[0; PACKET_BYTES_MAX + 1], "longer");
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(bytes in proptest::collection::vec(any::<u8>(), 0..600), prefix in 0..3_usize, code in 0..40_usize) {
            let mut datagram = [&[][..], &[6, 0, 0xff, 7], &[6, 0, 0xff, 7, 6]][prefix].to_vec();
            datagram.extend(bytes);
            let _ = parse(&datagram, |_| code);
            let _ = console_session_id(&datagram);
        }

        #[test]
        fn plain_packets_come_back(message in proptest::collection::vec(any::<u8>(), 0..200)) {
            let bytes = build_plain(&message);
            prop_assert_eq!(parse(&bytes, |_| 0), Ok(Packet::Plain(&message)));
        }

        #[test]
        fn bare_packets_come_back(payload in proptest::collection::vec(any::<u8>(), 0..200)) {
            let bytes = build_bare(PayloadType::Rakp3, &payload);
            let Ok(Packet::Plus(packet)) = parse(&bytes, |_| 0) else { panic!("not an RMCP+ packet") };
            prop_assert_eq!(packet.payload, &payload[..]);
            prop_assert_eq!(packet.header.payload_type, PayloadType::Rakp3);
        }
    }
}
