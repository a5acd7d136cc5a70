//! Edges: the REST API under `/v1`, for administrators and tenants.
//!
//! Every request shows a Keystone token. Administrators see everything; a tenant sees its project's servers, networks
//! and events and nothing of the hardware below. Who may use which route stands in [`crate::access::ROUTES`] and nowhere else. Problems are `application/problem+json`; the document that describes all
//! of it is at `/v1/openapi.json`.

mod adoption;
mod agents;
mod attach;
mod audit;
pub(crate) mod auth;
mod bmc;
mod bmc_certificate;
mod bmcs;
mod boots;
mod console;
mod discovery;
mod discovery_rules;
mod disks;
mod document;
mod erase_certificates;
mod events;
mod factory_passwords;
mod firmware;
mod firmware_updates;
mod flavors;
pub(crate) mod health;
mod https_only;
mod image_caches;
mod images;
mod import;
mod incoming;
mod networks;
mod node_list;
mod node_view;
mod nodes;
mod password;
mod password_view;
mod pick;
mod plain;
mod pools;
mod proofs;
mod request;
mod sensor_history;
mod servers;
mod subnet;
mod survey;
mod time;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::DefaultBodyLimit,
    http::{HeaderMap, StatusCode, header},
    middleware::from_fn_with_state,
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use coordinator_core::{
    adoption::Adoptions, agents::AgentHub, discovery::Discovery, enroll::Enroller, firmware::Updates,
    images::Uploads, survey::Survey, tenancy::Tenancy, upkeep::Upkeep,
};
use domain::{
    import::FILE_BYTES_MAX,
    rim::{FlavorService, ImageService, NodeService, TenantNetworks},
};
use store::Inventory;
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    access::{Authenticator, ROUTES},
    audit::{Witness, witness},
    problem::Problem,
};
pub use https_only::{HTTPS_ONLY_DAYS, HTTPS_ONLY_DAYS_MAX, https_only};
pub(crate) use time::time;

/// Largest request that is not an import file or an image.
const BODY_BYTES_MAX: usize = 1 << 20;

/// Everything the API needs.
pub struct Api {
    /// The inventory.
    pub inventory: Inventory,
    /// Knows who asks, and what they may do.
    pub authenticator: Arc<Authenticator>,
    /// Images.
    pub glance: Arc<dyn ImageService>,
    /// Images on their way into Glance.
    pub uploads: Arc<Uploads>,
    /// Flavors.
    pub nova: Arc<dyn FlavorService>,
    /// Provision states.
    pub ironic: Arc<dyn NodeService>,
    /// One change of the pools after the other.
    pub pool_changes: tokio::sync::Mutex<()>,
    /// Tenants' networks.
    pub networks: Arc<dyn TenantNetworks>,
    /// Takes servers in and lets them go.
    pub enroll: Arc<Enroller>,
    /// Tenants' servers.
    pub tenancy: Arc<Tenancy>,
    /// Finds servers that nobody has enrolled.
    pub discovery: Discovery,
    /// The racks' agents.
    pub agents: Arc<AgentHub>,
    /// Keeps BMCs right.
    pub upkeep: Arc<Upkeep>,
    /// Carries updates of firmware on.
    pub updates: Arc<Updates>,
    /// Adopts servers in use.
    pub adoptions: Arc<Adoptions>,
    /// Looks for contradictions.
    pub survey: Survey,
}

