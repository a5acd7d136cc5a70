//! Values: the commands that agents were given, and what a command that has succeeded proves.

use protocol::{
    command::{Action, CommandResult},
    id::{CommandId, RackId, ServerId},
    power::PowerReading,
};

/// What a command asks, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandKind {
    /// Switch on.
    PowerOn,
    /// Switch off.
    PowerOff,
    /// Restart what is on.
    Reset,
    /// Ask the BMC who it is.
    ReadIdentity,
    /// Answer no more boots.
    EndBoot,
    /// Stay off after a power failure.
    KeepOff,
    /// Have the BMC take the password that is to follow.
    RenewPassword,
    /// Read what could have been changed in the BMC.
    ReadFootprint,
    /// Give the BMC new firmware.
    UpdateFirmware,
    /// Look what became of that.
    LookAtFirmware,
    /// Have the BMC do something beside power and boot.
    Order,
    /// Let the ramdisk do a step.
    RunStep,
}

impl CommandKind {
    /// All kinds.
    pub const ALL: [CommandKind; 12] = [
        Self::PowerOn,
        Self::PowerOff,
        Self::Reset,
        Self::ReadIdentity,
        Self::EndBoot,
        Self::KeepOff,
        Self::RenewPassword,
        Self::ReadFootprint,
        Self::UpdateFirmware,
        Self::LookAtFirmware,
        Self::Order,
        Self::RunStep,
    ];

    /// The kind of an action.
    pub fn of(action: &Action) -> Self {
        match action {
            Action::PowerOn { .. } => Self::PowerOn,
            Action::PowerOff { .. } => Self::PowerOff,
            Action::Reset { .. } => Self::Reset,
            Action::ReadIdentity => Self::ReadIdentity,
            Action::EndBoot => Self::EndBoot,
            Action::KeepOff => Self::KeepOff,
            Action::RenewPassword => Self::RenewPassword,
            Action::ReadFootprint => Self::ReadFootprint,
            Action::UpdateFirmware(_) => Self::UpdateFirmware,
            Action::LookAtFirmware { .. } => Self::LookAtFirmware,
            Action::Order(_) => Self::Order,
            Action::RunStep { .. } => Self::RunStep,
        }
    }

    /// The word that is stored, logged and part of a command's digest: it never changes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PowerOn => "power_on",
            Self::PowerOff => "power_off",
            Self::Reset => "reset",
            Self::ReadIdentity => "read_identity",
            Self::EndBoot => "end_boot",
            Self::KeepOff => "keep_off",
            Self::RenewPassword => "renew_password",
            Self::ReadFootprint => "read_footprint",
            Self::UpdateFirmware => "update_firmware",
            Self::LookAtFirmware => "look_at_firmware",
            Self::Order => "order",
            Self::RunStep => "run_step",
        }
    }

    /// The power that a success of this kind proves: an agent confirms what it did by a reading. None: it says nothing of power.
    pub fn proves(self) -> Option<PowerReading> {
        match self {
            Self::PowerOn | Self::Reset => Some(PowerReading::On),
            Self::PowerOff => Some(PowerReading::Off),
            Self::ReadIdentity
            | Self::EndBoot
            | Self::KeepOff
            | Self::RenewPassword
            | Self::ReadFootprint
            | Self::UpdateFirmware
            | Self::LookAtFirmware
            | Self::Order
            | Self::RunStep => None,
        }
    }
}

impl std::str::FromStr for CommandKind {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| format!("{text:?} is no kind of command"))
    }
}

/// A command that was given to an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCommand {
    /// Its id.
    pub id: CommandId,
    /// To which rack.
    pub rack: RackId,
    /// For which server.
    pub server: ServerId,
    /// What it asks.
    pub kind: CommandKind,
    /// Digest of the action.
    pub digest: String,
    /// When it was given.
    pub created_us: u64,
    /// How it ended; none: not yet.
    pub outcome: Option<CommandResult>,
    /// Whether whoever asked has had the outcome.
    pub answered: bool,
}

#[cfg(test)]
mod tests {
    use protocol::{
        bmc_order::BmcOrder,
        boot::Boot,
        id::RamdiskSessionId,
        power::PowerOffHow,
        step::Step,
        update::{FirmwareImage, FirmwareUpdate},
    };

    use super::*;

    /// The words are in databases and digests, and a kind that proves power it has not proved would isolate or expose a server.
    #[test]
    fn every_action_has_a_kind_with_its_stored_word_and_what_its_success_proves() {
        let check = |action: Action, word: &str, proves: Option<PowerReading>| {
            let kind = CommandKind::of(&action);
            assert_eq!((kind.as_str(), kind.proves()), (word, proves), "{action:?}");
            assert_eq!(word.parse(), Ok(kind));
            kind
        };
        let session = RamdiskSessionId::random();
        let image = FirmwareImage::Url("https://images.example/a".to_owned());
        let update = FirmwareUpdate { order: uuid::Uuid::nil(), attempt: 0, component: String::new(), image };
        let kinds = [
            check(Action::PowerOn { boot: Boot::Disk }, "power_on", Some(PowerReading::On)),
            check(Action::PowerOff { how: PowerOffHow::Hard }, "power_off", Some(PowerReading::Off)),
            check(Action::Reset { boot: Boot::Disk }, "reset", Some(PowerReading::On)),
            check(Action::ReadIdentity, "read_identity", None),
            check(Action::EndBoot, "end_boot", None),
            check(Action::KeepOff, "keep_off", None),
            check(Action::RenewPassword, "renew_password", None),
            check(Action::ReadFootprint, "read_footprint", None),
            check(Action::UpdateFirmware(update), "update_firmware", None),
            check(Action::LookAtFirmware { task: None }, "look_at_firmware", None),
            check(Action::Order(BmcOrder::Interrupt), "order", None),
            check(Action::RunStep { session, step: Step::Sync }, "run_step", None),
        ];
        assert_eq!(kinds, CommandKind::ALL);
        assert_eq!(
            "power_cycle".parse::<CommandKind>(),
            Err("\"power_cycle\" is no kind of command".to_owned())
        );
    }
}
