//! Values: the part of Contrail that holds tenants' networks, ports and addresses, as a trait.

use std::net::IpAddr;

use async_trait::async_trait;
use uuid::Uuid;

use super::fabric::FabricError;

/// A tenant's network (virtual-network).
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct TenantNetwork {
    /// uuid of the virtual-network.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Keystone project it belongs to, without dashes.
    pub project_id: String,
    /// Its subnet, such as `192.0.2.0/24`; empty when it has none.
    pub subnet: String,
    /// Address of the gateway; empty when there is none.
    pub gateway: String,
    /// Addresses of its name servers; none: servers on it are told of none.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub name_servers: Vec<IpAddr>,
}

/// A tenant's port: its virtual-machine-interface with its address.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TenantPort {
    /// uuid of the virtual-machine-interface.
    pub id: Uuid,
    /// uuid of the virtual-network.
    pub network: Uuid,
    /// Address that Contrail's IPAM gave.
    pub address: IpAddr,
}

/// A port to be made for a tenant's server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTenantPort {
    /// uuid of the virtual-machine-interface.
    pub id: Uuid,
    /// uuid of the virtual-network.
    pub network: Uuid,
    /// The server's name.
    pub name: String,
    /// The address that it must have; none: Contrail chooses one.
    pub address: Option<IpAddr>,
    /// Security groups, by uuid.
    pub security_groups: Vec<Uuid>,
    /// VLAN tag of its frames; none: untagged.
    pub vlan: Option<u16>,
}

impl NewTenantPort {
    /// An untagged port with an address that Contrail chooses.
    pub fn plain(id: Uuid, network: Uuid, name: &str) -> Self {
        let name = name.to_owned();
        Self { id, network, name, address: None, security_groups: Vec::new(), vlan: None }
    }
}

/// The addresses of a network.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct NetworkAddresses {
    /// Those in use, by address.
    pub used: Vec<UsedAddress>,
    /// How many are left.
    pub free: u64,
}

/// An address that is in use.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct UsedAddress {
    /// The address.
    #[schema(value_type = String)]
    pub address: IpAddr,
    /// MAC address to which it is bound, once there is one.
    pub mac: Option<String>,
    /// uuid of the port (virtual-machine-interface) that has it.
    pub port: Option<Uuid>,
    /// Name of that port: the server's or the virtual machine's.
    pub name: String,
}

/// A tenant's security group.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct SecurityGroup {
    /// Its uuid.
    pub id: Uuid,
    /// Its name.
    pub name: String,
}

/// An object in Contrail that a site needs of us.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct SiteObject {
    /// Its kind, such as `virtual-network`.
    pub kind: String,
    /// Its name, parts joined by `:`.
    pub name: String,
    /// Its uuid.
    pub id: Uuid,
    /// What was done.
    pub state: SiteObjectState,
}

/// What was done about an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SiteObjectState {
    /// It was made.
    Made,
    /// It was there.
    Found,
    /// It was there with other content, and was brought to ours.
    Corrected,
}

/// The part of Contrail that holds tenants' networks and addresses.
#[async_trait]
pub trait TenantNetworks: Send + Sync {
    /// Networks of a project; of all projects with none.
    async fn list_networks(&self, project_id: Option<&str>) -> Result<Vec<TenantNetwork>, FabricError>;
    /// Makes a network with one subnet, or returns the one of that name when its subnet is the same.
    async fn ensure_network(
        &self,
        project_id: &str,
        project_name: &str,
        name: &str,
        subnet: &str,
    ) -> Result<TenantNetwork, FabricError>;
    /// Deletes a network that has no ports; refused with who is on it.
    async fn delete_network(&self, id: Uuid) -> Result<(), FabricError>;
    /// A network's addresses: who has which, and how many are left.
    async fn network_addresses(&self, id: Uuid) -> Result<NetworkAddresses, FabricError>;
    /// Security groups of a project; of all projects with none.
    async fn security_groups(&self, project_id: Option<&str>) -> Result<Vec<SecurityGroup>, FabricError>;
    /// Makes what a site needs before its first server: our project, the isolated networks, the security group of their
    /// ports; says what was made and what was there.
    async fn set_site_up(&self) -> Result<Vec<SiteObject>, FabricError>;
    /// Makes a port with an address under the given uuid; returns the existing one when repeated.
    async fn ensure_tenant_port(&self, wanted: &NewTenantPort) -> Result<TenantPort, FabricError>;
    /// Deletes a port and frees its address. Done already is done.
    async fn delete_tenant_port(&self, id: Uuid) -> Result<(), FabricError>;
}
