//! Values: TFTP messages and their bytes (RFC 1350 section 5, RFC 2347).

use bytes::Bytes;

/// Longest request that is read (RFC 2347 allows 512 bytes).
pub const MAX_REQUEST_LEN: usize = 512;

/// Most options of a request.
pub const MAX_OPTIONS: usize = 16;

/// Bytes in front of a block's data.
pub const DATA_HEADER_LEN: usize = 4;

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    /// RRQ: please send a file.
    Read(Request),
    /// WRQ: please take a file.
    Write(Request),
    /// DATA: a block of the file.
    Data {
        /// Its number, counted from 1 and round again.
        block: u16,
        /// Its bytes; fewer than agreed end the file.
        data: Bytes,
    },
    /// ACK: everything up to this block has come.
    Ack {
        /// The block's number.
        block: u16,
    },
    /// ERROR: the end.
    Error {
        /// What kind.
        code: u16,
        /// For a person.
        message: String,
    },
    /// OACK: these options are agreed.
    OptionAck(Vec<(String, String)>),
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The file; `?` where a character is not printable ASCII.
    pub file: String,
    /// `octet`, in any case, or something of old.
    pub mode: String,
    /// Names and values of the options, as they stand there.
    pub options: Vec<(String, String)>,
}

/// Codes of ERROR messages that we send (RFC 1350 section 5, RFC 2347).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// See the message.
    Undefined = 0,
    /// No such file.
    NotFound = 1,
    /// Not for you.
    AccessViolation = 2,
    /// That makes no sense.
    IllegalOperation = 4,
}

/// Why bytes are not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPacket {
    /// The bytes end too early.
    #[error("the message is cut off")]
    Truncated,
    /// No such operation.
    #[error("there is no operation {0}")]
    Opcode(u16),
    /// A text is not text.
    #[error("a text in it is not printable ASCII")]
    Text,
    /// More than anybody needs.
    #[error("it has more than {MAX_OPTIONS} options")]
    TooManyOptions,
}

impl Packet {
    /// Reads a message.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidPacket> {
        let (opcode, rest) = number(bytes)?;
        match opcode {
            1 => Ok(Packet::Read(request(rest)?)),
            2 => Ok(Packet::Write(request(rest)?)),
            3 => {
                let (block, data) = number(rest)?;
                Ok(Packet::Data { block, data: Bytes::copy_from_slice(data) })
            }
            4 => Ok(Packet::Ack { block: number(rest)?.0 }),
            5 => {
                let (code, rest) = number(rest)?;
                // Some boot ROMs send no text, or leave out its end.
                let text = rest.split(|byte| *byte == 0).next().unwrap_or_default();
                let message = text.iter().take(MAX_REQUEST_LEN).map(|byte| printable(*byte)).collect();
                Ok(Packet::Error { code, message })
            }
            6 => Ok(Packet::OptionAck(options(rest)?)),
            other => Err(InvalidPacket::Opcode(other)),
        }
    }

    /// Writes the message.
    pub fn build(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Packet::Read(request) => build_request(1, request, &mut out),
            Packet::Write(request) => build_request(2, request, &mut out),
            Packet::Data { block, data } => {
                out.reserve_exact(DATA_HEADER_LEN + data.len());
                out.extend_from_slice(&[0, 3]);
                out.extend_from_slice(&block.to_be_bytes());
                out.extend_from_slice(data);
            }
            Packet::Ack { block } => {
                out.extend_from_slice(&[0, 4]);
                out.extend_from_slice(&block.to_be_bytes());
            }
            Packet::Error { code, message } => {
                out.extend_from_slice(&[0, 5]);
                out.extend_from_slice(&code.to_be_bytes());
                push_text(&mut out, message);
            }
            Packet::OptionAck(options) => {
                out.extend_from_slice(&[0, 6]);
                push_options(&mut out, options);
            }
        }
        out
    }

    /// An ERROR message.
    pub fn error(code: ErrorCode, message: &str) -> Self {
        Packet::Error { code: code as u16, message: message.to_owned() }
    }
}

fn number(bytes: &[u8]) -> Result<(u16, &[u8]), InvalidPacket> {
    let (number, rest) = bytes.split_first_chunk::<2>().ok_or(InvalidPacket::Truncated)?;
    Ok((u16::from_be_bytes(*number), rest))
}

