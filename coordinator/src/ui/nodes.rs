//! Edges: the administrator's pages of physical servers: the list, one of them, what can be done with it.

use std::{collections::BTreeMap, sync::Arc};

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::Response,
};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Ui,
    page::{self, AdminPosted, Frame, Posted},
    rest::segment,
    session::{AdminVisitor, Visitor},
    view::{self, EventRow, NodeRow, Pill},
};
use crate::api::types::{Event, Hardware, List, Node, Problem};

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

/// Something that an administrator may ask of a node.
struct Action {
    /// The API's word.
    word: &'static str,
    /// On the button.
    label: &'static str,
    /// What it does.
    does: &'static str,
    /// Provision states in which it is what one would do next; the others keep it behind "more".
    fits: &'static [&'static str],
}

const ACTIONS: [Action; 9] = [
    Action {
        word: "manage",
        label: "Manage",
        does: "Verify the BMC and take it in hand; after a failure, begin anew.",
        fits: &["enroll", "clean failed", "inspect failed", "adopt failed"],
    },
    Action {
        word: "inspect",
        label: "Inspect",
        does: "Boot the ramdisk and look at the hardware.",
        fits: &["manageable"],
    },
    Action {
        word: "provide",
        label: "Provide",
        does: "Clean it, then make it available.",
        fits: &["manageable"],
    },
    Action {
        word: "abort",
        label: "Abort",
        does: "Stop what waits for a ramdisk.",
        fits: &["inspect wait", "clean wait", "wait call-back", "rescue wait", "service wait"],
    },
    Action {
        word: "reclaim",
        label: "Reclaim",
        does: "Take it away from its tenant: the tenant's server ends, the node is cleaned.",
        fits: &["error", "deploy failed"],
    },
    Action { word: "power_on", label: "Power on", does: "Switch on, as its state allows.", fits: &[] },
    Action { word: "power_off", label: "Power off", does: "Switch off.", fits: &[] },
    Action { word: "reboot", label: "Reboot", does: "Off, and on again.", fits: &[] },
    Action {
        word: "maintenance_off",
        label: "End maintenance",
        does: "Let Ironic work with it again.",
        fits: &[],
    },
];

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
    AdminVisitor(visitor): AdminVisitor,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    let nodes = match all(&ui, &visitor).await {
        Ok(nodes) => nodes,
        Err(problem) => return page::failure(&ui, Some(&visitor), &problem),
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
    bmc: String,
    fitting: Vec<&'static Action>,
    other: Vec<&'static Action>,
    hardware: Option<Hardware>,
    events: Vec<EventRow>,
}

impl NodePage {
    async fn read(ui: &Ui, visitor: &Visitor, name: &str, frame: Frame) -> Result<Self, Problem> {
        let path = segment(name);
        let node: Node = ui.rest.get(visitor, &format!("/v1/nodes/{path}")).await?;
        let events: List<Event> =
            ui.rest.get(visitor, &format!("/v1/events?node={path}&limit={EVENTS_SHOWN}")).await?;
        let now = Timestamp::now();
        let row = view::node_row(&node, now);
        let fits = |action: &&Action| action.fits.contains(&node.provision_state.as_str());
        let (fitting, other) = ACTIONS.iter().partition(fits);
        let bmc = &node.bmc;
        Ok(NodePage {
            frame,
            bmc: format!("{} {}@{}:{}", bmc.protocol, bmc.username, bmc.address, bmc.port),
            row,
            fitting,
            other,
            hardware: node.hardware.clone(),
            events: view::timeline(events.items, &[], now),
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
            Err(problem) => page::failure(ui, Some(visitor), &problem),
        }
    }

    fn size(bytes: &u64) -> String {
        view::size(*bytes)
    }

    fn memory(mib: &u64) -> String {
        view::size(mib.saturating_mul(1 << 20))
    }
}

/// One of them.
pub async fn show(
    State(ui): State<Arc<Ui>>,
    AdminVisitor(visitor): AdminVisitor,
    Path(name): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    NodePage::answer(&ui, &visitor, &name, &query, None).await
}

/// Asks something of it. A refusal shows on its page, in its own words.
pub async fn act(
    State(ui): State<Arc<Ui>>,
    Path(name): Path<String>,
    AdminPosted(posted): AdminPosted,
) -> Response {
    let Posted { visitor, typed } = posted;
    let path = segment(&name);
    let mut wanted = json!({ "action": typed.get("action") });
    if let Some(reason) = typed.filled("reason") {
        wanted["reason"] = json!(reason);
    }
    let asked: Result<Value, Problem> =
        ui.rest.post(&visitor, &format!("/v1/nodes/{path}/actions"), &wanted).await;
    match asked {
        Ok(_) => page::done(&format!("/ui/nodes/{path}"), "asked"),
        Err(problem) => NodePage::answer(&ui, &visitor, &name, &BTreeMap::new(), Some(problem)).await,
    }
}

/// Forgets it.
pub async fn delete(
    State(ui): State<Arc<Ui>>,
    Path(name): Path<String>,
    AdminPosted(posted): AdminPosted,
) -> Response {
    let Posted { visitor, .. } = posted;
    match ui.rest.delete(&visitor, &format!("/v1/nodes/{}", segment(&name))).await {
        Ok(()) => page::done("/ui/nodes", "deleted"),
        Err(problem) => NodePage::answer(&ui, &visitor, &name, &BTreeMap::new(), Some(problem)).await,
    }
}
