//! Edges: the certificate of a BMC in the API: the pinned one, and the one that it shows instead.

use std::sync::Arc;

use api_types::{BmcCertificate, Certificate, CertificateQuestion, NodeAction};
use axum::{Json, extract::State};
use domain::{
    certificate::Fingerprint,
    records::Server,
    upkeep::certificate::{CertificateFacts, Question},
};

use super::{Api, request::Path, time::time};
use crate::problem::Problem;

/// Microseconds of a second.
const SECOND_US: u64 = 1_000_000;

/// Shows the certificate of a node's BMC: which is pinned, and which it shows instead.
///
/// The actions `accept_certificate` and `refuse_certificate` of the node decide about the other one.
#[utoipa::path(get, path = "/v1/nodes/{node}/bmc/certificate", operation_id = "show_bmc_certificate",
    params(("node" = String, Path, description = "name or id")), responses((status = 200, body = BmcCertificate), (status = 404, body = Problem)))]
pub async fn show(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
) -> Result<Json<BmcCertificate>, Problem> {
    Ok(Json(view(&api.find_node(&name).await?)))
}

/// The certificate that whoever decides has looked at.
pub(super) fn looked_at(wanted: &NodeAction) -> Result<Option<Fingerprint>, Problem> {
    let text = wanted.certificate_sha256.as_deref();
    let parsed = text.map(|text| text.parse().map_err(|_| "must be 64 hexadecimal digits")).transpose();
    parsed.map_err(|why| Problem::bad_at("certificate_sha256", why))
}

fn view(server: &Server) -> BmcCertificate {
    let pinned = server.pinned_certificate();
    let known = server.upkeep.certificates.as_ref().and_then(|kept| kept.known.as_ref());
    let known =
        known.map(|der| CertificateFacts::of(&der.0)).filter(|facts| Some(facts.fingerprint) == pinned);
    BmcCertificate {
        place: server.bmc.place(),
        pinned: pinned.map(|pin| pin.to_string()),
        known: known.map(certificate),
        question: server.certificate_question().map(question),
    }
}

fn question(question: &Question) -> CertificateQuestion {
    CertificateQuestion {
        certificate: certificate(CertificateFacts::of(&question.shown.0)),
        since: time(question.since_us),
        why: question.why.clone(),
        refused_by: question.refused_by.clone(),
    }
}

fn certificate(facts: CertificateFacts) -> Certificate {
    let CertificateFacts { fingerprint, subject, issuer, key, validity } = facts;
    let second = |at_s: u64| time(at_s.saturating_mul(SECOND_US));
    Certificate {
        sha256: fingerprint.to_string(),
        subject,
        issuer,
        key_sha256: key.map(|key| key.to_string()),
        begins: validity.and_then(|validity| second(validity.begins_s)),
        ends: validity.and_then(|validity| second(validity.ends_s)),
    }
}
