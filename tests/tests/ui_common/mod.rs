//! The pages in front of fakes: a Keystone that knows three people, and a REST API with a few things to show.
#![allow(dead_code)] // each test file uses its part

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
};

use api_types::{
    Attachment, Bmc, BmcProtocol, BootMode, Event, Hardware, HardwareDisk, HardwareHealth, HardwareNic, Node,
    NodePort, RootDisk, Server, ServerStatus,
};
use async_trait::async_trait;
use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, post},
};
use domain::{
    events::EventKind,
    import,
    rim::{Bearer, Identity, IdentityService, Project, Service, ServiceError, SignIn, SignedIn, TokenScope},
};
use faces::{
    access::{AdminProject, Authenticator, RoleNames},
    problem::Problem,
};
use protocol::secret::Secret;
use serde::Serialize;
use serde_json::{Value, json};
use store::{
    Inventory,
    clock::{Clock, SystemClock},
    secret::Sealer,
};
use uuid::Uuid;

/// Everybody's password.
pub const PASSWORD: &str = "pass word";

/// What the fakes hold.
#[derive(Default)]
pub struct World {
    /// Tokens that Keystone issued and did not revoke, with their users.
    pub tokens: HashMap<String, String>,
    /// Physical servers.
    pub nodes: Vec<Value>,
    /// Tenants' servers.
    pub servers: Vec<Value>,
    /// Events.
    pub events: Vec<Value>,
    /// Machines that were found.
    pub discoveries: Vec<Value>,
    /// What was asked of the API beside what it tells: path and request.
    pub asked: Vec<(String, Value)>,
    /// Beginnings of paths whose service is away, and its name.
    pub away: Vec<(&'static str, &'static str)>,
    /// Whether Keystone knows no answer.
    pub keystone_is_away: bool,
    /// What stands behind every text that the fakes tell.
    pub foreign: Option<foreign::Foreign>,
}

/// The fakes.
#[derive(Clone)]
pub struct Fakes {
    /// What they hold.
    pub world: Arc<Mutex<World>>,
    /// Its events wake open pages.
    pub inventory: Inventory,
    /// The pages in front of the REST API.
    pub router: Router,
}

mod catalogue;
mod console;
mod erased;
pub mod foreign;
mod inside;
pub mod shown;

type Held = State<Arc<Mutex<World>>>;

/// Starts them.
pub async fn start() -> Fakes {
    let world = Arc::new(Mutex::new(World {
        nodes: nodes(),
        events: events(),
        discoveries: values(shown::discoveries()),
        ..World::default()
    }));
    let people = Arc::new(People(Arc::clone(&world)));
    let admins = AdminProject::Given("admin-id".to_owned());
    let authenticator =
        Arc::new(Authenticator::new(people, Arc::new(SystemClock), RoleNames::default(), admins));
    let sealer = Sealer::new(&[7; 32]);
    let inventory = Inventory::in_memory(sealer.clone(), Arc::new(SystemClock)).await.unwrap();
    let router = faces::ui::router(rest(Arc::clone(&world)), authenticator, inventory.clone(), sealer);
    Fakes { world, inventory, router }
}

impl Fakes {
    /// Changes a node, and records an event, so that open pages hear of it.
    pub async fn change_node(&self, name: &str, field: &str, value: Value) {
        {
            let mut world = self.world.lock().unwrap();
            let node =
                world.nodes.iter_mut().find(|node| node["name"] == name).expect("there is such a node");
            node[field] = value;
        }
        self.inventory.record_event(None, None, EventKind::State, format!("{name} changed")).await;
    }
}

/// How long a token lives, in microseconds.
const TOKEN_LIFE_US: u64 = 8 * 3600 * 1_000_000;

/// A Keystone that knows three people, each by a project of the same name.
struct People(Arc<Mutex<World>>);

impl People {
    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }
}

fn bearer(name: &str, foreign: Option<&foreign::Foreign>) -> Bearer {
    let shown = format!("{name}{}", foreign.map_or("", |foreign| foreign.of_people));
    let role = if name == "demo" || name == "other" { "member" } else { "admin" };
    let scope = TokenScope::Project { id: format!("{name}-id"), name: shown.clone() };
    let identity =
        Identity { user_id: name.to_owned(), user_name: shown, scope, roles: vec![role.to_owned()] };
    Bearer { identity, ends_us: SystemClock.now_us() + TOKEN_LIFE_US }
}

