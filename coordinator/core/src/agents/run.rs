//! Edges: one command from whoever asked for it to its end: stored, given to the rack's agent, waited for.

use std::sync::Arc;

use domain::{
    records::{CommandKind, StoredCommand},
    rim::AgentError,
};
use protocol::{
    command::{Action, Command, Failure, FailureKind, Success},
    convert::ToAgent,
    heartbeat::Wanted,
    id::{CommandId, RackId, ServerId},
};
use store::InventoryError;
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use tracing::warn;

use super::{
    command::{Repeat, digest_of, id_of, repeat_of, wanted_for},
    dispatch::{Asker, Begun, Ending, NotBegun, Wait, wait_max},
    hub::AgentHub,
};

impl AgentHub {
    pub(super) async fn run_command(
        self: &Arc<Self>,
        rack: &RackId,
        server: ServerId,
        action: Action,
    ) -> Result<Success, AgentError> {
        if matches!(action, Action::Order(_)) && self.takes_no_orders(rack) {
            let message = format!("the agent of rack {rack} is too old to take orders for BMCs; update it");
            return Err(Failure { kind: FailureKind::BmcRefused, message }.into());
        }
        self.run_for(rack, server, action, Asker::Somebody).await
    }

    /// Asks a rack's agent whether it has a command that was given before a break. What follows from its answer is decided where it
    /// arrives, so nothing is returned.
    pub(super) async fn ask_after(self: Arc<Self>, rack: RackId, command: CommandId, server: ServerId) {
        let _ = self.run_for(&rack, server, Action::ReadIdentity, Asker::AfterBreakOf(command)).await;
    }

    async fn run_for(
        self: &Arc<Self>,
        rack: &RackId,
        server: ServerId,
        action: Action,
        asker: Asker,
    ) -> Result<Success, AgentError> {
        let away = |reason: String| AgentError::Away { rack: rack.clone(), reason };
        let stored = self.find_or_store(rack, server, &action).await;
        let stored = stored.map_err(|error| away(format!("was not asked: {error}")))?;
        if let Some(result) = stored.outcome {
            self.answered(stored.id).await;
            return Ok(result.outcome?);
        }
        let longest = wait_max(&action);
        let wanted = wanted_for(&action).map(|within| Wanted { given: self.stream_time(), within });
        self.note_boot(server, &action);
        let command = Command { id: stored.id, server, action, wanted };
        let ending = match self.begin(rack, &command, asker) {
            Ok((waiting, outbox)) => waiting.end(command, outbox).await,
            Err(NotBegun::Answered) => Ending::NoMoreAsked,
            Err(NotBegun::NoAgent) => {
                self.answered(stored.id).await;
                return Err(self.is_away(rack));
            }
        };
        self.answered(stored.id).await;
        match ending {
            Ending::Result(result) => Ok(result.outcome?),
            Ending::NotTaken | Ending::NoMoreAsked => Err(AgentError::NotTaken { rack: rack.clone() }),
            Ending::NotKnown => Err(away(
                "was restarted before it had answered; it is not known whether the command was carried out"
                    .to_owned(),
            )),
            Ending::TimedOut => Err(away(format!("has not finished within {} s", longest.as_secs()))),
        }
    }

    async fn find_or_store(
        &self,
        rack: &RackId,
        server: ServerId,
        action: &Action,
    ) -> Result<StoredCommand, InventoryError> {
        let digest = digest_of(action);
        let known = match repeat_of(action) {
            Repeat::NewEachTime => None,
            Repeat::SameCommand => self.inventory.open_command(server, &digest).await?,
            Repeat::Once => self.inventory.last_command(server, &digest).await?,
        };
        if let Some(known) = known {
            return Ok(known);
        }
        let stored = StoredCommand {
            id: id_of(action, &digest),
            rack: rack.clone(),
            server,
            kind: CommandKind::of(action),
            digest,
            created_us: self.inventory.clock().now_us(),
            outcome: None,
            answered: false,
        };
        self.inventory.put_command(&stored).await?;
        Ok(stored)
    }

    async fn answered(&self, id: CommandId) {
        if let Err(error) = self.inventory.answer_command(id).await {
            warn!(command = %id, error = %error, "answer not stored");
        }
    }

    /// Begins to wait, with the way to the agent that the command is to be given to now.
    fn begin(
        self: &Arc<Self>,
        rack: &RackId,
        command: &Command,
        asker: Asker,
    ) -> Result<(Waiting, Option<mpsc::Sender<ToAgent>>), NotBegun> {
        let mut state = self.state();
        let (stream, now) = (state.roster.stream(rack), Instant::now().into_std());
        let Begun { wait, deadline, give } = state.dispatch.begin(rack, command, asker, stream, now)?;
        let outbox = state.roster.wire(rack).filter(|_| give).map(|wire| wire.outbox.clone());
        let told = state.told(wait);
        let waiting = Waiting { hub: Arc::clone(self), wait, deadline: deadline.into(), told };
        Ok((waiting, outbox))
    }
}

/// Somebody's wait for a command.
struct Waiting {
    hub: Arc<AgentHub>,
    wait: Wait,
    deadline: Instant,
    told: oneshot::Receiver<Ending>,
}

impl Waiting {
    /// Gives the command to the agent, where there is one, and waits for its end.
    async fn end(mut self, command: Command, outbox: Option<mpsc::Sender<ToAgent>>) -> Ending {
        let (hub, wait, deadline) = (Arc::clone(&self.hub), self.wait, self.deadline);
        // A step that was heard of meanwhile is waited for longer.
        let later = |until: Instant| {
            let extended = hub.state().dispatch.deadline(wait).map(Instant::from);
            extended.filter(|extended| *extended > until)
        };
        let given_and_ended = async {
            if let Some(outbox) = outbox {
                // A stream that ends now is followed by a new one, on which the command is given again or asked after.
                let _ = outbox.send(ToAgent::Command(command)).await;
            }
            (&mut self.told).await
        };
        let ended = async {
            tokio::pin!(given_and_ended);
            let mut until = deadline;
            loop {
                match tokio::time::timeout_at(until, &mut given_and_ended).await {
                    Ok(ending) => return ending.ok(),
                    Err(_) => match later(until) {
                        Some(later) => until = later,
                        None => return None,
                    },
                }
            }
        };
        match ended.await {
            Some(ending) => ending,
            None => self.time_out(),
        }
    }

    fn time_out(&mut self) -> Ending {
        let mut state = self.hub.state();
        state.dispatch.handle_timeout(Instant::now().into_std());
        state.tell_endings();
        self.told.try_recv().unwrap_or(Ending::TimedOut)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.hub.state().leave(self.wait);
    }
}
