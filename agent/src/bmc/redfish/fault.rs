//! Decisions: why there is no good answer, in words that fit the cause: only who does not answer at all has an address or a cable to
//! be checked.

use std::{error::Error, io, time::Duration};

use hyper::{Method, StatusCode};
use protocol::{
    error_chain::{causes, chain, find},
    redfish::{ErrorBody, dirty},
};

use super::{
    super::account::Pause,
    again::Trouble,
    tls,
    unanswered::{ConnectError, WireError},
};

/// Why there is no good answer.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    Unreachable(String),
    /// The connection broke while the answer was awaited: it is not known whether it was done.
    Lost(String),
    /// The log-in is refused, and not tried again before this pause is over.
    LogIn {
        reason: String,
        pause: Pause,
    },
    Refused(Refused),
    NotUnderstood(String),
}

/// A refusal.
#[derive(Clone, Debug)]
pub(super) struct Refused {
    /// HTTP's; none: we refuse.
    pub(super) status: Option<StatusCode>,
    pub(super) reason: String,
    /// What of it may pass; none: nothing.
    pub(super) trouble: Option<Trouble>,
    /// How long the service asks us to wait.
    pub(super) wish: Option<Duration>,
}

impl Fault {
    pub(super) fn refused(reason: impl Into<String>) -> Self {
        Fault::Refused(Refused { status: None, reason: reason.into(), trouble: None, wish: None })
    }

    /// The status of a refusal.
    pub(super) fn status(&self) -> Option<StatusCode> {
        match self {
            Fault::Refused(refused) => refused.status,
            Fault::Unreachable(_) | Fault::Lost(_) | Fault::LogIn { .. } | Fault::NotUnderstood(_) => None,
        }
    }

    /// A body that is none of a resource.
    pub(super) fn no_resource(path: &str, error: &dirty::BodyError) -> Self {
        Fault::NotUnderstood(format!("GET {path}: no Redfish resource: {}", chain(error)))
    }
}

/// The reason in a refusal with this status and body.
pub(super) fn reason(
    method: &Method,
    path: &str,
    status: StatusCode,
    body: &ErrorBody,
    wish: Option<Duration>,
) -> String {
    let said = body.text().map(|text| format!(": {text}")).unwrap_or_default();
    let wait =
        wish.map(|wish| format!("; it asks to be asked again in {} s", wish.as_secs())).unwrap_or_default();
    let change = match body.password_change() {
        Some(_) => {
            "; it answers nothing else before that: have it changed by `bmsctl bmc rotate`, or in the BMC"
        }
        None => "",
    };
    format!("{method} {path}: HTTP {status}{said}{wait}{change}")
}

/// Whether the connection was there, and broke before the whole answer came.
pub(super) fn is_broken(error: &WireError) -> bool {
    match error {
        WireError::Http(error) => !error.is_parse(),
        WireError::CutOff => true,
        WireError::Connect(_) | WireError::Unsendable(_) | WireError::Time(_) => false,
    }
}

/// A handshake has failed.
pub(super) fn of_tls(error: &rustls::Error) -> Fault {
    Fault::NotUnderstood(format!("TLS fails: {}; {}", tls::words(error), tls::remedy(error)))
}

/// What a request has failed of. `breaks`: how often its connection broke, this time included.
pub(super) fn of_request(error: &WireError, is_tls: bool, breaks: u32) -> Fault {
    if let Some(tls) = find::<rustls::Error>(error) {
        return of_tls(tls);
    }
    let said = chain(error);
    match error {
        // Somebody is there, and speaks something else.
        WireError::Http(error) if error.is_parse() => {
            let remedy =
                if is_tls { "check the port" } else { "it may speak TLS there: check port and protocol" };
            Fault::NotUnderstood(format!("it does not speak HTTP: {said}; {remedy}"))
        }
        WireError::Http(_) | WireError::CutOff => Fault::NotUnderstood(format!(
            "it answers, but closes its connections in the middle ({breaks} times): {said}"
        )),
        WireError::Connect(ConnectError::Tls(cut)) if is_cut(cut) => Fault::NotUnderstood(format!(
            "it answers, but ends the TLS handshake without a word ({said}); {}",
            tls::TOO_OLD
        )),
        WireError::Unsendable(_) => Fault::NotUnderstood(said),
        WireError::Connect(_) | WireError::Time(_) => Fault::Unreachable(said),
    }
}

/// A connection that was there and was cut. Where nobody is, it is refused, or nothing comes.
fn is_cut(error: &(dyn Error + 'static)) -> bool {
    causes(error).filter_map(|error| error.downcast_ref::<io::Error>()).any(|error| {
        matches!(
            error.kind(),
            io::ErrorKind::UnexpectedEof
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
        )
    })
}
