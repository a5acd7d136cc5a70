//! Edges: tenants' networks by the VNC API.

use std::net::Ipv4Addr;

use async_trait::async_trait;
use ipnet::Ipv4Net;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::{
    Contrail, addresses,
    object::Ref,
    site::{DEFAULT_DOMAIN, contrail_name},
    vnc::Created,
};
use domain::rim::{
    FabricError, NetworkAddresses, NewTenantPort, SecurityGroup, SiteObject, TenantNetwork, TenantNetworks,
    TenantPort,
};

const PROJECT: &str = "project";
pub(super) const NETWORK: &str = "virtual-network";
pub(super) const NETWORK_FIELDS: &str = "network_ipam_refs,display_name";
/// Users of a network that a refusal to delete it names.
const USERS_SHOWN_MAX: usize = 5;
const DEFAULT_PROJECT: &str = "default-project";
const DEFAULT_IPAM: &str = "default-network-ipam";

#[derive(Clone, Debug, Deserialize)]
struct Named {
    fq_name: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct VirtualNetwork {
    uuid: Uuid,
    pub(super) fq_name: Vec<String>,
    parent_uuid: Option<Uuid>,
    #[serde(default)]
    pub(super) network_ipam_refs: Vec<Ref>,
}

impl VirtualNetwork {
    fn name(&self) -> String {
        self.fq_name.last().cloned().unwrap_or_default()
    }
}

fn tenant_network(network: VirtualNetwork) -> TenantNetwork {
    let first = addresses::subnets(&network.network_ipam_refs).into_iter().next();
    let gateway = first.as_ref().and_then(|subnet| subnet.gateway);
    let name_servers = first.as_ref().map(addresses::Subnet::resolvers).unwrap_or_default();
    TenantNetwork {
        id: network.uuid,
        name: network.name(),
        project_id: network.parent_uuid.map(|id| id.simple().to_string()).unwrap_or_default(),
        subnet: first.map(|subnet| subnet.to_string()).unwrap_or_default(),
        gateway: gateway.map(|gateway| gateway.to_string()).unwrap_or_default(),
        name_servers,
    }
}

/// Checks a subnet as people write it: network address, prefix length and the gateway, its first address.
fn parse_subnet(text: &str) -> Result<(Ipv4Addr, u8, Ipv4Addr), FabricError> {
    let refuse = |reason: &str| FabricError::Refused {
        operation: format!("use the subnet {text:?}"),
        reason: format!("{reason}; write it like 192.0.2.0/24"),
    };
    let (address, length) = text.split_once('/').ok_or_else(|| refuse("it has no prefix length"))?;
    let address: Ipv4Addr = address.parse().map_err(|_| refuse("it does not begin with an IPv4 address"))?;
    let length: u8 = length.parse().map_err(|_| refuse("its prefix length is not a number"))?;
    let subnet = Ipv4Net::new(address, length).ok().filter(|_| (8..=29).contains(&length));
    let subnet = subnet.ok_or_else(|| refuse("its prefix length must be 8 to 29"))?;
    if subnet.network() != address {
        return Err(refuse("its address has bits beyond the prefix"));
    }
    Ok((address, length, Ipv4Addr::from(u32::from(address) + 1)))
}

/// Keystone writes project ids without dashes; Contrail's project uuid is the same with dashes.
fn project_uuid(project_id: &str) -> Result<Uuid, FabricError> {
    Uuid::parse_str(project_id).map_err(|_| FabricError::Refused {
        operation: format!("use the project {project_id:?}"),
        reason: "a Keystone project id is 32 hex digits".into(),
    })
}

pub(super) fn not_found(what: &'static str, id: Uuid) -> FabricError {
    FabricError::NotFound { what, name: id.to_string() }
}

fn texts(parts: &[&str]) -> Vec<String> {
    parts.iter().map(|part| (*part).to_owned()).collect()
}

impl Contrail {
    /// Makes the project of a Keystone project, or finds it made; returns its fully qualified name.
    async fn ensure_project(&self, project_id: &str, project_name: &str) -> Result<Vec<String>, FabricError> {
        let id = project_uuid(project_id)?;
        if let Some(found) = self.vnc.get::<Named>(PROJECT, id, "display_name").await? {
            return Ok(found.fq_name);
        }
        // One of that name may be there under another uuid: made by hand, or of a project that Keystone had before. Then
        // Contrail's own synchronisation makes the name unique, and so do we.
        let project_name = contrail_name(project_name);
        let mut refusal = String::new();
        for name in [project_name.clone(), format!("{project_name}-{id}")] {
            let full_name = texts(&[DEFAULT_DOMAIN, &name]);
            let body = json!({ "uuid": id, "fq_name": full_name, "display_name": project_name,
                "parent_type": "domain" });
            match self.vnc.create(PROJECT, body).await? {
                Created::New(_) => return Ok(full_name),
                Created::Conflict(reason) => refusal = reason,
            }
            // Somebody else may have been faster.
            if let Some(found) = self.vnc.get::<Named>(PROJECT, id, "display_name").await? {
                return Ok(found.fq_name);
            }
        }
        Err(FabricError::Refused {
            operation: format!("make project {project_name}"),
            reason: format!(
                "{refusal}; projects of that name exist there with other UUIDs: delete or rename them in Contrail, so that \
                 the project can have Keystone's id {id}"
            ),
        })
    }

