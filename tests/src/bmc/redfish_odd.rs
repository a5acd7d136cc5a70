//! Edges: in which ways a virtual Redfish BMC is odd, as reports of real ones tell. Each oddity changes what comes in, or what goes out.

use std::{
    io::Write,
    sync::{Mutex, PoisonError, RwLock},
};

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

use super::{redfish::problem, redfish_system as system};

/// The settings object of the system.
pub(super) const SETTINGS: &str = "/redfish/v1/Systems/1/SD";
/// A second system.
const OTHER: &str = "/redfish/v1/Systems/2";
const HGX: &str = "/redfish/v1/Systems/HGX_Baseboard_0";
const SYSTEMS: &str = "/redfish/v1/Systems";
const TASK: &str = "/redfish/v1/TaskService/Tasks/1";
const ENABLED: &str = "BootSourceOverrideEnabled";
const TARGET: &str = "BootSourceOverrideTarget";
const MODE: &str = "BootSourceOverrideMode";
const ALLOWABLE: &str = "@Redfish.AllowableValues";
/// Longest body of ours.
const BODY_BYTES_MAX: usize = 1 << 20;

/// One way to be odd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Odd {
    /// The boot override is written at the settings object and nowhere else.
    BootAtSettings {
        /// Whether that one can be read.
        is_readable: bool,
    },
    /// A boot override without its mode sets the mode to Legacy.
    ModeReverts,
    /// One without its mode is refused.
    ModeRequired,
    /// One with its mode is refused.
    ModeRefused,
    /// `Continuous` is refused.
    OnceOnly {
        /// Whether the allowable values say so.
        is_said: bool,
    },
    /// Boot overrides are answered 204 and thrown away.
    BootIgnored,
    /// The system shows the override that was there before once more after each write.
    BootShownLate,
    /// There is no such target as `Hdd`; the allowable values are one text.
    NoDisk,
    /// Which ETag a write must come with.
    Etag(EtagWish),
    /// The system's path, and that of the root, is redirected with this status to the one with or without a slash.
    Redirects(u16),
    /// The system is redirected to another host.
    RedirectsAway,
    /// All links begin with scheme and host.
    AbsoluteLinks,
    /// The reset action's target is at another host.
    TargetAway,
    /// What stands beside the server in the list of systems.
    Systems(Beside),
    /// What is wrong with its JSON.
    Dirty(Dirt),
    /// Power commands are refused.
    ResetRefused {
        /// With which status.
        status: u16,
        /// How often.
        times: usize,
    },
    /// A power command that asks for what is already so is refused.
    SameRefused,
    /// Power commands become tasks.
    ResetTask {
        /// Whether they fail.
        fails: bool,
    },
    /// The root is shown only to who is logged in.
    RootGuarded,
    /// Members of collections that are asked for whole have lost what they are, but for id and name.
    MembersEmptied,
}

/// Which ETag a write must come with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EtagWish {
    /// That of the body; there is none in the header.
    InBody,
    /// The strong form of the weak one that is shown.
    Strong,
    /// `*`.
    Any,
    /// None at all.
    Nothing,
}

/// What stands beside the server in the list of systems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    /// A GPU baseboard, before it, that answers 503.
    Baseboard,
    /// Another server.
    Server,
    /// Another server, on the second page.
    OnNextPage {
        /// Whether that page can be read.
        is_readable: bool,
    },
}

/// What is wrong with a service's JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dirt {
    /// A byte order mark before it.
    Mark,
    /// NULs behind it.
    Nuls,
    /// The power state twice.
    Twice,
    /// The power state in small letters.
    Small,
    /// A line's end in a text.
    Control,
    /// Packed, though nobody asked for it.
    Packed,
}

/// A request on its way in.
pub(super) struct Asked {
    pub(super) method: Method,
    /// As it came: with its last slash.
    pub(super) raw_path: String,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
    /// The system's ETag now.
    pub(super) etag: String,
    /// Whether the machine is on.
    pub(super) is_on: bool,
}

