//! Edges: what is looked at right before an update is given: whose the server is now, where its ports are, and what else is under way.

use std::time::Duration;

use domain::{
    firmware::{
        rules::{self, Beside},
        update::Update,
        versions::Versions,
    },
    records::Server,
    rim::{AgentConnection, WantedNetwork},
};
use protocol::network::BootNetwork;
use store::InventoryError;

use super::Updates;

/// Longest look at Ironic's node and at the switch ports.
const LOOK_MAX: Duration = Duration::from_secs(20);

impl Updates {
    /// Looks whether an update may be given now, and stores that it is being given. None: it was called off meanwhile.
    pub(super) async fn prepare(&self, update: Update) -> Result<Option<Update>, InventoryError> {
        let _alone = self.beginning.lock().await;
        // It may have been called off while another one was begun.
        let Some(update) = self.parts.inventory.update(update.id).await? else { return Ok(None) };
        if update.is_over() || update.is_under_way() {
            return Ok(None);
        }
        let Some(server) = self.parts.inventory.server(update.server).await? else {
            let now_us = self.now_us();
            return Ok(Some(update.failed("its server was deleted".to_owned(), now_us)));
        };
        let Some(_hand) = self.parts.locks.try_lock(server.id) else {
            let now_us = self.now_us();
            return Ok(Some(
                update.waiting_for("waits for another change of the server to end".to_owned(), now_us),
            ));
        };
        let looked = tokio::time::timeout(LOOK_MAX, self.read_node(&server)).await;
        if let Err(why) = looked.unwrap_or_else(|_| Err("waits for Ironic, which did not answer".to_owned()))
        {
            let now_us = self.now_us();
            return Ok(Some(update.waiting_for(why, now_us)));
        }
        // Read again, with the node as it is now; under the lock no power-on begins.
        let Some(server) = self.parts.inventory.server(server.id).await? else { return Ok(None) };
        if let Err(why) = rules::admit(&server, &update.order.by) {
            let now_us = self.now_us();
            return Ok(Some(update.failed(format!("nothing was changed: {why}"), now_us)));
        }
        let waits = match self.waits_for(&server, &update).await? {
            Some(why) => Some(why),
            None => self.is_isolated(&server).await.err(),
        };
        let now_us = self.now_us();
        if let Some(why) = waits {
            return Ok(Some(update.waiting_for(why, now_us)));
        }
        let facts = self.parts.inventory.facts(server.id).await?.facts;
        let system = &facts.system;
        let before = Versions::with(facts.firmware, &system.manager_version, &system.bios_version).items();
        let (waiting, giving) = (update.stage.clone(), update.giving(before, now_us));
        // Before the lock is given back: from here on the gate holds the power.
        self.store(&giving, &waiting).await?;
        Ok(None)
    }

    async fn read_node(&self, server: &Server) -> Result<(), String> {
        let node = self.parts.provisioner.get_node(server.id).await;
        let node = node.map_err(|error| format!("waits for Ironic: {error}"))?;
        self.parts.inventory.set_node(server.id, node.as_ref()).await.map_err(|error| error.to_string())
    }

    async fn waits_for(&self, server: &Server, update: &Update) -> Result<Option<String>, InventoryError> {
        let away = match self.parts.presence.connection(&server.rack) {
            AgentConnection::Connected => None,
            AgentConnection::Disconnected(away) => Some(away),
        };
        let mut other = None;
        for open in self.parts.inventory.open_updates().await? {
            if open.id == update.id || !open.is_under_way() {
                continue;
            }
            let of = self.parts.inventory.server(open.server).await?;
            other = other.or(of.filter(|of| of.rack == server.rack).map(|of| of.name));
        }
        let beside = Beside { away: away.as_deref(), other: other.as_deref() };
        Ok(rules::waits_for(server, update, beside))
    }

    /// The gate's proof: every port is seen on the cleaning network now.
    async fn is_isolated(&self, server: &Server) -> Result<(), String> {
        let proved = self.parts.mover.prove(server, WantedNetwork::Boot(BootNetwork::Cleaning));
        match tokio::time::timeout(LOOK_MAX, proved).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(format!("waits until the server is isolated: {error}")),
            Err(_) => {
                Err("waits until the server is proved to be isolated: Contrail did not answer".to_owned())
            }
        }
    }
}
