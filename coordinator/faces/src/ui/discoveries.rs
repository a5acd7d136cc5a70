//! Edges: the administrator's pages of machines that were found and that nobody has enrolled: the list with what finds them,
//! and one of them with the form that accepts it.

use std::{collections::BTreeMap, sync::Arc};

use api_types::{Agent, Discovery, ImportedNode, Scan, Window};
use askama::Template;
use axum::{
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use domain::url_text::segment;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Ui,
    form::{Choice, Faults, Field, Typed},
    found::Found,
    page::{self, Frame, Posted},
    part::Part,
    session::Visitor,
    view::When,
};
use crate::problem::Problem;

/// Scans that are shown.
const SCANS_SHOWN: usize = 5;
/// Minutes for which the discovery network is opened when nothing else is said.
const OPEN_MINUTES: &str = "30";

struct ScanRow {
    scan: Scan,
    began: Option<When>,
}

struct WindowRow {
    window: Window,
    until: Option<When>,
}

#[derive(Template)]
#[template(path = "discoveries.html")]
struct DiscoveriesPage {
    frame: Frame,
    /// Also those that are ignored.
    all: bool,
    found: Part<Found>,
    scans: Vec<ScanRow>,
    windows: Vec<WindowRow>,
    scan: Form,
    open: Form,
}

/// A form of the page, folded until it is wanted.
struct Form {
    fields: Vec<Field>,
    whole: Vec<String>,
    is_open: bool,
}

impl Form {
    fn new(fields: Vec<Field>, faults: Option<&Faults>) -> Self {
        let none = Faults::default();
        let of = faults.unwrap_or(&none);
        let fields = fields.into_iter().map(|field| field.with(of)).collect();
        Form { fields, whole: of.whole.clone(), is_open: faults.is_some() }
    }
}

/// What was refused just now, and by which form.
enum Refused {
    Scan(Problem),
    Open(Problem),
    Other(Problem),
}

impl Refused {
    fn problem(&self) -> &Problem {
        match self {
            Refused::Scan(problem) | Refused::Open(problem) | Refused::Other(problem) => problem,
        }
    }
}

impl DiscoveriesPage {
    async fn answer(
        ui: &Ui,
        visitor: &Visitor,
        query: &BTreeMap<String, String>,
        typed: &Typed,
        refused: Option<Refused>,
    ) -> Response {
        let status = refused.as_ref().map(|refused| page::status_of(refused.problem()));
        match Self::read(ui, visitor, query, typed, refused).await {
            Ok(shown) => page::show(status, &shown),
            Err(problem) => page::failure(Some(visitor), &problem),
        }
    }

    async fn read(
        ui: &Ui,
        visitor: &Visitor,
        query: &BTreeMap<String, String>,
        typed: &Typed,
        refused: Option<Refused>,
    ) -> Result<Self, Problem> {
        let all = query.get("all").is_some_and(|all| all == "true");
        let (path, now) = (format!("/v1/discoveries?all={all}"), Timestamp::now());
        let (found, scans, windows, agents) = tokio::try_join!(
            Part::<Discovery>::read(ui, visitor, &path),
            Part::<Scan>::read(ui, visitor, "/v1/discovery-scans"),
            Part::<Window>::read(ui, visitor, "/v1/discovery-windows"),
            Part::<Agent>::read(ui, visitor, "/v1/agents"),
        )?;
        let (mut scan, mut open, mut other) = (None, None, None);
        match refused {
            Some(Refused::Scan(problem)) => {
                scan = Some(scan_faults(&problem));
            }
            Some(Refused::Open(problem)) => open = Some(open_faults(&problem)),
            Some(Refused::Other(problem)) => other = Some(problem),
            None => {}
        }
        let url = if all { "/ui/discoveries?all=true" } else { "/ui/discoveries" };
        let mut scans = scans.items;
        scans.sort_by(|a, b| b.began.cmp(&a.began));
        let when = |text: &Option<String>| text.as_deref().and_then(|text| When::read(text, now));
        Ok(DiscoveriesPage {
            frame: Frame::new(Some(visitor), "discoveries", url).done(query).refused(other),
            all,
            found: Part { items: Found::all(found.items, now), away: found.away },
            scans: scans
                .into_iter()
                .take(SCANS_SHOWN)
                .map(|scan| ScanRow { began: when(&scan.began), scan })
                .collect(),
            windows: windows
                .items
                .into_iter()
                .map(|window| WindowRow { until: when(&window.until), window })
                .collect(),
            scan: Form::new(scan_fields(typed, &agents.items), scan.as_ref()),
            open: Form::new(open_fields(typed, &agents.items), open.as_ref()),
        })
    }
}

