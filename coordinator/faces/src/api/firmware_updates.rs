//! Edges: updates of firmware in the API, and the files for them.

use std::sync::Arc;

use api_types::{FirmwareFile, FirmwareUpdate, FirmwareUpdateStage, List, NewFirmwareUpdate};
use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, header},
};
use coordinator_core::firmware::Wanted;
use domain::{
    events::EventKind,
    firmware::{
        files,
        update::{By, Stage, Update},
    },
    records::Server,
};
use protocol::{
    bmc_facts::without_secrets,
    hex,
    update::{FirmwareImage, IMAGE_BYTES_MAX},
};
use serde::Deserialize;

use super::{
    Api,
    auth::User,
    incoming::file_bytes,
    plain::check_name,
    request::{JsonBody, Path, Query},
    time::time,
};
use crate::{access::Held, problem::Problem};

/// Longest component, version, name of a file.
const TEXT_CHARS_MAX: usize = 255;
/// Longest address of an image.
const URL_CHARS_MAX: usize = 2048;

/// Lists the updates of a node's firmware, the newest first, each with how far it is.
#[utoipa::path(get, path = "/v1/nodes/{node}/firmware-updates", operation_id = "list_firmware_updates",
    params(("node" = String, Path, description = "name or id")), responses((status = 200, body = List<FirmwareUpdate>)))]
pub async fn list(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
) -> Result<Json<List<FirmwareUpdate>>, Problem> {
    let server = api.find_node(&name).await?;
    let updates = api.inventory.updates_of(server.id).await?;
    Ok(Json(List { items: updates.iter().map(|update| update_view(&server, update)).collect() }))
}

/// Has the firmware of a node updated: given to its BMC once, followed, and done when the version is seen.
///
/// Only firmware of a node that nobody uses is updated, one node of a rack at a time; it waits until the node is off and proved to be
/// isolated.
#[utoipa::path(post, path = "/v1/nodes/{node}/firmware-updates", operation_id = "update_firmware",
    params(("node" = String, Path, description = "name or id")), request_body = NewFirmwareUpdate,
    responses((status = 202, body = FirmwareUpdate), (status = 400, body = Problem), (status = 409, body = Problem)))]
pub async fn create(
    State(api): State<Arc<Api>>,
    user: User,
    Path(name): Path<String>,
    JsonBody(wanted): JsonBody<NewFirmwareUpdate>,
) -> Result<(StatusCode, Json<FirmwareUpdate>), Problem> {
    let server = api.find_node(&name).await?;
    check_name("component", &wanted.component, TEXT_CHARS_MAX)?;
    check_name("version", &wanted.version, TEXT_CHARS_MAX)?;
    let image = match (&wanted.file, &wanted.url) {
        (Some(file), None) => Wanted::File(api.find_firmware_file(file).await?),
        (None, Some(url)) if url.len() <= URL_CHARS_MAX => Wanted::Url(url.clone()),
        (None, Some(_)) => {
            return Err(Problem::bad_at("url", format!("must have {URL_CHARS_MAX} characters at most")));
        }
        (Some(_), Some(_)) | (None, None) => {
            return Err(Problem::bad_at("file", "give either file, an uploaded one, or url, but not both"));
        }
    };
    let by = By::Person(user.name().to_owned());
    let (component, version) = (wanted.component.clone(), Some(wanted.version.clone()));
    let update = api.updates.ask(&server, component, image, version, by).await?;
    let text = format!(
        "{} asked for: the {} firmware to be updated to {}",
        user.name(),
        wanted.component,
        wanted.version
    );
    api.inventory.record(server.id, EventKind::Upkeep, text).await;
    Ok((StatusCode::ACCEPTED, Json(update_view(&server, &update))))
}

/// Calls off an update of a node's firmware that has not begun.
#[utoipa::path(delete, path = "/v1/nodes/{node}/firmware-updates/{update}", operation_id = "call_off_firmware_update",
    params(("node" = String, Path, description = "name or id"), ("update" = String, Path, description = "id")),
    responses((status = 204), (status = 409, body = Problem)))]
