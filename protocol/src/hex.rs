//! Values: bytes written as hexadecimal digits, two for each byte, and read again.
//!
//! Passwords, session tokens and what is compared with them are among these bytes, so the digits are made by a crate that
//! looks nothing up by them: how long it takes tells nobody what they are.

/// These bytes in lower-case digits.
pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    base16ct::lower::encode_string(bytes.as_ref())
}

/// The bytes of these digits, capitals or not; none: a character is no digit, or one digit has no partner.
pub fn decode(digits: &str) -> Option<Vec<u8>> {
    base16ct::mixed::decode_vec(digits).ok()
}

/// Exactly `N` bytes of these digits; none also where there are more or fewer.
pub fn decode_array<const N: usize>(digits: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if digits.len() != 2 * N {
        return None;
    }
    base16ct::mixed::decode(digits, &mut bytes).ok()?;
    Some(bytes)
}

/// Whether a text is exactly so many digits, capitals or not.
pub fn is_digits(text: &str, count: usize) -> bool {
    text.len() == count && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether a text is exactly so many digits as [`encode`] writes them: without capitals.
pub fn is_lower_digits(text: &str, count: usize) -> bool {
    is_digits(text, count) && !text.bytes().any(|byte| byte.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_read_as_people_write_them_and_written_in_one_way() {
        let check = |text: &str, expected: Option<&[u8]>| {
            assert_eq!(decode(text).as_deref(), expected, "{text:?}");
            let pair = expected.and_then(|bytes| <[u8; 2]>::try_from(bytes).ok());
            assert_eq!(decode_array::<2>(text), pair, "{text:?} as two bytes");
            let is_pair = text.len() == 4 && expected.is_some();
            assert_eq!(is_digits(text, 4), is_pair, "{text:?}");
            assert_eq!(is_lower_digits(text, 4), is_pair && text == text.to_lowercase(), "{text:?}");
        };
        check("", Some(&[]));
        check("00ff", Some(&[0, 0xff]));
        check("aBCd", Some(&[0xab, 0xcd]));
        check("00ff7f", Some(&[0, 0xff, 0x7f]));
        for bad in ["0", "00f", "0x12", "+123", "-123", " 123", "12 3", "12:3", "00fg", "ä12", "１２"] {
            check(bad, None);
        }
        assert_eq!(encode([0xab, 0xcd, 0x00]), "abcd00");
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_come_back(bytes: Vec<u8>) {
            let text = encode(&bytes);
            assert!(is_lower_digits(&text, 2 * bytes.len()));
            assert_eq!(decode(&text.to_uppercase()), Some(bytes));
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = (decode(&text), decode_array::<4>(&text));
        }
    }
}
