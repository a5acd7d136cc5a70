//! Edges: what every request to OpenStack and every answer of it have in common: the token in its header, an answer read whole, and
//! none at all.

use bytes::{Bytes, BytesMut};
use domain::rim::Service;
use http::HeaderValue;
use protocol::{error_chain::chain, secret::Secret};

use super::error::Error;

/// Largest answer that is not an image: a page of 1000 nodes is about 3 MB.
pub const ANSWER_BYTES_MAX: usize = 32 << 20;

/// A secret as a header that logs do not show.
pub(crate) fn sensitive(service: Service, operation: &str, token: &Secret) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::from_str(token.reveal()).map_err(|_| Error::Unauthorized {
        service,
        operation: operation.to_owned(),
        message: "the token contains characters that are not allowed in tokens".to_owned(),
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Reads a whole answer, up to [`ANSWER_BYTES_MAX`].
pub(crate) async fn read_body(
    service: Service,
    operation: &str,
    mut response: reqwest::Response,
) -> Result<Bytes, Error> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| unavailable(service, operation, &e))? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(Error::Unintelligible {
                service,
                operation: operation.to_owned(),
                message: format!("it is larger than {ANSWER_BYTES_MAX} bytes"),
            });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// The error for a request that got no answer.
pub(crate) fn unavailable(service: Service, operation: &str, error: &reqwest::Error) -> Error {
    Error::Unavailable { service, operation: operation.to_owned(), message: chain(error) }
}
