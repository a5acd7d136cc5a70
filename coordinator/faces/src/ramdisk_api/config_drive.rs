//! Decisions: a configuration drive as Ironic passes it on, turned into the bytes of a file system.

use std::io::Read;

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use flate2::read::MultiGzDecoder;
use protocol::step::CONFIG_DRIVE_BYTES_MAX;

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why a configuration drive cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidConfigDrive {
    /// Not base64.
    #[error("the configuration drive is not base64: {0}")]
    Base64(String),
    /// Not gzip.
    #[error("the configuration drive is not gzip: {0}")]
    Gzip(String),
    /// Too large.
    #[error("the configuration drive is larger than {CONFIG_DRIVE_BYTES_MAX} bytes")]
    TooLarge,
    /// Nothing in it.
    #[error("the configuration drive is empty")]
    Empty,
}

/// Most bytes at a drive's address: base64 of it with line breaks, should gzip have made nothing smaller.
pub const FETCHED_BYTES_MAX: usize = CONFIG_DRIVE_BYTES_MAX / 2 * 3;

/// The first bytes of gzip (RFC 1952, section 2.3.1).
const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
/// Where the first descriptor of an ISO 9660 file system has its name (ECMA-119, section 8.1).
const ISO_NAME: std::ops::Range<usize> = 32_769..32_774;

/// Whether it is the address of a drive and not the drive. Ironic passes on both.
pub fn is_url(text: &str) -> bool {
    ["http://", "https://"]
        .iter()
        .any(|scheme| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
}

/// Decodes what is at a drive's address: base64 of gzip, as Ironic puts it into an object store; gzip; or the file system itself.
pub fn decode_fetched(bytes: Vec<u8>) -> Result<Vec<u8>, InvalidConfigDrive> {
    if bytes.starts_with(GZIP_MAGIC) {
        return unpack(&bytes);
    }
    if bytes.get(ISO_NAME) == Some(b"CD001") {
        return if bytes.len() > CONFIG_DRIVE_BYTES_MAX {
            Err(InvalidConfigDrive::TooLarge)
        } else {
            Ok(bytes)
        };
    }
    match String::from_utf8(bytes) {
        Ok(text) => decode(&text),
        Err(_) => Err(InvalidConfigDrive::Base64("it is neither text, gzip nor ISO 9660".to_owned())),
    }
}

/// Decodes base64 of gzip of a file system.
pub fn decode(text: &str) -> Result<Vec<u8>, InvalidConfigDrive> {
    let compact: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let packed = LENIENT.decode(compact).map_err(|error| InvalidConfigDrive::Base64(error.to_string()))?;
    unpack(&packed)
}

fn unpack(packed: &[u8]) -> Result<Vec<u8>, InvalidConfigDrive> {
    let mut content = Vec::new();
    let limit = CONFIG_DRIVE_BYTES_MAX as u64 + 1;
    MultiGzDecoder::new(packed)
        .take(limit)
        .read_to_end(&mut content)
        .map_err(|error| InvalidConfigDrive::Gzip(error.to_string()))?;
    match content.len() {
        0 => Err(InvalidConfigDrive::Empty),
        length if length > CONFIG_DRIVE_BYTES_MAX => Err(InvalidConfigDrive::TooLarge),
        _ => Ok(content),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use base64::engine::general_purpose::STANDARD;
    use flate2::{Compression, write::GzEncoder};
    use proptest::prelude::*;

    use super::*;

    fn pack(content: &[u8]) -> String {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(content).unwrap();
        STANDARD.encode(gzip.finish().unwrap())
    }

    #[test]
    fn says_what_is_wrong() {
        let check = |text: &str, expected: Result<&[u8], &str>| {
            let found = decode(text).map_err(|error| error.to_string());
            match (found, expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected),
                (Err(found), Err(part)) => assert!(found.contains(part), "{found}"),
                (found, expected) => panic!("{found:?} {expected:?}"),
            }
        };
        let good = pack(b"a file system");
        check(&good, Ok(b"a file system"));
        let (start, end) = good.split_at(7);
        check(&format!("{start}\n{end}\n"), Ok(b"a file system"));
        check("***", Err("base64"));
        check(&STANDARD.encode("not gzip"), Err("gzip"));
        check(&pack(b""), Err("empty"));
        check(&pack(&vec![0; CONFIG_DRIVE_BYTES_MAX + 1]), Err("larger"));
    }

    #[test]
    fn an_address_leads_to_a_drive_in_any_of_its_forms() {
        let check = |text: &str, expected: bool| assert_eq!(is_url(text), expected, "{text}");
        check("http://swift/drive", true);
        check("HTTPS://swift/drive", true);
        check("ftp://swift/drive", false);
        check(&pack(b"a file system"), false);
        let mut iso = vec![0; 40_000];
        iso[ISO_NAME].copy_from_slice(b"CD001");
        let packed = pack(&iso);
        let gzip = STANDARD.decode(&packed).unwrap();
        for bytes in [packed.into_bytes(), gzip, iso.clone()] {
            assert_eq!(decode_fetched(bytes).unwrap(), iso);
        }
        let mut large = iso;
        large.resize(CONFIG_DRIVE_BYTES_MAX + 1, 0);
        assert_eq!(decode_fetched(large), Err(InvalidConfigDrive::TooLarge));
        assert!(matches!(decode_fetched(vec![0xff; 9]), Err(InvalidConfigDrive::Base64(_))));
        assert!(matches!(decode_fetched(b"<html>".to_vec()), Err(InvalidConfigDrive::Base64(_))));
    }

    proptest! {
        #[test]
        fn what_was_packed_is_unpacked(content in proptest::collection::vec(any::<u8>(), 1..4096)) {
            prop_assert_eq!(decode(&pack(&content)).unwrap(), content);
        }

        #[test]
        fn any_text_is_survived(text in "\\PC{0,300}") {
            let _ = decode(&text);
        }
    }
}
