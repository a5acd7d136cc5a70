//! Edges: Nova's servers.

use std::collections::BTreeMap;

use http::Method;
use protocol::secret::Secret;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Nova, done};
use crate::{
    openstack::{error::Error, session::Caller},
    url_text::query,
};

/// Servers in one page of a list.
pub const PAGE_SERVERS: usize = 500;
/// Pages of one list.
pub const PAGES_MAX: usize = 100;

/// A server as Nova shows it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Server {
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
    pub fault: Option<Fault>,
    /// Key pair's name.
    #[serde(default)]
    pub key_name: Option<String>,
    /// What the tenant and we wrote beside it.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// When it was created.
    pub created: Option<jiff::Timestamp>,
}

/// Why a server is in `ERROR`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Fault {
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
pub struct NewServer {
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

/// How to restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RebootHow {
    /// By the operating system.
    Soft,
    /// By the power.
    Hard,
}

impl Nova {
    /// Makes a server with the rights of the caller, who should be the tenant.
    pub async fn create_server(&self, caller: Caller<'_>, server: &NewServer) -> Result<Uuid, Error> {
        #[derive(Deserialize)]
        struct Answer {
            server: Made,
        }
        #[derive(Deserialize)]
        struct Made {
            id: Uuid,
        }
        let operation = format!("create server {}", server.name);
        let call =
            self.call(caller, Method::POST, "/servers".to_owned(), operation).body(server_body(server));
        Ok(self.session.json::<Answer>(call).await?.server.id)
    }

    /// Reads a server.
    pub async fn show_server(&self, caller: Caller<'_>, id: Uuid) -> Result<Server, Error> {
        #[derive(Deserialize)]
        struct Answer {
            server: Server,
        }
        let call = self.call(caller, Method::GET, format!("/servers/{id}"), format!("read server {id}"));
        Ok(self.session.json::<Answer>(call).await?.server)
    }

    /// Lists the servers of the caller's project; of all projects for an administrator who asks so.
    pub async fn list_servers(&self, caller: Caller<'_>, all: ProjectsShown) -> Result<Vec<Server>, Error> {
        #[derive(Deserialize)]
        struct Page {
            servers: Vec<Server>,
        }
        let mut servers: Vec<Server> = Vec::new();
        let limit = PAGE_SERVERS.to_string();
        for _ in 0..PAGES_MAX {
            let mut pairs = vec![("limit", limit.as_str())];
            match all {
                ProjectsShown::All => pairs.push(("all_tenants", "1")),
                ProjectsShown::Own => {}
            }
            let marker = servers.last().map(|server| server.id.to_string());
            if let Some(marker) = &marker {
                pairs.push(("marker", marker));
            }
            let path = format!("/servers/detail?{}", query(&pairs));
            let call = self.call(caller, Method::GET, path, "list the servers".to_owned());
            let mut page: Page = self.session.json(call).await?;
            let last = page.servers.len() < PAGE_SERVERS;
            servers.append(&mut page.servers);
            if last {
                break;
            }
        }
        Ok(servers)
    }

    /// Whether Nova shows this server among those that were deleted. It forgets them in time, so that "no" proves nothing.
    pub async fn shows_deleted(&self, id: Uuid) -> Result<bool, Error> {
        #[derive(Deserialize)]
        struct Page {
            servers: Vec<Server>,
        }
        let uuid = id.to_string();
        let path = format!(
            "/servers/detail?{}",
            query(&[("all_tenants", "1"), ("deleted", "true"), ("uuid", &uuid)])
        );
        let operation = format!("look for server {id} among the deleted ones");
        let page: Page = self.session.json(self.call(Caller::Service, Method::GET, path, operation)).await?;
        Ok(page.servers.iter().any(|server| server.id == id && server.status == "DELETED"))
    }

    /// Deletes a server. Done already is done; success means that Nova has begun.
    pub async fn delete_server(&self, caller: Caller<'_>, id: Uuid) -> Result<(), Error> {
        let call = self.call(caller, Method::DELETE, format!("/servers/{id}"), format!("delete server {id}"));
        done(self.session.send(call).await)
    }

