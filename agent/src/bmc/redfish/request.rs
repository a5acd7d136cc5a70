//! Values: one request to a Redfish service, before it is sent.

use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Uri,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue},
};
use serde_json::Value;

/// The version of OData that is spoken (DSP0266, section 6.5).
pub(super) const ODATA_VERSION: HeaderName = HeaderName::from_static("odata-version");

/// What is wrong with a request that cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unsendable {
    /// A header's value.
    #[error("the value of the header {0} has characters that HTTP has not")]
    Header(HeaderName),
    /// The path.
    #[error("{0:?} is no path of HTTP")]
    Path(String),
}

/// A request that can be sent any number of times.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
    /// Whole time for the connection, the request and the answer.
    pub(super) time: Duration,
    unsendable: Option<Unsendable>,
}

impl Request {
    /// Without a body; as JSON is wanted from a Redfish service.
    pub(super) fn new(method: Method, path: &str, time: Duration) -> Self {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(ODATA_VERSION, HeaderValue::from_static("4.0"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        Self { method, path: path.to_owned(), headers, body: Bytes::new(), time, unsendable: None }
    }

    /// With this header, and no other of its name.
    pub(super) fn header(mut self, name: HeaderName, value: &str) -> Self {
        match HeaderValue::from_str(value) {
            Ok(value) => drop(self.headers.insert(name, value)),
            Err(_) => self.unsendable = Some(Unsendable::Header(name)),
        }
        self
    }

    /// With a header that is in no log.
    pub(super) fn secret_header(mut self, name: HeaderName, value: &str) -> Self {
        self = self.header(name.clone(), value);
        if let Some(value) = self.headers.get_mut(name) {
            value.set_sensitive(true);
        }
        self
    }

    /// With user and password (RFC 7617, section 2).
    pub(super) fn basic_auth(self, user: &str, password: &str) -> Self {
        let both = BASE64_STANDARD.encode(format!("{user}:{password}"));
        self.secret_header(AUTHORIZATION, &format!("Basic {both}"))
    }

    /// With this body.
    pub(super) fn body(self, body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), ..self }
    }

    /// With this body and its type.
    pub(super) fn json(self, body: &Value) -> Self {
        self.header(CONTENT_TYPE, "application/json").body(body.to_string())
    }

    /// With so much time.
    pub(super) fn timeout(self, time: Duration) -> Self {
        Self { time, ..self }
    }

    /// As it is sent to this host.
    pub(super) fn to(&self, host: &HeaderValue) -> Result<hyper::Request<Full<Bytes>>, Unsendable> {
        if let Some(unsendable) = &self.unsendable {
            return Err(unsendable.clone());
        }
        let mut request = hyper::Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = target(&self.path).ok_or_else(|| Unsendable::Path(self.path.clone()))?;
        *request.headers_mut() = self.headers.clone();
        request.headers_mut().insert(HOST, host.clone());
        Ok(request)
    }
}

/// The path as a request line has it: without its fragment, and what may not stand there as it is in per cent (RFC 3986, section 2.1):
/// services name their parts as they like.
fn target(path: &str) -> Option<Uri> {
    let path = path.split('#').next().unwrap_or_default();
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte);
    if path.bytes().all(is_plain) {
        return path.parse().ok();
    }
    let mut quoted = String::with_capacity(path.len() + 16);
    for byte in path.bytes() {
        if is_plain(byte) {
            quoted.push(char::from(byte));
        } else {
            quoted.push_str(&format!("%{byte:02X}"));
        }
    }
    quoted.parse().ok()
}

#[cfg(test)]
mod tests {
    use hyper::header::IF_MATCH;

    use super::*;

    const HOST_VALUE: HeaderValue = HeaderValue::from_static("[::1]:8000");

    #[test]
    fn any_path_of_a_service_is_one_of_http() {
        let check = |path: &str, expected: Option<&str>| {
            let target = target(path).map(|uri| uri.to_string());
            assert_eq!(target.as_deref(), expected, "{path}");
        };
        check("/redfish/v1/Systems/1", Some("/redfish/v1/Systems/1"));
        check("/redfish/v1/Systems/437XR1138R2", Some("/redfish/v1/Systems/437XR1138R2"));
        check("/redfish/v1/Chassis/1/Thermal#/Fans/0", Some("/redfish/v1/Chassis/1/Thermal"));
        check("/redfish/v1/Systems/Node 1/é", Some("/redfish/v1/Systems/Node%201/%C3%A9"));
        check("/redfish/v1/Systems/{1}%20?$top=5", Some("/redfish/v1/Systems/%7B1%7D%20?$top=5"));
        check("/a\r\nHost: b", Some("/a%0D%0AHost:%20b"));
    }

    #[test]
    fn a_request_is_sent_with_all_that_it_was_given() {
        let request = Request::new(Method::PATCH, "/redfish/v1", Duration::from_secs(1))
            .header(IF_MATCH, "\"7\"")
            .basic_auth("admin", "se:cret")
            .json(&serde_json::json!({"A": 1}));
        let sent = request.to(&HOST_VALUE).unwrap();
        let header = |name: &str| sent.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("host"), "[::1]:8000");
        assert_eq!(header("if-match"), "\"7\"");
        assert_eq!(header("authorization"), "Basic YWRtaW46c2U6Y3JldA==");
        assert_eq!(
            (header("accept"), header("content-type")),
            ("application/json".into(), "application/json".into())
        );
        assert!(!format!("{request:?}").contains("YWRt"));
        let odd = Request::new(Method::GET, "/", Duration::ZERO).header(IF_MATCH, "7\r\nX: 1");
        assert_eq!(odd.to(&HOST_VALUE).err(), Some(Unsendable::Header(IF_MATCH)));
    }
}
