//! Edges: what a visit does in each lane. Every visit reads the facts anew and decides anew, so it may be late, repeated or cut off.

use std::time::Duration;

use domain::{
    lifecycle::{Decision, Placement, Urgency},
    records::{AskedBy, Server},
};
use protocol::{command::Action, id::ServerId};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{Reconcile, visit::VisitError};
use crate::visits::{Due, End, Lane, RETRY_FIRST, Visit};

/// A server that somebody else moves or switches just now is looked at again after so long. Nothing is held meanwhile.
pub(super) const LOCKED_PAUSE: Duration = Duration::from_millis(250);

/// What a visit found out.
#[derive(Debug)]
pub(super) enum Found {
    /// Its lane is done with; these are due next.
    Done(Vec<Due>),
    /// Its lane is not done with yet; nothing failed.
    Later(Duration),
}

impl Found {
    fn nothing() -> Self {
        Found::Done(Vec::new())
    }

    fn next(lane: Lane) -> Self {
        Found::Done(vec![Due::now(lane)])
    }
}

impl Reconcile {
    /// Carries one visit out. Whatever is not an isolation, and moves no port, is cut off when its server is to be isolated.
    pub(super) async fn serve(&self, visit: Visit) {
        let (id, give_way) = (visit.server, visit.give_way.clone());
        let worked = tokio::select! {
            worked = self.work(id, visit.lane, &give_way) => worked,
            () = give_way.cancelled(), if visit.lane != Lane::Move => return visit.end(End::GaveWay),
        };
        match worked {
            Ok(Found::Done(next)) => {
                // Asked for first, so that a server with something to do is never out of the queue.
                next.into_iter().for_each(|due| self.parts.wake.ask(id, due));
                visit.end(End::Done);
            }
            Ok(Found::Later(pause)) => visit.end(End::Later(pause)),
            Err(error) => {
                let reason = error.to_string();
                let is_news = visit.failed.as_ref() != Some(&reason);
                warn!(server = %id, lane = visit.lane.as_str(), error = %reason, "visit failed, tried again later");
                self.show_wait(id, &reason, is_news).await;
                visit.end(End::Failed(reason));
            }
        }
    }

    /// The work of one lane.
    pub(super) async fn work(
        &self,
        id: ServerId,
        lane: Lane,
        give_way: &CancellationToken,
    ) -> Result<Found, VisitError> {
        let Some(server) = self.parts.inventory.server(id).await? else { return Ok(Found::nothing()) };
        match lane {
            Lane::Isolate => self.isolate(server).await,
            Lane::Check | Lane::Round => self.check(server).await,
            Lane::Tell => self.tell(&server).await,
            Lane::Move => self.move_usual(server, give_way).await,
            Lane::EndBoot => self.end_boot(&server).await,
            Lane::Look => self.look(&server).await,
            Lane::Enroll => self.settle_node(&server).await,
            Lane::Identify => self.learn_identity(&server).await.map(|()| Found::nothing()),
        }
    }

    /// Takes it off its tenant's network. Ironic is not asked: it is told afterwards, in a lane of its own.
    async fn isolate(&self, server: Server) -> Result<Found, VisitError> {
        let Some(_lock) = self.parts.locks.try_lock(server.id) else { return Ok(Found::Later(LOCKED_PAUSE)) };
        let Some(server) = self.parts.inventory.server(server.id).await? else { return Ok(Found::nothing()) };
        let (decision, _) = self.decide(&server).await?;
        if server.forgetting || decision.urgency != Urgency::Isolate {
            return Ok(Found::nothing());
        }
        if let Placement::On(network) = decision.placement {
            self.parts.mover.ensure(&server, network, AskedBy::Isolate).await?;
        }
        if let Some(after) = self.parts.inventory.server(server.id).await? {
            self.note_isolation(&after).await?;
        }
        Ok(Found::next(Lane::Check))
    }

    /// Says what the stored facts call for. Nobody is asked anything.
    async fn check(&self, mut server: Server) -> Result<Found, VisitError> {
        if server.forgetting {
            return Ok(Found::next(Lane::Enroll));
        }
        self.enroll.declarations.keep(&server).await;
        self.expire_intent(&mut server).await?;
        let (decision, tenant) = self.decide(&server).await?;
        if decision.urgency == Urgency::Isolate {
            return Ok(Found::Done(vec![self.isolation_of(&server)]));
        }
        if !self.is_placed(&server, &decision).await? {
            return Ok(Found::next(Lane::Move));
        }
        // One that is not placed yet is given by its first move, which looks first whether it may be taken.
        self.note_given(&server, &decision).await?;
        self.note_isolation(&server).await?;
        self.note_adoption(&server, tenant).await?;
        let mut due: Vec<Due> = self.follows(&server, &decision).into_iter().map(Due::now).collect();
        let is_waiting = server.waiting.is_some() && server.intent.is_none();
        if is_waiting && due.is_empty() && !self.parts.wake.is_failing(server.id) {
            self.parts.inventory.set_waiting(server.id, None).await?;
        }
        due.extend(self.next_look(&server));
        Ok(Found::Done(due))
    }