pub async fn call_off(
    State(api): State<Arc<Api>>,
    user: User,
    Path((name, id)): Path<(String, uuid::Uuid)>,
) -> Result<StatusCode, Problem> {
    let server = api.find_node(&name).await?;
    let update = api.inventory.update(id).await?.filter(|update| update.server == server.id);
    let update = update.ok_or_else(|| Problem::not_found("firmware update", &id.to_string()))?;
    api.updates.call_off(&update, user.name()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the files of firmware that the coordinator keeps.
#[utoipa::path(get, path = "/v1/firmware-files", operation_id = "list_firmware_files", responses((status = 200, body = List<FirmwareFile>)))]
pub async fn files(State(api): State<Arc<Api>>) -> Result<Json<List<FirmwareFile>>, Problem> {
    let files = api.inventory.firmware_files().await?;
    Ok(Json(List { items: files.into_iter().map(file_view).collect() }))
}

/// How a file of firmware is kept.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
pub struct FileQuery {
    /// Name of the file; some BMCs look at it.
    name: String,
    /// Expected SHA-256 of the file, in hexadecimal; another file is refused. Absent: any.
    #[serde(default)]
    sha256: Option<String>,
}

/// Keeps a file of firmware, the request's body, for updates.
#[utoipa::path(post, path = "/v1/firmware-files", operation_id = "create_firmware_file", params(FileQuery),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 201, body = FirmwareFile), (status = 409, body = Problem), (status = 429, body = Problem)))]
pub async fn upload(
    State(api): State<Arc<Api>>,
    user: User,
    Query(query): Query<FileQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<FirmwareFile>), Problem> {
    check_name("name", &query.name, TEXT_CHARS_MAX)?;
    if query.sha256.as_ref().is_some_and(|hash| !hex::is_digits(hash, 64)) {
        return Err(Problem::bad_at("sha256", "must have 64 hexadecimal digits, as `sha256sum` prints them"));
    }
    let length = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if length.is_none_or(|length| length > IMAGE_BYTES_MAX) {
        let why = format!("must say the file's size, at most {IMAGE_BYTES_MAX} bytes");
        return Err(Problem::bad_at("Content-Length", why));
    }
    let _place = api.authenticator.shares.uploads.take(&user.known)?;
    let held = Held::new(&api.authenticator, &user.token, &user.known);
    let bytes = file_bytes(body.into_data_stream(), held);
    let file = api.updates.files.take(&query.name, query.sha256.as_deref(), bytes).await?;
    Ok((StatusCode::CREATED, Json(file_view(file))))
}

/// Deletes a file of firmware that no update needs.
#[utoipa::path(delete, path = "/v1/firmware-files/{file}", operation_id = "delete_firmware_file",
    params(("file" = String, Path, description = "name or SHA-256")), responses((status = 204), (status = 409, body = Problem)))]
pub async fn delete_file(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    let file = api.find_firmware_file(&name).await?;
    api.updates.files.delete(&file).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl Api {
    async fn find_firmware_file(&self, name: &str) -> Result<files::FirmwareFile, Problem> {
        let found = self.updates.files.find(name).await?;
        found.ok_or_else(|| Problem::not_found("firmware file", name))
    }
}

fn file_view(file: files::FirmwareFile) -> FirmwareFile {
    let files::FirmwareFile { sha256, sha512: _, name, file_bytes, created_us } = file;
    FirmwareFile { name, sha256, size_bytes: file_bytes, created: time(created_us) }
}

fn update_view(server: &Server, update: &Update) -> FirmwareUpdate {
    let (percent, changes) = match &update.stage {
        Stage::Following { percent, .. } => (*percent, Vec::new()),
        Stage::Done { changes } => (None, changes.clone()),
        Stage::Waiting | Stage::Giving | Stage::Settling { .. } | Stage::Failed { .. } => (None, Vec::new()),
    };
    let (file, url) = match &update.order.image {
        FirmwareImage::File { name, .. } => (Some(name.clone()), None),
        FirmwareImage::Url(url) => (None, Some(without_secrets(url))),
    };
    FirmwareUpdate {
        id: update.id,
        node: server.name.clone(),
        component: update.order.component.clone(),
        version: update.order.version.clone(),
        file,
        url,
        by: match &update.order.by {
            By::Person(name) => name.clone(),
            By::Ironic => "Ironic".to_owned(),
        },
        stage: stage_view(&update.stage),
        percent,
        reason: match &update.stage {
            Stage::Failed { reason } => Some(reason.clone()),
            Stage::Waiting
            | Stage::Giving
            | Stage::Following { .. }
            | Stage::Settling { .. }
            | Stage::Done { .. } => update.trouble.clone(),
        },
        changes,
        asked: time(update.asked_us),
        since: time(update.since_us),
    }
}

fn stage_view(stage: &Stage) -> FirmwareUpdateStage {
    match stage {
        Stage::Waiting => FirmwareUpdateStage::Waiting,
        Stage::Giving => FirmwareUpdateStage::Giving,
        Stage::Following { is_paused: false, .. } => FirmwareUpdateStage::Running,
        Stage::Following { is_paused: true, .. } => FirmwareUpdateStage::Paused,
        Stage::Settling { .. } => FirmwareUpdateStage::Settling,
        Stage::Done { .. } => FirmwareUpdateStage::Done,
        Stage::Failed { .. } => FirmwareUpdateStage::Failed,
    }
}

/// What whoever looks at a node should know of the update of its firmware.
pub(super) fn note(update: &Update) -> String {
    let what = match update.order.component.as_str() {
        "" => "firmware".to_owned(),
        component => format!("{component} firmware"),
    };
    let to = update.order.version.as_ref().map(|version| format!(" to {version}")).unwrap_or_default();
    let percent = match &update.stage {
        Stage::Following { percent: Some(percent), .. } => format!(", {percent} %"),
        Stage::Waiting
        | Stage::Giving
        | Stage::Following { percent: None, .. }
        | Stage::Settling { .. }
        | Stage::Done { .. }
        | Stage::Failed { .. } => String::new(),
    };
    let why = update.trouble.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
    format!("its {what} is being updated{to}: {}{percent}{why}", stage_view(&update.stage))
}
