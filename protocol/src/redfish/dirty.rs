//! Decisions: reading JSON as services write it that never met a strict reader: with a byte order mark before it or in UTF-16, NULs or another
//! document behind it, a property twice, or control characters and bytes of another character set in its strings.

use std::borrow::Cow;

use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Deserializer, Value};

/// The UTF-8 byte order mark, which JSON must not begin with (RFC 8259, section 8.1) and does.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Why a body is no resource.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// There is nothing in it.
    #[error("the body is empty")]
    Empty,
    /// It is something else, such as a page for a browser.
    #[error("the body is no JSON")]
    NotJson(#[source] serde_json::Error),
    /// It is JSON, but not what a resource is made of.
    #[error("the body is JSON, but no object with properties")]
    NotAnObject(#[source] Option<serde_json::Error>),
}

/// The resource in a body. Of a property that is there twice the later one counts; what follows the object is passed over.
pub fn resource<T: DeserializeOwned>(body: &[u8]) -> Result<T, BodyError> {
    // Nearly all bodies are clean, and are read every few seconds.
    if body.first() == Some(&b'{')
        && let Ok(resource) = serde_json::from_slice(body)
    {
        return Ok(resource);
    }
    let text = cleaned(body);
    match Deserializer::from_str(&text).into_iter::<Value>().next() {
        None => Err(BodyError::Empty),
        Some(Err(error)) => Err(BodyError::NotJson(error)),
        Some(Ok(object @ Value::Object(_))) => {
            serde_json::from_value(object).map_err(|error| BodyError::NotAnObject(Some(error)))
        }
        Some(Ok(_)) => Err(BodyError::NotAnObject(None)),
    }
}

/// Whether a body begins as JSON and ends before that does.
pub fn is_cut_off(body: &[u8]) -> bool {
    let text = cleaned(body);
    let first = Deserializer::from_str(&text).into_iter::<IgnoredAny>().next();
    first.is_some_and(|read| read.is_err_and(|error| error.is_eof()))
}

/// The body as text that a strict reader takes: control characters, which may stand nowhere but between values, are spaces.
fn cleaned(body: &[u8]) -> String {
    let text: Cow<'_, str> = match body {
        [0xff, 0xfe, rest @ ..] => utf_16(rest, u16::from_le_bytes).into(),
        [0xfe, 0xff, rest @ ..] => utf_16(rest, u16::from_be_bytes).into(),
        _ => String::from_utf8_lossy(body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body)),
    };
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// UTF-16, behind its byte order mark.
fn utf_16(body: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let units = body.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    char::decode_utf16(units).map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::redfish::{ComputerSystem, PowerState};

    #[test]
    fn what_ends_too_early_is_told_from_what_is_something_else() {
        let check = |body: &[u8], expected| {
            assert_eq!(is_cut_off(body), expected, "{}", String::from_utf8_lossy(body));
        };
        for early in
            [&b"{"[..], br#"{"PowerState":"O"#, br#"{"a":{"b":1}"#, b"\xef\xbb\xbf[1,", b"\xff\xfe{\0"]
        {
            check(early, true);
        }
        for other in [&b""[..], b"\0", br#"{"a":1}"#, br#"{"a":1} and more"#, b"<html>", br#"{"a" 1"#] {
            check(other, false);
        }
    }

    #[test]
    fn what_is_dirty_is_read_and_what_is_something_else_is_named() {
        let check = |body: &[u8], expected: Result<Option<PowerState>, &str>| {
            let read = resource::<ComputerSystem>(body).map(|system| system.power_state);
            let read = read.map_err(|error| error.to_string());
            assert_eq!(read, expected.map_err(str::to_owned), "{}", String::from_utf8_lossy(body));
        };
        let on = || Ok(Some(PowerState::On));
        check(br#"{"PowerState":"On"}"#, on());
        check(b"\xef\xbb\xbf{\"PowerState\":\"On\"}", on());
        check(b"\xff\xfe{\0\"\0P\0o\0w\0e\0r\0S\0t\0a\0t\0e\0\"\0:\0\"\0O\0n\0\"\0}\0", on());
        check(b"\xfe\xff\0{\0\"\0P\0o\0w\0e\0r\0S\0t\0a\0t\0e\0\"\0:\0\"\0O\0n\0\"\0}", on());
        check(b"\xff\xfe{", Err("the body is empty"));
        check(b"\r\n {\"PowerState\":\"On\"}\0\0\0", on());
        check(br#"{"PowerState":"On"}<!-- served by a proxy -->"#, on());
        check(br#"{"PowerState":"On"}{"PowerState":"Off"}"#, on());
        check(br#"{"PowerState":"Off","Id":"1","PowerState":"On"}"#, on());
        check(b"{\"Name\":\"two\nlines\tand \xe9\",\"PowerState\":\"On\"}", on());
        check(br#"{"PowerState":"on"}"#, on());
        check(br#"{"PowerState":" ON "}"#, on());
        check(br#"{"PowerState":null}"#, Ok(None));
        check(b"", Err("the body is empty"));
        check(b"\0\0", Err("the body is empty"));
        check(b"<html>", Err("the body is no JSON"));
        check(br#"{"PowerState":"#, Err("the body is no JSON"));
        check(b"[]", Err("the body is JSON, but no object with properties"));
        check(b"\"On\"", Err("the body is JSON, but no object with properties"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = resource::<ComputerSystem>(&body);
        }
    }
}
