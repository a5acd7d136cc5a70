//! Edges: a Keystone, a Nova and an Ironic over HTTP, as much of them as the end of a tenancy meets, that refuse, forget and
//! hang on demand. The clients in front of them are the real ones.

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
};

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use protocol::secret::Secret;
use serde_json::{Value, json};
use uuid::Uuid;

use super::METADATA_KEY;
use crate::openstack::{Credentials, Scope, Session, session::http_client};

/// What Nova does when it is asked to delete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NovaDeletes {
    /// Ends it in Ironic first, as it should.
    #[default]
    Well,
    /// Forgets its server although Ironic refused, because the node was locked: the server is gone from its list all the same.
    WithoutIronic,
    /// Moves its server to `ERROR`.
    IntoError,
    /// Says `deleting` for ever: nobody does the work.
    Never,
}

/// A server of Nova.
#[derive(Clone, Debug, Default)]
pub struct NovaServer {
    /// `ACTIVE`, `ERROR`, ...
    pub status: String,
    /// `deleting`, or none.
    pub task: Option<String>,
    /// The node that it is on.
    pub node: Uuid,
    /// The project that owns it.
    pub project: String,
    /// The record that its metadata names.
    pub record: Option<Uuid>,
}

/// A node of Ironic.
#[derive(Clone, Debug)]
pub struct IronicNode {
    /// Provision state.
    pub state: String,
    /// Nova's server on it.
    pub instance: Option<Uuid>,
    /// Why it is in maintenance; none: it is not.
    pub maintenance: Option<String>,
}

/// What they hold.
#[derive(Debug, Default)]
pub struct Held {
    /// Nova's servers.
    pub servers: HashMap<Uuid, NovaServer>,
    /// Those that Nova still shows as deleted.
    pub deleted: HashSet<Uuid>,
    /// What Nova does when it is asked to delete.
    pub deletes: NovaDeletes,
    /// Ironic's nodes.
    pub nodes: HashMap<Uuid, IronicNode>,
    /// What Nova answers to everything: status and sentence.
    pub nova_fails: Option<(u16, &'static str)>,
    /// What Ironic answers to every change.
    pub ironic_fails: Option<(u16, &'static str)>,
    /// What was asked that changes something.
    pub asked: Vec<String>,
}

/// The services.
#[derive(Clone)]
pub struct Cloud {
    held: Arc<Mutex<Held>>,
    /// A session towards them.
    pub session: Session,
}

type Shared = State<Arc<Mutex<Held>>>;

/// The sentence of a locked node.
pub const LOCKED: (u16, &str) =
    (409, "Node 1 is locked by host lab, please retry after the current operation is completed.");
/// The sentence of an API without its conductor.
pub const NO_CONDUCTOR: (u16, &str) =
    (503, "No valid host was found. Reason: No conductor service registered.");

impl Cloud {
    /// Starts them on the loopback.
    pub async fn start() -> Self {
        let held = Arc::new(Mutex::new(Held::default()));
        let listener = tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let routes = Router::new()
            .route("/nova/servers/detail", get(list_servers))
            .route("/nova/servers/{id}", get(show_server).delete(delete_server))
            .route("/ironic/v1/nodes", get(list_nodes))
            .route("/ironic/v1/nodes/{id}", get(show_node))
            .route("/ironic/v1/nodes/{id}/states/provision", put(provision))
            .with_state(Arc::clone(&held))
            .route("/v3/auth/tokens", post(issue))
            .layer(axum::Extension(url.clone()));
        let routes = hyper_util::service::TowerToHyperService::new(routes);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let stream = hyper_util::rt::TokioIo::new(stream);
                let serve =
                    hyper::server::conn::http1::Builder::new().serve_connection(stream, routes.clone());
                tokio::spawn(serve);
            }
        });
        let credentials = Credentials {
            auth_url: url,
            username: "bms".into(),
            user_domain: "Default".into(),
            password: Secret::new("pass word"),
            scope: Scope::System,
            region: None,
            interface: "public".into(),
        };
        Self { held, session: Session::new(http_client(None).unwrap(), credentials) }
    }

    /// What they hold.
    pub fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap()
    }

    /// Nova loses a server; with a trace of its deletion or without.
    pub fn forget_server(&self, id: Uuid, shows_it_deleted: bool) {
        let mut held = self.held();
        held.servers.remove(&id);
        if shows_it_deleted {
            held.deleted.insert(id);
        }
    }

    /// How often this was asked.
    pub fn asked(&self, what: &str) -> usize {
        self.held().asked.iter().filter(|asked| asked.as_str() == what).count()
    }
}

async fn issue(axum::Extension(url): axum::Extension<String>) -> Response {
    let ends = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(8);
    let service = |kind: &str, path: &str| {
        json!({ "type": kind, "endpoints": [
            { "interface": "public", "region_id": "RegionOne", "url": format!("{url}/{path}") },
        ] })
    };
    let token = json!({ "token": {
        "expires_at": ends.to_string(), "user": { "id": "bms", "name": "bms" },
        "roles": [{ "id": "admin", "name": "admin" }],
        "catalog": [service("compute", "nova"), service("baremetal", "ironic")],
    } });
    (StatusCode::CREATED, [("x-subject-token", "token")], Json(token)).into_response()
}

