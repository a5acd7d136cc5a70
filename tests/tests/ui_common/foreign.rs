//! Text that somebody else chose, wherever the fakes tell any: names, hardware's words, reasons.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex},
};

use axum::{
    body::Body,
    extract::{Request, State},
    http::header,
    middleware::Next,
    response::Response,
};
use protocol::erase_certificate::FORMAT;
use serde_json::Value;

use super::World;

/// Words by which a page chooses what it shows; everything else is only shown.
const CHOOSES: [&str; 14] = [
    "provision_state",
    "power",
    "status",
    "standing",
    "kind",
    "protocol",
    "visibility",
    "method",
    "boot_mode",
    "state",
    "stage",
    "origin",
    "found_by",
    "why",
];

/// How a JSON Web Signature begins: `{"` in base64url.
const JWS: &str = "eyJ";

/// What stands behind every text.
#[derive(Clone, Copy, Debug)]
pub struct Foreign {
    /// Behind what the REST API tells.
    pub of_things: &'static str,
    /// Behind the names of people and projects, which every page shows.
    pub of_people: &'static str,
    /// Also behind the words by which a page chooses what it shows.
    pub everywhere: bool,
}

/// Answers as the fakes do, with foreign text in it.
pub async fn speak(State(world): State<Arc<Mutex<World>>>, request: Request, next: Next) -> Response {
    let answer = next.run(request).await;
    let Some(foreign) = world.lock().unwrap().foreign else { return answer };
    let (mut head, body) = answer.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let Ok(mut told) = serde_json::from_slice::<Value>(&body) else {
        return Response::from_parts(head, Body::from(body));
    };
    put(&mut told, foreign);
    head.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(head, Body::from(told.to_string()))
}

fn put(told: &mut Value, foreign: Foreign) {
    match told {
        Value::String(text) if !is_for_programs(text) => text.push_str(foreign.of_things),
        Value::Array(all) => all.iter_mut().for_each(|one| put(one, foreign)),
        Value::Object(fields) => {
            for (name, value) in fields {
                if foreign.everywhere || !CHOOSES.contains(&&**name) {
                    put(value, foreign);
                }
            }
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Times, ids and addresses are read before they are shown: nothing else can be in their place. What is signed has what is foreign in it.
fn is_for_programs(text: &str) -> bool {
    text.parse::<jiff::Timestamp>().is_ok()
        || text.parse::<uuid::Uuid>().is_ok()
        || text.parse::<IpAddr>().is_ok()
        || text == FORMAT
        || text.starts_with(JWS)
}
