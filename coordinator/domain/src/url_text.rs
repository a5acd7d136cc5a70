//! Values: text in URLs (RFC 3986).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Everything but RFC 3986's unreserved characters (section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Text as one segment of a path. What has a meaning of its own there (`""`, `.` and `..`, section 3.3) keeps it: no escape helps.
pub fn segment(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// Names with values as a query, without its `?`.
pub fn query(pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<_> =
        pairs.iter().map(|(name, value)| format!("{}={}", segment(name), segment(value))).collect();
    pairs.join("&")
}

#[cfg(test)]
mod tests {
    use percent_encoding::percent_decode_str;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_segment_is_one_segment() {
        let check = |text: &str, expected: &str| assert_eq!(segment(text), expected);
        check("srv1", "srv1");
        check("a-b_c.d~e", "a-b_c.d~e");
        check("a/b?c#d", "a%2Fb%3Fc%23d");
        check("%2F", "%252F");
        check("m\u{e4}", "m%C3%A4");
        check("a b+c", "a%20b%2Bc");
    }

    #[test]
    fn a_query_is_pairs() {
        assert_eq!(query(&[]), "");
        assert_eq!(query(&[("name", "a&b=c"), ("limit", "1")]), "name=a%26b%3Dc&limit=1");
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text in any::<String>()) {
            let escaped = segment(&text);
            prop_assert_eq!(percent_decode_str(&escaped).decode_utf8().unwrap(), text);
            prop_assert!(escaped.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte)));
        }
    }
}
