//! Edges: the inventory as a file: import and export, for administrators.

use std::{sync::Arc, time::Duration};

use api_types::{Imported, ImportedNode};
use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use coordinator_core::enroll::Enrolled;
use domain::{
    events::EventKind,
    import::{self, Defaults, Format, Planned, ServersInUse},
    lifecycle::ProvisionState,
    records::Server,
    rim::{ProvisionTarget, ServiceError},
};
use protocol::id::{RackId, ServerId};
use serde::Deserialize;
use tokio::sync::{Semaphore, mpsc};

use super::{
    Api,
    auth::User,
    request::{Query, TextBody},
};
use crate::problem::Problem;

/// How long the answer to an import waits for Ironic and the BMCs. What is not done by then goes on by itself.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(20);

/// How a file is imported.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
pub struct ImportQuery {
    /// Rack of new nodes for which the file names none.
    rack: String,
    /// Resource class of new nodes for which the file names none. Absent: `baremetal`.
    #[serde(default = "default_class")]
    resource_class: String,
    /// Only check the file and show what would change; change nothing.
    #[serde(default)]
    dry_run: bool,
    /// Allow the file to change the BMC of a node that is in use; otherwise such a file is refused.
    #[serde(default)]
    bmc_of_servers_in_use: bool,
    /// Format of the file; YAML includes JSON. Absent: `yaml`.
    #[serde(default)]
    format: Format,
}

fn default_class() -> String {
    "baremetal".to_owned()
}

/// Imports the nodes of a file (Contrail's server import format), all of them or none.
///
/// Known nodes are recognised by their names, or else by their MAC addresses.
#[utoipa::path(post, path = "/v1/nodes/import", params(ImportQuery), request_body(content = String, content_type = "application/yaml"),
    responses((status = 200, body = Imported), (status = 422, body = Problem)))]
pub async fn import(
    State(api): State<Arc<Api>>,
    user: User,
    Query(query): Query<ImportQuery>,
    TextBody(text): TextBody,
) -> Result<Json<Imported>, Problem> {
    let rack: RackId = query.rack.parse().map_err(|error| Problem::bad_at("rack", error))?;
    let read = read_file(move || import::parse_as(&text, query.format)).await?;
    let known = api.inventory.servers(None).await?;
    let defaults = Defaults { rack, resource_class: query.resource_class };
    let in_use = ServersInUse::meant(query.bmc_of_servers_in_use);
    let planned = import::plan(read, &known, &defaults, in_use).map_err(Problem::faults)?;
    let mut nodes: Vec<ImportedNode> = planned.iter().map(view).collect();
    if !query.dry_run {
        let wanted: Vec<&Planned> = planned.iter().filter(|planned| is_work(planned, &known)).collect();
        let pairs: Vec<_> = wanted.iter().map(|planned| (planned.id, &planned.server)).collect();
        let stored = api.enroll.store(&pairs).await?;
        for note in wanted.iter().filter_map(|planned| Some((planned.id?, planned.note.as_ref()?))) {
            let text = format!("{} imported a file: {}", user.name(), note.1);
            api.inventory.record(note.0, EventKind::Asked, text).await;
        }
        for server in &stored {
            if let Some(node) = nodes.iter_mut().find(|node| node.name == server.name) {
                node.id = Some(server.id.0);
            }
        }
        api.bring_up(stored).await;
    }
    Ok(Json(Imported { nodes, dry_run: query.dry_run }))
}

fn view(planned: &Planned) -> ImportedNode {
    ImportedNode {
        id: planned.id.map(|id| id.0),
        name: planned.server.name.clone(),
        created: planned.id.is_none(),
        changes: planned.changes.clone(),
        note: planned.note.clone(),
    }
}

/// A server that is as the file says is not troubled, unless something is still wrong with it: then an import is how
/// somebody says "try again".
fn is_work(planned: &Planned, known: &[Server]) -> bool {
    let server = known.iter().find(|server| Some(server.id) == planned.id);
    let is_wrong = |server: &Server| {
        let is_unwatched = server.unwatched.is_some();
        is_unwatched || server.reason.is_some() || server.identity.is_none() || server.node.is_none()
    };
    planned.is_change() || server.is_some_and(is_wrong)
}

/// Files that are read at a time. One of the largest takes a processor for a second or more.
const FILES_READ_MAX: usize = 2;

static READING: Semaphore = Semaphore::const_new(FILES_READ_MAX);

/// Reads a file where it keeps no other request waiting.
pub(super) async fn read_file<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, Vec<import::Fault>> + Send + 'static,
) -> Result<T, Problem> {
    let _turn = READING.acquire().await.expect("nobody closes it");
    let done = tokio::task::spawn_blocking(read).await.map_err(|error| {
        let detail = format!("the file could not be read: {error}; this is a bug in this program");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "unread", detail)
    })?;
    done.map_err(Problem::faults)
}

/// How a file is written.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
pub struct ExportQuery {
    /// Format of the file. Absent: `yaml`.
    #[serde(default)]
    format: Format,
    /// Only nodes of this rack.
    rack: Option<String>,
}

/// Exports all nodes as a file that can be imported again, without passwords.
#[utoipa::path(get, path = "/v1/nodes/export", params(ExportQuery), responses((status = 200, body = String)))]
pub async fn export(
    State(api): State<Arc<Api>>,
    Query(query): Query<ExportQuery>,
) -> Result<impl IntoResponse, Problem> {
    let rack = query.rack.map(|rack| rack.parse::<RackId>()).transpose();
    let rack = rack.map_err(|error| Problem::bad_at("rack", error))?;
    let servers = api.inventory.servers(rack.as_ref()).await?;
    let described: Vec<_> = servers.iter().map(import::described).collect();
    let kind = match query.format {
        Format::Yaml => "application/yaml",
        Format::Json => "application/json",
        Format::Csv => "text/csv; charset=utf-8",
    };
    Ok(([(header::CONTENT_TYPE, kind)], import::write(&described, query.format)))
}

impl Api {
    /// Brings stored servers up in a task of its own, and waits for it a while: a caller that hangs up stops nothing, and BMCs
    /// that are silent do not keep the caller.
    pub(super) async fn bring_up(self: &Arc<Self>, servers: Vec<Server>) {
        let (done, mut ended) = mpsc::unbounded_channel::<Enrolled>();
        let all = tokio::spawn(Arc::clone(&self.enroll).bring_up_all(servers, done));
        let api = Arc::clone(self);
        let task = tokio::spawn(async move {
            while let Some(enrolled) = ended.recv().await {
                if enrolled.problem.is_none() {
                    api.manage_new(enrolled.id).await;
                }
            }
            all.await
        });
        if let Ok(Err(error) | Ok(Err(error))) = tokio::time::timeout(ANSWER_WAIT_MAX, task).await {
            tracing::error!(%error, "an import stopped unexpectedly");
        }
    }

    /// A new server goes on to `manageable` by itself; when Ironic does not take it, the reason stands on the node.
    async fn manage_new(&self, id: ServerId) {
        let outcome = async {
            let node = self.ironic.get_node(id).await?;
            if node.provision_state == ProvisionState::Enroll {
                self.ironic.set_provision_state(id, &ProvisionTarget::Manage).await?;
            }
            Ok::<_, ServiceError>(())
        };
        if let Err(error) = outcome.await {
            tracing::warn!(server = %id, %error, "a new server stays in enroll");
            let _ = self.inventory.set_reason(id, Some(&error.to_string())).await;
        }
    }
}
