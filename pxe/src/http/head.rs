//! Values: the head of a request, read from bytes, and the head of an answer, written to bytes (RFC 9112).

use std::time::SystemTime;

use axum::{
    body::Body,
    http::{HeaderMap, Method, Request, StatusCode, Uri, Version, header},
};
use percent_encoding::percent_decode_str;

/// Longest head, in bytes.
pub const MAX_HEAD: usize = 16 * 1024;

/// Most header lines of a request.
const MAX_HEADERS: usize = 64;

/// Why a head is not answered as it was meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHead {
    /// It is no HTTP.
    #[error("it is no HTTP request")]
    Syntax,
    /// It goes on and on.
    #[error("its head has more than {MAX_HEAD} bytes or {MAX_HEADERS} lines")]
    TooLong,
}

impl InvalidHead {
    /// How it is answered.
    pub fn status(self) -> StatusCode {
        match self {
            InvalidHead::Syntax => StatusCode::BAD_REQUEST,
            InvalidHead::TooLong => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        }
    }
}

/// Reads a head that has come whole, with the number of its bytes; none: it has not.
pub fn parse(bytes: &[u8]) -> Result<Option<(Request<Body>, usize)>, InvalidHead> {
    let mut lines = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut head = httparse::Request::new(&mut lines);
    let len = match head.parse(bytes) {
        Ok(httparse::Status::Complete(len)) if len <= MAX_HEAD => len,
        Ok(httparse::Status::Partial) if bytes.len() < MAX_HEAD => return Ok(None),
        Ok(_) | Err(httparse::Error::TooManyHeaders) => return Err(InvalidHead::TooLong),
        Err(_) => return Err(InvalidHead::Syntax),
    };
    let (Some(method), Some(target), Some(minor)) = (head.method, head.path, head.version) else {
        return Err(InvalidHead::Syntax);
    };
    let mut request = Request::builder()
        .method(method)
        .uri(normal(target).ok_or(InvalidHead::Syntax)?)
        .version(if minor == 0 { Version::HTTP_10 } else { Version::HTTP_11 });
    for line in head.headers.iter() {
        request = request.header(line.name, line.value);
    }
    let request = request.body(Body::empty()).map_err(|_| InvalidHead::Syntax)?;
    Ok(Some((request, len)))
}

/// The target's path as it is meant: without a host, without empty and dotted parts. Firmware joins paths with one slash too many.
fn normal(target: &str) -> Option<Uri> {
    let uri: Uri = target.parse().ok()?;
    let mut parts: Vec<&str> = Vec::new();
    for part in uri.path().split('/') {
        match percent_decode_str(part).decode_utf8().ok()?.as_ref() {
            "" | "." => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("/{}{query}", parts.join("/")).parse().ok()
}

/// Whether the connection stays open behind this request.
pub fn keeps_open(request: &Request<Body>) -> bool {
    let headers = request.headers();
    let says = |word: &str| {
        let lines = headers.get_all(header::CONNECTION).iter().filter_map(|line| line.to_str().ok());
        lines.flat_map(|line| line.split(',')).any(|said| said.trim().eq_ignore_ascii_case(word))
    };
    // Nobody here wants a body, and nobody here reads one: what follows it would be taken for a request.
    let has_body = headers.contains_key(header::TRANSFER_ENCODING)
        || headers.get(header::CONTENT_LENGTH).is_some_and(|len| len != "0");
    match request.version() {
        _ if has_body => false,
        Version::HTTP_10 => says("keep-alive"),
        _ => !says("close"),
    }
}

/// Writes an answer's head.
pub fn write(status: StatusCode, headers: &HeaderMap, keeps_open: bool, now: SystemTime) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status}\r\ndate: {}\r\n", httpdate::fmt_http_date(now)).into_bytes();
    for (name, value) in headers {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    let connection: &[u8] =
        if keeps_open { b"connection: keep-alive\r\n\r\n" } else { b"connection: close\r\n\r\n" };
    head.extend_from_slice(connection);
    head
}

/// Whether an answer to this method has a body.
pub fn has_body(method: &Method, status: StatusCode) -> bool {
    *method != Method::HEAD && status != StatusCode::NOT_MODIFIED && status != StatusCode::NO_CONTENT
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_target_is_read_as_it_is_meant() {
        let check = |target: &str, expected: &str| {
            let bytes = format!("GET {target} HTTP/1.1\r\nhost: x\r\n\r\n");
            let (request, len) = parse(bytes.as_bytes()).unwrap().unwrap();
            assert_eq!((request.uri().to_string().as_str(), len), (expected, bytes.len()), "{target}");
        };
        check("/boot/a", "/boot/a");
        check("//boot///a", "/boot/a");
        check("/./boot/%2e/a", "/boot/a");
        check("/boot/x/../a?nic=1//2", "/boot/a?nic=1//2");
        check("/../../boot/a", "/boot/a");
        check("/boot/%2E%2e/a", "/a");
        check("http://198.18.1.1/boot//a", "/boot/a");
        check("/", "/");
        check("/boot/02%3A00/a", "/boot/02%3A00/a");
    }

    #[test]
    fn heads_are_read_when_they_are_whole() {
        let check = |bytes: &str, expected: Result<bool, InvalidHead>| {
            assert_eq!(parse(bytes.as_bytes()).map(|head| head.is_some()), expected, "{bytes:?}");
        };
        check("", Ok(false));
        check("GET / HTT", Ok(false));
        check("GET / HTTP/1.0\r\n\r\n", Ok(true));
        check("\x16\x03\x01", Err(InvalidHead::Syntax));
        check("GET / HTTP/1.1\r\na b: c\r\n\r\n", Err(InvalidHead::Syntax));
        check("GET /% HTTP/1.1\r\n\r\n", Ok(true));
        check("GET a b HTTP/1.1\r\n\r\n", Err(InvalidHead::Syntax));
        check(&format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(65)), Err(InvalidHead::TooLong));
        check(&format!("GET /{}", "a".repeat(MAX_HEAD)), Err(InvalidHead::TooLong));
    }

    #[test]
    fn a_connection_stays_open_as_its_client_wishes() {
        let check = |version: &str, lines: &str, expected: bool| {
            let bytes = format!("GET / HTTP/{version}\r\n{lines}\r\n");
            assert_eq!(keeps_open(&parse(bytes.as_bytes()).unwrap().unwrap().0), expected, "{bytes:?}");
        };
        check("1.1", "", true);
        check("1.1", "connection: a, Close\r\n", false);
        check("1.0", "", false);
        check("1.0", "connection: Keep-Alive\r\n", true);
        check("1.1", "content-length: 0\r\n", true);
        check("1.1", "content-length: 5\r\n", false);
        check("1.1", "transfer-encoding: chunked\r\n", false);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = parse(&bytes);
            let _ = parse(&[b"GET ", &bytes[..], b" HTTP/1.1\r\n\r\n"].concat());
        }
    }
}
