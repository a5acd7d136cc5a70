//! Edges: the Keystone and the Glance of the tests, which do what a test tells them and count what they are asked.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Json,
    extract::Extension,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{
    people::{ADMIN_PROJECT, described},
    world::PROJECTS,
};

/// A password that is nobody's.
pub const WRONG_PASSWORD: &str = "wrong";

/// What is asked and answered.
#[derive(Default)]
pub struct Script {
    /// Tokens that Keystone was asked about.
    pub validations: AtomicUsize,
    /// Passwords that it was asked to check.
    pub logins: AtomicUsize,
    /// Users whose tokens are gone.
    pub gone: Mutex<HashSet<String>>,
    /// Users whose roles were taken away.
    pub roleless: Mutex<HashSet<String>>,
    /// Whether Keystone answers nothing.
    pub is_away: Mutex<bool>,
    /// When tokens end; none: in eight hours.
    pub ends: Mutex<Option<jiff::Timestamp>>,
    /// Whether Glance takes its time over a list.
    pub glance_waits: watch::Sender<bool>,
    /// Lists that Glance has been asked for.
    pub lists: watch::Sender<usize>,
    /// Lists of flavors that Nova has been asked for.
    pub flavor_lists: AtomicUsize,
    /// Lists of networks and of security groups that Contrail has been asked for.
    pub contrail_lists: AtomicUsize,
}

impl Script {
    fn token(&self, name: &str, url: &str) -> Option<Value> {
        let mut token = described(name).filter(|_| !self.gone.lock().unwrap().contains(name))?;
        if self.roleless.lock().unwrap().contains(name) {
            token["roles"] = json!([]);
        }
        let service = |kind: &str, path: &str| {
            json!({ "type": kind, "endpoints": [
                { "interface": "public", "region_id": "RegionOne", "url": format!("{url}/{path}") },
            ] })
        };
        let later = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(8);
        token["expires_at"] = json!(self.ends.lock().unwrap().unwrap_or(later).to_string());
        token["catalog"] =
            json!([service("compute", "nova"), service("baremetal", "ironic"), service("image", "glance")]);
        Some(json!({ "token": token }))
    }
}

type Told = Extension<Arc<Script>>;

pub async fn issue(
    Extension(script): Told,
    Extension(url): Extension<String>,
    Json(asked): Json<Value>,
) -> Response {
    let user = &asked["auth"]["identity"]["password"]["user"];
    let name = user["name"].as_str().unwrap();
    if name != "bms" {
        script.logins.fetch_add(1, Ordering::SeqCst);
    }
    match script.token(name, &url).filter(|_| user["password"] != WRONG_PASSWORD) {
        Some(token) => {
            // Each sign-in has a token of its own.
            let number = script.logins.load(Ordering::SeqCst);
            let header = [("x-subject-token", format!("token-{name}.{number}"))];
            (StatusCode::CREATED, header, Json(token)).into_response()
        }
        None => StatusCode::UNAUTHORIZED.into_response(),
    }
}

/// Whose token stands in a header.
fn bearer<'a>(headers: &'a HeaderMap, header: &str) -> &'a str {
    let token = headers[header].to_str().unwrap().trim_start_matches("token-");
    token.split('.').next().unwrap()
}

pub async fn validate(
    Extension(script): Told,
    Extension(url): Extension<String>,
    headers: HeaderMap,
) -> Response {
    script.validations.fetch_add(1, Ordering::SeqCst);
    if *script.is_away.lock().unwrap() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    match script.token(bearer(&headers, "x-subject-token"), &url) {
        Some(token) => Json(token).into_response(),
        None => {
            (StatusCode::NOT_FOUND, Json(json!({ "error": { "message": "no such token" } }))).into_response()
        }
    }
}

/// It says that it has done so, and goes on answering: the worst case.
pub async fn revoke() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// Private ones: each project's own, and all for administrators.
pub async fn images(Extension(script): Told, headers: HeaderMap) -> Json<Value> {
    script.lists.send_modify(|lists| *lists += 1);
    script.glance_waits.subscribe().wait_for(|waits| !waits).await.unwrap();
    let who = described(bearer(&headers, "x-auth-token")).unwrap();
    let project = who["project"]["id"].as_str().unwrap_or(ADMIN_PROJECT);
    let shown = PROJECTS.into_iter().filter(|owner| project == ADMIN_PROJECT || project == *owner);
    let image = |owner: &str| {
        json!({ "id": format!("image-{owner}"), "name": format!("image-{owner}"), "status": "active", "disk_format": "raw",
            "visibility": "private", "owner": owner })
    };
    Json(json!({ "images": shown.map(image).collect::<Vec<_>>() }))
}
