//! Values: what a BMC answers, and why there is no answer.

use std::time::Duration;

use protocol::{command::FailureKind, power::PowerReading};

use super::account::{Pause, Refusal};

/// Power as a BMC that answers states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// On, or going on.
    On,
    /// Off.
    Off,
}

/// Why a BMC did not do what it was asked. Silence is never "off".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BmcError {
    /// No answer.
    #[error(
        "the BMC at {address} does not answer: {reason}; check its address, its cable and the management network"
    )]
    Unreachable {
        /// Where it should be.
        address: String,
        /// What was tried.
        reason: String,
    },
    /// User or password is not accepted, or so it looks: that may pass, so it is tried again, within a budget.
    #[error(
        "the BMC at {address} does not accept user {username:?}: {reason}; {}; it is tried again in {}",
        if *is_proved { "the user or password of this server is wrong: correct it" }
        else { "if this persists, correct the user or password of this server" },
        words(*again_in)
    )]
    Credentials {
        /// Where.
        address: String,
        /// Which user.
        username: String,
        /// What it answered.
        reason: String,
        /// How long until the next try.
        again_in: Duration,
        /// The budget of tries is spent: it is tried so seldom that nobody would see its server go off.
        is_spent: bool,
        /// The refusals prove that user or password is wrong.
        is_proved: bool,
    },
    /// It answered with an error.
    #[error("the BMC at {address} refused the request: {reason}")]
    Refused {
        /// Where.
        address: String,
        /// What it answered.
        reason: String,
    },
    /// It answered, but not what the protocol asks for.
    #[error(
        "the BMC at {address} sent an answer that cannot be understood: {reason}; check protocol, port and firmware"
    )]
    NotUnderstood {
        /// Where.
        address: String,
        /// What is wrong.
        reason: String,
    },
    /// Somebody else answers there: nothing that it says is of this server, and nothing is asked of it.
    #[error(
        "the BMC at {address} belongs to another machine: it identifies itself as {seen}, but this server's is {expected} \
         (the {field} differs); correct the server's BMC address by an import, or, if its board or BMC was replaced, \
         accept the new one (bmsctl node bmc accept)"
    )]
    OtherMachine {
        /// Where.
        address: String,
        /// Who this server's BMC is known to be.
        expected: String,
        /// Who it says it is.
        seen: String,
        /// What differs.
        field: &'static str,
    },
}

impl BmcError {
    /// What is answered while a refused account waits for its next try.
    pub(super) fn paused(address: String, username: &str, reason: &str, pause: Pause) -> Self {
        let Pause { refusal, again_in, is_spent, is_proved } = pause;
        match refusal {
            Refusal::Passes => {
                let reason = format!("{reason}; it is tried again in {}", words(again_in));
                BmcError::Refused { address, reason }
            }
            Refusal::SaysWrong | Refusal::MayCount => BmcError::Credentials {
                address,
                username: username.to_owned(),
                reason: reason.to_owned(),
                again_in,
                is_spent,
                is_proved,
            },
        }
    }

    /// The kind that the coordinator decides on.
    pub fn kind(&self) -> FailureKind {
        match self {
            BmcError::Unreachable { .. } => FailureKind::BmcUnreachable,
            BmcError::Credentials { .. } => FailureKind::BmcCredentials,
            BmcError::Refused { .. } | BmcError::NotUnderstood { .. } | BmcError::OtherMachine { .. } => {
                FailureKind::BmcRefused
            }
        }
    }
}

/// A pause in words: whole seconds, or minutes.
fn words(pause: Duration) -> String {
    match pause.as_secs_f64().ceil() {
        seconds if seconds < 120.0 => format!("{seconds} s"),
        seconds => format!("{} min", (seconds / 60.0).round()),
    }
}

/// A reading as it is reported: whatever is not an answer is "unreachable" with its reason, never "off".
pub fn reading(result: Result<Power, BmcError>) -> PowerReading {
    match result {
        Ok(Power::On) => PowerReading::On,
        Ok(Power::Off) => PowerReading::Off,
        Err(error) => PowerReading::Unreachable { reason: error.to_string() },
    }
}
