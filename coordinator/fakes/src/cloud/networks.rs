//! Edges: Contrail in memory, as much of it as holds tenants' networks and ports.

use async_trait::async_trait;
use domain::rim::Interfaces;
use domain::{
    adoption::FoundInterface,
    rim::{
        FabricError, NetworkAddresses, NewTenantPort, SecurityGroup, SiteObject, TenantNetwork,
        TenantNetworks, TenantPort,
    },
};
use uuid::Uuid;

use super::{Cloud, Held};

/// A network of a project.
pub fn network(id: Uuid, project: &str) -> TenantNetwork {
    TenantNetwork {
        id,
        name: format!("net-{project}"),
        project_id: project.to_owned(),
        subnet: "192.0.2.0/24".to_owned(),
        gateway: "192.0.2.1".to_owned(),
        name_servers: Vec::new(),
    }
}

#[async_trait]
impl TenantNetworks for Cloud {
    async fn list_networks(&self, project: Option<&str>) -> Result<Vec<TenantNetwork>, FabricError> {
        let is_ones = |network: &&TenantNetwork| project.is_none_or(|project| network.project_id == project);
        let act = |held: &mut Held| Ok(held.networks.iter().filter(is_ones).cloned().collect());
        self.ask_contrail("list the networks", act).await
    }

    async fn ensure_network(
        &self,
        project_id: &str,
        _: &str,
        name: &str,
        subnet: &str,
    ) -> Result<TenantNetwork, FabricError> {
        let act = |held: &mut Held| {
            let is_it =
                |network: &&TenantNetwork| (network.project_id == project_id) && (network.name == name);
            if let Some(found) = held.networks.iter().find(is_it) {
                return Ok(found.clone());
            }
            let id = held.new_id();
            let (name, subnet) = (name.to_owned(), subnet.to_owned());
            let made = TenantNetwork { name, subnet, ..network(id, project_id) };
            held.networks.push(made.clone());
            Ok(made)
        };
        self.ask_contrail("ensure a network", act).await
    }

    async fn delete_network(&self, id: Uuid) -> Result<(), FabricError> {
        let act = |held: &mut Held| {
            held.networks.retain(|network| network.id != id);
            Ok(())
        };
        self.ask_contrail("delete a network", act).await
    }

    async fn network_addresses(&self, _: Uuid) -> Result<NetworkAddresses, FabricError> {
        self.ask_contrail("read addresses", |_| Ok(NetworkAddresses { used: Vec::new(), free: 200 })).await
    }

    async fn security_groups(&self, of: Option<&str>) -> Result<Vec<SecurityGroup>, FabricError> {
        let act = |held: &mut Held| {
            let seen = held.groups.iter().filter(|(project, _)| of.is_none_or(|of| of == project));
            Ok(seen.map(|(_, group)| group.clone()).collect())
        };
        self.ask_contrail("list security groups", act).await
    }

    async fn set_site_up(&self) -> Result<Vec<SiteObject>, FabricError> {
        self.ask_contrail("set the site up", |_| Ok(Vec::new())).await
    }

    async fn ensure_tenant_port(&self, wanted: &NewTenantPort) -> Result<TenantPort, FabricError> {
        let act = |held: &mut Held| {
            let used = u8::try_from(held.ports.len()).unwrap_or(u8::MAX);
            let address = wanted.address.unwrap_or_else(|| [192, 0, 2, 10 + used].into());
            let made = TenantPort { id: wanted.id, network: wanted.network, address };
            Ok(held.ports.entry(wanted.id).or_insert(made).clone())
        };
        self.ask_contrail("ensure a port", act).await
    }

    async fn delete_tenant_port(&self, id: Uuid) -> Result<(), FabricError> {
        let act = |held: &mut Held| {
            held.ports.remove(&id);
            held.unmade.push(id);
            Ok(())
        };
        self.ask_contrail("delete a port", act).await
    }
}

#[async_trait]
impl Interfaces for Cloud {
    async fn all_interfaces(&self) -> Result<Vec<FoundInterface>, FabricError> {
        self.ask_contrail("list all interfaces", |_| Ok(Vec::new())).await
    }
}
