//! Edges: changes that were asked for, in the API: for administrators and readers of the whole system.

use std::sync::Arc;

use api_types::{AuditEntry, PAGE_ITEMS_MAX, Page};
use axum::{Json, extract::State};
use domain::audit::{AuditFilter, Entry};
use serde::{Deserialize, Serialize};

use super::{Api, request::Query, time::moment_us};
use crate::problem::Problem;

/// Which changes.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
pub struct AuditQuery {
    /// Only requests by this user, by name or id.
    user: Option<String>,
    /// Only requests with a token of this project, by name or id.
    project: Option<String>,
    /// Only requests about the thing with this id or name.
    object: Option<String>,
    /// Only requests at or after this time (RFC 3339).
    since: Option<String>,
    /// Number of entries of a page, the newest ones, at most 1000. Absent: 1000.
    limit: Option<u32>,
    /// `next` of the previous page.
    marker: Option<String>,
}

/// Lists requests that were to change something: by whom, from where, and how they were answered.
///
/// A page holds the newest entries that match, oldest first; the next page leads into the past.
#[utoipa::path(get, path = "/v1/audit", operation_id = "list_audit", params(AuditQuery), responses((status = 200, body = Page<AuditEntry>)))]
pub async fn list(
    State(api): State<Arc<Api>>,
    Query(query): Query<AuditQuery>,
) -> Result<Json<Page<AuditEntry>>, Problem> {
    let limit = query.limit.unwrap_or(PAGE_ITEMS_MAX).clamp(1, PAGE_ITEMS_MAX);
    let filter = AuditFilter {
        user: query.user,
        project: query.project,
        object: query.object,
        since_us: query.since.as_deref().map(|text| moment_us("since", text)).transpose()?,
        before: query.marker.as_deref().map(before).transpose()?,
        // One more than is shown tells whether there are older ones.
        limit: Some(limit + 1),
    };
    let mut entries = api.inventory.audit(&filter).await?;
    let surplus = entries.len().saturating_sub(limit as usize);
    entries.drain(..surplus);
    let next = entries.first().filter(|_| surplus > 0).map(|oldest| oldest.id.to_string());
    Ok(Json(Page { items: entries.into_iter().map(view).collect(), next }))
}

/// The word by which a request names one of a route's actions.
pub(super) fn word(verb: &impl Serialize) -> String {
    serde_json::to_value(verb).ok().and_then(|value| Some(value.as_str()?.to_owned())).unwrap_or_default()
}

fn before(text: &str) -> Result<u64, Problem> {
    text.parse()
        .map_err(|_| Problem::bad_at("marker", "use the value of `next` from the previous page unchanged"))
}

fn view(entry: Entry) -> AuditEntry {
    let Entry { id, at_us, what } = entry;
    AuditEntry {
        id,
        at: super::time(at_us).unwrap_or_default(),
        request_id: what.request_id,
        source: what.source.map(|source| source.to_string()),
        user_id: what.user_id,
        user: what.user_name,
        project_id: what.project_id,
        project: what.project_name,
        standing: what.standing,
        method: what.method,
        route: what.route,
        via: what.via,
        action: what.action,
        reason: what.reason,
        object: what.object,
        status: what.status,
    }
}
