//! Decisions: what stands in a certificate beside its dates: whose it is, who vouches for it, and its public key. Certificates of BMCs
//! are read by it, of whatever version of X.509 they are and whatever else is wrong with them.

use crate::der::{Element, SEQUENCE, behind_version};

/// Tag of an OBJECT IDENTIFIER.
const OBJECT_ID: u8 = 0x06;
/// Most characters of a name that is shown.
const NAME_CHARS_MAX: usize = 200;
/// Most parts of a name that are read.
const PARTS_MAX: usize = 16;
/// Parts of a name that people know, by their OBJECT IDENTIFIER below 2.5.4 (RFC 4519, section 2).
const KNOWN_PARTS: [(u8, &str); 6] = [(3, "CN"), (6, "C"), (7, "L"), (8, "ST"), (10, "O"), (11, "OU")];

/// What stands in a certificate (RFC 5280, section 4.1.2), each part as its DER.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateParts<'a> {
    /// Who vouches for it.
    pub issuer: &'a [u8],
    /// Whose it is.
    pub subject: &'a [u8],
    /// The `SubjectPublicKeyInfo`.
    pub key_info: &'a [u8],
}

impl<'a> CertificateParts<'a> {
    /// Of a certificate (DER); none: it is none.
    pub fn of(certificate: &'a [u8]) -> Option<Self> {
        let serial = Element::read(behind_version(certificate)?)?;
        let signature = Element::read(serial.rest)?;
        let issuer = Element::read(signature.rest)?;
        let validity = Element::read(issuer.rest)?;
        let subject = Element::read(validity.rest)?;
        let key_info = Element::tagged(subject.rest, SEQUENCE)?;
        Some(Self { issuer: issuer.whole, subject: subject.whole, key_info: key_info.whole })
    }

    /// Whether nobody but its own owner vouches for it.
    pub fn is_signed_by_itself(&self) -> bool {
        self.issuer == self.subject
    }
}

/// A name for people, such as `CN=bmc1, O=Example`; what cannot be read is left out.
pub fn name_text(name: &[u8]) -> String {
    let mut rest = Element::tagged(name, SEQUENCE).map_or(&[][..], |name| name.content);
    let mut parts = Vec::new();
    while let Some(set) = Element::read(rest).filter(|_| parts.len() < PARTS_MAX) {
        rest = set.rest;
        parts.extend(Element::read(set.content).and_then(|pair| part_text(pair.content)));
    }
    parts.join(", ").chars().filter(|letter| !letter.is_control()).take(NAME_CHARS_MAX).collect()
}

fn part_text(pair: &[u8]) -> Option<String> {
    let kind = Element::tagged(pair, OBJECT_ID)?;
    let value = Element::read(kind.rest)?;
    let [0x55, 0x04, number] = kind.content else { return None };
    let (_, word) = KNOWN_PARTS.iter().find(|(known, _)| known == number)?;
    Some(format!("{word}={}", String::from_utf8_lossy(value.content)))
}

/// The `SubjectPublicKeyInfo` (RFC 5280, section 4.1.2.7) of a certificate in DER, as it stands there; none when it is not found.
pub fn key_info(certificate: &[u8]) -> Option<&[u8]> {
    CertificateParts::of(certificate).map(|parts| parts.key_info)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An element with this tag, shorter than 128 bytes.
    fn element(tag: u8, content: &[u8]) -> Vec<u8> {
        [&[tag, u8::try_from(content.len()).unwrap()], content].concat()
    }

    fn name(parts: &[(u8, &str)]) -> Vec<u8> {
        let part = |(number, text): &(u8, &str)| {
            let pair = [element(OBJECT_ID, &[0x55, 0x04, *number]), element(0x0c, text.as_bytes())].concat();
            element(0x31, &element(SEQUENCE, &pair))
        };
        element(SEQUENCE, &parts.iter().flat_map(part).collect::<Vec<_>>())
    }

    #[test]
    fn names_are_shown_as_people_know_them() {
        let check =
            |parts: &[(u8, &str)], expected: &str| assert_eq!(name_text(&name(parts)), expected, "{parts:?}");
        check(&[(3, "bmc1")], "CN=bmc1");
        check(&[(10, "Example"), (3, "bmc1")], "O=Example, CN=bmc1");
        check(&[(99, "unknown"), (3, "b\u{1b}[31m")], "CN=b[31m");
        check(&[], "");
        assert_eq!(name_text(b"no name"), "");
    }

    #[test]
    fn names_and_key_are_found_where_they_stand() {
        let (issuer, subject) = (name(&[(3, "ca")]), name(&[(3, "b")]));
        let key = element(SEQUENCE, b"key");
        let signed = [
            element(0x02, &[7]),
            element(SEQUENCE, b"alg"),
            issuer.clone(),
            element(SEQUENCE, b"dates"),
            subject.clone(),
            key.clone(),
        ]
        .concat();
        let certificate = element(SEQUENCE, &element(SEQUENCE, &signed));
        let parts = CertificateParts::of(&certificate).unwrap();
        assert_eq!((parts.issuer, parts.subject, parts.key_info), (&issuer[..], &subject[..], &key[..]));
        assert!(!parts.is_signed_by_itself());
        assert_eq!(key_info(&certificate), Some(&key[..]));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
            let _ = CertificateParts::of(&bytes);
            let _ = name_text(&bytes);
        }
    }
}
