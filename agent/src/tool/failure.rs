//! Edges: why a BMC did not do what it was asked, in a sentence.

use super::kind::Kind;
use crate::bmc::{BmcError, CallError};

/// What is wrong, and with whom.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The BMC has no answer, or not the one that was wished.
    #[error(transparent)]
    Bmc(#[from] BmcError),
    /// The same, of one command.
    #[error(transparent)]
    Call(CallError),
    /// It has accepted it, and it is not so.
    #[error("{0}")]
    NotSo(String),
    /// The protocol of the call cannot do it.
    #[error("{verb}: not by Redfish; use --by ipmi, or inventory")]
    NotByRedfish {
        /// What was asked for.
        verb: &'static str,
    },
    /// The same.
    #[error("{verb}: not by IPMI; use --by redfish")]
    NotByIpmi {
        /// What was asked for.
        verb: &'static str,
    },
    /// The call or a file is wrong.
    #[error("{0}")]
    Usage(String),
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Bmc(error) => Failure::Bmc(error),
            error @ (CallError::Refused { .. }
            | CallError::Malformed { .. }
            | CallError::Walk(_)
            | CallError::TooLong { .. }) => Failure::Call(error),
        }
    }
}

impl Failure {
    /// Which kind it is.
    pub fn kind(&self) -> Kind {
        match self {
            Failure::Bmc(BmcError::Unreachable { .. }) => Kind::Unreachable,
            Failure::Bmc(BmcError::Credentials { .. }) => Kind::Credentials,
            Failure::Bmc(
                BmcError::Refused { .. } | BmcError::NotUnderstood { .. } | BmcError::OtherMachine { .. },
            )
            | Failure::Call(_)
            | Failure::NotSo(_) => Kind::Refused,
            Failure::NotByRedfish { .. } | Failure::NotByIpmi { .. } | Failure::Usage(_) => Kind::Usage,
        }
    }

    /// In a sentence. Nobody tries again behind this program's back, as an agent does.
    pub fn sentence(&self) -> String {
        match self {
            Failure::Bmc(BmcError::Credentials { address, username, reason, .. }) => format!(
                "the BMC at {address} does not accept user {username:?}: {reason}; correct the user or the password"
            ),
            other => protocol::error_chain::chain(other),
        }
    }
}
