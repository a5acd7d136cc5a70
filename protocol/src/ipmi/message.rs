//! Decisions: the IPMI message inside a packet, with its two checksums (section 13.8).

use super::wire::{Malformed, Reader};

/// Address of the BMC on the management bus (section 5.5).
pub(crate) const BMC_ADDRESS: u8 = 0x20;
/// Address of remote console software, first of its range.
const CONSOLE_ADDRESS: u8 = 0x81;

/// Network function: chassis.
pub const NETFN_CHASSIS: u8 = 0x00;
/// Network function: application, which is everything about the BMC and its sessions.
pub const NETFN_APP: u8 = 0x06;

/// How a command ended, as the BMC's first answer byte (section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompletionCode(pub u8);

impl CompletionCode {
    /// Done.
    pub const OK: Self = Self(0x00);
    /// Parameter not supported by Get/Set System Boot Options.
    pub const PARAMETER_UNSUPPORTED: Self = Self(0x80);
    /// Busy.
    pub const BUSY: Self = Self(0xc0);
    /// Invalid command.
    pub const INVALID_COMMAND: Self = Self(0xc1);
    /// Request data length invalid.
    pub const BAD_LENGTH: Self = Self(0xc7);
    /// Request data field length limit exceeded.
    pub const TOO_LONG: Self = Self(0xc8);
    /// Invalid data field.
    pub const INVALID_FIELD: Self = Self(0xcc);
    /// Insufficient privilege.
    pub const PRIVILEGE: Self = Self(0xd4);
    /// Not possible in the present state.
    pub const WRONG_STATE: Self = Self(0xd5);
    /// Unspecified error.
    pub const UNSPECIFIED: Self = Self(0xff);

    /// What may be done after an answer that is not final; none: it is.
    pub fn again(self) -> Option<Again> {
        AGAIN.iter().find(|(code, _)| *code == self.0).map(|(_, again)| *again)
    }

    /// The BMC could not do it just now. `repeatable`: the request may be carried out twice, so it is asked again also when it is
    /// not known whether it was done.
    pub fn passes(self, repeatable: bool) -> bool {
        match self.again() {
            Some(Again::NothingDone) => true,
            Some(Again::PerhapsDone) => repeatable,
            Some(Again::NewSession | Again::OtherState) | None => false,
        }
    }

    /// In words, for a person.
    pub fn meaning(self) -> &'static str {
        match self.0 {
            0x00 => "done",
            0x80 => "not supported",
            0x81 => "not available for this user",
            0xc0 => "busy",
            0xc1 => "command not supported",
            0xc3 => "timed out inside the BMC",
            0xc4 => "out of space",
            0xc5 => "reservation no longer good",
            0xc7 => "wrong request length",
            0xc8 => "request too long",
            0xc9 => "parameter out of range",
            0xca => "cannot send so many bytes",
            0xcb => "not present",
            0xcc => "invalid field in the request",
            0xcd => "not possible for this sensor or record",
            0xce => "cannot answer now",
            0xcf => "taken for a repetition",
            0xd3 => "the part that it is for does not answer",
            0xd2 => "still starting",
            0xd4 => "insufficient privilege",
            0xd5 => "not possible in the present state",
            0xd6 => "command disabled",
            0xff => "unspecified error",
            _ => "see IPMI 2.0 section 5.2",
        }
    }
}

/// What may be done after an answer that is not final.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// It was not begun: it is asked again after a pause.
    NothingDone,
    /// It may have been done: it is asked again after a pause if doing it twice does no harm.
    PerhapsDone,
    /// The session is not what it was: it is asked again in a new one, once.
    NewSession,
    /// The server is in another state than the request is for: once it is known which, it may be asked again.
    OtherState,
}

/// The completion codes (section 5.2) that are not final.
const AGAIN: [(u8, Again); 9] = [
    (0xc0, Again::NothingDone), // busy
    (0xd2, Again::NothingDone), // still starting
    (0xc3, Again::PerhapsDone), // timed out inside
    (0xc4, Again::PerhapsDone), // out of space
    (0xce, Again::PerhapsDone), // no answer possible
    (0xcf, Again::PerhapsDone), // taken for a repetition: asked under another number
    (0xd3, Again::PerhapsDone), // the destination does not answer
    (0xd4, Again::NewSession),  // insufficient privilege, though the login gave it
    (0xd5, Again::OtherState),  // not in the present state
];

/// A request, from console to BMC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestMessage<'a> {
    /// Network function (even).
    pub netfn: u8,
    /// Command.
    pub command: u8,
    /// The console's number for it, 6 bits; the response repeats it.
    pub sequence: u8,
    /// Data.
    pub data: &'a [u8],
}

