//! Edges: tenants' servers in the API.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use api_types::{Attachment, List, NewServer, Server, ServerAction, ServerStatus, ServerVerb};
use axum::{Json, extract::State, http::StatusCode};
use base64::Engine;
use coordinator_core::tenancy::Request;
use domain::{
    lifecycle::{
        ProvisionState,
        admission::is_in_rescue,
        outlook::{Outlook, tenant_outlook},
    },
    records::{TenantPortRecord, TenantServer, TenantServerState},
    rim::PowerTarget,
    tenancy::reasons::{Reasons, tenants_reason},
};
use store::InventoryError;
use uuid::Uuid;

use super::{
    Api,
    attach::of_network,
    audit,
    auth::{Tenant, User},
    password,
    request::{JsonBody, Path},
};
use crate::{audit::Asked, problem::Problem};

/// Largest user data, as Nova takes it.
const USER_DATA_BYTES_MAX: usize = 48 << 10;

/// Lists the servers of the caller's project; for administrators of all projects.
#[utoipa::path(get, path = "/v1/servers", responses((status = 200, body = List<Server>)))]
pub async fn list(State(api): State<Arc<Api>>, user: User) -> Result<Json<List<Server>>, Problem> {
    let servers = api.inventory.tenant_servers(user.sees()?).await?;
    Ok(Json(List { items: api.all_shown(servers, &user).await? }))
}

/// Shows a server.
#[utoipa::path(get, path = "/v1/servers/{server}", params(("server" = String, Path, description = "name or id")), responses((status = 200, body = Server)))]
pub async fn show(
    State(api): State<Arc<Api>>,
    user: User,
    Path(name): Path<String>,
) -> Result<Json<Server>, Problem> {
    let server = api.find_server(&user, &name).await?;
    api.shown(server, &user).await
}

/// Creates a server: a physical server with an image and networks.
#[utoipa::path(post, path = "/v1/servers", request_body = NewServer, responses((status = 202, body = Server)))]
pub async fn create(
    State(api): State<Arc<Api>>,
    tenant: Tenant,
    JsonBody(wanted): JsonBody<NewServer>,
) -> Result<(StatusCode, Json<Server>), Problem> {
    let Tenant { user, project_id, .. } = tenant;
    let name_is_good = (1..=63).contains(&wanted.name.len())
        && wanted.name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        && !wanted.name.starts_with('-');
    if !name_is_good {
        return Err(Problem::bad_at("name", "must have 1 to 63 letters, digits or -, and not begin with -"));
    }
    if wanted.user_data.as_ref().is_some_and(|data| data.len() > USER_DATA_BYTES_MAX) {
        return Err(Problem::bad_at("user_data", format!("must have at most {USER_DATA_BYTES_MAX} bytes")));
    }
    // The name of one that is being given back is free: its clean may take hours.
    let has_the_name =
        |server: &TenantServer| server.name == wanted.name && server.state != TenantServerState::Deleting;
    if api.inventory.tenant_servers(Some(&project_id)).await?.iter().any(has_the_name) {
        return Err(Problem::conflict_at(
            "name",
            format!("the project already has a server {:?}", wanted.name),
        ));
    }
    let flavor = api.find_flavor(&user, &wanted.flavor).await.map_err(|problem| problem.about("flavor"))?;
    let image = api.find_image(&user, &wanted.image).await.map_err(|problem| problem.about("image"))?;
    image.to_ref().map_err(|why| Problem::conflict_at("image", why))?;
    api.refuse_unfit(&image, &flavor).await?;
    let (attachments, security_groups) = api.attachments(&project_id, &wanted, &flavor).await?;
    let request = Request {
        name: wanted.name.clone(),
        project_id,
        flavor,
        image_id: image.id,
        attachments,
        security_groups,
        key_name: wanted.key_name.clone(),
        user_data: wanted
            .user_data
            .as_ref()
            .map(|data| base64::engine::general_purpose::STANDARD.encode(data)),
    };
    let server = api.tenancy.create(user.caller(), request).await;
    let server = server.map_err(|error| of_network(error, &wanted))?;
    Ok((StatusCode::ACCEPTED, api.shown(server, &user).await?))
}

