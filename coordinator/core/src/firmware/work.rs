//! Edges: updates of firmware, carried on step by step. Each step is stored before it is done, so it may be cut off anywhere; see
//! [`domain::firmware::update`].

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use domain::{
    events::EventKind,
    firmware::update::{GIVE_MAX, Given, Stage, Step, Update},
    rim::AgentError,
};
use protocol::{
    bmc_facts::PartFacts,
    command::{Action, FailureKind, Success},
    update::FirmwareSeen,
};
use store::InventoryError;
use tokio::{sync::Notify, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use uuid::Uuid;

use super::FirmwareFiles;
use crate::parts::Parts;

/// How often all updates are looked at. What is asked for is looked at at once.
const ROUND: Duration = Duration::from_secs(5);

/// Carries updates on.
pub struct Updates {
    pub(super) parts: Parts,
    /// Beginnings of addresses from which BMCs may fetch images.
    pub(super) urls: Vec<String>,
    /// Files of firmware.
    pub files: Arc<FirmwareFiles>,
    pub(super) asked: Notify,
    /// One is begun, or called off, after the other: of each rack one is under way.
    pub(super) beginning: tokio::sync::Mutex<()>,
    at_work: Mutex<HashSet<Uuid>>,
}

impl Updates {
    /// One that begins nothing until it is run. `urls`: beginnings of addresses from which BMCs may fetch images.
    pub fn new(parts: Parts, urls: Vec<String>, files: Arc<FirmwareFiles>) -> Self {
        let (asked, beginning, at_work) = (Notify::new(), tokio::sync::Mutex::default(), Mutex::default());
        Self { parts, urls, files, asked, beginning, at_work }
    }

    /// Runs until it is told to stop. What is cut off then is taken up by the next run.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut working = JoinSet::new();
        loop {
            for id in self.begin_work().await {
                let this = Arc::clone(&self);
                working.spawn(async move {
                    this.work_on(id).await;
                    this.at_work().remove(&id);
                });
            }
            tokio::select! {
                () = self.asked.notified() => {}
                Some(_) = working.join_next() => tokio::time::sleep(Duration::from_millis(200)).await,
                () = tokio::time::sleep(ROUND) => {}
                () = stop.cancelled() => break,
            }
        }
        working.shutdown().await;
    }

    /// Carries all updates on as far as they go now.
    #[cfg(test)]
    pub async fn round(&self) {
        let open = self.parts.inventory.open_updates().await.unwrap();
        futures::future::join_all(open.iter().map(|update| self.work_on(update.id))).await;
    }

    /// Updates that nobody is at; whoever is told of one is at it.
    async fn begin_work(&self) -> Vec<Uuid> {
        match self.parts.inventory.open_updates().await {
            Ok(open) => {
                let mut at_work = self.at_work();
                open.into_iter().map(|update| update.id).filter(|id| at_work.insert(*id)).collect()
            }
            Err(error) => {
                warn!(%error, "updates of firmware are not carried on: they cannot be read");
                Vec::new()
            }
        }
    }

    async fn work_on(&self, id: Uuid) {
        if let Err(error) = self.advance(id).await {
            warn!(update = %id, %error, "how far an update of firmware is was not stored");
        }
    }

    /// Takes one update as far as it goes now.
    async fn advance(&self, id: Uuid) -> Result<(), InventoryError> {
        loop {
            let Some(update) = self.parts.inventory.update(id).await? else { return Ok(()) };
            let before = update.stage.clone();
            let now_us = self.now_us();
            let next = match update.step(now_us) {
                Step::Wait => return Ok(()),
                Step::GiveUp => update.given_up(now_us),
                Step::Prepare => match self.prepare(update).await? {
                    Some(next) => next,
                    // It is stored already, or was called off.
                    None => continue,
                },
                Step::Give(command) => {
                    let left = GIVE_MAX
                        .saturating_sub(Duration::from_micros(now_us.saturating_sub(update.since_us)));
                    match self.give(&update, Action::UpdateFirmware(command), left).await? {
                        Some(how) => update.given(how, self.now_us()),
                        // Nothing was heard of it yet: the same command is given again, in the next round.
                        None => return Ok(()),
                    }
                }
                Step::Look { task } => self.look(update, task).await?,
            };
            self.store(&next, &before).await?;
        }
    }

    /// Stores an update, and tells what is news.
    pub(super) async fn store(&self, update: &Update, before: &Stage) -> Result<(), InventoryError> {
        self.parts.inventory.set_update(update).await?;
        self.parts.wake.wake(update.server);
        let what = self.name(update).await;
        let (kind, text) = match (&update.stage, before) {
            (now, before) if std::mem::discriminant(now) == std::mem::discriminant(before) => return Ok(()),
            (Stage::Giving, _) => (EventKind::Upkeep, format!("{what} begins")),
            (Stage::Following { .. }, _) => (EventKind::Upkeep, format!("{what}: the BMC has taken it")),
            (Stage::Settling { is_taken: true }, _) => {
                (EventKind::Upkeep, format!("{what}: the BMC has done its part, and its versions are read"))
            }
            (Stage::Settling { is_taken: false }, _) => {
                let why = update.trouble.as_deref().unwrap_or_default();
                let text = format!(
                    "{what}: it is not known whether the BMC has taken it ({why}); it is not given again, and its versions are read"
                );
                (EventKind::Upkeep, text)
            }
            (Stage::Done { changes }, _) if changes.is_empty() => {
                (EventKind::Upkeep, format!("{what} is done; as far as is known no version has changed"))
            }
            (Stage::Done { changes }, _) => {
                (EventKind::Upkeep, format!("{what} is done: {}", changes.join("; ")))
            }
            (Stage::Failed { reason }, _) => (EventKind::Alarm, format!("{what} has failed: {reason}")),
            (Stage::Waiting, _) => {
                let why = update.trouble.as_deref().unwrap_or_default();
                (EventKind::Waiting, format!("{what}: the BMC was not given it, it is tried again: {why}"))
            }
        };
        info!(update = %update.id, server = %update.server, text, "update of firmware moved on");
        self.parts.inventory.record(update.server, kind, text).await;
        if update.is_over() {
            // Other firmware is nothing that a tenant has left.
            self.parts.inventory.forget_traces(update.server).await?;
            self.parts.inventory.forget_updates(update.server).await?;
            self.asked.notify_one();
        }
        Ok(())
    }

    /// None: nothing was heard of it yet.
    async fn give(
        &self,
        update: &Update,
        action: Action,
        left: Duration,
    ) -> Result<Option<Given>, InventoryError> {
        let Some(server) = self.parts.inventory.server(update.server).await? else { return Ok(None) };
        let run = self.parts.agents.run(&server.rack, server.id, action);
        match tokio::time::timeout(left, run).await {
            Ok(answer) => Ok(given(answer)),
            Err(_) => Ok(None),
        }
    }

    async fn look(&self, update: Update, task: Option<String>) -> Result<Update, InventoryError> {
        let Some(server) = self.parts.inventory.server(update.server).await? else {
            let now_us = self.now_us();
            return Ok(update.failed("its server was deleted".to_owned(), now_us));
        };
        let answer = self.parts.agents.run(&server.rack, server.id, Action::LookAtFirmware { task }).await;
        let now_us = self.now_us();
        Ok(match answer {
            Ok(Success::FirmwareSeen(seen)) => {
                self.keep(&update, &seen).await?;
                update.looked(&seen, now_us)
            }
            Ok(_) => update.not_seen("the agent answered something else".to_owned(), now_us),
            Err(error) => update.not_seen(error.to_string(), now_us),
        })
    }

    /// Stores what was read anew, in place of what was read hours ago.
    async fn keep(&self, update: &Update, seen: &FirmwareSeen) -> Result<(), InventoryError> {
        let now_us = self.now_us();
        if !seen.items.is_empty() {
            let part = PartFacts::Firmware(seen.items.clone());
            self.parts.inventory.put_facts(update.server, &part, now_us).await?;
        }
        if !seen.manager_version.is_empty() {
            let mut system = self.parts.inventory.facts(update.server).await?.facts.system;
            (system.manager_version, system.bios_version) =
                (seen.manager_version.clone(), seen.bios_version.clone());
            self.parts.inventory.put_facts(update.server, &PartFacts::System(system), now_us).await?;
        }
        Ok(())
    }

    async fn name(&self, update: &Update) -> String {
        let what = match update.order.component.as_str() {
            "" => "firmware".to_owned(),
            component => format!("{component} firmware"),
        };
        let to = update.order.version.as_ref().map(|version| format!(" to {version}")).unwrap_or_default();
        let server = self.parts.inventory.server(update.server).await.ok().flatten();
        let name = server.map_or_else(|| update.server.to_string(), |server| server.name);
        format!("the update of the {what} of {name}{to}")
    }

    pub(super) fn now_us(&self) -> u64 {
        self.parts.inventory.clock().now_us()
    }

    fn at_work(&self) -> std::sync::MutexGuard<'_, HashSet<Uuid>> {
        self.at_work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an answer says of whether the BMC has taken it; none: nothing yet.
fn given(answer: Result<Success, AgentError>) -> Option<Given> {
    match answer {
        Ok(Success::FirmwareTaken { task }) => Some(Given::Taken { task }),
        Ok(
            Success::Done
            | Success::Identity(_)
            | Success::Step(_)
            | Success::PasswordKept { .. }
            | Success::Footprint(_)
            | Success::FirmwareSeen(_),
        ) => Some(Given::NotKnown("the agent answered something else".to_owned())),
        Err(AgentError::Away { .. } | AgentError::NotTaken { .. }) => None,
        Err(AgentError::Failed(failure)) => Some(match failure.kind {
            FailureKind::BmcRefused | FailureKind::BmcCredentials | FailureKind::ImageCorrupt => {
                Given::Refused(failure.message)
            }
            // Of each of these the BMC has not heard.
            FailureKind::UnknownServer
            | FailureKind::BmcUnreachable
            | FailureKind::ImageUnavailable
            | FailureKind::Interrupted => Given::NotGiven(failure.message),
            FailureKind::MaybeDone
            | FailureKind::NotConfirmed
            | FailureKind::NoRamdisk
            | FailureKind::StepFailed => Given::NotKnown(failure.message),
        }),
    }
}