/// All oddities of one service.
#[derive(Debug, Default)]
pub(super) struct Oddities {
    all: RwLock<Vec<Odd>>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    resets: usize,
    task_looks: usize,
    /// The system as it was before the last write.
    before: Option<Value>,
    shown: Option<Value>,
}

impl Oddities {
    pub(super) fn new(all: Vec<Odd>) -> Self {
        Self { all: RwLock::new(all), seen: Mutex::default() }
    }

    /// Other oddities from now on; what was seen of the old ones is forgotten.
    pub(super) fn set(&self, all: Vec<Odd>) {
        *self.all.write().unwrap_or_else(PoisonError::into_inner) = all;
        *self.seen() = Seen::default();
    }

    fn all(&self) -> Vec<Odd> {
        self.all.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what was asked; an answer is instead of everything else.
    pub(super) fn before(&self, asked: &mut Asked) -> Option<Response> {
        self.all().into_iter().find_map(|odd| self.one_before(odd, asked))
    }

    fn one_before(&self, odd: Odd, asked: &mut Asked) -> Option<Response> {
        let is_patch = asked.method == Method::PATCH;
        let is_write = is_patch && asked.path == system::SYSTEM;
        let is_boot = is_write && asked.body.get("Boot").is_some();
        let is_reset = asked.method == Method::POST && asked.path == system::RESET;
        let bad = |why: &str| Some(problem(StatusCode::BAD_REQUEST, why));
        let mode = asked.body["Boot"].get(MODE).is_some();
        match odd {
            Odd::BootAtSettings { .. } if is_boot => bad("Boot is changed at the future state."),
            Odd::BootAtSettings { is_readable } if asked.path == SETTINGS => {
                if asked.method == Method::GET && !is_readable {
                    return Some(problem(StatusCode::NOT_FOUND, "There is no such resource."));
                }
                asked.path = system::SYSTEM.to_owned();
                None
            }
            Odd::ModeReverts if is_boot && !mode => {
                asked.body["Boot"][MODE] = json!("Legacy");
                None
            }
            Odd::ModeRequired if is_boot && !mode => bad("BootSourceOverrideMode is required."),
            Odd::ModeRefused if is_boot && mode => bad("BootSourceOverrideMode is read-only."),
            Odd::OnceOnly { .. } if is_boot && asked.body["Boot"][ENABLED] == "Continuous" => {
                bad("The value Continuous is not in the list of acceptable values.")
            }
            Odd::NoDisk if is_boot && asked.body["Boot"][TARGET] == "Hdd" => {
                bad("The value Hdd is not known.")
            }
            Odd::BootIgnored if is_boot => Some(StatusCode::NO_CONTENT.into_response()),
            Odd::BootShownLate if is_boot => {
                let mut seen = self.seen();
                seen.before = seen.shown.take();
                None
            }
            Odd::Etag(wish) if is_write => wrong_etag(wish, asked),
            Odd::Redirects(status) if redirect(asked).is_some() => {
                let status = StatusCode::from_u16(status).expect("a status of a test");
                Some((status, [(header::LOCATION, redirect(asked)?)]).into_response())
            }
            Odd::RedirectsAway if asked.path == system::SYSTEM => {
                let to = [(header::LOCATION, "https://other.example/redfish/v1/Systems/1")];
                Some((StatusCode::FOUND, to).into_response())
            }
            Odd::Systems(beside) => systems(beside, asked),
            Odd::ResetRefused { status, times } if is_reset && self.seen().resets < times => {
                self.seen().resets += 1;
                let status = StatusCode::from_u16(status).expect("a status of a test");
                Some(problem(status, "The request cannot be carried out now."))
            }
            Odd::SameRefused if is_reset => {
                let same = if asked.is_on { "On" } else { "ForceOff" };
                if asked.body["ResetType"] == same { bad("The server is so already.") } else { None }
            }
            Odd::ResetTask { fails } if is_reset && fails => Some(begun()),
            Odd::ResetTask { fails } if asked.path == TASK => {
                let mut seen = self.seen();
                seen.task_looks += 1;
                Some(axum::Json(task(seen.task_looks, fails)).into_response())
            }
            Odd::MembersEmptied if asked.method == Method::GET && asked.query.contains("$expand") => {
                let member = json!({ "@odata.id": format!("{}/1", asked.path), "Id": "1", "Name": "1" });
                let shown = json!({ "@odata.id": asked.path, "Members@odata.count": 1, "Members": [member] });
                Some(axum::Json(shown).into_response())
            }
            Odd::RootGuarded if asked.path == "/redfish/v1" && !is_logged_in(&asked.headers) => {
                Some(problem(StatusCode::UNAUTHORIZED, "Log in first."))
            }
            _ => None,
        }
    }

    /// Changes what is answered.
    pub(super) async fn after(&self, asked: (&Method, &str, &HeaderMap), response: Response) -> Response {
        let (method, path, headers) = asked;
        let all = self.all();
        if all.is_empty() {
            return response;
        }
        if all.contains(&Odd::ResetTask { fails: false }) && method == Method::POST && path == system::RESET {
            return begun();
        }
        let (mut parts, body) = response.into_parts();
        let bytes = to_bytes(body, BODY_BYTES_MAX).await.expect("a body of ours has a bound");
        let Ok(mut value) = serde_json::from_slice::<Value>(&bytes) else {
            return Response::from_parts(parts, Body::from(bytes));
        };
        for odd in &all {
            self.one_after(*odd, path, headers, &mut parts.headers, &mut value);
        }
        parts.headers.remove(header::CONTENT_LENGTH);
        let body = all.iter().fold(value.to_string().into_bytes(), |body, odd| match odd {
            Odd::Dirty(dirt) => dirty(*dirt, body, &mut parts.headers),
            _ => body,
        });
        Response::from_parts(parts, Body::from(body))
    }

    fn one_after(&self, odd: Odd, path: &str, asked: &HeaderMap, headers: &mut HeaderMap, value: &mut Value) {
        let is_system = path == system::SYSTEM && value.get("Boot").is_some();
        match odd {
            Odd::BootAtSettings { .. } if is_system => {
                value["@Redfish.Settings"] = json!({ "SettingsObject": { "@odata.id": SETTINGS } });
            }
            Odd::OnceOnly { is_said: true } if is_system => {
                value["Boot"][format!("{ENABLED}{ALLOWABLE}")] = json!(["Once", "Disabled"]);
            }
            Odd::MembersEmptied if path == "/redfish/v1" => {
                value["ProtocolFeaturesSupported"] =
                    json!({ "ExpandQuery": { "NoLinks": true, "Levels": true } });
            }
            Odd::NoDisk if is_system => value["Boot"][format!("{TARGET}{ALLOWABLE}")] = json!("None, Pxe"),
            Odd::BootShownLate if is_system => {
                let mut seen = self.seen();
                let boot = value["Boot"].clone();
                if let Some(before) = seen.before.take() {
                    value["Boot"] = before;
                }
                seen.shown = Some(boot);
            }
            Odd::Etag(EtagWish::InBody) => {
                if let Some(etag) = headers.remove(header::ETAG) {
                    value["@odata.etag"] = json!(etag.to_str().expect("an ETag of ours is text"));
                }
            }
            Odd::AbsoluteLinks => {
                let host = asked.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
                absolute(value, host);
            }
            Odd::TargetAway if is_system => {
                value["Actions"]["#ComputerSystem.Reset"]["target"] = json!("https://other.example/reset");
            }
            _ => {}
        }
    }
}

fn is_logged_in(headers: &HeaderMap) -> bool {
    headers.contains_key(header::AUTHORIZATION) || headers.contains_key("x-auth-token")
}

/// Where a path is redirected: the root has no slash at its end, and the system has one.
fn redirect(asked: &Asked) -> Option<String> {
    match asked.raw_path.as_str() {
        "/redfish/v1/" => Some("/redfish/v1".to_owned()),
        system::SYSTEM => Some(format!("{}/", system::SYSTEM)),
        _ => None,
    }
}

/// Refuses a write without the ETag that is wished for; otherwise nobody looks at it any more.
fn wrong_etag(wish: EtagWish, asked: &mut Asked) -> Option<Response> {
    let strong = asked.etag.trim_start_matches("W/").to_owned();
    let expected = match wish {
        EtagWish::InBody => Some(asked.etag.clone()),
        EtagWish::Strong => Some(strong),
        EtagWish::Any => Some("*".to_owned()),
        EtagWish::Nothing => None,
    };
    let came = asked.headers.remove(header::IF_MATCH);
    match (came, expected) {
        (None, None) => None,
        (Some(came), Some(expected)) if came == expected.as_str() => None,
        (None, Some(_)) => Some(problem(StatusCode::PRECONDITION_REQUIRED, "If-Match is missing.")),
        (Some(_), _) => Some(problem(StatusCode::PRECONDITION_FAILED, "If-Match is wrong.")),
    }
}

fn systems(beside: Beside, asked: &mut Asked) -> Option<Response> {
    let page = |members: &[&str], count: usize, next: Option<&str>| {
        let members: Vec<_> = members.iter().map(|path| json!({ "@odata.id": path })).collect();
        let mut page = json!({ "Members": members, "Members@odata.count": count });
        if let Some(next) = next {
            page["Members@odata.nextLink"] = json!(next);
        }
        Some(axum::Json(page).into_response())
    };
    let next = format!("{SYSTEMS}?$skip=1");
    match (beside, asked.path.as_str(), asked.query.as_str()) {
        (Beside::Baseboard, SYSTEMS, _) => page(&[HGX, system::SYSTEM], 2, None),
        (Beside::Baseboard, HGX, _) => Some(problem(StatusCode::SERVICE_UNAVAILABLE, "The host is off.")),
        (Beside::Server, SYSTEMS, _) => page(&[system::SYSTEM, OTHER], 2, None),
        (Beside::OnNextPage { .. }, SYSTEMS, "") => page(&[system::SYSTEM], 2, Some(&next)),
        (Beside::OnNextPage { is_readable: true }, SYSTEMS, _) => page(&[OTHER], 2, None),
        (Beside::OnNextPage { is_readable: false }, SYSTEMS, _) => page(&[], 2, None),
        (Beside::Server | Beside::OnNextPage { .. }, OTHER, _) => {
            asked.path = system::SYSTEM.to_owned();
            None
        }
        _ => None,
    }
}

fn begun() -> Response {
    (StatusCode::ACCEPTED, [(header::LOCATION, TASK)], axum::Json(json!({ "@odata.id": TASK })))
        .into_response()
}

fn task(looks: usize, fails: bool) -> Value {
    let state = match (looks, fails) {
        (1, _) => "Running",
        (_, true) => "Exception",
        (_, false) => "Completed",
    };
    json!({ "@odata.id": TASK, "TaskState": state, "Messages": [{ "Message": "The fan tray is open." }] })
}

fn absolute(value: &mut Value, host: &str) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(|value| absolute(value, host)),
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(path) if matches!(name.as_str(), "@odata.id" | "target") => {
                        *path = format!("http://{host}{path}");
                    }
                    _ => absolute(value, host),
                }
            }
        }
        _ => {}
    }
}

fn dirty(dirt: Dirt, body: Vec<u8>, headers: &mut HeaderMap) -> Vec<u8> {
    let replaced = |from: &str, to: &str| String::from_utf8_lossy(&body).replace(from, to).into_bytes();
    match dirt {
        Dirt::Mark => [b"\xef\xbb\xbf", body.as_slice()].concat(),
        Dirt::Nuls => [body.as_slice(), b"\0\0\0"].concat(),
        Dirt::Twice => replaced("\"PowerState\"", "\"PowerState\":null,\"PowerState\""),
        Dirt::Small => replaced("\"On\"", "\"on\""),
        Dirt::Control => replaced("\"Name\":\"", "\"Name\":\"two\nlines "),
        Dirt::Packed => {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
            packer.write_all(&body).expect("memory takes all");
            packer.finish().expect("memory takes all")
        }
    }
}