#[async_trait]
impl IdentityService for People {
    async fn whose(&self, token: &Secret) -> Result<Option<Bearer>, ServiceError> {
        if self.world().keystone_is_away {
            return Err(ServiceError::Unavailable {
                service: Service::Keystone,
                operation: "validate a token".to_owned(),
                message: "HTTP status 503 without a reason".to_owned(),
            });
        }
        let world = self.world();
        Ok(world.tokens.get(token.reveal()).map(|name| bearer(name, world.foreign.as_ref())))
    }

    async fn sign_in(&self, wanted: &SignIn) -> Result<SignedIn, ServiceError> {
        let name = wanted.user.as_str();
        let is_known = ["admin", "demo", "other"].contains(&name);
        let in_project = wanted.project.as_deref().is_none_or(|project| project == name);
        if !is_known || !in_project || wanted.password.reveal() != PASSWORD {
            return Err(ServiceError::Unauthorized {
                service: Service::Keystone,
                operation: format!("log {name} in"),
                message: "The request you have made requires authentication.".to_owned(),
            });
        }
        let token = format!("token-{name}-{}", Uuid::new_v4());
        let mut world = self.world();
        world.tokens.insert(token.clone(), name.to_owned());
        Ok(SignedIn { token: Secret::new(token), bearer: bearer(name, world.foreign.as_ref()) })
    }

    async fn revoke(&self, token: &Secret) -> Result<(), ServiceError> {
        self.world().tokens.remove(token.reveal());
        Ok(())
    }

    async fn find_project(&self, name: &str) -> Result<Project, ServiceError> {
        Ok(Project { id: format!("{name}-id"), name: name.to_owned() })
    }

    async fn own_project(&self) -> Result<Option<String>, ServiceError> {
        Ok(Some("admin-id".to_owned()))
    }
}

fn subject(world: &Mutex<World>, headers: &HeaderMap, header: &str) -> Option<String> {
    let token = headers.get(header)?.to_str().ok()?;
    world.lock().unwrap().tokens.get(token).cloned()
}

fn rest(world: Arc<Mutex<World>>) -> Router {
    Router::new()
        .route(
            "/v1/nodes",
            get(async |State(world): Held| Json(json!({ "items": world.lock().unwrap().nodes }))),
        )
        .route("/v1/nodes/import", post(import_nodes))
        .route("/v1/nodes/{node}", get(node).delete(refuse_delete))
        .route("/v1/nodes/{node}/actions", post(act))
        .route(
            "/v1/events",
            get(async |State(world): Held| Json(json!({ "items": world.lock().unwrap().events }))),
        )
        .route("/v1/servers", get(servers).post(create))
        .route("/v1/servers/{server}", get(server))
        .route("/v1/servers/{server}/actions", post(act_on_server))
        .route("/v1/images", list(catalogue::images()))
        .route("/v1/image-caches", list(catalogue::image_caches()))
        .route("/v1/flavors", list(catalogue::flavors()))
        .route("/v1/networks", list(catalogue::networks()))
        .route("/v1/agents", list(catalogue::agents()))
        .route("/v1/nodes/{node}/proofs", list(shown::proofs()))
        .route("/v1/nodes/{node}/boots", list(shown::boots()))
        .route("/v1/security-groups", list(shown::security_groups()))
        .route("/v1/pools", list(shown::pools()).post(note))
        .route("/v1/pool-moves", post(async || Json(json!({ "items": shown::moves() }))))
        .route("/v1/discoveries", get(discoveries))
        .route("/v1/discoveries/{id}/accept", post(accept))
        .route("/v1/discoveries/{id}/ignore", post(ignore))
        .route("/v1/discovery-rules", list(shown::rules()).post(note))
        .route("/v1/bmc-factory-passwords", list(shown::factory_passwords()).post(import_factory_passwords))
        .route("/v1/bmc-factory-passwords/{id}", axum::routing::delete(async || StatusCode::NO_CONTENT))
        .route("/v1/discovery-scans", list(shown::scans()).post(scan))
        .route("/v1/discovery-windows", list(shown::windows()).post(note))
        .route("/v1/nodes/{node}/disks", list(shown::disks()))
        .route("/v1/nodes/{node}/sensors", get(async || Json(inside::sensors())))
        .route(
            "/v1/nodes/{node}/sensors/{sensor}/history",
            get(async |Path((_, key)): Path<(String, String)>| Json(inside::history(&key))),
        )
        .route("/v1/nodes/{node}/sel", get(async || Json(inside::log())))
        .route("/v1/nodes/{node}/bmc", get(async || Json(inside::bmc())))
        .route("/v1/nodes/{node}/console", get(console::open))
        .route("/v1/servers/{server}/console", get(console::open))
        .route("/v1/audit", list(shown::audit()))
        .route("/v1/erase-certificates", list(erased::certificates()))
        .route("/v1/erase-certificates/{id}", get(async || Json(erased::file())))
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&world), away))
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&world), foreign::speak))
        .with_state(world)
}

