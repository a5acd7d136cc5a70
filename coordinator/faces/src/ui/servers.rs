//! Edges: a tenant's pages: its servers, and one of them.

use std::{collections::BTreeMap, sync::Arc};

use api_types::{Event, Image, List, Server, ServerStatus};
use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::Response,
};
use domain::url_text::segment;
use jiff::Timestamp;
use protocol::secret::Secret;
use serde_json::json;

use super::{
    Ui,
    form::{Field, Typed},
    new_server,
    page::{self, Frame, Posted},
    part::Part,
    session::Visitor,
    view::{self, EventRow, ServerRow},
};
use crate::problem::Problem;

/// Events that a server's page shows.
const EVENTS_SHOWN: u32 = 50;

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
        Err(problem) => page::failure(Some(&visitor), &problem),
    }
}

#[derive(Template)]
#[template(path = "server.html")]
struct ServerPage {
    frame: Frame,
    server: Server,
    row: ServerRow,
    /// Images that can be written onto it; none: its state does not allow it.
    images: Option<Field>,
    /// Why they are not known.
    images_away: Option<String>,
    /// What happened to it.
    events: Part<EventRow>,
    /// The password of the rescue that was just asked for: shown on this page, and on no other.
    rescue_password: Option<Secret>,
}

/// Whether its disk can be written anew.
fn may_rebuild(server: &Server) -> bool {
    matches!(server.status, ServerStatus::Active | ServerStatus::Off) && !server.in_rescue
}

impl ServerPage {
    async fn read(ui: &Ui, visitor: &Visitor, path: &str, frame: Frame) -> Result<Self, Problem> {
        let server = ui.rest.get::<Server>(visitor, &format!("/v1/servers/{path}")).await?;
        let row = view::server_row(&server, Timestamp::now());
        let (mut images, mut images_away) = (None, None);
        if may_rebuild(&server) {
            let list = Part::<Image>::read(ui, visitor, "/v1/images").await?;
            images_away = list.away;
            let choices = new_server::images(&list.items);
            images = Some(Field::select("image", "Image", &Typed::default(), choices));
        }
        let path = format!("/v1/events?server={}&limit={EVENTS_SHOWN}", server.id);
        let Part { items, away } = Part::<Event>::read(ui, visitor, &path).await?;
        let events = Part { items: view::timeline(items, &[], Timestamp::now()), away };
        Ok(ServerPage { frame, server, row, images, images_away, events, rescue_password: None })
    }

    async fn answer(
        ui: &Ui,
        visitor: &Visitor,
        id: &str,
        query: &BTreeMap<String, String>,
        refused: Option<Problem>,
    ) -> Response {
        Self::answer_with(ui, visitor, id, query, refused, None).await
    }

    async fn answer_with(
        ui: &Ui,
        visitor: &Visitor,
        id: &str,
        query: &BTreeMap<String, String>,
        refused: Option<Problem>,
        rescue_password: Option<Secret>,
    ) -> Response {
        let status = refused.as_ref().map(page::status_of);
        let path = segment(id);
        let frame = Frame::new(Some(visitor), "servers", format!("/ui/servers/{path}"));
        let frame = frame.done(query).refused(refused);
        match Self::read(ui, visitor, &path, frame).await {
            Ok(shown) => page::show(status, &ServerPage { rescue_password, ..shown }),
            Err(problem) => page::failure(Some(visitor), &problem),
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

/// Starts, stops, restarts, rebuilds or rescues it.
pub async fn act(State(ui): State<Arc<Ui>>, Path(id): Path<String>, posted: Posted) -> Response {
    let Posted { visitor, typed } = posted;
    let path = segment(&id);
    let action = typed.get("action");
    let is_rebuild = action == "rebuild";
    let asked = async {
        let wanted = match action.strip_prefix("hard-") {
            _ if is_rebuild => {
                typed.check_sure()?;
                json!({ "action": action, "image": typed.get("image") })
            }
            Some(action) => json!({ "action": action, "hard": true }),
            None => json!({ "action": action }),
        };
        ui.rest.post::<Server>(&visitor, &format!("/v1/servers/{path}/actions"), &wanted).await
    };
    match asked.await {
        // Not by way of another page: the password is in this answer only.
        Ok(Server { rescue_password: Some(password), .. }) => {
            let query = BTreeMap::new();
            ServerPage::answer_with(&ui, &visitor, &id, &query, None, Some(password)).await
        }
        Ok(_) => page::done(&format!("/ui/servers/{path}"), if is_rebuild { "rebuilding" } else { "asked" }),
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