    /// What follows once the ports are where they belong.
    fn follows(&self, server: &Server, decision: &Decision) -> Vec<Lane> {
        let agent_is_here = self.parts.presence.connection(&server.rack).is_connected();
        let ends_boot = decision.end_boot && server.intent.is_none() && agent_is_here;
        let follows = [
            (Lane::Tell, decision.tell_ironic_off),
            (Lane::EndBoot, ends_boot),
            (Lane::Enroll, server.node.is_none() || crate::pools::is_due(server)),
            (Lane::Identify, self.lacks_identity(server)),
        ];
        follows.into_iter().filter(|(_, is_due)| *is_due).map(|(lane, _)| lane).collect()
    }

    async fn is_placed(&self, server: &Server, decision: &Decision) -> Result<bool, VisitError> {
        match decision.placement {
            Placement::LeaveAsFound => Ok(true),
            Placement::On(network) => Ok(self.parts.mover.is_in_place(server, network).await?),
        }
    }

    async fn tell(&self, server: &Server) -> Result<Found, VisitError> {
        let (decision, _) = self.decide(server).await?;
        if !decision.tell_ironic_off {
            return Ok(Found::nothing());
        }
        let knows = self.tell_ironic_off(server).await?;
        Ok(if knows { Found::next(Lane::Check) } else { Found::Later(RETRY_FIRST) })
    }

    /// Puts the ports where they belong, on Ironic's newest word: a stale one could take a booting server's network away. Gives way
    /// to an isolation until the first port is moved.
    async fn move_usual(&self, server: Server, give_way: &CancellationToken) -> Result<Found, VisitError> {
        let id = server.id;
        let Some(_lock) = self.parts.locks.try_lock(id) else { return Ok(Found::Later(LOCKED_PAUSE)) };
        let Some(mut server) = self.parts.inventory.server(id).await? else { return Ok(Found::nothing()) };
        let (before, _) = self.decide(&server).await?;
        if before.urgency == Urgency::Isolate || self.is_placed(&server, &before).await? {
            return Ok(Found::next(Lane::Check));
        }
        server.node = tokio::select! {
            node = self.parts.provisioner.get_node(id) => node?,
            () = give_way.cancelled() => return Ok(Found::next(Lane::Check)),
        };
        self.parts.inventory.set_node(id, server.node.as_ref()).await?;
        let (decision, _) = self.decide(&server).await?;
        match decision.placement {
            Placement::On(network) if decision.placement == before.placement => {
                self.parts.mover.ensure(&server, network, AskedBy::Park).await?;
                Ok(Found::next(Lane::Check))
            }
            // Ironic went on meanwhile: it is decided anew.
            Placement::On(_) | Placement::LeaveAsFound => Ok(Found::Later(LOCKED_PAUSE)),
        }
    }

    async fn end_boot(&self, server: &Server) -> Result<Found, VisitError> {
        let (decision, _) = self.decide(server).await?;
        let may_end = self.follows(server, &decision).contains(&Lane::EndBoot);
        if !may_end || !self.is_placed(server, &decision).await? {
            return Ok(Found::nothing());
        }
        self.parts.agents.run(&server.rack, server.id, Action::EndBoot).await?;
        self.parts.inventory.set_boot_given(server.id, None).await?;
        Ok(Found::next(Lane::Check))
    }

    /// The node in Ironic: gone with a server that was deleted, made where it is missing, told its class.
    async fn settle_node(&self, server: &Server) -> Result<Found, VisitError> {
        let id = server.id;
        if server.forgetting {
            self.enroll.finish_forgetting(server).await.map_err(VisitError::Enroll)?;
            return Ok(Found::nothing());
        }
        if server.node.is_none()
            && let Some(_lock) = self.parts.locks.try_lock(id)
        {
            // What is stored may be older than the node.
            match self.parts.provisioner.get_node(id).await? {
                Some(node) => self.parts.inventory.set_node(id, Some(&node)).await?,
                None => self.enroll.ensure_node(server).await?,
            }
        }
        crate::pools::settle(&self.parts.inventory, &*self.parts.provisioner, &self.parts.locks, server)
            .await?;
        Ok(Found::nothing())
    }

    async fn note_given(&self, server: &Server, decision: &Decision) -> Result<(), VisitError> {
        if decision.ports_given && !server.ports_given {
            self.parts.inventory.set_ports_given(server.id).await?;
        }
        Ok(())
    }
}
