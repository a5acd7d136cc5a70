//! Edges: the connected agents, the commands that somebody waits for, and what is told of ramdisks.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use protocol::{
    command::{Action, Command, CommandResult, Success},
    convert::{Declaration, ToAgent},
    id::{AgentBootId, CommandId, RackId, RamdiskSessionId, ServerId},
    step::StepProgress,
};
use tokio::sync::{broadcast, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::command::{Repeat, digest_of, kind_of, repeat_of};
use crate::{
    enrol::Declarations,
    gate::Presence,
    inventory::{Inventory, InventoryError, Ramdisk, Server, StoredCommand},
    port::{AgentError, Agents},
    reconcile::Wake,
};

/// Longest wait for the end of a power command. The gate waits less.
pub const POWER_WAIT_MAX: Duration = Duration::from_secs(60);
/// Longest wait for the end of a ramdisk's step: a full erase of a big disk takes hours.
pub const STEP_WAIT_MAX: Duration = Duration::from_secs(48 * 3600);
/// Messages to one agent that wait to be sent.
pub const OUTBOX_MAX: usize = 1024;
/// Listeners to ramdisk signals that fall further behind than this must read the inventory.
const SIGNALS_MAX: usize = 1024;

/// A ramdisk came or went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RamdiskSignal {
    /// It said hello.
    Ready(Ramdisk),
    /// It is gone for good.
    Gone {
        /// From which server.
        server: ServerId,
        /// Which run.
        session: RamdiskSessionId,
    },
}

/// How far a step has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The command that runs the step.
    pub command: CommandId,
    /// How far.
    pub progress: StepProgress,
}

/// One connected agent.
pub(super) struct Link {
    pub number: u64,
    pub boot_id: AgentBootId,
    pub outbox: mpsc::Sender<ToAgent>,
    pub end: CancellationToken,
}

/// A command that somebody waits for.
struct Pending {
    rack: RackId,
    command: Command,
    outcome: watch::Sender<Option<CommandResult>>,
    waiters: usize,
}

#[derive(Default)]
struct State {
    links: HashMap<RackId, Link>,
    away_since_us: HashMap<RackId, u64>,
    pending: HashMap<CommandId, Pending>,
    progress: HashMap<ServerId, Progress>,
    last_number: u64,
}

/// The agents.
pub struct AgentHub {
    pub(super) inventory: Inventory,
    pub(super) wake: Wake,
    /// Our name, for their logs.
    pub(super) name: String,
    started_us: u64,
    state: Mutex<State>,
    signals: broadcast::Sender<RamdiskSignal>,
}

impl AgentHub {
    /// A hub without agents.
    pub fn new(inventory: Inventory, wake: Wake, name: String) -> Self {
        let started_us = inventory.clock().now_us();
        let signals = broadcast::channel(SIGNALS_MAX).0;
        Self { inventory, wake, name, started_us, state: Mutex::default(), signals }
    }

    /// Listens to ramdisks that come and go, from now on; those that run already are in the inventory.
    pub fn ramdisk_signals(&self) -> broadcast::Receiver<RamdiskSignal> {
        self.signals.subscribe()
    }

    pub(super) fn tell_ramdisk(&self, signal: RamdiskSignal) {
        // Nobody listening is no fault.
        let _ = self.signals.send(signal);
    }

    /// How far the step that runs on a server has come.
    pub fn progress(&self, server: ServerId) -> Option<Progress> {
        self.state().progress.get(&server).cloned()
    }

    pub(super) fn set_progress(&self, server: ServerId, progress: Progress) {
        self.state().progress.insert(server, progress);
    }

    /// The run of a rack's agent that is connected now.
    pub fn connected(&self, rack: &RackId) -> Option<AgentBootId> {
        self.state().links.get(rack).map(|link| link.boot_id)
    }

    /// Takes a new stream in; an older one of the same rack ends. Gives the stream's number.
    pub(super) fn link(&self, rack: &RackId, link: impl FnOnce(u64) -> Link) -> u64 {
        let mut state = self.state();
        state.last_number += 1;
        let link = link(state.last_number);
        let number = link.number;
        state.away_since_us.remove(rack);
        if let Some(old) = state.links.insert(rack.clone(), link) {
            old.end.cancel();
        }
        number
    }

    /// A stream ended. Says whether it was the rack's present one.
    pub(super) fn unlink(&self, rack: &RackId, number: u64) -> bool {
        let now_us = self.inventory.clock().now_us();
        let mut state = self.state();
        let present = state.links.get(rack).is_some_and(|link| link.number == number);
        if present {
            state.links.remove(rack);
            state.away_since_us.insert(rack.clone(), now_us);
        }
        present
    }

    /// Commands for a rack that somebody waits for: they are given again on a new stream.
    pub(super) fn pending_for(&self, rack: &RackId) -> Vec<Command> {
        let state = self.state();
        state.pending.values().filter(|p| &p.rack == rack).map(|p| p.command.clone()).collect()
    }

    /// A command ended: tells whoever waits.
    pub(super) fn ended(&self, server: ServerId, result: &CommandResult) {
        let mut state = self.state();
        if state.progress.get(&server).is_some_and(|progress| progress.command == result.command) {
            state.progress.remove(&server);
        }
        if let Some(pending) = state.pending.get(&result.command) {
            pending.outcome.send_replace(Some(result.clone()));
        }
    }

