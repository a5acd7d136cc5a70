//! Edges: adopting servers in use, for administrators: a file, whole or not at all, and how its servers stand.

use std::{collections::HashMap, sync::Arc};

use api_types::{Adopted, AdoptedNetwork, AdoptedNode, Adoption, Fault, List};
use axum::{Json, extract::State, http::StatusCode};
use coordinator_core::adoption::work::owners;
use domain::{
    adoption::{
        Stage, WantedInstance, WantedNetworkOf,
        judge::{Match, Question, judge},
    },
    events::EventKind,
    import::{self, Defaults, ImportedNode, Planned, Running, ServersInUse},
    lifecycle::ProvisionState,
    records::Server,
    rim::{Caller, Flavor, Image, ServiceError, TenantNetwork},
};
use protocol::id::{RackId, ServerId};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    Api,
    auth::User,
    import::read_file,
    request::{Path, Query},
};
use crate::problem::Problem;

/// How a file is adopted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
pub struct AdoptQuery {
    /// Rack of new nodes for which the file names none.
    rack: String,
    /// Resource class of new nodes for which the file names none. Absent: `baremetal`.
    #[serde(default = "default_class")]
    resource_class: String,
    /// Only check everything and show what was found; change nothing.
    #[serde(default)]
    dry_run: bool,
}

fn default_class() -> String {
    "baremetal".to_owned()
}

/// Adopts the running servers of a file, all of them or none.
///
/// Their power, disks and ports are not touched. The file is an import file (YAML or JSON) with an `instance` in every entry:
/// `name`, `project`, `image`, `flavor`, `networks` with an `address` each, and `make_ports: true` if Contrail does not have
/// their ports yet. The adoptions continue after the answer.
#[utoipa::path(post, path = "/v1/nodes/adopt", params(AdoptQuery), request_body(content = String, content_type = "application/yaml"),
    responses((status = 202, body = Adopted), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub async fn adopt(
    State(api): State<Arc<Api>>,
    user: User,
    Query(query): Query<AdoptQuery>,
    text: String,
) -> Result<(StatusCode, Json<Adopted>), Problem> {
    let rack: RackId = query.rack.parse().map_err(|error| Problem::bad_at("rack", error))?;
    let read = read_file(move || import::parse_running(&text, true)).await?;
    let known = api.inventory.servers(None).await?;
    let defaults = Defaults { rack, resource_class: query.resource_class };
    let nodes: Vec<ImportedNode> = read.iter().map(|(node, _)| node.clone()).collect();
    let (mut faults, planned) = match import::plan(nodes, &known, &defaults, ServersInUse::KeepBmc) {
        Ok(planned) => (Vec::new(), planned),
        Err(faults) => (faults, Vec::new()),
    };
    let resolved = api.resolve(&read, &mut faults).await?;
    if !faults.is_empty() {
        return Err(refused(faults));
    }
    let mut asked = Vec::with_capacity(planned.len());
    let interfaces = api.adoptions.interfaces.all_interfaces().await?;
    let earlier = api.inventory.adoptions().await?;
    let names = Names::read(&api).await?;
    let owners = owners(&api.inventory, None).await?;
    for (number, ((planned, wanted), (_, running))) in planned.iter().zip(resolved).zip(&read).enumerate() {
        let (Some(wanted), Some(running)) = (wanted, running) else { continue };
        let server = known.iter().find(|server| Some(server.id) == planned.id);
        let before = earlier.iter().find(|adoption| Some(adoption.server) == planned.id);
        let mut fault = |field: &str, message: String| {
            faults.push(Fault { line: running.line, path: format!("nodes[{number}].{field}"), message });
        };
        if let Some(before) = before.filter(|before| before.stage != Stage::Failed) {
            if before.wanted == wanted {
                asked.push(Asked { planned, wanted, tenant: before.tenant, matches: None });
            } else {
                let word = if before.stage.is_open() { "being adopted" } else { "adopted" };
                let message = format!(
                    "{} is already {word}, as {} with another description; give that back first",
                    planned.server.name, before.wanted.name
                );
                fault("instance", message);
            }
            continue;
        }
        if let Some(message) = server.and_then(why_not) {
            fault("name", message);
        }
        if let Some(message) = names.taken(&wanted) {
            fault("instance.name", message);
        }
        let tenant = before.map_or_else(Uuid::new_v4, |before| before.tenant);
        let made: Vec<Uuid> =
            (0..wanted.networks.len()).map(|position| domain::tenancy::port_of(tenant, position)).collect();
        let judged = judge(Question {
            cables: &planned.server.ports,
            wanted: &wanted,
            interfaces: &interfaces,
            made: &made,
            owners: &owners,
        });
        match judged {
            Ok(matches) => asked.push(Asked { planned, wanted, tenant, matches: Some(matches) }),
            Err(against) => against.into_iter().for_each(|one| fault(&one.field, one.message)),
        }
    }
    if !faults.is_empty() {
        return Err(refused(faults));
    }
    let mut shown: Vec<AdoptedNode> = asked.iter().map(Asked::view).collect();
    if !query.dry_run {
        let ids = api.take(&asked, user.name()).await?;
        for (node, id) in shown.iter_mut().zip(ids) {
            node.id = Some(id.0);
        }
    }
    Ok((StatusCode::ACCEPTED, Json(Adopted { nodes: shown, dry_run: query.dry_run })))
}

/// Lists adoptions: completed, running and failed ones.
#[utoipa::path(get, path = "/v1/adoptions", responses((status = 200, body = List<Adoption>)))]
pub async fn list(State(api): State<Arc<Api>>) -> Result<Json<List<Adoption>>, Problem> {
    let servers = api.inventory.servers(None).await?;
    let names: HashMap<ServerId, String> =
        servers.into_iter().map(|server| (server.id, server.name)).collect();
    let adoptions = api.inventory.adoptions().await?;
    let view = |adoption: domain::adoption::Adoption| {
        let name = names.get(&adoption.server).cloned().unwrap_or_default();
        view(adoption, name)
    };
    Ok(Json(List { items: adoptions.into_iter().map(view).collect() }))
}

/// Shows a node's adoption.
#[utoipa::path(get, path = "/v1/adoptions/{node}", params(("node" = String, Path, description = "name or id")),
    responses((status = 200, body = Adoption), (status = 404, body = Problem)))]
