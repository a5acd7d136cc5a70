//! Edges: the disks of a server in the API: what a clean accounts for, and an administrator's word to leave one out.

use std::sync::Arc;

use api_types::{DiskErasure, DiskException, List, NewDiskException, NodeDisk};
use axum::{Json, extract::State, http::StatusCode};
use domain::{
    disks::{Exception, KnownDisk},
    events::EventKind,
    records::Server,
};

use super::{
    Api,
    auth::User,
    request::{JsonBody, Path},
};
use crate::problem::Problem;

/// Longest reason for leaving a disk out.
const REASON_BYTES_MAX: usize = 255;

/// Lists the disks that inspections of a node have seen, by number.
///
/// A clean succeeds only if each of them is erased or left out.
#[utoipa::path(get, path = "/v1/nodes/{node}/disks", params(("node" = String, Path, description = "name or id")),
    responses((status = 200, body = List<NodeDisk>)))]
pub async fn list(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
) -> Result<Json<List<NodeDisk>>, Problem> {
    let server = api.find_node(&name).await?;
    let disks = api.inventory.disks(server.id).await?;
    Ok(Json(List { items: disks.into_iter().map(view).collect() }))
}

/// Leaves a disk out of every clean from now on.
///
/// It was replaced or removed, or is to keep its data. Every clean names the disk, the user and the reason.
#[utoipa::path(post, path = "/v1/nodes/{node}/disks/{number}/exception",
    params(("node" = String, Path, description = "name or id"), ("number" = u32, Path, description = "the disk's number")),
    request_body = NewDiskException,
    responses((status = 200, body = NodeDisk), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub async fn except(
    State(api): State<Arc<Api>>,
    user: User,
    Path((name, number)): Path<(String, u32)>,
    JsonBody(wanted): JsonBody<NewDiskException>,
) -> Result<Json<NodeDisk>, Problem> {
    let server = api.find_node(&name).await?;
    let reason = wanted.reason.trim().to_owned();
    if reason.is_empty() || reason.len() > REASON_BYTES_MAX {
        return Err(Problem::bad_at(
            "reason",
            format!("must have 1 to {REASON_BYTES_MAX} characters; it is shown in the record of every clean"),
        ));
    }
    let by = user.name().to_owned();
    let word = Exception { at_us: api.inventory.clock().now_us(), by: by.clone(), reason: reason.clone() };
    let disk = api.set_exception(&server, number, Some(&word)).await?;
    let text = format!("{by} excludes {disk} from every clean: {reason}");
    api.inventory.record(server.id, EventKind::Asked, text).await;
    Ok(Json(view(disk)))
}

/// Includes a disk in every clean again.
#[utoipa::path(delete, path = "/v1/nodes/{node}/disks/{number}/exception",
    params(("node" = String, Path, description = "name or id"), ("number" = u32, Path, description = "the disk's number")),
    responses((status = 204), (status = 404, body = Problem)))]
pub async fn include(
    State(api): State<Arc<Api>>,
    user: User,
    Path((name, number)): Path<(String, u32)>,
) -> Result<StatusCode, Problem> {
    let server = api.find_node(&name).await?;
    let disk = api.set_exception(&server, number, None).await?;
    let text = format!("{} includes {disk} in every clean again", user.name());
    api.inventory.record(server.id, EventKind::Asked, text).await;
    Ok(StatusCode::NO_CONTENT)
}

impl Api {
    async fn set_exception(
        &self,
        server: &Server,
        number: u32,
        word: Option<&Exception>,
    ) -> Result<KnownDisk, Problem> {
        self.inventory.set_disk_exception(server.id, number, word).await?;
        let disks = self.inventory.disks(server.id).await?;
        let found = disks.into_iter().find(|disk| disk.number == number);
        found.ok_or_else(|| Problem::not_found("disk", &format!("{number} of {}", server.name)))
    }
}

fn view(known: KnownDisk) -> NodeDisk {
    let time = |us| super::time(us).unwrap_or_default();
    NodeDisk {
        standing: known.standing().into(),
        number: known.number,
        name: known.disk.name,
        size_bytes: known.disk.size_bytes,
        model: known.disk.model,
        serial: known.disk.serial,
        wwn: known.disk.wwn,
        removable: known.disk.removable,
        read_only: known.disk.read_only,
        first_seen: time(known.first_seen_us),
        last_seen: time(known.seen_us),
        erased: known.erased.map(|erased| DiskErasure {
            at: time(erased.at_us),
            method: erased.method,
            erased_bytes: erased.erased_bytes,
            verified_bytes: erased.verified_bytes,
        }),
        exception: known.exception.map(|word| DiskException {
            at: time(word.at_us),
            by: word.by,
            reason: word.reason,
        }),
    }
}
