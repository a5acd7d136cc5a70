//! Edges: physical servers and rack agents in the API, for administrators.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
};
use protocol::{
    boot::BootMode,
    hardware::HardwareReport,
    id::{RackId, ServerId},
    power::PowerReading,
    spec::BmcProtocol,
};
use serde::Deserialize;

use super::{
    Api,
    auth::Admin,
    types::{
        Agent, Bmc, Fault, Hardware, HardwareDisk, HardwareNic, Imported, ImportedNode, List, Node,
        NodeAction, NodePort, NodeVerb, Problem,
    },
};
use crate::{
    import,
    inventory::{NewPort, NewServer, Server},
    lifecycle::ProvisionState,
    openstack::{error::Error as OpenStackError, ironic::ProvisionTarget},
    port::{ObservedNetwork, WantedNetwork},
};

/// All servers.
#[utoipa::path(get, path = "/v1/nodes", responses((status = 200, body = List<Node>)))]
pub async fn list(State(api): State<Arc<Api>>, _: Admin) -> Result<Json<List<Node>>, Problem> {
    let servers = api.inventory.servers(None).await?;
    Ok(Json(List { items: servers.into_iter().map(|server| api.node_view(server)).collect() }))
}

/// One server with its ports and hardware.
#[utoipa::path(get, path = "/v1/nodes/{node}", params(("node" = String, Path, description = "name or id")), responses((status = 200, body = Node)))]
pub async fn show(
    State(api): State<Arc<Api>>,
    _: Admin,
    Path(name): Path<String>,
) -> Result<Json<Node>, Problem> {
    let server = api.find_node(&name).await?;
    Ok(Json(api.node_view(server)))
}

/// How a file is imported.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
pub struct ImportQuery {
    /// Rack of servers for which the file names none.
    rack: String,
    /// Resource class of servers for which the file names none.
    #[serde(default = "default_class")]
    resource_class: String,
    /// Check the file, change nothing.
    #[serde(default)]
    dry_run: bool,
}

fn default_class() -> String {
    "baremetal".to_owned()
}

/// Enrolls the servers of a file (Contrail's server import format), all of them or none.
#[utoipa::path(post, path = "/v1/nodes/import", params(ImportQuery), request_body(content = String, content_type = "application/yaml"),
    responses((status = 200, body = Imported), (status = 422, body = Problem)))]
pub async fn import(
    State(api): State<Arc<Api>>,
    _: Admin,
    Query(query): Query<ImportQuery>,
    text: String,
) -> Result<Json<Imported>, Problem> {
    let rack: RackId = query.rack.parse().map_err(|error| Problem::bad(format!("rack: {error}")))?;
    let read = import::parse(&text).map_err(Problem::faults)?;
    let known = api.inventory.servers(None).await?;
    let faults = conflicts(&read, &known);
    if !faults.is_empty() {
        return Err(Problem::faults(faults));
    }
    let mut nodes = Vec::new();
    for node in read {
        let before = known.iter().find(|server| server.name == node.name);
        let mut view =
            ImportedNode { id: before.map(|s| s.id.0), name: node.name.clone(), created: before.is_none() };
        if !query.dry_run {
            let enrolled = api.enrol.enrol(&new_server(node, &rack, &query.resource_class)).await?;
            view.id = Some(enrolled.id.0);
            if enrolled.problem.is_none() {
                api.manage_new(enrolled.id).await;
            }
        }
        nodes.push(view);
    }
    Ok(Json(Imported { nodes, dry_run: query.dry_run }))
}

/// Manages, inspects or provides a server.
#[utoipa::path(post, path = "/v1/nodes/{node}/actions", params(("node" = String, Path, description = "name or id")),
    request_body = NodeAction, responses((status = 202, body = Node)))]
pub async fn act(
    State(api): State<Arc<Api>>,
    _: Admin,
    Path(name): Path<String>,
    Json(wanted): Json<NodeAction>,
) -> Result<(StatusCode, Json<Node>), Problem> {
    let server = api.find_node(&name).await?;
    let target = match wanted.action {
        NodeVerb::Manage => ProvisionTarget::Manage,
        NodeVerb::Inspect => ProvisionTarget::Inspect,
        NodeVerb::Provide => ProvisionTarget::Provide,
        NodeVerb::Abort => ProvisionTarget::Abort,
    };
    if wanted.action == NodeVerb::Manage && api.is_kept_by_failed_clean(server.id).await {
        api.ironic.set_maintenance(server.id, None).await?;
    }
    api.ironic.set_provision_state(server.id, &target).await?;
    // Answered with the new state, so that a caller who waits for the end does not see the beginning.
    match api.enrol.provisioner.get_node(server.id).await {
        Ok(node) => api.inventory.set_node(server.id, node.as_ref()).await?,
        Err(error) => tracing::warn!(server = %server.id, %error, "new state of a node not read"),
    }
    api.enrol.wake.wake(server.id);
    let server = api.find_node(&name).await?;
    Ok((StatusCode::ACCEPTED, Json(api.node_view(server))))
}