/// Starts an action on a server: start, stop, reboot, rebuild, rescue or unrescue.
#[utoipa::path(post, path = "/v1/servers/{server}/actions", params(("server" = String, Path, description = "name or id")),
    request_body = ServerAction, responses((status = 202, body = Server), (status = 409, body = Problem)))]
pub async fn act(
    State(api): State<Arc<Api>>,
    user: User,
    asked: Asked,
    Path(name): Path<String>,
    JsonBody(wanted): JsonBody<ServerAction>,
) -> Result<(StatusCode, Json<Server>), Problem> {
    asked.does(&audit::word(&wanted.action));
    let server = api.find_server(&user, &name).await?;
    if wanted.image.is_some() && wanted.action != ServerVerb::Rebuild {
        return Err(Problem::bad_at("image", "only the action rebuild takes an image"));
    }
    if wanted.hard && !matches!(wanted.action, ServerVerb::Stop | ServerVerb::Reboot) {
        return Err(Problem::bad_at("hard", "only the actions stop and reboot take it"));
    }
    if wanted.password.is_some() && wanted.action != ServerVerb::Rescue {
        return Err(Problem::bad_at("password", "only the action rescue takes a password"));
    }
    let mut rescue_password = None;
    match (wanted.action, wanted.hard) {
        (ServerVerb::Start, _) => api.tenancy.power(&server, PowerTarget::On, "start").await?,
        (ServerVerb::Stop, false) => api.tenancy.power(&server, PowerTarget::SoftOff, "stop").await?,
        (ServerVerb::Stop, true) => api.tenancy.power(&server, PowerTarget::Off, "stop").await?,
        (ServerVerb::Reboot, false) => api.tenancy.power(&server, PowerTarget::SoftReboot, "reboot").await?,
        (ServerVerb::Reboot, true) => api.tenancy.power(&server, PowerTarget::Reboot, "reboot").await?,
        (ServerVerb::Rebuild, _) => {
            let named = wanted
                .image
                .ok_or_else(|| Problem::bad_at("image", "is missing; give the image to write"))?;
            let image = api.find_image(&user, &named).await.map_err(|problem| problem.about("image"))?;
            image.to_ref().map_err(|why| Problem::conflict_at("image", why))?;
            api.tenancy.rebuild(user.caller(), server.clone(), &image.id).await?;
        }
        (ServerVerb::Rescue, _) => {
            let password = match wanted.password {
                Some(password) => {
                    password::checked(password).map_err(|why| Problem::bad_at("password", why))?
                }
                None => rescue_password.insert(password::made()).clone(),
            };
            api.tenancy.rescue(user.caller(), &server, password).await?;
        }
        (ServerVerb::Unrescue, _) => api.tenancy.unrescue(user.caller(), &server).await?,
    }
    let server = api.find_server(&user, &server.id.to_string()).await?;
    let Json(server) = api.shown(server, &user).await?;
    Ok((StatusCode::ACCEPTED, Json(Server { rescue_password, ..server })))
}

