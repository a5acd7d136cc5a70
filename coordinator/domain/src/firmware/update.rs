//! Decisions: one update of a server's firmware, in steps of which each is stored before the next is done.
//!
//! ```text
//!   Waiting --[its turn, all proved; stored]--> Giving --[the BMC took it]--> Following --[its task ended]--> Settling --[version seen]--> Done
//!      ^                                         |   |                           |                             |
//!      '---[proved: the BMC was not given it]----'   '--[nobody knows]---------- | --------------------------->|
//!                                                                                '--[task failed]--> Failed <--'--[not seen in time]
//! ```
//!
//! What must stay true: an update is given once. Only what proves that the BMC was not given it leads back to where it is given; silence,
//! a time-out, a killed agent or coordinator lead on, to where the BMC's versions are read. It is done when the version that was asked for
//! is seen, and every wait has an end.

use std::time::Duration;

use protocol::{
    bmc_facts::FirmwareItem,
    id::ServerId,
    update::{FirmwareImage, FirmwareSeen, FirmwareUpdate, UpdateStage},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::versions::{self, Versions};

/// An order waits for its turn so long at most.
pub const WAIT_MAX: Duration = Duration::from_secs(24 * 3600);
/// After a try that came to nothing it is tried again after so long.
pub const RETRY: Duration = Duration::from_secs(60);
/// The same command is given again within this time, and never after it: how it ended may be forgotten then. An agent needs less.
pub const GIVE_MAX: Duration = Duration::from_secs(45 * 60);
/// A BMC's task goes on so long at most.
pub const TASK_MAX: Duration = Duration::from_secs(3 * 3600);
/// A task waits so long at most for what it waits for, a restart of the server as a rule.
pub const PAUSED_MAX: Duration = Duration::from_secs(24 * 3600);
/// When its task has ended the BMC has so long to come back with its new version.
pub const SETTLE_MAX: Duration = Duration::from_secs(20 * 60);
/// Where no version was asked for, versions are waited for so long to change.
pub const CHANGE_MAX: Duration = Duration::from_secs(180);
/// Between two looks.
pub const LOOK_EVERY: Duration = Duration::from_secs(15);

/// Who wants it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// A person, by the API.
    Person(String),
    /// Ironic, as one of its steps.
    Ironic,
}

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// What is updated, as of [`FirmwareUpdate::component`].
    pub component: String,
    /// The new firmware.
    pub image: FirmwareImage,
    /// The version that is to be seen afterwards; none: Ironic does not say.
    pub version: Option<String>,
    /// Who wants it.
    pub by: By,
}

/// How far it has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Nothing was given.
    Waiting,
    /// It is being given, or is about to be.
    Giving,
    /// The BMC has taken it.
    Following {
        /// Where it tells how far it is; none: nowhere.
        task: Option<String>,
        /// How far, in percent, where that is told.
        percent: Option<u32>,
        /// It waits: for a restart of the server, as a rule.
        is_paused: bool,
    },
    /// The BMC's task has ended, or nobody knows of it: its versions are read until the new one is there.
    Settling {
        /// Whether the BMC is known to have taken it.
        is_taken: bool,
    },
    /// The version is there.
    Done {
        /// Versions that changed, for a person.
        changes: Vec<String>,
    },
    /// It came to nothing, or nobody knows to what.
    Failed {
        /// Why, and what to do.
        reason: String,
    },
}

/// One update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// Its id.
    pub id: Uuid,
    /// Of which server.
    pub server: ServerId,
    /// What is wanted.
    pub order: Order,
    /// How far it has come.
    pub stage: Stage,
    /// How many times it was proved that the BMC was not given it.
    pub attempt: u32,
    /// When it was asked for, in microseconds since 1970.
    pub asked_us: u64,
    /// Since when it is in its stage, in microseconds since 1970.
    pub since_us: u64,
    /// Nothing is done before, in microseconds since 1970.
    pub not_before_us: u64,
    /// Why it waits, or why the last look came to nothing.
    pub trouble: Option<String>,
    /// The versions before it.
    pub before: Vec<FirmwareItem>,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing yet, or no more.
    Wait,
    /// Look whether it may be given now, and store that it is being given.
    Prepare,
    /// Give it: the same command however often this is said.
    Give(FirmwareUpdate),
    /// Look how far it is.
    Look {
        /// Where that is told.
        task: Option<String>,
    },
    /// Its time is over.
    GiveUp,
}

/// How a giving ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    /// The BMC took it.
    Taken {
        /// Where it tells how far it is.
        task: Option<String>,
    },
    /// The BMC refused it, or the image is not good: a person has to look.
    Refused(String),
    /// It did not come to the BMC; that may pass.
    NotGiven(String),
    /// Nobody knows.
    NotKnown(String),
}

