//! Edges: machines that nobody has enrolled yet, in the API, for administrators.

use std::{fmt::Display, str::FromStr, sync::Arc};

use api_types::{
    AcceptDiscovery, DiscoveredBmc, DiscoveredNic, Discovery, Fault, FoundBy, ImportedNode, List, NewScan,
    NewWindow, Scan, Window,
};
use axum::{Json, extract::State, http::StatusCode};
use coordinator_core::discovery::{DiscoveryError, ScanRun, WindowRun};
use domain::{
    discovery::{
        Entry,
        accept::{self, Missing, Wish},
    },
    events::EventKind,
    import::{self, Defaults, KEEP_PASSWORD, ServersInUse},
    rim::SwitchPort,
};
use protocol::{
    discovery::{
        ADDRESSES_MAX, AddressRange, CREDENTIALS_MAX, Credential, RANGES_MAX, REDFISH_PORTS_MAX, RedfishPort,
        Scan as ScanOrder, WINDOW_SECONDS_MAX,
    },
    id::RackId,
    secret::Secret,
    spec::BmcProtocol,
};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    Api,
    auth::User,
    request::{JsonBody, Path, Query},
    time,
};
use crate::problem::Problem;

/// The fields of a BMC's login.
pub(super) const LOGIN: [&str; 2] = ["bmc_username", "bmc_password"];
/// Longest user and password of a BMC that is taken.
const LOGIN_BYTES_MAX: usize = 255;

/// Which machines.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
pub struct ListQuery {
    /// Also list ignored machines.
    #[serde(default)]
    all: bool,
}

/// Lists discovered machines that are not enrolled.
#[utoipa::path(get, path = "/v1/discoveries", operation_id = "list_discoveries", params(ListQuery), responses((status = 200, body = List<Discovery>)))]
pub async fn list(
    State(api): State<Arc<Api>>,
    Query(query): Query<ListQuery>,
) -> Result<Json<List<Discovery>>, Problem> {
    let entries = api.discovery.entries().await?;
    let wanted = entries.iter().filter(|entry| query.all || !entry.ignored);
    Ok(Json(List { items: wanted.map(view).collect() }))
}

/// Shows a discovered machine.
#[utoipa::path(get, path = "/v1/discoveries/{id}", operation_id = "show_discovery", params(("id" = Uuid, Path, description = "id")), responses((status = 200, body = Discovery)))]
pub async fn show(State(api): State<Arc<Api>>, Path(id): Path<String>) -> Result<Json<Discovery>, Problem> {
    Ok(Json(view(&find(&api, &id).await?)))
}

/// Forgets a discovered machine and its credential.
///
/// It is listed again when it is found again.
#[utoipa::path(delete, path = "/v1/discoveries/{id}", operation_id = "forget_discovery", params(("id" = Uuid, Path, description = "id")), responses((status = 204)))]
pub async fn forget(State(api): State<Arc<Api>>, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    let entry = find(&api, &id).await?;
    api.inventory.put_discoveries(&[], &[entry.id]).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ignores a discovered machine, however often it is found again.
#[utoipa::path(post, path = "/v1/discoveries/{id}/ignore", operation_id = "ignore_discovery", params(("id" = Uuid, Path, description = "id")), responses((status = 200, body = Discovery)))]
pub async fn ignore(State(api): State<Arc<Api>>, Path(id): Path<String>) -> Result<Json<Discovery>, Problem> {
    let mut entry = find(&api, &id).await?;
    entry.ignored = true;
    api.inventory.put_discoveries(std::slice::from_ref(&entry), &[]).await?;
    Ok(Json(view(&entry)))
}

/// Enrolls a discovered machine, as an import of it alone would.
#[utoipa::path(post, path = "/v1/discoveries/{id}/accept", operation_id = "accept_discovery", params(("id" = Uuid, Path, description = "id")), request_body = AcceptDiscovery,
    responses((status = 201, body = ImportedNode), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub async fn accept(
    State(api): State<Arc<Api>>,
    user: User,
    Path(id): Path<String>,
    JsonBody(wanted): JsonBody<AcceptDiscovery>,
) -> Result<(StatusCode, Json<ImportedNode>), Problem> {
    let entry = find(&api, &id).await?;
    let class = wanted.resource_class.clone().unwrap_or_else(|| "baremetal".to_owned());
    let imported = api.enroll_found(entry, wish(wanted)?, class, user.name()).await?;
    Ok((StatusCode::CREATED, Json(imported)))
}

/// Starts a scan for BMCs by the agent of a rack.
#[utoipa::path(post, path = "/v1/discovery-scans", operation_id = "start_scan", request_body = NewScan,
    responses((status = 202, body = Scan), (status = 400, body = Problem), (status = 503, body = Problem)))]
