//! Edges: what Ironic says of its nodes, brought into the inventory.

use std::{collections::HashMap, time::Duration};

use protocol::id::ServerId;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::Reconcile;
use crate::{
    events::EventKind,
    inventory::{InventoryError, Server},
    lifecycle::Node,
};

/// Two polls are at least this far apart, however many signals ask for one.
const POLL_GAP: Duration = Duration::from_millis(500);

impl Reconcile {
    pub(super) async fn poll_until(&self, stop: CancellationToken) {
        let mut failing = false;
        loop {
            match self.provisioner.list_nodes().await {
                Ok(nodes) => {
                    if failing {
                        info!("ironic answers again");
                    }
                    failing = false;
                    if let Err(error) = self.take_in(nodes).await {
                        warn!(error = %error, "nodes not stored");
                    }
                }
                Err(error) => {
                    if !failing {
                        warn!(error = %error, "nodes not read from ironic");
                    }
                    failing = true;
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(POLL_GAP) => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.wake.poll_wanted() => {}
                () = tokio::time::sleep(self.poll_ironic_every) => {}
            }
        }
    }

    /// Stores the nodes that differ and wakes their servers.
    pub async fn take_in(&self, nodes: Vec<Node>) -> Result<(), InventoryError> {
        let mut nodes: HashMap<ServerId, Node> = nodes.into_iter().map(|node| (node.id, node)).collect();
        for server in self.inventory.servers(None).await? {
            let node = nodes.remove(&server.id);
            if node != server.node {
                // Whoever holds the server's lock has read a fresher node than this list may hold.
                let Some(_lock) = self.locks.try_lock(server.id) else { continue };
                self.take_in_node(&server, node).await?;
            }
        }
        Ok(())
    }

    async fn take_in_node(&self, server: &Server, node: Option<Node>) -> Result<(), InventoryError> {
        self.inventory.set_node(server.id, node.as_ref()).await?;
        let before = server.node.as_ref().map(|node| node.provision_state.clone());
        let after = node.as_ref().map(|node| node.provision_state.clone());
        if before != after {
            let text = match &after {
                Some(state) => state.as_str().to_owned(),
                None => "Ironic has no node of it".to_owned(),
            };
            self.inventory.record(server.id, EventKind::State, text).await;
        }
        self.notice(&Server { node, ..server.clone() });
        Ok(())
    }
}
