//! Values: a command as the rack holds it: with the time until which it may be carried out.

use std::time::{Duration, Instant};

use protocol::{
    command::{Action, Command, Failure, FailureKind},
    power_budget,
};

/// A command, and until when it may be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// The command.
    pub command: Command,
    /// Then it has ended, or is not begun any more. A ramdisk's step takes as long as it takes.
    pub until: Instant,
}

impl Given {
    /// One that arrives now and does not say how long it is wanted.
    pub fn now(command: Command, now: Instant) -> Self {
        let until = now + time_for(&command.action);
        Self { command, until }
    }

    /// Whether it is one whose time can run out before it is begun, and has.
    pub fn is_late(&self, now: Instant) -> bool {
        match &self.command.action {
            Action::PowerOn { .. }
            | Action::PowerOff { .. }
            | Action::Reset { .. }
            | Action::ReadIdentity
            | Action::KeepOff
            | Action::ReadFootprint
            | Action::Order(_)
            | Action::RenewPassword => self.until <= now,
            Action::EndBoot
            | Action::UpdateFirmware(_)
            | Action::LookAtFirmware { .. }
            | Action::RunStep { .. } => false,
        }
    }
}

/// How long a command may take from its arrival: whoever gave it waits a little longer, and no more.
pub fn time_for(action: &Action) -> Duration {
    match action {
        Action::PowerOn { .. } | Action::Reset { .. } => power_budget::ON_COMMAND_MAX,
        Action::Order(_) => power_budget::ORDER_COMMAND_MAX,
        Action::PowerOff { .. }
        | Action::ReadIdentity
        | Action::EndBoot
        | Action::KeepOff
        | Action::ReadFootprint
        | Action::RenewPassword
        | Action::UpdateFirmware(_)
        | Action::LookAtFirmware { .. }
        | Action::RunStep { .. } => power_budget::OFF_COMMAND_MAX,
    }
}

/// Why a command that is late was not begun.
pub fn too_late() -> Failure {
    let message = "nothing was done: this command could not start before its request had timed out; check the connection \
                   between coordinator and agent, and what else the server's BMC was busy with, and try again";
    Failure { kind: FailureKind::Interrupted, message: message.to_owned() }
}

/// What is answered of an update of firmware that was begun by a run of the agent that is gone.
pub fn begun_and_cut_off() -> Failure {
    let message = "the agent was stopped while it gave the BMC its new firmware".to_owned();
    Failure { kind: FailureKind::MaybeDone, message }
}