pub async fn scan(
    State(api): State<Arc<Api>>,
    user: User,
    JsonBody(wanted): JsonBody<NewScan>,
) -> Result<(StatusCode, Json<Scan>), Problem> {
    let rack = rack(&wanted.rack)?;
    let order = order(wanted)?;
    let ranges: Vec<_> = order.ranges.iter().map(ToString::to_string).collect();
    let text = format!(
        "{} asked for a scan of {} in rack {rack} with {} credentials",
        user.name(),
        ranges.join(", "),
        order.credentials.len()
    );
    let id = api.discovery.scan(&rack, order).await?;
    api.inventory.record_event(None, Some(rack.clone()), EventKind::Asked, text).await;
    let begun = api.discovery.scans().into_iter().find(|scan| scan.id == id);
    let begun = begun.ok_or_else(|| Problem::not_found("scan", &id.to_string()))?;
    Ok((StatusCode::ACCEPTED, Json(scan_view(begun))))
}

/// Lists the last scans.
#[utoipa::path(get, path = "/v1/discovery-scans", operation_id = "list_scans", responses((status = 200, body = List<Scan>)))]
pub async fn scans(State(api): State<Arc<Api>>) -> Result<Json<List<Scan>>, Problem> {
    Ok(Json(List { items: api.discovery.scans().into_iter().map(scan_view).collect() }))
}

/// Shows a scan.
#[utoipa::path(get, path = "/v1/discovery-scans/{id}", operation_id = "show_scan", params(("id" = Uuid, Path, description = "id")), responses((status = 200, body = Scan)))]
pub async fn show_scan(State(api): State<Arc<Api>>, Path(id): Path<String>) -> Result<Json<Scan>, Problem> {
    let found = api.discovery.scans().into_iter().find(|scan| scan.id.to_string() == id);
    found.map(|scan| Json(scan_view(scan))).ok_or_else(|| Problem::not_found("scan", &id))
}

/// Opens a rack's discovery network, on which machines that are not enrolled can boot.
///
/// It closes automatically.
#[utoipa::path(post, path = "/v1/discovery-windows", operation_id = "open_discovery", request_body = NewWindow,
    responses((status = 201, body = Window), (status = 400, body = Problem), (status = 503, body = Problem)))]
pub async fn open(
    State(api): State<Arc<Api>>,
    user: User,
    JsonBody(wanted): JsonBody<NewWindow>,
) -> Result<(StatusCode, Json<Window>), Problem> {
    let rack = rack(&wanted.rack)?;
    let NewWindow { seconds, .. } = wanted;
    if !(1..=WINDOW_SECONDS_MAX).contains(&seconds) {
        return Err(Problem::bad_at("seconds", format!("is {seconds}; choose 1 to {WINDOW_SECONDS_MAX}")));
    }
    let id = api.discovery.open(&rack, seconds).await?;
    let text = format!("{} opened the discovery network of rack {rack} for {seconds} s", user.name());
    api.inventory.record_event(None, Some(rack.clone()), EventKind::Asked, text).await;
    let opened = api.discovery.windows().into_iter().find(|window| window.id == id);
    let opened = opened.ok_or_else(|| Problem::not_found("window", rack.as_str()))?;
    Ok((StatusCode::CREATED, Json(window_view(opened))))
}

