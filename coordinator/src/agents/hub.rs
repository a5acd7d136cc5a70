//! Edges: the connected agents, the commands that somebody waits for, and what is told of ramdisks.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use protocol::{
    command::{Action, Command, CommandResult, FailureKind, Success},
    convert::{Declaration, ToAgent},
    heartbeat::{StreamTime, Wanted},
    id::{AgentBootId, CommandId, RackId, RamdiskSessionId, ServerId},
    ramdisk::RESUME_WAIT_MAX,
    step::StepProgress,
};
use tokio::sync::{Semaphore, broadcast, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{
    alive::Readings,
    arrival::{Arrival, Peer, arrival},
    command::{AfterBreak, Repeat, after_break, digest_of, image_of, kind_of, repeat_of, wanted_for},
    images::IMAGES_PER_RACK_MAX,
};
use crate::{
    enrol::Declarations,
    gate::Presence,
    inventory::{Inventory, InventoryError, Ramdisk, Server, StoredCommand},
    pki::Fingerprint,
    port::{AgentError, Agents},
    reconcile::Wake,
};

/// Longest wait for the end of a power command. The gate waits less.
pub const POWER_WAIT_MAX: Duration = protocol::power_budget::CLIENT_READ_TIMEOUT;
/// Longest wait for the end of a ramdisk's step: a full erase of a big disk takes hours.
pub const STEP_WAIT_MAX: Duration = Duration::from_secs(48 * 3600);
/// Longest wait, after an agent was started anew, for news of the ramdisks that it had. It waits for them less.
pub const RAMDISK_WAIT_MAX: Duration = RESUME_WAIT_MAX.saturating_add(Duration::from_secs(30));
/// Messages to one agent that wait to be sent.
pub const OUTBOX_MAX: usize = 1024;
/// Others of one rack that are told of while its agent is connected; further ones are refused without a word.
const RIVALS_TOLD_MAX: usize = 8;
/// How long a request for an image waits for the step that names it: after our restart the step is about to be given again.
pub const IMAGE_STEP_WAIT_MAX: Duration = Duration::from_secs(10);
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
        /// Why.
        reason: String,
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
    pub peer: Peer,
    /// Others who asked to be let in meanwhile and were told of.
    pub rivals: Vec<Peer>,
    pub outbox: mpsc::Sender<ToAgent>,
    pub end: CancellationToken,
}

/// A command that somebody waits for.
struct Pending {
    rack: RackId,
    command: Command,
    /// The stream on which it was given last, and the run of the agent at its other end.
    given: Option<(u64, AgentBootId)>,
    ending: watch::Sender<Option<Ending>>,
    waiters: usize,
}

/// How the wait for a command ends.
#[derive(Clone)]
enum Ending {
    Result(CommandResult),
    /// A break came between: the agent has not got it, or has it no more.
    NotTaken,
    /// The agent was started anew, and a repetition might do it twice.
    NotKnown,
}

/// Another agent of a rack that has one.
pub(super) struct Rival {
    /// The one that is connected.
    pub present: Peer,
    /// Whether nobody was told yet.
    pub is_news: bool,
}

/// Commands that were given before a break.
#[derive(Default)]
pub(super) struct LeftOver {
    /// To be given again.
    pub again: Vec<Command>,
    /// To be asked after.
    pub asked: Vec<Asked>,
}

/// A command that the agent may or may not have.
pub(super) struct Asked {
    pub command: Command,
    /// Whether the agent is the one that it was given to, and not a later run of it.
    pub same_run: bool,
}

#[derive(Default)]
pub(super) struct State {
    links: HashMap<RackId, Link>,
    away_since_us: HashMap<RackId, u64>,
    pending: HashMap<CommandId, Pending>,
    progress: HashMap<ServerId, Progress>,
    last_number: u64,
    image_places: HashMap<RackId, Arc<Semaphore>>,
    /// What each rack's agent said of its readings last.
    pub(super) readings: HashMap<RackId, Readings>,
    /// Ramdisks that are to be heard of again, since their agent was started anew as this run.
    pub(super) expected: HashMap<RamdiskSessionId, (ServerId, AgentBootId)>,
}

impl State {
    fn meet(&mut self, rack: &RackId, newcomer: &Peer, follows: Option<Fingerprint>) -> Result<(), Rival> {
        let link = self.links.get_mut(rack);
        match (arrival(link.as_ref().map(|link| &link.peer), newcomer, follows), link) {
            (Arrival::First | Arrival::Again, _) | (Arrival::Rival, None) => Ok(()),
            (Arrival::Rival, Some(link)) => {
                let is_news = link.rivals.len() < RIVALS_TOLD_MAX && !link.rivals.contains(newcomer);
                if is_news {
                    link.rivals.push(newcomer.clone());
                }
                Err(Rival { present: link.peer.clone(), is_news })
            }
        }
    }
}