    /// A network that serves a tenant: not one of ours, not one of Contrail's own.
    fn is_tenants(&self, network: &VirtualNetwork) -> bool {
        let parent = network.fq_name.split_last().map_or(&[][..], |(_, parent)| parent);
        self.config.role_of(&network.fq_name).is_none()
            && parent != self.config.project
            && parent != [DEFAULT_DOMAIN, DEFAULT_PROJECT]
    }
}

#[async_trait]
impl TenantNetworks for Contrail {
    async fn list_networks(&self, project_id: Option<&str>) -> Result<Vec<TenantNetwork>, FabricError> {
        let parent = project_id.map(project_uuid).transpose()?;
        let mut query = vec![("fields", NETWORK_FIELDS.to_owned())];
        query.extend(parent.map(|id| ("parent_id", id.to_string())));
        let found: Vec<VirtualNetwork> = self.vnc.list(NETWORK, &query).await?;
        let wanted = found.into_iter().filter(|network| self.is_tenants(network));
        Ok(wanted
            .filter(|network| parent.is_none() || network.parent_uuid == parent)
            .map(tenant_network)
            .collect())
    }

    async fn ensure_network(
        &self,
        project_id: &str,
        project_name: &str,
        name: &str,
        subnet: &str,
    ) -> Result<TenantNetwork, FabricError> {
        let (prefix, length, gateway) = parse_subnet(subnet)?;
        let mut full_name = self.ensure_project(project_id, project_name).await?;
        full_name.push(name.to_owned());
        let ipam = json!([{
            "to": [DEFAULT_DOMAIN, DEFAULT_PROJECT, DEFAULT_IPAM],
            "attr": { "ipam_subnets": [{
                "subnet": { "ip_prefix": prefix.to_string(), "ip_prefix_len": length },
                "default_gateway": gateway.to_string(),
                "enable_dhcp": true,
            }]},
        }]);
        let body = json!({ "fq_name": full_name, "parent_type": "project", "network_ipam_refs": ipam });
        let id = match self.vnc.create(NETWORK, body).await? {
            Created::New(id) => id,
            Created::Conflict(reason) => self.vnc.id_of(NETWORK, &full_name).await?.ok_or_else(|| {
                FabricError::Refused { operation: format!("make network {}", full_name.join(":")), reason }
            })?,
        };
        let found = self.vnc.get::<VirtualNetwork>(NETWORK, id, NETWORK_FIELDS).await?;
        let network = tenant_network(found.ok_or_else(|| not_found("network", id))?);
        if network.subnet == subnet {
            return Ok(network);
        }
        Err(FabricError::Refused {
            operation: format!("make network {name} with subnet {subnet}"),
            reason: format!("a network of that name has subnet {:?}; choose another name", network.subnet),
        })
    }

    async fn delete_network(&self, id: Uuid) -> Result<(), FabricError> {
        let Some(network) = self.vnc.get::<VirtualNetwork>(NETWORK, id, NETWORK_FIELDS).await? else {
            return Ok(());
        };
        let users = self.users_of(id).await?;
        if !users.is_empty() {
            let shown = users.iter().take(USERS_SHOWN_MAX).cloned().collect::<Vec<_>>().join(", ");
            let more = users.len().saturating_sub(USERS_SHOWN_MAX);
            let by = if more == 0 { shown } else { format!("{shown} and {more} more") };
            return Err(FabricError::InUse { what: format!("network {}", network.name()), by });
        }
        self.vnc.delete(NETWORK, id).await
    }

    async fn network_addresses(&self, id: Uuid) -> Result<NetworkAddresses, FabricError> {
        self.addresses_of(id).await
    }

    async fn security_groups(&self, project_id: Option<&str>) -> Result<Vec<SecurityGroup>, FabricError> {
        self.groups_of(project_id.map(project_uuid).transpose()?).await
    }

    async fn set_site_up(&self) -> Result<Vec<SiteObject>, FabricError> {
        self.ensure_site().await
    }

    async fn ensure_tenant_port(&self, wanted: &NewTenantPort) -> Result<TenantPort, FabricError> {
        self.make_tenant_port(wanted).await
    }

    async fn delete_tenant_port(&self, id: Uuid) -> Result<(), FabricError> {
        self.remove_tenant_port(id).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_subnets_as_people_write_them() {
        let check = |text: &str, expected: Option<(&str, u8, &str)>| {
            let parsed = parse_subnet(text).ok();
            let expected = expected.map(|(a, l, g)| (a.parse().unwrap(), l, g.parse().unwrap()));
            assert_eq!(parsed, expected, "{text}");
        };
        check("192.0.2.0/24", Some(("192.0.2.0", 24, "192.0.2.1")));
        check("10.0.0.0/8", Some(("10.0.0.0", 8, "10.0.0.1")));
        check("192.0.2.1/24", None);
        check("192.0.2.0", None);
        check("192.0.2.0/30", None);
        check("192.0.2.0/x", None);
        check("2001:db8::/64", None);
        check("/24", None);
    }

    #[test]
    fn a_network_without_a_subnet_has_empty_texts() {
        let network = VirtualNetwork {
            uuid: Uuid::nil(),
            fq_name: texts(&["default-domain", "acme", "web"]),
            parent_uuid: Some(Uuid::nil()),
            network_ipam_refs: vec![],
        };
        let shown = tenant_network(network);
        assert_eq!((shown.subnet.as_str(), shown.gateway.as_str(), shown.name.as_str()), ("", "", "web"));
        assert_eq!(shown.project_id, "0".repeat(32));
    }
}
