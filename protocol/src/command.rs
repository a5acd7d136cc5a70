//! Values: what the coordinator asks of an agent, and how it ends.

use serde::{Deserialize, Serialize};

use crate::{
    bmc_order::BmcOrder,
    boot::Boot,
    footprint::Footprint,
    hardware::BmcIdentity,
    heartbeat::Wanted,
    id::{CommandId, RamdiskSessionId, ServerId},
    power::PowerOffHow,
    secret::Secret,
    step::{Step, StepOutput},
    update::{FirmwareSeen, FirmwareUpdate},
};

/// One command. It may arrive several times; it is done once and answered every time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Its id.
    pub id: CommandId,
    /// For which server.
    pub server: ServerId,
    /// What to do.
    pub action: Action,
    /// How long somebody waits for it; none: it is not said, as for what is done whoever waits.
    pub wanted: Option<Wanted>,
}

/// What to do with a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Switch on. The coordinator sends it only after the gate has seen the port on the right network: the command
    /// *is* the permit. The agent sets the boot device, remembers the boot plan, switches on and confirms by a reading.
    /// Done at once when the server is on already.
    PowerOn {
        /// What it boots.
        boot: Boot,
    },
    /// Switch off and confirm by a reading. Any boot plan is forgotten.
    PowerOff {
        /// How.
        how: PowerOffHow,
    },
    /// Restart a server that is on; a permit like `PowerOn`.
    Reset {
        /// What it boots.
        boot: Boot,
    },
    /// Ask the BMC who it is; also the test of its address and credentials.
    ReadIdentity,
    /// Forget the boot plan: no more DHCP answers for this server.
    EndBoot,
    /// Have the BMC leave its server off when its mains power comes back (IPMI section 28.8, Redfish `PowerRestorePolicy`): one that
    /// starts by itself is outside the gate. Nothing is written to a BMC that says that it does so already.
    KeepOff,
    /// Have the BMC take the password that is declared to follow ([`crate::spec::NextPassword`]), and prove by a log-in which of
    /// the two it has. Safe to repeat at any point.
    RenewPassword,
    /// Read what whoever had the server could have changed in its BMC and firmware settings.
    ReadFootprint,
    /// Give the BMC new firmware, once whatever happens: an agent that has begun writes that down first, and whoever asks again is told
    /// how it ended, or that nobody knows. Answered as soon as the BMC has taken it; [`Action::LookAtFirmware`] tells what becomes of it.
    UpdateFirmware(FirmwareUpdate),
    /// Look how far an update is, and which firmware there is.
    LookAtFirmware {
        /// Where the BMC tells how far it is, as it was answered; none: nowhere.
        task: Option<String>,
    },
    /// Have the BMC do something that neither switches power nor chooses a boot. The coordinator sends it only in a state that allows
    /// it. What it may have changed is read anew and reported before the command has ended.
    Order(BmcOrder),
    /// Let the booted ramdisk do a step.
    RunStep {
        /// The ramdisk that must do it: a step is never given to a later boot by mistake.
        session: RamdiskSessionId,
        /// What to do.
        step: Step,
    },
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandResult {
    /// Which command.
    pub command: CommandId,
    /// How it ended.
    pub outcome: Result<Success, Failure>,
}

/// How long a BMC's passwords must be, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordLength {
    /// At least.
    pub min: u32,
    /// At most.
    pub max: u32,
}

impl std::fmt::Display for PasswordLength {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.max {
            u32::MAX => write!(f, "{} characters or more", self.min),
            max => write!(f, "{} to {max} characters", self.min),
        }
    }
}

impl PasswordLength {
    /// Whether a password is of such a length.
    pub fn is_of(&self, password: &Secret) -> bool {
        let length = password.reveal().chars().count();
        u32::try_from(length).is_ok_and(|length| (self.min..=self.max).contains(&length))
    }
}

/// A command that did what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Success {
    /// Done; nothing more to say.
    Done,
    /// The BMC's identity.
    Identity(BmcIdentity),
    /// What the ramdisk answered.
    Step(StepOutput),
    /// The BMC has its old password: a log-in has proved it after the new one was told, or could not be told.
    PasswordKept {
        /// Why it did not take the new one, for a person.
        reason: String,
        /// How long it must be, in characters; none: its length is not what is wrong.
        #[serde(default)]
        length: Option<PasswordLength>,
    },
    /// What stands in the BMC and the firmware's settings.
    Footprint(Footprint),
    /// The BMC has taken new firmware.
    FirmwareTaken {
        /// Where it tells how far it is; none: it says that it has done its part.
        task: Option<String>,
    },
    /// What became of an update.
    FirmwareSeen(FirmwareSeen),
}

/// A command that failed. The text is for a person and names what to look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What kind, for the caller to decide on.
    pub kind: FailureKind,
    /// Why, for a person.
    pub message: String,
}

/// Kinds of failure that a caller treats differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The agent does not know this server (yet): declare it and repeat.
    UnknownServer,
    /// No answer from the BMC.
    BmcUnreachable,
    /// The BMC refused user or password. Not repeated by the agent: BMCs lock accounts.
    BmcCredentials,
    /// The BMC answered with an error.
    BmcRefused,
    /// The BMC accepted, but the reading never changed.
    NotConfirmed,
    /// No such ramdisk is connected.
    NoRamdisk,
    /// The image could not be fetched.
    ImageUnavailable,
    /// The image's bytes are not those that the image service promised.
    ImageCorrupt,
    /// The step failed on the server.
    StepFailed,
    /// It was begun, and nobody knows whether it was done: doing it again may do harm.
    MaybeDone,
    /// The agent was stopped, the command was overtaken by a newer one, or nobody waited for it any more: it was not carried out.
    Interrupted,
}
