//! Edges: the proofs of isolation in the API: for every move of a port, what was wanted, what was read back, and what was heard.

use std::sync::Arc;

use api_types::{List, Proof, Sighting};
use axum::{Json, extract::State};
use domain::rim::{describe_observed, describe_wanted};
use store;

use super::{Api, request::Path};
use crate::problem::Problem;

/// Lists the moves of a node's ports with the proof of each, newest first.
#[utoipa::path(get, path = "/v1/nodes/{node}/proofs", params(("node" = String, Path, description = "name or id")),
    responses((status = 200, body = List<Proof>)))]
pub async fn list(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
) -> Result<Json<List<Proof>>, Problem> {
    let server = api.find_node(&name).await?;
    let proofs = api.inventory.proofs(server.id).await?;
    Ok(Json(List { items: proofs.into_iter().map(view).collect() }))
}

fn view(proof: store::Proof) -> Proof {
    let time = |us| super::time(us).unwrap_or_default();
    Proof {
        at: time(proof.at_us),
        holds: proof.holds(),
        port: proof.port,
        mac: proof.mac.to_string(),
        asked_by: proof.asked_by,
        wanted: describe_wanted(&proof.wanted),
        observed: proof.observed.as_ref().map(describe_observed),
        error: proof.error,
        took_ms: proof.took_ms,
        tries: proof.tries,
        confirmed: proof.confirmed_us.map(time),
        seen: proof
            .sightings
            .into_iter()
            .map(|sighting| Sighting {
                at: time(sighting.at_us),
                network: sighting.network.into(),
                boot_stage: domain::records::stage_of_sighting(&sighting.what).map(Into::into),
                what: sighting.what,
                agrees: sighting.agrees,
            })
            .collect(),
    }
}