/// The agents.
pub struct AgentHub {
    pub(super) inventory: Inventory,
    pub(super) wake: Wake,
    /// Our name, for their logs.
    pub(super) name: String,
    /// How long an agent that was started anew has to tell of its ramdisks.
    pub(super) ramdisk_wait: Duration,
    /// How long a request for an image waits for the step that names it.
    pub(super) image_wait: Duration,
    /// Counts the changes of who may open what.
    pub(super) certificates_changed: watch::Sender<u64>,
    started_us: u64,
    /// When the running clock began by which agents judge how late a message is.
    started: Instant,
    /// Counts the streams that began.
    pub(super) arrivals: watch::Sender<u64>,
    state: Mutex<State>,
    signals: broadcast::Sender<RamdiskSignal>,
    /// Scans and windows that were ordered.
    pub discovery: crate::discovery::Orders,
}

impl AgentHub {
    /// A hub without agents.
    pub fn new(inventory: Inventory, wake: Wake, name: String) -> Self {
        let started_us = inventory.clock().now_us();
        let signals = broadcast::channel(SIGNALS_MAX).0;
        let discovery = crate::discovery::Orders::default();
        let ramdisk_wait = RAMDISK_WAIT_MAX;
        Self {
            inventory,
            wake,
            name,
            ramdisk_wait,
            image_wait: IMAGE_STEP_WAIT_MAX,
            certificates_changed: watch::Sender::new(0),
            started_us,
            started: Instant::now(),
            arrivals: watch::Sender::new(0),
            state: Mutex::default(),
            signals,
            discovery,
        }
    }

