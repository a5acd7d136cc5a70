//! Values: elements of DER (ITU-T X.690, section 8), read one by one from bytes that anybody may have sent.

/// Tag of a SEQUENCE.
pub const SEQUENCE: u8 = 0x30;
/// Tag of a BIT STRING.
pub const BIT_STRING: u8 = 0x03;
/// Tag of a UTCTime.
pub const UTC_TIME: u8 = 0x17;
/// Tag of a GeneralizedTime.
pub const GENERALIZED_TIME: u8 = 0x18;
/// Tag of the element that names a certificate's version (RFC 5280, section 4.1).
pub const VERSION: u8 = 0xa0;

/// One element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element<'a> {
    /// What it is.
    pub tag: u8,
    /// All of its bytes.
    pub whole: &'a [u8],
    /// What is in it.
    pub content: &'a [u8],
    /// What stands behind it.
    pub rest: &'a [u8],
}

impl<'a> Element<'a> {
    /// The element at the beginning of these bytes; none: there is no whole one, or it is 16 MiB long.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let (&tag, after_tag) = bytes.split_first()?;
        let (&first, after_first) = after_tag.split_first()?;
        let (length, body) = match first {
            0..=0x7f => (usize::from(first), after_first),
            // A certificate is shorter than 16 MiB.
            0x81..=0x83 => {
                let (digits, body) = after_first.split_at_checked(usize::from(first & 0x7f))?;
                (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), body)
            }
            _ => return None,
        };
        let (content, rest) = body.split_at_checked(length)?;
        Some(Self { tag, whole: &bytes[..bytes.len() - rest.len()], content, rest })
    }

    /// The same, if it has this tag.
    pub fn tagged(bytes: &'a [u8], tag: u8) -> Option<Self> {
        Self::read(bytes).filter(|element| element.tag == tag)
    }
}

/// What stands in a certificate behind its version: serial number, signature, issuer, validity, subject, key. Certificates of
/// version 1 do not name it.
pub fn behind_version(certificate: &[u8]) -> Option<&[u8]> {
    let certificate = Element::tagged(certificate, SEQUENCE)?.content;
    let to_be_signed = Element::tagged(certificate, SEQUENCE)?.content;
    Some(Element::tagged(to_be_signed, VERSION).map_or(to_be_signed, |version| version.rest))
}
