//! Values: commands and their results to and from the wire.

use std::time::Duration;

use super::{InvalidMessage, known, parse, present, server, unspecified, whole_ms};
use crate::{
    command::{Action, Command, CommandResult, Failure, FailureKind, PasswordLength, Success},
    footprint::{Footprint, Part},
    grpc as wire,
    heartbeat::{StreamTime, Wanted},
    power::PowerOffHow,
    step::StepOutput,
};

impl From<Command> for wire::Command {
    fn from(command: Command) -> Self {
        use wire::command::Action as Wire;
        let action = match command.action {
            Action::PowerOn { boot } => Wire::PowerOn(wire::PowerOn { boot: Some(boot.into()) }),
            Action::PowerOff { how } => Wire::PowerOff(wire::PowerOff { soft: how == PowerOffHow::Soft }),
            Action::Reset { boot } => Wire::Reset(wire::Reset { boot: Some(boot.into()) }),
            Action::ReadIdentity => Wire::ReadIdentity(wire::ReadIdentity {}),
            Action::EndBoot => Wire::EndBoot(wire::EndBoot {}),
            Action::KeepOff => Wire::KeepOff(wire::KeepOff {}),
            Action::RenewPassword => Wire::RenewPassword(wire::RenewPassword {}),
            Action::ReadFootprint => Wire::ReadFootprint(wire::ReadFootprint {}),
            Action::UpdateFirmware(update) => Wire::UpdateFirmware(update.into()),
            Action::LookAtFirmware { task } => {
                Wire::LookAtFirmware(wire::LookAtFirmware { task: task.unwrap_or_default() })
            }
            Action::Order(order) => Wire::BmcOrder(order.into()),
            Action::RunStep { session, step } => {
                Wire::RunStep(wire::RunStep { session: session.to_string(), step: Some(step.into()) })
            }
        };
        Self {
            id: command.id.to_string(),
            server: command.server.to_string(),
            action: Some(action),
            given_ms: command.wanted.map_or(0, |wanted| wanted.given.0),
            wanted_ms: command.wanted.map_or(0, |wanted| whole_ms(wanted.within)),
        }
    }
}

impl TryFrom<wire::Command> for Command {
    type Error = InvalidMessage;
    fn try_from(command: wire::Command) -> Result<Self, InvalidMessage> {
        use wire::command::Action as Wire;
        let action = match present("Command.action", command.action)? {
            Wire::PowerOn(on) => Action::PowerOn { boot: present("PowerOn.boot", on.boot)?.try_into()? },
            Wire::PowerOff(wire::PowerOff { soft }) => {
                Action::PowerOff { how: if soft { PowerOffHow::Soft } else { PowerOffHow::Hard } }
            }
            Wire::Reset(reset) => Action::Reset { boot: present("Reset.boot", reset.boot)?.try_into()? },
            Wire::ReadIdentity(wire::ReadIdentity {}) => Action::ReadIdentity,
            Wire::EndBoot(wire::EndBoot {}) => Action::EndBoot,
            Wire::KeepOff(wire::KeepOff {}) => Action::KeepOff,
            Wire::RenewPassword(wire::RenewPassword {}) => Action::RenewPassword,
            Wire::ReadFootprint(wire::ReadFootprint {}) => Action::ReadFootprint,
            Wire::UpdateFirmware(update) => Action::UpdateFirmware(update.try_into()?),
            Wire::LookAtFirmware(look) => Action::LookAtFirmware { task: said(look.task) },
            Wire::BmcOrder(order) => Action::Order(order.try_into()?),
            Wire::RunStep(run) => Action::RunStep {
                session: parse("RunStep.session", &run.session)?,
                step: present("RunStep.step", run.step)?.try_into()?,
            },
        };
        Ok(Self {
            id: parse("Command.id", &command.id)?,
            server: server("Command.server", &command.server)?,
            action,
            wanted: (command.wanted_ms > 0).then(|| Wanted {
                given: StreamTime(command.given_ms),
                within: Duration::from_millis(command.wanted_ms),
            }),
        })
    }
}

impl From<CommandResult> for wire::CommandResult {
    fn from(result: CommandResult) -> Self {
        use wire::command_result::Outcome;
        let outcome = match result.outcome {
            Ok(Success::Done) => Outcome::Done(wire::Done {}),
            Ok(Success::Identity(identity)) => Outcome::Identity(identity.into()),
            Ok(Success::Step(StepOutput::Done)) => Outcome::StepDone(wire::Done {}),
            Ok(Success::Step(StepOutput::Inventory { hardware })) => Outcome::Inventory((*hardware).into()),
            Ok(Success::Step(StepOutput::ImageWritten { disk, written_bytes, virtual_bytes })) => {
                Outcome::ImageWritten(wire::ImageWritten { disk, written_bytes, virtual_bytes })
            }
            Ok(Success::Step(StepOutput::Erased { disks })) => {
                Outcome::Erased(wire::Erased { disks: disks.into_iter().map(Into::into).collect() })
            }
            Ok(Success::Step(StepOutput::HandedOver)) => Outcome::HandedOver(wire::HandedOver {}),
            Ok(Success::PasswordKept { reason, length }) => Outcome::PasswordKept(wire::PasswordKept {
                reason,
                length_min: length.map_or(0, |length| length.min),
                length_max: length.map_or(0, |length| length.max),
            }),
            Ok(Success::Footprint(footprint)) => Outcome::Footprint(footprint.into()),
            Ok(Success::FirmwareTaken { task }) => {
                Outcome::FirmwareTaken(wire::FirmwareTaken { task: task.unwrap_or_default() })
            }
            Ok(Success::FirmwareSeen(seen)) => Outcome::FirmwareSeen(seen.into()),
            Err(failure) => Outcome::Failure(failure.into()),
        };
        Self { command: result.command.to_string(), outcome: Some(outcome) }
    }
}

