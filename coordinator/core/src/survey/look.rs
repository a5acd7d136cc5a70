//! Edges: the picture for a survey, by reading alone.

use std::sync::Arc;

use domain::{
    lifecycle::{Placement, decide, placement::networks_of_ports},
    records::Server,
    rim::{ComputeServer, Interfaces, ListedNode, NodeService, Presence, ServerService, WantedNetwork},
    survey::{
        finding::NotSeen,
        picture::{IronicNode, Known, NovaServer, Picture, Tenant},
    },
};

use store::{Inventory, InventoryError};

/// Looks at everything.
pub struct Survey {
    /// The inventory.
    pub inventory: Inventory,
    /// Ironic.
    pub ironic: Arc<dyn NodeService>,
    /// Nova.
    pub nova: Arc<dyn ServerService>,
    /// Contrail.
    pub interfaces: Arc<dyn Interfaces>,
    /// Which agents are here.
    pub presence: Arc<dyn Presence>,
}

impl Survey {
    /// What everybody says now, and who said nothing.
    pub async fn look(&self) -> Result<(Picture, Vec<NotSeen>), InventoryError> {
        let (nodes, servers, interfaces) = tokio::join!(
            self.ironic.list_nodes(),
            self.nova.list_servers(),
            self.interfaces.all_interfaces(),
        );
        let mut not_seen = Vec::new();
        let mut missed = |service: &str, error: &dyn std::error::Error| {
            not_seen.push(NotSeen { service: service.to_owned(), reason: error.to_string() });
        };
        let nodes = nodes.inspect_err(|error| missed("ironic", error)).ok();
        let servers = servers.inspect_err(|error| missed("nova", error)).ok();
        let interfaces = interfaces.inspect_err(|error| missed("contrail", error)).ok();
        let mut known = Vec::new();
        for mut server in self.inventory.servers(None).await? {
            // Ironic's newest word, as far as there is one.
            if let Some(listed) = nodes.iter().flatten().find(|listed| listed.node.id == server.id) {
                server.node = Some(listed.node.clone());
            }
            known.push(self.known(server).await?);
        }
        let mut tenants = Vec::new();
        for server in self.inventory.tenant_servers(None).await? {
            let ports = self.inventory.tenant_ports(server.id).await?;
            tenants.push(Tenant { server, ports });
        }
        let nova = servers.map(|servers| {
            let one = |server: ComputeServer| NovaServer {
                id: server.id,
                name: server.name,
                status: server.status,
                node: server.node.map(protocol::id::ServerId),
            };
            servers.into_iter().map(one).collect()
        });
        let ironic = nodes.map(|nodes| nodes.into_iter().map(said_of).collect());
        Ok((Picture { known, tenants, ironic, nova, interfaces }, not_seen))
    }

    /// The server with where its ports belong: nothing of it is stored.
    async fn known(&self, server: Server) -> Result<Known, InventoryError> {
        let instance = server.node.as_ref().and_then(|node| node.instance_id);
        let tenant = self.inventory.tenant_port(&server, instance).await?;
        let agent_is_here = self.presence.connection(&server.rack).is_connected();
        let places = match decide(&server.facts(tenant, agent_is_here)).placement {
            Placement::LeaveAsFound => None,
            Placement::On(network) => {
                let ports = match network {
                    WantedNetwork::Tenant(port) => self.inventory.tenant_ports_with(port).await?,
                    WantedNetwork::Boot(_) | WantedNetwork::Nothing => Vec::new(),
                };
                networks_of_ports(network, &server.port_uses(), &ports)
            }
        };
        Ok(Known { server, places, agent_is_here })
    }
}

fn said_of(ListedNode { node, name, power }: ListedNode) -> IronicNode {
    IronicNode {
        id: node.id,
        name: name.unwrap_or_else(|| node.id.to_string()),
        state: node.provision_state.to_string(),
        power,
        instance: node.instance_id,
    }
}
