//! Edges: physical servers and rack agents in the API, for administrators.

use std::{collections::HashMap, sync::Arc};

use api_types::{HardwareHealth, Node, NodeAction, NodeVerb, Page, PowerState};
use axum::{Json, extract::State, http::StatusCode};
use domain::{
    adoption::Stage,
    events::EventKind,
    lifecycle::{
        self, ProvisionState,
        admission::{self, Wish},
        permitted_boot,
    },
    records::{Server, TenantServer, TenantServerState},
    rim::{PowerTarget, ProvisionTarget, ServiceError, custom_resource},
};
use protocol::id::ServerId;
use serde::Deserialize;
use store::Healths;

use super::{
    Api, audit,
    auth::User,
    bmc_certificate::looked_at,
    firmware_updates,
    node_list::{self, Wanted},
    node_view::node_view,
    request::{JsonBody, Path, Query, one_of},
};
use crate::{audit::Asked, problem::Problem};

/// Longest reason for maintenance.
const REASON_BYTES_MAX: usize = 255;

/// Which servers a list shows.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
pub struct ListQuery {
    /// Only nodes in one of these provision states, separated by commas; `-` stands for a space.
    state: Option<String>,
    /// Only nodes of this rack.
    rack: Option<String>,
    /// Only nodes with this power.
    #[serde(default, deserialize_with = "one_of")]
    power: Option<PowerState>,
    /// Only nodes whose hardware has this health.
    #[serde(default, deserialize_with = "one_of")]
    health: Option<HardwareHealth>,
    /// Only nodes of this resource class.
    resource_class: Option<String>,
    /// Only nodes that this flavor selects; name or id.
    flavor: Option<String>,
    /// Only nodes with a tenant's server on them, or only those without.
    deployed: Option<bool>,
    /// Only nodes in maintenance, or only those that are not.
    maintenance: Option<bool>,
    /// Sort by `name`, `state`, `rack`, `power`, `class` or `since`; `-` before it reverses the order. Absent: by name.
    #[param(pattern = "^-?(name|state|rack|power|class|since)$")]
    sort: Option<String>,
    /// Number of nodes of a page, 1 to 1000. Absent: 1000.
    limit: Option<u32>,
    /// `next` of the previous page.
    marker: Option<String>,
}

/// Lists nodes, one page at a time.
#[utoipa::path(get, path = "/v1/nodes", params(ListQuery), responses((status = 200, body = Page<Node>), (status = 400, body = Problem)))]
pub async fn list(
    State(api): State<Arc<Api>>,
    user: User,
    Query(query): Query<ListQuery>,
) -> Result<Json<Page<Node>>, Problem> {
    let (sort, descending) = query.sort.as_deref().map(node_list::sort).transpose()?.unwrap_or_default();
    let flavor = match &query.flavor {
        Some(name) => {
            let found = api.find_flavor(&user, name).await;
            Some(found.map_err(|problem| problem.about("flavor"))?)
        }
        None => None,
    };
    let wanted = Wanted {
        states: query.state.as_deref().map(node_list::states).transpose()?.unwrap_or_default(),
        rack: query.rack,
        power: query.power,
        health: query.health,
        class: query.resource_class,
        deployed: query.deployed,
        maintenance: query.maintenance,
        sort,
        descending,
        limit: node_list::limit(query.limit)?,
        after: query.marker.as_deref().map(node_list::marker).transpose()?,
    };
    let mut servers = api.inventory.servers(None).await?;
    if let Some(flavor) = flavor {
        let asked =
            |class: &str| flavor.extra_specs.contains_key(&format!("resources:{}", custom_resource(class)));
        servers.retain(|server| asked(server.class()));
    }
    let beside = api.beside(None).await?;
    let shown = servers.into_iter().map(|server| api.node_view(server, &beside)).collect();
    Ok(Json(node_list::page(shown, &wanted)))
}

/// Shows a node with its ports and hardware.
#[utoipa::path(get, path = "/v1/nodes/{node}", params(("node" = String, Path, description = "name or id")), responses((status = 200, body = Node)))]
pub async fn show(State(api): State<Arc<Api>>, Path(name): Path<String>) -> Result<Json<Node>, Problem> {
    let server = api.find_node(&name).await?;
    let beside = api.beside(Some(server.id)).await?;
    Ok(Json(api.node_view(server, &beside)))
}

