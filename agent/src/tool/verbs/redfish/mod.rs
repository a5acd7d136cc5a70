//! Edges: what the verbs ask of a BMC by Redfish, a file for each group. What is there and could not be read stands in the answer, with its
//! reason.

pub(super) mod bios;
pub(super) mod firmware;
pub(super) mod health;
pub(super) mod inventory;
pub(super) mod manager;
pub(super) mod media;
pub(super) mod power;
pub(super) mod secure_boot;
pub(super) mod sel;
pub(super) mod sensors;
pub(super) mod users;

use serde_json::{Value, json};

use super::super::output::Answer;

/// Rows of what was read, with those of what was not: the reason stands in the second column.
fn table(
    header: &'static [&'static str],
    rows: Vec<Vec<String>>,
    json: Vec<Value>,
    missing: &[String],
) -> Answer {
    let (mut rows, mut json) = (rows, json);
    rows.extend(missing.iter().map(|reason| vec!["not read".to_owned(), reason.clone()]));
    json.extend(missing.iter().map(|reason| json!({ "unreadable": reason })));
    Answer { header, rows, json: Value::Array(json) }
}

/// A text that may be missing.
fn or_dash(text: Option<&str>) -> String {
    text.unwrap_or("-").to_owned()
}

/// Yes, no, or not told.
fn yes(yes: Option<bool>) -> String {
    yes.map_or("not told", |yes| if yes { "yes" } else { "no" }).to_owned()
}

/// A value as JSON; what the values of this module are made of can always be.
fn value(of: impl serde::Serialize) -> Value {
    serde_json::to_value(of).unwrap_or_default()
}
