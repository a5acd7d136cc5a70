//! Edges: the administrator's pages of physical servers: the list, one of them, what can be done with it.

use std::{collections::BTreeMap, sync::Arc};

use api_types::{Event, Hardware, Node, NodeDisk};
use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::Response,
};
use domain::url_text::segment;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Ui,
    actions::{self, Action},
    boots::{self, BootShown},
    disk::{self, DiskRow},
    health::{self, ReasonRow},
    inside::Inside,
    page::{self, Frame, Posted},
    part::Part,
    proof::{self, ProofRow},
    session::Visitor,
    view::{self, EventRow, NodeRow, Pill},
};
use crate::problem::Problem;

/// Events that a server's page shows.
const EVENTS_SHOWN: u32 = 100;

/// Pages of the API's list that are read at most.
const PAGES_MAX: usize = 100;

/// All nodes, page by page.
pub async fn all(ui: &Ui, visitor: &Visitor) -> Result<Vec<Node>, Problem> {
    /// One page, and where the next one begins.
    #[derive(Deserialize)]
    struct Page {
        items: Vec<Node>,
        #[serde(default)]
        next: Option<String>,
    }
    let (mut nodes, mut path) = (Vec::new(), "/v1/nodes".to_owned());
    for _ in 0..PAGES_MAX {
        let page: Page = ui.rest.get(visitor, &path).await?;
        nodes.extend(page.items);
        match page.next {
            Some(marker) => path = format!("/v1/nodes?marker={}", segment(&marker)),
            None => break,
        }
    }
    Ok(nodes)
}

#[derive(Template)]
#[template(path = "nodes.html")]
struct NodesPage {
    frame: Frame,
    find: String,
    state: String,
    all: usize,
    counts: Vec<(Pill, usize)>,
    rows: Vec<NodeRow>,
}

/// The list.
pub async fn list(
    State(ui): State<Arc<Ui>>,
    visitor: Visitor,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    let nodes = match all(&ui, &visitor).await {
        Ok(nodes) => nodes,
        Err(problem) => return page::failure(Some(&visitor), &problem),
    };
    let text = |name: &str| query.get(name).cloned().unwrap_or_default();
    let (find, state) = (text("find"), text("state"));
    let counts = view::counts(&nodes);
    let shown = nodes.iter().filter(|node| {
        view::node_matches(node, &find)
            && (state.is_empty() || view::provision_pill(&node.provision_state).word == state)
    });
    let mut rows: Vec<_> = shown.map(|node| view::node_row(node, Timestamp::now())).collect();
    rows.sort_by(|a, b| (&a.rack, &a.name).cmp(&(&b.rack, &b.name)));
    let url = format!("/ui/nodes?find={}&state={}", segment(&find), segment(&state));
    let frame = Frame::new(Some(&visitor), "nodes", url).done(&query);
    page::show(None, &NodesPage { frame, find, state, all: nodes.len(), counts, rows })
}

#[derive(Template)]
#[template(path = "node.html")]
struct NodePage {
    frame: Frame,
    node: Node,
    row: NodeRow,
    reasons: Vec<ReasonRow>,
    bmc: String,
    /// What is done next usually, and what else can be done.
    next: Vec<Action>,
    more: Vec<Action>,
    hardware: Option<Hardware>,
    boot: Part<BootShown>,
    proofs: Part<ProofRow>,
    older_proofs: Vec<ProofRow>,
    disks: Part<DiskRow>,
    events: Part<EventRow>,
    inside: Inside,
}

