//! Edges: what a server's BMC is ordered beside power and boot: permitted by the server's state as Ironic shows it now, given to the
//! agent, and written down.
//!
//! No order holds the server's lock: it moves no port, and an isolation must not wait for a slow BMC. What is permitted in a state stays
//! harmless for longer than an order is wanted ([`power_budget::ORDER_WANTED_MAX`]), and Ironic keeps the node's state while it waits
//! for the answer.

use std::{sync::Arc, time::Duration};

use domain::{
    events::EventKind,
    firmware::rules::holds_orders,
    lifecycle::{
        Node, ProvisionState,
        orders::{Ordered, Reach, permitted_order, reach},
    },
    media_sources::MediaSources,
    records::Server,
    rim::{AgentError, Agents, Presence, Provisioner, Refusal, RefusalKind},
};
use protocol::{bmc_facts::MediaSlot, bmc_order::BmcOrder, command::Action, id::ServerId, power_budget};
use store::{Inventory, InventoryError};
use tokio::time::timeout;
use tracing::warn;

use crate::agents::time_text;

/// Longest time that a deployment's power-on waits for an image to be taken out.
const EJECT_MAX: Duration = Duration::from_secs(10);

/// Gives orders.
pub struct Orders {
    pub(crate) inventory: Inventory,
    pub(crate) provisioner: Arc<dyn Provisioner>,
    pub(crate) agents: Arc<dyn Agents>,
    pub(crate) presence: Arc<dyn Presence>,
    pub(crate) sources: MediaSources,
}

impl Orders {
    /// Has the server's BMC do this, or says why not. What it may have changed has been read anew when this returns.
    ///
    /// # Errors
    /// There is no such server, its state does not allow it, its agent is away, or the BMC cannot or will not.
    pub async fn order(&self, id: ServerId, order: &BmcOrder) -> Result<(), Refusal> {
        let server = self.server(id).await?;
        self.presence.await_back(&server.rack).await;
        if reach(order) == Reach::Nothing {
            return self.give(&server, order).await;
        }
        let given = match self.permit(&server, order).await {
            Ok(()) => self.give(&server, order).await,
            Err(refusal) => Err(refusal),
        };
        match &given {
            Ok(()) => self.inventory.record(id, EventKind::Asked, format!("{order}: done")).await,
            Err(refusal) => self.inventory.record(id, EventKind::Refused, refusal.message.clone()).await,
        }
        given
    }

    /// Takes our images out of a server's drives when a deployment starts it: its tenant is to find none. What somebody has put in by
    /// another way is left.
    ///
    /// # Errors
    /// An image stays in its drive, so that the server must not be started for a tenant.
    pub async fn empty_drives(&self, id: ServerId) -> Result<(), Refusal> {
        let server = self.server(id).await?;
        let is_deploying =
            server.node.as_ref().is_some_and(|node| node.provision_state == ProvisionState::Deploying);
        if !is_deploying {
            return Ok(());
        }
        let known = self.inventory.facts(id).await.map_err(|error| not_stored(&error))?;
        let is_ours = |slot: &&MediaSlot| slot.is_inserted && self.sources.admit(&slot.image).is_ok();
        for slot in known.facts.media.iter().filter(is_ours) {
            let eject = BmcOrder::EjectMedia { drive: slot.id.clone() };
            let given = timeout(EJECT_MAX, self.give(&server, &eject)).await.unwrap_or_else(|_| {
                let why = format!("{eject} took longer than {} s; try again", EJECT_MAX.as_secs());
                Err(refuse(RefusalKind::Hardware, why))
            });
            given.map_err(|refusal| Refusal {
                message: format!("{} was not powered on: {}", server.name, refusal.message),
                ..refusal
            })?;
        }
        Ok(())
    }

    async fn server(&self, id: ServerId) -> Result<Server, Refusal> {
        let server = self.inventory.server(id).await.map_err(|error| not_stored(&error))?;
        let server =
            server.ok_or_else(|| refuse(RefusalKind::UnknownServer, format!("there is no server {id}")))?;
        match &server.bmc_doubt {
            None => Ok(server),
            Some(doubt) => Err(refuse(RefusalKind::State, server.words_of(doubt))),
        }
    }

    async fn permit(&self, server: &Server, order: &BmcOrder) -> Result<(), Refusal> {
        // A BMC that writes firmware is left alone.
        let open = self.inventory.open_update(server.id).await.map_err(|error| not_stored(&error))?;
        if let Some(why) = open.and_then(|update| holds_orders(server, &update, &time_text(update.since_us)))
        {
            return Err(refuse(RefusalKind::State, format!("{order} is refused: {why}")));
        }
        let node = self.node(server, order).await?;
        let of = Ordered {
            name: &server.name,
            node: &node,
            power: server.power.as_ref().map(|seen| &seen.reading),
            ports_given: server.ports_given,
        };
        permitted_order(order, of, &self.sources)
    }

    /// The node as Ironic shows it now.
    async fn node(&self, server: &Server, order: &BmcOrder) -> Result<Node, Refusal> {
        let why = match timeout(power_budget::LOOK_MAX, self.provisioner.get_node(server.id)).await {
            Ok(Ok(Some(node))) => return Ok(node),
            Ok(Ok(None)) => "Ironic has no node for it".to_owned(),
            Ok(Err(error)) => format!("its state could not be read from Ironic: {error}"),
            Err(_) => format!(
                "Ironic did not show its state within {} s; try again",
                power_budget::LOOK_MAX.as_secs()
            ),
        };
        let message =
            format!("{order} is refused, because it depends on the state of {}: {why}", server.name);
        Err(refuse(RefusalKind::State, message))
    }

    async fn give(&self, server: &Server, order: &BmcOrder) -> Result<(), Refusal> {
        let given = self.agents.run(&server.rack, server.id, Action::Order(order.clone())).await;
        given.map_err(|error| refusal_of(server, order, &error))?;
        self.note(server, order).await;
        Ok(())
    }

    /// What we have changed ourselves is nothing that a tenancy has left behind.
    async fn note(&self, server: &Server, order: &BmcOrder) {
        let BmcOrder::SecureBoot { is_enabled } = order else { return };
        let Some(mut traces) = server.upkeep.traces.clone() else { return };
        traces.before.secure_boot = Some(*is_enabled);
        if let Err(error) = self.inventory.set_traces(server.id, &traces).await {
            warn!(server = %server.id, %error, "secure boot as ordered is not noted, and will be told as a tenancy's trace");
        }
    }
}

fn refuse(kind: RefusalKind, message: String) -> Refusal {
    Refusal { kind, message }
}

fn not_stored(error: &InventoryError) -> Refusal {
    refuse(RefusalKind::State, error.to_string())
}

fn refusal_of(server: &Server, order: &BmcOrder, error: &AgentError) -> Refusal {
    let kind = match error {
        AgentError::Away { .. } | AgentError::NotTaken { .. } => RefusalKind::AgentAway,
        AgentError::Failed(_) => RefusalKind::Hardware,
    };
    refuse(kind, format!("{}: {order} was not done: {error}", server.name))
}

#[cfg(test)]
mod tests;
