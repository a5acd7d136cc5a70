//! Edges: pages of images, flavors, agents, events, and what a tenant can choose from.

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
    form::{Faults, Field, Typed},
    nodes,
    page::{self, AdminPosted, Frame, Posted},
    rest::segment,
    session::{AdminVisitor, Visitor},
    view::{self, EventRow, When},
};
use crate::api::types::{Agent, Event, Flavor, Image, List, Problem, TenantNetwork};

/// Events that the page of events shows.
const EVENTS_SHOWN: u32 = 200;

#[derive(Template)]
#[template(path = "images.html")]
struct ImagesPage {
    frame: Frame,
    images: Vec<Image>,
    /// The visitor's project; none: an administrator, who may delete any.
    project: Option<String>,
}

impl ImagesPage {
    /// Whether the API would delete it for the visitor, as far as is known here.
    fn may_delete(&self, image: &Image) -> bool {
        self.project.is_none() || image.project_id.is_none() || image.project_id == self.project
    }

    fn size(bytes: &u64) -> String {
        view::size(*bytes)
    }

    async fn answer(
        ui: &Ui,
        visitor: &Visitor,
        query: &BTreeMap<String, String>,
        refused: Option<Problem>,
    ) -> Response {
        let status = refused.as_ref().map(page::status_of);
        let frame = Frame::new(Some(visitor), "images", "/ui/images").done(query).refused(refused);
        match ui.rest.get::<List<Image>>(visitor, "/v1/images").await {
            Ok(images) => {
                let project = visitor.identity.project_id.clone().filter(|_| !visitor.identity.is_admin);
                page::show(status, &ImagesPage { frame, images: images.items, project })
            }
            Err(problem) => page::failure(ui, Some(visitor), &problem),
        }
    }
}

/// Images.
pub async fn images(
    State(ui): State<Arc<Ui>>,
    visitor: Visitor,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    ImagesPage::answer(&ui, &visitor, &query, None).await
}

/// Deletes an image.
pub async fn delete_image(State(ui): State<Arc<Ui>>, Path(id): Path<String>, posted: Posted) -> Response {
    match ui.rest.delete(&posted.visitor, &format!("/v1/images/{}", segment(&id))).await {
        Ok(()) => page::done("/ui/images", "deleted"),
        Err(problem) => ImagesPage::answer(&ui, &posted.visitor, &BTreeMap::new(), Some(problem)).await,
    }
}

#[derive(Template)]
#[template(path = "flavors.html")]
struct FlavorsPage {
    frame: Frame,
    flavors: Vec<Flavor>,
    whole: Vec<String>,
    fields: Vec<Field>,
}