/// Starts an action on a node: a provision verb of Ironic, maintenance, power, reclaim, or one on its BMC.
#[utoipa::path(post, path = "/v1/nodes/{node}/actions", params(("node" = String, Path, description = "name or id")),
    request_body = NodeAction, responses((status = 202, body = Node), (status = 409, body = Problem)))]
pub async fn act(
    State(api): State<Arc<Api>>,
    user: User,
    change: Asked,
    Path(name): Path<String>,
    JsonBody(wanted): JsonBody<NodeAction>,
) -> Result<(StatusCode, Json<Node>), Problem> {
    change.does(&audit::word(&wanted.action));
    let server = api.find_node(&name).await?;
    let asked = api.do_action(&server, &wanted, user.name()).await?;
    let text = format!("{} asked for: {asked}", user.name());
    api.inventory.record(server.id, EventKind::Asked, text).await;
    // Answered with the new state, so that a caller who waits for the end does not see the beginning.
    api.read_anew(server.id).await;
    let server = api.find_node(&server.id.to_string()).await?;
    let beside = api.beside(Some(server.id)).await?;
    Ok((StatusCode::ACCEPTED, Json(api.node_view(server, &beside))))
}

/// Deletes a node from the inventory and from Ironic.
///
/// A deployed one is refused.
#[utoipa::path(delete, path = "/v1/nodes/{node}", params(("node" = String, Path, description = "name or id")),
    responses((status = 204), (status = 409, body = Problem)))]