pub async fn show(State(api): State<Arc<Api>>, Path(name): Path<String>) -> Result<Json<Adoption>, Problem> {
    let server = api.find_node(&name).await?;
    let adoption = api.inventory.adoption(server.id).await?;
    let adoption = adoption.ok_or_else(|| Problem::not_found("adoption of", &name))?;
    Ok(Json(view(adoption, server.name)))
}

fn view(adoption: domain::adoption::Adoption, name: String) -> Adoption {
    let next = match adoption.stage {
        Stage::Asked => "verified by Ironic",
        Stage::Verifying => "compared with Contrail once more, and taken by Ironic",
        Stage::Adopting => "active",
        Stage::Done => "in use until it is given back (server delete, node reclaim)",
        Stage::Failed => "fix what the reason says and adopt it again, or delete it (node delete)",
    };
    Adoption {
        node: adoption.server.0,
        name,
        server: adoption.tenant,
        server_name: adoption.wanted.name,
        project_id: adoption.wanted.project_id,
        stage: adoption.stage,
        reason: adoption.reason,
        asked: super::time(adoption.asked_us),
        next: next.to_owned(),
    }
}

/// A server that is to be adopted. Without matches it is already, or is on its way.
struct Asked<'a> {
    planned: &'a Planned,
    wanted: WantedInstance,
    tenant: Uuid,
    matches: Option<Vec<Match>>,
}