/// Always the same list.
fn list<T: Serialize>(items: Vec<T>) -> MethodRouter<Arc<Mutex<World>>> {
    let shown = json!({ "items": items });
    get(async move || Json(shown))
}

/// As the API writes them: the tests change single fields.
fn values<T: Serialize>(items: Vec<T>) -> Vec<Value> {
    items.into_iter().map(|item| json!(item)).collect()
}

/// A service that is away is away for all that needs it.
async fn away(State(world): Held, request: axum::extract::Request, next: axum::middleware::Next) -> Response {
    let path = request.uri().path().to_owned();
    let gone = world.lock().unwrap().away.iter().find(|(begin, _)| path.starts_with(begin)).copied();
    match gone {
        Some((_, service)) => problem(
            StatusCode::SERVICE_UNAVAILABLE,
            &format!(
                "cannot list now: {service} did not answer: connection refused; check {service}, and try again"
            ),
        ),
        None => next.run(request).await,
    }
}

/// Keeps what was asked.
async fn note(State(world): Held, uri: axum::http::Uri, Json(asked): Json<Value>) -> Response {
    world.lock().unwrap().asked.push((uri.path().to_owned(), asked));
    (StatusCode::CREATED, Json(json!({}))).into_response()
}

/// A scan begins.
async fn scan(State(world): Held, Json(asked): Json<Value>) -> Response {
    world.lock().unwrap().asked.push(("/v1/discovery-scans".to_owned(), asked));
    (StatusCode::CREATED, Json(shown::scans()[0].clone())).into_response()
}

async fn discoveries(State(world): Held, Query(query): Query<HashMap<String, String>>) -> Json<Value> {
    let all = query.get("all").is_some_and(|all| all == "true");
    let mut shown = world.lock().unwrap().discoveries.clone();
    shown.retain(|one| all || one["ignored"] == false);
    Json(json!({ "items": shown }))
}

async fn accept(State(world): Held, Path(id): Path<String>, Json(asked): Json<Value>) -> Response {
    if asked["bmc_password"] == "wrong" {
        let why = format!("{id} cannot be enrolled yet: the BMC refuses <b>it</b>");
        return problem(StatusCode::UNPROCESSABLE_ENTITY, &why);
    }
    let mut world = world.lock().unwrap();
    let name = asked["name"].clone();
    world.discoveries.retain(|one| one["id"] != id.as_str());
    world.nodes.push(node_of(name.as_str().unwrap(), "enroll", "unknown", "52:54:00:00:00:0f"));
    world.asked.push((format!("/v1/discoveries/{id}/accept"), asked));
    let node = json!({ "id": Uuid::new_v4(), "name": name, "created": true });
    (StatusCode::CREATED, Json(node)).into_response()
}

async fn ignore(State(world): Held, Path(id): Path<String>) -> Response {
    let mut world = world.lock().unwrap();
    match world.discoveries.iter_mut().find(|one| one["id"] == id.as_str()) {
        Some(one) => {
            one["ignored"] = json!(true);
            Json(one.clone()).into_response()
        }
        None => problem(StatusCode::NOT_FOUND, "there is no discovered machine"),
    }
}

fn problem(status: StatusCode, detail: &str) -> Response {
    let body = json!({ "type": "x", "title": "Conflict", "status": status.as_u16(), "detail": detail });
    (status, Json(body)).into_response()
}

async fn node(State(world): Held, Path(name): Path<String>) -> Response {
    let world = world.lock().unwrap();
    match world.nodes.iter().find(|node| node["name"] == name.as_str()) {
        Some(node) => Json(node.clone()).into_response(),
        None => problem(StatusCode::NOT_FOUND, &format!("there is no node {name:?}")),
    }
}

async fn refuse_delete(Path(name): Path<String>) -> Response {
    problem(
        StatusCode::CONFLICT,
        &format!("{name} is active and carries <b>a tenant's server</b>: it was not deleted"),
    )
}

