//! Edges: what a site's administrator needs before the first server: our project, the two isolated networks, and the security group
//! of their ports. Made by one command, and by the coordinator itself when it starts; what is there is found.

use protocol::network::BootNetwork;
use serde::Deserialize;
use serde_json::{Value, json};
use tracing::info;
use uuid::Uuid;

use super::{Contrail, security, vnc::Created};
use domain::rim::{FabricError, SiteObject, SiteObjectState};

const PROJECT: &str = "project";
const NETWORK: &str = "virtual-network";
pub(super) const SECURITY_GROUP: &str = "security-group";

#[derive(Clone, Debug, Deserialize)]
struct Group {
    #[serde(default)]
    security_group_entries: Value,
}

impl Contrail {
    /// Makes everything of ours that a site needs, or finds it made; says which. Safe to repeat, and to be cut off.
    pub async fn ensure_site(&self) -> Result<Vec<SiteObject>, FabricError> {
        let mut objects = vec![self.ensure_named(PROJECT, &self.config.project, "domain", json!({})).await?];
        // First the group: a port of ours refers to it.
        objects.push(self.ensure_boot_group().await?);
        for role in [BootNetwork::Provisioning, BootNetwork::Cleaning] {
            objects.push(self.ensure_named(NETWORK, self.config.network(role), PROJECT, json!({})).await?);
        }
        Ok(objects)
    }

    async fn ensure_boot_group(&self) -> Result<SiteObject, FabricError> {
        let name = self.config.boot_group_name();
        let entries = security::boot_entries(&self.config.agents, &self.config.boot_tcp_ports);
        let wanted = json!({ "security_group_entries": entries });
        let mut object = self.ensure_named(SECURITY_GROUP, &name, PROJECT, wanted.clone()).await?;
        if object.state == SiteObjectState::Found {
            let stored = self.vnc.get::<Group>(SECURITY_GROUP, object.id, "security_group_entries").await?;
            let stored = stored.map(|group| group.security_group_entries).unwrap_or_default();
            if !security::are_the_same(&stored, &entries) {
                self.vnc.update(SECURITY_GROUP, object.id, wanted).await?;
                object.state = SiteObjectState::Corrected;
            }
        }
        Ok(object)
    }

    async fn ensure_named(
        &self,
        kind: &'static str,
        name: &[String],
        parent: &str,
        mut body: Value,
    ) -> Result<SiteObject, FabricError> {
        let object = |id: Uuid, state| SiteObject { kind: kind.to_owned(), name: name.join(":"), id, state };
        if let Some(id) = self.vnc.id_of(kind, name).await? {
            return Ok(object(id, SiteObjectState::Found));
        }
        body["fq_name"] = json!(name);
        body["parent_type"] = json!(parent);
        match self.vnc.create(kind, body).await? {
            Created::New(id) => {
                info!(kind, name = name.join(":"), %id, "made");
                Ok(object(id, SiteObjectState::Made))
            }
            // Somebody else was faster.
            Created::Conflict(_) => match self.vnc.id_of(kind, name).await? {
                Some(id) => Ok(object(id, SiteObjectState::Found)),
                None => Err(FabricError::NotFound { what: kind, name: name.join(":") }),
            },
        }
    }
}