/// A response, from BMC to console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseMessage<'a> {
    /// Network function of the request (even).
    pub netfn: u8,
    /// Command.
    pub command: u8,
    /// Number of the request.
    pub sequence: u8,
    /// How it ended.
    pub code: CompletionCode,
    /// Data.
    pub data: &'a [u8],
}

/// Two's complement of the sum, so that everything with its checksum adds up to 0.
fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_sub(*byte))
}

fn build(to: u8, netfn: u8, from: u8, sequence: u8, command: u8, data: &[&[u8]]) -> Vec<u8> {
    let mut bytes = vec![to, netfn << 2];
    bytes.push(checksum(&bytes));
    bytes.extend([from, sequence << 2, command]);
    data.iter().for_each(|part| bytes.extend(*part));
    bytes.push(checksum(&bytes[3..]));
    bytes
}

/// A request for another controller: its address and logical unit, who asks, network function, number, command, data.
pub(crate) fn build_to(
    (to, lun): (u8, u8),
    from: u8,
    netfn: u8,
    sequence: u8,
    command: u8,
    data: &[u8],
) -> Vec<u8> {
    let mut bytes = build(to, netfn, from, sequence & 0x3f, command, &[data]);
    // The unit shares its byte with the network function, and the checksum counts it.
    bytes[1] |= lun & 3;
    bytes[2] = checksum(&bytes[..2]);
    bytes
}

/// The parts both directions share: network function, sequence, command, the rest.
fn parse(bytes: &[u8]) -> Result<(u8, u8, u8, &[u8]), Malformed> {
    let (head, body) = bytes.split_at_checked(3).ok_or(Malformed::new("IPMI message", "is too short"))?;
    if checksum(head) != 0 || checksum(body) != 0 {
        return Err(Malformed::new("IPMI message", "has a wrong checksum"));
    }
    let mut reader = Reader::new("IPMI message", body);
    let [_from, sequence, command] = reader.array()?;
    let rest = reader.rest();
    let data = rest.split_last().ok_or(Malformed::new("IPMI message", "is too short"))?.1;
    Ok((head[1] >> 2, sequence >> 2, command, data))
}

impl<'a> RequestMessage<'a> {
    /// To bytes.
    pub fn build(&self) -> Vec<u8> {
        build(BMC_ADDRESS, self.netfn, CONSOLE_ADDRESS, self.sequence & 0x3f, self.command, &[self.data])
    }

    /// From bytes.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (netfn, sequence, command, data) = parse(bytes)?;
        if netfn % 2 != 0 {
            return Err(Malformed::new("IPMI message", "is a response where a request is due"));
        }
        Ok(Self { netfn, command, sequence, data })
    }
}

impl<'a> ResponseMessage<'a> {
    /// To bytes.
    pub fn build(&self) -> Vec<u8> {
        let sequence = self.sequence & 0x3f;
        build(
            CONSOLE_ADDRESS,
            self.netfn | 1,
            BMC_ADDRESS,
            sequence,
            self.command,
            &[&[self.code.0], self.data],
        )
    }

    /// From bytes.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (netfn, sequence, command, data) = parse(bytes)?;
        if netfn % 2 == 0 {
            return Err(Malformed::new("IPMI message", "is a request where a response is due"));
        }
        let (code, data) =
            data.split_first().ok_or(Malformed::new("IPMI response", "has no completion code"))?;
        Ok(Self { netfn: netfn & !1, command, sequence, code: CompletionCode(*code), data })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_bytes() {
        // Get Device ID as every IPMI tool sends it.
        let bytes = RequestMessage { netfn: NETFN_APP, command: 1, sequence: 0, data: &[] }.build();
        assert_eq!(bytes, [0x20, 0x18, 0xc8, 0x81, 0x00, 0x01, 0x7e]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = RequestMessage::parse(&bytes);
            let _ = ResponseMessage::parse(&bytes);
        }

        #[test]
        fn messages_come_back(netfn in 0..32_u8, command: u8, sequence in 0..64_u8, code: u8, data in proptest::collection::vec(any::<u8>(), 0..64)) {
            let netfn = netfn * 2;
            let request = RequestMessage { netfn, command, sequence, data: &data };
            let bytes = request.build();
            prop_assert_eq!(RequestMessage::parse(&bytes), Ok(request));
            let response = ResponseMessage { netfn, command, sequence, code: CompletionCode(code), data: &data };
            let bytes = response.build();
            prop_assert_eq!(ResponseMessage::parse(&bytes), Ok(response));
        }

        #[test]
        fn one_wrong_bit_is_noticed(byte in 0..8_usize, bit in 0..8_u8) {
            let mut bytes = RequestMessage { netfn: 0, command: 2, sequence: 5, data: &[1] }.build();
            bytes[byte] ^= 1 << bit;
            prop_assert!(RequestMessage::parse(&bytes).is_err());
        }
    }
}