impl NodePage {
    async fn read(ui: &Ui, visitor: &Visitor, name: &str, frame: Frame) -> Result<Self, Problem> {
        let path = segment(name);
        let node: Node = ui.rest.get(visitor, &format!("/v1/nodes/{path}")).await?;
        let (proofs, events) =
            (format!("/v1/nodes/{path}/proofs"), format!("/v1/events?node={path}&limit={EVENTS_SHOWN}"));
        let disks = format!("/v1/nodes/{path}/disks");
        let boots = format!("/v1/nodes/{path}/boots");
        let (boots, proofs, events, disks) = tokio::try_join!(
            Part::read(ui, visitor, &boots),
            Part::read(ui, visitor, &proofs),
            Part::<Event>::read(ui, visitor, &events),
            Part::<NodeDisk>::read(ui, visitor, &disks)
        )?;
        let now = Timestamp::now();
        let inside = Inside::read(ui, visitor, &node, now).await;
        let (next, more) = actions::offered(&node);
        let (newest, older_proofs) = proof::rows(proofs.items, now);
        let bmc = &node.bmc;
        Ok(NodePage {
            frame,
            bmc: format!("{} {}@{}:{}", bmc.protocol, bmc.username, bmc.address, bmc.port),
            row: view::node_row(&node, now),
            reasons: health::rows(&node.health_reasons, now),
            next,
            more,
            hardware: node.hardware.clone(),
            boot: Part { items: boots::newest(boots.items, now).into_iter().collect(), away: boots.away },
            proofs: Part { items: newest, away: proofs.away },
            older_proofs,
            disks: Part { items: disk::rows(disks.items, now), away: disks.away },
            events: Part { items: view::timeline(events.items, &[], now), away: events.away },
            inside,
            node,
        })
    }

    /// The page, or why there is none; with what was refused just now.
    async fn answer(
        ui: &Ui,
        visitor: &Visitor,
        name: &str,
        query: &BTreeMap<String, String>,
        refused: Option<Problem>,
    ) -> Response {
        let status = refused.as_ref().map(page::status_of);
        let frame = Frame::new(Some(visitor), "nodes", format!("/ui/nodes/{}", segment(name)));
        let frame = frame.done(query).refused(refused);
        match Self::read(ui, visitor, name, frame).await {
            Ok(shown) => page::show(status, &shown),
            Err(problem) => page::failure(Some(visitor), &problem),
        }
    }
}

/// One of them.
pub async fn show(
    State(ui): State<Arc<Ui>>,
    visitor: Visitor,
    Path(name): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    NodePage::answer(&ui, &visitor, &name, &query, None).await
}

/// Asks something of it. A refusal shows on its page, in its own words.
pub async fn act(State(ui): State<Arc<Ui>>, Path(name): Path<String>, posted: Posted) -> Response {
    let Posted { visitor, typed } = posted;
    let path = segment(&name);
    let action = typed.get("action");
    let mut wanted = json!({ "action": action });
    if let Some(reason) = typed.filled("reason") {
        wanted["reason"] = json!(reason);
    }
    if let Some(step) = typed.filled("step") {
        wanted["steps"] = json!([step]);
    }
    if let Some(sha256) = typed.filled("certificate_sha256") {
        wanted["certificate_sha256"] = json!(sha256);
    }
    let asked = async {
        if actions::needs_word(action) {
            typed.check_sure()?;
        }
        let to = match action == actions::ACCEPT_CHANGES.word {
            true => format!("/v1/nodes/{path}/bmc/changes-acceptance"),
            false => format!("/v1/nodes/{path}/actions"),
        };
        ui.rest.post::<Value>(&visitor, &to, &wanted).await
    };
    match asked.await {
        Ok(_) => page::done(&format!("/ui/nodes/{path}"), "asked"),
        Err(problem) => NodePage::answer(&ui, &visitor, &name, &BTreeMap::new(), Some(problem)).await,
    }
}

/// Forgets it.
pub async fn delete(State(ui): State<Arc<Ui>>, Path(name): Path<String>, posted: Posted) -> Response {
    let Posted { visitor, .. } = posted;
    match ui.rest.delete(&visitor, &format!("/v1/nodes/{}", segment(&name))).await {
        Ok(()) => page::done("/ui/nodes", "deleted"),
        Err(problem) => NodePage::answer(&ui, &visitor, &name, &BTreeMap::new(), Some(problem)).await,
    }
}
