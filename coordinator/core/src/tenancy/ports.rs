//! Edges: the ports of a tenant's server: stored, then made in Contrail; unmade, then forgotten.

use std::net::IpAddr;

use domain::{
    records::{Server, TenantPortRecord, TenantServer, TenantServerState},
    rim::{NewTenantPort, ObservedNetwork},
    tenancy::port_of,
};
use uuid::Uuid;

use super::{Tenancy, TenancyError};

/// Networks of one server.
pub const NETWORKS_MAX: usize = 8;

/// A network that a tenant's server is to be on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// Contrail's network.
    pub network: Uuid,
    /// The address that it must have there; none: Contrail chooses.
    pub address: Option<IpAddr>,
    /// VLAN tag of its frames; none: untagged.
    pub vlan: Option<u16>,
}

/// The rows of a new server's ports, before anything is made.
pub(super) fn planned(
    server: Uuid,
    attachments: &[Attachment],
    security_groups: &[Uuid],
) -> Vec<TenantPortRecord> {
    let one = |(position, attachment): (usize, &Attachment)| TenantPortRecord {
        id: port_of(server, position),
        network: attachment.network,
        asked_address: attachment.address,
        address: None,
        vlan: attachment.vlan,
        security_groups: security_groups.to_vec(),
    };
    attachments.iter().enumerate().map(one).collect()
}

impl Tenancy {
    /// Makes every port with its address, in order; the addresses are stored as they are given.
    pub(super) async fn make_ports(&self, server: &mut TenantServer) -> Result<(), TenancyError> {
        let mut ports = self.inventory.tenant_ports(server.id).await?;
        for port in &mut ports {
            let wanted = NewTenantPort {
                id: port.id,
                network: port.network,
                name: server.name.clone(),
                address: port.asked_address,
                security_groups: port.security_groups.clone(),
                vlan: port.vlan,
            };
            port.address = Some(self.networks.ensure_tenant_port(&wanted).await?.address);
        }
        self.inventory.put_tenant_ports(server.id, &ports).await?;
        if let Some(first) = ports.first() {
            server.port = Some(first.id);
            server.address = first.address;
        }
        if !self.inventory.change_tenant_server(TenantServerState::Requested, server).await? {
            let message = format!("{} was given back before it was made", server.name);
            return Err(TenancyError::Refused(message));
        }
        Ok(())
    }

    /// Deletes every port of a server that has none of them any more. Done already is done.
    pub(super) async fn delete_ports(&self, server: &TenantServer) -> Result<(), TenancyError> {
        for id in self.port_ids(server).await? {
            self.networks.delete_tenant_port(id).await?;
        }
        Ok(())
    }

    /// Whether every port of a physical server is seen, and none of them on one of the tenant server's ports: a port of which
    /// nothing is known may be there still.
    pub(super) async fn is_unplugged(
        &self,
        physical: &Server,
        server: &TenantServer,
    ) -> Result<bool, TenancyError> {
        let ids = self.port_ids(server).await?;
        Ok(physical.ports.iter().all(|port| match port.observed {
            Some(ObservedNetwork::Tenant(seen)) => !ids.contains(&seen),
            Some(
                ObservedNetwork::Nothing
                | ObservedNetwork::Boot(_)
                | ObservedNetwork::Bond { .. }
                | ObservedNetwork::Other { .. },
            ) => true,
            None => false,
        }))
    }

    /// The first port's id follows from the server's, stored or not.
    async fn port_ids(&self, server: &TenantServer) -> Result<Vec<Uuid>, TenancyError> {
        let mut ids: Vec<Uuid> =
            self.inventory.tenant_ports(server.id).await?.into_iter().map(|port| port.id).collect();
        for known in [Some(port_of(server.id, 0)), server.port].into_iter().flatten() {
            if !ids.contains(&known) {
                ids.push(known);
            }
        }
        Ok(ids)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_have_ids_of_their_own_that_a_repeat_finds() {
        let server = Uuid::from_u128(5);
        let attachment = Attachment { network: Uuid::from_u128(6), address: None, vlan: Some(100) };
        let ports = planned(server, &[attachment.clone(), attachment.clone()], &[Uuid::from_u128(7)]);
        assert_ne!(ports[0].id, ports[1].id);
        assert_eq!(ports, planned(server, &[attachment.clone(), attachment], &[Uuid::from_u128(7)]));
        assert_eq!(
            ports[0].id,
            Uuid::new_v5(&server, b"tenant-port"),
            "as those before several were possible"
        );
    }
}
