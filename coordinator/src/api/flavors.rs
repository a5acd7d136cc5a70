//! Edges: flavors in the API. Nova owns them; we pass on and translate.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};

use super::{
    Api,
    auth::{Admin, User},
    pick::pick,
    types::{Flavor, List, NewFlavor, Problem},
};
use crate::openstack::{
    nova::{self, FlavorSpec},
    session::Caller,
};

/// Flavors that select physical servers.
#[utoipa::path(get, path = "/v1/flavors", responses((status = 200, body = List<Flavor>)))]
pub async fn list(State(api): State<Arc<Api>>, user: User) -> Result<Json<List<Flavor>>, Problem> {
    let flavors = api.nova.list_flavors(Caller::Tenant(&user.token)).await?;
    Ok(Json(List { items: flavors.into_iter().filter_map(flavor_view).collect() }))
}

/// Makes a flavor (administrators).
#[utoipa::path(post, path = "/v1/flavors", request_body = NewFlavor, responses((status = 201, body = Flavor)))]
pub async fn create(
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
pub async fn delete(
    State(api): State<Arc<Api>>,
    Admin(user): Admin,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    let flavor = api.find_flavor(&user, &name).await?;
    api.nova.delete_flavor(&flavor.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl Api {
    /// A flavor for physical servers, by id or name.
    pub(super) async fn find_flavor(&self, user: &User, name: &str) -> Result<nova::Flavor, Problem> {
        let flavors = self.nova.list_flavors(Caller::Tenant(&user.token)).await?;
        pick("flavor", name, flavors, |flavor| flavor.id == name, |flavor| flavor.name == name)
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