/// The routes that the document describes, and the document.
pub(crate) fn described() -> (Router<Arc<Api>>, utoipa::openapi::OpenApi) {
    let routes = OpenApiRouter::with_openapi(document::Document::openapi())
        .routes(routes!(import::import))
        .routes(routes!(adoption::adopt))
        .routes(routes!(survey::all, survey::of_file))
        .routes(routes!(factory_passwords::list, factory_passwords::import))
        .layer(DefaultBodyLimit::max(FILE_BYTES_MAX))
        .routes(routes!(import::export))
        .routes(routes!(adoption::list))
        .routes(routes!(adoption::show))
        .routes(routes!(nodes::list))
        .routes(routes!(nodes::show, nodes::delete))
        .routes(routes!(nodes::act))
        .routes(routes!(console::of_node))
        .routes(routes!(console::of_server))
        .routes(routes!(console::log::of_node))
        .routes(routes!(console::log::of_server))
        .routes(routes!(bmc::rotate, bmc::cancel))
        .routes(routes!(bmc::read))
        .routes(routes!(bmc::accept_changes))
        .routes(routes!(bmc_certificate::show))
        .routes(routes!(agents::list))
        .routes(routes!(agents::show))
        .routes(routes!(agents::revoke))
        .routes(routes!(servers::list, servers::create))
        .routes(routes!(servers::show, servers::delete))
        .routes(routes!(servers::act))
        .routes(routes!(images::list, images::create))
        .routes(routes!(images::show, images::delete))
        .routes(routes!(image_caches::list, image_caches::warm))
        .routes(routes!(image_caches::remove))
        .routes(routes!(flavors::list, flavors::create))
        .routes(routes!(flavors::show, flavors::delete))
        .routes(routes!(pools::list, pools::create))
        .routes(routes!(pools::show, pools::delete))
        .routes(routes!(pools::moves))
        .routes(routes!(networks::list, networks::create))
        .routes(routes!(networks::set_up))
        .routes(routes!(networks::show, networks::delete))
        .routes(routes!(networks::security_groups))
        .routes(routes!(proofs::list))
        .routes(routes!(boots::list))
        .routes(routes!(firmware::show))
        .routes(routes!(firmware::list))
        .routes(routes!(firmware_updates::list, firmware_updates::create))
        .routes(routes!(firmware_updates::call_off))
        .routes(routes!(firmware_updates::files, firmware_updates::upload))
        .routes(routes!(firmware_updates::delete_file))
        .routes(routes!(health::sensors))
        .routes(routes!(sensor_history::history))
        .routes(routes!(health::log))
        .routes(routes!(health::acknowledge))
        .routes(routes!(bmcs::list))
        .routes(routes!(bmcs::show))
        .routes(routes!(factory_passwords::remove))
        .routes(routes!(disks::list))
        .routes(routes!(disks::except, disks::include))
        .routes(routes!(erase_certificates::list))
        .routes(routes!(erase_certificates::show))
        .routes(routes!(discovery::list))
        .routes(routes!(discovery::show, discovery::forget))
        .routes(routes!(discovery::accept))
        .routes(routes!(discovery::ignore))
        .routes(routes!(discovery::scans, discovery::scan))
        .routes(routes!(discovery::show_scan))
        .routes(routes!(discovery::windows, discovery::open))
        .routes(routes!(discovery::close))
        .routes(routes!(discovery_rules::list, discovery_rules::create))
        .routes(routes!(discovery_rules::delete))
        .routes(routes!(audit::list))
        .routes(routes!(events::list))
        .routes(routes!(events::follow));
    routes.split_for_parts()
}

/// The API's routes, each behind the layer that knows who may use it.
pub fn router(api: Arc<Api>) -> Router {
    let (router, document) = described();
    let text = Arc::new(document.to_pretty_json().unwrap_or_default());
    router
        .route(
            "/v1/openapi.json",
            get(async move || ([("content-type", "application/json")], text.as_str().to_owned())),
        )
        .route("/v1", get(version))
        .route("/", get(front))
        .route_layer(from_fn_with_state(Arc::clone(&api.authenticator), auth::admit))
        .route_layer(from_fn_with_state(Witness::new(api.inventory.clone(), ROUTES), witness))
        .fallback(async || {
            Problem::new(StatusCode::NOT_FOUND, "not-found", "there is no such path; see /v1/openapi.json")
        })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(api)
}

/// People get the pages, programs the version.
async fn front(headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accept.contains("text/html") {
        Redirect::to("/ui/").into_response()
    } else {
        version().await.into_response()
    }
}

async fn version() -> Json<serde_json::Value> {
    Json(serde_json::json!({
        "name": "BMS Manager", "version": env!("CARGO_PKG_VERSION"), "api": "/v1", "document": "/v1/openapi.json",
    }))
}
