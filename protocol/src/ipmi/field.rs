//! Values: texts with a byte of type and length before them, as sensor records and FRU inventories have them (IPMI section
//! 43.15, FRU specification section 13).

use super::{Malformed, wire::Reader};

/// The digits of "BCD plus" (FRU section 13.1); the last three are reserved.
const BCD_PLUS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', ' ', '-', '.', ':', ',', '_'];

/// How a text is written; the two top bits of its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Code {
    /// Bytes of no alphabet; UTF-16 in the names of sensors, which nobody is known to send.
    Binary,
    BcdPlus,
    SixBit,
    Latin1,
}

impl Code {
    fn of(head: u8) -> Self {
        match head >> 6 {
            0 => Code::Binary,
            1 => Code::BcdPlus,
            2 => Code::SixBit,
            _ => Code::Latin1,
        }
    }

    fn read(self, bytes: &[u8]) -> String {
        match self {
            // Vendors put plain text there, too.
            Code::Binary if !bytes.is_empty() && bytes.iter().all(|byte| (0x20..0x7f).contains(byte)) => {
                latin1(bytes)
            }
            Code::Binary => crate::hex::encode(bytes),
            Code::BcdPlus => bytes
                .iter()
                .flat_map(|byte| [byte >> 4, byte & 0x0f])
                .map(|digit| BCD_PLUS[usize::from(digit)])
                .collect(),
            Code::SixBit => six_bit(bytes),
            Code::Latin1 => latin1(bytes),
        }
    }
}

/// Latin 1 as its characters, without the zeroes and spaces that fill a field up.
fn latin1(bytes: &[u8]) -> String {
    let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
    text.trim_end_matches(['\0', ' ']).trim_start().to_owned()
}

/// Characters of six bits, least significant first, from 0x20 on (FRU section 13.2).
fn six_bit(bytes: &[u8]) -> String {
    let (mut text, mut held, mut bits) = (String::new(), 0_u32, 0);
    for byte in bytes {
        held |= u32::from(*byte) << bits;
        bits += 8;
        while bits >= 6 {
            text.push(char::from(0x20 + (held & 0x3f) as u8));
            held >>= 6;
            bits -= 6;
        }
    }
    text.trim_end().to_owned()
}

/// The name of a sensor or device: five bits of length.
pub(crate) fn read_name(reader: &mut Reader<'_>) -> Result<String, Malformed> {
    let head = reader.u8()?;
    Ok(Code::of(head).read(reader.up_to(usize::from(head & 0x1f))))
}

/// A name as Latin 1, cut where the length ends.
pub(crate) fn build_name(name: &str) -> Vec<u8> {
    build(name, 0x1f)
}

/// "No more fields".
pub(crate) const END: u8 = 0xc1;

/// A field of a FRU area: six bits of length; none at the end of the fields.
pub(crate) fn read_field(reader: &mut Reader<'_>) -> Result<Option<String>, Malformed> {
    let head = reader.u8()?;
    if head == END {
        return Ok(None);
    }
    Ok(Some(Code::of(head).read(reader.take(usize::from(head & 0x3f))?)))
}

/// A field as Latin 1. One of a single character gets a space more, for the length 1 is the end's mark.
pub(crate) fn build_field(text: &str) -> Vec<u8> {
    match text.chars().count() {
        1 => build(&format!("{text} "), 0x3f),
        _ => build(text, 0x3f),
    }
}

fn build(text: &str, length_max: usize) -> Vec<u8> {
    let letters = text.chars().take(length_max).map(|letter| u8::try_from(letter).unwrap_or(b'?'));
    let mut bytes = vec![0];
    bytes.extend(letters);
    bytes[0] = 0xc0 | (bytes.len() - 1) as u8;
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_way_of_writing_is_read() {
        let check = |bytes: &[u8], expected: Option<&str>| {
            assert_eq!(
                read_field(&mut Reader::new("field", bytes)).unwrap().as_deref(),
                expected,
                "{bytes:?}"
            );
        };
        check(&[0xc1], None);
        check(&[0xc0], Some(""));
        check(&[0xc4, b'D', b'e', b'l', b'l'], Some("Dell"));
        check(&[0xc6, b'A', b'B', 0, 0, b' ', 0], Some("AB"));
        check(&[0x42, 0x12, 0xb4], Some("12-4"));
        // The example of FRU section 13.3: "IPMI".
        check(&[0x83, 0x29, 0xdc, 0xa6], Some("IPMI"));
        check(&[0x02, 0x00, 0xff], Some("00ff"));
        check(&[0x02, b'o', b'k'], Some("ok"));
        assert!(read_field(&mut Reader::new("field", &[0xc4, 1])).is_err(), "longer than what is there");
    }

    proptest! {
        #[test]
        fn texts_come_back(text in "[!-~]([ -~]{0,28}[!-~])?") {
            let (name, field) = (build_name(&text), build_field(&text));
            prop_assert_eq!(read_name(&mut Reader::new("name", &name)).unwrap(), text.as_str());
            prop_assert_eq!(read_field(&mut Reader::new("field", &field)).unwrap(), Some(text));
        }

        #[test]
        fn any_bytes_are_taken(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = (read_name(&mut Reader::new("name", &bytes)), read_field(&mut Reader::new("field", &bytes)));
        }
    }
}