impl Asked<'_> {
    fn view(&self) -> AdoptedNode {
        let found = |position: usize| self.matches.as_ref().and_then(|matches| matches.get(position));
        let network = |(position, network): (usize, &WantedNetworkOf)| AdoptedNetwork {
            network: network.name.clone(),
            address: network.address.to_string(),
            port: found(position).map(|found| found.port.clone()).unwrap_or_default(),
            interface: found(position).and_then(|found| found.interface),
        };
        AdoptedNode {
            id: self.planned.id.map(|id| id.0),
            name: self.planned.server.name.clone(),
            created: self.planned.id.is_none(),
            changes: self.planned.changes.clone(),
            unchanged: self.matches.is_none(),
            server: self.wanted.name.clone(),
            project_id: self.wanted.project_id.clone(),
            networks: self.wanted.networks.iter().enumerate().map(network).collect(),
        }
    }
}

fn refused(mut faults: Vec<Fault>) -> Problem {
    faults.sort_by_key(|fault| fault.line);
    faults.truncate(import::FAULTS_MAX);
    Problem::faults(faults)
}

/// Why a server that is known cannot be one in use.
fn why_not(server: &Server) -> Option<String> {
    let state = server.node.as_ref().map(|node| &node.provision_state);
    match state {
        _ if server.ports_given => Some(format!(
            "{} was inspected, cleaned or deployed by BMS Manager{}: only a server that BMS Manager does not manage yet \
             can be adopted",
            server.name,
            state.map(|state| format!(" and is {state}")).unwrap_or_default()
        )),
        None
        | Some(
            ProvisionState::Enroll
            | ProvisionState::Verifying
            | ProvisionState::Manageable
            | ProvisionState::AdoptFailed,
        ) => None,
        Some(other) => {
            Some(format!("{} is {other}: only a server that is enroll or manageable is adopted", server.name))
        }
    }
}

/// Names that tenants' servers have, by project.
struct Names(Vec<(String, String)>);

impl Names {
    async fn read(api: &Api) -> Result<Self, Problem> {
        let all = api.inventory.tenant_servers(None).await?;
        Ok(Self(all.into_iter().map(|server| (server.project_id, server.name)).collect()))
    }

    fn taken(&self, wanted: &WantedInstance) -> Option<String> {
        let is_same =
            |(project, name): &(String, String)| (project, name) == (&wanted.project_id, &wanted.name);
        self.0.iter().any(is_same).then(|| format!("the project already has a server {:?}", wanted.name))
    }
}

/// What there is to choose from.
struct Catalogue {
    images: Vec<Image>,
    flavors: Vec<Flavor>,
}

impl Api {
    /// Stores servers and adoptions; the rest follows by itself.
    async fn take(&self, asked: &[Asked<'_>], user: &str) -> Result<Vec<ServerId>, Problem> {
        let new: Vec<_> = asked.iter().filter(|asked| asked.matches.is_some()).collect();
        let pairs: Vec<_> = new.iter().map(|asked| (asked.planned.id, &asked.planned.server)).collect();
        let asked_us = self.inventory.clock().now_us();
        let adoption = |(server, asked): (&ServerId, &&Asked<'_>)| domain::adoption::Adoption {
            server: *server,
            tenant: asked.tenant,
            wanted: asked.wanted.clone(),
            stage: Stage::Asked,
            reason: None,
            asked_us,
        };
        let stored =
            self.enroll.store_adopted(&pairs, |ids| ids.iter().zip(&new).map(adoption).collect()).await?;
        for (server, asked) in stored.iter().zip(&new) {
            let text = format!("{user} asked for: adopt as {}", asked.wanted.name);
            self.inventory.record(server.id, EventKind::Asked, text).await;
        }
        self.adoptions.asked.notify_one();
        let mut new_ids = stored.into_iter().map(|server| server.id);
        let id = |asked: &Asked<'_>| match asked.matches {
            Some(_) => new_ids.next(),
            None => asked.planned.id,
        };
        Ok(asked.iter().filter_map(id).collect())
    }