fn fault((code, sentence): (u16, &str)) -> Response {
    (StatusCode::from_u16(code).unwrap(), Json(json!({ "error_message": sentence }))).into_response()
}

fn shown(id: Uuid, server: &NovaServer) -> Value {
    let metadata = server.record.map_or(json!({}), |record| json!({ METADATA_KEY: record }));
    json!({ "id": id, "name": "web", "status": server.status, "OS-EXT-STS:task_state": server.task,
        "OS-EXT-SRV-ATTR:hypervisor_hostname": server.node, "created": null, "image": "",
        "tenant_id": server.project, "metadata": metadata })
}

async fn list_servers(State(held): Shared, Query(query): Query<HashMap<String, String>>) -> Response {
    let held = held.lock().unwrap();
    if let Some(fails) = held.nova_fails {
        return fault(fails);
    }
    let of_deleted = |id: &Uuid| {
        let server = NovaServer { status: "DELETED".to_owned(), ..NovaServer::default() };
        shown(*id, &server)
    };
    let servers: Vec<Value> = if query.get("deleted").is_some_and(|deleted| deleted == "true") {
        held.deleted.iter().map(of_deleted).collect()
    } else {
        held.servers.iter().map(|(id, server)| shown(*id, server)).collect()
    };
    Json(json!({ "servers": servers })).into_response()
}

async fn show_server(State(held): Shared, Path(id): Path<Uuid>) -> Response {
    let held = held.lock().unwrap();
    match (held.nova_fails, held.servers.get(&id)) {
        (Some(fails), _) => fault(fails),
        (None, Some(server)) => Json(json!({ "server": shown(id, server) })).into_response(),
        (None, None) => fault((404, "Instance could not be found.")),
    }
}

async fn delete_server(State(held): Shared, Path(id): Path<Uuid>) -> Response {
    let mut held = held.lock().unwrap();
    if let Some(fails) = held.nova_fails {
        return fault(fails);
    }
    let Some(server) = held.servers.get(&id).cloned() else {
        return fault((404, "Instance could not be found."));
    };
    held.asked.push("nova delete".to_owned());
    let ironic_is_well = held.ironic_fails.is_none();
    match held.deletes {
        NovaDeletes::Well => {
            if let Some(node) = held.nodes.get_mut(&server.node).filter(|_| ironic_is_well) {
                (node.state, node.instance) = ("cleaning".to_owned(), None);
            }
            held.servers.remove(&id);
            held.deleted.insert(id);
        }
        NovaDeletes::WithoutIronic => {
            held.servers.remove(&id);
            held.deleted.insert(id);
        }
        NovaDeletes::IntoError => {
            held.servers.insert(id, NovaServer { status: "ERROR".to_owned(), task: None, ..server });
        }
        NovaDeletes::Never => {
            held.servers.insert(id, NovaServer { task: Some("deleting".to_owned()), ..server });
        }
    }
    StatusCode::NO_CONTENT.into_response()
}

fn shown_node(id: Uuid, node: &IronicNode) -> Value {
    json!({ "uuid": id, "name": "n1", "provision_state": node.state, "instance_uuid": node.instance,
        "maintenance": node.maintenance.is_some(), "maintenance_reason": node.maintenance })
}

async fn list_nodes(State(held): Shared, Query(query): Query<HashMap<String, String>>) -> Response {
    let held = held.lock().unwrap();
    let asked = query.get("instance_uuid").map(|id| id.parse::<Uuid>().unwrap());
    let fits = |node: &IronicNode| asked.is_none() || node.instance == asked;
    let nodes: Vec<Value> =
        held.nodes.iter().filter(|(_, node)| fits(node)).map(|(id, node)| shown_node(*id, node)).collect();
    Json(json!({ "nodes": nodes })).into_response()
}

async fn show_node(State(held): Shared, Path(id): Path<Uuid>) -> Response {
    match held.lock().unwrap().nodes.get(&id) {
        Some(node) => Json(shown_node(id, node)).into_response(),
        None => fault((404, "Node could not be found.")),
    }
}

async fn provision(State(held): Shared, Path(id): Path<Uuid>, Json(body): Json<Value>) -> Response {
    let mut held = held.lock().unwrap();
    held.asked.push(format!("ironic {}", body["target"].as_str().unwrap()));
    if let Some(fails) = held.ironic_fails {
        return fault(fails);
    }
    let Some(node) = held.nodes.get_mut(&id) else { return fault((404, "Node could not be found.")) };
    match node.state.as_str() {
        "active" | "error" | "deploy failed" | "wait call-back" | "rescue" | "rescue wait"
        | "rescue failed" | "unrescue failed" => {
            node.state = "deleting".to_owned();
            StatusCode::ACCEPTED.into_response()
        }
        other => {
            let text =
                format!("The requested action \"deleted\" can not be performed while it is in state {other}");
            (StatusCode::BAD_REQUEST, Json(json!({ "error_message": text }))).into_response()
        }
    }
}
