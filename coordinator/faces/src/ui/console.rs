//! Edges: the page of a serial console, its WebSocket, and what was recorded of it as a file: the API's, in the visitor's name.

use std::{collections::BTreeMap, sync::Arc};

use askama::Template;
use axum::{
    extract::{Path, Query, Request, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use domain::url_text::segment;
use serde_json::Value;

use super::{
    Ui,
    page::{self, Frame},
    session::{Visitor, check_origin},
};

#[derive(Template)]
#[template(path = "console.html")]
struct ConsolePage {
    frame: Frame,
    /// By which it is asked for.
    name: String,
    /// What it is called.
    shown: String,
    /// Part of the address: "nodes" or "servers".
    of: &'static str,
    title: &'static str,
}

/// The page, of what is there and is this visitor's.
async fn show(ui: &Ui, visitor: &Visitor, name: String, of: &'static str, title: &'static str) -> Response {
    let found = match ui.rest.get::<Value>(visitor, &format!("/v1/{of}/{}", segment(&name))).await {
        Ok(found) => found,
        Err(problem) => return page::failure(Some(visitor), &problem),
    };
    let shown = found["name"].as_str().unwrap_or(&name).to_owned();
    // Without an address of its own the page is not read anew: what is on the screen stays.
    let frame = Frame::new(Some(visitor), of, String::new());
    page::show(None, &ConsolePage { frame, name, shown, of, title })
}

/// A node's.
pub async fn of_node(State(ui): State<Arc<Ui>>, visitor: Visitor, Path(name): Path<String>) -> Response {
    show(&ui, &visitor, name, "nodes", "Nodes").await
}

/// A project's own server's.
pub async fn of_server(State(ui): State<Arc<Ui>>, visitor: Visitor, Path(name): Path<String>) -> Response {
    show(&ui, &visitor, name, "servers", "Servers").await
}

/// The WebSocket of a node's.
pub async fn node_socket(
    State(ui): State<Arc<Ui>>,
    visitor: Visitor,
    Path(name): Path<String>,
    request: Request,
) -> Response {
    socket(&ui, &visitor, "nodes", &name, request).await
}

/// The WebSocket of a server's.
pub async fn server_socket(
    State(ui): State<Arc<Ui>>,
    visitor: Visitor,
    Path(name): Path<String>,
    request: Request,
) -> Response {
    socket(&ui, &visitor, "servers", &name, request).await
}

async fn socket(ui: &Ui, visitor: &Visitor, of: &str, name: &str, request: Request) -> Response {
    // Browsers let any page open a WebSocket to anywhere: ours are for our own pages.
    if let Err(problem) = check_origin(request.headers()) {
        return problem.into_response();
    }
    let passed = ui.rest.pass(visitor, &format!("/v1/{of}/{}/console", segment(name)), request).await;
    passed.unwrap_or_else(IntoResponse::into_response)
}

/// What was recorded of a node's.
pub async fn node_log(
    State(ui): State<Arc<Ui>>,
    visitor: Visitor,
    Path(name): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
    request: Request,
) -> Response {
    log(&ui, &visitor, "nodes", &name, &query, request).await
}

/// What was recorded of a server's in its project's time.
pub async fn server_log(
    State(ui): State<Arc<Ui>>,
    visitor: Visitor,
    Path(name): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
    request: Request,
) -> Response {
    log(&ui, &visitor, "servers", &name, &query, request).await
}

async fn log(
    ui: &Ui,
    visitor: &Visitor,
    of: &str,
    name: &str,
    query: &BTreeMap<String, String>,
    mut request: Request,
) -> Response {
    let pairs: Vec<_> = query.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let path = format!("/v1/{of}/{}/console/log?{}", segment(name), domain::url_text::query(&pairs));
    request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static("text/plain"));
    let mut answer = match ui.rest.pass(visitor, &path, request).await {
        Ok(answer) => answer,
        Err(problem) => return page::failure(Some(visitor), &problem),
    };
    let file = format!("attachment; filename=\"console-{}.txt\"", segment(name));
    if let Ok(file) = HeaderValue::from_str(&file) {
        answer.headers_mut().insert(header::CONTENT_DISPOSITION, file);
    }
    answer
}