async fn act(State(world): Held, Path(name): Path<String>, Json(asked): Json<Value>) -> Response {
    let word = asked["action"].as_str().unwrap_or_default().to_owned();
    if name == "srv6" {
        world.lock().unwrap().asked.push(("act".to_owned(), asked));
        return Json(json!({})).into_response();
    }
    problem(StatusCode::CONFLICT, &format!("cannot {word} {name}: its agent is disconnected; check rack1"))
}

async fn import_nodes(
    State(world): Held,
    Query(query): Query<HashMap<String, String>>,
    text: String,
) -> Response {
    let read = match import::parse(&text) {
        Ok(read) => read,
        Err(faults) => {
            let refused = Problem::faults(faults);
            return refused.into_response();
        }
    };
    let dry_run = query["dry_run"] == "true";
    let is_used = |name: &str| {
        let world = world.lock().unwrap();
        world.nodes.iter().any(|node| node["name"] == name && node["provision_state"] == "active")
    };
    if let Some(used) = read.iter().find(|new| is_used(&new.name))
        && query["bmc_of_servers_in_use"] != "true"
    {
        let fault = import::Fault {
            line: used.line,
            path: "nodes[0].driver_info".to_owned(),
            message: format!("the BMC of {} changes; but it is active", used.name),
        };
        return Problem::faults(vec![fault]).into_response();
    }
    let mut nodes = Vec::new();
    for new in read {
        let created = !world.lock().unwrap().nodes.iter().any(|node| node["name"] == new.name.as_str());
        let changes = if created {
            json!([])
        } else {
            json!([{ "field": "bmc.address", "old": "198.51.100.11", "new": new.bmc.address }, { "field": "ports.eth1", "old": "", "new": "52:54:00:00:00:99 leaf1:xe-0/0/9" }])
        };
        let note = (!created).then(|| format!("the BMC of {} changes", new.name));
        nodes.push(
            json!({ "id": null, "name": new.name, "created": created, "changes": changes, "note": note }),
        );
        if !dry_run {
            let asked = json!({ "in_use": query["bmc_of_servers_in_use"] });
            world.lock().unwrap().asked.push((format!("import {}", new.name), asked));
        }
        if !dry_run && created {
            let mac = new.ports[0].mac.to_string();
            world.lock().unwrap().nodes.push(node_of(&new.name, "enroll", "unknown", &mac));
        }
    }
    Json(json!({ "nodes": nodes, "dry_run": dry_run })).into_response()
}

/// Keeps what it has read, and how.
async fn import_factory_passwords(
    State(world): Held,
    Query(query): Query<HashMap<String, String>>,
    text: String,
) -> Response {
    let format = if query["format"] == "json" { import::Format::Json } else { import::Format::Csv };
    match import::factory_passwords(&text, format) {
        Ok(lines) => {
            let told = json!({ "format": query["format"], "lines": lines.len() });
            world.lock().unwrap().asked.push(("import factory passwords".to_owned(), told));
            Json(json!({ "added": lines.len(), "unchanged": 0 })).into_response()
        }
        Err(faults) => Problem::faults(faults).into_response(),
    }
}

async fn servers(State(world): Held, headers: HeaderMap) -> Json<Value> {
    let who = subject(&world, &headers, "x-auth-token").unwrap_or_default();
    let mut shown = world.lock().unwrap().servers.clone();
    shown.retain(|server| server["project_id"] == format!("{who}-id"));
    Json(json!({ "items": shown }))
}

async fn server(State(world): Held, headers: HeaderMap, Path(id): Path<String>) -> Response {
    let Json(mine) = servers(State(world), headers).await;
    match mine["items"].as_array().unwrap().iter().find(|server| server["id"] == id.as_str()) {
        Some(server) => Json(server.clone()).into_response(),
        None => problem(StatusCode::NOT_FOUND, &format!("there is no server {id:?}")),
    }
}

/// A rescue is told its password; nothing else is.
async fn act_on_server(
    State(world): Held,
    headers: HeaderMap,
    Path(id): Path<String>,
    Json(asked): Json<Value>,
) -> Response {
    let Json(mine) = servers(State(world.clone()), headers).await;
    let Some(mut server) =
        mine["items"].as_array().unwrap().iter().find(|one| one["id"] == id.as_str()).cloned()
    else {
        return problem(StatusCode::NOT_FOUND, &format!("there is no server {id:?}"));
    };
    if asked["action"] == "rescue" {
        server["rescue_password"] = json!("made-for-this-rescue");
    }
    world.lock().unwrap().asked.push(("act".to_owned(), asked));
    (StatusCode::ACCEPTED, Json(server)).into_response()
}

