//! Edges: images, flavors and networks in the API. Glance, Nova and Contrail own them; we pass on and translate.

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
use uuid::Uuid;

use super::{
    Api,
    auth::{Admin, Tenant, User},
    types::{Flavor, Image, List, NewFlavor, NewNetwork, Problem, TenantNetwork},
};
use crate::openstack::{
    glance::{self, NewImage},
    nova::{self, FlavorSpec},
    session::Caller,
};

/// Largest image that is taken.
pub const IMAGE_BYTES_MAX: u64 = 1 << 40;

/// Images that the caller may boot.
#[utoipa::path(get, path = "/v1/images", responses((status = 200, body = List<Image>)))]
pub async fn list_images(State(api): State<Arc<Api>>, user: User) -> Result<Json<List<Image>>, Problem> {
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
pub async fn create_image(
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
pub async fn delete_image(
    State(api): State<Arc<Api>>,
    user: User,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    let image = api.find_image(&user, &name).await?;
    api.glance.delete_image(Caller::Tenant(&user.token), &image.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Flavors that select physical servers.
#[utoipa::path(get, path = "/v1/flavors", responses((status = 200, body = List<Flavor>)))]
pub async fn list_flavors(State(api): State<Arc<Api>>, user: User) -> Result<Json<List<Flavor>>, Problem> {
    let flavors = api.nova.list_flavors(Caller::Tenant(&user.token)).await?;
    Ok(Json(List { items: flavors.into_iter().filter_map(flavor_view).collect() }))
}

/// Makes a flavor (administrators).
#[utoipa::path(post, path = "/v1/flavors", request_body = NewFlavor, responses((status = 201, body = Flavor)))]
pub async fn create_flavor(
    State(api): State<Arc<Api>>,
    _: Admin,
    Json(wanted): Json<NewFlavor>,
) -> Result<(StatusCode, Json<Flavor>), Problem> {
    for (field, text) in [("name", &wanted.name), ("resource_class", &wanted.resource_class)] {
        if text.is_empty() || text.len() > 80 {
            return Err(Problem::bad(format!("{field}: must have 1 to 80 characters")));
        }
    }
    if wanted.cpus == 0 || wanted.memory_mib == 0 {
        return Err(Problem::bad("cpus, memory_mib: must be at least 1"));
    }
    let spec = FlavorSpec {
        name: wanted.name,
        id: None,
        vcpus: wanted.cpus.into(),
        ram_mb: wanted.memory_mib,
        disk_gb: wanted.disk_gb,
        resource_class: wanted.resource_class,
        traits: Vec::new(),
        capabilities: Default::default(),
    };
    let made = api.nova.create_flavor(&spec).await?;
    let view = flavor_view(made)
        .ok_or_else(|| Problem::conflict("a flavor of that name exists that is not for physical servers"))?;
    Ok((StatusCode::CREATED, Json(view)))
}

/// Deletes a flavor (administrators).
#[utoipa::path(delete, path = "/v1/flavors/{flavor}", params(("flavor" = String, Path, description = "name or id")), responses((status = 204)))]
pub async fn delete_flavor(
    State(api): State<Arc<Api>>,
    Admin(user): Admin,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    let flavor = api.find_flavor(&user, &name).await?;
    api.nova.delete_flavor(&flavor.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Networks of the caller's project.
#[utoipa::path(get, path = "/v1/networks", responses((status = 200, body = List<TenantNetwork>)))]
pub async fn list_networks(
    State(api): State<Arc<Api>>,
    user: User,
) -> Result<Json<List<TenantNetwork>>, Problem> {
    Ok(Json(List { items: api.networks.list_networks(user.sees()?).await? }))
}

/// Makes a network with a subnet in the caller's project.
#[utoipa::path(post, path = "/v1/networks", request_body = NewNetwork, responses((status = 201, body = TenantNetwork)))]
pub async fn create_network(
    State(api): State<Arc<Api>>,
    tenant: Tenant,
    Json(wanted): Json<NewNetwork>,
) -> Result<(StatusCode, Json<TenantNetwork>), Problem> {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if wanted.name.is_empty() || wanted.name.len() > 63 || !wanted.name.chars().all(good) {
        return Err(Problem::bad("name: must have 1 to 63 letters, digits, - or _"));
    }
    check_subnet(&wanted.subnet)?;
    let Tenant { project_id, project_name, .. } = tenant;
    let network =
        api.networks.ensure_network(&project_id, &project_name, &wanted.name, &wanted.subnet).await?;
    Ok((StatusCode::CREATED, Json(network)))
}

/// Deletes a network that nothing uses.
#[utoipa::path(delete, path = "/v1/networks/{network}", params(("network" = String, Path, description = "name or id")), responses((status = 204)))]
pub async fn delete_network(
    State(api): State<Arc<Api>>,
    user: User,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    let network = api.find_network(&user, &name).await?;
    api.networks.delete_network(network.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl Api {
    /// An image that the user may boot, by id or name.
    pub(super) async fn find_image(&self, user: &User, name: &str) -> Result<glance::Image, Problem> {
        let images = self.glance.list_images(Caller::Tenant(&user.token), None).await?;
        pick("image", name, images, |image| image.id == name, |image| image.name.as_deref() == Some(name))
    }

    /// A flavor for physical servers, by id or name.
    pub(super) async fn find_flavor(&self, user: &User, name: &str) -> Result<nova::Flavor, Problem> {
        let flavors = self.nova.list_flavors(Caller::Tenant(&user.token)).await?;
        pick("flavor", name, flavors, |flavor| flavor.id == name, |flavor| flavor.name == name)
    }

    /// A network of the user's project, by id or name.
    pub(super) async fn find_network(&self, user: &User, name: &str) -> Result<TenantNetwork, Problem> {
        let networks = self.networks.list_networks(user.sees()?).await?;
        let id = name.parse::<Uuid>().ok();
        pick("network", name, networks, |network| Some(network.id) == id, |network| network.name == name)
    }
}

/// The one with this id, or else the only one with this name.
fn pick<T>(
    what: &str,
    name: &str,
    all: Vec<T>,
    by_id: impl Fn(&T) -> bool,
    by_name: impl Fn(&T) -> bool,
) -> Result<T, Problem> {
    let (mut ids, rest): (Vec<T>, Vec<T>) = all.into_iter().partition(by_id);
    if let Some(found) = ids.pop() {
        return Ok(found);
    }
    let mut named: Vec<T> = rest.into_iter().filter(by_name).collect();
    match (named.pop(), named.len()) {
        (Some(found), 0) => Ok(found),
        (None, _) => Err(Problem::not_found(what, name)),
        (Some(_), others) => {
            Err(Problem::conflict(format!("{} {what}s are named {name:?}; name one by its id", others + 1)))
        }
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

/// Only flavors that ask for a resource class are ours to show.
fn flavor_view(flavor: nova::Flavor) -> Option<Flavor> {
    let class = flavor
        .extra_specs
        .iter()
        .find_map(|(key, amount)| (amount == "1").then(|| key.strip_prefix("resources:CUSTOM_")).flatten())?;
    Some(Flavor {
        resource_class: class.to_ascii_lowercase(),
        id: flavor.id,
        name: flavor.name,
        cpus: u32::try_from(flavor.vcpus).unwrap_or(u32::MAX),
        memory_mib: flavor.ram,
        disk_gb: flavor.disk,
    })
}

fn check_subnet(text: &str) -> Result<(), Problem> {
    let bad = |why: &str| Problem::bad(format!("subnet: {text:?} {why}; write one such as 192.0.2.0/24"));
    let (address, length) = text.split_once('/').ok_or_else(|| bad("has no prefix length"))?;
    let address: std::net::Ipv4Addr =
        address.parse().map_err(|_| bad("does not begin with an IPv4 address"))?;
    let length: u32 = length
        .parse()
        .ok()
        .filter(|length| (8..=29).contains(length))
        .ok_or_else(|| bad("needs a prefix length from 8 to 29"))?;
    if u32::from(address) << length != 0 {
        return Err(bad("has bits beyond its prefix"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subnets_are_checked() {
        let check = |text: &str, good: bool| assert_eq!(check_subnet(text).is_ok(), good, "{text}");
        check("192.0.2.0/24", true);
        check("198.18.0.0/15", true);
        check("192.0.2.1/24", false);
        check("192.0.2.0", false);
        check("192.0.2.0/30", false);
        check("2001:db8::/64", false);
        check("192.0.2.0/0", false);
        check("192.0.2.0/x", false);
    }

    #[test]
    fn names_must_be_unique_and_ids_win() {
        let all = || vec![("1", "a"), ("2", "b"), ("3", "b"), ("b2", "4")];
        let find =
            |name: &'static str| pick("thing", name, all(), move |t| t.0 == name, move |t| t.1 == name);
        assert_eq!(find("a").unwrap().0, "1");
        assert_eq!(find("3").unwrap().0, "3");
        assert_eq!(find("b").unwrap_err().status, 409);
        assert_eq!(find("c").unwrap_err().status, 404);
    }
}