fn printable(byte: u8) -> char {
    if byte == b' ' || byte.is_ascii_graphic() { char::from(byte) } else { '?' }
}

fn text(bytes: &[u8]) -> Result<(String, &[u8]), InvalidPacket> {
    let end = bytes.iter().position(|byte| *byte == 0).ok_or(InvalidPacket::Truncated)?;
    let (text, rest) = bytes.split_at_checked(end).ok_or(InvalidPacket::Truncated)?;
    if !text.iter().all(|byte| *byte == b' ' || byte.is_ascii_graphic()) {
        return Err(InvalidPacket::Text);
    }
    let text = text.iter().map(|byte| char::from(*byte)).collect();
    Ok((text, rest.get(1..).unwrap_or_default()))
}

fn request(bytes: &[u8]) -> Result<Request, InvalidPacket> {
    // Old boot ROMs append what stood behind the name in the DHCP answer, whatever it is.
    let end = bytes.iter().position(|byte| *byte == 0).ok_or(InvalidPacket::Truncated)?;
    let (file, rest) = bytes.split_at_checked(end).ok_or(InvalidPacket::Truncated)?;
    let (file, rest) =
        (file.iter().map(|byte| printable(*byte)).collect(), rest.get(1..).unwrap_or_default());
    let (mode, rest) = text(rest)?;
    Ok(Request { file, mode, options: options(rest)? })
}

fn options(mut bytes: &[u8]) -> Result<Vec<(String, String)>, InvalidPacket> {
    let mut options = Vec::new();
    // Some boot ROMs fill the datagram with zeros behind the last option.
    while bytes.iter().any(|byte| *byte != 0) {
        if options.len() == MAX_OPTIONS {
            return Err(InvalidPacket::TooManyOptions);
        }
        let (name, rest) = text(bytes)?;
        let (value, rest) = text(rest)?;
        options.push((name, value));
        bytes = rest;
    }
    Ok(options)
}

fn push_text(out: &mut Vec<u8>, text: &str) {
    out.extend(text.bytes().filter(|byte| *byte != 0));
    out.push(0);
}

fn push_options(out: &mut Vec<u8>, options: &[(String, String)]) {
    for (name, value) in options {
        push_text(out, name);
        push_text(out, value);
    }
}

fn build_request(opcode: u16, request: &Request, out: &mut Vec<u8>) {
    out.extend_from_slice(&opcode.to_be_bytes());
    push_text(out, &request.file);
    push_text(out, &request.mode);
    push_options(out, &request.options);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packet() -> impl Strategy<Value = Packet> {
        let options = || proptest::collection::vec(("[!-~]{1,8}", "[ -~]{0,8}"), 0..MAX_OPTIONS);
        let request = || {
            ("[ -~]{0,40}", "[ -~]{0,8}", options()).prop_map(|(file, mode, options)| Request {
                file,
                mode,
                options,
            })
        };
        prop_oneof![
            request().prop_map(Packet::Read),
            request().prop_map(Packet::Write),
            (any::<u16>(), proptest::collection::vec(any::<u8>(), 0..600))
                .prop_map(|(block, data)| Packet::Data { block, data: data.into() }),
            any::<u16>().prop_map(|block| Packet::Ack { block }),
            (any::<u16>(), "[ -~]{0,40}").prop_map(|(code, message)| Packet::Error { code, message }),
            options().prop_map(Packet::OptionAck),
        ]
    }

    proptest! {
        #[test]
        fn what_is_built_is_read_back(packet in packet()) {
            prop_assert_eq!(Packet::parse(&packet.build()), Ok(packet));
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = Packet::parse(&bytes);
        }
    }

    #[test]
    fn broken_messages_are_named() {
        let check = |bytes: &[u8], expected| assert_eq!(Packet::parse(bytes), Err(expected), "{bytes:?}");
        check(b"", InvalidPacket::Truncated);
        check(b"\0\x01file\0octet", InvalidPacket::Truncated);
        check(b"\0\x01file", InvalidPacket::Truncated);
        check(b"\0\x01file\0oct\x07t\0", InvalidPacket::Text);
        check(b"\0\x01f\0octet\0tsize\0", InvalidPacket::Truncated);
        check(b"\0\x09", InvalidPacket::Opcode(9));
        check(&[b"\0\x06".as_slice(), &b"a\0b\0".repeat(17)].concat(), InvalidPacket::TooManyOptions);
    }
}