    /// Our running clock.
    pub(super) fn stream_time(&self) -> StreamTime {
        StreamTime(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// Since when a rack's agent is away; one that has not come yet, since we began.
    pub(super) fn away_since_us(&self, rack: &RackId) -> u64 {
        self.state().away_since_us.get(rack).copied().unwrap_or(self.started_us)
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

    /// Who is at the other end of a rack's stream.
    pub fn peer(&self, rack: &RackId) -> Option<Peer> {
        self.state().links.get(rack).map(|link| link.peer.clone())
    }

    /// Whether a newcomer would take a place that is not its own. `follows`: the certificate that its own was renewed from.
    pub(super) fn meet(
        &self,
        rack: &RackId,
        newcomer: &Peer,
        follows: Option<Fingerprint>,
    ) -> Result<(), Rival> {
        self.state().meet(rack, newcomer, follows)
    }

    /// Takes a new stream in; the same agent's older one ends. Gives the stream's number.
    pub(super) fn link(
        &self,
        rack: &RackId,
        follows: Option<Fingerprint>,
        link: impl FnOnce(u64) -> Link,
    ) -> Result<u64, Rival> {
        let mut state = self.state();
        let link = link(state.last_number + 1);
        state.meet(rack, &link.peer, follows)?;
        state.last_number += 1;
        let number = link.number;
        state.away_since_us.remove(rack);
        if let Some(old) = state.links.insert(rack.clone(), link) {
            old.end.cancel();
        }
        drop(state);
        self.arrivals.send_replace(number);
        Ok(number)
    }

    /// Ends a rack's stream if it was opened by one of these certificates.
    pub(super) fn end_streams_of(&self, rack: &RackId, revoked: &[Fingerprint]) {
        if let Some(link) =
            self.state().links.get(rack).filter(|link| revoked.contains(&link.peer.fingerprint))
        {
            link.end.cancel();
        }
    }

    /// Whether a step that was given to this rack's agent, and has not ended, writes this image.
    pub(super) fn is_image_wanted(&self, rack: &RackId, image: &str) -> bool {
        self.state().pending.values().any(|pending| {
            &pending.rack == rack
                && image_of(&pending.command.action) == Some(image)
                && pending.given.is_some()
                && pending.ending.borrow().is_none()
        })
    }

    /// The places of a rack for images on their way.
    pub(super) fn image_places(&self, rack: &RackId) -> Arc<Semaphore> {
        let mut state = self.state();
        let places = state.image_places.entry(rack.clone());
        Arc::clone(places.or_insert_with(|| Arc::new(Semaphore::new(IMAGES_PER_RACK_MAX))))
    }

    /// A stream ended. Says whether it was the rack's present one.
    pub(super) fn unlink(&self, rack: &RackId, number: u64) -> bool {
        let now_us = self.inventory.clock().now_us();
        let mut state = self.state();
        let present = state.links.get(rack).is_some_and(|link| link.number == number);
        if present {
            state.links.remove(rack);
            state.readings.remove(rack);
            state.away_since_us.insert(rack.clone(), now_us);
        }
        present
    }

    /// Commands for a rack that somebody waits for and that were not given on its new stream: those to be given again, and
    /// those of which the agent must be asked first.
    pub(super) fn left_over(&self, rack: &RackId, number: u64) -> LeftOver {
        let mut left = LeftOver::default();
        let mut state = self.state();
        let Some(boot_id) = state.links.get(rack).filter(|link| link.number == number).map(|l| l.boot_id)
        else {
            return left;
        };
        for pending in state.pending.values_mut().filter(|pending| &pending.rack == rack) {
            let given = pending.given;
            if given.is_some_and(|(stream, _)| stream == number) {
                continue;
            }
            match (after_break(&pending.command.action), given) {
                (AfterBreak::Again, _) => {
                    pending.given = Some((number, boot_id));
                    left.again.push(pending.command.clone());
                }
                (AfterBreak::AskFirst, Some((_, before))) => {
                    let same_run = before == boot_id;
                    left.asked.push(Asked { command: pending.command.clone(), same_run });
                }
                // Whoever asked for it is about to give it on the new stream.
                (AfterBreak::AskFirst, None) => {}
            }
        }
        left
    }

    /// Finds out whether the agent has a command that was given before a break. It answers the commands for a BMC in their
    /// order: when a question that was put after the command is answered and the command is not, it has never come, or went
    /// down with an earlier run of the agent.
    pub(super) async fn find_out(self: Arc<Self>, rack: RackId, asked: Asked) {
        let Asked { command, same_run } = asked;
        let Some(mut ending) = self.state().pending.get(&command.id).map(|p| p.ending.subscribe()) else {
            return;
        };
        let answer = tokio::select! {
            answer = self.run_command(&rack, command.server, Action::ReadIdentity) => answer,
            // It had it: there is nothing left to ask.
            _ = ending.wait_for(Option::is_some) => return,
        };
        match answer {
            Ok(_) => {}
            // Not put into the queue behind the command: nothing follows from it.
            Err(AgentError::Failed(failure)) if failure.kind == FailureKind::Interrupted => return,
            Err(AgentError::Failed(_)) => {}
            Err(AgentError::Away { .. } | AgentError::NotTaken { .. }) => return,
        }
        let ending = match &command.action {
            Action::Reset { .. } if !same_run => Ending::NotKnown,
            Action::PowerOn { .. }
            | Action::Reset { .. }
            | Action::PowerOff { .. }
            | Action::ReadIdentity
            | Action::EndBoot
            | Action::RunStep { .. } => Ending::NotTaken,
        };
        if let Some(pending) = self.state().pending.get(&command.id) {
            // A result that came before the answer stays.
            pending.ending.send_if_modified(|known| {
                let news = known.is_none();
                if news {
                    *known = Some(ending);
                }
                news
            });
        }
    }

    /// A command ended: tells whoever waits.
    pub(super) fn ended(&self, server: ServerId, result: &CommandResult) {
        let mut state = self.state();
        if state.progress.get(&server).is_some_and(|progress| progress.command == result.command) {
            state.progress.remove(&server);
        }
        if let Some(pending) = state.pending.get(&result.command) {
            pending.ending.send_replace(Some(Ending::Result(result.clone())));
        }
    }

    pub(super) fn outbox(&self, rack: &RackId) -> Option<mpsc::Sender<ToAgent>> {
        self.state().links.get(rack).map(|link| link.outbox.clone())
    }

    /// The way to a command's agent; from now on it counts as given on that stream.
    fn give(&self, rack: &RackId, command: CommandId) -> Option<mpsc::Sender<ToAgent>> {
        let mut state = self.state();
        let link = state.links.get(rack)?;
        let (given, outbox) = ((link.number, link.boot_id), link.outbox.clone());
        if let Some(pending) = state.pending.get_mut(&command) {
            pending.given = Some(given);
        }
        Some(outbox)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // The maps hold no invariant across a panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to wait for a command; several may wait for the same one.
    fn await_command(self: &Arc<Self>, rack: &RackId, command: &Command) -> Waiting {
        let mut state = self.state();
        let pending = state.pending.entry(command.id).or_insert_with(|| Pending {
            rack: rack.clone(),
            command: command.clone(),
            given: None,
            ending: watch::Sender::new(None),
            waiters: 0,
        });
        pending.waiters += 1;
        Waiting { hub: Arc::clone(self), id: command.id, ending: pending.ending.subscribe() }
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
        let wanted = wanted_for(&action).map(|within| Wanted { given: self.stream_time(), within });
        let command = Command { id: stored.id, server, action, wanted };
        let mut waiting = self.await_command(rack, &command);
        match (self.give(rack, command.id), repeat) {
            (Some(outbox), _) => {
                // A stream that ends now is followed by a new one, on which the command is given again or asked after.
                let _ = outbox.send(ToAgent::Command(command)).await;
            }
            (None, Repeat::NewEachTime) => {
                self.answered(stored.id).await;
                return Err(away(self.away(rack).unwrap_or_else(|| "went away just now".to_owned())));
            }
            (None, Repeat::SameCommand) => {}
        }
        let ending = match tokio::time::timeout(wait_max, waiting.ending.wait_for(Option::is_some)).await {
            Ok(Ok(ending)) => ending.clone(),
            Ok(Err(_)) | Err(_) => None,
        };
        self.answered(stored.id).await;
        match ending {
            Some(Ending::Result(result)) => Ok(result.outcome?),
            Some(Ending::NotTaken) => Err(AgentError::NotTaken { rack: rack.clone() }),
            Some(Ending::NotKnown) => Err(away(
                "was started anew before it had answered; it is not known whether the command was carried out"
                    .to_owned(),
            )),
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
    ending: watch::Receiver<Option<Ending>>,
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
