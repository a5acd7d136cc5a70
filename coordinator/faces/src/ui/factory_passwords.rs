//! Edges: the administrator's page of the passwords that BMCs have from their factory: a list is imported, and what became of each line is
//! shown.
//!
//! What must stay true: no page has a password in it, also not that of a refused list, which has to be chosen or typed again.

use std::sync::Arc;

use api_types::{FactoryPassword, FactoryPasswordsImported};
use askama::Template;
use axum::{extract::State, response::Response};
use jiff::Timestamp;

use super::{
    Ui, page,
    page::Frame,
    part::Part,
    session::Visitor,
    shelf::{self, Shelf, Shown},
    upload::Uploaded,
    view::{Pill, Tone, When},
};
use crate::problem::Problem;

/// Factory passwords.
pub struct FactoryPasswords;

/// A line of the list.
struct Row {
    line: FactoryPassword,
    /// The first of its marks.
    name: String,
    stage: Pill,
    since: Option<When>,
}

#[derive(Template)]
#[template(path = "factory_passwords.html")]
pub struct FactoryPasswordsPage {
    frame: Frame,
    list: Part<Row>,
}

impl Shelf for FactoryPasswords {
    type Item = FactoryPassword;
    type Page = FactoryPasswordsPage;
    const WORD: &'static str = "bmc-factory-passwords";
    const NAV: &'static str = "discoveries";

    async fn page(
        _: &Ui,
        _: &Visitor,
        frame: Frame,
        shown: Shown<FactoryPassword>,
    ) -> Result<FactoryPasswordsPage, Problem> {
        let (now, Part { items, away }) = (Timestamp::now(), shown.list);
        let items = items.into_iter().map(|line| Row::new(line, now)).collect();
        Ok(FactoryPasswordsPage { frame, list: Part { items, away } })
    }
}

impl Row {
    fn new(line: FactoryPassword, now: Timestamp) -> Self {
        let marks = [&line.serial, &line.mac, &line.uuid];
        let name = marks.into_iter().flatten().next().cloned().unwrap_or_else(|| line.id.to_string());
        let stage = Pill { tone: tone(&line.stage), word: line.stage.clone() };
        let since = line.since.as_deref().or(line.added.as_deref());
        let since = since.and_then(|text| When::read(text, now));
        Row { line, name, stage, since }
    }
}

fn tone(stage: &str) -> Tone {
    match stage {
        "waiting" => Tone::Idle,
        "given" => Tone::Busy,
        "accepted" | "claimed" => Tone::Good,
        "refused" => Tone::Bad,
        // A word that this program does not know.
        _ => Tone::Warn,
    }
}

/// Imports a list: a file, or what was typed.
pub async fn import(State(ui): State<Arc<Ui>>, uploaded: Uploaded) -> Response {
    let Uploaded { visitor, mut typed } = uploaded;
    let text = typed.0.remove("text").unwrap_or_default();
    let path = format!("/v1/{}?format={}", FactoryPasswords::WORD, format_of(&text));
    match ui.rest.upload::<FactoryPasswordsImported>(&visitor, &path, text).await {
        Ok(_) => page::done(&shelf::url::<FactoryPasswords>(), "listed"),
        Err(problem) => shelf::refused::<FactoryPasswords>(&ui, &visitor, problem).await,
    }
}

/// A list of objects begins as one; anything else is a table.
fn format_of(text: &str) -> &'static str {
    if text.trim_start_matches('\u{feff}').trim_start().starts_with('[') { "json" } else { "csv" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_objects_is_told_from_a_table() {
        let check = |text: &str, expected: &str| assert_eq!(format_of(text), expected, "{text:?}");
        check("serial,username,password\n7X0AB12,root,calvin\n", "csv");
        check("\u{feff}\n [{\"serial\": \"7X0AB12\"}]", "json");
        check("", "csv");
    }
}
