//! Edges: images in the API. Glance owns them; we look at the bytes that pass.

use std::sync::Arc;

use api_types::{Image, ImageFirmware, List};
use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, header},
};
use coordinator_core::{images::NewUpload, pools};
use domain::{
    images::{Machine, refuse_unfit},
    records::TenantServerState,
    rim,
};
use protocol::{boot::BootMode, hex};
use serde::Deserialize;

use super::{
    Api,
    auth::User,
    disks::root_of,
    incoming::file_bytes,
    pick::pick,
    plain::check_name,
    request::{Path, Query, one_of},
};
use crate::{access::Held, problem::Problem};

/// Largest image that is taken.
pub const IMAGE_BYTES_MAX: u64 = 1 << 40;
/// Longest name, as Glance takes it.
const NAME_CHARS_MAX: usize = 255;
/// Largest minimum disk in GiB that can be asked for.
const MIN_DISK_GB_MAX: u64 = 1 << 16;

/// Lists the images that the caller can boot; for administrators all images of Glance.
#[utoipa::path(get, path = "/v1/images", operation_id = "list_images", responses((status = 200, body = List<Image>)))]
pub async fn list(State(api): State<Arc<Api>>, user: User) -> Result<Json<List<Image>>, Problem> {
    let images = api.glance.list_images(user.caller()).await?;
    let shown = images.into_iter().filter(|image| user.sees_all() || image.to_ref().is_ok());
    Ok(Json(List { items: shown.map(image_view).collect() }))
}

/// Shows an image.
#[utoipa::path(get, path = "/v1/images/{image}", operation_id = "show_image", params(("image" = String, Path, description = "name or id")), responses((status = 200, body = Image)))]
pub async fn show(
    State(api): State<Arc<Api>>,
    user: User,
    Path(name): Path<String>,
) -> Result<Json<Image>, Problem> {
    Ok(Json(image_view(api.find_image(&user, &name).await?)))
}

/// How an image is made.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
pub struct ImageQuery {
    /// Name of the image.
    name: String,
    /// Make it public: every project can use it (administrators).
    #[serde(default)]
    public: bool,
    /// The firmware that can start it. Absent: `both`.
    #[serde(default, deserialize_with = "one_of")]
    boot_mode: Option<ImageFirmware>,
    /// Size in GiB of the smallest disk on which it fits. Absent: the size of the image's disk.
    #[serde(default)]
    min_disk_gb: Option<u64>,
    /// Expected SHA-512 of the file, in hexadecimal; another file is refused. Absent: any.
    #[serde(default)]
    sha512: Option<String>,
}

/// Creates an image from the request's body.
///
/// Its format is detected from its bytes: a whole disk (raw), which gzip, xz or zstd may have compressed, or qcow2.
#[utoipa::path(post, path = "/v1/images", operation_id = "create_image", params(ImageQuery), request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 201, body = Image), (status = 422, body = Problem), (status = 429, body = Problem), (status = 503, body = Problem)))]
pub async fn create(
    State(api): State<Arc<Api>>,
    user: User,
    Query(query): Query<ImageQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Image>), Problem> {
    let wanted = check(query, &headers, &user)?;
    let place = api.authenticator.shares.uploads.take(&user.known)?;
    let held = Held::new(&api.authenticator, &user.token, &user.known);
    let image = api.uploads.take(place, wanted, file_bytes(body.into_data_stream(), held)).await?;
    Ok((StatusCode::CREATED, Json(image_view(image))))
}

