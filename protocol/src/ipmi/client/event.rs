//! Values: what a session needs to know, what it says, and why it ends.

use std::time::Duration;

use super::super::{
    CipherSuite, Malformed, Privilege, command::Response, message::CompletionCode, rakp::Status,
};
use crate::{bmc_settings::KgKey, secret::Secret};

/// Tries beyond so many add no patience: their waits would be hours.
const TRIES_MAX: u32 = 16;

/// How long to wait for an answer and how often to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Wait after the first try; every later one is half as long again.
    pub first: Duration,
    /// Tries in all, at least 1.
    pub tries: u32,
}

impl Retry {
    /// How long a question without an answer is asked on: all its waits together.
    pub fn patience(self) -> Duration {
        let waits = std::iter::successors(Some(self.first), |wait| Some(*wait + *wait / 2));
        waits.take(self.tries.clamp(1, TRIES_MAX) as usize).sum()
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self { first: Duration::from_millis(1000), tries: 4 }
    }
}

/// Which role byte our proof in RAKP 3 is hashed with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProofRole {
    /// The one that the BMC's own proof was hashed with (section 13.22).
    #[default]
    AsProved,
    /// The privilege alone, without the bit that says that the user is found by name, as some firmware expects it.
    PrivilegeOnly,
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
    /// The BMC's own key K_g; none: it has none.
    pub k_g: Option<KgKey>,
    /// How RAKP 3 is hashed.
    pub proof_role: ProofRole,
    /// Whether RAKP 1 carries the user name in 16 bytes, as some firmware wants it, or in as many as it has.
    pub pads_name: bool,
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

/// The steps of a log-in that a BMC can refuse (sections 13.17 to 13.23).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginStep {
    /// Algorithms and session ids; no user has been named yet.
    OpenSession,
    /// User and role are named.
    Rakp1,
    /// The password is proved.
    Rakp3,
}

impl std::fmt::Display for LoginStep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            LoginStep::OpenSession => "Open Session",
            LoginStep::Rakp1 => "RAKP 1",
            LoginStep::Rakp3 => "RAKP 3",
        })
    }
}

/// Datagrams that came instead of an answer, by what was wrong with them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Not what the protocol's step looks like.
    pub unreadable: u32,
    /// Not authenticated by the session's key: anybody could have sent them.
    pub unauthenticated: u32,
    /// With another message tag or session id than ours.
    pub strange: u32,
}

impl Dropped {
    /// Whether anything came.
    pub fn any(self) -> bool {
        self != Self::default()
    }
}

impl std::fmt::Display for Dropped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kinds = [
            (self.unreadable, "not readable"),
            (self.unauthenticated, "not authenticated"),
            (self.strange, "with a wrong message tag or session id"),
        ];
        let came =
            kinds.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
        match came.collect::<Vec<_>>().join(", ") {
            said if said.is_empty() => Ok(()),
            said => write!(f, ", but datagrams came that could not be used: {said}"),
        }
    }
}

/// Why a session is over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndReason {
    /// Asked for.
    #[error("closed")]
    Closed,
    /// The BMC is silent, or nothing that it sent could be used: `dropped` tells which.
    #[error(
        "no answer to {stage} after {tries} tries{}{dropped}",
        if *heard { ", though it answered what was asked before" } else { "" }
    )]
    NoAnswer {
        /// What was asked.
        stage: &'static str,
        /// How often.
        tries: u32,
        /// Whether it answered an earlier question of this session.
        heard: bool,
        /// What came meanwhile.
        dropped: Dropped,
    },
    /// User or password is longer than the protocol can carry; nothing was sent.
    #[error("{0}")]
    TooLong(&'static str),
    /// The BMC broke the log-in off.
    #[error("{stage}: the BMC refuses, {} ({:#04x})", .status.meaning(), .status.0)]
    Refused {
        /// Which step.
        stage: LoginStep,
        /// Why.
        status: Status,
        /// Whether the step had been sent more than once: then the answer may be to the repetition.
        repeated: bool,
    },
    /// The BMC's proof of the password in RAKP 2 is computed in no way that we know from our password.
    #[error(
        "its proof of the password (RAKP 2) does not match ours: the password is wrong, or its firmware computes the proof \
         in an unknown way"
    )]
    ProofMismatch,
    /// RAKP 2 proved the same password, but RAKP 4 is keyed otherwise.
    #[error(
        "it has our password, but keys the session (RAKP 4) with something else: {}",
        if *key_given { "its own key K_g is not the one in ipmi_hex_kg_key of this server's entry; correct it" }
        else { "it seems to have its own key K_g; write that as ipmi_hex_kg_key into this server's entry, or remove it from the BMC" }
    )]
    KeyMismatch {
        /// Whether we were given a key K_g of its own.
        key_given: bool,
    },
    /// The session is open, but does not get the privilege that we need.
    #[error(
        "Set Session Privilege Level ({}): the BMC answers {:#04x}, {}", .privilege.name(), .code.0, .code.meaning()
    )]
    Privilege {
        /// What was asked for.
        privilege: Privilege,
        /// The answer.
        code: CompletionCode,
    },
    /// It grants other algorithms than were asked for, and no other cipher suite may be asked for.
    #[error(
        "Open Session: asked for cipher suite {}, the BMC grants {}", .asked.id(),
        .granted.map_or("algorithms of no suite that is spoken here".to_owned(), |suite| format!(
            "cipher suite {}; write that as ipmi_cipher_suite into this server's entry, or remove it there", suite.id()
        ))
    )]
    OtherSuite {
        /// The last one that was asked for.
        asked: CipherSuite,
        /// What it grants; none: nothing that we know.
        granted: Option<CipherSuite>,
    },
    /// It does not speak IPMI 2.0.
    #[error("the BMC does not offer IPMI 2.0 sessions")]
    NoRmcpPlus,
}

/// The session is over, or too many requests wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the session takes no more requests; open another one")]
pub struct Unavailable;