/// The form asks for one login, and the request for a list of them.
fn scan_faults(problem: &Problem) -> Faults {
    Faults::placed(problem, |field| {
        let field = field.strip_prefix("credentials[0].").unwrap_or(field);
        let list = field.split_once('[').map_or(field, |(list, _)| list);
        ["rack", "ranges", "redfish", "username", "password"].contains(&list).then(|| list.to_owned())
    })
}

/// The form asks for minutes, and the request for seconds.
fn open_faults(problem: &Problem) -> Faults {
    Faults::placed(problem, |field| match field {
        "rack" => Some("rack".to_owned()),
        "minutes" | "seconds" => Some("minutes".to_owned()),
        _ => None,
    })
}

/// The racks that have an agent; anything may be typed when there is none to choose from.
fn rack_field(id: &'static str, typed: &Typed, agents: &[Agent]) -> Field {
    if agents.is_empty() {
        return Field::text("rack", "Rack", typed).default_value(typed, "rack1").id(id);
    }
    let choice = |agent: &Agent| {
        let away = if agent.connected { "" } else { " (its agent is disconnected)" };
        Choice::new(&agent.rack, format!("{}{away}", agent.rack))
    };
    Field::select("rack", "Rack", typed, agents.iter().map(choice).collect()).id(id)
}

fn scan_fields(typed: &Typed, agents: &[Agent]) -> Vec<Field> {
    vec![
        rack_field("scan-rack", typed, agents),
        Field::text("ranges", "Addresses", typed)
            .example("198.51.100.0/27")
            .hint("Address ranges of BMCs, separated by spaces. Management networks only: the password is sent to anything \
                   that answers like a BMC."),
        Field::text("redfish", "Redfish at", typed)
            .default_value(typed, "https:443")
            .hint("Where Redfish is tried. IPMI is always tried."),
        Field::text("username", "User", typed).optional().hint("Tried once at each BMC of no enrolled node; leave empty to \
                                                                try no login."),
        Field::password("password", "Password", "off").optional(),
    ]
}

fn open_fields(typed: &Typed, agents: &[Agent]) -> Vec<Field> {
    vec![
        rack_field("open-rack", typed, agents),
        Field::number("minutes", "Minutes", typed, OPEN_MINUTES).hint("It closes automatically."),
    ]
}

/// The list.
pub async fn list(
    State(ui): State<Arc<Ui>>,
    visitor: Visitor,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    DiscoveriesPage::answer(&ui, &visitor, &query, &Typed::default(), None).await
}

/// A refused form's page has the form's address; whoever loads it again gets the list.
pub async fn to_list() -> Redirect {
    Redirect::to("/ui/discoveries")
}

/// Lets an agent look for BMCs.
pub async fn scan(State(ui): State<Arc<Ui>>, posted: Posted) -> Response {
    let Posted { visitor, typed } = posted;
    let mut wanted = json!({ "rack": typed.get("rack"), "ranges": typed.words("ranges"), "redfish": typed.words("redfish") });
    if typed.filled("username").is_some() || typed.filled("password").is_some() {
        // A password may begin or end with a blank.
        let password = typed.0.get("password").cloned().unwrap_or_default();
        wanted["credentials"] = json!([{ "username": typed.get("username"), "password": password }]);
    }
    match ui.rest.post::<Scan>(&visitor, "/v1/discovery-scans", &wanted).await {
        Ok(_) => page::done("/ui/discoveries", "scanning"),
        Err(problem) => {
            let refused = Some(Refused::Scan(problem));
            DiscoveriesPage::answer(&ui, &visitor, &BTreeMap::new(), &typed, refused).await
        }
    }
}

/// Opens or closes a rack's discovery network.
pub async fn window(State(ui): State<Arc<Ui>>, posted: Posted) -> Response {
    let Posted { visitor, typed } = posted;
    let rack = typed.get("rack");
    let asked = if typed.get("do") == "close" {
        let closed = ui.rest.delete(&visitor, &format!("/v1/discovery-windows/{}", segment(rack))).await;
        closed.map(|()| "closed").map_err(Refused::Other)
    } else {
        let minutes = typed.get("minutes").parse::<u32>().ok().and_then(|minutes| minutes.checked_mul(60));
        match minutes {
            None => Err(Refused::Open(Problem::bad_at("minutes", "must be a whole number"))),
            Some(seconds) => {
                let wanted = json!({ "rack": rack, "seconds": seconds });
                let opened = ui.rest.post::<Value>(&visitor, "/v1/discovery-windows", &wanted).await;
                opened.map(|_| "opened").map_err(Refused::Open)
            }
        }
    };
    match asked {
        Ok(word) => page::done("/ui/discoveries", word),
        Err(refused) => DiscoveriesPage::answer(&ui, &visitor, &BTreeMap::new(), &typed, Some(refused)).await,
    }
}