fn check(query: ImageQuery, headers: &HeaderMap, user: &User) -> Result<NewUpload, Problem> {
    check_name("name", &query.name, NAME_CHARS_MAX)?;
    if query.public && !user.is_administrator() {
        return Err(Problem::forbidden_at("public"));
    }
    let boot_mode = match query.boot_mode {
        None | Some(ImageFirmware::Both) => None,
        Some(ImageFirmware::Bios) => Some(BootMode::Bios),
        Some(ImageFirmware::Uefi) => Some(BootMode::Uefi),
        // The word of a newer version is none to ask for.
        Some(ImageFirmware::Unknown) => {
            return Err(Problem::bad_at("boot_mode", "must be bios, uefi or both"));
        }
    };
    if query.min_disk_gb.is_some_and(|gb| !(1..=MIN_DISK_GB_MAX).contains(&gb)) {
        return Err(Problem::bad_at("min_disk_gb", format!("must be 1 to {MIN_DISK_GB_MAX}")));
    }
    if query.sha512.as_ref().is_some_and(|hash| !hex::is_digits(hash, 128)) {
        return Err(Problem::bad_at(
            "sha512",
            "must have 128 hexadecimal digits, as `sha512sum` prints them",
        ));
    }
    let length = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    let Some(file_bytes) = length.filter(|length| *length <= IMAGE_BYTES_MAX) else {
        return Err(Problem::bad_at(
            "Content-Length",
            format!("must say the file's size, at most {IMAGE_BYTES_MAX} bytes"),
        ));
    };
    let ImageQuery { name, public, min_disk_gb, sha512, .. } = query;
    Ok(NewUpload { name, public, boot_mode, min_disk_gb, sha512, file_bytes, token: user.token.clone() })
}

/// Deletes an image of the caller's project; administrators can delete any.
#[utoipa::path(delete, path = "/v1/images/{image}", operation_id = "delete_image", params(("image" = String, Path, description = "name or id")),
    responses((status = 204), (status = 403, body = Problem), (status = 409, body = Problem)))]
pub async fn delete(
    State(api): State<Arc<Api>>,
    user: User,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    let image = api.find_image(&user, &name).await?;
    let is_foreign = image.owner.is_some() && image.owner.as_deref() != user.known.identity.project_id();
    if !user.is_administrator() && is_foreign {
        let detail = format!("image {name} belongs to another project; ask an administrator to delete it");
        return Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", detail));
    }
    let servers = api.inventory.tenant_servers(None).await?;
    let is_needed = |state| matches!(state, TenantServerState::Requested | TenantServerState::Building);
    if servers.iter().any(|server| server.image == image.id && is_needed(server.state)) {
        return Err(Problem::conflict(format!(
            "image {name} is being written to a server; delete it when that is done, or delete the server first"
        )));
    }
    api.glance.delete_image(user.caller(), &image.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl Api {
    /// An image that the user may boot, by id or name.
    pub(super) async fn find_image(&self, user: &User, name: &str) -> Result<rim::Image, Problem> {
        let images = self.glance.list_images(user.caller()).await?;
        pick("image", name, images, |image| image.id == name, |image| image.name.as_deref() == Some(name))
    }

    /// Refuses an image that the flavor's servers cannot start or hold.
    pub(super) async fn refuse_unfit(&self, image: &rim::Image, flavor: &rim::Flavor) -> Result<(), Problem> {
        let servers = self.inventory.servers(None).await?;
        let machines: Vec<_> = servers
            .iter()
            .filter(|server| pools::takes(flavor, server))
            .map(|server| Machine {
                boot_mode: server.boot_mode,
                sector_bytes: root_of(server).map(|root| root.sector_bytes).filter(|bytes| *bytes > 0),
            })
            .collect();
        refuse_unfit(image, flavor, &machines)
            .map_err(|why| Problem::conflict_at("image", &why).at("flavor", &why))
    }
}

fn image_view(image: rim::Image) -> Image {
    Image {
        sha512: image.os_hash_value.clone().filter(|_| image.os_hash_algo.as_deref() == Some("sha512")),
        boot_mode: ImageFirmware::of(image.boot_mode()),
        sector_bytes: image.sector_bytes(),
        name: image.name.unwrap_or_default(),
        format: image.disk_format.unwrap_or_default(),
        size_bytes: image.size.unwrap_or(0),
        min_disk_gb: image.min_disk,
        id: image.id,
        status: image.status,
        visibility: image.visibility,
        project_id: image.owner,
        created: image.created_at.and_then(|at| Some(format!("{:.0}", at.parse::<jiff::Timestamp>().ok()?))),
    }
}
