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
    /// Ironic was told to keep it elsewhere.
    #[error(
        "the configuration drive is a URL, which servers here cannot reach; \
         unset [deploy]configdrive_use_object_store in Ironic, or pass the drive itself"
    )]
    Url,
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

/// Decodes base64 of gzip of a file system.
pub fn decode(text: &str) -> Result<Vec<u8>, InvalidConfigDrive> {
    if text.starts_with("http://") || text.starts_with("https://") {
        return Err(InvalidConfigDrive::Url);
    }
    let compact: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let packed = LENIENT.decode(compact).map_err(|error| InvalidConfigDrive::Base64(error.to_string()))?;
    let mut content = Vec::new();
    let limit = CONFIG_DRIVE_BYTES_MAX as u64 + 1;
    MultiGzDecoder::new(packed.as_slice())
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
        check("http://swift/drive", Err("URL"));
        check("***", Err("base64"));
        check(&STANDARD.encode("not gzip"), Err("gzip"));
        check(&pack(b""), Err("empty"));
        check(&pack(&vec![0; CONFIG_DRIVE_BYTES_MAX + 1]), Err("larger"));
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
