//! Edges: images in the API. Glance owns them; we pass on and translate.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode, header},
};
use futures::TryStreamExt;
use protocol::step::ImageFormat;
use serde::Deserialize;

use super::{
    Api,
    auth::User,
    pick::pick,
    types::{Image, List, Problem},
};
use crate::openstack::{
    glance::{self, NewImage},
    session::Caller,
};

/// Largest image that is taken.
pub const IMAGE_BYTES_MAX: u64 = 1 << 40;

/// Images that the caller may boot.
#[utoipa::path(get, path = "/v1/images", responses((status = 200, body = List<Image>)))]
pub async fn list(State(api): State<Arc<Api>>, user: User) -> Result<Json<List<Image>>, Problem> {
    let images = api.glance.list_images(Caller::Tenant(&user.token), None).await?;
    Ok(Json(List { items: images.into_iter().map(image_view).collect() }))
}

/// How an image is made.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
pub struct ImageQuery {
    /// Its name.
    name: String,
    /// `raw` or `qcow2`.
    format: String,
    /// Let every project use it (administrators).
    #[serde(default)]
    public: bool,
}

/// Makes an image of the request's body.
#[utoipa::path(post, path = "/v1/images", params(ImageQuery), request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 201, body = Image)))]
pub async fn create(
    State(api): State<Arc<Api>>,
    user: User,
    Query(query): Query<ImageQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Image>), Problem> {
    let format = match query.format.as_str() {
        "raw" => ImageFormat::Raw,
        "qcow2" => ImageFormat::Qcow2,
        other => return Err(Problem::bad(format!("format: {other:?} must be raw or qcow2"))),
    };
    if query.name.is_empty() || query.name.len() > 255 {
        return Err(Problem::bad("name: must have 1 to 255 characters"));
    }
    if query.public && !user.identity.is_admin {
        return Err(Problem::forbidden());
    }
    let length = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    let Some(length) = length.filter(|length| (1..=IMAGE_BYTES_MAX).contains(length)) else {
        return Err(Problem::bad(format!(
            "Content-Length: must say the file's size, 1 to {IMAGE_BYTES_MAX} bytes"
        )));
    };
    let caller = Caller::Tenant(&user.token);
    let wanted = NewImage { name: query.name, format, public: query.public, properties: Default::default() };
    let made = api.glance.create_image(caller, &wanted).await?;
    let uploaded =
        api.glance.upload(caller, &made.id, body.into_data_stream().map_err(std::io::Error::other)).await;
    let image = match uploaded {
        Ok(()) => api.glance.show_image(caller, &made.id).await?,
        Err(error) => {
            let _ = api.glance.delete_image(caller, &made.id).await;
            return Err(error.into());
        }
    };
    if image.size != Some(length) {
        let _ = api.glance.delete_image(caller, &image.id).await;
        return Err(Problem::bad(format!("the upload broke off: {length} bytes were announced")));
    }
    Ok((StatusCode::CREATED, Json(image_view(image))))
}

/// Deletes an image.
#[utoipa::path(delete, path = "/v1/images/{image}", params(("image" = String, Path, description = "name or id")), responses((status = 204)))]
pub async fn delete(
    State(api): State<Arc<Api>>,
    user: User,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    let image = api.find_image(&user, &name).await?;
    api.glance.delete_image(Caller::Tenant(&user.token), &image.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl Api {
    /// An image that the user may boot, by id or name.
    pub(super) async fn find_image(&self, user: &User, name: &str) -> Result<glance::Image, Problem> {
        let images = self.glance.list_images(Caller::Tenant(&user.token), None).await?;
        pick("image", name, images, |image| image.id == name, |image| image.name.as_deref() == Some(name))
    }
}

fn image_view(image: glance::Image) -> Image {
    Image {
        sha512: image.os_hash_value.filter(|_| image.os_hash_algo.as_deref() == Some("sha512")),
        name: image.name.unwrap_or_default(),
        format: image.disk_format.unwrap_or_default(),
        size_bytes: image.size.unwrap_or(0),
        id: image.id,
        status: image.status,
        visibility: image.visibility,
    }
}
