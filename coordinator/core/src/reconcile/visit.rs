//! Edges: the parts of which visits are made: facts read, decided on, and noted; ports read back; Ironic and BMCs asked.

use std::time::Duration;

use domain::{
    events::EventKind,
    lifecycle::{Decision, NodePower, ProvisionState, decide, trouble::Trouble},
    records::{Adopted, Holder, Port, Server},
    rim::{AgentError, ObservedNetwork, ProvisionerError, WantedNetwork},
};
use protocol::{id::ServerId, network::BootNetwork};
use store::InventoryError;
use tracing::warn;

use super::{
    Reconcile,
    work::{Found, LOCKED_PAUSE},
};
use crate::{
    mover::MoveError,
    visits::{Due, Lane},
};

/// A power-on whose outcome never came counts as under way for so long.
pub const INTENT_MAX_US: u64 = 120 * 1_000_000;
/// Ports at rest are read back this often, because Contrail owns them and others use it too.
const OBSERVE_EVERY_US: u64 = 60 * 1_000_000;

/// Why a visit could not do the next thing.
#[derive(Debug, thiserror::Error)]
pub(super) enum VisitError {
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    #[error(transparent)]
    Move(#[from] MoveError),
    #[error(transparent)]
    Provisioner(#[from] ProvisionerError),
    #[error(transparent)]
    Agent(#[from] AgentError),
    #[error(transparent)]
    Pool(#[from] crate::pools::PoolingError),
    #[error("{0}")]
    Enroll(String),
}

impl Reconcile {
    /// Everything that one server needs now, lane after lane, without the queue; what fails is shown and ends it.
    #[cfg(test)]
    pub async fn visit(&self, id: ServerId) {
        let mut due = std::collections::BTreeSet::from([Lane::Check]);
        while let Some(lane) = due.pop_first() {
            match self.work(id, lane, &Default::default()).await {
                Ok(Found::Done(next)) => {
                    due.extend(next.iter().filter(|next| next.pause.is_zero()).map(|next| next.lane));
                }
                Ok(Found::Later(_)) => {}
                Err(error) => return self.show_wait(id, &error.to_string(), true).await,
            }
        }
    }

    /// Shows what a server waits for. `is_news`: the last try of the same thing did not fail for the same reason.
    pub(super) async fn show_wait(&self, id: ServerId, text: &str, is_news: bool) {
        let shown = self.parts.inventory.server(id).await.ok().flatten().and_then(|server| server.waiting);
        if shown.as_deref() == Some(text) {
            return;
        }
        if let Err(error) = self.parts.inventory.set_waiting(id, Some(text)).await {
            warn!(server = %id, error = %error, "wait not stored");
        }
        if is_news {
            self.parts.inventory.record(id, EventKind::Waiting, text).await;
        }
    }

    pub(super) async fn expire_intent(&self, server: &mut Server) -> Result<(), VisitError> {
        let now_us = self.parts.inventory.clock().now_us();
        let old = server.intent.as_ref().is_some_and(|i| now_us.saturating_sub(i.since_us) > INTENT_MAX_US);
        if old && let Some(_lock) = self.parts.locks.try_lock(server.id) {
            self.parts.inventory.set_intent(server.id, None).await?;
            server.intent = None;
        }
        Ok(())
    }

    pub(super) async fn decide(
        &self,
        server: &Server,
    ) -> Result<(Decision, Option<uuid::Uuid>), InventoryError> {
        let instance = server.node.as_ref().and_then(|node| node.instance_id);
        let tenant = self.parts.inventory.tenant_port(server, instance).await?;
        let agent_is_here = self.parts.presence.connection(&server.rack).is_connected();
        Ok((decide(&server.facts(tenant, agent_is_here)), tenant))
    }

    /// Reads ports back that were never seen, or not for long.
    pub(super) async fn look(&self, server: &Server) -> Result<Found, VisitError> {
        if self.next_look(server).is_none_or(|due| !due.pause.is_zero()) {
            return Ok(Found::Done(Vec::new()));
        }
        let Some(_lock) = self.parts.locks.try_lock(server.id) else { return Ok(Found::Later(LOCKED_PAUSE)) };
        self.parts.mover.observe(server).await?;
        let Some(after) = self.parts.inventory.server(server.id).await? else {
            return Ok(Found::Done(Vec::new()));
        };
        let places =
            |server: &Server| server.ports.iter().map(|port| port.observed.clone()).collect::<Vec<_>>();
        let is_news = places(&after) != places(server) || after.waiting.is_some();
        Ok(Found::Done(if is_news {
            vec![Due::now(Lane::Check)]
        } else {
            self.next_look(&after).into_iter().collect()
        }))
    }

    /// The next read-back of its ports: at once for one that was not seen since it was moved, else by the age of the oldest.
    pub(super) fn next_look(&self, server: &Server) -> Option<Due> {
        let now_us = self.parts.inventory.clock().now_us();
        let oldest_us = server.ports.iter().map(|port| port.observed_us.unwrap_or(now_us)).min()?;
        let waited_us = now_us.saturating_sub(oldest_us);
        let is_lost = server.ports.iter().any(|port| port.observed.is_none() || port.observed_us.is_none());
        let pause_us = if is_lost { 0 } else { OBSERVE_EVERY_US.saturating_sub(waited_us) };
        let (waited, pause) = (Duration::from_micros(waited_us), Duration::from_micros(pause_us));
        Some(Due { lane: Lane::Look, waited, pause })
    }

    /// The isolation of a server that is off, with the place of its report.
    pub(super) fn isolation_of(&self, server: &Server) -> Due {
        // One that was isolated before, and is seen elsewhere now, is wanted from now on.
        let since_us = server.off_since_us.filter(|_| server.isolated_us.is_none());
        let now_us = self.parts.inventory.clock().now_us();
        let waited = Duration::from_micros(since_us.map_or(0, |since_us| now_us.saturating_sub(since_us)));
        Due { lane: Lane::Isolate, waited, pause: Duration::ZERO }
    }

    /// A BMC that did not answer when its server was enrolled is asked again once its first reading has come: that reading
    /// proves address, user and password, so nothing can be locked by asking.
    pub(super) async fn learn_identity(&self, server: &Server) -> Result<(), VisitError> {
        if !self.lacks_identity(server) {
            return Ok(());
        }
        match self.enroll.check_bmc(server).await {
            None => Ok(self.parts.inventory.set_reason(server.id, None).await?),
            Some(problem) => Err(VisitError::Enroll(problem)),
        }
    }

    pub(super) fn lacks_identity(&self, server: &Server) -> bool {
        let agent_is_here = self.parts.presence.connection(&server.rack).is_connected();
        server.identity.is_none() && server.confirmed.is_some() && server.unwatched.is_none() && agent_is_here
    }

    /// Records the time from the off-report to the isolation, once.
    pub(super) async fn note_isolation(&self, server: &Server) -> Result<(), VisitError> {
        let Some(off_since_us) = server.off_since_us.filter(|_| server.isolated_us.is_none()) else {
            return Ok(());
        };
        let deployed = server.node.as_ref().is_some_and(|node| {
            matches!(node.provision_state, ProvisionState::Active | ProvisionState::Rescue)
        });
        let parked = WantedNetwork::Boot(BootNetwork::Cleaning);
        if !deployed || !self.parts.mover.is_in_place(server, parked).await? {
            return Ok(());
        }
        let now_us = self.parts.inventory.clock().now_us();
        self.parts.inventory.set_isolated(server.id, now_us).await?;
        let took_ms = now_us.saturating_sub(off_since_us) / 1000;
        counters::isolated(Duration::from_millis(took_ms));
        let text = format!("isolated on the cleaning network {took_ms} ms after it was reported off");
        self.parts.inventory.record(server.id, EventKind::Isolated, text).await;
        Ok(())
    }

    /// A server that Ironic adopts keeps the tenant port on which it was found, until it is given back.
    pub(super) async fn note_adoption(
        &self,
        server: &Server,
        tenant: Option<uuid::Uuid>,
    ) -> Result<(), VisitError> {
        let state = server.node.as_ref().map(|node| &node.provision_state);
        if state == Some(&ProvisionState::Available) && server.adopted.is_some() {
            // The next tenant has a port of its own.
            return Ok(self.parts.inventory.set_adopted(server.id, None).await?);
        }
        let instance = server.node.as_ref().and_then(|node| node.instance_id);
        if let Some(adopted) = server.adopted.as_ref().filter(|adopted| adopted.holder.is_none()) {
            // An older version did not write down for whom.
            let adopted = Adopted { holder: Some(Holder::of(instance)), ..adopted.clone() };
            return Ok(self.parts.inventory.set_adopted(server.id, Some(&adopted)).await?);
        }
        let is_adopted = matches!(state, Some(ProvisionState::Adopting | ProvisionState::Active));
        if tenant.is_some() || server.adopted.is_some() || !is_adopted {
            return Ok(());
        }
        let found = |port: &Port| match port.observed {
            Some(ObservedNetwork::Tenant(found)) => Some(found),
            Some(
                ObservedNetwork::Nothing
                | ObservedNetwork::Boot(_)
                | ObservedNetwork::Bond { .. }
                | ObservedNetwork::Other { .. },
            )
            | None => None,
        };
        let ports: Vec<_> = server.ports.iter().filter_map(found).collect();
        if ports.is_empty() {
            return Ok(());
        }
        let adopted = Adopted { ports, holder: Some(Holder::of(instance)) };
        Ok(self.parts.inventory.set_adopted(server.id, Some(&adopted)).await?)
    }

    /// Tells Ironic that a server is off, unless it is seen to know: its power sync would switch it on again otherwise. Says whether
    /// nothing is left to tell.
    pub(super) async fn tell_ironic_off(&self, server: &Server) -> Result<bool, VisitError> {
        let Some(node) = self.parts.provisioner.get_node(server.id).await? else { return Ok(true) };
        if node.power_state == Some(NodePower::Off) {
            self.parts.inventory.set_node(server.id, Some(&node)).await?;
            self.parts.inventory.clear_untold_off(server.id).await?;
            if self.parts.inventory.trouble(server.id).await? == Some(Trouble::OffUntold) {
                self.parts.inventory.set_reason(server.id, None).await?;
            }
            self.parts.inventory.record(server.id, EventKind::Power, "Ironic knows that it is off").await;
            return Ok(true);
        }
        if node.reservation.is_none() {
            self.parts.provisioner.tell_power_off(server.id).await?;
        }
        Ok(false)
    }
}