impl FlavorsPage {
    const FIELDS: [&'static str; 5] = ["name", "resource_class", "cpus", "memory_mib", "disk_gb"];

    fn memory(mib: &u64) -> String {
        view::size(mib.saturating_mul(1 << 20))
    }

    async fn answer(
        ui: &Ui,
        visitor: &Visitor,
        query: &BTreeMap<String, String>,
        typed: &Typed,
        refused: Option<(Problem, Faults)>,
    ) -> Response {
        let (refused, faults) = refused.map_or((None, Faults::default()), |(p, f)| (Some(p), f));
        let status = refused.as_ref().map(page::status_of);
        let text = |name, label| Field::text(name, label, typed).with(&faults);
        let number = |name, label, default| Field {
            kind: "number",
            ..text(name, label).default_value(typed, default)
        };
        let fields = vec![
            text("name", "Name").example("metal"),
            text("resource_class", "Resource class").hint("It selects servers of this class."),
            number("cpus", "Processors", "1"),
            number("memory_mib", "Memory in MiB", "1024"),
            number("disk_gb", "Disk in GiB", "1"),
        ];
        // What stands at a field need not stand above the page too.
        let refused = refused.filter(|_| faults.is_empty());
        let frame = Frame::new(Some(visitor), "flavors", "/ui/flavors").done(query).refused(refused);
        match ui.rest.get::<List<Flavor>>(visitor, "/v1/flavors").await {
            Ok(flavors) => page::show(
                status,
                &FlavorsPage { frame, flavors: flavors.items, whole: faults.whole, fields },
            ),
            Err(problem) => page::failure(ui, Some(visitor), &problem),
        }
    }
}

/// Flavors.
pub async fn flavors(
    State(ui): State<Arc<Ui>>,
    AdminVisitor(visitor): AdminVisitor,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    FlavorsPage::answer(&ui, &visitor, &query, &Typed::default(), None).await
}

/// Makes a flavor.
pub async fn create_flavor(State(ui): State<Arc<Ui>>, AdminPosted(posted): AdminPosted) -> Response {
    let Posted { visitor, typed } = posted;
    let numbers = ["cpus", "memory_mib", "disk_gb"].map(|name| typed.get(name).parse::<u32>());
    let made = match numbers {
        [Ok(cpus), Ok(memory_mib), Ok(disk_gb)] => {
            let (name, class) = (typed.get("name"), typed.get("resource_class"));
            let wanted = json!({ "name": name, "resource_class": class, "cpus": cpus, "memory_mib": memory_mib, "disk_gb": disk_gb });
            ui.rest.post::<Value>(&visitor, "/v1/flavors", &wanted).await
        }
        [cpus, memory, _] => {
            let field = match (cpus, memory) {
                (Err(_), _) => "cpus",
                (_, Err(_)) => "memory_mib",
                (Ok(_), Ok(_)) => "disk_gb",
            };
            Err(Problem::bad(format!("{field}: must be a whole number")))
        }
    };
    match made {
        Ok(_) => page::done("/ui/flavors", "made"),
        Err(problem) => {
            let faults = Faults::of(&problem, &FlavorsPage::FIELDS);
            let query = BTreeMap::new();
            FlavorsPage::answer(&ui, &visitor, &query, &typed, Some((problem, faults))).await
        }
    }
}

/// Deletes a flavor.
pub async fn delete_flavor(
    State(ui): State<Arc<Ui>>,
    Path(id): Path<String>,
    AdminPosted(posted): AdminPosted,
) -> Response {
    let Posted { visitor, .. } = posted;
    match ui.rest.delete(&visitor, &format!("/v1/flavors/{}", segment(&id))).await {
        Ok(()) => page::done("/ui/flavors", "deleted"),
        Err(problem) => {
            let (query, typed) = (BTreeMap::new(), Typed::default());
            FlavorsPage::answer(&ui, &visitor, &query, &typed, Some((problem, Faults::default()))).await
        }
    }
}

struct AgentRow {
    agent: Agent,
    seen: Option<When>,
}

#[derive(Template)]
#[template(path = "agents.html")]
struct AgentsPage {
    frame: Frame,
    rows: Vec<AgentRow>,
}

/// Rack agents.
pub async fn agents(State(ui): State<Arc<Ui>>, AdminVisitor(visitor): AdminVisitor) -> Response {
    let agents: List<Agent> = match ui.rest.get(&visitor, "/v1/agents").await {
        Ok(agents) => agents,
        Err(problem) => return page::failure(&ui, Some(&visitor), &problem),
    };
    let now = Timestamp::now();
    let row = |agent: Agent| AgentRow {
        seen: agent.last_seen.as_deref().and_then(|text| When::read(text, now)),
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
pub async fn events(State(ui): State<Arc<Ui>>, AdminVisitor(visitor): AdminVisitor) -> Response {
    let read = async {
        let events: List<Event> = ui.rest.get(&visitor, &format!("/v1/events?limit={EVENTS_SHOWN}")).await?;
        Ok::<_, Problem>((events.items, nodes::all(&ui, &visitor).await?))
    };
    match read.await {
        Ok((events, nodes)) => {
            let frame = Frame::new(Some(&visitor), "events", "/ui/events");
            page::show(None, &EventsPage { frame, events: view::timeline(events, &nodes, Timestamp::now()) })
        }
        Err(problem) => page::failure(&ui, Some(&visitor), &problem),
    }
}

/// What a tenant can choose from.
pub struct Offer {
    /// Flavors.
    pub flavors: Vec<Flavor>,
    /// Images.
    pub images: Vec<Image>,
    /// Networks of the project.
    pub networks: Vec<TenantNetwork>,
}

impl Offer {
    /// Reads it.
    pub async fn read(ui: &Ui, visitor: &Visitor) -> Result<Self, Problem> {
        let flavors = ui.rest.get::<List<Flavor>>(visitor, "/v1/flavors");
        let images = ui.rest.get::<List<Image>>(visitor, "/v1/images");
        let networks = ui.rest.get::<List<TenantNetwork>>(visitor, "/v1/networks");
        let (flavors, images, networks) = tokio::try_join!(flavors, images, networks)?;
        // An administrator sees the networks of every project and can use those of its own.
        let project = visitor.identity.project_id.as_deref();
        let is_own = |network: &TenantNetwork| Some(network.project_id.as_str()) == project;
        Ok(Offer {
            flavors: flavors.items,
            images: images.items,
            networks: networks.items.into_iter().filter(is_own).collect(),
        })
    }
}

#[derive(Template)]
#[template(path = "catalogue.html")]
struct CataloguePage {
    frame: Frame,
    offer: Offer,
}

impl CataloguePage {
    fn size(bytes: &u64) -> String {
        view::size(*bytes)
    }

    fn memory(mib: &u64) -> String {
        view::size(mib.saturating_mul(1 << 20))
    }
}

/// The catalogue.
pub async fn catalogue(State(ui): State<Arc<Ui>>, visitor: Visitor) -> Response {
    match Offer::read(&ui, &visitor).await {
        Ok(offer) => {
            let frame = Frame::new(Some(&visitor), "catalogue", "/ui/catalogue");
            page::show(None, &CataloguePage { frame, offer })
        }
        Err(problem) => page::failure(&ui, Some(&visitor), &problem),
    }
}
