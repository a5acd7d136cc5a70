//! Values: what a BMC answers, and why there is no answer.

use protocol::{command::FailureKind, power::PowerReading};

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
    /// User or password is not accepted. It was tried once and is not tried again until the endpoint changes.
    #[error(
        "the BMC at {address} does not accept user {username:?}: {reason}; correct the user or password of this server"
    )]
    Credentials {
        /// Where.
        address: String,
        /// Which user.
        username: String,
        /// What it answered.
        reason: String,
    },
    /// It answered with an error.
    #[error("the BMC at {address} refuses: {reason}")]
    Refused {
        /// Where.
        address: String,
        /// What it answered.
        reason: String,
    },
    /// It answered, but not what the protocol asks for.
    #[error(
        "the BMC at {address} answers what cannot be understood: {reason}; check protocol, port and firmware"
    )]
    NotUnderstood {
        /// Where.
        address: String,
        /// What is wrong.
        reason: String,
    },
    /// Somebody else answers there: nothing that it says is of this server, and nothing is asked of it.
    #[error(
        "the BMC at {address} is another machine's: it says that it is {seen}, and this server's is {expected} (the {field} differs); \
         correct the server's BMC address by an import, or, if its board or BMC was replaced, accept the new one (bmsctl node bmc \
         accept)"
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

/// A reading as it is reported: whatever is not an answer is "unreachable" with its reason, never "off".
pub fn reading(result: Result<Power, BmcError>) -> PowerReading {
    match result {
        Ok(Power::On) => PowerReading::On,
        Ok(Power::Off) => PowerReading::Off,
        Err(error) => PowerReading::Unreachable { reason: error.to_string() },
    }
}