    fn outbox(&self, rack: &RackId) -> Option<mpsc::Sender<ToAgent>> {
        self.state().links.get(rack).map(|link| link.outbox.clone())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The maps hold no invariant across a panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to wait for a command; several may wait for the same one.
    fn await_command(self: &Arc<Self>, rack: &RackId, command: &Command) -> Waiting {
        let mut state = self.state();
        let pending = state.pending.entry(command.id).or_insert_with(|| Pending {
            rack: rack.clone(),
            command: command.clone(),
            outcome: watch::Sender::new(None),
            waiters: 0,
        });
        pending.waiters += 1;
        Waiting { hub: Arc::clone(self), id: command.id, outcome: pending.outcome.subscribe() }
    }

    async fn find_or_store(
        &self,
        rack: &RackId,
        server: ServerId,
        action: &Action,
    ) -> Result<StoredCommand, InventoryError> {
        let digest = digest_of(action);
        if repeat_of(action) == Repeat::SameCommand
            && let Some(open) = self.inventory.open_command(server, &digest).await?
        {
            return Ok(open);
        }
        let stored = StoredCommand {
            id: CommandId::random(),
            rack: rack.clone(),
            server,
            kind: kind_of(action).to_owned(),
            digest,
            created_us: self.inventory.clock().now_us(),
            outcome: None,
            answered: false,
        };
        self.inventory.put_command(&stored).await?;
        Ok(stored)
    }

    async fn run_command(
        self: &Arc<Self>,
        rack: &RackId,
        server: ServerId,
        action: Action,
    ) -> Result<Success, AgentError> {
        let away = |reason: String| AgentError::Away { rack: rack.clone(), reason };
        let repeat = repeat_of(&action);
        let stored = self.find_or_store(rack, server, &action).await;
        let stored = stored.map_err(|error| away(format!("was not asked: {error}")))?;
        if let Some(result) = stored.outcome {
            self.answered(stored.id).await;
            return Ok(result.outcome?);
        }
        let wait_max = match repeat {
            Repeat::NewEachTime => POWER_WAIT_MAX,
            Repeat::SameCommand => STEP_WAIT_MAX,
        };
        let command = Command { id: stored.id, server, action };
        let mut waiting = self.await_command(rack, &command);
        match (self.outbox(rack), repeat) {
            (Some(outbox), _) => {
                // A stream that ends now is followed by a new one, on which the command is given again.
                let _ = outbox.send(ToAgent::Command(command)).await;
            }
            (None, Repeat::NewEachTime) => {
                self.answered(stored.id).await;
                return Err(away(self.away(rack).unwrap_or_else(|| "went away just now".to_owned())));
            }
            (None, Repeat::SameCommand) => {}
        }
        let result = match tokio::time::timeout(wait_max, waiting.outcome.wait_for(Option::is_some)).await {
            Ok(Ok(result)) => result.clone(),
            Ok(Err(_)) | Err(_) => None,
        };
        self.answered(stored.id).await;
        match result {
            Some(result) => Ok(result.outcome?),
            None => Err(away(format!("has not finished within {} s", wait_max.as_secs()))),
        }
    }

    async fn answered(&self, id: CommandId) {
        if let Err(error) = self.inventory.answer_command(id).await {
            warn!(command = %id, error = %error, "answer not stored");
        }
    }
}

/// Somebody's wait for a command. With the last one gone the command is not given again.
struct Waiting {
    hub: Arc<AgentHub>,
    id: CommandId,
    outcome: watch::Receiver<Option<CommandResult>>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut state = self.hub.state();
        if let Some(pending) = state.pending.get_mut(&self.id) {
            pending.waiters -= 1;
            if pending.waiters == 0 {
                state.pending.remove(&self.id);
            }
        }
    }
}

/// The hub as others hold it.
#[derive(Clone)]
pub struct Hub(pub Arc<AgentHub>);

#[async_trait]
impl Agents for Hub {
    async fn run(&self, rack: &RackId, server: ServerId, action: Action) -> Result<Success, AgentError> {
        self.0.run_command(rack, server, action).await
    }
}

impl Presence for AgentHub {
    fn away(&self, rack: &RackId) -> Option<String> {
        let state = self.state();
        if state.links.contains_key(rack) {
            return None;
        }
        let since_us = state.away_since_us.get(rack).copied().unwrap_or(self.started_us);
        let since = jiff::Timestamp::from_microsecond(i64::try_from(since_us).unwrap_or(i64::MAX));
        let since = since.map_or_else(|_| "the beginning".to_owned(), |time| format!("{time:.0}"));
        Some(format!(
            "the agent of rack {rack} is away since {since}; look at its host, its service and its log"
        ))
    }
}

#[async_trait]
impl Declarations for AgentHub {
    async fn declare(&self, server: &Server) {
        self.send_declaration(
            &server.rack,
            Declaration { servers: vec![server.spec()], forget: Vec::new(), complete: false },
        )
        .await;
    }

    async fn forget(&self, rack: &RackId, server: ServerId) {
        let declaration = Declaration { servers: Vec::new(), forget: vec![server], complete: false };
        self.send_declaration(rack, declaration).await;
    }
}

impl AgentHub {
    async fn send_declaration(&self, rack: &RackId, declaration: Declaration) {
        if let Some(outbox) = self.outbox(rack) {
            // A stream that ends now is followed by a new one, which begins with every server.
            let _ = outbox.send(ToAgent::Declare(declaration)).await;
        }
    }
}