pub async fn delete(State(api): State<Arc<Api>>, Path(name): Path<String>) -> Result<StatusCode, Problem> {
    let server = api.find_node(&name).await?;
    api.enroll.delete(server.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What is shown of servers that is not in their records.
pub(super) struct Beside {
    /// What the tenancies wait for that are to end.
    endings: HashMap<ServerId, String>,
    /// What is known of their hardware.
    healths: Healths,
    /// The updates of their firmware that are not over, as sentences.
    updates: HashMap<ServerId, String>,
}

impl Api {
    pub(super) async fn find_node(&self, name: &str) -> Result<Server, Problem> {
        let found = match name.parse::<ServerId>() {
            Ok(id) => self.inventory.server(id).await?,
            Err(_) => self.inventory.server_by_name(name).await?,
        };
        found.ok_or_else(|| Problem::not_found("node", name))
    }

    /// A server as administrators see it.
    pub(super) fn node_view(&self, server: Server, beside: &Beside) -> Node {
        let away = self.enroll.parts.presence.connection(&server.rack).reason();
        let health = beside.healths.of(&server, away.as_deref());
        let update = beside.updates.get(&server.id).cloned();
        node_view(server, away, &beside.endings, health, update)
    }

    /// What is shown of a server, or of all, that is not in its record.
    pub(super) async fn beside(&self, server: Option<ServerId>) -> Result<Beside, Problem> {
        let healths = Healths::read(&self.inventory, &self.agents.limits, server).await?;
        let open = self.inventory.open_updates().await?;
        let updates = open.iter().map(|update| (update.server, firmware_updates::note(update))).collect();
        Ok(Beside { endings: self.endings().await?, healths, updates })
    }

    /// What the tenancies wait for that are to end, by the server on which they are or were.
    async fn endings(&self) -> Result<HashMap<ServerId, String>, Problem> {
        let ends = |tenant: TenantServer| {
            let waits = tenant.reason.as_ref().map(|reason| format!(": {}", reason.text)).unwrap_or_default();
            let text = format!("{} is being given back{waits}", tenant.name);
            tenant.node.filter(|_| tenant.state == TenantServerState::Deleting).map(|node| (node, text))
        };
        Ok(self.inventory.tenant_servers(None).await?.into_iter().filter_map(ends).collect())
    }

    /// Does it, and says in words what was asked.
    async fn do_action(&self, server: &Server, wanted: &NodeAction, who: &str) -> Result<String, Problem> {
        let (id, name) = (server.id, server.name.as_str());
        let steps = &wanted.steps;
        if wanted.action == NodeVerb::Clean {
            admission::admit_steps(steps).map_err(|why| Problem::bad_at("steps", why))?;
        } else if !steps.is_empty() {
            return Err(Problem::bad_at("steps", "only the action clean takes steps"));
        }
        let reason = wanted.reason.as_deref().map(str::trim).unwrap_or_default();
        let is_reason = (1..=REASON_BYTES_MAX).contains(&reason.len());
        if wanted.action == NodeVerb::MaintenanceOn && !is_reason {
            let why = format!(
                "must have 1 to {REASON_BYTES_MAX} characters; it is shown to everyone who looks at the server"
            );
            return Err(Problem::bad_at("reason", why));
        }
        if let Some(done) = self.do_to_bmc(server, wanted, who).await? {
            return Ok(done);
        }
        let is_power = matches!(wanted.action, NodeVerb::PowerOn | NodeVerb::PowerOff | NodeVerb::Reboot);
        let doubt = server.bmc_doubt.as_ref().map(|doubt| server.words_of(doubt));
        if let Some(words) = doubt.or_else(|| server.certificate_words()).filter(|_| is_power) {
            return Err(Problem::conflict(words));
        }
        let node = self.fresh_node(server).await?;
        self.refuse_while_adopted(server, wanted.action).await?;
        let provision = async |target: ProvisionTarget| {
            self.ironic.set_provision_state(id, &target).await?;
            Ok::<_, Problem>(target.verb().to_owned())
        };
        let power = async |target: PowerTarget| {
            self.ironic.set_power_state(id, target).await?;
            Ok::<_, Problem>(target.as_str().to_owned())
        };
        match wanted.action {
            NodeVerb::Manage => {
                // After a failed clean Ironic keeps a node in maintenance, in which it heeds no ramdisk. To manage it is to
                // say that somebody has looked at it; left in maintenance, its next clean would wait for ever.
                if node.maintenance && node.provision_state == ProvisionState::CleanFailed {
                    self.ironic.set_maintenance(id, None).await?;
                }
                provision(ProvisionTarget::Manage).await
            }
            NodeVerb::Inspect => {
                admission::admit(name, &node, Wish::Ramdisk)?;
                self.admit_take_over(server).await?;
                provision(ProvisionTarget::Inspect).await
            }
            NodeVerb::Provide => {
                admission::admit(name, &node, Wish::Ramdisk)?;
                self.admit_take_over(server).await?;
                provision(ProvisionTarget::Provide).await
            }
            NodeVerb::Abort => provision(ProvisionTarget::Abort).await,
            NodeVerb::Clean => {
                admission::admit(name, &node, Wish::Clean)?;
                self.admit_take_over(server).await?;
                provision(ProvisionTarget::Clean { steps: steps.clone() }).await?;
                Ok(format!("clean: {}", steps.join(", ")))
            }
            NodeVerb::MaintenanceOn => {
                self.ironic.set_maintenance(id, Some(reason)).await?;
                Ok(format!("maintenance ({reason})"))
            }
            NodeVerb::MaintenanceOff => {
                self.ironic.set_maintenance(id, None).await?;
                Ok("the end of maintenance".to_owned())
            }
            NodeVerb::PowerOn => {
                self.admit_power_on(server, &node).await?;
                power(PowerTarget::On).await
            }
            NodeVerb::PowerOff => power(PowerTarget::Off).await,
            NodeVerb::Reboot => {
                self.admit_power_on(server, &node).await?;
                power(PowerTarget::Reboot).await
            }
            NodeVerb::Reclaim => {
                // Read afresh, and already known here to whoever waits for the end.
                self.inventory.set_node(id, Some(&node)).await?;
                Ok(self.tenancy.reclaim(name, &node).await?)
            }
            NodeVerb::AcceptBmc
            | NodeVerb::RetryBmc
            | NodeVerb::AcceptCertificate
            | NodeVerb::RefuseCertificate => {
                Err(Problem::conflict(format!("{name}: that is done at its BMC, and was not done here")))
            }
        }
    }

    /// What is done to a BMC: nothing that Ironic says bears on it, and nothing waits for Ironic. None: it is something else.
    async fn do_to_bmc(
        &self,
        server: &Server,
        wanted: &NodeAction,
        who: &str,
    ) -> Result<Option<String>, Problem> {
        let id = server.id;
        let done = match wanted.action {
            NodeVerb::AcceptBmc => self.enroll.accept_bmc(id).await,
            NodeVerb::RetryBmc => self.enroll.retry_bmc(server).await,
            NodeVerb::AcceptCertificate => self.enroll.accept_certificate(id, looked_at(wanted)?).await,
            NodeVerb::RefuseCertificate => self.enroll.refuse_certificate(id, looked_at(wanted)?, who).await,
            NodeVerb::Manage
            | NodeVerb::Inspect
            | NodeVerb::Provide
            | NodeVerb::Abort
            | NodeVerb::Clean
            | NodeVerb::MaintenanceOn
            | NodeVerb::MaintenanceOff
            | NodeVerb::PowerOn
            | NodeVerb::PowerOff
            | NodeVerb::Reboot
            | NodeVerb::Reclaim => return Ok(None),
        };
        Ok(Some(done?))
    }

    /// A server that somebody wants to adopt is in use: what boots the ramdisk would end that.
    async fn refuse_while_adopted(&self, server: &Server, verb: NodeVerb) -> Result<(), Problem> {
        let ends_it = match verb {
            NodeVerb::Inspect | NodeVerb::Provide | NodeVerb::Clean | NodeVerb::PowerOff => true,
            NodeVerb::Manage
            | NodeVerb::Abort
            | NodeVerb::MaintenanceOn
            | NodeVerb::MaintenanceOff
            | NodeVerb::PowerOn
            | NodeVerb::Reboot
            | NodeVerb::Reclaim
            | NodeVerb::AcceptBmc
            | NodeVerb::RetryBmc
            | NodeVerb::AcceptCertificate
            | NodeVerb::RefuseCertificate => false,
        };
        let adoption = match ends_it {
            true => self.inventory.adoption(server.id).await?,
            false => None,
        };
        match adoption.filter(|adoption| adoption.stage != Stage::Done) {
            None => Ok(()),
            Some(adoption) => Err(Problem::conflict(format!(
                "{} is to be adopted as {}, so it may be in use: adopt it (bmsctl node adopt), or forget it (bmsctl node delete) and \
                 import it again if it is not",
                server.name, adoption.wanted.name
            ))),
        }
    }

    /// The first boot of our ramdisk takes a server's ports over: whose they are is said at once. What Contrail cannot say now the gate asks
    /// again.
    async fn admit_take_over(&self, server: &Server) -> Result<(), Problem> {
        if server.ports_given {
            return Ok(());
        }
        match self.enroll.parts.mover.check(server).await {
            Err(error) if error.is_somebody_elses() => Err(Problem::conflict(error.to_string())),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// The gate decides when Ironic comes; what it would refuse in any case is said at once.
    async fn admit_power_on(&self, server: &Server, node: &lifecycle::Node) -> Result<(), Problem> {
        let tenant = self.inventory.tenant_port(server, node.instance_id).await?;
        let agent_is_here = self.enroll.parts.presence.connection(&server.rack).is_connected();
        let power = server.power_facts(agent_is_here);
        permitted_boot(&server.name, node, &power, server.ports_given, tenant)?;
        Ok(())
    }

    async fn fresh_node(&self, server: &Server) -> Result<lifecycle::Node, Problem> {
        self.ironic.get_node(server.id).await.map_err(|error| match error {
            ServiceError::NotFound { .. } => Problem::conflict(format!(
                "Ironic has no node of {} yet; its reason says why (bmsctl node show)",
                server.name
            )),
            other => other.into(),
        })
    }

    /// Stores what Ironic says of a node now.
    pub(super) async fn read_anew(&self, id: ServerId) {
        match self.enroll.parts.provisioner.get_node(id).await {
            Ok(node) => {
                if let Err(error) = self.inventory.set_node(id, node.as_ref()).await {
                    tracing::warn!(server = %id, %error, "new state of a node not stored");
                }
            }
            Err(error) => tracing::warn!(server = %id, %error, "new state of a node not read"),
        }
        self.enroll.parts.wake.wake(id);
    }
}