/// Forgets a server. A deployed one is refused.
#[utoipa::path(delete, path = "/v1/nodes/{node}", params(("node" = String, Path, description = "name or id")),
    responses((status = 204), (status = 409, body = Problem)))]
pub async fn delete(
    State(api): State<Arc<Api>>,
    _: Admin,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    let server = api.find_node(&name).await?;
    api.enrol.delete(server.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Rack agents.
#[utoipa::path(get, path = "/v1/agents", responses((status = 200, body = List<Agent>)))]
pub async fn agents(State(api): State<Arc<Api>>, _: Admin) -> Result<Json<List<Agent>>, Problem> {
    let agents = api.inventory.agents().await?;
    let view = |agent: crate::inventory::Agent| Agent {
        connected: api.enrol.presence.away(&agent.rack).is_none(),
        rack: agent.rack.to_string(),
        acknowledged: agent.acknowledged,
        last_seen: super::time(agent.seen_us),
    };
    Ok(Json(List { items: agents.into_iter().map(view).collect() }))
}

impl Api {
    pub(super) async fn find_node(&self, name: &str) -> Result<Server, Problem> {
        let found = match name.parse::<ServerId>() {
            Ok(id) => self.inventory.server(id).await?,
            Err(_) => self.inventory.server_by_name(name).await?,
        };
        found.ok_or_else(|| Problem::not_found("node", name))
    }

    /// A new server goes on to `manageable` by itself; when Ironic does not take it, the reason stands on the node.
    async fn manage_new(&self, id: ServerId) {
        let outcome = async {
            let node = self.ironic.get_node(id).await?;
            if node.provision_state == "enroll" {
                self.ironic.set_provision_state(id, &ProvisionTarget::Manage).await?;
            }
            Ok::<_, OpenStackError>(())
        };
        if let Err(error) = outcome.await {
            tracing::warn!(server = %id, %error, "a new server stays in enroll");
            let _ = self.inventory.set_reason(id, Some(&error.to_string())).await;
        }
    }

    /// After a failed clean Ironic keeps a node in maintenance, in which it heeds no ramdisk. To manage it is to say that
    /// somebody has looked at it; left in maintenance, its next clean would wait for ever.
    async fn is_kept_by_failed_clean(&self, id: ServerId) -> bool {
        let node = self.enrol.provisioner.get_node(id).await.ok().flatten();
        node.is_some_and(|node| node.maintenance && node.provision_state == ProvisionState::CleanFailed)
    }

    fn node_view(&self, server: Server) -> Node {
        let away = self.enrol.presence.away(&server.rack);
        let (power, power_reason) = match (&away, server.power.as_ref().map(|seen| &seen.reading)) {
            (Some(away), _) => ("unknown", Some(away.clone())),
            (None, None) => ("unknown", Some("no reading has come yet".to_owned())),
            (None, Some(PowerReading::On)) => ("on", None),
            (None, Some(PowerReading::Off)) => ("off", None),
            (None, Some(PowerReading::Unreachable { reason })) => ("unreachable", Some(reason.clone())),
        };
        let boots = server.ports.iter().find(|port| port.pxe_enabled).or(server.ports.first());
        let node = server.node.as_ref();
        let resource_class = server.class().to_owned();
        Node {
            id: server.id.0,
            rack: server.rack.to_string(),
            boot_mode: match server.boot_mode {
                BootMode::Bios => "bios".to_owned(),
                BootMode::Uefi => "uefi".to_owned(),
            },
            provision_state: node.map_or(String::new(), |node| node.provision_state.to_string()),
            power: power.to_owned(),
            power_reason,
            network_wanted: boots.and_then(|port| port.wanted.as_ref()).map(wanted_text),
            network_observed: boots.and_then(|port| port.observed.as_ref()).map(observed_text),
            last_error: node.and_then(|node| node.last_error.clone()),
            maintenance: node.is_some_and(|node| node.maintenance),
            instance: node.and_then(|node| node.instance_id),
            bmc: Bmc {
                protocol: match server.bmc.protocol {
                    BmcProtocol::Ipmi { .. } => "ipmi".to_owned(),
                    BmcProtocol::Redfish { .. } => "redfish".to_owned(),
                },
                address: server.bmc.address.clone(),
                port: server.bmc.port,
                username: server.bmc.username.clone(),
            },
            ports: server
                .ports
                .iter()
                .map(|port| NodePort {
                    name: port.name.clone(),
                    mac: port.mac.to_string(),
                    switch: port.link.switch.clone(),
                    port: port.link.port.clone(),
                })
                .collect(),
            hardware: server.hardware.map(hardware_view),
            name: server.name,
            resource_class,
            pool: server.pool,
            // What is waited for now says more than what was refused before.
            reason: server.waiting.or(server.reason),
        }
    }
}

fn wanted_text(network: &WantedNetwork) -> String {
    match network {
        WantedNetwork::Boot(network) => network.as_str().to_owned(),
        WantedNetwork::Tenant(port) => format!("tenant {port}"),
        WantedNetwork::Nothing => "none".to_owned(),
    }
}

fn observed_text(network: &ObservedNetwork) -> String {
    match network {
        ObservedNetwork::Nothing => "none".to_owned(),
        ObservedNetwork::Boot(network) => network.as_str().to_owned(),
        ObservedNetwork::Tenant(port) => format!("tenant {port}"),
        ObservedNetwork::Other { description } => format!("other: {description}"),
    }
}

fn hardware_view(found: HardwareReport) -> Hardware {
    Hardware {
        system: format!("{} {}", found.system.manufacturer, found.system.product).trim().to_owned(),
        serial: found.system.serial,
        cpus: found.cpu.count,
        cpu_model: found.cpu.model,
        memory_mib: found.memory_mib,
        disks: found
            .disks
            .into_iter()
            .map(|d| HardwareDisk {
                name: d.name,
                size_bytes: d.size_bytes,
                model: d.model,
                serial: d.serial,
            })
            .collect(),
        nics: found
            .nics
            .into_iter()
            .map(|n| HardwareNic {
                name: n.name,
                mac: n.mac.to_string(),
                carrier: n.carrier,
                speed_mbps: n.speed_mbps,
            })
            .collect(),
    }
}

/// What in the file belongs to another server already, and servers that must not be changed now.
fn conflicts(read: &[import::ImportedNode], known: &[Server]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (index, node) in read.iter().enumerate() {
        let mut fault = |field: &str, message: String| {
            faults.push(Fault { line: node.line, path: format!("nodes[{index}].{field}"), message });
        };
        for server in known {
            if server.name == node.name {
                let deployed =
                    server.node.as_ref().is_some_and(|n| n.provision_state == ProvisionState::Active);
                let same_ports = server
                    .ports
                    .iter()
                    .map(|p| (p.mac, &p.link))
                    .eq(node.ports.iter().map(|p| (p.mac, &p.link)));
                if deployed && !same_ports {
                    fault(
                        "ports",
                        format!("{} is deployed; its ports cannot change until it is given back", node.name),
                    );
                }
                continue;
            }
            if server.bmc.address == node.bmc.address && server.bmc.port == node.bmc.port {
                fault(
                    "driver_info",
                    format!("BMC {}:{} belongs to {} already", node.bmc.address, node.bmc.port, server.name),
                );
            }
            for port in &node.ports {
                if server.ports.iter().any(|other| other.mac == port.mac) {
                    fault("ports", format!("MAC address {} belongs to {} already", port.mac, server.name));
                }
                if server
                    .ports
                    .iter()
                    .any(|other| other.link.switch == port.link.switch && other.link.port == port.link.port)
                {
                    fault("ports", format!("switch port {} belongs to {} already", port.link, server.name));
                }
            }
        }
    }
    faults
}

fn new_server(node: import::ImportedNode, rack: &RackId, class: &str) -> NewServer {
    let mut properties = BTreeMap::new();
    let stated = node.properties;
    let mut put = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            properties.insert(key.to_owned(), value);
        }
    };
    put("cpus", stated.cpus.map(|n| n.to_string()));
    put("cpu_arch", stated.cpu_arch);
    put("memory_mb", stated.memory_mb.map(|n| n.to_string()));
    put("local_gb", stated.local_gb.map(|n| n.to_string()));
    put("capabilities", stated.capabilities);
    NewServer {
        name: node.name,
        rack: node.rack.unwrap_or_else(|| rack.clone()),
        bmc: node.bmc,
        ports: node
            .ports
            .into_iter()
            .map(|port| NewPort {
                name: port.name,
                mac: port.mac,
                link: port.link,
                pxe_enabled: port.pxe_enabled,
            })
            .collect(),
        boot_mode: node.boot_mode,
        resource_class: node.resource_class.unwrap_or_else(|| class.to_owned()),
        properties,
    }
}