/// Lists discovery networks that were opened.
#[utoipa::path(get, path = "/v1/discovery-windows", operation_id = "list_windows", responses((status = 200, body = List<Window>)))]
pub async fn windows(State(api): State<Arc<Api>>) -> Result<Json<List<Window>>, Problem> {
    Ok(Json(List { items: api.discovery.windows().into_iter().map(window_view).collect() }))
}

/// Closes a rack's discovery network.
#[utoipa::path(delete, path = "/v1/discovery-windows/{rack}", operation_id = "close_discovery", params(("rack" = String, Path, description = "rack")), responses((status = 204)))]
pub async fn close(State(api): State<Arc<Api>>, Path(name): Path<String>) -> Result<StatusCode, Problem> {
    api.discovery.close(&rack(&name)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn find(api: &Api, id: &str) -> Result<Entry, Problem> {
    let found = api.discovery.entries().await?.into_iter().find(|entry| entry.id.to_string() == id);
    found.ok_or_else(|| Problem::not_found("machine found", id))
}

fn rack(name: &str) -> Result<RackId, Problem> {
    name.parse().map_err(|error| Problem::bad_at("rack", error))
}

fn order(wanted: NewScan) -> Result<ScanOrder, Problem> {
    let ranges = each::<AddressRange>("ranges", &wanted.ranges)?;
    let addresses: u64 = ranges.iter().map(|range| u64::from(range.count())).sum();
    if ranges.is_empty() || ranges.len() > RANGES_MAX || addresses > u64::from(ADDRESSES_MAX) {
        return Err(Problem::bad_at(
            "ranges",
            format!(
                "are {} with {addresses} addresses; give 1 to {RANGES_MAX} with at most {ADDRESSES_MAX} in all",
                ranges.len()
            ),
        ));
    }
    let mut redfish = each::<RedfishPort>("redfish", &wanted.redfish)?;
    if redfish.is_empty() {
        redfish.push(RedfishPort { port: 443, http: false });
    }
    if redfish.len() > REDFISH_PORTS_MAX {
        return Err(Problem::bad_at("redfish", format!("give at most {REDFISH_PORTS_MAX}")));
    }
    if wanted.credentials.len() > CREDENTIALS_MAX {
        return Err(Problem::bad_at(
            "credentials",
            format!(
                "are {}; at most {CREDENTIALS_MAX} are tried at one BMC, because BMCs lock accounts",
                wanted.credentials.len()
            ),
        ));
    }
    let mut credentials: Vec<Credential> = Vec::new();
    for (position, given) in wanted.credentials.into_iter().enumerate() {
        let fields = ["username", "password"].map(|part| format!("credentials[{position}].{part}"));
        let credential = Credential { username: given.username, password: given.password };
        check_login(fields.each_ref().map(String::as_str), &credential.username, &credential.password)?;
        // The same one twice would be tried twice.
        if !credentials.contains(&credential) {
            credentials.push(credential);
        }
    }
    Ok(ScanOrder { ranges, redfish, credentials, ..ScanOrder::default() })
}

/// Reads each text of a list.
fn each<T: FromStr<Err: Display>>(field: &str, texts: &[String]) -> Result<Vec<T>, Problem> {
    let read = |(position, text): (usize, &String)| {
        text.parse().map_err(|error| Problem::bad_at(&format!("{field}[{position}]"), error))
    };
    texts.iter().enumerate().map(read).collect()
}

/// Refuses a login that no BMC has; `fields` are where its user and its password were given.
pub(super) fn check_login(fields: [&str; 2], username: &str, password: &Secret) -> Result<(), Problem> {
    let good =
        |text: &str| (1..=LOGIN_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control);
    let password = password.reveal();
    let are_good = [good(username), good(password) && password != KEEP_PASSWORD];
    let wrong: Vec<&str> =
        fields.into_iter().zip(are_good).filter(|(_, good)| !good).map(|(field, _)| field).collect();
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Problem::bad_at_each(&wrong, "user and password must have 1 to 255 printable characters each"))
}

fn wish(wanted: AcceptDiscovery) -> Result<Wish, Problem> {
    let bmc = wanted.bmc.map(|text| text.parse()).transpose().map_err(|why| Problem::bad_at("bmc", why))?;
    let login = match (wanted.bmc_username, wanted.bmc_password) {
        (Some(username), Some(password)) => {
            check_login(LOGIN, &username, &password)?;
            Some((username, password))
        }
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => {
            return Err(Problem::bad_at_each(&LOGIN, "give both bmc_username and bmc_password, or neither"));
        }
    };
    let mut ports = Vec::new();
    for (position, port) in wanted.ports.into_iter().enumerate() {
        let parts = [("switch", &port.switch), ("port", &port.port)].into_iter();
        let empty =
            parts.filter(|(_, text)| text.is_empty()).map(|(part, _)| format!("ports[{position}].{part}"));
        let empty: Vec<_> = empty.collect();
        if !empty.is_empty() {
            let fields: Vec<&str> = empty.iter().map(String::as_str).collect();
            return Err(Problem::bad_at_each(&fields, "switch and port must not be empty"));
        }
        let link = SwitchPort { switch: port.switch, port: port.port, switch_id: None, fabric: None };
        ports.push((port.nic, link));
    }
    Ok(Wish { name: wanted.name, bmc, login, ports })
}

fn view(entry: &Entry) -> Discovery {
    let hardware = entry.machine.as_ref().map(|machine| &machine.hardware);
    let identity = entry.bmc.as_ref().and_then(|bmc| bmc.identity.as_ref());
    let first = |texts: [Option<&String>; 2]| {
        texts.into_iter().flatten().find(|text| !text.is_empty()).cloned().unwrap_or_default()
    };
    let mut found_by = Vec::new();
    found_by.extend(entry.bmc.as_ref().map(|_| FoundBy::Bmc));
    found_by.extend(entry.machine.as_ref().map(|_| FoundBy::Boot));
    Discovery {
        id: entry.id,
        rack: entry.rack.to_string(),
        ignored: entry.ignored,
        found_by,
        uuid: entry.uuid().map(|uuid| uuid.to_string()),
        manufacturer: first([
            hardware.map(|hardware| &hardware.system.manufacturer),
            identity.map(|identity| &identity.manufacturer),
        ]),
        product: first([
            hardware.map(|hardware| &hardware.system.product),
            identity.map(|identity| &identity.product),
        ]),
        serial: hardware.map(|hardware| hardware.system.serial.clone()).unwrap_or_default(),
        boot_mode: hardware.map(|hardware| hardware.boot_mode.into()),
        cpus: hardware.map_or(0, |hardware| hardware.cpu.count),
        memory_mib: hardware.map_or(0, |hardware| hardware.memory_mib),
        disks: hardware
            .iter()
            .flat_map(|hardware| hardware.image_disks())
            .map(|disk| disk.size_bytes)
            .collect(),
        bmc: entry.bmc.as_ref().map(|bmc| {
            let certificate_sha256 = match &bmc.protocol {
                BmcProtocol::Ipmi { .. } => None,
                BmcProtocol::Redfish { certificate_sha256, .. } => certificate_sha256.clone(),
            };
            DiscoveredBmc {
                protocol: (&bmc.protocol).into(),
                address: bmc.address.clone(),
                port: bmc.port,
                certificate_sha256,
                username: bmc.username.clone(),
                problem: bmc.problem.clone(),
            }
        }),
        nics: hardware
            .iter()
            .flat_map(|hardware| &hardware.nics)
            .map(|nic| DiscoveredNic {
                name: nic.name.clone(),
                mac: nic.mac.to_string(),
                switch: nic.neighbour.as_ref().map(|heard| heard.switch.clone()),
                port: nic.neighbour.as_ref().map(|heard| heard.port.clone()),
                carrier: nic.carrier,
                booted: nic.booted,
            })
            .collect(),
        missing: accept::missing(entry),
        first_seen: time(entry.first_us),
        last_seen: time(entry.last_us),
    }
}

fn scan_view(scan: ScanRun) -> Scan {
    Scan {
        id: scan.id,
        rack: scan.rack.to_string(),
        began: time(scan.began_us),
        running: scan.ended.is_none(),
        done: scan.done,
        total: scan.total,
        enrolled: scan.enrolled,
        pending: scan.pending,
        fault: scan.ended.filter(|fault| !fault.is_empty()),
    }
}

fn window_view(window: WindowRun) -> Window {
    Window {
        rack: window.rack.to_string(),
        open: window.ended.is_none(),
        until: time(window.until_us),
        machines: window.machines,
        reason: window.ended,
    }
}

impl Api {
    /// Enrolls a machine that was found, as an import of it alone would; `by` is who accepted it.
    pub(super) async fn enroll_found(
        self: &Arc<Self>,
        entry: Entry,
        wish: Wish,
        class: String,
        by: &str,
    ) -> Result<ImportedNode, Problem> {
        let id = entry.id;
        let node = accept::node(&entry, &wish).map_err(|missing| incomplete(id, &missing))?;
        let name = node.name.clone();
        let known = self.inventory.servers(None).await?;
        let defaults = Defaults { rack: entry.rack.clone(), resource_class: class };
        let planned = import::plan(vec![node], &known, &defaults, ServersInUse::KeepBmc);
        let missing = |fault: Fault| Missing { fields: asked_by(&fault.path), what: fault.message };
        let planned =
            planned.map_err(|faults| incomplete(id, &faults.into_iter().map(missing).collect::<Vec<_>>()))?;
        let Some(planned) = planned.into_iter().next() else {
            return Err(Problem::not_found("machine", &entry.id.to_string()));
        };
        if planned.id.is_some() {
            let taken = format!("there is already a server {name:?}; choose another name");
            return Err(Problem::conflict(&taken).at("name", &taken));
        }
        let stored = self.enroll.store(&[(None, &planned.server)]).await?;
        self.inventory.put_discoveries(&[], &[entry.id]).await?;
        let server = stored.first().map(|server| server.id);
        if let Some(server) = server {
            let text =
                format!("{name} was enrolled from the machine found as {}, accepted by {by}", entry.id);
            self.inventory.record(server, EventKind::Discovery, text).await;
        }
        self.upkeep.look_now();
        self.bring_up(stored).await;
        Ok(ImportedNode {
            id: server.map(|server| server.0),
            name,
            created: true,
            changes: Vec::new(),
            note: None,
        })
    }
}

fn incomplete(id: Uuid, missing: &[Missing]) -> Problem {
    let all: Vec<_> = missing.iter().map(|one| one.what.as_str()).collect();
    let detail = format!("{id} cannot be enrolled yet: {}", all.join("; "));
    let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "discovery-incomplete", detail);
    missing.iter().fold(problem, |problem, one| match one.fields {
        [] => problem.at("", &one.what),
        fields => fields.iter().fold(problem, |problem, field| problem.at(*field, &one.what)),
    })
}

/// The fields of a request that decide a field of the import file that the machine would be.
fn asked_by(path: &str) -> &'static [&'static str] {
    let field = path.split_once('.').map_or(path, |(_, field)| field);
    let ends = |name: &str| {
        field == name || field.starts_with(&format!("{name}[")) || field.starts_with(&format!("{name}."))
    };
    match field {
        _ if ends("name") => &["name"],
        _ if ends("driver_info") => &["bmc"],
        _ if ends("ports") => &["ports"],
        _ if ends("resource_class") => &["resource_class"],
        _ => &[],
    }
}

impl From<DiscoveryError> for Problem {
    fn from(error: DiscoveryError) -> Self {
        match error {
            DiscoveryError::Inventory(error) => error.into(),
            DiscoveryError::Agent(error) => error.into(),
        }
    }
}
