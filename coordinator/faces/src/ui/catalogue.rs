//! Edges: pages of agents, events, and what a tenant can choose from.

use std::sync::Arc;

use api_types::{Agent, Event, Flavor, Image, List, TenantNetwork};
use askama::Template;
use axum::{extract::State, response::Response};
use jiff::Timestamp;

use super::{
    Ui, nodes,
    page::{self, Frame},
    part::Part,
    session::Visitor,
    view::{self, EventRow, When},
};
use crate::problem::Problem;

/// Events that the page of events shows.
const EVENTS_SHOWN: u32 = 200;

/// A date of RFC 3339, as in `2026-11-30`.
const DATE_LETTERS: usize = 10;
/// As much of a fingerprint as a table has room for.
const FINGERPRINT_LETTERS: usize = 16;

struct AgentRow {
    agent: Agent,
    seen: Option<When>,
    /// Until when its best certificate lasts, as a date.
    until: Option<String>,
    /// Fingerprint of the one that is in use: its beginning, and all of it.
    fingerprint: Option<(String, String)>,
}

#[derive(Template)]
#[template(path = "agents.html")]
struct AgentsPage {
    frame: Frame,
    rows: Vec<AgentRow>,
}

/// Rack agents.
pub async fn agents(State(ui): State<Arc<Ui>>, visitor: Visitor) -> Response {
    let agents: List<Agent> = match ui.rest.get(&visitor, "/v1/agents").await {
        Ok(agents) => agents,
        Err(problem) => return page::failure(Some(&visitor), &problem),
    };
    let now = Timestamp::now();
    let row = |agent: Agent| AgentRow {
        seen: agent.last_seen.as_deref().and_then(|text| When::read(text, now)),
        until: agent.certificate_ends.as_deref().and_then(|text| text.get(..DATE_LETTERS)).map(str::to_owned),
        fingerprint: agent.certificates.iter().find(|one| one.in_use).map(|one| {
            let shown: String = one.fingerprint.chars().take(FINGERPRINT_LETTERS).collect();
            (shown, one.fingerprint.clone())
        }),
        agent,
    };
    let frame = Frame::new(Some(&visitor), "agents", "/ui/agents");
    page::show(None, &AgentsPage { frame, rows: agents.items.into_iter().map(row).collect() })
}

#[derive(Template)]
#[template(path = "events.html")]
struct EventsPage {
    frame: Frame,
    events: Vec<EventRow>,
}

/// What happened.
pub async fn events(State(ui): State<Arc<Ui>>, visitor: Visitor) -> Response {
    let read = async {
        let events: List<Event> = ui.rest.get(&visitor, &format!("/v1/events?limit={EVENTS_SHOWN}")).await?;
        Ok::<_, Problem>((events.items, nodes::all(&ui, &visitor).await?))
    };
    match read.await {
        Ok((events, nodes)) => {
            let frame = Frame::new(Some(&visitor), "events", "/ui/events");
            page::show(None, &EventsPage { frame, events: view::timeline(events, &nodes, Timestamp::now()) })
        }
        Err(problem) => page::failure(Some(&visitor), &problem),
    }
}

/// What a tenant can choose from. A service that is away takes away its part.
pub struct Offer {
    /// Flavors.
    pub flavors: Part<Flavor>,
    /// Images.
    pub images: Part<Image>,
    /// Networks of the project.
    pub networks: Part<TenantNetwork>,
}

impl Offer {
    /// Reads it.
    pub async fn read(ui: &Ui, visitor: &Visitor) -> Result<Self, Problem> {
        let (flavors, images, networks) = tokio::try_join!(
            Part::read(ui, visitor, "/v1/flavors"),
            Part::read(ui, visitor, "/v1/images"),
            Part::<TenantNetwork>::read(ui, visitor, "/v1/networks"),
        )?;
        let mut offer = Offer { flavors, images, networks };
        // An administrator sees the networks of every project and can use those of its own.
        let project = visitor.known.identity.project_id();
        offer.networks.items.retain(|network| Some(network.project_id.as_str()) == project);
        Ok(offer)
    }
}

#[derive(Template)]
#[template(path = "catalogue.html")]
struct CataloguePage {
    frame: Frame,
    offer: Offer,
}

/// The catalogue.
pub async fn catalogue(State(ui): State<Arc<Ui>>, visitor: Visitor) -> Response {
    match Offer::read(&ui, &visitor).await {
        Ok(offer) => {
            let frame = Frame::new(Some(&visitor), "catalogue", "/ui/catalogue");
            page::show(None, &CataloguePage { frame, offer })
        }
        Err(problem) => page::failure(Some(&visitor), &problem),
    }
}
