//! Edges: any command over the kept session, answered as what it is.

use std::sync::atomic::{AtomicU8, Ordering};

use protocol::ipmi::{
    Malformed,
    bridge::{self, SendMessage, Target},
    call::{Call, Command},
    chassis::{BootFlags, BootOption},
    client::RequestError,
    command::{Request, Response},
    message::CompletionCode,
    sdr::walk::WalkError,
};

use super::IpmiBmc;
use crate::bmc::BmcError;

/// Why a command was not answered with what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// There is no answer.
    #[error(transparent)]
    Bmc(#[from] BmcError),
    /// The BMC said no.
    #[error("{command}: the BMC answers {:#04x}, {}", .code.0, .code.meaning())]
    Refused {
        /// Which command.
        command: &'static str,
        /// Its completion code.
        code: CompletionCode,
    },
    /// The answer cannot be read.
    #[error("{command}: the BMC's answer is not understood")]
    Malformed {
        /// Which command.
        command: &'static str,
        /// What is wrong.
        source: Malformed,
    },
    /// The sensor records cannot be read.
    #[error("reading the sensor records")]
    Walk(#[from] WalkError),
    /// A command for another controller has no room in "Send Message".
    #[error("{command} is too long to be carried to another controller")]
    TooLong {
        /// Which command.
        command: &'static str,
    },
}

impl CallError {
    /// The BMC's own word, where it said one.
    pub fn code(&self) -> Option<CompletionCode> {
        match self {
            CallError::Refused { code, .. } => Some(*code),
            CallError::Bmc(_)
            | CallError::Malformed { .. }
            | CallError::Walk(_)
            | CallError::TooLong { .. } => None,
        }
    }
}

/// Numbers of messages that are carried to other controllers; 6 bits count.
static CARRIED: AtomicU8 = AtomicU8::new(0);

impl IpmiBmc {
    /// Asks the BMC.
    pub async fn call<C: Command>(&self, command: &C) -> Result<C::Answer, CallError> {
        let data = self.carry(Call::of(command)).await?;
        read::<C>(&data)
    }

    /// Asks another controller of the chassis, by way of the BMC.
    pub async fn call_behind<C: Command>(&self, target: Target, command: &C) -> Result<C::Answer, CallError> {
        let name = C::KIND.name;
        let number = CARRIED.fetch_add(1, Ordering::Relaxed) & 0x3f;
        let sent = SendMessage::new(target, &Call::of(command), number)
            .ok_or(CallError::TooLong { command: name })?;
        let message = self.call(&sent).await?;
        match bridge::answer(&message) {
            Ok((CompletionCode::OK, data)) => read::<C>(data),
            Ok((code, _)) => Err(CallError::Refused { command: name, code }),
            Err(source) => Err(CallError::Malformed { command: name, source }),
        }
    }

    /// The boot flags as they stand.
    pub async fn boot_flags(&self) -> Result<BootFlags, BmcError> {
        match self.ask(Request::GetBootFlags).await? {
            Response::BootOption(BootOption::Flags(flags)) => Ok(flags),
            _ => Err(self.odd(Request::GetBootFlags)),
        }
    }

    async fn carry(&self, call: Call) -> Result<Vec<u8>, CallError> {
        let command = call.kind().name;
        match self.ask_or_refused(Request::Call(call)).await?.map_err(RequestError::from) {
            Ok(Response::Call(data)) => Ok(data),
            Ok(_) => Err(self.odd(Request::Call(call)).into()),
            Err(RequestError::Refused { code, .. }) => Err(CallError::Refused { command, code }),
            Err(RequestError::Malformed { source, .. }) => Err(CallError::Malformed { command, source }),
        }
    }
}

fn read<C: Command>(data: &[u8]) -> Result<C::Answer, CallError> {
    Call::parse_answer::<C>(data).map_err(|source| CallError::Malformed { command: C::KIND.name, source })
}
