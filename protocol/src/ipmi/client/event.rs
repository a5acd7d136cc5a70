//! Values: what a session needs to know, what it says, and why it ends.

use std::time::Duration;

use super::super::{
    CipherSuite, Malformed, Privilege, command::Response, message::CompletionCode, rakp::Status,
};
use crate::secret::Secret;

/// How long to wait for an answer and how often to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Wait after the first try; every later one is half as long again.
    pub first: Duration,
    /// Tries in all, at least 1.
    pub tries: u32,
}

impl Default for Retry {
    fn default() -> Self {
        Self { first: Duration::from_millis(1000), tries: 4 }
    }
}

/// What a session needs to know.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// User, at most 16 bytes.
    pub username: String,
    /// Password, at most 20 bytes.
    pub password: Secret,
    /// Suites to try, best first.
    pub suites: Vec<CipherSuite>,
    /// Privilege to raise the session to. A session starts as user and could not switch power, so it is always asked for.
    pub privilege: Privilege,
    /// Patience.
    pub retry: Retry,
    /// 32 random bytes, fresh for every session.
    pub seed: [u8; 32],
}

/// A request's number within its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub(super) u64);

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientEvent {
    /// The session is open with this suite and privilege.
    Opened(CipherSuite),
    /// A request was answered.
    Answered(RequestId, Result<Response, RequestError>),
    /// The session is over; requests without an answer will get none.
    Ended(EndReason),
}

/// Why the BMC's answer is not what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The BMC said no.
    #[error("{request}: the BMC answers {:#04x}, {}", .code.0, .code.meaning())]
    Refused {
        /// Which request.
        request: &'static str,
        /// Its completion code.
        code: CompletionCode,
    },
    /// The answer cannot be read.
    #[error("{request}: the BMC's answer is not understood")]
    Malformed {
        /// Which request.
        request: &'static str,
        /// What is wrong.
        source: Malformed,
    },
}

/// Why a session is over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndReason {
    /// Asked for.
    #[error("closed")]
    Closed,
    /// The BMC is silent.
    #[error("no answer to {stage} after {tries} tries")]
    NoAnswer {
        /// What was asked.
        stage: &'static str,
        /// How often.
        tries: u32,
    },
    /// User, password or privilege is not accepted. Do not repeat: BMCs lock accounts.
    #[error("the BMC does not accept the credentials ({0})")]
    Credentials(&'static str),
    /// No session for another reason.
    #[error("{stage}: the BMC refuses, {} ({:#04x})", .status.meaning(), .status.0)]
    Refused {
        /// Which step.
        stage: &'static str,
        /// Why.
        status: Status,
    },
    /// It does not speak IPMI 2.0.
    #[error("the BMC does not offer IPMI 2.0 sessions")]
    NoRmcpPlus,
}

/// The session is over, or too many requests wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the session takes no more requests; open another one")]
pub struct Unavailable;