impl Update {
    /// One that is asked for now.
    pub fn asked(id: Uuid, server: ServerId, order: Order, before: Vec<FirmwareItem>, now_us: u64) -> Self {
        Self {
            id,
            server,
            order,
            stage: Stage::Waiting,
            attempt: 0,
            asked_us: now_us,
            since_us: now_us,
            not_before_us: now_us,
            trouble: None,
            before,
        }
    }

    /// Whether it has come to its end.
    pub fn is_over(&self) -> bool {
        match self.stage {
            Stage::Waiting | Stage::Giving | Stage::Following { .. } | Stage::Settling { .. } => false,
            Stage::Done { .. } | Stage::Failed { .. } => true,
        }
    }

    /// Whether the BMC may be at it: nothing else is asked of it meanwhile.
    pub fn is_under_way(&self) -> bool {
        match self.stage {
            Stage::Giving | Stage::Following { .. } | Stage::Settling { .. } => true,
            Stage::Waiting | Stage::Done { .. } | Stage::Failed { .. } => false,
        }
    }

    /// Whether the server's power must stay as it is.
    pub fn holds_power(&self) -> bool {
        match self.stage {
            Stage::Giving => true,
            // One that waits for a restart must get it, and one whose task has ended may need it to show its version.
            Stage::Following { is_paused, .. } => !is_paused,
            Stage::Waiting | Stage::Settling { .. } | Stage::Done { .. } | Stage::Failed { .. } => false,
        }
    }

    /// What to do now.
    pub fn step(&self, now_us: u64) -> Step {
        let is_late = |most: Duration| now_us.saturating_sub(self.since_us) > micros(most);
        match &self.stage {
            Stage::Done { .. } | Stage::Failed { .. } => Step::Wait,
            Stage::Waiting if now_us.saturating_sub(self.asked_us) > micros(WAIT_MAX) => Step::GiveUp,
            Stage::Giving if is_late(GIVE_MAX) => Step::GiveUp,
            Stage::Giving => Step::Give(self.command()),
            Stage::Following { is_paused: true, .. } if is_late(PAUSED_MAX) => Step::GiveUp,
            Stage::Following { is_paused: false, .. } if is_late(TASK_MAX) => Step::GiveUp,
            Stage::Settling { .. } if is_late(SETTLE_MAX) => Step::GiveUp,
            Stage::Waiting | Stage::Following { .. } | Stage::Settling { .. }
                if now_us < self.not_before_us =>
            {
                Step::Wait
            }
            Stage::Waiting => Step::Prepare,
            Stage::Following { task, .. } => Step::Look { task: task.clone() },
            Stage::Settling { .. } => Step::Look { task: None },
        }
    }

    fn command(&self) -> FirmwareUpdate {
        let Order { component, image, .. } = self.order.clone();
        FirmwareUpdate { order: self.id, attempt: self.attempt, component, image }
    }

    /// It cannot be given yet.
    pub fn waiting_for(self, why: String, now_us: u64) -> Self {
        Self { trouble: Some(why), not_before_us: now_us.saturating_add(micros(LOOK_EVERY)), ..self }
    }

    /// It is about to be given.
    pub fn giving(self, before: Vec<FirmwareItem>, now_us: u64) -> Self {
        Self { stage: Stage::Giving, since_us: now_us, trouble: None, before, ..self }
    }

    /// A giving ended.
    pub fn given(self, how: Given, now_us: u64) -> Self {
        match how {
            Given::Taken { task: None } => self.at(Stage::Settling { is_taken: true }, now_us),
            Given::Taken { task } => {
                self.at(Stage::Following { task, percent: None, is_paused: false }, now_us)
            }
            Given::Refused(why) => self.failed(format!("nothing was changed: {why}"), now_us),
            Given::NotGiven(why) => {
                let attempt = self.attempt.saturating_add(1);
                let not_before_us = now_us.saturating_add(micros(RETRY));
                let waiting = self.at(Stage::Waiting, now_us);
                Self { attempt, not_before_us, trouble: Some(why), ..waiting }
            }
            Given::NotKnown(why) => {
                let settling = self.at(Stage::Settling { is_taken: false }, now_us);
                Self { trouble: Some(why), ..settling }
            }
        }
    }

