//! Edges: Nova's servers.

use http::Method;
use protocol::secret::Secret;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Nova, done};
use crate::{Caller, error::Error};
use domain::{
    rim::{ComputeServer as Server, NewComputeServer as NewServer, ProjectsShown, ServerNetworks},
    url_text::query,
};

/// Servers in one page of a list.
pub const PAGE_SERVERS: usize = 500;
/// Pages of one list.
pub const PAGES_MAX: usize = 100;

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
        struct Accepted {
            server: Made,
        }
        #[derive(Deserialize)]
        struct Made {
            id: Uuid,
        }
        let operation = format!("create server {}", server.name);
        let call =
            self.call(caller, Method::POST, "/servers".to_owned(), operation).body(server_body(server));
        Ok(self.session.json::<Accepted>(call).await?.server.id)
    }

    /// Reads a server.
    pub async fn show_server(&self, caller: Caller<'_>, id: Uuid) -> Result<Server, Error> {
        #[derive(Deserialize)]
        struct Shown {
            server: Server,
        }
        let call = self.call(caller, Method::GET, format!("/servers/{id}"), format!("read server {id}"));
        Ok(self.session.json::<Shown>(call).await?.server)
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