/// Deletes a server.
///
/// It is listed with the status `deleting`, and with what it is waiting for, until its machine is clean.
#[utoipa::path(delete, path = "/v1/servers/{server}", params(("server" = String, Path, description = "name or id")), responses((status = 202)))]
pub async fn delete(
    State(api): State<Arc<Api>>,
    user: User,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    let server = api.find_server(&user, &name).await?;
    api.tenancy.delete(user.caller(), server).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Names for the ids that a stored server holds.
struct Names {
    flavors: Vec<(String, String)>,
    images: Vec<(String, String)>,
    networks: Vec<(String, String)>,
    groups: Vec<(String, String)>,
    since: HashMap<Uuid, u64>,
}

fn left_out<T>(what: &str, error: &dyn std::error::Error) -> Vec<T> {
    tracing::warn!(what, %error, "names not read");
    Vec::new()
}

impl Names {
    /// Names are for people: when a service is away, its things are shown by their ids. Each service is asked once, however
    /// many servers there are, and Contrail for groups only when a server has any.
    async fn read(api: &Api, user: &User, has_groups: bool) -> Result<Self, Problem> {
        let caller = user.caller();
        let seen = user.sees()?;
        let groups =
            async { if has_groups { api.networks.security_groups(seen).await } else { Ok(Vec::new()) } };
        let (flavors, images, networks, groups) = tokio::join!(
            api.nova.list_flavors(caller),
            api.glance.list_images(caller),
            api.networks.list_networks(seen),
            groups,
        );
        let groups = groups.unwrap_or_else(|error| left_out("security groups", &error));
        let flavors = flavors.unwrap_or_else(|error| left_out("flavors", &error));
        let images = images.unwrap_or_else(|error| left_out("images", &error));
        let networks = networks.unwrap_or_else(|error| left_out("networks", &error));
        Ok(Self {
            since: api.inventory.tenants_since().await?,
            flavors: flavors.into_iter().map(|f| (f.id, f.name)).collect(),
            images: images.into_iter().filter_map(|i| Some((i.id, i.name?))).collect(),
            networks: networks.into_iter().map(|n| (n.id.to_string(), n.name)).collect(),
            groups: groups.into_iter().map(|group| (group.id.to_string(), group.name)).collect(),
        })
    }
}

fn has_groups(ports: &[TenantPortRecord]) -> bool {
    ports.iter().any(|port| !port.security_groups.is_empty())
}

/// The status of a server in use that is in rescue, on its way there or back; none: it is not.
fn rescue_status(state: &ProvisionState, off: bool) -> Option<ServerStatus> {
    match state {
        ProvisionState::Rescuing | ProvisionState::RescueWait => Some(ServerStatus::Rescuing),
        ProvisionState::Rescue if !off => Some(ServerStatus::Rescue),
        ProvisionState::Unrescuing => Some(ServerStatus::Unrescuing),
        ProvisionState::RescueFailed | ProvisionState::UnrescueFailed => Some(ServerStatus::Error),
        ProvisionState::Rescue
        | ProvisionState::Enroll
        | ProvisionState::Verifying
        | ProvisionState::Manageable
        | ProvisionState::Adopting
        | ProvisionState::AdoptFailed
        | ProvisionState::Inspecting
        | ProvisionState::InspectWait
        | ProvisionState::InspectFailed
        | ProvisionState::Cleaning
        | ProvisionState::CleanWait
        | ProvisionState::CleanHold
        | ProvisionState::CleanFailed
        | ProvisionState::Available
        | ProvisionState::Deploying
        | ProvisionState::WaitCallBack
        | ProvisionState::DeployHold
        | ProvisionState::DeployFailed
        | ProvisionState::Active
        | ProvisionState::Deleting
        | ProvisionState::Error
        | ProvisionState::Servicing
        | ProvisionState::ServiceWait
        | ProvisionState::ServiceHold
        | ProvisionState::ServiceFailed
        | ProvisionState::Unknown(_) => None,
    }
}

/// The name of an id, or the id when it has none any more.
fn name_of(names: &[(String, String)], id: &str) -> String {
    names.iter().find(|(known, _)| known == id).map_or(id, |(_, name)| name).to_owned()
}

impl Api {
    pub(super) async fn find_server(&self, user: &User, name: &str) -> Result<TenantServer, Problem> {
        let id = name.parse::<Uuid>().ok();
        let all = self.inventory.tenant_servers(user.sees()?).await?;
        let by_id = |server: &&TenantServer| id.is_some() && (Some(server.id) == id || server.instance == id);
        if let Some(found) = all.iter().find(by_id) {
            return Ok(found.clone());
        }
        let named: Vec<TenantServer> = all.into_iter().filter(|server| server.name == name).collect();
        // A name means the server that has it now, and one that is being given back only when nobody else has it.
        let stays = |server: &TenantServer| server.state != TenantServerState::Deleting;
        let one_stays = named.iter().any(stays);
        let mut named = named.into_iter().filter(|server| !one_stays || stays(server));
        match (named.next(), named.next()) {
            (Some(found), None) => Ok(found),
            (None, _) => Err(Problem::not_found("server", name)),
            (Some(_), Some(_)) => {
                Err(Problem::conflict(format!("several servers are named {name:?}; name one by its id")))
            }
        }
    }

    /// Why a server is as it is, in its tenant's words: nothing of what its machine, Ironic, Nova or Contrail say of it.
    async fn tenants_reason(
        &self,
        server: &TenantServer,
        rescue_failed: bool,
    ) -> Result<Option<&'static str>, InventoryError> {
        let machine = match server.node {
            Some(node) => self.inventory.trouble(node).await?,
            None => None,
        };
        let record = server.reason.as_ref().map(|reason| reason.kind);
        Ok(tenants_reason(&Reasons { record, rescue_failed, machine }))
    }

    async fn shown(&self, server: TenantServer, user: &User) -> Result<Json<Server>, Problem> {
        let ports = self.inventory.tenant_ports(server.id).await?;
        let names = Names::read(self, user, has_groups(&ports)).await?;
        self.view(server, ports, user, &names).await.map(Json)
    }

    async fn all_shown(&self, servers: Vec<TenantServer>, user: &User) -> Result<Vec<Server>, Problem> {
        if servers.is_empty() {
            return Ok(Vec::new());
        }
        let mut with_ports = Vec::new();
        for server in servers {
            let ports = self.inventory.tenant_ports(server.id).await?;
            with_ports.push((server, ports));
        }
        let names = Names::read(self, user, with_ports.iter().any(|(_, ports)| has_groups(ports))).await?;
        let mut shown = Vec::new();
        for (server, ports) in with_ports {
            shown.push(self.view(server, ports, user, &names).await?);
        }
        Ok(shown)
    }

    async fn view(
        &self,
        server: TenantServer,
        ports: Vec<TenantPortRecord>,
        user: &User,
        names: &Names,
    ) -> Result<Server, Problem> {
        let physical = match server.node {
            Some(node) => self.inventory.server(node).await?,
            None => None,
        };
        let off = physical.as_ref().is_some_and(|node| node.off_since_us.is_some());
        let ironic = physical.as_ref().and_then(|node| node.node.as_ref());
        let rescue = ironic.and_then(|node| rescue_status(&node.provision_state, off));
        let rescue_failed = rescue == Some(ServerStatus::Error);
        let failure = ironic.filter(|_| rescue_failed).and_then(|node| node.last_error.clone());
        let status = match server.state {
            TenantServerState::Requested | TenantServerState::Building => ServerStatus::Building,
            TenantServerState::Active => {
                rescue.unwrap_or(if off { ServerStatus::Off } else { ServerStatus::Active })
            }
            TenantServerState::Deleting => ServerStatus::Deleting,
            TenantServerState::Error => ServerStatus::Error,
        };
        let groups: BTreeSet<Uuid> = ports.iter().flat_map(|port| port.security_groups.clone()).collect();
        let security_groups = groups.iter().map(|id| name_of(&names.groups, &id.to_string())).collect();
        let networks = ports
            .into_iter()
            .map(|port| Attachment {
                network: name_of(&names.networks, &port.network.to_string()),
                address: port.address.map(|address| address.to_string()).unwrap_or_default(),
                vlan: port.vlan,
                port: port.id,
            })
            .collect();
        let physical = physical.as_ref();
        let Outlook { waiting_for, next } = tenant_outlook(
            server.state,
            physical.and_then(|node| node.node.as_ref()),
            physical.and_then(|node| node.confirmed),
        );
        let in_state_us = names.since.get(&server.id).copied().unwrap_or(server.created_us);
        let off_us = physical.and_then(|node| node.off_since_us).filter(|_| status == ServerStatus::Off);
        let rescue_us = physical.and_then(|node| node.node.as_ref()?.since_us).filter(|_| rescue.is_some());
        let reason = if user.sees_all() {
            let own = server.reason.as_ref().map(|reason| reason.text.clone());
            own.or(failure).or_else(|| physical.and_then(|node| node.reason.clone()))
        } else {
            self.tenants_reason(&server, rescue_failed).await?.map(str::to_owned)
        };
        Ok(Server {
            state_since: super::time(off_us.or(rescue_us).unwrap_or(in_state_us)),
            waiting_for,
            next,
            id: server.id,
            instance: server.instance,
            name: server.name,
            project_id: server.project_id,
            flavor: name_of(&names.flavors, &server.flavor),
            image: name_of(&names.images, &server.image),
            network: name_of(&names.networks, &server.network.to_string()),
            address: server.address.map(|address| address.to_string()).unwrap_or_default(),
            networks,
            security_groups,
            status,
            in_rescue: is_in_rescue(server.state, ironic),
            reason,
            node: server.node.map(|node| node.0).filter(|_| user.sees_all()),
            rescue_password: None,
        })
    }
}