    /// The BMC was looked at.
    pub fn looked(self, seen: &FirmwareSeen, now_us: u64) -> Self {
        let again = Self { not_before_us: now_us.saturating_add(micros(LOOK_EVERY)), trouble: None, ..self };
        match (&again.stage, &seen.stage) {
            (_, UpdateStage::Failed(why)) => {
                let why = format!("the BMC says that it failed: {why}");
                again.failed(why, now_us)
            }
            (Stage::Following { task, is_paused, .. }, UpdateStage::Running(percent)) => {
                let stage = Stage::Following { task: task.clone(), percent: *percent, is_paused: false };
                let since_us = if *is_paused { now_us } else { again.since_us };
                Self { stage, since_us, ..again }
            }
            (Stage::Following { task, percent, is_paused }, UpdateStage::Paused) => {
                let stage = Stage::Following { task: task.clone(), percent: *percent, is_paused: true };
                let since_us = if *is_paused { again.since_us } else { now_us };
                let trouble = Some(
                    "the BMC has the new firmware and waits, for a restart of the server as a rule: have it inspected or cleaned, \
                     which restarts it"
                        .to_owned(),
                );
                Self { stage, since_us, trouble, ..again }
            }
            (Stage::Following { .. }, UpdateStage::Ended | UpdateStage::NotKnown) => {
                again.at(Stage::Settling { is_taken: true }, now_us).compared(seen, now_us)
            }
            (Stage::Settling { .. }, _) => again.compared(seen, now_us),
            (Stage::Waiting | Stage::Giving | Stage::Done { .. } | Stage::Failed { .. }, _) => again,
        }
    }

    /// The BMC could not be looked at. One that takes new firmware restarts, so that is no news.
    pub fn not_seen(self, why: String, now_us: u64) -> Self {
        Self { trouble: Some(why), not_before_us: now_us.saturating_add(micros(LOOK_EVERY)), ..self }
    }

    fn compared(self, seen: &FirmwareSeen, now_us: u64) -> Self {
        let now = Versions::of(seen);
        let changes = now.changes_since(&self.before);
        let waited_us = now_us.saturating_sub(self.since_us);
        match &self.order.version {
            Some(wanted) if now.has(&self.order.component, wanted) => {
                self.at(Stage::Done { changes }, now_us)
            }
            Some(wanted) => {
                let said = now.said_of(&self.order.component);
                let trouble =
                    Some(format!("{} is not seen yet: the BMC says {said}", versions::shown(wanted)));
                Self { trouble, ..self }
            }
            None if !changes.is_empty() => self.at(Stage::Done { changes }, now_us),
            // Some images hold what is there already. A change that comes later than this is seen in the list.
            None if self.stage == (Stage::Settling { is_taken: true }) && waited_us >= micros(CHANGE_MAX) => {
                self.at(Stage::Done { changes }, now_us)
            }
            None => Self { trouble: Some("no version has changed yet".to_owned()), ..self },
        }
    }

    /// Its time is over.
    pub fn given_up(self, now_us: u64) -> Self {
        let last = self.trouble.as_deref().map(|trouble| format!(" ({trouble})")).unwrap_or_default();
        let look =
            "compare the versions (bmsctl firmware show) and the BMC's own log before it is given again";
        let reason = match &self.stage {
            Stage::Waiting => {
                format!(
                    "nothing was changed: it could not be begun within {} h{last}",
                    WAIT_MAX.as_secs() / 3600
                )
            }
            Stage::Giving => {
                return self.given(Given::NotKnown("it was not answered in time".to_owned()), now_us);
            }
            Stage::Following { is_paused: true, .. } => format!(
                "the BMC has waited for {} h{last}; it may still take it at the server's next start; {look}",
                PAUSED_MAX.as_secs() / 3600
            ),
            Stage::Following { .. } => {
                format!("the BMC's task has not ended within {} h{last}; {look}", TASK_MAX.as_secs() / 3600)
            }
            Stage::Settling { is_taken: true } => format!(
                "the BMC says that it has done it, and the new version was not seen within {} min{last}; some show it after the \
                 server's next start; {look}",
                SETTLE_MAX.as_secs() / 60
            ),
            Stage::Settling { is_taken: false } => format!(
                "it is not known whether the BMC has taken it, and the new version was not seen within {} min{last}; it is not \
                 given again by itself; {look}",
                SETTLE_MAX.as_secs() / 60
            ),
            Stage::Done { .. } | Stage::Failed { .. } => return self,
        };
        self.failed(reason, now_us)
    }

    /// It came to nothing.
    pub fn failed(self, reason: String, now_us: u64) -> Self {
        self.at(Stage::Failed { reason }, now_us)
    }

    fn at(self, stage: Stage, now_us: u64) -> Self {
        Self { stage, since_us: now_us, not_before_us: now_us, trouble: None, ..self }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