#[derive(Template)]
#[template(path = "discovery.html")]
struct DiscoveryPage {
    frame: Frame,
    found: Found,
    whole: Vec<String>,
    fields: Vec<Field>,
    /// Where interfaces are plugged in on which no switch was heard.
    ports: Vec<(String, [Field; 2])>,
}

impl DiscoveryPage {
    async fn answer(
        ui: &Ui,
        visitor: &Visitor,
        id: &str,
        typed: &Typed,
        refused: Option<Problem>,
    ) -> Response {
        let status = refused.as_ref().map(page::status_of);
        // The whole list is read, so that machines that may be the same one are seen.
        let list = match Part::<Discovery>::read(ui, visitor, "/v1/discoveries?all=true").await {
            Ok(list) => list,
            Err(problem) => return page::failure(Some(visitor), &problem),
        };
        let found = Found::all(list.items, Timestamp::now()).into_iter();
        let Some(found) = found.into_iter().find(|found| found.machine.id.to_string() == id) else {
            let problem = match list.away {
                None => Problem::not_found("machine found", id),
                Some(why) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "away", why),
            };
            return page::failure(Some(visitor), &problem);
        };
        page::show(status, &Self::new(visitor, found, typed, refused.as_ref()))
    }

    fn new(visitor: &Visitor, found: Found, typed: &Typed, refused: Option<&Problem>) -> Self {
        let bmc = found.machine.bmc.as_ref();
        let has_login = bmc.is_some_and(|bmc| bmc.username.is_some());
        let mut fields = vec![
            Field::text("name", "Name", typed).example("srv4").hint("1 to 63 letters, digits, - _ and ."),
            Field::text("resource_class", "Resource class", typed).default_value(typed, "baremetal").hint(
                "Flavors of this class select it; a pool may give it another one after its inspection.",
            ),
        ];
        if bmc.is_none() {
            fields.push(
                Field::text("bmc", "BMC", typed)
                    .example("ipmi://198.51.100.14")
                    .hint("ipmi://HOST, or https://HOST for Redfish; add :PORT if it is not the default."),
            );
        }
        if !has_login {
            fields.push(Field::text("bmc_username", "BMC user", typed));
            fields.push(
                Field::password("bmc_password", "BMC password", "new-password")
                    .hint("Stored encrypted, never shown again."),
            );
        }
        let port = |name: &str, booted: bool| {
            let field = |what: &str, label| {
                let field = Field::text(format!("{what}_{name}"), label, typed);
                if booted { field } else { field.optional() }
            };
            [
                field("switch", "Switch").hint("Name of the physical router in Contrail."),
                field("port", "Switch port").example("xe-0/0/3"),
            ]
        };
        let ports: Vec<(String, [Field; 2])> = found
            .unheard()
            .map(|nic| {
                let booted = if nic.booted { ", over which it booted" } else { "" };
                (format!("{} {}{booted}", nic.name, nic.mac), port(&nic.name, nic.booted))
            })
            .collect();
        let shown = fields.iter().chain(ports.iter().flat_map(|(_, fields)| fields));
        let shown: Vec<&str> = shown.map(|field| field.name.as_ref()).collect();
        let faults = refused.map(|problem| accept_faults(problem, &shown, typed)).unwrap_or_default();
        DiscoveryPage {
            frame: Frame::new(Some(visitor), "discoveries", ""),
            fields: fields.into_iter().map(|field| field.with(&faults)).collect(),
            ports: ports
                .into_iter()
                .map(|(title, fields)| (title, fields.map(|field| field.with(&faults))))
                .collect(),
            whole: faults.whole,
            found,
        }
    }
}

/// The form shows the fields that are needed, and of each interface its own; the request has a list of switch ports.
fn accept_faults(problem: &Problem, shown: &[&str], typed: &Typed) -> Faults {
    let nics = described(typed);
    Faults::placed(problem, |field| {
        let name = match field.strip_prefix("ports[").and_then(|rest| rest.split_once("].")) {
            Some((position, part)) => format!("{part}_{}", nics.get(position.parse::<usize>().ok()?)?),
            None => field.to_owned(),
        };
        shown.contains(&name.as_str()).then_some(name)
    })
}

/// One of them, with the form that accepts it.
pub async fn show(State(ui): State<Arc<Ui>>, visitor: Visitor, Path(id): Path<String>) -> Response {
    DiscoveryPage::answer(&ui, &visitor, &id, &Typed::default(), None).await
}

/// Accepts it: it is a node from now on.
pub async fn accept(State(ui): State<Arc<Ui>>, Path(id): Path<String>, posted: Posted) -> Response {
    let Posted { visitor, typed } = posted;
    let path = format!("/v1/discoveries/{}/accept", segment(&id));
    match ui.rest.post::<ImportedNode>(&visitor, &path, &wish(&typed)).await {
        Ok(node) => page::done(&format!("/ui/nodes/{}", segment(&node.name)), "accepted"),
        Err(problem) => DiscoveryPage::answer(&ui, &visitor, &id, &typed, Some(problem)).await,
    }
}

