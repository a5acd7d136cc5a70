//! Edges: one visit to one server: read the facts, decide, do the next thing.

use protocol::{command::Action, id::ServerId, network::BootNetwork};
use tracing::warn;

use super::Reconcile;
use crate::{
    events::EventKind,
    inventory::{AskedBy, InventoryError, Server},
    lifecycle::{Decision, NodePower, Placement, ProvisionState, Urgency, decide},
    mover::MoveError,
    port::{AgentError, ObservedNetwork, ProvisionerError, WantedNetwork},
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
    Enrol(String),
}

impl Reconcile {
    /// Looks at one server once. What fails is tried again after a pause, with its reason shown.
    pub async fn visit(&self, id: ServerId) {
        if !self.retries.is_due(id) {
            return;
        }
        match self.step(id).await {
            Ok(()) => self.retries.succeeded(id),
            Err(error) => {
                let pause = self.retries.failed(id);
                self.show_wait(id, &error.to_string()).await;
                warn!(server = %id, error = %error, pause_ms = pause.as_millis(), "visit failed, tried again later");
                let wake = self.wake.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(pause).await;
                    wake.wake(id);
                });
            }
        }
    }

    async fn show_wait(&self, id: ServerId, text: &str) {
        let shown = self.inventory.server(id).await.ok().flatten().and_then(|server| server.waiting);
        if shown.as_deref() == Some(text) {
            return;
        }
        if let Err(error) = self.inventory.set_waiting(id, Some(text)).await {
            warn!(server = %id, error = %error, "wait not stored");
        }
        self.inventory.record(id, EventKind::Waiting, text).await;
    }

    async fn step(&self, id: ServerId) -> Result<(), VisitError> {
        let Some(mut server) = self.inventory.server(id).await? else { return Ok(()) };
        if server.forgetting {
            return self.enrol.finish_forgetting(&server).await.map_err(VisitError::Enrol);
        }
        self.expire_intent(&mut server).await?;
        let (decision, _) = self.decide(&server).await?;
        if decision.ports_given && !server.ports_given {
            self.inventory.set_ports_given(id).await?;
        }
        self.place(&server, &decision).await?;
        self.settle(id).await
    }

    async fn expire_intent(&self, server: &mut Server) -> Result<(), VisitError> {
        let now_us = self.inventory.clock().now_us();
        let old = server.intent.as_ref().is_some_and(|i| now_us.saturating_sub(i.since_us) > INTENT_MAX_US);
        if old && let Some(_lock) = self.locks.try_lock(server.id) {
            self.inventory.set_intent(server.id, None).await?;
            server.intent = None;
        }
        Ok(())
    }

    async fn decide(&self, server: &Server) -> Result<(Decision, Option<uuid::Uuid>), InventoryError> {
        let instance = server.node.as_ref().and_then(|node| node.instance_id);
        let tenant = self.inventory.tenant_port(server, instance).await?;
        let agent_is_here = self.presence.away(&server.rack).is_none();
        Ok((decide(&server.facts(tenant, agent_is_here)), tenant))
    }

    /// Puts the ports where they belong, when they are not seen there.
    async fn place(&self, server: &Server, decision: &Decision) -> Result<(), VisitError> {
        match decision.placement {
            Placement::LeaveAsFound => self.look(server).await,
            Placement::On(network) if self.mover.is_in_place(server, network).await? => {
                self.look(server).await
            }
            Placement::On(network) => {
                let _lock = self.locks.lock(server.id).await;
                let Some(mut server) = self.inventory.server(server.id).await? else { return Ok(()) };
                // Isolation never waits for Ironic. Every other move is made on its newest word, because a stale one could
                // take a booting server's network away.
                if decision.urgency == Urgency::Usual {
                    server.node = self.provisioner.get_node(server.id).await?;
                    self.inventory.set_node(server.id, server.node.as_ref()).await?;
                }
                let (decision, _) = self.decide(&server).await?;
                if decision.placement != Placement::On(network) {
                    self.wake.wake(server.id);
                    return Ok(());
                }
                let asked_by = match decision.urgency {
                    Urgency::Isolate => AskedBy::Isolate,
                    Urgency::Usual => AskedBy::Park,
                };
                Ok(self.mover.ensure(&server, network, asked_by).await?)
            }
        }
    }

    /// Reads ports back that were never seen, or not for long.
    async fn look(&self, server: &Server) -> Result<(), VisitError> {
        let now_us = self.inventory.clock().now_us();
        let stale = |seen: Option<u64>| seen.is_none_or(|at| now_us.saturating_sub(at) > OBSERVE_EVERY_US);
        let due = server.ports.iter().any(|port| port.observed.is_none() || stale(port.observed_us));
        if due && let Some(_lock) = self.locks.try_lock(server.id) {
            self.mover.observe(server).await?;
        }
        Ok(())
    }

    /// What follows once the ports are where they belong.
    async fn settle(&self, id: ServerId) -> Result<(), VisitError> {
        let Some(server) = self.inventory.server(id).await? else { return Ok(()) };
        let (decision, tenant) = self.decide(&server).await?;
        self.note_isolation(&server).await?;
        if tenant.is_none() {
            self.note_adoption(&server).await?;
        }
        let is_free =
            server.node.as_ref().is_some_and(|node| node.provision_state == ProvisionState::Available);
        if is_free && server.adopted_port.is_some() {
            // The next tenant has a port of its own.
            self.inventory.set_adopted_port(server.id, None).await?;
        }
        if decision.tell_ironic_off {
            self.tell_ironic_off(&server).await?;
        }
        if decision.end_boot && server.intent.is_none() && self.presence.away(&server.rack).is_none() {
            self.agents.run(&server.rack, id, Action::EndBoot).await?;
            self.inventory.set_boot_given(id, None).await?;
        }
        if server.node.is_none()
            && let Some(_lock) = self.locks.try_lock(id)
        {
            // What is stored may be older than the node.
            match self.provisioner.get_node(id).await? {
                Some(node) => self.inventory.set_node(id, Some(&node)).await?,
                None => self.enrol.ensure_node(&server).await?,
            }
        }
        self.learn_identity(&server).await?;
        crate::pools::settle(&self.inventory, &*self.provisioner, &self.locks, &server).await?;
        if server.waiting.is_some() && server.intent.is_none() {
            self.inventory.set_waiting(id, None).await?;
        }
        Ok(())
    }

    /// A BMC that did not answer when its server was enrolled is asked again once its first reading has come: that reading
    /// proves address, user and password, so nothing can be locked by asking.
    async fn learn_identity(&self, server: &Server) -> Result<(), VisitError> {
        let agent_is_here = self.presence.away(&server.rack).is_none();
        let is_asked_seldom = server.unwatched.is_some();
        if server.identity.is_some() || server.confirmed.is_none() || !agent_is_here || is_asked_seldom {
            return Ok(());
        }
        match self.enrol.check_bmc(server).await {
            None => Ok(self.inventory.set_reason(server.id, None).await?),
            Some(problem) => Err(VisitError::Enrol(problem)),
        }
    }

    /// Records the time from the off-report to the isolation, once.
    async fn note_isolation(&self, server: &Server) -> Result<(), VisitError> {
        let Some(off_since_us) = server.off_since_us.filter(|_| server.isolated_us.is_none()) else {
            return Ok(());
        };
        let deployed = server.node.as_ref().is_some_and(|node| {
            matches!(node.provision_state, ProvisionState::Active | ProvisionState::Rescue)
        });
        let parked = WantedNetwork::Boot(BootNetwork::Cleaning);
        if !deployed || !self.mover.is_in_place(server, parked).await? {
            return Ok(());
        }
        let now_us = self.inventory.clock().now_us();
        self.inventory.set_isolated(server.id, now_us).await?;
        let took_ms = now_us.saturating_sub(off_since_us) / 1000;
        crate::metrics::isolated(std::time::Duration::from_millis(took_ms));
        let text = format!("isolated on the cleaning network {took_ms} ms after it was reported off");
        self.inventory.record(server.id, EventKind::Isolated, text).await;
        Ok(())
    }

    /// A server that Ironic adopts keeps the tenant port on which it was found.
    async fn note_adoption(&self, server: &Server) -> Result<(), VisitError> {
        let state = server.node.as_ref().map(|node| &node.provision_state);
        if !matches!(state, Some(ProvisionState::Adopting | ProvisionState::Active)) {
            return Ok(());
        }
        let found = server.ports.iter().find_map(|port| match port.observed {
            Some(ObservedNetwork::Tenant(found)) => Some(found),
            Some(ObservedNetwork::Nothing | ObservedNetwork::Boot(_) | ObservedNetwork::Other { .. })
            | None => None,
        });
        if let Some(found) = found {
            self.inventory.set_adopted_port(server.id, Some(found)).await?;
        }
        Ok(())
    }

    /// Tells Ironic that a server is off, unless it is seen to know: its power sync would switch it on again otherwise.
    async fn tell_ironic_off(&self, server: &Server) -> Result<(), VisitError> {
        let Some(node) = self.provisioner.get_node(server.id).await? else { return Ok(()) };
        if node.power_state == Some(NodePower::Off) {
            self.inventory.set_node(server.id, Some(&node)).await?;
            self.inventory.clear_untold_off(server.id).await?;
            self.inventory.record(server.id, EventKind::Power, "Ironic knows that it is off").await;
            return Ok(());
        }
        if node.reservation.is_none() {
            self.provisioner.tell_power_off(server.id).await?;
        }
        let (wake, id) = (self.wake.clone(), server.id);
        tokio::spawn(async move {
            tokio::time::sleep(super::RETRY_FIRST).await;
            wake.wake(id);
        });
        Ok(())
    }
}
