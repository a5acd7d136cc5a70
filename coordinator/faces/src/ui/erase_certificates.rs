//! Edges: the pages of certificates of erased disks: the list, and each of them to be read and printed.

use std::{collections::BTreeMap, sync::Arc};

use api_types::{EraseCertificate, EraseCertificateFile, Page};
use askama::Template;
use axum::{
    extract::{Path, Query, State},
    http::StatusCode,
    response::Response,
};
use domain::url_text::{query, segment};
use jiff::Timestamp;

use super::{
    Ui,
    form::Typed,
    page::{self, Frame},
    session::Visitor,
    view::{self, When},
};
use crate::{paper::Paper, problem::Problem};

/// Certificates that a page shows.
const CERTIFICATES_SHOWN: &str = "100";

/// Which certificates are shown.
struct Filters {
    node: String,
    serial: String,
    wwn: String,
    /// Where the page with older ones begins.
    marker: String,
}

impl Filters {
    fn read(typed: &Typed) -> Self {
        let of = |name: &str| typed.get(name).to_owned();
        Self { node: of("node"), serial: of("serial"), wwn: of("wwn"), marker: of("marker") }
    }

    fn is_all(&self) -> bool {
        [&self.node, &self.serial, &self.wwn].iter().all(|value| value.is_empty())
    }

    /// What is given, as a query.
    fn query(&self, marker: &str, more: &[(&str, &str)]) -> String {
        let mut given =
            vec![("node", &*self.node), ("serial", &*self.serial), ("wwn", &*self.wwn), ("marker", marker)];
        given.retain(|(_, value)| !value.is_empty());
        given.extend(more);
        query(&given)
    }
}

/// A certificate as a person reads it in a list.
struct Row {
    at: Option<When>,
    identity: String,
    size: String,
    certificate: EraseCertificate,
}

impl Row {
    fn new(certificate: EraseCertificate, now: Timestamp) -> Self {
        let names = [("", &certificate.model), ("serial ", &certificate.serial), ("WWN ", &certificate.wwn)];
        let names = names.into_iter().filter(|(_, name)| !name.is_empty());
        let names: Vec<_> = names.map(|(what, name)| format!("{what}{name}")).collect();
        Self {
            at: When::read(&certificate.received_at, now),
            identity: if names.is_empty() { "has no name of its own".to_owned() } else { names.join(", ") },
            size: view::bytes(&certificate.size_bytes),
            certificate,
        }
    }
}

#[derive(Template)]
#[template(path = "erase_certificates.html")]
struct ListPage {
    frame: Frame,
    filters: Filters,
    rows: Vec<Row>,
    /// Queries of the pages before and after this one; none: there is none.
    newest: Option<String>,
    older: Option<String>,
}

/// The newest certificates, or those before a page's last one.
pub async fn list(
    State(ui): State<Arc<Ui>>,
    visitor: Visitor,
    Query(asked): Query<BTreeMap<String, String>>,
) -> Response {
    let filters = Filters::read(&Typed(asked));
    let given = filters.query(&filters.marker, &[("limit", CERTIFICATES_SHOWN)]);
    let found: Page<EraseCertificate> =
        match ui.rest.get(&visitor, &format!("/v1/erase-certificates?{given}")).await {
            Ok(found) => found,
            Err(problem) => return page::failure(Some(&visitor), &problem),
        };
    let now = Timestamp::now();
    let url = format!("/ui/erase-certificates?{}", filters.query(&filters.marker, &[]));
    let shown = ListPage {
        frame: Frame::new(Some(&visitor), "certificates", url),
        rows: found.items.into_iter().map(|one| Row::new(one, now)).collect(),
        newest: (!filters.marker.is_empty()).then(|| filters.query("", &[])),
        older: found.next.map(|marker| filters.query(&marker, &[])),
        filters,
    };
    page::show(None, &shown)
}

#[derive(Template)]
#[template(path = "erase_certificate.html")]
struct CertificatePage {
    frame: Frame,
    paper: Paper,
}

/// One of them.
pub async fn show(State(ui): State<Arc<Ui>>, visitor: Visitor, Path(id): Path<String>) -> Response {
    let path = format!("/v1/erase-certificates/{}", segment(&id));
    let file: EraseCertificateFile = match ui.rest.get(&visitor, &path).await {
        Ok(file) => file,
        Err(problem) => return page::failure(Some(&visitor), &problem),
    };
    let text = serde_json::to_string(&file).unwrap_or_default();
    match Paper::of(&text) {
        Some(paper) => {
            let frame = Frame::new(Some(&visitor), "certificates", "");
            page::show(None, &CertificatePage { frame, paper })
        }
        None => {
            let text = "the certificate cannot be shown";
            let problem = Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", text);
            page::failure(Some(&visitor), &problem)
        }
    }
}
