//! Decisions: a certificate of X.509 version 3 as one of version 1: without its version and its extensions (RFC 5280, section 4.1).

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;

/// The certificate in version 1; none: it is no certificate.
pub(super) fn version_1(certificate: &[u8]) -> Option<Vec<u8>> {
    let (_, certificate, _) = element(certificate)?;
    let (_, signed, signature) = element(certificate)?;
    let mut fields = Vec::new();
    let mut rest = signed;
    while !rest.is_empty() {
        let (tag, _, after) = element(rest)?;
        if ![VERSION, EXTENSIONS].contains(&tag) {
            fields.extend_from_slice(&rest[..rest.len() - after.len()]);
        }
        rest = after;
    }
    Some(sequence(&[&sequence(&fields), signature].concat()))
}

/// Tag and content of the first element, and what follows it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let digits = if first < 0x80 { 0 } else { usize::from(first & 0x7f) };
    let (long, rest) = rest.split_at_checked(digits)?;
    let length = match digits {
        0 => usize::from(first),
        _ => long.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)),
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

fn sequence(content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("a certificate is shorter than 64 KiB").to_be_bytes();
    [&[SEQUENCE, 0x82], &length[..], content].concat()
}
