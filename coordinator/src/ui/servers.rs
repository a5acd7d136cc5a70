//! Edges: a tenant's pages: its servers, a new one, its networks.

use std::{collections::BTreeMap, sync::Arc};

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::Response,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Ui,
    catalogue::Offer,
    form::{Choice, Faults, Field, Typed},
    page::{self, Frame, Posted},
    rest::segment,
    session::Visitor,
    view::{self, ServerRow},
};
use crate::api::types::{Flavor, List, Problem, Server, TenantNetwork};

#[derive(Template)]
#[template(path = "servers.html")]
struct ServersPage {
    frame: Frame,
    rows: Vec<ServerRow>,
}

/// The list.
pub async fn list(
    State(ui): State<Arc<Ui>>,
    visitor: Visitor,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    match ui.rest.get::<List<Server>>(&visitor, "/v1/servers").await {
        Ok(servers) => {
            let frame = Frame::new(Some(&visitor), "servers", "/ui/servers").done(&query);
            let rows =
                servers.items.iter().map(|server| view::server_row(server, Timestamp::now())).collect();
            page::show(None, &ServersPage { frame, rows })
        }
        Err(problem) => page::failure(&ui, Some(&visitor), &problem),
    }
}

#[derive(Template)]
#[template(path = "new_server.html")]
struct NewServerPage {
    frame: Frame,
    whole: Vec<String>,
    fields: Vec<Field>,
    more: Vec<Field>,
    more_open: bool,
    missing: Vec<&'static str>,
}

