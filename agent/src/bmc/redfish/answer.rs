//! Edges: one whole answer of a Redfish service: status, headers, and a body with a bound.

use std::{
    io::Read,
    time::{Duration, SystemTime},
};

use flate2::read::{DeflateDecoder, GzDecoder, ZlibDecoder};
use hyper::{
    Method, StatusCode,
    header::{
        CONTENT_ENCODING, CONTENT_LENGTH, DATE, HeaderMap, HeaderName, LOCATION, RETRY_AFTER,
        TRANSFER_ENCODING,
    },
};
use protocol::redfish::{BODY_BYTES_MAX, ErrorBody, dirty};
use serde::de::DeserializeOwned;

use super::{
    again,
    fault::{Fault, Refused, reason},
    request::Request,
    unanswered::WireError,
    wire::Wire,
};

/// An answer that has come to its end.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// Why there is none.
pub(super) enum NoAnswer {
    Failed(WireError),
    TooLong,
}

impl Answer {
    /// Sends a request and reads the answer to its end. Where only the end of an answer to a write is missing, its status says enough.
    pub(super) async fn to(wire: &mut Wire, request: &Request) -> Result<Self, NoAnswer> {
        let mut exchange = wire.begin(request).await.map_err(NoAnswer::Failed)?;
        let mut body = Vec::new();
        loop {
            match exchange.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() > BODY_BYTES_MAX => {
                    return Err(NoAnswer::TooLong);
                }
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(error) if request.method == Method::GET => return Err(NoAnswer::Failed(error)),
                Err(_) => break,
            }
        }
        let (status, headers) = wire.take_back(exchange).await;
        let mut answer = Self { status, headers, body };
        answer.unpack();
        if request.method == Method::GET && answer.is_cut_off() {
            return Err(NoAnswer::Failed(WireError::CutOff));
        }
        Ok(answer)
    }

    /// Whether its body ended with the connection (RFC 9112, section 6.3), and too early.
    fn is_cut_off(&self) -> bool {
        let has_end =
            self.headers.contains_key(CONTENT_LENGTH) || self.headers.contains_key(TRANSFER_ENCODING);
        !has_end && dirty::is_cut_off(&self.body)
    }

    /// Some services pack what nobody has asked them to pack.
    fn unpack(&mut self) {
        let encoding = self.header(CONTENT_ENCODING).unwrap_or_default().trim().to_ascii_lowercase();
        let packed = self.body.as_slice();
        let plain = match encoding.as_str() {
            "gzip" | "x-gzip" => unpacked(GzDecoder::new(packed)),
            // With the head of zlib, as RFC 9110 (section 8.4.1.2) wants it, or without, as many write it.
            "deflate" => unpacked(ZlibDecoder::new(packed)).or_else(|| unpacked(DeflateDecoder::new(packed))),
            _ => None,
        };
        if let Some(plain) = plain {
            self.body = plain;
        }
    }

    pub(super) fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Where it says that the resource is that was asked for by this method; none: it is here.
    pub(super) fn redirect(&self, method: &Method) -> Option<&str> {
        match self.status {
            // What was written is done, and its answer is elsewhere: nothing is to be written there.
            StatusCode::SEE_OTHER if *method == Method::GET => self.header(LOCATION),
            StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT => self.header(LOCATION),
            _ => None,
        }
    }

    /// Whether its redirect holds for good.
    pub(super) fn has_moved_for_good(&self) -> bool {
        matches!(self.status, StatusCode::MOVED_PERMANENTLY | StatusCode::PERMANENT_REDIRECT)
    }

    /// How long it asks us to wait.
    pub(super) fn wish(&self) -> Option<Duration> {
        again::wish(self.header(RETRY_AFTER), self.header(DATE), SystemTime::now())
    }

    /// What an error says; nothing where it is none.
    pub(super) fn error_body(&self) -> ErrorBody {
        dirty::resource(&self.body).unwrap_or_default()
    }

    pub(super) fn resource<T: DeserializeOwned>(&self, path: &str) -> Result<T, Fault> {
        dirty::resource(&self.body).map_err(|error| Fault::no_resource(path, &error))
    }

    /// The answer, if it is none that refuses.
    pub(super) fn good(self, method: &Method, path: &str) -> Result<Self, Fault> {
        if self.status.is_success() {
            return Ok(self);
        }
        let (body, wish) = (self.error_body(), self.wish());
        Err(Fault::Refused(Refused {
            status: Some(self.status),
            reason: reason(method, path, self.status, &body, wish),
            trouble: again::trouble(method, self.status, &body),
            wish,
        }))
    }
}

fn unpacked(packed: impl Read) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    packed.take(BODY_BYTES_MAX as u64).read_to_end(&mut plain).ok()?;
    Some(plain)
}
