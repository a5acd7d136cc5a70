//! Edges: the disks of a server in the API: what a clean accounts for, and an administrator's word to leave one out.

use std::sync::Arc;

use api_types::{DiskErasure, DiskException, List, NewDiskException, NodeDisk};
use axum::{Json, extract::State, http::StatusCode};
use domain::{
    disks::{Exception, KnownDisk},
    events::EventKind,
    records::Server,
};

use protocol::hardware::Disk;

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
    let root = root_of(&server);
    Ok(Json(List { items: disks.into_iter().map(|disk| view(disk, root.as_ref())).collect() }))
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
    Ok(Json(view(disk, root_of(&server).as_ref())))
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

/// The disk that the next image goes to.
pub(super) fn root_of(server: &Server) -> Option<Disk> {
    let hints = server.node.as_ref().map(|node| node.root_device.clone()).unwrap_or_default();
    hints.root_disk(&server.hardware.as_ref()?.disks).ok().cloned()
}

/// What is to be known of a disk beside its names and numbers.
fn remarks(disk: &Disk, root: Option<&Disk>) -> Vec<String> {
    let is_root = root.is_some_and(|root| root.is_like(disk) && root.name == disk.name);
    let root = is_root.then(|| "root disk".to_owned());
    let sectors = (disk.sector_bytes > 512).then(|| format!("{}-byte sectors", disk.sector_bytes));
    let paths = (disk.paths > 1).then(|| format!("{} paths", disk.paths));
    root.into_iter().chain(sectors).chain(paths).chain(disk.conditions()).collect()
}

fn view(known: KnownDisk, root: Option<&Disk>) -> NodeDisk {
    let time = |us| super::time(us).unwrap_or_default();
    NodeDisk {
        standing: known.standing().into(),
        number: known.number,
        remarks: remarks(&known.disk, root),
        place: known.disk.place().to_owned(),
        transport: known.disk.transport,
        firmware: known.disk.firmware,
        health: known.disk.health.as_str().to_owned(),
        sector_bytes: known.disk.sector_bytes,
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
