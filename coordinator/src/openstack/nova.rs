//! Edges: Nova's API: flavors, key pairs, servers.

use std::collections::BTreeMap;

use http::Method;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    error::Error,
    ironic::query,
    session::{Call, Caller, Service, Session},
};

/// API version that is asked for: 2.90 is OpenStack Xena; flavors carry their extra specs since 2.61.
pub const MICROVERSION: &str = "2.90";
/// Servers in one page of a list.
pub const PAGE_SERVERS: usize = 500;
/// Pages of one list.
pub const PAGES_MAX: usize = 100;

/// A flavor.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Flavor {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Virtual processors, as shown to people.
    pub vcpus: u64,
    /// Memory in MiB, as shown to people.
    pub ram: u64,
    /// Disk in GiB, as shown to people.
    pub disk: u64,
    /// Whether every project sees it.
    #[serde(rename = "os-flavor-access:is_public", default)]
    pub is_public: bool,
    /// What the scheduler reads. Only administrators see it.
    #[serde(default)]
    pub extra_specs: BTreeMap<String, String>,
}

/// A flavor to be made for bare metal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlavorSpec {
    /// Its name, also its id unless another is given.
    pub name: String,
    /// Its id; none: Nova makes one.
    pub id: Option<String>,
    /// Virtual processors, as shown to people.
    pub vcpus: u64,
    /// Memory in MiB, as shown to people.
    pub ram_mb: u64,
    /// Disk in GiB, as shown to people; Ironic takes it as the size of the root disk.
    pub disk_gb: u64,
    /// Resource class of the nodes that it takes, as on the node.
    pub resource_class: String,
    /// Traits that such a node must have.
    pub traits: Vec<String>,
    /// Capabilities that such a node must have, such as `boot_mode` = `uefi`.
    pub capabilities: BTreeMap<String, String>,
}

impl FlavorSpec {
    /// The extra specs: exactly one unit of the class, and none of what virtual machines are counted in.
    pub fn extra_specs(&self) -> BTreeMap<String, String> {
        let mut specs: BTreeMap<String, String> = ["VCPU", "MEMORY_MB", "DISK_GB"]
            .map(|resource| (format!("resources:{resource}"), "0".to_owned()))
            .into_iter()
            .collect();
        specs.insert(format!("resources:{}", custom_resource(&self.resource_class)), "1".to_owned());
        for name in &self.traits {
            specs.insert(format!("trait:{name}"), "required".to_owned());
        }
        for (key, value) in &self.capabilities {
            specs.insert(format!("capabilities:{key}"), value.clone());
        }
        specs
    }
}

/// A node's resource class as Placement spells it: `gold-1` becomes `CUSTOM_GOLD_1`.
pub fn custom_resource(class: &str) -> String {
    let upper = class.to_ascii_uppercase();
    let name: String = upper.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    format!("CUSTOM_{name}")
}

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

/// A public key that Nova keeps for a user.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct KeyPair {
    /// Its name.
    pub name: String,
    /// The key as in `authorized_keys`.
    pub public_key: String,
    /// Its fingerprint.
    #[serde(default)]
    pub fingerprint: String,
}

/// The compute service.
#[derive(Clone, Debug)]
pub struct Nova {
    session: Session,
}

impl Nova {
    /// Asks with the given session; for flavors its user must be an administrator of a project.
    pub fn new(session: Session) -> Self {
        Self { session }
    }

