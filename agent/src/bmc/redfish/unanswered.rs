//! Values: why a request to a Redfish service has no answer.

use std::{io, time::Duration};

use super::request::Unsendable;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    /// There is no connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// It cannot be asked.
    #[error(transparent)]
    Unsendable(#[from] Unsendable),
    /// The connection broke, or what came is no HTTP.
    #[error("HTTP")]
    Http(#[from] hyper::Error),
    /// The connection was closed, which is where an answer without a length ends, before its JSON had ended.
    #[error("the connection was closed in the middle of the answer")]
    CutOff,
    /// It did not come in time.
    #[error("no answer within {} s", .0.as_secs())]
    Time(Duration),
}

/// Why there is no stream.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    /// Its name says nothing.
    #[error("its name cannot be resolved")]
    Name(#[source] io::Error),
    /// Its name is none that TLS knows.
    #[error("its name is none that a certificate can be of")]
    TlsName,
    /// Nobody takes the connection.
    #[error("connecting")]
    Tcp(#[source] io::Error),
    /// Nobody has taken it, or TLS did not come about.
    #[error("no connection within {} s", .0.as_secs())]
    Time(Duration),
    /// TLS does not come about.
    #[error("the TLS handshake")]
    Tls(#[source] io::Error),
}