impl TryFrom<wire::CommandResult> for CommandResult {
    type Error = InvalidMessage;
    fn try_from(result: wire::CommandResult) -> Result<Self, InvalidMessage> {
        use wire::command_result::Outcome;
        let outcome = match present("CommandResult.outcome", result.outcome)? {
            Outcome::Done(wire::Done {}) => Ok(Success::Done),
            Outcome::Identity(identity) => Ok(Success::Identity(identity.into())),
            Outcome::StepDone(wire::Done {}) => Ok(Success::Step(StepOutput::Done)),
            Outcome::Inventory(hardware) => {
                Ok(Success::Step(StepOutput::Inventory { hardware: Box::new(hardware.try_into()?) }))
            }
            Outcome::ImageWritten(wire::ImageWritten { disk, written_bytes, virtual_bytes }) => {
                Ok(Success::Step(StepOutput::ImageWritten { disk, written_bytes, virtual_bytes }))
            }
            Outcome::Erased(erased) => {
                let disks: Result<Vec<_>, _> = erased.disks.into_iter().map(TryInto::try_into).collect();
                Ok(Success::Step(StepOutput::Erased { disks: disks? }))
            }
            Outcome::HandedOver(wire::HandedOver {}) => Ok(Success::Step(StepOutput::HandedOver)),
            Outcome::PasswordKept(wire::PasswordKept { reason, length_min: min, length_max: max }) => {
                let length = (min <= max && max > 0).then_some(PasswordLength { min, max });
                Ok(Success::PasswordKept { reason, length })
            }
            Outcome::Footprint(footprint) => Ok(Success::Footprint(footprint.into())),
            Outcome::FirmwareTaken(taken) => Ok(Success::FirmwareTaken { task: said(taken.task) }),
            Outcome::FirmwareSeen(seen) => Ok(Success::FirmwareSeen(seen.try_into()?)),
            Outcome::Failure(failure) => Err(failure.try_into()?),
        };
        Ok(Self { command: parse("CommandResult.command", &result.command)?, outcome })
    }
}

/// A text where there may be none.
fn said(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

impl From<Footprint> for wire::Footprint {
    fn from(footprint: Footprint) -> Self {
        let Footprint { users, boot_order, secure_boot, firmware, unread } = footprint;
        let unread = unread.into_iter().map(|part| part.as_str().to_owned()).collect();
        Self { users, boot_order, secure_boot, firmware, unread }
    }
}

impl From<wire::Footprint> for Footprint {
    fn from(footprint: wire::Footprint) -> Self {
        let wire::Footprint { users, boot_order, secure_boot, firmware, unread } = footprint;
        // A part that we do not know is none that we compare.
        let unread = unread.iter().filter_map(|word| Part::of_word(word)).collect();
        Self { users, boot_order, secure_boot, firmware, unread }
    }
}

impl From<Failure> for wire::Failure {
    fn from(failure: Failure) -> Self {
        use wire::failure::Kind;
        let kind = match failure.kind {
            FailureKind::UnknownServer => Kind::UnknownServer,
            FailureKind::BmcUnreachable => Kind::BmcUnreachable,
            FailureKind::BmcCredentials => Kind::BmcCredentials,
            FailureKind::BmcRefused => Kind::BmcRefused,
            FailureKind::NotConfirmed => Kind::NotConfirmed,
            FailureKind::NoRamdisk => Kind::NoRamdisk,
            FailureKind::ImageUnavailable => Kind::ImageUnavailable,
            FailureKind::ImageCorrupt => Kind::ImageCorrupt,
            FailureKind::StepFailed => Kind::StepFailed,
            FailureKind::MaybeDone => Kind::MaybeDone,
            FailureKind::Interrupted => Kind::Interrupted,
        };
        Self { kind: kind.into(), message: failure.message }
    }
}

impl TryFrom<wire::Failure> for Failure {
    type Error = InvalidMessage;
    fn try_from(failure: wire::Failure) -> Result<Self, InvalidMessage> {
        use wire::failure::Kind;
        let kind = match known("Failure.kind", failure.kind)? {
            Kind::Unspecified => return Err(unspecified("Failure.kind")),
            Kind::UnknownServer => FailureKind::UnknownServer,
            Kind::BmcUnreachable => FailureKind::BmcUnreachable,
            Kind::BmcCredentials => FailureKind::BmcCredentials,
            Kind::BmcRefused => FailureKind::BmcRefused,
            Kind::NotConfirmed => FailureKind::NotConfirmed,
            Kind::NoRamdisk => FailureKind::NoRamdisk,
            Kind::ImageUnavailable => FailureKind::ImageUnavailable,
            Kind::ImageCorrupt => FailureKind::ImageCorrupt,
            Kind::StepFailed => FailureKind::StepFailed,
            Kind::MaybeDone => FailureKind::MaybeDone,
            Kind::Interrupted => FailureKind::Interrupted,
        };
        Ok(Self { kind, message: failure.message })
    }
}