    /// Finds everything that the file names; what is not there is a fault.
    pub(super) async fn resolve(
        &self,
        read: &[(ImportedNode, Option<Running>)],
        faults: &mut Vec<Fault>,
    ) -> Result<Vec<Option<WantedInstance>>, Problem> {
        if read.iter().all(|(_, running)| running.is_none()) {
            return Ok(vec![None; read.len()]);
        }
        let catalogue = Catalogue {
            images: self.glance.list_images(Caller::Service).await?,
            flavors: self.nova.list_flavors(Caller::Service).await?,
        };
        let mut networks: HashMap<String, Vec<TenantNetwork>> = HashMap::new();
        let mut resolved = Vec::with_capacity(read.len());
        for (number, (_, running)) in read.iter().enumerate() {
            let Some(running) = running else {
                resolved.push(None);
                continue;
            };
            let mut fault = |field: &str, message: String| {
                let path = format!("nodes[{number}].instance.{field}");
                faults.push(Fault { line: running.line, path, message });
            };
            let project = match self.authenticator.identity.find_project(&running.project).await {
                Ok(project) => Some(project.id),
                Err(ServiceError::NotFound { .. }) => {
                    fault("project", format!("there is no project {:?} in Keystone", running.project));
                    None
                }
                Err(error) => return Err(error.into()),
            };
            let image = catalogue.image(running, project.as_deref());
            let image = image.map_err(|message| fault("image", message)).ok();
            let flavor = catalogue.flavor(running).map_err(|message| fault("flavor", message)).ok();
            let Some(project_id) = project else {
                resolved.push(None);
                continue;
            };
            if !networks.contains_key(&project_id) {
                let listed = self.networks.list_networks(Some(&project_id)).await?;
                networks.insert(project_id.clone(), listed);
            }
            let found = find_networks(running, &networks[&project_id], &mut fault);
            resolved.push(match (image, flavor, found) {
                (Some(image), Some(flavor), Some(networks)) => Some(WantedInstance {
                    name: running.name.clone(),
                    project_id,
                    image,
                    flavor,
                    networks,
                    make_ports: running.make_ports,
                }),
                _ => None,
            });
        }
        Ok(resolved)
    }
}

impl Catalogue {
    fn image(&self, running: &Running, project: Option<&str>) -> Result<String, String> {
        let name = &running.image;
        let sees = |image: &&Image| {
            image.visibility == "public"
                || image.visibility == "community"
                || project.is_none()
                || image.owner.as_deref() == project
        };
        let by_id = self.images.iter().find(|image| image.id == *name);
        let mut named = self.images.iter().filter(|image| image.name.as_ref() == Some(name));
        // An id means one, whatever others are called.
        match (by_id.or_else(|| named.next()), named.next().filter(|_| by_id.is_none())) {
            (None, _) => Err(format!("there is no image {name:?} in Glance")),
            (Some(_), Some(_)) => Err(format!("several images are named {name:?}; name one by its id")),
            (Some(image), None) if !sees(&image) => {
                Err(format!("image {name:?} belongs to another project, and is not public"))
            }
            (Some(image), None) if image.status != "active" => {
                Err(format!("image {name:?} is {}, not active", image.status))
            }
            (Some(image), None) => Ok(image.id.clone()),
        }
    }

    fn flavor(&self, running: &Running) -> Result<String, String> {
        let name = &running.flavor;
        let found = self.flavors.iter().find(|flavor| flavor.id == *name || flavor.name == *name);
        found.map(|flavor| flavor.id.clone()).ok_or_else(|| format!("there is no flavor {name:?} in Nova"))
    }
}

fn find_networks(
    running: &Running,
    networks: &[TenantNetwork],
    fault: &mut impl FnMut(&str, String),
) -> Option<Vec<WantedNetworkOf>> {
    let mut found = Vec::new();
    for (position, one) in running.networks.iter().enumerate() {
        let id = one.network.parse::<Uuid>().ok();
        match networks.iter().find(|network| Some(network.id) == id || network.name == one.network) {
            Some(network) => found.push(WantedNetworkOf {
                network: network.id,
                name: network.name.clone(),
                address: one.address,
            }),
            None => {
                let message =
                    format!("project {:?} has no network {:?} in Contrail", running.project, one.network);
                fault(&format!("networks[{position}].network"), message);
            }
        }
    }
    (found.len() == running.networks.len()).then_some(found)
}
