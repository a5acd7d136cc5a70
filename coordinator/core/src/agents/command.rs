//! Decisions: which commands may be given again, and how a repeat is recognised.

use std::time::Duration;

use domain::records::CommandKind;
use protocol::{
    command::Action,
    hex,
    id::CommandId,
    power_budget,
    step::Step,
    update::{FirmwareImage, FirmwareUpdate},
};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// How an action behaves when whoever asked for it is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// It is a permit for this moment: never given again on its own, and a new request is a new command.
    NewEachTime,
    /// The same request is the same command, also after a crash: it is done once.
    SameCommand,
    /// The same, and also when its end was told already: it is never done twice.
    Once,
}

/// How this action behaves.
pub fn repeat_of(action: &Action) -> Repeat {
    match action {
        Action::PowerOn { .. }
        | Action::PowerOff { .. }
        | Action::Reset { .. }
        | Action::ReadIdentity
        | Action::KeepOff
        | Action::ReadFootprint
        | Action::RenewPassword
        | Action::Order(_)
        | Action::EndBoot => Repeat::NewEachTime,
        Action::LookAtFirmware { .. } => Repeat::NewEachTime,
        Action::RunStep { .. } => Repeat::SameCommand,
        Action::UpdateFirmware(_) => Repeat::Once,
    }
}

/// What becomes of a command that was given on a stream which ended before the answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterBreak {
    /// It is given again under its id; an agent that has it already does it once.
    Again,
    /// It is not given again: it is a permit that rests on a proof, and the proof was for that moment. The agent is asked
    /// whether it has it; if not, whoever asked must prove anew.
    AskFirst,
}

/// What becomes of this action after a break.
pub fn after_break(action: &Action) -> AfterBreak {
    match action {
        // Whom an order may concern was true when it was given.
        Action::PowerOn { .. } | Action::Reset { .. } | Action::Order(_) => AfterBreak::AskFirst,
        Action::PowerOff { .. }
        | Action::ReadIdentity
        | Action::EndBoot
        | Action::KeepOff
        | Action::ReadFootprint
        | Action::RenewPassword
        | Action::UpdateFirmware(_)
        | Action::LookAtFirmware { .. }
        | Action::RunStep { .. } => AfterBreak::Again,
    }
}

/// How long somebody waits for this action, from when it is given: later it must not be done, for a refusal may have been told.
/// None: what is asked for lasts, or does no harm when it is late.
pub fn wanted_for(action: &Action) -> Option<Duration> {
    match action {
        Action::PowerOn { .. } | Action::Reset { .. } => Some(power_budget::ON_WANTED_MAX),
        Action::PowerOff { .. } => Some(power_budget::OFF_WANTED_MAX),
        Action::Order(_) => Some(power_budget::ORDER_WANTED_MAX),
        Action::ReadIdentity
        | Action::EndBoot
        | Action::KeepOff
        | Action::ReadFootprint
        | Action::RenewPassword
        | Action::UpdateFirmware(_)
        | Action::LookAtFirmware { .. }
        | Action::RunStep { .. } => None,
    }
}

/// The image that this action needs, by the image service's id.
pub fn image_of(action: &Action) -> Option<&str> {
    match action {
        Action::RunStep { step: Step::WriteImage { image, .. }, .. } => Some(&image.id),
        Action::UpdateFirmware(FirmwareUpdate { image: FirmwareImage::File { id, .. }, .. }) => Some(id),
        Action::UpdateFirmware(FirmwareUpdate { image: FirmwareImage::Url(_), .. })
        | Action::LookAtFirmware { .. } => None,
        Action::RunStep {
            step:
                Step::Inventory
                | Step::WriteConfigDrive { .. }
                | Step::InstallBootEntry
                | Step::EraseMetadata(_)
                | Step::EraseDisks(_)
                | Step::Sync
                | Step::PowerOff
                | Step::HandOver { .. },
            ..
        }
        | Action::PowerOn { .. }
        | Action::PowerOff { .. }
        | Action::Reset { .. }
        | Action::ReadIdentity
        | Action::KeepOff
        | Action::ReadFootprint
        | Action::RenewPassword
        | Action::Order(_)
        | Action::EndBoot => None,
    }
}

/// A digest of the action: two equal actions have the same one, and it gives nothing of a configuration drive away.
pub fn digest_of(action: &Action) -> String {
    let mut hash = Sha256::new();
    hash.update(CommandKind::of(action).as_str());
    let json = match action {
        Action::PowerOn { boot } | Action::Reset { boot } => serde_json::to_vec(boot),
        Action::PowerOff { how } => serde_json::to_vec(how),
        Action::Order(order) => serde_json::to_vec(order),
        Action::ReadIdentity
        | Action::EndBoot
        | Action::KeepOff
        | Action::ReadFootprint
        | Action::RenewPassword => Ok(Vec::new()),
        Action::UpdateFirmware(update) => serde_json::to_vec(update),
        Action::LookAtFirmware { task } => serde_json::to_vec(task),
        Action::RunStep { session, step } => serde_json::to_vec(&(session, step)),
    };
    hash.update(json.expect("our own values have text keys only, so they are JSON"));
    hex::encode(hash.finalize())
}

/// The id of a new command. One that is done once has the same whenever it is asked for, so that its agent knows it again even when we have
/// lost that we had given it.
pub fn id_of(action: &Action, digest: &str) -> CommandId {
    match repeat_of(action) {
        Repeat::NewEachTime | Repeat::SameCommand => CommandId::random(),
        Repeat::Once => CommandId(Uuid::new_v5(&Uuid::NAMESPACE_OID, digest.as_bytes())),
    }
}

#[cfg(test)]
mod tests {
    use protocol::{id::RamdiskSessionId, power::PowerOffHow, step::EraseOrder};

    use super::*;

    #[test]
    fn what_is_done_once_has_one_id_and_all_else_a_new_one_each_time() {
        let update = |attempt| {
            let image = FirmwareImage::Url("https://images.example/a".to_owned());
            let (order, component) = (Uuid::from_u128(5), "BMC".to_owned());
            Action::UpdateFirmware(FirmwareUpdate { order, attempt, component, image })
        };
        let id = |action: &Action| id_of(action, &digest_of(action));
        assert_eq!(id(&update(0)), id(&update(0)));
        assert_ne!(id(&update(0)), id(&update(1)));
        assert_ne!(id(&Action::EndBoot), id(&Action::EndBoot));
    }

    #[test]
    fn equal_actions_have_equal_digests_and_others_do_not() {
        let session = RamdiskSessionId::random();
        let actions = [
            Action::PowerOff { how: PowerOffHow::Hard },
            Action::PowerOff { how: PowerOffHow::Soft },
            Action::EndBoot,
            Action::RunStep { session, step: Step::Sync },
            Action::RunStep { session, step: Step::EraseDisks(EraseOrder::default()) },
            Action::RunStep { session: RamdiskSessionId::random(), step: Step::Sync },
        ];
        for (one, a) in actions.iter().enumerate() {
            for (other, b) in actions.iter().enumerate() {
                assert_eq!(digest_of(a) == digest_of(&b.clone()), one == other, "{a:?} {b:?}");
            }
        }
    }
}