    fn call<'a>(&self, caller: Caller<'a>, method: Method, path: String, operation: String) -> Call<'a> {
        Call::new(Service::Nova, method, path, operation)
            .header("x-openstack-nova-api-version", MICROVERSION)
            .caller(caller)
    }

    /// Lists the flavors that the caller may see.
    pub async fn list_flavors(&self, caller: Caller<'_>) -> Result<Vec<Flavor>, Error> {
        #[derive(Deserialize)]
        struct Answer {
            flavors: Vec<Flavor>,
        }
        let path = "/flavors/detail?limit=1000".to_owned();
        let answer: Answer =
            self.session.json(self.call(caller, Method::GET, path, "list the flavors".to_owned())).await?;
        Ok(answer.flavors)
    }

    /// Makes a flavor with its extra specs. A name or id that is taken is a conflict.
    pub async fn create_flavor(&self, spec: &FlavorSpec) -> Result<Flavor, Error> {
        #[derive(Deserialize)]
        struct Answer {
            flavor: Flavor,
        }
        let operation = format!("create flavor {}", spec.name);
        let mut flavor = json!({
            "name": spec.name, "vcpus": spec.vcpus, "ram": spec.ram_mb, "disk": spec.disk_gb,
        });
        if let Some(id) = &spec.id {
            flavor["id"] = json!(id);
        }
        let call = self
            .call(Caller::Service, Method::POST, "/flavors".to_owned(), operation.clone())
            .body(json!({"flavor": flavor}));
        let mut made: Flavor = self.session.json::<Answer>(call).await?.flavor;
        made.extra_specs = spec.extra_specs();
        let path = format!("/flavors/{}/os-extra_specs", segment(&made.id));
        let call = self
            .call(Caller::Service, Method::POST, path, operation)
            .body(json!({"extra_specs": made.extra_specs}));
        if let Err(error) = self.session.send(call).await {
            // Without them the flavor would take any server: rather none than that.
            self.delete_flavor(&made.id).await?;
            return Err(error);
        }
        Ok(made)
    }

    /// Deletes a flavor. Done already is done.
    pub async fn delete_flavor(&self, id: &str) -> Result<(), Error> {
        let path = format!("/flavors/{}", segment(id));
        done(
            self.session
                .send(self.call(Caller::Service, Method::DELETE, path, format!("delete flavor {id}")))
                .await,
        )
    }

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

    async fn act(&self, caller: Caller<'_>, id: Uuid, verb: &str, body: Value) -> Result<(), Error> {
        let path = format!("/servers/{id}/action");
        let call = self.call(caller, Method::POST, path, format!("{verb} server {id}")).body(body);
        self.session.send(call).await.map(drop)
    }

    /// Keeps a public key under a name for the caller. A name that is taken is a conflict.
    pub async fn create_key_pair(
        &self,
        caller: Caller<'_>,
        name: &str,
        public_key: &str,
    ) -> Result<KeyPair, Error> {
        #[derive(Deserialize)]
        struct Answer {
            keypair: KeyPair,
        }
        let body = json!({"keypair": {"name": name, "public_key": public_key, "type": "ssh"}});
        let operation = format!("create key pair {name}");
        let call = self.call(caller, Method::POST, "/os-keypairs".to_owned(), operation).body(body);
        Ok(self.session.json::<Answer>(call).await?.keypair)
    }

    /// Lists the caller's key pairs.
    pub async fn list_key_pairs(&self, caller: Caller<'_>) -> Result<Vec<KeyPair>, Error> {
        #[derive(Deserialize)]
        struct Answer {
            keypairs: Vec<Item>,
        }
        #[derive(Deserialize)]
        struct Item {
            keypair: KeyPair,
        }
        let call = self.call(caller, Method::GET, "/os-keypairs".to_owned(), "list the key pairs".to_owned());
        let answer: Answer = self.session.json(call).await?;
        Ok(answer.keypairs.into_iter().map(|item| item.keypair).collect())
    }

    /// Deletes a key pair of the caller. Done already is done.
    pub async fn delete_key_pair(&self, caller: Caller<'_>, name: &str) -> Result<(), Error> {
        let path = format!("/os-keypairs/{}", segment(name));
        done(
            self.session
                .send(self.call(caller, Method::DELETE, path, format!("delete key pair {name}")))
                .await,
        )
    }
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

fn done(result: Result<bytes::Bytes, Error>) -> Result<(), Error> {
    match result {
        Ok(_) | Err(Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// One segment of a path: what people named may hold anything.
fn segment(text: &str) -> String {
    query(&[("", text)]).split_off(1)
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
    fn a_flavor_takes_one_whole_server() {
        let spec = FlavorSpec {
            name: "gold".into(),
            id: None,
            vcpus: 1,
            ram_mb: 1024,
            disk_gb: 4,
            resource_class: "gold-1".into(),
            traits: vec!["CUSTOM_A".into()],
            capabilities: BTreeMap::new(),
        };
        let specs: Vec<String> = spec.extra_specs().iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(
            specs,
            [
                "resources:CUSTOM_GOLD_1=1",
                "resources:DISK_GB=0",
                "resources:MEMORY_MB=0",
                "resources:VCPU=0",
                "trait:CUSTOM_A=required",
            ]
        );
    }

    #[test]
    fn names_cannot_leave_their_place_in_a_path() {
        let check = |text: &str, expected: &str| assert_eq!(segment(text), expected);
        check("m1.small", "m1.small");
        check("a/../b?c", "a%2F..%2Fb%3Fc");
    }

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