impl NewServerPage {
    const FIELDS: [&'static str; 6] = ["name", "flavor", "image", "network", "key_name", "user_data"];

    fn new(visitor: &Visitor, offer: &Offer, typed: &Typed, faults: &Faults) -> Self {
        let flavors = offer.flavors.iter().map(|flavor| {
            let memory = view::size(flavor.memory_mib.saturating_mul(1 << 20));
            let Flavor { name, free, cpus, disk_gb, .. } = flavor;
            let size = format!("{cpus} cpus, {memory} memory, {disk_gb} GiB disk");
            Choice::new(name, format!("{name}: {free} free ({size})"))
        });
        let images = offer.images.iter().filter(|image| image.status == "active").map(|image| {
            Choice::new(&image.id, format!("{} ({})", image.name, view::size(image.size_bytes)))
        });
        let networks = offer.networks.iter().map(|network| {
            Choice::new(network.id.to_string(), format!("{} ({})", network.name, network.subnet))
        });
        let (flavors, images, networks): (Vec<_>, Vec<_>, Vec<_>) =
            (flavors.collect(), images.collect(), networks.collect());
        let mut missing = Vec::new();
        for (what, is_empty) in [
            (
                "There is no flavor: an administrator makes one for the servers' resource class.",
                flavors.is_empty(),
            ),
            (
                "There is no image: upload one with bmsctl image create, or ask an administrator for a public one.",
                images.is_empty(),
            ),
            ("The project has no network: make one under Networks first.", networks.is_empty()),
        ] {
            missing.extend(is_empty.then_some(what));
        }
        let more = vec![
            Field::text("key_name", "Key pair", typed)
                .optional()
                .hint("The name of a Nova key pair; the image puts it in place.")
                .with(faults),
            Field { kind: "textarea", ..Field::text("user_data", "User data", typed) }
                .optional()
                .hint("Given to the image as it is, such as #cloud-config.")
                .with(faults),
        ];
        NewServerPage {
            frame: Frame::new(Some(visitor), "servers", ""),
            whole: faults.whole.clone(),
            fields: vec![
                Field::text("name", "Name", typed)
                    .example("web1")
                    .hint("1 to 63 letters, digits and -.")
                    .with(faults),
                Field::select("flavor", "Flavor", typed, flavors).with(faults),
                Field::select("image", "Image", typed, images).with(faults),
                Field::select("network", "Network", typed, networks)
                    .hint("It gets a free address of it.")
                    .with(faults),
            ],
            more_open: more.iter().any(|field| !field.value.is_empty() || !field.faults.is_empty()),
            more,
            missing,
        }
    }

    async fn answer(ui: &Ui, visitor: &Visitor, typed: &Typed, refused: Option<Problem>) -> Response {
        let status = refused.as_ref().map(page::status_of);
        let faults = refused.map(|problem| Faults::of(&problem, &Self::FIELDS)).unwrap_or_default();
        match Offer::read(ui, visitor).await {
            Ok(offer) => page::show(status, &Self::new(visitor, &offer, typed, &faults)),
            Err(problem) => page::failure(ui, Some(visitor), &problem),
        }
    }
}

/// The form for a new one; what was chosen in the catalogue is filled in.
pub async fn new_form(
    State(ui): State<Arc<Ui>>,
    visitor: Visitor,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    NewServerPage::answer(&ui, &visitor, &Typed(query), None).await
}

/// Makes a new one.
pub async fn create(State(ui): State<Arc<Ui>>, posted: Posted) -> Response {
    let Posted { visitor, typed } = posted;
    let mut wanted = json!({
        "name": typed.get("name"),
        "flavor": typed.get("flavor"),
        "image": typed.get("image"),
        "network": typed.get("network"),
    });
    for name in ["key_name", "user_data"] {
        if let Some(text) = typed.filled(name) {
            wanted[name] = json!(text);
        }
    }
    match ui.rest.post::<Server>(&visitor, "/v1/servers", &wanted).await {
        Ok(server) => page::done(&format!("/ui/servers/{}", server.id), "created"),
        Err(problem) => NewServerPage::answer(&ui, &visitor, &typed, Some(problem)).await,
    }
}

#[derive(Template)]
#[template(path = "server.html")]
struct ServerPage {
    frame: Frame,
    server: Server,
    row: ServerRow,
}

impl ServerPage {
    async fn answer(
        ui: &Ui,
        visitor: &Visitor,
        id: &str,
        query: &BTreeMap<String, String>,
        refused: Option<Problem>,
    ) -> Response {
        let status = refused.as_ref().map(page::status_of);
        let path = segment(id);
        let frame = Frame::new(Some(visitor), "servers", format!("/ui/servers/{path}"));
        let frame = frame.done(query).refused(refused);
        match ui.rest.get::<Server>(visitor, &format!("/v1/servers/{path}")).await {
            Ok(server) => {
                let row = view::server_row(&server, Timestamp::now());
                page::show(status, &ServerPage { frame, server, row })
            }
            Err(problem) => page::failure(ui, Some(visitor), &problem),
        }
    }
}

/// One of them.
pub async fn show(
    State(ui): State<Arc<Ui>>,
    visitor: Visitor,
    Path(id): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    ServerPage::answer(&ui, &visitor, &id, &query, None).await
}

/// Starts, stops or restarts it.
pub async fn act(State(ui): State<Arc<Ui>>, Path(id): Path<String>, posted: Posted) -> Response {
    let Posted { visitor, typed } = posted;
    let path = segment(&id);
    let action = json!({ "action": typed.get("action") });
    match ui.rest.post::<Value>(&visitor, &format!("/v1/servers/{path}/actions"), &action).await {
        Ok(_) => page::done(&format!("/ui/servers/{path}"), "asked"),
        Err(problem) => ServerPage::answer(&ui, &visitor, &id, &BTreeMap::new(), Some(problem)).await,
    }
}

/// Gives it back.
pub async fn delete(State(ui): State<Arc<Ui>>, Path(id): Path<String>, posted: Posted) -> Response {
    let visitor = &posted.visitor;
    match ui.rest.delete(visitor, &format!("/v1/servers/{}", segment(&id))).await {
        Ok(()) => page::done("/ui/servers", "given-back"),
        Err(problem) => ServerPage::answer(&ui, visitor, &id, &BTreeMap::new(), Some(problem)).await,
    }
}

#[derive(Template)]
#[template(path = "networks.html")]
struct NetworksPage {
    frame: Frame,
    networks: Vec<TenantNetwork>,
    whole: Vec<String>,
    fields: Vec<Field>,
}

impl NetworksPage {
    async fn answer(
        ui: &Ui,
        visitor: &Visitor,
        query: &BTreeMap<String, String>,
        typed: &Typed,
        refused: Option<(Problem, Faults)>,
    ) -> Response {
        let (refused, faults) = refused.map_or((None, Faults::default()), |(p, f)| (Some(p), f));
        let status = refused.as_ref().map(page::status_of);
        let refused = refused.filter(|_| faults.is_empty());
        let frame = Frame::new(Some(visitor), "networks", "/ui/networks").done(query).refused(refused);
        let fields = vec![
            Field::text("name", "Name", typed).example("blue").with(&faults),
            Field::text("subnet", "IPv4 subnet", typed).example("192.0.2.0/24").with(&faults),
        ];
        match ui.rest.get::<List<TenantNetwork>>(visitor, "/v1/networks").await {
            Ok(networks) => {
                let shown = NetworksPage { frame, networks: networks.items, whole: faults.whole, fields };
                page::show(status, &shown)
            }
            Err(problem) => page::failure(ui, Some(visitor), &problem),
        }
    }
}

/// Networks.
pub async fn networks(
    State(ui): State<Arc<Ui>>,
    visitor: Visitor,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    NetworksPage::answer(&ui, &visitor, &query, &Typed::default(), None).await
}

/// Makes a network.
pub async fn create_network(State(ui): State<Arc<Ui>>, posted: Posted) -> Response {
    let Posted { visitor, typed } = posted;
    let wanted = json!({ "name": typed.get("name"), "subnet": typed.get("subnet") });
    match ui.rest.post::<Value>(&visitor, "/v1/networks", &wanted).await {
        Ok(_) => page::done("/ui/networks", "made"),
        Err(problem) => {
            let faults = Faults::of(&problem, &["name", "subnet"]);
            let query = BTreeMap::new();
            NetworksPage::answer(&ui, &visitor, &query, &typed, Some((problem, faults))).await
        }
    }
}

/// Deletes a network.
pub async fn delete_network(State(ui): State<Arc<Ui>>, Path(id): Path<String>, posted: Posted) -> Response {
    let visitor = &posted.visitor;
    match ui.rest.delete(visitor, &format!("/v1/networks/{}", segment(&id))).await {
        Ok(()) => page::done("/ui/networks", "deleted"),
        Err(problem) => {
            let (query, typed) = (BTreeMap::new(), Typed::default());
            NetworksPage::answer(&ui, visitor, &query, &typed, Some((problem, Faults::default()))).await
        }
    }
}
