//! Edges: Ironic in memory, as a person's wishes meet it.

use async_trait::async_trait;
use domain::{
    lifecycle::{Node, ProvisionState, release::may_be_ended},
    rim::{ListedNode, NodeService, PowerTarget, ProvisionTarget, Service, ServiceError},
};
use protocol::id::ServerId;
use uuid::Uuid;

use super::{Cloud, Fails, Held, not_found};

impl Cloud {
    /// Ironic goes on with what it has begun, by one step of each node.
    pub fn ironic_works(&self) {
        for node in self.held().nodes.values_mut() {
            node.provision_state = match &node.provision_state {
                ProvisionState::Deleting => {
                    node.instance_id = None;
                    ProvisionState::Cleaning
                }
                ProvisionState::Cleaning => ProvisionState::Available,
                ProvisionState::Rescuing => ProvisionState::Rescue,
                ProvisionState::Unrescuing => ProvisionState::Active,
                other => other.clone(),
            };
        }
    }
}

fn of(held: &mut Held, id: ServerId) -> Result<&mut Node, ServiceError> {
    held.nodes.get_mut(&id).ok_or_else(|| not_found(Service::Ironic, "find the node"))
}

/// A change; refused when Ironic refuses everything.
fn change(held: &mut Held, what: String) -> Result<(), ServiceError> {
    let fails = held.ironic_fails;
    let refused = fails.map(|fails| fails.error(Service::Ironic, &what));
    held.asked.push(what);
    refused.map_or(Ok(()), Err)
}

fn provision(held: &mut Held, id: ServerId, target: &ProvisionTarget) -> Result<(), ServiceError> {
    let what = format!("ironic {}", target.verb());
    change(held, what.clone())?;
    let node = of(held, id)?;
    node.provision_state = match target {
        ProvisionTarget::Deleted if may_be_ended(&node.provision_state) => ProvisionState::Deleting,
        ProvisionTarget::Deleted => {
            let sentence =
                "The requested action \"deleted\" can not be performed while it is in another state";
            return Err(Fails::Refuses(400, sentence).error(Service::Ironic, &what));
        }
        ProvisionTarget::Manage => ProvisionState::Manageable,
        ProvisionTarget::Inspect => ProvisionState::Inspecting,
        ProvisionTarget::Provide | ProvisionTarget::Clean { .. } => ProvisionState::Cleaning,
        ProvisionTarget::Rescue { .. } => ProvisionState::Rescuing,
        ProvisionTarget::Unrescue => ProvisionState::Unrescuing,
        ProvisionTarget::Active { .. }
        | ProvisionTarget::Rebuild
        | ProvisionTarget::Abort
        | ProvisionTarget::Adopt => node.provision_state.clone(),
    };
    Ok(())
}

#[async_trait]
impl NodeService for Cloud {
    async fn get_node(&self, id: ServerId) -> Result<Node, ServiceError> {
        self.ask(Service::Ironic, "read node", |held| of(held, id).cloned()).await
    }

    async fn list_nodes(&self) -> Result<Vec<ListedNode>, ServiceError> {
        let listed = |node: &Node| ListedNode { node: node.clone(), name: None, power: None };
        self.ask(Service::Ironic, "list the nodes", |held| Ok(held.nodes.values().map(listed).collect()))
            .await
    }

    async fn node_of_instance(&self, instance: Uuid) -> Result<Option<Node>, ServiceError> {
        let act = |held: &mut Held| {
            Ok(held.nodes.values().find(|node| node.instance_id == Some(instance)).cloned())
        };
        self.ask(Service::Ironic, "find the node of an instance", act).await
    }

    async fn set_provision_state(&self, id: ServerId, target: &ProvisionTarget) -> Result<(), ServiceError> {
        self.ask(Service::Ironic, target.verb(), |held| provision(held, id, target)).await
    }

    async fn try_provision_state(&self, id: ServerId, target: &ProvisionTarget) -> Result<(), ServiceError> {
        self.set_provision_state(id, target).await
    }

    async fn set_power_state(&self, id: ServerId, target: PowerTarget) -> Result<(), ServiceError> {
        let act = |held: &mut Held| {
            of(held, id)?;
            change(held, format!("ironic {}", target.as_str()))
        };
        self.ask(Service::Ironic, target.as_str(), act).await
    }

    async fn set_maintenance(&self, id: ServerId, reason: Option<&str>) -> Result<(), ServiceError> {
        let act = |held: &mut Held| {
            let node = of(held, id)?;
            (node.maintenance, node.maintenance_reason) = (reason.is_some(), reason.map(str::to_owned));
            Ok(())
        };
        self.ask(Service::Ironic, "change maintenance", act).await
    }
}