/// What the form says, for the API. What is empty is left out.
fn wish(typed: &Typed) -> Value {
    let mut wanted = json!({ "name": typed.get("name") });
    for name in ["resource_class", "bmc", "bmc_username"] {
        if let Some(text) = typed.filled(name) {
            wanted[name] = json!(text);
        }
    }
    if let Some(password) = typed.0.get("bmc_password").filter(|password| !password.is_empty()) {
        wanted["bmc_password"] = json!(password);
    }
    let port = |nic: &str| json!({ "nic": nic, "switch": typed.get(&format!("switch_{nic}")), "port": typed.get(&format!("port_{nic}")) });
    wanted["ports"] = described(typed).into_iter().map(port).collect();
    wanted
}

/// The interfaces of which a switch port was typed: the request's `ports`, in order.
fn described(typed: &Typed) -> Vec<&str> {
    let switches = typed.0.keys().filter_map(|name| name.strip_prefix("switch_"));
    let said = |nic: &&str| {
        [format!("switch_{nic}"), format!("port_{nic}")].iter().any(|name| typed.filled(name).is_some())
    };
    switches.filter(said).collect()
}

/// Ignores or forgets it.
pub async fn act(State(ui): State<Arc<Ui>>, Path(id): Path<String>, posted: Posted) -> Response {
    let Posted { visitor, typed } = posted;
    let path = format!("/v1/discoveries/{}", segment(&id));
    let asked = if typed.get("do") == "forget" {
        ui.rest.delete(&visitor, &path).await.map(|()| "forgotten")
    } else {
        ui.rest.post::<Value>(&visitor, &format!("{path}/ignore"), &json!({})).await.map(|_| "ignored")
    };
    match asked {
        Ok(word) => page::done("/ui/discoveries", word),
        Err(problem) => {
            let refused = Some(Refused::Other(problem));
            DiscoveriesPage::answer(&ui, &visitor, &BTreeMap::new(), &typed, refused).await.into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_stands_where_it_was_typed() {
        let typed = [("switch_eth0", ""), ("port_eth0", ""), ("switch_eth1", "leaf1"), ("port_eth1", "")];
        let typed = Typed(typed.map(|(name, text)| (name.to_owned(), text.to_owned())).into());
        let shown = ["name", "switch_eth1", "port_eth1"];
        let check = |faults: Faults, fields: &[&str], whole: &[&str]| {
            let at: Vec<_> = faults.fields.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!((at.as_slice(), faults.whole.len()), (fields, whole.len()), "{faults:?}");
            assert!(whole.iter().zip(&faults.whole).all(|(words, said)| said.contains(words)), "{faults:?}");
        };
        let accept = |problem: Problem| accept_faults(&problem, &shown, &typed);
        check(accept(Problem::bad_at("ports[0].port", "is empty")), &["port_eth1"], &[]);
        check(accept(Problem::bad_at("ports", "are too few")), &[], &["too few"]);
        check(
            accept(Problem::bad_at("name", "is empty").at("", "it never booted")),
            &["name"],
            &["never booted"],
        );
        check(
            accept(Problem::bad_at_each(&["bmc_username"], "is missing")),
            &[],
            &["bmc_username: is missing"],
        );
        let scan = |problem: Problem| scan_faults(&problem);
        check(scan(Problem::bad_at("credentials[0].password", "is empty")), &["password"], &[]);
        check(scan(Problem::bad_at("ranges[1]", "is no range")), &["ranges"], &[]);
        check(scan(Problem::bad_at("credentials[1].password", "is empty")), &[], &["is empty"]);
        check(open_faults(&Problem::bad_at("seconds", "is 0")), &["minutes"], &[]);
    }

    #[test]
    fn what_is_empty_is_not_asked_for() {
        let check = |fields: &[(&str, &str)], expected: Value| {
            let typed = fields.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
            assert_eq!(wish(&Typed(typed.collect())), expected);
        };
        check(
            &[("name", "srv4"), ("bmc", ""), ("bmc_password", ""), ("switch_eth0", ""), ("port_eth0", " ")],
            json!({ "name": "srv4", "ports": [] }),
        );
        check(
            &[
                ("name", "srv4"),
                ("bmc_username", "admin"),
                ("bmc_password", " x "),
                ("switch_eth1", "leaf1"),
                ("port_eth1", ""),
            ],
            json!({ "name": "srv4", "bmc_username": "admin", "bmc_password": " x ",
                "ports": [{ "nic": "eth1", "switch": "leaf1", "port": "" }] }),
        );
    }
}