async fn create(State(world): Held, headers: HeaderMap, Json(wanted): Json<Value>) -> Response {
    let who = subject(&world, &headers, "x-auth-token").unwrap_or_default();
    let name = wanted["name"].as_str().unwrap_or_default();
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        return Problem::bad_at("name", "must have 1 to 63 letters, digits or -").into_response();
    }
    if wanted["networks"].as_array().unwrap().iter().any(|network| network["address"] == "192.0.2.1") {
        let why = "address 192.0.2.1 cannot be used on network blue (192.0.2.0/24): it is the gateway's; choose another one";
        return Problem::bad(why).about("networks[0].address").into_response();
    }
    world.lock().unwrap().asked.push(("/v1/servers".to_owned(), wanted.clone()));
    let attached = |network: &str, address: &str, vlan| Attachment {
        network: network.to_owned(),
        address: address.to_owned(),
        vlan,
        port: Uuid::nil(),
    };
    let made = json!(Server {
        id: Uuid::new_v4(),
        instance: Some(Uuid::new_v4()),
        name: name.to_owned(),
        project_id: format!("{who}-id"),
        flavor: wanted["flavor"].as_str().unwrap_or_default().to_owned(),
        image: "demo".to_owned(),
        network: "blue".to_owned(),
        address: "192.0.2.7".to_owned(),
        networks: vec![attached("blue", "192.0.2.7", None), attached("green", "198.18.7.9", Some(100))],
        security_groups: vec!["default".to_owned(), "web".to_owned()],
        status: if name.starts_with("up") { ServerStatus::Active } else { ServerStatus::Building },
        in_rescue: false,
        reason: Some("the ramdisk to write the image".to_owned()),
        state_since: None,
        waiting_for: None,
        next: String::new(),
        node: None,
        rescue_password: None,
    });
    world.lock().unwrap().servers.push(made.clone());
    (StatusCode::ACCEPTED, Json(made)).into_response()
}

/// A node as the API shows it.
pub fn node_of(name: &str, state: &str, power: &str, mac: &str) -> Value {
    json!(node_shown(name, state, power, mac))
}

fn node_shown(name: &str, state: &str, power: &str, mac: &str) -> Node {
    let since = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(200);
    let port = NodePort {
        name: "eth0".to_owned(),
        mac: mac.to_owned(),
        switch: "leaf1".to_owned(),
        port: "xe-0/0/1".to_owned(),
        pxe_enabled: false,
        network_wanted: Some("cleaning".to_owned()),
        network_observed: Some("cleaning".to_owned()),
        observed_at: None,
        carrier: Some(true),
        speed_mbps: None,
    };
    let bmc = Bmc {
        protocol: BmcProtocol::Redfish,
        address: "198.51.100.11".to_owned(),
        port: 443,
        username: "admin".to_owned(),
        identity: None,
        settings: Vec::new(),
        password: Default::default(),
        has_changes: false,
        certificate_in_question: None,
    };
    Node {
        id: Uuid::new_v4(),
        name: name.to_owned(),
        rack: "rack1".to_owned(),
        resource_class: "baremetal".to_owned(),
        pool: None,
        boot_mode: BootMode::Uefi,
        provision_state: state.to_owned(),
        state_since: Some(since.to_string()),
        waiting_for: None,
        next: "a tenant's server, when one asks for its flavor".to_owned(),
        power: serde_json::from_value(json!(power)).expect("every word is a power state"),
        power_reason: None,
        boot: None,
        health: HardwareHealth::Ok,
        health_not_known: None,
        health_reasons: Vec::new(),
        not_watched: None,
        network_wanted: None,
        network_observed: None,
        reason: None,
        last_error: None,
        notes: Vec::new(),
        maintenance: false,
        maintenance_reason: None,
        deployed: false,
        instance: None,
        bmc,
        ports: vec![port],
        hardware: None,
    }
}

