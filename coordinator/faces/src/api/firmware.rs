//! Edges: firmware in the API: what a node has, and where nodes of one model differ. Nothing is asked of a BMC for it.

use std::sync::Arc;

use api_types::{FirmwareComponent, FirmwareNodes, FirmwareVersion, List, NodeFirmware};
use axum::{Json, extract::State};
use domain::{
    firmware::{Component, ServerFirmware, components},
    records::Server,
};
use protocol::bmc_facts::FirmwareItem;
use serde::Deserialize;

use super::{
    Api,
    request::{Path, Query},
    time::time,
};
use crate::problem::Problem;

/// Which firmware is listed.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FirmwareQuery {
    /// Only where nodes of one model differ.
    #[serde(default)]
    drift: bool,
}

/// Shows the firmware of a node, as its BMC told it last.
///
/// A BMC is asked a few times a day. One that lists no firmware still tells its own version.
#[utoipa::path(get, path = "/v1/nodes/{node}/firmware", operation_id = "show_firmware",
    params(("node" = String, Path, description = "name or id")), responses((status = 200, body = NodeFirmware)))]
pub async fn show(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
) -> Result<Json<NodeFirmware>, Problem> {
    let server = api.find_node(&name).await?;
    let known = api.inventory.facts(server.id).await?;
    Ok(Json(NodeFirmware {
        model: model(&server),
        items: known.firmware().into_iter().map(version_view).collect(),
        read: known.read_us.and_then(time),
        node: server.name,
    }))
}

/// Lists the firmware of all nodes by model and component, with who has which version.
#[utoipa::path(get, path = "/v1/firmware", operation_id = "list_firmware", params(FirmwareQuery),
    responses((status = 200, body = List<FirmwareComponent>)))]
pub async fn list(
    State(api): State<Arc<Api>>,
    Query(query): Query<FirmwareQuery>,
) -> Result<Json<List<FirmwareComponent>>, Problem> {
    let mut known = api.inventory.all_firmware().await?;
    let of = |server: &Server| ServerFirmware {
        name: server.name.clone(),
        model: model(server),
        items: known.remove(&server.id).map(|known| known.firmware()).unwrap_or_default(),
    };
    let servers = api.inventory.servers(None).await?.iter().map(of).collect();
    let listed = components(servers).into_iter().filter(|component| component.has_drift() || !query.drift);
    Ok(Json(List { items: listed.map(component_view).collect() }))
}

/// What a ramdisk found, or else what the BMC says.
fn model(server: &Server) -> String {
    let found = server.hardware.as_ref().map(|it| [&it.system.manufacturer, &it.system.product]);
    let said = server.identity.as_ref().map(|it| [&it.manufacturer, &it.product]);
    let named = [found, said].into_iter().flatten().find(|[_, product]| !product.is_empty());
    named.map(|[maker, product]| format!("{maker} {product}").trim().to_owned()).unwrap_or_default()
}

fn version_view(item: FirmwareItem) -> FirmwareVersion {
    let FirmwareItem { id, name, version, is_updateable } = item;
    FirmwareVersion { id, name, version, updateable: is_updateable }
}

fn component_view(component: Component) -> FirmwareComponent {
    let drift = component.has_drift();
    let Component { model, name, versions } = component;
    let one = |(version, nodes): (String, std::collections::BTreeSet<String>)| FirmwareNodes {
        version,
        nodes: nodes.into_iter().collect(),
    };
    FirmwareComponent { model, name, drift, versions: versions.into_iter().map(one).collect() }
}
