//! Edges: a tenant's server in rescue and back. Nova does it, through Ironic; for a server that Nova does not have, Ironic.

use domain::{
    events::Told,
    lifecycle::admission::{self, Wish},
    records::TenantServer,
    rim::{Caller, ProvisionTarget, ServiceError},
};
use protocol::{id::ServerId, secret::Secret};

use super::{Tenancy, TenancyError, life::in_use};

impl Tenancy {
    /// Boots the rescue system with this password of its user. Nothing of it is stored here.
    pub async fn rescue(
        &self,
        caller: Caller<'_>,
        server: &TenantServer,
        password: Secret,
    ) -> Result<(), TenancyError> {
        let node = in_use(server, "rescue")?;
        self.admit(server, node, Wish::Rescue).await?;
        let ports = self.inventory.tenant_ports(server.id).await?;
        if let Some(tag) = ports.first().and_then(|port| port.vlan) {
            return Err(TenancyError::Refused(format!(
                "{} has its first network by VLAN tag {tag}, and the rescue system requests its address without a tag: it \
                 would get none, so it cannot be rescued; stop it, or rebuild it",
                server.name
            )));
        }
        match server.instance {
            Some(instance) => self.nova.rescue_server(caller, instance, &password).await?,
            None => self.ironic.set_provision_state(node, &ProvisionTarget::Rescue { password }).await?,
        }
        self.tell(server, "to be rescued", Told::ToBeRescued).await;
        self.note_node(node).await;
        Ok(())
    }

    /// Boots the tenant's own disk again, whether its rescue has failed or not.
    pub async fn unrescue(&self, caller: Caller<'_>, server: &TenantServer) -> Result<(), TenancyError> {
        let node = in_use(server, "unrescue")?;
        self.admit(server, node, Wish::Unrescue).await?;
        if !self.unrescued_by_nova(caller, server).await? {
            self.ironic.set_provision_state(node, &ProvisionTarget::Unrescue).await?;
        }
        self.tell(server, "to boot its own disk again", Told::ToBootItsDisk).await;
        self.note_node(node).await;
        Ok(())
    }

    /// Whether Nova takes the server back from a rescue. It does not where the rescue has failed, or was begun in Ironic: then it
    /// only learns that the server is in use again.
    async fn unrescued_by_nova(
        &self,
        caller: Caller<'_>,
        server: &TenantServer,
    ) -> Result<bool, TenancyError> {
        let Some(instance) = server.instance else { return Ok(false) };
        let nova = match self.nova.show_server(Caller::Service, instance).await {
            Ok(nova) => nova,
            Err(ServiceError::NotFound { .. }) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        match nova.status.as_str() {
            "RESCUE" => {
                self.nova.unrescue_server(caller, instance).await?;
                Ok(true)
            }
            "ERROR" => {
                self.nova.reset_server(instance).await?;
                Ok(false)
            }
            _ => Ok(false),
        }
    }

    /// Whether the server's node, as Ironic shows it now, allows this.
    pub(super) async fn admit(
        &self,
        server: &TenantServer,
        node: ServerId,
        wish: Wish,
    ) -> Result<(), TenancyError> {
        let node = self.ironic.get_node(node).await?;
        let allowed = admission::admit(&server.name, &node, wish);
        allowed.map_err(|refusal| TenancyError::Refused(refusal.message))
    }
}