fn hardware() -> Hardware {
    let disk = HardwareDisk {
        name: "/dev/nvme0n1".to_owned(),
        size_bytes: 1_920_383_410_176,
        model: "SAMSUNG MZQL21T9HCJR".to_owned(),
        serial: "S64GNE0R".to_owned(),
        transport: "nvme".to_owned(),
        wwn: "eui.36344730585008750025384100000001".to_owned(),
        sector_bytes: 512,
        physical_sector_bytes: 4096,
        place: "pci-0000:41:00.0-nvme-1".to_owned(),
        paths: 1,
        marks: Vec::new(),
        firmware: "GDC5602Q".to_owned(),
        health: "good".to_owned(),
        used_percent: Some(3),
        says: Vec::new(),
    };
    let root_disk = RootDisk {
        name: Some(disk.name.clone()),
        text: "/dev/nvme0n1, the smallest disk of at least 4 GiB".to_owned(),
    };
    let nic = |name: &str, mac: &str, speed_mbps| HardwareNic {
        name: name.to_owned(),
        mac: mac.to_owned(),
        carrier: speed_mbps > 0,
        speed_mbps,
    };
    Hardware {
        system: "QEMU Standard PC (Q35 + ICH9, 2009)".to_owned(),
        serial: "srv1".to_owned(),
        cpus: 32,
        cpu_model: "AMD EPYC 7343 16-Core Processor".to_owned(),
        memory_mib: 262_144,
        disks: vec![disk],
        root_disk: Some(root_disk),
        nics: vec![nic("eth0", "52:54:00:00:00:01", 25_000), nic("eth1", "52:54:00:00:00:aa", 0)],
        faults: vec!["no storage driver for 1000:0097".to_owned()],
        secure_boot: false,
    }
}

fn nodes() -> Vec<Value> {
    let mut nodes = vec![
        node_of("srv1", "available", "off", "52:54:00:00:00:01"),
        node_of("srv2", "clean wait", "on", "52:54:00:00:00:02"),
        node_of("srv3", "active", "on", "52:54:00:00:00:03"),
        node_of("srv4", "clean failed", "unreachable", "52:54:00:00:00:04"),
        node_of("srv6", "manageable", "off", "52:54:00:00:00:06"),
        node_of("<script>alert(1)</script>", "enroll", "unknown", "52:54:00:00:00:05"),
    ];
    for (index, network) in ["cleaning", "cleaning", "tenant 3f0e", "cleaning"].iter().enumerate() {
        nodes[index]["network_wanted"] = json!(network);
        nodes[index]["network_observed"] = json!(network);
    }
    nodes[1]["waiting_for"] = json!("the ramdisk's step erase_devices to end");
    nodes[3]["network_observed"] = json!("other: vm-7 on default-domain:demo:green");
    nodes[3]["last_error"] =
        json!("Failed to tear down from cleaning for node: the BMC does not answer: no route to host");
    nodes[3]["power_reason"] = json!("no answer from 198.51.100.14 for 40 s");
    nodes[3]["maintenance"] = json!(true);
    nodes[2]["instance"] = json!(Uuid::new_v4());
    let since = (jiff::Timestamp::now() - jiff::SignedDuration::from_secs(5400)).to_string();
    let fan = json!({"severity": "critical", "source": "sensor", "since": since,
        "text": "FAN2: 0 rpm (its lower critical limit is 500)"});
    let memory = json!({"severity": "warning", "source": "log_entry", "entry": 17, "since": since,
        "text": "event log: DIMM A1: correctable error log limit reached"});
    nodes[0]["health"] = json!("critical");
    nodes[0]["health_reasons"] = json!([fan, memory]);
    nodes[3]["health"] = json!("unknown");
    nodes[3]["health_not_known"] = json!("its BMC does not answer, or lets nobody in");
    nodes[3]["health_reasons"] = json!([memory]);
    nodes[0]["hardware"] = json!(hardware());
    nodes
}

fn events() -> Vec<Value> {
    let now = jiff::Timestamp::now();
    let lines = [
        (5400, EventKind::Enrolled, "srv1 enrolled in rack rack1"),
        (5390, EventKind::State, "provision state enroll -> verifying"),
        (300, EventKind::PortMoved, "eth0 moved to cleaning and seen there"),
        (
            200,
            EventKind::Refused,
            "power-on refused: port eth0 (leaf1:xe-0/0/1) is not seen on the network cleaning",
        ),
        (100, EventKind::Alarm, "the BMC of srv1 at 198.51.100.11 did not answer: connection refused"),
        (4, EventKind::Power, "off"),
    ];
    let line = |(ago, kind, text): &(i64, EventKind, &str)| {
        let at = now - jiff::SignedDuration::from_secs(*ago);
        json!(Event {
            id: u64::try_from(at.as_microsecond()).unwrap(),
            at: at.to_string(),
            node: None,
            node_name: None,
            rack: Some("rack1".to_owned()),
            server: None,
            server_name: None,
            project_id: None,
            kind: *kind,
            other_kind: None,
            text: (*text).to_owned(),
        })
    };
    lines.iter().map(line).collect()
}
