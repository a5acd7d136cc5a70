//! Edges: the page of who asked for which change, from where, and what came of it.

use std::{collections::BTreeMap, sync::Arc};

use api_types::{AuditEntry, Page};
use askama::Template;
use axum::{
    extract::{Query, State},
    http::StatusCode,
    response::Response,
};
use domain::url_text::query;
use jiff::Timestamp;

use super::{
    Ui,
    form::Typed,
    page::{self, Frame},
    session::Visitor,
    view::{Pill, Tone, When},
};

/// Changes that a page shows.
const CHANGES_SHOWN: &str = "100";
/// What the changes can be sifted by, as the API calls it.
const FILTERS: [&str; 3] = ["user", "project", "object"];

/// Which changes are shown.
struct Filters {
    user: String,
    project: String,
    object: String,
    /// Where the page with older ones begins.
    marker: String,
}

impl Filters {
    fn read(typed: &Typed) -> Self {
        let of = |name: &str| typed.get(name).to_owned();
        Self { user: of("user"), project: of("project"), object: of("object"), marker: of("marker") }
    }

    fn is_all(&self) -> bool {
        [&self.user, &self.project, &self.object].iter().all(|value| value.is_empty())
    }

    /// What is given, as a query.
    fn query(&self, marker: &str, more: &[(&str, &str)]) -> String {
        let values = [&*self.user, &*self.project, &*self.object];
        let mut given: Vec<_> = FILTERS.into_iter().zip(values).collect();
        given.push(("marker", marker));
        given.retain(|(_, value)| !value.is_empty());
        given.extend(more);
        query(&given)
    }
}

/// A change as a person reads it.
struct Row {
    entry: AuditEntry,
    at: Option<When>,
    /// Who it was, and by what one finds all that this one did; the latter is empty where there is no name.
    who: String,
    user: String,
    answer: Pill,
}

impl Row {
    fn new(entry: AuditEntry, now: Timestamp) -> Self {
        let user = entry.user.clone().or_else(|| entry.user_id.clone()).unwrap_or_default();
        let who = match (&entry.standing, user.is_empty()) {
            (_, true) => "nobody known".to_owned(),
            // Who showed no good token may claim any name.
            (None, false) if entry.user_id.is_none() => format!("“{user}”, not proved"),
            (_, false) => user.clone(),
        };
        Self { at: When::read(&entry.at, now), who, user, answer: answer_pill(entry.status), entry }
    }

    /// By what one finds all that was done in its project.
    fn project(&self) -> &str {
        self.entry.project_id.as_deref().unwrap_or_default()
    }
}

/// What was answered, as a pill.
fn answer_pill(status: Option<u16>) -> Pill {
    let Some(status) = status else {
        return Pill { word: "hung up".to_owned(), tone: Tone::Warn };
    };
    let tone = match status {
        0..400 => Tone::Good,
        400..500 => Tone::Warn,
        _ => Tone::Bad,
    };
    let name = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    Pill { word: format!("{status} {}", name.unwrap_or_default().to_lowercase()).trim().to_owned(), tone }
}

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    frame: Frame,
    filters: Filters,
    rows: Vec<Row>,
    /// Queries of the pages before and after this one; none: there is none.
    newest: Option<String>,
    older: Option<String>,
}

/// The newest changes, or those before a page's last one.
pub async fn list(
    State(ui): State<Arc<Ui>>,
    visitor: Visitor,
    Query(asked): Query<BTreeMap<String, String>>,
) -> Response {
    let filters = Filters::read(&Typed(asked));
    let path = format!("/v1/audit?{}", filters.query(&filters.marker, &[("limit", CHANGES_SHOWN)]));
    let found: Page<AuditEntry> = match ui.rest.get(&visitor, &path).await {
        Ok(found) => found,
        Err(problem) => return page::failure(Some(&visitor), &problem),
    };
    let now = Timestamp::now();
    let url = format!("/ui/audit?{}", filters.query(&filters.marker, &[]));
    let shown = AuditPage {
        frame: Frame::new(Some(&visitor), "audit", url),
        rows: found.items.into_iter().rev().map(|entry| Row::new(entry, now)).collect(),
        newest: (!filters.marker.is_empty()).then(|| filters.query("", &[])),
        older: found.next.map(|marker| filters.query(&marker, &[])),
        filters,
    };
    page::show(None, &shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_its_name_and_its_tone() {
        let check = |status, word: &str, tone| {
            assert_eq!(answer_pill(status), Pill { word: word.to_owned(), tone }, "{status:?}");
        };
        check(Some(202), "202 accepted", Tone::Good);
        check(Some(303), "303 see other", Tone::Good);
        check(Some(403), "403 forbidden", Tone::Warn);
        check(Some(503), "503 service unavailable", Tone::Bad);
        check(Some(599), "599", Tone::Bad);
        check(None, "hung up", Tone::Warn);
    }

    #[test]
    fn who_only_claims_a_name_is_not_taken_for_its_owner() {
        let check = |user: Option<&str>, user_id: Option<&str>, standing: Option<&str>, who: &str| {
            let of = |text: Option<&str>| text.map(str::to_owned);
            let entry = AuditEntry {
                user: of(user),
                user_id: of(user_id),
                standing: of(standing),
                ..AuditEntry::default()
            };
            assert_eq!(Row::new(entry, Timestamp::UNIX_EPOCH).who, who);
        };
        check(Some("eve"), Some("e"), Some("member"), "eve");
        check(Some("eve"), Some("e"), None, "eve");
        check(Some("ironic"), None, Some("ironic"), "ironic");
        check(Some("root"), None, None, "“root”, not proved");
        check(None, None, None, "nobody known");
    }
}
