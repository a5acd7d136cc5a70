//! Edges: rack agents and their certificates in the API, for administrators.

use std::sync::Arc;

use api_types::{Agent, AgentCertificate, CertificateState, List, Revocation};
use axum::{Json, extract::State, http::StatusCode};
use coordinator_core::agents::{Peer, Standing, lasting, standing};
use domain::{certificate::Fingerprint, events::EventKind, records::AgentCertificate as Known};
use protocol::id::RackId;
use store;

use super::{
    Api,
    auth::User,
    request::{JsonBody, Path},
    time,
};
use crate::problem::Problem;

/// Lists the agents of all racks.
#[utoipa::path(get, path = "/v1/agents", operation_id = "agents", responses((status = 200, body = List<Agent>)))]
pub async fn list(State(api): State<Arc<Api>>) -> Result<Json<List<Agent>>, Problem> {
    let agents = api.inventory.agents().await?;
    let known = api.inventory.certificates(None).await?;
    let view = |agent: store::Agent| {
        let of_rack = known.iter().filter(|one| one.rack == agent.rack).cloned().collect();
        api.agent_view(agent.rack.clone(), Some(agent), of_rack)
    };
    Ok(Json(List { items: agents.into_iter().map(view).collect() }))
}

/// Shows a rack's agent with its certificates.
#[utoipa::path(get, path = "/v1/agents/{rack}", operation_id = "show_agent", params(("rack" = String, Path, description = "rack")), responses((status = 200, body = Agent), (status = 404, body = Problem)))]
pub async fn show(State(api): State<Arc<Api>>, Path(rack): Path<String>) -> Result<Json<Agent>, Problem> {
    Ok(Json(api.find_agent(&rack).await?))
}

/// Revokes all certificates of a rack, or one of them.
///
/// Connections that they opened end at once, and they open no new ones. A certificate that is already revoked stays revoked.
#[utoipa::path(post, path = "/v1/agents/{rack}/revoke", operation_id = "revoke_agent", params(("rack" = String, Path, description = "rack")),
    request_body = Revocation, responses((status = 200, body = Agent), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub async fn revoke(
    State(api): State<Arc<Api>>,
    user: User,
    Path(name): Path<String>,
    JsonBody(wanted): JsonBody<Revocation>,
) -> Result<Json<Agent>, Problem> {
    let rack: RackId = name.parse().map_err(|_| Problem::not_found("rack", &name))?;
    let only = wanted.fingerprint.as_deref().map(str::parse::<Fingerprint>).transpose();
    let only = only.map_err(|error| Problem::bad_at("fingerprint", error))?;
    let known = api.inventory.certificates(Some(&rack)).await?;
    if known.is_empty() {
        return Err(Problem::not_found("certificate of rack", &name));
    }
    if let Some(missing) = only.filter(|only| known.iter().all(|one| one.fingerprint != *only)) {
        let detail = format!(
            "rack {rack} has no certificate {missing}; GET /v1/agents/{rack} lists those that it has"
        );
        return Err(Problem::new(StatusCode::NOT_FOUND, "not-found", detail));
    }
    let revoked = api.agents.revoke(&rack, only.as_ref()).await?;
    if !revoked.is_empty() {
        let names: Vec<_> = revoked.iter().map(Fingerprint::short).collect();
        let text = format!(
            "{} revoked certificate {} of rack {rack}; its agent can connect again with a new one (bms-coordinator \
             issue-agent --rack {rack})",
            user.name(),
            names.join(", ")
        );
        api.inventory.record_event(None, Some(rack.clone()), EventKind::Asked, text).await;
    }
    Ok(Json(api.find_agent(&name).await?))
}

impl Api {
    async fn find_agent(&self, name: &str) -> Result<Agent, Problem> {
        let rack: RackId = name.parse().map_err(|_| Problem::not_found("rack", name))?;
        let agent = self.inventory.agent(&rack).await?;
        let known = self.inventory.certificates(Some(&rack)).await?;
        if agent.is_none() && known.is_empty() {
            return Err(Problem::not_found("agent of rack", name));
        }
        Ok(self.agent_view(rack, agent, known))
    }

    fn agent_view(&self, rack: RackId, agent: Option<store::Agent>, known: Vec<Known>) -> Agent {
        let now_us = self.inventory.clock().now_us();
        let peer: Option<Peer> = self.agents.peer(&rack);
        let in_use = peer.as_ref().map(|peer| peer.fingerprint);
        let best = lasting(&known, now_us).and_then(|best| time(best.ends_us));
        Agent {
            connected: self.enroll.parts.presence.connection(&rack).is_connected(),
            rack: rack.to_string(),
            address: peer.map(|peer| peer.address.to_string()),
            acknowledged: agent.as_ref().map_or(0, |agent| agent.acknowledged),
            last_seen: agent.and_then(|agent| time(agent.seen_us)),
            certificate_ends: best,
            certificates: known.into_iter().map(|one| certificate_view(one, in_use, now_us)).collect(),
        }
    }
}

fn state_of(standing: Standing) -> CertificateState {
    match standing {
        Standing::Good => CertificateState::Good,
        Standing::Replaced(_) => CertificateState::Replaced,
        Standing::Revoked(_) => CertificateState::Revoked,
        Standing::Ended(_) => CertificateState::Ended,
    }
}

fn certificate_view(known: Known, in_use: Option<Fingerprint>, now_us: u64) -> AgentCertificate {
    AgentCertificate {
        fingerprint: known.fingerprint.to_string(),
        state: state_of(standing(&known, now_us)),
        in_use: in_use == Some(known.fingerprint),
        origin: known.origin.into(),
        given: time(known.given_us),
        used: known.used_us.and_then(time),
        ends: time(known.ends_us),
    }
}
