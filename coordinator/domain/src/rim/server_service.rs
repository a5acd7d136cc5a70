//! Values: a server of Nova, and Nova, which makes it, as a trait.

use std::collections::BTreeMap;

use async_trait::async_trait;
use protocol::secret::Secret;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use uuid::Uuid;

use super::{Caller, ServiceError};

/// A server as Nova shows it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ComputeServer {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// `BUILD`, `ACTIVE`, `SHUTOFF`, `ERROR`, `DELETED`, ...
    pub status: String,
    /// What is being done with it, such as `spawning`.
    #[serde(rename = "OS-EXT-STS:task_state", default)]
    pub task_state: Option<String>,
    /// Project that owns it.
    #[serde(rename = "tenant_id", default)]
    pub project_id: String,
    /// User who made it.
    #[serde(default)]
    pub user_id: String,
    /// The Ironic node it is on. Only administrators see it.
    #[serde(rename = "OS-EXT-SRV-ATTR:hypervisor_hostname", default)]
    pub node: Option<Uuid>,
    /// Flavor's name.
    #[serde(rename = "flavor", default, deserialize_with = "flavor_name")]
    pub flavor_name: Option<String>,
    /// Image's id.
    #[serde(rename = "image", default, deserialize_with = "image_id")]
    pub image_id: Option<String>,
    /// Why it is in `ERROR`.
    #[serde(default)]
    pub fault: Option<ServerFault>,
    /// Key pair's name.
    #[serde(default)]
    pub key_name: Option<String>,
    /// What the tenant and we wrote beside it.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

/// Why a server is in `ERROR`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ServerFault {
    /// HTTP-like code.
    #[serde(default)]
    pub code: u16,
    /// The reason, for people.
    pub message: String,
    /// A Python stack, which only administrators see.
    #[serde(default)]
    pub details: Option<String>,
}

/// A server to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewComputeServer {
    /// Its name.
    pub name: String,
    /// Flavor's id.
    pub flavor_id: String,
    /// Image's id.
    pub image_id: String,
    /// Key pair's name in Nova.
    pub key_name: Option<String>,
    /// User data for cloud-init, base64.
    pub user_data: Option<String>,
    /// Beside it, and on the configuration drive.
    pub metadata: BTreeMap<String, String>,
    /// Networks that Nova shall care for.
    pub networks: ServerNetworks,
}

/// Networks that Nova shall care for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerNetworks {
    /// None: we do it (needs no Neutron).
    None,
    /// These Neutron ports.
    Ports(Vec<Uuid>),
}

/// Whose servers a list shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProjectsShown {
    /// The caller's project only.
    Own,
    /// All; needs an administrator.
    All,
}

/// Nova, as those need it who care for tenants' servers.
#[async_trait]
pub trait ServerService: Send + Sync {
    /// Makes a server with the rights of the caller, who should be the tenant; gives its id.
    async fn create_server(
        &self,
        caller: Caller<'_>,
        server: &NewComputeServer,
    ) -> Result<Uuid, ServiceError>;
    /// Reads a server. [`ServiceError::NotFound`]: there is none that the caller may see.
    async fn show_server(&self, caller: Caller<'_>, id: Uuid) -> Result<ComputeServer, ServiceError>;
    /// Lists the servers of every project, with our own rights.
    async fn list_servers(&self) -> Result<Vec<ComputeServer>, ServiceError>;
    /// Whether Nova shows this server among those that were deleted. It forgets them in time, so that "no" proves nothing.
    async fn shows_deleted(&self, id: Uuid) -> Result<bool, ServiceError>;
    /// Deletes a server. Done already is done; success means that Nova has begun.
    async fn delete_server(&self, caller: Caller<'_>, id: Uuid) -> Result<(), ServiceError>;
    /// Writes an image onto a server anew; its id, flavor and metadata stay.
    async fn rebuild_server(&self, caller: Caller<'_>, id: Uuid, image_id: &str) -> Result<(), ServiceError>;
    /// Boots a server's rescue system, with this password of its user.
    async fn rescue_server(
        &self,
        caller: Caller<'_>,
        id: Uuid,
        password: &Secret,
    ) -> Result<(), ServiceError>;
    /// Boots a server in rescue from its own disk again.
    async fn unrescue_server(&self, caller: Caller<'_>, id: Uuid) -> Result<(), ServiceError>;
    /// Says, with our own rights, of a server in `ERROR` that it is in use again.
    async fn reset_server(&self, id: Uuid) -> Result<(), ServiceError>;
}

fn flavor_name<'de, D: Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
    Ok(Value::deserialize(d)?["original_name"].as_str().map(str::to_owned))
}

/// A server without an image shows an empty text in its place.
fn image_id<'de, D: Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
    Ok(Value::deserialize(d)?["id"].as_str().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_a_server_as_nova_writes_it() {
        let server: ComputeServer = serde_json::from_value(json!({
            "id": "27946b59-9e44-4fa7-8e91-f3527a1ef094", "name": "web", "status": "ERROR", "tenant_id": "p",
            "flavor": {"original_name": "gold", "vcpus": 1}, "image": {"id": "i1", "links": []},
            "fault": {"code": 500, "message": "No valid host", "created": "2026-11-22T04:30:00Z"},
            "created": "2026-11-22T04:30:00Z", "OS-EXT-STS:task_state": null,
        }))
        .unwrap();
        assert_eq!((server.flavor_name.as_deref(), server.image_id.as_deref()), (Some("gold"), Some("i1")));
        assert_eq!(server.fault.unwrap().message, "No valid host");
        let volume: ComputeServer = serde_json::from_value(json!({
            "id": "27946b59-9e44-4fa7-8e91-f3527a1ef094", "name": "web", "status": "ACTIVE", "image": "",
            "created": null,
        }))
        .unwrap();
        assert_eq!(volume.image_id, None);
    }
}
