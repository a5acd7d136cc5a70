//! Edges: what Ironic says of its nodes, brought into the inventory.

use std::{collections::HashMap, time::Duration};

use domain::{lifecycle::Node, records::Server};
use protocol::id::ServerId;
use store::InventoryError;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::Reconcile;

/// Two polls are at least this far apart, however many signals ask for one.
const POLL_GAP: Duration = Duration::from_millis(500);
/// Nodes missing from a list that are asked for one by one before it is believed; the rest waits for the next poll.
const MISSING_ASKED_MAX: usize = 32;

impl Reconcile {
    pub(super) async fn poll_until(&self, stop: CancellationToken) {
        let mut failing = false;
        loop {
            match self.parts.provisioner.list_nodes().await {
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
                () = self.parts.wake.poll_wanted() => {}
                () = tokio::time::sleep(self.poll_ironic_every) => {}
            }
        }
    }

    /// Stores the nodes that differ and wakes their servers.
    pub async fn take_in(&self, nodes: Vec<Node>) -> Result<(), InventoryError> {
        let mut nodes: HashMap<ServerId, Node> = nodes.into_iter().map(|node| (node.id, node)).collect();
        let mut asked = 0;
        for server in self.parts.inventory.servers(None).await? {
            let mut node = nodes.remove(&server.id);
            if node.is_none() && server.node.is_some() {
                // A list that lacks a node is no proof that Ironic has lost it.
                asked += 1;
                if asked > MISSING_ASKED_MAX {
                    continue;
                }
                match self.parts.provisioner.get_node(server.id).await {
                    Ok(found) => node = found,
                    Err(error) => {
                        warn!(server = %server.id, %error, "a node that is missing from the list is not read");
                        continue;
                    }
                }
            }
            if node != server.node {
                // Whoever holds the server's lock has read a fresher node than this list may hold.
                let Some(_lock) = self.parts.locks.try_lock(server.id) else { continue };
                self.take_in_node(&server, node).await?;
            }
        }
        Ok(())
    }

    async fn take_in_node(&self, server: &Server, node: Option<Node>) -> Result<(), InventoryError> {
        self.parts.inventory.set_node(server.id, node.as_ref()).await?;
        self.notice(&Server { node, ..server.clone() });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::bench::Bench;
    use domain::{events::EventKind, lifecycle::ProvisionState};

    /// Texts of the events of this kind, oldest first.
    async fn told(bench: &Bench, kind: EventKind) -> Vec<String> {
        let events = bench.inventory.events(&Default::default()).await.unwrap();
        events.into_iter().filter(|event| event.kind == kind).map(|event| event.text).collect()
    }

    async fn poll(bench: &Bench) {
        let nodes = bench.world.nodes.lock().unwrap().values().cloned().collect();
        bench.reconcile.take_in(nodes).await.unwrap();
    }

    #[tokio::test]
    async fn maintenance_is_told_once_whoever_sets_it_and_whoever_sees_it_first() {
        let bench = Bench::new("available", None).await;
        let set = |why: Option<&str>| {
            let mut nodes = bench.world.nodes.lock().unwrap();
            let node = nodes.get_mut(&bench.id).unwrap();
            (node.maintenance, node.maintenance_reason) = (why.is_some(), why.map(str::to_owned));
        };
        set(Some("replacing PSU"));
        for _ in 0..2 {
            poll(&bench).await;
        }
        set(None);
        // The gate reads the node before the next poll does.
        let refused = bench.gate.power(bench.id, domain::rim::PowerRequest::On).await;
        assert!(refused.is_err(), "it is parked");
        poll(&bench).await;
        let maintenance = told(&bench, EventKind::Maintenance).await;
        assert_eq!(maintenance, ["in maintenance: replacing PSU", "maintenance ended"]);
    }

    #[tokio::test]
    async fn a_node_that_ironic_has_lost_is_an_alarm_once_and_a_list_is_no_proof() {
        let bench = Bench::new("available", None).await;
        bench.set_node(|node| node.instance_id = None).await;
        bench.reconcile.take_in(Vec::new()).await.unwrap();
        assert_eq!(told(&bench, EventKind::Alarm).await, Vec::<String>::new(), "Ironic still shows it");
        assert!(bench.server().await.node.is_some());
        bench.world.nodes.lock().unwrap().clear();
        poll(&bench).await;
        poll(&bench).await;
        // It is made anew, as reconciliation does.
        let anew = domain::lifecycle::Node::in_state(bench.id, ProvisionState::Enroll);
        bench.world.nodes.lock().unwrap().insert(bench.id, anew);
        poll(&bench).await;
        let alarms = told(&bench, EventKind::Alarm).await;
        assert_eq!(alarms.len(), 1, "{alarms:?}");
        assert!(alarms[0].contains("out of the pool") && alarms[0].contains("node provide n1"), "{alarms:?}");
        // Lost and made anew between two polls.
        let bench = Bench::new("available", None).await;
        let anew = domain::lifecycle::Node::in_state(bench.id, ProvisionState::Enroll);
        bench.world.nodes.lock().unwrap().insert(bench.id, anew);
        poll(&bench).await;
        assert_eq!(told(&bench, EventKind::Alarm).await.len(), 1);
        // An administrator deletes the server: nobody is surprised.
        let bench = Bench::new("available", None).await;
        bench.inventory.set_forgetting(bench.id).await.unwrap();
        bench.world.nodes.lock().unwrap().clear();
        poll(&bench).await;
        assert_eq!(told(&bench, EventKind::Alarm).await, Vec::<String>::new());
    }
}
