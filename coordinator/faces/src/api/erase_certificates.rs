//! Edges: certificates of erased disks in the API: for administrators and auditors, as they were signed, and on paper for people.

use std::sync::Arc;

use api_types::{EraseCertificate, EraseCertificateFile, PAGE_ITEMS_MAX, Page};
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use domain::records::{EraseCertificate as Kept, EraseCertificateFilter};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    Api,
    request::{Path, Query},
    time::moment_us,
};
use crate::{paper::Paper, problem::Problem};

/// What a browser may do with a certificate on paper: show it, in its own style.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'";

/// Which certificates.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
pub struct EraseCertificateQuery {
    /// Only of disks that were in the node with this id, or with this name then.
    node: Option<String>,
    /// Only of disks with this serial number.
    serial: Option<String>,
    /// Only of disks with this world-wide name.
    wwn: Option<String>,
    /// Only certificates that were kept at or after this time (RFC 3339).
    since: Option<String>,
    /// Only certificates that were kept before this time (RFC 3339).
    until: Option<String>,
    /// Number of certificates of a page, at most 1000. Absent: 1000.
    limit: Option<u32>,
    /// `next` of the previous page.
    marker: Option<String>,
}

/// Lists certificates of erased disks, newest first. They are kept for ever, also when their node is deleted.
#[utoipa::path(get, path = "/v1/erase-certificates", operation_id = "list_erase_certificates", params(EraseCertificateQuery),
    responses((status = 200, body = Page<EraseCertificate>)))]
pub async fn list(
    State(api): State<Arc<Api>>,
    Query(query): Query<EraseCertificateQuery>,
) -> Result<Json<Page<EraseCertificate>>, Problem> {
    let limit = query.limit.unwrap_or(PAGE_ITEMS_MAX).clamp(1, PAGE_ITEMS_MAX);
    let moment = |field, text: Option<String>| text.map(|text| moment_us(field, &text)).transpose();
    let filter = EraseCertificateFilter {
        node: query.node,
        serial: query.serial,
        wwn: query.wwn,
        since_us: moment("since", query.since)?,
        until_us: moment("until", query.until)?,
        before: query.marker.as_deref().map(before).transpose()?,
        // One more than is shown tells whether there are older ones.
        limit: Some(limit + 1),
    };
    let mut found = api.inventory.erase_certificates(&filter).await?;
    let has_more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = found.last().filter(|_| has_more).map(|oldest| oldest.number.to_string());
    Ok(Json(Page { items: found.into_iter().map(view).collect(), next }))
}

/// Shows a certificate as it was signed; with `Accept: text/html` as a page to be printed.
#[utoipa::path(get, path = "/v1/erase-certificates/{id}", operation_id = "show_erase_certificate",
    params(("id" = String, Path, description = "id")),
    responses((status = 200, content((EraseCertificateFile = "application/json"), (String = "text/html")))))]
pub async fn show(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = Uuid::parse_str(&name).ok();
    let kept = match id {
        Some(id) => api.inventory.erase_certificate(id).await?,
        None => None,
    };
    let kept = kept.ok_or_else(|| Problem::not_found("certificate of an erase", &name))?;
    if wants_paper(&headers) {
        return paper(&kept);
    }
    // Byte for byte as it is kept.
    Ok(([(header::CONTENT_TYPE, "application/json")], kept.file).into_response())
}

fn wants_paper(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accept.contains("text/html")
}

fn paper(kept: &Kept) -> Result<Response, Problem> {
    let unreadable =
        || Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the certificate cannot be shown");
    let text = Paper::of(&kept.file).and_then(|paper| paper.document()).ok_or_else(unreadable)?;
    let policy = (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    Ok(([policy], Html(text)).into_response())
}

fn before(text: &str) -> Result<u64, Problem> {
    text.parse()
        .map_err(|_| Problem::bad_at("marker", "use the value of `next` from the previous page unchanged"))
}

fn view(kept: Kept) -> EraseCertificate {
    EraseCertificate {
        id: kept.id,
        node_id: kept.server.0,
        node: kept.server_name,
        rack: kept.rack.to_string(),
        disk_number: kept.disk_number,
        model: kept.disk.model,
        serial: kept.disk.serial,
        wwn: kept.disk.wwn,
        size_bytes: kept.disk.size_bytes,
        method: kept.method,
        ended_at: super::time(kept.ended_us).unwrap_or_default(),
        received_at: super::time(kept.received_us).unwrap_or_default(),
        tenancy: kept.tenancy,
        project_id: kept.project_id,
    }
}