    /// Starts a server that is shut off.
    pub async fn start_server(&self, caller: Caller<'_>, id: Uuid) -> Result<(), Error> {
        self.act(caller, id, "start", json!({"os-start": null})).await
    }

    /// Shuts a server off.
    pub async fn stop_server(&self, caller: Caller<'_>, id: Uuid) -> Result<(), Error> {
        self.act(caller, id, "stop", json!({"os-stop": null})).await
    }

    /// Restarts a server: by its operating system, or by its power.
    pub async fn reboot_server(&self, caller: Caller<'_>, id: Uuid, how: RebootHow) -> Result<(), Error> {
        let how = match how {
            RebootHow::Soft => "SOFT",
            RebootHow::Hard => "HARD",
        };
        self.act(caller, id, "reboot", json!({"reboot": {"type": how}})).await
    }

    /// Writes an image onto a server anew; its id, flavor and metadata stay.
    pub async fn rebuild_server(&self, caller: Caller<'_>, id: Uuid, image_id: &str) -> Result<(), Error> {
        self.act(caller, id, "rebuild", json!({"rebuild": {"imageRef": image_id}})).await
    }

    /// Boots a server's rescue system, with this password of its user.
    pub async fn rescue_server(&self, caller: Caller<'_>, id: Uuid, password: &Secret) -> Result<(), Error> {
        self.act(caller, id, "rescue", json!({"rescue": {"adminPass": password.reveal()}})).await
    }

    /// Boots a server in rescue from its own disk again.
    pub async fn unrescue_server(&self, caller: Caller<'_>, id: Uuid) -> Result<(), Error> {
        self.act(caller, id, "unrescue", json!({"unrescue": null})).await
    }

    /// Says of a server in `ERROR` that it is in use again; needs an administrator.
    pub async fn reset_server(&self, caller: Caller<'_>, id: Uuid) -> Result<(), Error> {
        self.act(caller, id, "reset", json!({"os-resetState": {"state": "active"}})).await
    }

    async fn act(&self, caller: Caller<'_>, id: Uuid, verb: &str, body: Value) -> Result<(), Error> {
        let path = format!("/servers/{id}/action");
        let call = self.call(caller, Method::POST, path, format!("{verb} server {id}")).body(body);
        self.session.send(call).await.map(drop)
    }
}

fn server_body(server: &NewServer) -> Value {
    let mut body: Map<String, Value> = Map::new();
    body.insert("name".into(), json!(server.name));
    body.insert("flavorRef".into(), json!(server.flavor_id));
    body.insert("imageRef".into(), json!(server.image_id));
    body.insert("config_drive".into(), json!(true));
    body.insert(
        "networks".into(),
        match &server.networks {
            ServerNetworks::None => json!("none"),
            ServerNetworks::Ports(ports) => ports.iter().map(|port| json!({"port": port})).collect(),
        },
    );
    if !server.metadata.is_empty() {
        body.insert("metadata".into(), json!(server.metadata));
    }
    if let Some(key) = &server.key_name {
        body.insert("key_name".into(), json!(key));
    }
    if let Some(data) = &server.user_data {
        body.insert("user_data".into(), json!(data));
    }
    json!({"server": body})
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
    use super::*;

    #[test]
    fn reads_a_server_as_nova_writes_it() {
        let server: Server = serde_json::from_value(json!({
            "id": "27946b59-9e44-4fa7-8e91-f3527a1ef094", "name": "web", "status": "ERROR", "tenant_id": "p",
            "flavor": {"original_name": "gold", "vcpus": 1}, "image": {"id": "i1", "links": []},
            "fault": {"code": 500, "message": "No valid host", "created": "2026-11-22T04:30:00Z"},
            "created": "2026-11-22T04:30:00Z", "OS-EXT-STS:task_state": null,
        }))
        .unwrap();
        assert_eq!((server.flavor_name.as_deref(), server.image_id.as_deref()), (Some("gold"), Some("i1")));
        assert_eq!(server.fault.unwrap().message, "No valid host");
        let volume: Server = serde_json::from_value(json!({
            "id": "27946b59-9e44-4fa7-8e91-f3527a1ef094", "name": "web", "status": "ACTIVE", "image": "",
            "created": null,
        }))
        .unwrap();
        assert_eq!(volume.image_id, None);
    }
}
